# SPDX-License-Identifier: ISC
# Ringback::Pass: one pass of ringback-sweep as cron runs it, in the
# background, to be watched, stopped and killed.
#
#	my $pass = Ringback::Pass->start($t, { LOG_LEVEL => 'debug' },
#		'--limit', 1);
#	$pass->signal('KILL');
#	my ($status, $out, $err) = $pass->end;
package Ringback::Pass;
use v5.36;
use parent qw(Ringback::Child);

use File::Temp qw(tempdir);
use POSIX ();

use Ringback::Test;

# Settings in the environment win over DIR/sweep.env. before: a command that runs
# it, such as strace.
sub start ($class, $t, $env = {}, @args) {
	my @before = @{ delete $env->{before} // [] };
	my @preloaded = preloaded($env);
	my @as = as_program('sweep');	# remembered: not in the child
	my $dir = tempdir(CLEANUP => 1);
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		%ENV = (PATH => $ENV{PATH}, LANG => 'C.UTF-8',
			GNUTLS_NO_IMPLICIT_INIT => 1, %$env,
			map { $_ => $ENV{$_} } grep { /SAN_OPTIONS$|^GCOV_/ }
			keys %ENV);
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>', "$dir/out";
		open STDERR, '>', "$dir/err";
		exec @before, @as, @preloaded, program($t),
			'-f', $t->dir . '/sweep.env', @args
			or POSIX::_exit(127);
	}
	return bless { pid => $pid, dir => $dir, of => $$ }, $class;
}

# (exit status, standard output, standard error), when it is over.
sub end ($self) {
	return @{ $self->{end} } if $self->{end};
	waitpid $self->{pid}, 0;
	my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return @{ $self->{end} = [ $status, map { Ringback::Test::slurp($_) }
		"$self->{dir}/out", "$self->{dir}/err" ] };
}

# One pass from beginning to end.
sub run ($class, @start) { return $class->start(@start)->end }

sub pid ($self) { return $self->{pid} }
sub said ($self) { return Ringback::Test::slurp("$self->{dir}/err") }
sub signal ($self, $name) { return kill $name, $self->{pid} }

sub DESTROY ($self) {
	return $self->{end} ? undef : $self->put_away('KILL');
}

# As quickstart does it: each program as its own user, the database as another.
sub as_program ($name) { return reaching(as_user("ringback-$name")) }
sub as_postgres        { return as_user('postgres') }

sub as_user ($user) {
	return $> ? () : ('setpriv', "--reuid=$user", '--regid='
		. (getpwnam $user)[3], '--init-groups');
}

# As quickstart has it, where that user may not enter the tree, such as below
# /root.
sub reaching (@as) {
	state %reaches;
	return if !@as;
	$reaches{"@as"} //= system(@as, 'test', '-x', $ENV{RINGBACK_BINDIR}
		// "$Ringback::Test::ROOT/.build/default") == 0 ? 1 : 0;
	return $reaches{"@as"} ? @as : (@as, map { "--$_-caps=+dac_override" }
		qw(inh ambient));
}

# A library that is to be with the program, and not with who starts it.
sub preloaded ($env) {
	my $library = delete $env->{LD_PRELOAD} // return;
	return 'env', "LD_PRELOAD=$library";
}

sub program ($t, $name = 'sweep') {
	my ($dir) = Ringback::Test::slurp($t->dir . '/.state')
		=~ /^BINDIR=(.+)$/m;
	return "$dir/ringback-$name";
}

1;
