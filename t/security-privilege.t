# SPDX-License-Identifier: ISC
# Whoever has taken over one program has not got the others: each is a user of
# its own that knows its own secrets, can be spoken to by nginx alone, and has
# given up what it does not need. What the database refuses is in roles.t.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::UNIX;
use List::Util qw(max);
use POSIX ();
use Ringback::Figure qw(figure seed long);
use Ringback::Inject;
use Ringback::Load qw(callers);
use Ringback::Outside qw(speech);
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(workers);
use Time::HiRes qw(sleep time);

plan skip_all => 'only root can be somebody else' if $> != 0;
plan skip_all => 'nobody else may enter this tree, so all may read all'
	if grep { /dac_override/ } Ringback::Pass::as_program('hooks');

seed();
my $outside = Ringback::Outside->new;
my %secret = (
	TWILIO_API_SECRET => 'canary-rest-secret-9b1f',
	OPENAI_API_KEY => 'canary-openai-key-77aa',
	LLM_API_KEY => 'canary-llm-key-c0de',
);
my $t = Ringback::Test->new(workers => 4, fakes => $outside->fakes, env => {
	TWILIO_API_KEY => 'SK' . 'a' x 32, %secret });
my $dir = $t->dir;
my @programs = qw(hooks api sweep);
my %reads = (		# the secrets that a program is told
	hooks => [],
	api => [ 'TWILIO_API_SECRET' ],
	sweep => [ sort keys %secret ],
);
# A sanitizer wants to look in, and is let.
my $watched = Ringback::Inject::sanitized() ? 'a build with sanitizers' : '';

# Output of a command as a user, its status before it.
sub as ($user, @command) {
	my @groups = $user eq 'nobody' ? '--clear-groups' : '--init-groups';
	my ($status, $out, $err) = Ringback::Test::run_command('setpriv',
		"--reuid=$user", '--regid=' . (getpwnam $user)[3], @groups,
		@command);
	return "$status $out$err";
}

sub perl ($user, $code, @args) { return as($user, 'perl', '-e', $code, @args) }

# --- who may speak to a worker ---------------------------------------------

my $CONNECT = 'use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0);
	connect($s, sockaddr_un($ARGV[0])) ? print "connected" : print 0 + $!,
	" $!"';

subtest 'T19: nginx alone reaches the sockets' => sub {
	for my $pool (qw(hooks api)) {
		my $socket = "$dir/run/$pool.sock";
		my @stat = stat $socket;
		is $stat[2] & 0777, 0660, "$pool: mode";
		is scalar(getgrgid $stat[5]), 'www-data', '… for nginx\'s group';
		like perl('www-data', $CONNECT, $socket), qr/connected/,
			'… which gets in';
		my $other = $pool eq 'hooks' ? 'api' : 'hooks';
		for my $user ('nobody', 'postgres', "ringback-$other",
			'ringback-sweep', 'ringback') {
			is perl($user, $CONNECT, $socket), '0 '
				. POSIX::EACCES . ' Permission denied',
				"$user does not";
		}
	}
};

sub record ($type, $content) {
	return pack('CCnnCx', 1, $type, 1, length $content, 0) . $content;
}

# FAULTS 2.1: lengths whose sum overflows in libfcgi.
my @lengths = (
	[ 'name 0x7ffffffe, value 0', pack 'NC', 0xfffffffe, 0 ],
	[ 'both 0x7ffffffe', pack 'NN', 0xfffffffe, 0xfffffffe ],
	[ 'both 0x3fffffff', pack 'NN', 0xbfffffff, 0xbfffffff ],
	[ 'both 0x7fffffff', pack 'NN', 0xffffffff, 0xffffffff ],
	[ 'name 0, value 0x7fffffff', pack 'CN', 0, 0xffffffff ],
);

# Sends it and waits for the end of the connection.
sub shoot ($lengths) {
	my $s = IO::Socket::UNIX->new(Peer => "$dir/run/hooks.sock")
		or die "hooks.sock: $!";
	local $SIG{PIPE} = 'IGNORE';
	$s->autoflush(1);
	print {$s} record(1, pack 'nCx5', 1, 0), record(4, $lengths . 'x' x 64),
		record(4, '');
	shutdown $s, 1;
	my $select = IO::Select->new($s);
	while ($select->can_read(5)) {
		sysread $s, my $bytes, 4096 or last;
	}
	return;
}

# Half a request, and then nothing: sent now, looked at in the end. The other
# workers take what comes meanwhile.
my $half = IO::Socket::UNIX->new(Peer => "$dir/run/hooks.sock")
	or die "hooks.sock: $!";
$half->autoflush(1);
my $half_at = time;
print {$half} record(1, pack 'nCx5', 1, 0);

# nginx connects, and may have to wait for a processor before it writes. A
# worker that is interrupted meanwhile, as by the tick that watches over it,
# waits on.
subtest 'T19: a connection outlives whatever interrupts its worker' => sub {
	my $s = IO::Socket::UNIX->new(Peer => "$dir/run/api.sock")
		or die "api.sock: $!";
	sleep 0.2;	# one of them has accepted it
	kill ALRM => workers($t, 'api');
	sleep 0.2;
	$s->autoflush(1);
	print {$s} record(1, pack 'nCx5', 1, 0), record(4, ''), record(5, '');
	ok IO::Select->new($s)->can_read(10), 'it is answered';
	ok sysread($s, my $bytes, 4096), '… in so many words';
};

subtest 'T19: lengths that a worker dies of cost that worker' => sub {
	plan skip_all => "$watched ends otherwise" if $watched;
	my $times = long() ? 200 : 20;
	my $load = Ringback::Load->start($t, [ callers($t, long() ? 3000 :
		400) ], rate => 150);
	$t->wait_for('load', sub { $load->count >= 20 });
	my (%deaths, @back, @more);
	for (1 .. $times) {
		last if !$load->running;
		for my $case (@lengths) {
			my ($name, $lengths) = @$case;
			my %before = map { $_ => 1 } workers($t);
			shoot($lengths);
			my $begin = time;
			my @gone;
			# One that is dying is gone when it has said why.
			while (time < $begin + 0.05) {
				my %now = map { $_ => 1 } workers($t);
				@gone = grep { !$now{$_} } keys %before;
				last if @gone;
				sleep 0.002;
			}
			$deaths{$name} += @gone;
			push @more, "$name: @gone" if @gone > 1;
			next if !@gone;
			sleep 0.002 until workers($t) >= 4
				|| time > $begin + 5;
			push @back, (time - $begin) * 1000;
		}
	}
	my $log = $load->stop->end;
	my @log = grep { defined } @$log;
	note join ', ', map { "$_: " . ($deaths{$_} // 0) } sort keys %deaths;
	figure('lengths: shots that killed', scalar @back, '>=', 3);
	is_deeply \@more, [], 'each no more than one worker';
	figure('lengths: until there is another', sprintf('%.0f', max(@back,
		0)), '<', 100, unit => 'ms', timing => 1);
	figure('lengths: posts meanwhile', scalar @log, '>=', 100);
	figure('lengths: of these not answered as always', scalar(grep {
		!$_->{good} } @log), '==', 0);
};

# --- what a process shows --------------------------------------------------

# What a process has in its memory, of these words.
sub remembered ($pid, @words) {
	open my $mem, '<:raw', "/proc/$pid/mem" or die "/proc/$pid/mem: $!";
	my %found;
	no warnings 'portable';	# addresses have more than 32 bits
	for (split /\n/, Ringback::Test::slurp("/proc/$pid/maps")) {
		my ($from, $to) = /^(\w+)-(\w+) r/ or next;
		next if /\[v(?:var|sys|dso)/;
		$from = hex $from;
		my $left = hex($to) - $from;
		sysseek $mem, $from, 0 or next;
		my $tail = '';
		while ($left > 0 && sysread $mem, my $bytes,
			$left > 1 << 20 ? 1 << 20 : $left) {
			$left -= length $bytes;
			$tail .= $bytes;
			$found{$_} = 1 for grep { index($tail, $_) >= 0 }
				@words;
			$tail = substr $tail, -64 if length $tail > 64;
		}
	}
	return sort keys %found;
}

subtest 'T27: each program is a user of its own' => sub {
	my %uid = map { $_ => (getpwnam "ringback-$_")[2] } @programs;
	is scalar(keys %{ { reverse %uid, 0 => 'root' } }), 4,
		'three users, none of them root';
	for my $pool (qw(hooks api)) {
		for my $pid (workers($t, $pool)) {
			like Ringback::Test::slurp("/proc/$pid/status"),
				qr/^Uid:\t(\d+)\t\1\t\1\t\1$
				(?(?{ $1 != $uid{$pool} })(?!))/mx,
				"$pool: worker $pid";
		}
	}
};

subtest 'T27: started as root it goes on as that user, or not at all' => sub {
	my ($bin) = Ringback::Test::slurp("$dir/.state") =~ /^BINDIR=(.+)$/m;
	for my $pool (qw(hooks api)) {
		my $path = "$dir/run/root.sock";
		unlink $path;
		my $listen = IO::Socket::UNIX->new(Local => $path, Listen => 1)
			or die "$path: $!";
		my $pid = fork // die "fork: $!";
		if (!$pid) {
			POSIX::dup2(fileno $listen, 0);
			open STDERR, '>>', "$dir/log/root.log";
			exec "$bin/ringback-worker", '-f', "$dir/$pool.env",
				$pool or POSIX::_exit(127);
		}
		my ($uid, $gid) = (getpwnam "ringback-$pool")[2, 3];
		my $shared = getgrnam 'ringback-spool';
		my $status;
		$t->wait_for('its start', sub { ($status = Ringback::Test::slurp(
			"/proc/$pid/status")) =~ /^NoNewPrivs:\t1/m });
		like $status, qr/^Uid:\t$uid\t$uid\t$uid\t$uid$/m, "$pool: user";
		like $status, qr/^Gid:\t$gid\t$gid\t$gid\t$gid$/m, '… group';
		my ($groups) = $status =~ /^Groups:\t(.*?) *$/m;
		is_deeply [ sort split / /, $groups ], [ sort $gid, $shared ],
			'… and the group that shares the spool';
		like $status, qr/^Cap(?:Prm|Eff):\t0+$/m, '… with no capability';
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	my $nobody = tempdir(CLEANUP => 1) . '/passwd';
	open my $fh, '>', $nobody or die $!;
	print {$fh} "root:x:0:0:root:/root:/bin/sh\n";
	close $fh;
	for my $command ([ 'ringback-worker', 'hooks' ], [ 'ringback-sweep' ],
		[ 'ringback-admin', 'key', 'list' ]) {
		my ($name, @args) = @$command;
		my ($status, $out, $err) = Ringback::Test::run_command('unshare',
			'-m', 'sh', '-c', 'mount --bind "$0" /etc/passwd &&
			exec "$@"', $nobody, "$bin/$name", '-f', "$dir/.env",
			@args);
		isnt $status, 0, "$name, without such a user, does nothing";
		like $err, qr/there is no user ringback/, '… and says so';
	}
};

subtest 'T22: the settings of a program are for it alone' => sub {
	for my $program (@programs) {
		my @stat = stat "$dir/$program.env";
		is_deeply [ $stat[2] & 07777, scalar getpwuid $stat[4],
			scalar getgrgid $stat[5] ], [ 0640, 'root',
			"ringback-$program" ], "$program.env: mode and owner";
		my $text = Ringback::Test::slurp("$dir/$program.env");
		is_deeply [ grep { index($text, $secret{$_}) >= 0 }
			sort keys %secret ], $reads{$program},
			'… and secrets: ' . (join(' ', @{ $reads{$program} })
			|| 'none but the token');
		like $text, qr{^DATABASE_URL=postgresql://ringback-$program@}m,
			'… and role';
		for my $user (map({ "ringback-$_" } @programs), qw(nobody
			www-data)) {
			my $mine = $user eq "ringback-$program";
			like as($user, 'cat', "$dir/$program.env"), $mine ?
				qr/^0 #/ : qr/^1 .*Permission denied/,
				$mine ? "$user reads it" : "$user does not";
		}
	}
	for my $user (map({ "ringback-$_" } @programs), qw(nobody www-data)) {
		like as($user, 'cat', "$dir/$_"), qr/^1 .*Permission denied/,
			"$user does not read $_" for qw(.env admin.key .state
			.defaults pg/PG_VERSION);
	}
	my $file = tempdir(CLEANUP => 1) . '/hooks.env';
	system 'cp', "$dir/hooks.env", $file;
	chmod 0644, $file;
	my ($bin) = Ringback::Test::slurp("$dir/.state") =~ /^BINDIR=(.+)$/m;
	for my $program ([ 'ringback-worker', 'hooks' ], [ 'ringback-sweep' ]) {
		my ($name, @args) = @$program;
		is +(Ringback::Test::run_command("$bin/$name", '-f', $file,
			@args))[0], 78, "$name: one that others read is refused";
	}
};

subtest 'T27: nor does a program have another\'s secrets in its memory' => sub {
	plan skip_all => "$watched, which has terabytes of it" if $watched;
	$t->post_signed('/api/twilio/voice', { $t->call });
	# Refused by the one that stands in for Twilio, which has the key.
	is $t->api(POST => '/api/twilio/send-sms', $t->key(scopes => 'admin'),
		{ to => $Ringback::Test::CALLER, body => 'x' })->status, 422,
		'all have been at work';
	my @words = (values %secret, $Ringback::Test::TOKEN);
	for my $pool (qw(hooks api)) {
		my %had;
		$had{$_}++ for map { remembered($_, @words) }
			workers($t, $pool);
		is_deeply [ sort keys %had ], [ sort $Ringback::Test::TOKEN,
			map { $secret{$_} } @{ $reads{$pool} } ], $pool;
	}
};

subtest 'T22: nobody looks into a process' => sub {
	plan skip_all => $watched if $watched;
	for my $pool (qw(hooks api)) {
		for my $pid (workers($t, $pool)) {
			my $status = Ringback::Test::slurp("/proc/$pid/status");
			like $status, qr/^NoNewPrivs:\t1$/m,
				"$pool, $pid: no new rights";
			like $status, qr/^Seccomp:\t2$/m, '… a filter';
			like $status, qr/^CapEff:\t0+$/m, '… no capability';
			like Ringback::Test::slurp("/proc/$pid/limits"),
				qr/^Max core file size\s+0\s+0\s/m, '… no core';
			for my $user (map { "ringback-$_" } @programs) {
				like as($user, 'cat', "/proc/$pid/$_"),
					qr/^1 .*Permission denied/,
					"… $_ is not for $user"
					for qw(environ maps mem);
			}
		}
	}
	my ($pid) = workers($t);
	unlike as('ringback-hooks', qw(timeout 2 strace -p), $pid), qr/^(?:0|124)/,
		'not even its own user traces it';
};

subtest 'T27: what waits is not for everybody' => sub {
	# ringback-admin looks for what is to be erased.
	my @admin = 'ringback';
	my %may = (spool => [ @admin, map { "ringback-$_" } @programs ],
		fallback => [ @admin, 'ringback-sweep' ]);
	for my $place (sort keys %may) {
		for my $user (@admin, map({ "ringback-$_" } @programs),
			qw(nobody www-data)) {
			my $may = grep { $_ eq $user } @{ $may{$place} };
			like as($user, 'ls', "$dir/$place"), $may ? qr/^0/ :
				qr/^2 .*Permission denied/, "$user "
				. ($may ? 'looks' : 'does not look')
				. " into $place";
		}
	}
};

# --- what a program can do -------------------------------------------------

my %always = map { $_ => 'ok' } qw(unix read mmap);
my %never = map { $_ => 'EPERM' } qw(packet vsock alg listen kill kill-itself
	ptrace chmod chown symlink link setuid setrlimit chroot unshare mount
	bpf keyctl io_uring_setup userfaultfd perf_event_open process_vm_readv
	memfd_create mprotect-exec mmap-write-exec fork execve);
my @network = qw(inet inet-datagram inet6);
my $local = 'postgresql://ringback-hooks@/ringback?host=/run/postgresql';
my $far = 'postgresql://ringback-hooks@db.example.com/ringback';

sub may (@names) { return map { $_ => 'ok' } @names }
sub may_not (@names) { return map { $_ => 'EPERM' } @names }

subtest 'T27: a program can do what it needs, and nothing else' => sub {
	plan skip_all => $watched if $watched;
	my $place = tempdir(CLEANUP => 1);
	chmod 0777, $place;
	for my $case (
		[ hooks => $local, may(qw(write unlink)),
			may_not(@network, 'thread') ],
		[ hooks => 'postgresql:///ringback', may(qw(write unlink)),
			may_not(@network, 'thread') ],
		[ hooks => $far, may(qw(write unlink), @network),
			may_not('thread') ],
		[ hooks => 'postgresql:///r?host=/run/a,db.example.com',
			may(qw(write unlink), @network), may_not('thread') ],
		[ hooks => 'postgresql:///r?hostaddr=10.0.0.1',
			may(qw(write unlink), @network), may_not('thread') ],
		[ api => $local, may(@network, qw(thread getaddrinfo)),
			may_not(qw(write unlink)) ],
		[ sweep => $local, may(qw(write unlink thread getaddrinfo),
			@network) ]) {
		my ($program, $url, %expected) = @$case;
		my $out = as("ringback-$program",
			Ringback::Inject::built() . '/t/unit/sandbox_probe',
			$program, $url, $place);
		my ($status) = $out =~ s/^(\d+) // ? $1 : '';
		is_deeply { $out =~ /^(\S+) (\S+)$/mg }, { %always, %never,
			%expected }, "$program, with $url";
		is $status, 128 + POSIX::SIGABRT, '… and giving up is still '
			. 'possible';
	}
};

subtest 'T27: a whole pass is made in it, and none of it is refused' => sub {
	my $recording = $outside->recording($t, speech(30));
	my ($status, $out, $err) = Ringback::Pass->run($t);
	is $status, 0, 'a pass' or diag $err;
	is $t->sql('select status from twilio_recordings where recording_sid
		= ?', $recording), 'completed', 'did its work';
	my %logs = $t->logs;
	is_deeply [ map { /^(.*(?:sandbox|not permitted|EPERM).*)$/mg }
		$err, values %logs ], [], 'nobody was refused anything';
};

subtest 'T19: who stops in the middle does not keep a worker' => sub {
	my $select = IO::Select->new($half);
	ok $select->can_read($half_at + 45 - time), 'the connection ends';
	is sysread($half, my $bytes, 1), 0, '… without an answer';
	cmp_ok time - $half_at, '>', 20, '… but not before a slow request could';
	like $t->log('worker-hooks'), qr/^worker stuck with a request; it ends$/m,
		'the log says so';
	$t->wait_for('four workers', sub { workers($t) == 4 });
};

$t->done;
