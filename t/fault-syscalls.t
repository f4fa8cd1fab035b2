# SPDX-License-Identifier: ISC
# The kernel refuses: no space, no descriptors, a disk that fails, a connection
# that breaks, a signal at the wrong moment; at each system call of a webhook,
# with the database there, just gone and away, and all over a pass of the
# sweep. Nothing crashes, and what was said to be kept is kept.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(shuffle);
use Ringback::Figure qw(seed long);
use Ringback::Inject;
use Ringback::Outside;
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database);
use Ringback::Worker;
use Time::HiRes qw(sleep);

# Some containers do not allow it.
my ($no_strace) = Ringback::Test::run_command(qw(strace -f -o /dev/null true));
plan skip_all => 'strace does not work here' if $no_strace;

# libpq that cannot send waits for the server's last words, which there are
# none of as long as the connection only seems to be broken.
my @slow = long() ? 'ECONNRESET' : ();

# The sanitizers' allocator, told that there is no more, ends the program.
my @memory = Ringback::Inject::sanitized() ? () : 'ENOMEM';

# What may be refused, and how. A name that this machine's kernel does not
# have is left out.
my @MATRIX = (
	[ 'accept,?accept4'              => qw(EINTR ECONNABORTED EMFILE) ],
	[ 'read'                         => qw(EIO EINTR ECONNRESET) ],
	[ 'write'                        => qw(EIO ENOSPC EINTR EAGAIN) ],
	[ 'openat'                       => qw(EIO ENOSPC EMFILE EINTR) ],
	[ '?mkdir,mkdirat'               => qw(EIO ENOSPC) ],
	[ 'fsync'                        => qw(EIO ENOSPC EINTR) ],
	[ '?rename,?renameat,renameat2'  => qw(EIO ENOSPC) ],
	[ '?unlink,unlinkat'             => qw(EIO) ],
	[ 'close'                        => qw(EIO EINTR) ],
	[ 'flock'                        => qw(EINTR ENOLCK) ],
	[ 'getdents64'                   => qw(EIO) ],
	[ 'socket'                       => qw(EMFILE ENOBUFS) ],
	[ 'connect'                      => qw(ECONNREFUSED EINTR EAGAIN) ],
	[ 'sendto'                       => qw(EINTR EAGAIN), @slow ],
	[ 'recvfrom'                     => qw(ECONNRESET EINTR EAGAIN) ],
	[ '?poll,ppoll'                  => qw(EINTR ENOMEM) ],
	[ 'fcntl'                        => qw(EMFILE) ],
	[ 'mmap'                         => @memory ],
);
my @PAIRS = map { my ($calls, @errors) = @$_; map { [ $calls, $_ ] } @errors }
	@MATRIX;

seed();
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(workers => 1, fakes => $outside->fakes);
my $in = Ringback::Inject->new($t, $outside);
my $trace = $t->dir . '/run/trace';

sub strace ($calls, $error, $when) {
	return ('strace', '-f', '-o', $trace, '-e', "trace=$calls", '-e',
		"inject=$calls:error=$error:when=$when");
}

sub injected () { return Ringback::Test::slurp($trace) =~ /\(INJECTED\)/ }

sub name ($calls) { return $calls =~ s/^\?//r =~ s/,.*//r }

# --- one request -----------------------------------------------------------

# Posts with strace at the worker; its answer.
sub post_traced ($worker, $form, @strace) {
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDERR, '>', '/dev/null';
		exec @strace, '-p', $worker->pid or POSIX::_exit(127);
	}
	# The worker, waiting for a request, may end with the first refusal.
	my $gone;
	until ($gone || Ringback::Test::slurp('/proc/' . $worker->pid
		. '/status') =~ /^TracerPid:\s+[1-9]/m) {
		sleep 0.001;
		$gone = waitpid $pid, POSIX::WNOHANG();
	}
	my $status = $worker->post('/api/twilio/sms', $form);
	sleep 0.03;	# it writes its log when it has nothing else to do
	kill 'INT', $pid if !$gone;
	waitpid $pid, 0;
	return $status;
}

sub stored ($sid) {
	return $t->sql('select count(*) from webhook_events where sid = ?',
		$sid);
}

# It has ended, or serves the next as if nothing had been.
sub serves ($worker) {
	return $worker->post('/api/twilio/voice', { $t->call });
}

# Every refusal of the matrix, at the first, second … such call of a request,
# until it has no more of them.
sub walk ($what, %o) {
	my ($worker, %none);
	for my $pair (@PAIRS) {
		my ($calls, $error) = @$pair;
		for my $when (1 .. $o{most}) {
			last if $none{$calls};
			my $where = "$what, " . name($calls)
				. " $when: $error";
			if (!$worker) {
				$worker = Ringback::Worker->start($t, $in->env);
				serves($worker);
			}
			$o{before}->() if $o{before};
			my %text = $t->text;
			my $status = post_traced($worker, \%text,
				strace($calls, $error, $when));
			$in->answered('/api/twilio/sms', \%text, $status,
				$where);
			my $hit = injected();
			$in->point($what) if $hit;
			# It may end when it waits for the next, too.
			if (!serves($worker)) {
				$in->ended($where, $worker->end // 'hangs');
				undef $worker;
			} elsif ($o{database} && !stored($text{MessageSid})) {
				# No good for the next: it waits a second.
				$in->ended($where, $worker->stop // 'hangs');
				undef $worker;
			}
			$none{$calls} = !$hit && $when == 1;
			last if !$hit;
		}
	}
	$in->ended($what, $worker->stop // 'hangs') if $worker;
	return;
}

subtest 'a webhook whose system calls fail' => sub {
	walk('with the database', database => 1, most => long() ? 20 : 3);
	walk('when its connection is gone', database => 1, most => long() ? 40
		: 3, before => sub { $in->disconnect });
	crash_database($t);
	walk('without the database', most => long() ? 20 : 4);
	start_database($t);
	$in->verdict('syscalls, webhook', long() ? 250 : 120);
	$in->nothing_lost('syscalls, webhook');
};

# --- one pass of the sweep -------------------------------------------------

# Where in a good pass there is a call of the matrix, once it has begun to
# work: [call, index], and whether what was spooled is being replayed then.
sub calls_of_a_pass () {
	my $plain = $t->dir . '/run/calls';
	Ringback::Pass->run($t, { before => [ 'strace', '-f', '-o', $plain ],
		%{ $in->env } });
	my %known = map { my $calls = $_->[0];
		map { s/^\?//r => $calls } split /,/, $calls } @MATRIX;
	my (%count, $works, $replays, @calls);
	for (split /\n/, Ringback::Test::slurp($plain)) {
		my ($name) = /^\d+ +(\w+)\(/ or next;
		$works ||= /connect\(.*PGSQL/;
		$replays = 1 if m{openat\(.*/spool/new/\d};
		my $calls = $known{$name} // next;
		push @calls, [ $calls, ++$count{$calls}, $replays ];
		pop @calls if !$works;
		$replays = 0 if $name =~ /^unlink/;
	}
	return @calls;
}

sub pass_traced ($what, $calls, $error, $when) {
	my ($status, undef, $err) = Ringback::Pass->run($t, { before => [
		strace($calls, $error, $when), '--seccomp-bpf' ],
		%{ $in->env } });
	$in->ended("$what, " . name($calls) . " $when: $error", $status > 128
		? 'signal ' . ($status - 128) : "exit $status", $err);
	$in->point($what) if injected();
	return;
}

subtest 'a sweep whose system calls fail' => sub {
	$in->stock(long() ? 700 : 100);
	$in->work;
	my @calls = calls_of_a_pass();
	my @points = shuffle map { my ($calls, @errors) = @$_;
		map { my $call = $_; map { [ $calls, $_, @$call[1, 2] ] }
			@errors } grep { $_->[0] eq $calls } @calls } @MATRIX;
	# All of the replay, and at least one of each pair; as many of the
	# others as there is time for.
	my (%had, %first);
	my @sample = map { $_->[1] } sort { $a->[0] <=> $b->[0] }
		map { [ $_->[3] || !$had{"@$_[0, 1]"}++ ? 0 : 1,
		$_ ] } @points;
	$first{ $_->[0] } //= $_->[1] for @calls;
	for my $point (@sample) {
		$in->work or last;
		pass_traced('a pass', @$point[0 .. 2]);
	}
	crash_database($t);
	pass_traced('a pass without the database', @$_, $first{ $_->[0] })
		for grep { $first{ $_->[0] } } @PAIRS;
	start_database($t);
	$in->verdict('syscalls, sweep', long() ? 500 : 70);
	$in->all_done('syscalls, sweep');
};

$t->done;
