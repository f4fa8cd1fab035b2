# SPDX-License-Identifier: ISC
# Ringback::Cluster: PostgreSQL servers of a test's own, one the standby of
# the other, each on a unix socket in a directory of its own.
#
#	my $a = Ringback::Cluster->new('a');
#	my $b = $a->standby('b');
#	my $t = Ringback::Test->new(env => { DATABASE_URL => 'postgresql://'
#		. 'ringback@/ringback?host=' . $a->socket . ',' . $b->socket
#		. '&target_session_attrs=read-write' });
#	$a->crash;
#	$b->promote;
#	$_->remove for $a, $b;		# or when they go out of scope
package Ringback::Cluster;
use v5.36;

use DBI;
use File::Temp qw(tempdir);
use Time::HiRes qw(sleep);

use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble;

my $bin = '/usr/lib/postgresql/15/bin';

# A primary with an empty database that belongs to ringback.
sub new ($class, $name) {
	my $self = _place($class, $name);
	$self->_run("$bin/initdb", '-D', $self->{data}, qw(-U postgres -A trust
		-E UTF8 --locale=C.UTF-8 --no-sync --no-instructions));
	$self->start;
	$self->sql('create role ringback login');
	$self->sql('create database ringback owner ringback');
	return $self;
}

# Another server that follows this one. It is known by its name.
sub standby ($self, $name) {
	my $new = _place(ref $self, $name);
	$self->_run("$bin/pg_basebackup", '-h', $self->socket, qw(-U postgres
		-X stream -c fast -R -D), $new->{data});
	$new->start;
	return $new;
}

sub _place ($class, $name) {
	my $dir = tempdir('ringback-pg-XXXXXX', TMPDIR => 1, CLEANUP => 0);
	chown +(getpwnam 'postgres')[2, 3], $dir if !$>;
	chmod 0711, $dir if !$>;	# for the programs, who are others
	return bless { name => $name, dir => $dir, data => "$dir/data",
		of => $$ }, $class;
}

sub socket ($self) { return $self->{dir} }

sub start ($self) {
	$self->_run("$bin/pg_ctl", qw(-w -s start -D), $self->{data}, '-l',
		"$self->{dir}/log", '-o', "-k $self->{dir} -h '' "
		. "-c cluster_name=$self->{name} -c shared_buffers=32MB");
	return;
}

sub promote ($self) {
	$self->_run("$bin/pg_ctl", qw(-w -s promote -D), $self->{data});
	return;
}

# Its processes: the first has started the others.
sub pids ($self) {
	my ($head) = Ringback::Test::slurp("$self->{data}/postmaster.pid")
		=~ /^(\d+)/ or return;
	return $head, Ringback::Trouble::children($head);
}

# As after a power cut; what it had in shared memory is tidied away.
sub crash ($self) {
	my @pids = $self->pids or return;
	kill 'CONT', @pids;
	kill 'QUIT', $pids[0];
	for (1 .. 200) {
		return if !grep { Ringback::Test::slurp("/proc/$_/stat")
			=~ /^\d+ \(.*\) [^ZX]/s } @pids;
		sleep 0.02;
	}
	kill 'KILL', @pids;
	return;
}

# It is there and says nothing, as on a machine that hangs.
sub freeze ($self) { return kill 'STOP', $self->pids }

# What the whole server is asked or told; the first value of the answer.
sub sql ($self, $sql, @values) {
	my $dbh = DBI->connect("dbi:Pg:dbname=postgres;host=$self->{dir};"
		. 'user=postgres', '', '', { RaiseError => 1,
		PrintError => 0 });
	return $dbh->do($sql) if $sql !~ /^select/;
	return ($dbh->selectrow_array($sql, undef, @values))[0];
}

sub _run ($self, @command) {
	my ($status, $out, $err) = Ringback::Test::run_command(
		Ringback::Pass::as_postgres(), @command);
	die "@command: $out$err" if $status != 0;
	return;
}

sub remove ($self) {
	return if $self->{removed}++;
	$self->crash;
	system 'rm', '-rf', $self->{dir};
	return;
}

sub DESTROY ($self) {
	return if $$ != $self->{of};
	local $?;
	return $self->remove;
}

1;
