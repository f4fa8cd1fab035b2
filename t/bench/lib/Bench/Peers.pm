# SPDX-License-Identifier: ISC
# Bench::Peers: what ringback is compared with, each behind an nginx with the
# settings of ringback's own: Express in one process and in two, a FastCGI
# worker that does nothing but store, the same keeping ringback's promises by
# hand, one that does nothing, nginx by itself.
#
#	my $peers = Bench::Peers->start($t, bin => $bin, out => $out,
#		workers => 16);
#	$peers->port('express1');
#	$peers->pids('express1');
package Bench::Peers;
use v5.36;

use File::Temp qw(tempdir);
use POSIX ();
use Time::HiRes qw(sleep);

use Bench::Machine qw(free_ports tree);
use Ringback::Pass;
use Ringback::Test;

my $here = "$Ringback::Test::ROOT/t/bench";
my @names = qw(express1 express2 floor least hello nginx);

# bin: where floor and hello are; workers: how many of each; out: where is what
# floor says.
sub start ($class, $t, %o) {
	my $self = bless { t => $t, dir => tempdir('ringback-peers-XXXXXX',
		TMPDIR => 1, CLEANUP => 1), pids => {}, of => $$ }, $class;
	@{ $self->{port} }{@names} = free_ports(scalar @names);
	my $dir = $self->{dir};
	chmod 0755, $dir;
	if (!$>) {
		my ($uid, $gid) = (getpwnam 'postgres')[2, 3];
		chown $uid, $gid, $dir or die "$dir: $!";
	}
	my ($host) = $t->{database_url} =~ /host=([^&]+)/;
	my %database = (PGHOST => $host, PGUSER => 'ringback', PGDATABASE =>
		'ringback');
	my %of = (1 => 'express1', 2 => 'express2', 3 => 'express2');
	for my $n (1 .. 3) {
		$self->_run($of{$n}, { TOKEN => $Ringback::Test::TOKEN,
			BASE => "https://127.0.0.1:$self->{port}{$of{$n}}",
			%database, NODE_ENV => 'production', NODE_PATH =>
			$ENV{BENCH_NODE_PATH} // '' }, 'node',
			"$here/express.js", "$dir/express-$n.sock");
	}
	my %command = (hello => [ "$o{bin}/hello" ], floor => [
		"$o{bin}/floor", map { "$o{out}/$_" } qw(floor.sql floor.xml
		least.sql) ]);
	# floor is least, too; hello asks no database.
	$self->_run($_, { TOKEN => $Ringback::Test::TOKEN, BASE =>
		"https://127.0.0.1:$self->{port}{least}", %database },
		'spawn-fcgi', '-n', '-s', "$dir/$_.sock",
		'-M', '0666', '--', '/usr/bin/multiwatch', '-f', $o{workers},
		'-s', 'TERM', '--', @{ $command{$_} }) for keys %command;
	$self->_write_conf;
	$self->_run('nginx', {}, 'nginx', '-e', "$dir/error.log", '-p', $dir,
		'-c', "$dir/nginx.conf");
	$self->_wait($_) for map({ "$dir/express-$_.sock" } 1 .. 3),
		map({ "$dir/$_.sock" } keys %command), "$dir/nginx.pid";
	return $self;
}

sub port ($self, $name) { return $self->{port}{$name} }

# All of its processes, whoever started them.
sub pids ($self, $name) {
	$name = 'floor' if $name eq 'least';
	return map { tree($_) } @{ $self->{pids}{$name} // [] };
}

sub _write_conf ($self) {
	my %value = (DIR => $self->{dir}, TOP => $Ringback::Test::ROOT,
		TLS => $self->{t}->dir . '/tls',
		map { uc $_ => $self->{port}{$_} } @names);
	my $conf = Ringback::Test::slurp("$here/peers.conf.in")
		=~ s/@([A-Z0-9]+)@/$value{$1} \/\/ die $1/ger;
	open my $fh, '>', "$self->{dir}/nginx.conf" or die $!;
	print {$fh} $conf;
	close $fh or die $!;
	return;
}

sub _run ($self, $name, $env, @command) {
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		%ENV = (PATH => $ENV{PATH}, LANG => 'C.UTF-8', %$env);
		# As ringback's own: Linux shares out processors by session
		# (autogroup, sched(7)), and this one is the load generator's.
		POSIX::setsid();
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>>', "$self->{dir}/said";
		open STDERR, '>&', \*STDOUT;
		# What npm fetched may be where only root may look.
		my @as = Ringback::Pass::as_postgres();
		push @as, map { "--$_-caps=+dac_override" } qw(inh ambient)
			if @as;
		# In this order: whoever becomes another forgets whose child
		# it is.
		exec @as, 'setpriv', '--pdeathsig', 'KILL', @command
			or POSIX::_exit(127);
	}
	push @{ $self->{pids}{$name} }, $pid;
	return;
}

sub _wait ($self, $file) {
	for (1 .. 400) {
		return if -e $file;
		sleep 0.05;
	}
	die "$file does not come: "
		. Ringback::Test::slurp("$self->{dir}/said");
}

# Heads are told, and tell their own: multiwatch would start another for each
# that somebody else ended.
sub stop ($self) {
	my @heads = map { @$_ } values %{ $self->{pids} };
	my @pids = map { tree($_) } @heads;
	$self->{pids} = {};
	local $?;
	kill 'TERM', @heads;
	waitpid $_, 0 for @heads;
	for (1 .. 50) {
		last if !grep { kill 0, $_ } @pids;
		sleep 0.02;
	}
	kill 'KILL', @pids;
	system 'rm', '-rf', $self->{dir};
	return;
}

sub DESTROY ($self) {
	$self->stop if $self->{of} == $$;
	return;
}

1;
