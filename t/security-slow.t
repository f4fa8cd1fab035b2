# SPDX-License-Identifier: ISC
# A thousand connections on which nobody comes to the point: whoever has
# something to say is answered as if they were not there, and no worker ever
# hears of them.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use IO::Socket::SSL;
use POSIX ();
use Ringback::Figure qw(figure seed long);
use Ringback::Ledger;
use Ringback::Load qw(callers percentile);
use Ringback::Test;
use Ringback::Trouble qw(workers);
use Ringback::Volley qw(signed_post stored servers);
use Ringback::Wire;
use Time::HiRes qw(sleep time);

seed();
my $t = Ringback::Test->new(workers => 4);
my $path = '/api/twilio/voice';
my $CROWD = 1000;

# What each kind says at once, and then a byte of every second, for ever.
my %genuine = $t->call;
$t->note_secrets(\%genuine);
my $whole = signed_post($t, $path, \%genuine);
my ($head) = $whole =~ /\A(.*?\r\n)Content-Length/s;
my $host = "Host: 127.0.0.1:$t->{port}\r\n";
my %kind = (
	'says nothing'        => { plain => 1, first => '', more => '' },
	'half a handshake'    => { plain => 1, first => "\x16\x03\x01\x02\x00"
		. "\x01\x00\x01\xfc\x03\x03", more => 'a' },
	'no request'          => { first => '', more => '' },
	'a request line'      => { first => 'POST /', more => 'x' },
	'one header for ever' => { first => "POST $path HTTP/1.1\r\n${host}X-",
		more => 'a' },
	'headers for ever'    => { first => "POST $path HTTP/1.1\r\n$host",
		more => "X: y\r\n" },
	'a body for ever'     => { first => "${head}Content-Length: 60000\r\n\r\n",
		more => 'a' },
	'chunks for ever'     => { first => "${head}Transfer-Encoding: chunked"
		. "\r\n\r\n", more => "1\r\na\r\n" },
	'does not read'       => { first => "GET /api/openapi.json HTTP/1.1\r\n"
		. "$host\r\n", more => '' },
	'stays on'            => { first => "GET /healthz HTTP/1.1\r\n$host\r\n",
		more => '' },
);
my @kinds = map { $kind{$_} } sort keys %kind;

sub connection ($kind, $tls) {
	my @to = (PeerAddr => '127.0.0.1', PeerPort => $t->{port});
	my $s = $kind->{plain} ? IO::Socket::INET->new(@to)
		: IO::Socket::SSL->new(@to, SSL_reuse_ctx => $tls, Timeout => 20)
		or return;
	$s->blocking(0);
	syswrite $s, $kind->{first} if length $kind->{first};
	return $s;
}

# Has the server hung up on it? What it says is not listened to.
sub hung_up ($s, $kind) {
	return 0 if $kind->{first} =~ /openapi/;
	my $n = sysread $s, my $bytes, 4096;
	return defined $n && $n == 0;
}

# Some of the crowd, in a process of its own: whoever is hung up on comes back
# at once. They came together, so many are hung up on together.
sub crowd ($from, $count, $tell) {
	local $SIG{PIPE} = 'IGNORE';
	my $tls = Ringback::Wire->tls($t);
	my @all = map { { kind => $kinds[($from + $_) % @kinds] } } 1 .. $count;
	my $said = 0;
	for (my $round = 0;; $round++) {
		my $speak = time >= $said + 1;
		$said = time if $speak;
		for my $one (@all) {
			my ($s, $kind) = @$one{qw(s kind)};
			$one->{s} = $s = undef if $s && hung_up($s, $kind);
			$one->{s} = connection($kind, $tls), next if !$s;
			syswrite $s, $kind->{more}
				if $speak && length $kind->{more};
		}
		syswrite $tell, 'x' if $round == 0;
		sleep 0.1;
		POSIX::_exit(0) if getppid == 1;
	}
}

sub start_crowd () {
	my @pids;
	pipe my $read, my $write or die "pipe: $!";
	for my $n (0 .. 3) {
		my $pid = fork // die "fork: $!";
		crowd($n * $CROWD / 4, $CROWD / 4, $write) if !$pid;
		push @pids, $pid;
	}
	close $write;
	sysread $read, my $one, 1 for @pids;
	return @pids;
}

# Connections that nginx has.
sub connected () {
	my $port = sprintf '%04X', $t->{port};
	my $n = () = Ringback::Test::slurp('/proc/net/tcp')
		=~ /^\s*\d+: \w+:$port \w+:(?!0000)\w+ 01 /mg;
	return $n;
}

# How often each worker of that pool has been woken, in all.
sub woken ($pool) {
	return map { Ringback::Test::slurp("/proc/$_/status")
		=~ /^voluntary_ctxt_switches:\s+(\d+)/m } sort { $a <=> $b }
		workers($t, $pool);
}

sub honest ($name, $seconds) {
	my @posts = callers($t, 25 * $seconds);
	my $log = Ringback::Load->run($t, \@posts, rate => 100, fresh => 1);
	my @ms = map { $_->{ms} } @$log;
	figure("$name: 99 % answered in", sprintf('%.0f', percentile(99, @ms)),
		'<', 200, unit => 'ms', timing => 1);
	is scalar(grep { !$_->{good} } @$log), 0,
		"$name: all hear what they should";
	Ringback::Ledger->new($t, \@posts, $log)->figures(of => $name);
}

my $servers = servers($t);
honest('nobody else', 3);

my $crowd_calls = sub { $t->sql('select count(*) from webhook_events where
	sid = ?', $genuine{CallSid}) };
my @crowd = start_crowd();

subtest 'T17: no worker is kept busy' => sub {
	sleep 1;
	figure('slow connections', connected(), '>=', 0.9 * $CROWD);
	my @before = woken('hooks');
	sleep 6;	# longer than nginx waits for anybody
	figure('slow connections, 6 s later', connected(), '>=', 0.8 * $CROWD);
	my @after = woken('hooks');
	figure('webhook workers that they keep busy', scalar(grep {
		$after[$_] > $before[$_] + 2 } 0 .. $#after), '==', 0);
};

subtest 'T17: who has something to say is answered' => sub {
	honest("$CROWD slow ones", long() ? 60 : 5);
	figure('slow connections all the while', connected(), '>=',
		0.8 * $CROWD);
};

kill 'KILL', @crowd;
waitpid $_, 0 for @crowd;

subtest 'T17: nothing is left of them' => sub {
	$t->wait_for('the end of their connections', sub { connected() < 20 });
	is servers($t), $servers, 'nobody died of them';
	is $crowd_calls->(), 0, 'what they began to say is not stored';
	is $t->post_signed($path, \%genuine)->status, 200,
		'when it is said to the end it is';
};

# So many who send the head of a request and then nothing; and what each has
# heard half a second later.
sub waiting ($target, $count) {
	my $tls = Ringback::Wire->tls($t);
	my $one = { first => "POST $target HTTP/1.1\r\n${host}Content-Type: "
		. "application/x-www-form-urlencoded\r\nContent-Length: 1000"
		. "\r\n\r\nx" };
	my @all = map { connection($one, $tls) } 1 .. $count;
	sleep 0.5;
	my @said = map {
		my $bytes = '';
		# The first is TLS's own.
		sysread $_, $bytes, 4096, length $bytes for ($_) x 3;
		$bytes =~ m{^HTTP/1\.1 (\d+)} ? $1 : "nothing$bytes";
	} @all;
	return (\@all, @said);
}

subtest 'T17: one address may keep a hundred requests to the api' => sub {
	my $asks = sub (@from) { Ringback::Wire->to($t, @from)->ask(
		GET => '/api/openapi.json')->{status} };
	my ($held, @said) = waiting('/api/twilio/send-sms', 150);
	is scalar(grep { $_ eq 'nothing' } @said), 100, 'so many are waited for';
	is scalar(grep { $_ eq '429' } @said), 50, 'the others are refused';
	is $asks->(), 429, 'as is any other from there';
	is $asks->(from => '127.0.0.9'), 200, 'and nobody else';
	is $t->post_signed($path, \%genuine)->status, 200, 'nor a webhook';
	# Twilio's come from few addresses: there each is waited for.
	my ($hooks, @hooks) = waiting($path, 150);
	is scalar(grep { $_ eq 'nothing' } @hooks), 150,
		'of webhooks as many as come';
	is $t->post_signed($path, \%genuine)->status, 200, 'are no trouble';
	$_->close(SSL_no_shutdown => 1) for @$held, @$hooks;
	ok $t->wait_for('room', sub { $asks->() == 200 }),
		'when they are gone there is room again';
};

$t->done;
