# SPDX-License-Identifier: ISC
# Whatever is asked of a worker, and however often, it is as large afterwards
# as it was before, holds no file more, and valgrind has nothing to say.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use List::Util qw(max shuffle);
use POSIX ();
use Ringback::Figure qw(figure seed long);
use Ringback::Malformed;
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(forget_connections kill_pool workers);
use Ringback::Volley qw(volley signed_post);
use Ringback::Wire;

seed();
my $t = Ringback::Test->new;
my $key = $t->key(name => 'office', scopes => 'admin,send');
my ($bin) = Ringback::Test::slurp($t->dir . '/.state') =~ /^BINDIR=(.+)$/m;
# What a sanitizer keeps is not the worker's, and valgrind cannot run it.
my $sanitized = Ringback::Test::slurp("$bin/ringback-worker") =~ /__asan_init/;

# One of each webhook.
sub webhooks () {
	my %call = $t->call;
	my %recording = $t->recording($call{CallSid});
	my %text = $t->text(Body => 'hello ' . 'x' x rand 1500);
	return ([ '/api/twilio/voice', \%call ], [ '/api/twilio/sms', \%text ],
		[ '/api/twilio/recording', { %call, %recording } ],
		[ '/api/twilio/recording-status', \%recording ],
		[ '/api/twilio/status', { %call, CallStatus => 'completed',
		CallDuration => 9 } ], [ '/api/twilio/status', { %text,
		MessageStatus => 'delivered' } ], [ '/twilio/voice', \%call ]);
}

sub requests ($n) {
	my $malformed = Ringback::Malformed->new($t, $key);
	my $wire = Ringback::Wire->to($t);
	my @api = map { $wire->request(GET => "/api/twilio/$_", [
		Authorization => "Bearer $key" ]) } 'calls', 'sms?limit=5',
		'calls/CA' . '0' x 32, 'transcriptions/RE' . '0' x 32;
	push @api, $wire->request(GET => '/api/openapi.json', []),
		$wire->request(POST => '/api/twilio/send-sms?dryRun=1', [
		Authorization => "Bearer $key", 'Content-Type' =>
		'application/json' ], '{"to":"+15005550006","body":"x"}');
	my @hooks = map { signed_post($t, @$_) } map { webhooks() } 1 .. 20;
	return shuffle map { rand() < 0.5 ? $hooks[ rand @hooks ] : rand() < 0.5
		? $api[ rand @api ] : ($malformed->next)[1] } 1 .. $n;
}

sub state_of (@pids) {
	return map {
		my ($kb) = Ringback::Test::slurp("/proc/$_/status")
			=~ /^RssAnon:\s+(\d+)/m;
		{ pid => $_, kb => $kb, files => scalar(my @f = glob
			"/proc/$_/fd/*") };
	} @pids;
}

subtest 'memory: as large afterwards as before' => sub {
	my $n = long() ? 100_000 : 20_000;
	my @pids = (workers($t), workers($t, 'api'));
	# The largest that there is among them has had its memory by then.
	my @requests = requests(2_000);
	volley($t, [ shuffle((@requests) x 3) ]);
	forget_connections($t);	# which come and go
	my @before = state_of(@pids);
	my %n;
	for (1 .. $n / 4_000) {
		$n{$_}++ for volley($t, [ shuffle((@requests) x 2) ]);
		note join ' ', map { "$_->{kb} KiB" } state_of(@pids);
	}
	forget_connections($t);
	my @after = state_of(@pids);
	note join ', ', map { "$_ x $n{$_}" } sort keys %n;
	is_deeply [ sort { $a <=> $b } workers($t), workers($t, 'api') ],
		[ sort { $a <=> $b } @pids ], 'they are the same processes';
	figure('requests', $n, '>=', 20_000);
	is $n{500} // 0, 0, 'none failed';
	figure('growth of a worker', max(map { $after[$_]{kb} - $before[$_]{kb}
		} 0 .. $#pids), '<', 256, unit => 'KiB', timing => $sanitized);
	figure('files that a worker holds more', max(map { abs($after[$_]{files}
		- $before[$_]{files}) } 0 .. $#pids), '==', 0);
};

# A worker in the place of the pool, under valgrind, for some rounds of every
# webhook, good and bad; and what valgrind then says: errors, bytes lost, bytes
# in use at the end.
sub valgrind ($rounds) {
	my $log = $t->dir . "/run/valgrind.$rounds";
	open my $fh, '>', $log or die "$log: $!";
	chmod 0666, $log;
	my $place = $t->dir . '/run/hooks.sock';
	unlink $place;
	my $listen = IO::Socket::UNIX->new(Local => $place, Listen => 64)
		or die "$place: $!";
	chmod 0777, $place;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		POSIX::dup2(fileno $listen, 0);
		open STDOUT, '>', '/dev/null';
		open STDERR, '>>', $t->dir . '/log/worker-valgrind.log';
		%ENV = (PATH => $ENV{PATH}, LANG => 'C.UTF-8');
		exec Ringback::Pass::as_program('hooks'), 'valgrind', '-q', '--vgdb=no',
			'--leak-check=full', '--show-leak-kinds=definite,possible',
			'--errors-for-leak-kinds=definite,possible', '-v',
			'--num-callers=30', "--log-file=$log",
			"$bin/ringback-worker", '-f', $t->dir . '/hooks.env', 'hooks'
			or POSIX::_exit(127);
	}
	close $listen;
	# The first takes long: it prepares everything.
	$t->wait_for('a worker', sub { $t->post_signed('/api/twilio/status',
		{ $t->call(CallStatus => 'busy') })->status == 204 }, 60);
	my %n;
	for (1 .. $rounds) {
		for my $one (webhooks()) {
			my ($path, $form) = @$one;
			$n{ $t->post_signed($path, $form)->status }++;
			$n{ $t->post_signed($path, $form)->status }++;
			$n{ $t->post_unsigned($path, $form)->status }++;
			$n{ $t->post_signed($path, { %$form, Body =>
				"\xff\0", map { $_ => 'x' } qw(CallSid
				MessageSid SmsSid RecordingSid) })->status }++;
			$n{ $t->post_signed($path, { %$form, 'n' x 70 => 1,
				})->status }++;
		}
	}
	# One that still tidies up after the last leaves by another way.
	sleep 1;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	my $said = Ringback::Test::slurp($log);
	my ($errors) = $said =~ /ERROR SUMMARY: (\d+) errors/;
	my ($bytes) = $said =~ /in use at exit: ([\d,]+) bytes/;
	return { answers => \%n, errors => $errors // 'unknown',
		said => $said, bytes => ($bytes // '') =~ tr/,//dr };
}

subtest 'memory: valgrind has nothing to say' => sub {
	plan skip_all => 'a sanitizer looks at this build' if $sanitized;
	plan skip_all => 'there is no valgrind' if system('command -v valgrind '
		. '>/dev/null') != 0;
	kill_pool($t);
	my ($few, $many) = map { valgrind($_) } 1, 4;
	for my $run ($few, $many) {
		is_deeply [ sort keys %{ $run->{answers} } ], [ 200, 204, 400, 403,
			413 ], join ', ', map { "$_ x $run->{answers}{$_}" }
			sort keys %{ $run->{answers} };
		figure('errors and leaks that valgrind sees', $run->{errors},
			'==', 0) or diag $run->{said};
	}
	figure('bytes kept after 4 rounds, not after one', $many->{bytes}
		- $few->{bytes}, '==', 0);
};

$t->done;
