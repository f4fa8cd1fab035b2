# SPDX-License-Identifier: ISC
# Bench::Report: what was measured, beside its goals, as a table and as files.
#
#	my $r = Bench::Report->new($dir);
#	$r->sample('rate', 'express 1', 2, 3051.2);	# raw, by round
#	$r->row('throughput', 'of Express, 1 process', 2.4, '>=', 2.6, 'x');
#	$r->note('note', 'pgbench took 14,000');
#	exit !$r->table;
package Bench::Report;
use v5.36;

use Bench::Machine qw(median);

my %reached = (
	'>=' => sub ($seen, $goal) { $seen >= $goal },
	'<=' => sub ($seen, $goal) { $seen <= $goal },
);

sub new ($class, $dir) {
	my $self = bless { dir => $dir, rows => [], samples => {} }, $class;
	$self->_file('samples', qw(measure of round value));
	$self->_file('figures', qw(group what seen operator goal unit said));
	return $self;
}

sub _file ($self, $name, @columns) {
	open $self->{$name . '_file'}, '>', "$self->{dir}/$name.tsv"
		or die "$self->{dir}/$name.tsv: $!";
	$self->{$name . '_file'}->autoflush(1);
	$self->_line($name, @columns);
	return;
}

sub _line ($self, $name, @cells) {
	say { $self->{$name . '_file'} } join "\t", @cells;
	return;
}

sub sample ($self, $measure, $of, $round, $value) {
	push @{ $self->{samples}{$measure}{$of} }, $value;
	$self->_line('samples', $measure, $of, $round, $value);
	return;
}

sub middle ($self, $measure, $of) {
	return Bench::Machine::median(@{ $self->{samples}{$measure}{$of}
		// die "nothing known of $measure, $of" });
}

# Of two that were measured in turn: what one is of the other, in each round,
# and of these the median; what slows the machine down for a while slows both.
sub ratio ($self, $measure, $one, $other) {
	my ($a, $b) = map { $self->{samples}{$measure}{$_}
		// die "nothing known of $measure, $_" } $one, $other;
	return Bench::Machine::median(map { $b->[$_] ? $a->[$_] / $b->[$_] : 0 }
		0 .. $#$a);
}

# Without an operator it is there to be read and has no goal.
sub row ($self, $group, $what, $seen, $operator = '', $goal = '', $unit = '')
{
	my $said = $operator eq '' ? '' :
		$reached{$operator}->($seen, $goal) ? 'reached' : 'MISSED';
	$seen = $seen =~ /^\d+$/ ? $seen : $seen >= 100 ? sprintf('%.0f', $seen)
		: $seen >= 10 ? sprintf('%.1f', $seen) : sprintf('%.2f', $seen);
	push @{ $self->{rows} }, [ $group, $what, "$seen $unit",
		$operator eq '' ? '' : "$operator $goal", $said ];
	$self->_line('figures', $group, $what, $seen, $operator, $goal, $unit,
		$said);
	printf STDERR "bench: %s: %s: %s %s%s\n", $group, $what, $seen, $unit,
		$said eq '' ? '' : " ($operator $goal: $said)";
	return;
}

# Whether all goals are reached.
sub table ($self) {
	my @rows = ([ qw(row what seen goal), '' ], @{ $self->{rows} });
	my @width;
	for my $row (@rows) {
		for (0 .. $#$row) {
			$width[$_] = length $row->[$_]
				if length $row->[$_] > ($width[$_] // 0);
		}
	}
	my $text = join '', map { sprintf("%-$width[0]s  %-$width[1]s  "
		. "%$width[2]s  %-$width[3]s  %s", @$_) =~ s/ +\z//r . "\n" }
		@rows;
	my $missed = grep { $_->[4] eq 'MISSED' } @{ $self->{rows} };
	$text .= sprintf "\n%d goals reached, %d missed\n",
		scalar(grep { $_->[4] eq 'reached' } @{ $self->{rows} }),
		$missed;
	print $text;
	open my $fh, '>', "$self->{dir}/table.txt" or die $!;
	print {$fh} $text;
	close $fh or die $!;
	return !$missed;
}

1;
