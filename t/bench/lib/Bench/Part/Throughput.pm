# SPDX-License-Identifier: ISC
# Bench::Part::Throughput: as many webhooks as will go, by each contender in turn,
# and what each took of whom.
package Bench::Part::Throughput;
use v5.36;

use List::Util qw(sum);

my @all = qw(ringback express1 floor least webhook express2 bare hello
	nginx);
my %called = (ringback => 'ringback', express1 => 'Express, 1 process',
	express2 => 'Express, 2 processes', webhook => 'pgbench, our statement',
	bare => 'pgbench, a bare upsert', floor => 'a worker that only stores',
	least => 'one by hand that keeps the promises',
	hello => 'FastCGI hello', nginx => 'nginx return 200');

sub run ($s) {
	# Quickly, without those that no goal is about.
	my @contenders = grep { !$s->quick || !/^(hello|nginx)$/ } @all;
	for my $round (0 .. $s->rounds) {
		# There and back: none is always behind the same, and a machine
		# that becomes slower does so for all. Quickly, it is one way.
		my @back = reverse @contenders;
		my @way = !$s->quick ? (@contenders, @back) :
			$round % 2 ? @contenders : @back;
		my %seen;
		for my $name (@way) {
			# To warm up only what learns, or opens connections.
			next if !$round && $name !~ /ringback|express/;
			$s->clear;
			push @{ $seen{$name} }, _put($s, $name, !$round ? 1 :
				$s->quick ? 1.5 : 2.5);
		}
		next if !$round;
		for my $name (@contenders) {
			my @went = @{ $seen{$name} };
			for my $what (sort keys %{ $went[0] }) {
				$s->report->sample($what, $name, $round, sum(
					map { $_->{$what} } @went) / @went);
			}
		}
	}
	_rows($s->report, @contenders);
	open my $plot, '>', "$s->{out}/rates.tsv" or die $!;
	say {$plot} join "\t", $called{$_}, $s->report->middle('rate', $_)
		for grep { $_ ne 'hello' && $_ ne 'nginx' } @contenders;
	close $plot or die $!;
	return;
}

# How many a second, and the microseconds that each took of whom.
sub _put ($s, $name, $seconds) {
	my $seen = $name eq 'webhook' || $name eq 'bare' ?
		$s->pgbench($name, seconds => $seconds) :
		$s->load($name, seconds => $seconds);
	return { rate => $seen->{rate}, map { ("$_ us" => $seen->{us}{$_}) }
		keys %{ $seen->{us} } };
}

sub _rows ($r, @contenders) {
	my $group = 'throughput';
	$r->row($group, $called{$_}, $r->middle('rate', $_), '', '', '/s')
		for @contenders;
	$r->row($group, 'of Express, 1 process', $r->ratio('rate',
		qw(ringback express1)), '>=', 2.6, 'x');
	$r->row($group, 'of Express, 2 processes', $r->ratio('rate',
		qw(ringback express2)), '>=', 2.9, 'x');
	$r->row($group, 'of pgbench, our statement', $r->ratio('rate',
		qw(ringback webhook)), '>=', 0.60, 'x');
	# Nobody who waits on libfcgi and libpq here is any faster than it.
	$r->row($group, 'a worker that only stores, of pgbench', $r->ratio(
		'rate', qw(floor webhook)), '', '', 'x');
	$r->row($group, "of $called{$_}", $r->ratio('rate', 'ringback', $_), '',
		'', 'x') for qw(floor least);
	$r->row($group, "$called{least}, of Express, 1 process",
		$r->ratio('rate', qw(least express1)), '', '', 'x');
	$group = 'CPU a webhook';
	$r->row($group, 'worker', $r->middle('worker us', 'ringback'), '<=', 40,
		'us');
	$r->row($group, $called{$_}, $r->middle('worker us', $_), '', '', 'us')
		for qw(floor least);
	$r->row($group, "Express's", $r->middle('worker us', 'express1'), '',
		'', 'us');
	$r->row($group, "worker, of Express's", $r->ratio('worker us',
		qw(ringback express1)), '<=', 0.125, 'x');
	for my $name (qw(ringback floor webhook bare express1)) {
		$r->row($group, "PostgreSQL, $called{$name}",
			$r->middle('postgres us', $name), '', '', 'us');
	}
	# The same statement takes PostgreSQL half as long again behind a server
	# as behind pgbench, which leaves it the caches: so like with like.
	$r->row($group, 'PostgreSQL, our statement of a bare upsert, pgbench',
		$r->ratio('postgres us', qw(webhook bare)), '<=', 1.35, 'x');
	$r->row($group, "PostgreSQL, ringback of Express's bare upsert",
		$r->ratio('postgres us', qw(ringback express1)), '<=', 1.35,
		'x');
	$r->row($group, 'PostgreSQL, ringback of a bare upsert, pgbench',
		$r->ratio('postgres us', qw(ringback bare)), '', '', 'x');
	$r->row($group, 'nginx', $r->middle('nginx us', 'ringback'), '', '',
		'us');
	$r->row($group, 'load generator', $r->middle('load us', 'ringback'), '',
		'', 'us');
	$r->row($group, "$called{$_} worker", $r->middle('worker us', $_), '',
		'', 'us') for grep { $_ eq 'hello' } @contenders;
	return;
}

1;
