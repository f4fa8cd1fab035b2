# SPDX-License-Identifier: ISC
# Bench::Part::Memory: what a worker holds when it has answered many webhooks.
package Bench::Part::Memory;
use v5.36;

use Bench::Machine qw(pss_kib median);
use Ringback::Trouble qw(workers);

sub run ($s) {
	my $r = $s->report;
	my $goal = $s->quick ? 20_000 : 100_000;
	while ((my $left = $goal - ($s->{served}{ringback} // 0)) > 0) {
		$s->clear;
		$s->load('ringback', requests => $left, seconds => 60);
	}
	my $served = $s->{served}{ringback};
	my @workers = workers($s->t);
	my @pss = map { pss_kib($_) / 1024 } @workers;
	$r->sample('pss', 'worker', $_ + 1, $pss[$_]) for 0 .. $#pss;
	$r->row('memory', "a worker of " . @workers . ", after $served "
		. 'requests to all', median(@pss), '<=', 1.5, 'MB');
	$r->row('memory', 'Express', median(map { pss_kib($_) / 1024 }
		$s->{peers}->pids('express1')), '', '', 'MB');
	return;
}

1;
