# SPDX-License-Identifier: ISC
# app/quickstart as scripts use it: two directories at once, each with its own
# everything; nothing outlives `down`, and the data outlive it.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use List::Util qw(max min);
use Ringback::Test;

my $one = Ringback::Test->new(env => { SMS_REPLY => "It's on its way" });
my $two = Ringback::Test->new(start => 0, workers => 3, env => {
	OPENAI_BASE_URL => undef, LLM_BASE_URL => undef,
	TWILIO_API_BASE_URL => undef });

sub is_mode ($path, $mode, $what) {
	return is sprintf('%04o', (stat $path)[2] & 07777), $mode, $what;
}

subtest 'up prints DIR/.env, and that is all it prints' => sub {
	my ($status, $out, $err) = $one->quickstart('up');
	is $status, 0, 'a second up is fine' or diag $err;
	is $out, $one->dir . "/.env\n", 'the path';
	is_mode $one->dir . '/.env', '0600', 'nobody else reads it';
	is_mode $one->dir . '/admin.key', '0600', "nor the administrator's key";
	my %env = $one->env;
	is $env{WEBHOOK_BASE_URL}, $one->base, 'WEBHOOK_BASE_URL';
	like $env{DATABASE_URL}, qr{^postgresql://}, 'DATABASE_URL';
	is $env{SMS_REPLY}, "It's on its way", "FILE's settings override";
	is $env{TRANSCRIBE_MODEL}, 'whisper-1', 'and what nobody set is there';
	is_deeply [ grep { !exists $env{$_} && Ringback::Test::slurp(
		$one->dir . '/.env') !~ /^#?$_=/m }
		Ringback::Test::slurp("$Ringback::Test::ROOT/lib/base/cfg.def")
		=~ /^CFG\(\w+, \w+, "(\w+)"/mg ], [], 'every setting is';
};

subtest 'the database takes an eighth of the memory' => sub {
	my ($kb) = Ringback::Test::slurp('/proc/meminfo') =~ /^MemTotal: +(\d+)/;
	my $of_container = '/sys/fs/cgroup/memory.max';
	my ($limit) = -e $of_container ? Ringback::Test::slurp($of_container)
		=~ /^(\d+)$/m : ();
	my $eighth = int min($kb / 8192, ($limit // $kb * 1024) / 8388608);
	is $one->dbh->selectrow_array(q{SELECT setting::int / 128 FROM
		pg_settings WHERE name = 'shared_buffers'}),
		min(4096, max(64, $eighth)), 'in MB, 64 to 4096';
};

subtest 'status has a line for each process' => sub {
	my ($status, $out) = $one->quickstart('status');
	is $status, 0, 'all run';
	my %count;
	for (split /\n/, $out) {
		like $_, qr/^[\w-]+ \d+ running$/, $_;
		$count{$1}++ if /^(\S+)/;
	}
	is_deeply \%count, { nginx => 1, postgres => 1, 'worker-hooks' => 2,
		'worker-api' => 2 }, 'and nothing stands in for what was named';
};

subtest "the administrator's key opens the API" => sub {
	my $key = Ringback::Test::slurp($one->dir . '/admin.key') =~ s/\n//r;
	like $key, qr/^tw_\w{8}_\w{43}$/, 'a key';
	is $one->api(GET => '/api/twilio/calls', $key)->status, 200, 'works';
};

SKIP: {
	skip 'no Whisper here: app/speech fetch gets it', 1
		if system("$Ringback::Test::ROOT/app/speech path >/dev/null 2>&1");
	subtest 'another directory does not disturb the first' => sub {
		$two->start;
		is_deeply [ map { scalar $two->pids($_) } qw(worker-hooks carrier
			analyst speech) ], [ 3, 1, 1, 1 ],
			'its workers, and a stand-in for all that is not named';
		my ($status, $out, $err) = $two->quickstart('text', '--body',
			'hello there', '--from', '+14155550101');
		is $status, 0, 'a text by its stand-in carrier' or diag $err;
		is $two->sql('select count(*) from twilio_sms where body = ?',
			'hello there'), 1, 'arrives there';
		is $one->sql('select count(*) from twilio_sms'), 0, 'only there';
		($status, $out) = $two->quickstart('psql', '-Atc',
			'select from_number from twilio_sms');
		like $out, qr/^\+14155550101$/m, 'psql opens its database';
	};
}

subtest 'the data outlive down, and nothing else does' => sub {
	my %text = $one->text;
	$one->post_signed('/api/twilio/sms', \%text);
	is(($one->quickstart('down'))[0], 0, 'down');
	is_deeply [ $one->survivors ], [], 'nothing of it runs';
	my ($status) = $one->quickstart('status');
	is $status, 1, 'and status says so';
	is(($one->quickstart('down'))[0], 0, 'down again is no trouble');
	my ($up, undef, $err) = $one->quickstart('up');
	is $up, 0, 'up again' or diag $err;
	is $one->sql('select count(*) from twilio_sms where message_sid = ?',
		$text{MessageSid}), 1, 'the text is still there';
	like $one->post_signed('/api/twilio/voice', { $one->call }),
		qr/<Record /, 'and it answers';
};

subtest 'what was killed comes back, or goes' => sub {
	kill 'KILL', $one->pids('worker-hooks'), $one->pids('nginx');
	my ($status) = $one->quickstart('up');
	is $status, 0, 'up mends it';
	is $one->post_signed('/api/twilio/voice', { $one->call })->status, 200,
		'it answers again';
	kill 'KILL', $one->pids('postgres');
	is(($one->quickstart('down'))[0], 0, 'down, with the database dead');
	is_deeply [ $one->survivors ], [], 'nothing is left';
	($status, undef, my $err) = $one->quickstart('up');
	is $status, 0, 'and it starts after a crash of the database'
		or diag $err;
};

subtest 'mistakes get a sentence and start nothing' => sub {
	my $busy = IO::Socket::INET->new(Listen => 1,
		LocalAddr => '127.0.0.1') or die $!;
	my $three = Ringback::Test->new(start => 0);
	my ($status, $out, $err) = $three->quickstart('up', '--port',
		$busy->sockport, '--env', $three->write_env);
	isnt $status, 0, 'a port in use';
	like $err, qr/\Q@{[ $busy->sockport ]}\E.*in use/, 'is named';
	is_deeply [ $three->survivors ], [], 'nothing was left running';
	$three->{env}{NO_SUCH_SETTING} = 1;
	($status, $out, $err) = $three->quickstart('up', '--port',
		Ringback::Test::free_port(), '--env', $three->write_env);
	isnt $status, 0, 'a setting that is none';
	like $err, qr/NO_SUCH_SETTING/, 'is named';
	is_deeply [ $three->survivors ], [], 'nothing was left running';
	for my $command ([ 'sweep' ], [ 'psql' ], [ 'call' ],
		[ 'text', '--body', 'x' ], [ 'status' ]) {
		($status, undef, $err) = Ringback::Test::run_command(
			"$Ringback::Test::ROOT/app/quickstart", $command->[0],
			'--dir', '/tmp/no-such-ringback', @$command[1 .. $#$command]);
		isnt $status, 0, "$command->[0] where nothing is";
		like $err, qr/no-such-ringback/, 'says so';
	}
	$three->remove;
};

subtest 'down --purge leaves nothing' => sub {
	$two->quickstart('down', '--purge');
	ok !-e $two->dir, 'the directory is gone';
	is_deeply [ $two->survivors ], [], 'and its processes';
	$two->remove;
};

$one->done;
