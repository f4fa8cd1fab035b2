# SPDX-License-Identifier: ISC
# Bench::Part::Growth: what a webhook costs, of the worker's CPU and of
# PostgreSQL's, when many are stored already. Each time beside the FastCGI
# worker that stores nothing: what slows the machine down is not counted as
# growth.
package Bench::Part::Growth;
use v5.36;

use Ringback::Figure qw(long);
use Ringback::Test;

sub run ($s) {
	my $r = $s->report;
	my @levels = (0, $s->quick ? () : 10_000, 100_000, $s->quick ? () :
		1_000_000, long() ? 10_000_000 : ());
	my $seconds = $s->quick ? 1.5 : 4;
	$s->clear;
	my $stored = 0;
	for my $level (@levels) {
		_store($s->t, $stored + 1, $level);
		$stored = $level;
		$s->load('ringback', seconds => 1);
		for my $round (1 .. $s->rounds) {
			my %us = map { $_ => $s->load($_, seconds =>
				$_ eq 'hello' ? 0.5 : $seconds)->{us} }
				qw(hello ringback);
			my $cost = $us{ringback}{worker}
				+ $us{ringback}{postgres};
			$r->sample('us as it grows', $level, $round, $cost);
			$r->sample('cost as it grows', $level, $round, $cost
				/ ($us{hello}{worker} + $us{hello}{nginx}));
		}
	}
	open my $plot, '>', "$s->{out}/growth.tsv" or die $!;
	for my $level (@levels) {
		my $of = $r->middle('cost as it grows', $level)
			/ $r->middle('cost as it grows', 0);
		say {$plot} join "\t", $level || 1, $of,
			$r->middle('us as it grows', $level);
		$r->row('growth', "a webhook beside $level others, of the "
			. 'first', $of, '<=', 1.15, 'x') if $level;
	}
	close $plot or die $!;
	return;
}

# As webhooks would leave them, with the journal.
sub _store ($t, $from, $to) {
	return if $to < $from;
	my $dbh = $t->dbh;
	my $rows = q{(SELECT md5(n::text) AS hex, now() - (20000000 - n)
		* interval '1 second' AS at FROM generate_series(?::int, ?) n)
		x};
	$dbh->do(q{INSERT INTO webhook_events (dedupe, route, request_uri,
		account_sid, sid, status, body, source, verified, received_at)
		SELECT substr(sha256(hex::bytea), 1, 16), '/api/twilio/voice',
		'/api/twilio/voice', ?, 'CA' || hex, 'ringing',
		repeat('x', 600)::bytea, 'http', true, at FROM } . $rows, undef,
		$Ringback::Test::ACCOUNT, $from, $to);
	$dbh->do(q{INSERT INTO twilio_calls (call_sid, account_sid,
		from_number, to_number, direction, status, created_at,
		updated_at) SELECT 'CA' || hex, ?, '+1415' || substr(translate(
		hex, 'abcdef', '012345'), 1, 7), ?, 'inbound', 'completed', at,
		at FROM } . $rows, undef, $Ringback::Test::ACCOUNT,
		$Ringback::Test::NUMBER, $from, $to);
	$dbh->do("VACUUM ANALYZE $_") for qw(webhook_events twilio_calls);
	return;
}

1;
