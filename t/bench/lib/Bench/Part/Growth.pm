# SPDX-License-Identifier: ISC
# Bench::Part::Growth: what a webhook costs, of the worker's CPU and of
# PostgreSQL's, when many are stored already. Each time in turn with another
# ringback, database and all, that has stored next to nothing: what slows the
# machine down, and filling ten million rows does, is not growth. A SID lies
# anywhere in the index of those that are stored: what that alone costs is shown
# by an upsert of pgbench's, which has one such index where a webhook has two,
# beside the most.
package Bench::Part::Growth;
use v5.36;

use Ringback::Figure qw(long);
use Ringback::Test;

sub run ($s) {
	my $r = $s->report;
	my $fresh = $s->another;
	my @levels = ($s->quick ? () : 10_000, 100_000, $s->quick ? () :
		1_000_000, long() ? 10_000_000 : ());
	my $most = $s->quick ? 0 : $levels[-1];
	my $rounds = 2 * $s->rounds + 1;
	my $seconds = $s->quick ? 1 : 2;
	open my $plot, '>', "$s->{out}/growth.tsv" or die $!;
	$s->clear;
	my $stored = 0;
	for my $level (@levels) {
		_store($s->t, $stored + 1, $level);
		$stored = $level;
		$s->checkpoint;
		$fresh->clear;
		my %of = ("beside $level" => $s, "instead of $level" => $fresh);
		# After a checkpoint each page is logged whole once; of an index
		# that is two for each hundred rows.
		$_->load('ringback', seconds => 100, requests => 5_000
			+ $level / 50) for values %of;
		for my $round (1 .. $rounds) {
			for my $what (reverse sort keys %of) {
				my $us = $of{$what}->load('ringback',
					seconds => $seconds)->{us};
				$r->sample('us as it grows', $what, $round,
					$us->{worker} + $us->{postgres});
				next if $level != $most;
				$r->sample('us of one index', $what, $round,
					$of{$what}->pgbench('anywhere', seconds
					=> $seconds)->{us}{postgres});
			}
		}
		my @two = ('us as it grows', "beside $level",
			"instead of $level");
		$r->row('growth', "a webhook beside $level others, of one "
			. 'beside none', $r->ratio(@two), '<=', 1.15, 'x');
		$r->row('growth', "pgbench: a bare upsert beside $level",
			$r->ratio('us of one index', @two[1, 2]), '', '', 'x')
			if $level == $most;
		say {$plot} join "\t", 1, 1, $r->middle(@two[0, 2])
			if $level == $levels[0];
		say {$plot} join "\t", $level, $r->ratio(@two),
			$r->middle(@two[0, 1]);
	}
	close $plot or die $!;
	$fresh->end;
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
