# SPDX-License-Identifier: ISC
# Ringback::Trouble: what befalls the machine a test runs on. A database that
# crashes, hangs and comes back; workers that are killed.
package Ringback::Trouble;
use v5.36;

use Exporter qw(import);

use Ringback::Pass;
use Ringback::Test;

our @EXPORT_OK = qw(crash_database start_database freeze_database
	thaw_database workers pool);

# As after a power cut.
sub crash_database ($t) {
	my $pid = Ringback::Test::slurp($t->dir . '/run/postgres.pid');
	kill 'QUIT', $pid;
	$t->wait_for('the end of postgres', sub { return !kill 0, $pid });
	return;
}

# Back again, without the rest of quickstart's up.
sub start_database ($t) {
	my $pg = $t->dir . '/pg';
	my ($status, $out, $err) = Ringback::Test::run_command(
		Ringback::Pass::as_owner(), 'env', 'RINGBACK_QUICKSTART='
		. $t->dir, '/usr/lib/postgresql/15/bin/pg_ctl', '-w', '-s',
		'-D', $pg, '-l', $t->dir . '/log/postgres.log', 'start');
	die "pg_ctl: $out$err" if $status != 0;
	my ($pid) = Ringback::Test::slurp("$pg/postmaster.pid") =~ /^(\d+)/;
	open my $fh, '>', $t->dir . '/run/postgres.pid' or die $!;
	print {$fh} "$pid\n";
	close $fh or die $!;
	return;
}

# It accepts connections and says nothing, as on a disk that hangs.
sub freeze_database ($t) { return kill 'STOP', database($t) }
sub thaw_database ($t)   { return kill 'CONT', database($t) }

sub database ($t) {
	my $head = Ringback::Test::slurp($t->dir . '/run/postgres.pid') + 0;
	return $head, children($head);
}

sub children ($parent) {
	my @pids;
	for my $path (glob '/proc/[0-9]*/stat') {
		my ($pid, $ppid) = Ringback::Test::slurp($path)
			=~ /^(\d+) \(.*\) \S (\d+)/s or next;
		push @pids, $pid if $ppid == $parent;
	}
	return @pids;
}

# The process that keeps a pool alive, and its workers.
sub pool ($t, $name = 'hooks') {
	return Ringback::Test::slurp($t->dir . "/run/worker-$name.pid") + 0;
}
sub workers ($t, $name = 'hooks') { return children(pool($t, $name)) }

1;
