# SPDX-License-Identifier: ISC
# What a webhook costs, in counts that no clock and no busy machine can change:
# the worker's instructions, as valgrind counts them, and its pages, and those
# that PostgreSQL touches for the hot statements. Each has a ceiling, five in a
# hundred above what it was when that was last written down: whoever passes it
# has made webhooks dearer, and either finds out why or raises it knowingly.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use List::Util qw(min sum0);
use POSIX ();
use Ringback::Figure qw(figure);
use Ringback::Instant;
use Ringback::Pass;
use Ringback::Plans qw(explain explain_no_more plans touched);
use Ringback::Test;
use Ringback::Worker;
use Time::HiRes qw(sleep);

# What it was; the ceiling is 1.05 of that. Instructions are those of a build
# as configure makes it.
my %instructions = (
	voice     => 46_400,
	status    => 51_280,
	sms       => 56_960,
	recording => 71_110,
);
my %buffers = (
	'voice'             => 17,
	'voice, again'      => 8,
	'status'            => 17,
	'sms'               => 19,
	'recording'         => 22,
	'sweep: claim'      => 11,
	'sweep: transcript' => 40,
	'sweep: analysis'   => 24,
);

# In KiB, of a worker for webhooks that has answered 200.
my %memory = (
	heap         => 124,
	'all in all' => 1270,
);

# One at a time: the bill, the transcript, the analysis and the next claim.
# Many: of what comes in while the database is busy up to eight are one commit;
# how many that are is for the machine to say; 0.45 is usual.
my %commits = (1 => 3.1, 32 => 0.8);

my $POSTS = 40;
my $instant = Ringback::Instant->new;
my $t = Ringback::Test->new(workers => 1, env => { $instant->env });

# A call and what follows it, and a text: [path, form] by name.
sub story () {
	my %call = $t->call;
	my %text = $t->text;
	return (voice => [ '/api/twilio/voice', \%call ],
		recording => [ '/api/twilio/recording-status',
			{ $t->recording($call{CallSid}) } ],
		status => [ '/api/twilio/status', { %call,
			CallStatus => 'completed', CallDuration => 42 } ],
		sms => [ '/api/twilio/sms', \%text ]);
}

sub ceiling ($name, $seen, $was, $unit) {
	return figure($name, sprintf('%.0f', $seen), '<=',
		int($was * 1.05), unit => $unit);
}

# --- the database ----------------------------------------------------------

sub middle (@values) { return (sort { $a <=> $b } @values)[@values / 2] }

sub of_post ($path, $form) {
	return sum0 map { touched($_) } plans($t, sub {
		$t->post_signed($path, $form);
	});
}

# First, while the tables are as good as empty: then it is the same each time.
subtest 'buffers of the statements for each webhook' => sub {
	explain($t, 'ringback-hooks');
	my %seen;
	for (1 .. 20) {
		my %kind = story();
		push @{ $seen{$_} }, of_post(@{ $kind{$_} })
			for qw(voice recording status sms);
		push @{ $seen{'voice, again'} }, of_post(@{ $kind{voice} });
	}
	explain_no_more($t, 'ringback-hooks');
	ceiling($_, middle(@{ $seen{$_} }), $buffers{$_}, 'buffers')
		for sort keys %seen;
};

subtest 'buffers of a sweep for each recording' => sub {
	$instant->due($t, 50);
	explain($t);
	my @bad;
	my @plans = plans($t, sub {
		my ($status, $out, $err) = Ringback::Pass->run($t, {},
			'--jobs', 1);
		push @bad, "$status: $out$err" if $status != 0;
	});
	explain_no_more($t);
	is_deeply \@bad, [], 'the pass ends well';
	my %like = ('sweep: claim' => qr/SKIP LOCKED.*RETURNING r\.id/s,
		'sweep: transcript' => qr/INSERT INTO transcriptions/,
		'sweep: analysis' => qr/UPDATE transcriptions/);
	for my $name (sort keys %like) {
		my @seen = map { touched($_) / ($_->{'Actual Rows'} || 1) }
			grep { $_->{'Query Text'} =~ $like{$name} &&
			$_->{'Actual Rows'} } @plans;
		ok @seen >= 50, "$name: " . @seen . ' times' or next;
		# More is what others have left behind and nobody has swept up.
		ceiling($name, min(@seen), $buffers{$name}, 'buffers');
	}
};

# Most minutes. Its own lock, and the one question what there is to do; not
# the statements that would do it.
subtest 'statements of a sweep with nothing to do' => sub {
	explain($t);
	my @plans = plans($t, sub {
		my ($status) = Ringback::Pass->run($t);
		is $status, 0, 'the pass ends well';
	});
	explain_no_more($t);
	like $plans[0]{'Query Text'}, qr/pg_try_advisory_lock/, 'its lock';
	figure('statements', scalar @plans, '<=', 2);
};

# Who it is; its settings and that question, to be prepared; the question; the
# end. Each but the last is a journey to a database that may be far away.
subtest 'journeys of a sweep with nothing to do' => sub {
	my $no = cannot_count();
	plan skip_all => $no if $no;
	my $dir = tempdir(CLEANUP => 1);
	my ($status) = Ringback::Pass->run($t, { before => [ qw(strace -f -qq
		-e trace=sendto -o), "$dir/trace" ] });
	is $status, 0, 'the pass ends well';
	my @sent = Ringback::Test::slurp("$dir/trace") =~ /sendto\(/g;
	figure('messages', scalar @sent, '<=', 4);
};

# --- commits ---------------------------------------------------------------

# What is written has a number, and each commit of it waits for the disk.
sub commits ($do) {
	my $next = sub { $t->sql('select txid_snapshot_xmax(
		txid_current_snapshot())') };
	my $before = $next->();
	$do->();
	return $next->() - $before;
}

subtest 'commits of a sweep for each recording' => sub {
	for my $case ([ 1, 50 ], [ 32, 320 ]) {
		my ($jobs, $count) = @$case;
		$instant->due($t, $count);
		my ($status, $out);
		my $seen = commits(sub { ($status, $out) =
			Ringback::Pass->run($t, {}, '--jobs', $jobs) });
		like $out, qr/: $count done/, "--jobs $jobs: the pass is done";
		figure("commits, --jobs $jobs", sprintf('%.2f',
			$seen / $count), '<=', $commits{$jobs});
	}
};

# --- the worker ------------------------------------------------------------

# Of a worker that has started, answered each kind a few times and then those,
# until it ended.
sub counted (@posts) {
	my $dir = tempdir(CLEANUP => 1);
	chmod 0777, $dir;
	my $worker = Ringback::Worker->start($t, { as => [ 'valgrind', '-q',
		'--tool=callgrind',
		"--callgrind-out-file=$dir/out" ] });
	my @warm = map { my %kind = story();
		map { $kind{$_} } qw(voice recording status sms) } 1 .. 5;
	my @bad = grep { $_ !~ /^20[04]$/ }
		map { $worker->post(@$_) } @warm, @posts;
	is_deeply \@bad, [], 'all are answered';
	# One that is told to end while it still tidies up after the last
	# leaves by another way, with a million instructions more.
	sleep 0.3;
	is $worker->stop, 'exit 0', 'and it ends when told to';
	my ($total) = Ringback::Test::slurp("$dir/out")
		=~ /^(?:totals|summary): (\d+)/m;
	return $total // BAIL_OUT('valgrind counted nothing');
}

sub cannot_count () {
	my ($built) = Ringback::Test::slurp($t->dir . '/.state')
		=~ /^BINDIR=(.+)$/m;
	return 'a build with instruments counts those too' if
		Ringback::Test::slurp("$built/ringback-worker")
		=~ /__asan_init|__gcov_/;
	return 'a processor for which libraries have other code' if
		Ringback::Test::slurp('/proc/cpuinfo') !~ /\bavx2\b/;
	return;
}

subtest 'instructions of the worker for each webhook' => sub {
	my $no = cannot_count();
	plan skip_all => $no if $no;
	my $none = counted();
	for my $name (sort keys %instructions) {
		# Those of the other kinds that must come before it are in
		# neither count: they go to the pool's own worker.
		my @stories = map { { story() } } 1 .. $POSTS;
		if ($name ne 'voice' && $name ne 'sms') {
			$t->post_signed(@{ $_->{voice} }) for @stories;
		}
		my $all = counted(map { $_->{$name} } @stories);
		ceiling($name, ($all - $none) / $POSTS, $instructions{$name},
			'instructions');
	}
};

# Writes into one file wait for each other, and sixteen workers have one log.
subtest 'writes of a busy worker to its log' => sub {
	my $no = cannot_count();
	plan skip_all => $no if $no;
	my $dir = tempdir(CLEANUP => 1);
	chmod 0777, $dir;
	my $worker = Ringback::Worker->start($t, { before => [ qw(strace -f
		-qq -e trace=write -o), "$dir/trace" ] });
	# From eight at once, so that it always has something to do.
	my @posts = map { my %kind = story(); $kind{voice} } 1 .. 80;
	my $lines = sub { scalar(() = $t->log('lone') =~ / request /g) };
	my $before = $lines->();
	my @clients = map {
		my $of = $_;
		my $pid = fork // die "fork: $!";
		POSIX::_exit(scalar grep { $_ != 200 } map { $worker->post(
			@$_) } @posts[grep { $_ % 8 == $of } 0 .. $#posts])
			if !$pid;
		$pid;
	} 0 .. 7;
	my $bad = grep { waitpid $_, 0; $? } @clients;
	is $bad, 0, 'all are answered';
	$worker->stop;
	my @writes = Ringback::Test::slurp("$dir/trace") =~
		/^\d+ +write\(2, /mg;
	is $lines->() - $before, 80, 'it has told of each when it ends';
	figure('writes for 80 webhooks', scalar @writes, '<=', 40);
};

# The pages that nobody else has. What libraries relocate is the most of all,
# so one library more is seen here, too.
subtest 'memory of a worker' => sub {
	my $no = cannot_count() || $> && 'only root may look';
	plan skip_all => $no if $no;
	my $worker = Ringback::Worker->start($t);
	my @bad = grep { $_ !~ /^20[04]$/ } map { $worker->post(@$_) }
		map { my %kind = story(); @kind{qw(voice recording status sms)}
		} 1 .. 50;
	is_deeply \@bad, [], 'all are answered';
	my $maps = eval { Ringback::Test::slurp('/proc/' . $worker->pid
		. '/smaps') } // '';
	my %seen = (heap => 0, 'all in all' => 0);
	for (split /^(?=[0-9a-f]+-[0-9a-f]+ )/m, $maps) {
		my ($kib) = /^Private_Dirty: +(\d+)/m;
		$seen{heap} += $kib if /\[heap\]/;
		$seen{'all in all'} += $kib;
	}
	SKIP: {
		skip 'this root may not look', 2 if $maps eq '';
		ceiling("memory: $_", $seen{$_}, $memory{$_}, 'KiB')
			for sort keys %memory;
	}
	$worker->stop;
};

$instant->stop;
$t->done;
