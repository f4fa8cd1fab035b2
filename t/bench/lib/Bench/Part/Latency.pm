# SPDX-License-Identifier: ISC
# Bench::Part::Latency: how long an answer takes when there is room: webhooks
# come at 70 % of what ringback can take, answered or not, and the same at 70 %
# of what Express can take. How long PostgreSQL alone takes for the statement
# at the first of these rates, and a worker that does nothing but say it, is what
# no server can beat.
package Bench::Part::Latency;
use v5.36;

sub run ($s) {
	my $r = $s->report;
	my $seconds = $s->quick ? 2 : 5;
	my %most = map { $_ => _most($s, $_) } qw(ringback express1);
	my %rate = map { $_ => int 0.7 * $most{$_} } keys %most;
	for my $round (1 .. $s->rounds) {
		for my $of ('ringback', $s->quick ? () : 'express1') {
			for my $name (qw(ringback express1), $of eq 'ringback' ?
				'floor' : ()) {
				$s->clear;
				my $seen = $s->load($name, rate => $rate{$of},
					seconds => $seconds, times =>
					"$s->{out}/times-$name-at-$of.tsv");
				$r->sample("p99 at 70 % of $of", $name, $round,
					$seen->{p99});
				$r->sample("p50 at 70 % of $of", $name, $round,
					$seen->{p50});
			}
		}
		$s->clear;
		my $floor = $s->pgbench('webhook', rate => $rate{ringback},
			seconds => $seconds);
		$r->sample('p99 at 70 % of ringback', 'webhook', $round,
			$floor->{p99});
	}
	my $at = 'p99 at 70 % of ringback';
	my $group = 'latency';
	$r->row($group, "ringback, at $rate{ringback} a second",
		$r->middle($at, 'ringback'), '<=', 5, 'ms');
	$r->row($group, 'pgbench, our statement, at the same rate',
		$r->middle($at, 'webhook'), '', '', 'ms');
	$r->row($group, 'a worker that only stores, at the same rate',
		$r->middle($at, 'floor'), '', '', 'ms');
	$r->row($group, 'Express at the same rate', $r->middle($at,
		'express1'), '', '', 'ms');
	$r->row($group, "of Express's", $r->ratio($at, qw(ringback express1)),
		'<=', 0.333, 'x');
	return if $s->quick;
	$at = 'p99 at 70 % of express1';
	$r->row($group, "ringback, at $rate{express1} a second",
		$r->middle($at, 'ringback'), '', '', 'ms');
	$r->row($group, "of Express's at that rate, 70 % of what it can",
		$r->ratio($at, qw(ringback express1)), '', '', 'x');
	return;
}

sub _most ($s, $name) {
	my $known = eval { $s->report->middle('rate', $name) };
	return $known if $known;
	$s->clear;
	return $s->load($name, seconds => 3)->{rate};
}

1;
