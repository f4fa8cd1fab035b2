# SPDX-License-Identifier: ISC
# Bench::Part::Backlog: one sweep over ten thousand recordings that are due
# where a million are done, with services that answer at once.
package Bench::Part::Backlog;
use v5.36;

use Ringback::Pass;
use Ringback::Plans qw(explain explain_no_more plans touched);
use Ringback::Test;
use Time::HiRes qw(time);

sub run ($s) {
	my ($t, $r) = ($s->t, $s->report);
	my $done = $s->quick ? 100_000 : 1_000_000;
	my $due = $s->quick ? 3_000 : 10_000;
	$s->clear;
	_done($t, $done);
	for my $round (1 .. ($s->quick ? 1 : 3)) {
		$s->{instant}->due($t, $due);
		my $start = time;
		_pass($s, '--jobs', 32);
		$r->sample('recordings a second', 'sweep', $round,
			$due / (time - $start));
	}
	$r->row('backlog', "recordings a second, $due due of $done",
		$r->middle('recordings a second', 'sweep'), '>=', 800, '/s');
	$s->{instant}->due($t, 200);
	explain($t);
	my @claims = grep { $_->{'Query Text'} =~ /FOR UPDATE SKIP LOCKED/ &&
		$_->{'Query Text'} =~ /twilio_recordings/ &&
		$_->{'Actual Rows'} } plans($t, sub { _pass($s, '--jobs', 1) });
	explain_no_more($t);
	die 'no claim was seen' if !@claims;
	$r->sample('buffers of a claim', 'sweep', $_ + 1, touched($claims[$_])
		/ $claims[$_]{'Actual Rows'}) for 0 .. $#claims;
	$r->row('backlog', 'a recording claimed', $r->middle(
		'buffers of a claim', 'sweep'), '<=', 12, 'buffers');
	return;
}

sub _pass ($s, @args) {
	my ($status, $out, $err) = Ringback::Pass->run($s->t, {}, @args);
	die "sweep: $status: $out$err" if $status != 0;
	return;
}

# As many as years leave.
sub _done ($t, $count) {
	my $dbh = $t->dbh;
	$dbh->do(q{INSERT INTO twilio_recordings (recording_sid, account_sid,
		call_sid, duration, channels, source, twilio_status, step,
		status, created_at, run_at)
		SELECT 'RE' || md5(n::text), ?, NULL, 20, 1, 'RecordVerb',
		'completed', 'done', 'completed', at, at FROM (SELECT n, now()
		- n * interval '30 seconds' AS at FROM generate_series(1, ?) n)
		x}, undef, $Ringback::Test::ACCOUNT, $count);
	$dbh->do('VACUUM ANALYZE twilio_recordings');
	return;
}

1;
