# SPDX-License-Identifier: ISC
# Bench::Part::Sweep: services that take their time, and a sweep that is to
# wait for nothing else: N recordings, J at once, L seconds of latency for
# each; and what it holds meanwhile.
package Bench::Part::Sweep;
use v5.36;

use Ringback::Instant;
use Ringback::Pass;
use Time::HiRes qw(sleep time);

use constant STEP_MS => 250;	# of the two that each recording asks for

sub run ($s) {
	my ($t, $r) = ($s->t, $s->report);
	my $slow = Ringback::Instant->new(latency_ms => STEP_MS);
	my $each = $s->quick ? 6 : 16;
	my %most;
	for my $round (1 .. ($s->quick ? 1 : 3)) {
		for my $jobs (1, 8, 32, 64) {
			$s->clear;
			$slow->due($t, $each * $jobs);
			my ($seconds, $mb) = _pass($s, $slow, $jobs);
			$r->sample('of the ideal', $jobs, $round, $seconds
				/ ($each * 2 * STEP_MS / 1000));
			$r->sample('resident', $jobs, $round, $mb);
		}
	}
	$slow->stop;
	for my $jobs (1, 8, 32, 64) {
		my $n = $each * $jobs;
		$r->row('sweep', "wall of $n x ${\(2 * STEP_MS)} ms / $jobs",
			$r->middle('of the ideal', $jobs), '<=', 1.05, 'x');
	}
	$r->row('sweep', "resident, --jobs $_", $r->middle('resident', $_),
		'<=', 16, 'MB') for 1, 64;
	return;
}

# Seconds, and the most that was ever resident, in MB.
sub _pass ($s, $slow, $jobs) {
	my $start = time;
	my %env = $slow->env;
	my $pass = Ringback::Pass->start($s->t, \%env, '--jobs', $jobs);
	my $most = 0;
	while (kill 0, $pass->pid) {
		my ($kib) = Ringback::Test::slurp('/proc/' . $pass->pid
			. '/status') =~ /^VmHWM:\s+(\d+)/m or last;
		$most = $kib;
		sleep 0.005;
	}
	my $seconds = time - $start;
	my ($status, $out, $err) = $pass->end;
	die "sweep: $status: $out$err" if $status != 0;
	return ($seconds, $most / 1024);
}

1;
