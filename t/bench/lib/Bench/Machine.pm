# SPDX-License-Identifier: ISC
# Bench::Machine: what processes have cost so far, from /proc.
#
#	my $before = cpu_us(workers($t));
#	…
#	say +(cpu_us(workers($t)) - $before) / $webhooks, ' us each';
package Bench::Machine;
use v5.36;

use Exporter qw(import);
use POSIX ();

use Ringback::Test;
use Ringback::Trouble;

our @EXPORT_OK = qw(cpu_us tree_us pss_kib tree median free_ports);

# Microseconds of CPU that these processes have used, to the nanosecond, unlike
# the hundredths of /proc/PID/stat.
sub cpu_us (@pids) {
	my $ns = 0;
	for my $file (map { glob "/proc/$_/task/*/schedstat" } @pids) {
		$ns += (split / /, Ringback::Test::slurp($file))[0] // 0;
	}
	return $ns / 1000;
}

# A process and all that it has started, to the last.
sub tree ($pid) {
	return $pid, map { tree($_) } Ringback::Trouble::children($pid);
}

# The same of a tree, with those that have ended meanwhile.
sub tree_us ($pid) {
	my @pids = tree($pid);
	my $ended = 0;
	for (@pids) {
		my ($rest) = Ringback::Test::slurp("/proc/$_/stat")
			=~ /\) (.*)/s or next;
		my ($user, $system) = (split / /, $rest)[13, 14];
		$ended += ($user + $system) * 1e6
			/ POSIX::sysconf(POSIX::_SC_CLK_TCK());
	}
	return cpu_us(@pids) + $ended;
}

# Proportional set size: what is shared counts by its share.
sub pss_kib ($pid) {
	my ($kib) = Ringback::Test::slurp("/proc/$pid/smaps_rollup")
		=~ /^Pss:\s+(\d+)/m;
	return $kib // 0;
}

sub median (@values) {
	@values = sort { $a <=> $b } @values;
	return @values % 2 ? $values[@values / 2] :
		@values ? ($values[@values / 2 - 1] + $values[@values / 2]) / 2
		: 0;
}

# All different, since all are held until the last is found.
sub free_ports ($count) {
	my @sockets = map { IO::Socket::INET->new(Listen => 1,
		LocalAddr => '127.0.0.1', LocalPort => 0)
		// die "no free port: $!" } 1 .. $count;
	return map { $_->sockport } @sockets;
}

1;
