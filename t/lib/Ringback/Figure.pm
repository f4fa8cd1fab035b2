# SPDX-License-Identifier: ISC
# Ringback::Figure: what a fault test measures, beside what it is to reach, as
# lines that t/fault --report gathers; and the seed of what it draws by chance.
#
#	use Ringback::Figure qw(figure seed long);
#	my $n = long() ? 200_000 : 20_000;
#	figure('acknowledged but lost', $lost, '==', 0);
#	figure('99 % answered in', $ms, '<', 500, unit => 'ms', timing => 1);
#
# A figure is a test of its own, but for a timing: a slow machine is no bug.
# seed() draws a seed, or takes T_SEED, calls srand with it and prints it, once
# more when the test has failed. T_LONG=1 asks for the long forms.
package Ringback::Figure;
use v5.36;

use Exporter qw(import);
use Test::More;

our @EXPORT_OK = qw(figure seed long);

my %reached = (
	'==' => sub ($seen, $goal) { $seen == $goal },
	'<'  => sub ($seen, $goal) { $seen < $goal },
	'<=' => sub ($seen, $goal) { $seen <= $goal },
	'>=' => sub ($seen, $goal) { $seen >= $goal },
);
my $seed;

sub figure ($what, $seen, $operator, $goal, %o) {
	my $ok = $reached{$operator}->($seen, $goal);
	my $unit = $o{unit} ? " $o{unit}" : '';
	note join ' | ', 'figure', $what, "$seen$unit",
		"$operator $goal$unit", $ok ? 'reached' : 'MISSED';
	return ok $ok || $o{timing}, "$what: $seen$unit ($operator $goal$unit)";
}

sub seed () {
	return $seed if defined $seed;
	$seed = $ENV{T_SEED} // int rand 1_000_000;
	note "seed | $seed";
	srand $seed;
	return $seed;
}

sub long () { return !!$ENV{T_LONG} }

END {
	diag "to draw the same again: T_SEED=$seed"
		if defined $seed && !Test::More->builder->is_passing;
}

1;
