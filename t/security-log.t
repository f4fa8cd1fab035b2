# SPDX-License-Identifier: ISC
# A flood of requests that are refused, each for a reason of its own: it leaves
# some lines and the number of the others, not a full disk; and of who is not
# refused there is still a line in every log.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use List::Util qw(sum0);
use Ringback::Figure qw(figure seed long);
use Ringback::Malformed;
use Ringback::Test;
use Ringback::Volley qw(volley signed_post stored servers);
use Ringback::Wire;
use Time::HiRes qw(sleep time);

seed();
my $t = Ringback::Test->new;
my $key = $t->key(name => 'sender', scopes => 'admin,send');
my $wire = Ringback::Wire->to($t);
my $malformed = Ringback::Malformed->new($t, $key);
my @form = ('Content-Type' => 'application/x-www-form-urlencoded');
my $SHARE = 5_000;	# requests at a time

sub pick { return $_[ rand @_ ] }
# A new one for each, but not letter by letter.
my $letters = join '', map { pick('a' .. 'z', 0 .. 9) } 1 .. 100_000;
sub word ($n) { return substr $letters, rand(100_000 - $n), $n }

my @hooks = map { "/api/twilio/$_" } qw(voice sms status recording
	recording-status);

# Whoever wants most for their money: what is refused soonest, and has the most
# to say. Each a way to one request; last of its connection as a reference.
my %kind = (
	'no signature'    => sub { $wire->request(POST => pick(@hooks), [@form],
		'CallSid=' . word(30)) },
	'a forged one'    => sub { signed_post($t, pick(@hooks), { $t->call },
		token => 'guessed') },
	'another type'    => sub { $wire->request(POST => pick(@hooks), [
		'Content-Type' => 'text/' . word(100) ], 'x') },
	'a wrong key'     => sub { $wire->request(GET => '/api/twilio/calls', [
		Authorization => 'Bearer tw_' . word(8) . '_' . word(43) ]) },
	'no key'          => sub { $wire->request(GET => '/api/twilio/sms', []) },
	'a wrong value'   => sub { $wire->request(GET => '/api/twilio/calls?'
		. 'limit=' . word(2000), [ Authorization => "Bearer $key" ]) },
	'no JSON'         => sub { $wire->request(POST =>
		'/api/twilio/send-sms', [ Authorization => "Bearer $key",
		'Content-Type' => 'application/json' ], word(200)) },
	'nothing there'   => sub { $wire->request(GET => '/' . word(2000), []) },
	'nothing in the api' => sub { $wire->request(GET =>
		'/api/' . word(2000), []) },
	'another method'  => sub { $wire->request(pick(qw(PUT DELETE TRACE)) =>
		pick(@hooks) . '?' . word(2000), []) },
	'too large'       => sub { \$wire->request(POST => pick(@hooks,
		'/api/twilio/send-sms') . '?' . word(2000), [ @form,
		'Content-Length' => 99_999 ]) },
	'a chunk too large' => sub { \$wire->request(POST => pick(@hooks) . '?'
		. word(2000), [ @form, 'Transfer-Encoding' => 'chunked' ],
		"fffff\r\nx") },
	'no chunk'        => sub { \$wire->request(POST => pick(@hooks) . '?'
		. word(2000), [ @form, 'Transfer-Encoding' => 'chunked' ],
		"nonsense\r\n") },
	'a long header'   => sub { \$wire->request(GET => '/healthz', [
		word(20) => 'x' x 9_000 ]) },
	'a long line'     => sub { \$wire->request(GET => '/' . 'x' x 9_000, []) },
	'no request'      => sub { \("\x16\x03" . word(300) . "\r\n\r\n") },
	'another host'    => sub { \$wire->request(GET => '/' . word(2000), [
		Host => word(60) ]) },
	'half a request'  => sub { \(my $half = substr $wire->request(POST =>
		pick(@hooks), [ @form, X => word(1_500) ], 'x' x 900), 0,
		300 + rand 2_000) },
	'of every shape'  => sub { ($malformed->next)[1] },
);
# A connection for each takes more time, and is no more bytes.
my @kinds = map { my $kind = $_; ($kind) x (ref $kind{$kind}->() ? 1 : 3) }
	sort keys %kind;

sub size () {
	return sum0 map { -s } glob $t->dir . '/log/*';
}

# Neither TLS nor anything else.
sub knock ($count) {
	for (1 .. $count) {
		my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
			PeerPort => $t->{port}) or next;
		print {$s} pick("GET /" . word(500) . " HTTP/1.1\r\n\r\n",
			"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
			. word(700), "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
			"\x80\x2e\x01\x00\x02" . word(60), word(700), "\x15"
			. "\x03\x01\x00\x02\x02\x50", '');
		close $s;
	}
	return;
}

# Asks and does not stay for the answer.
sub leave ($count) {
	my $tls = Ringback::Wire->tls($t);
	for (1 .. $count) {
		my $one = Ringback::Wire->to($t, tls => $tls);
		$one->send(pick(map { $kind{$_}->() } 'no signature',
			'a wrong key', 'nothing there', 'a wrong value'));
		$one->close;
	}
	return;
}

# Honest requests, answered 2xx; their ids.
sub honest ($count) {
	return map {
		my %text = $t->text;
		$t->note_secrets(\%text);
		my $a = $wire->exchange(signed_post($t, '/api/twilio/sms',
			\%text));
		die "answered $a->{status}" if $a->{status} != 200;
		$a->{header}{'x-request-id'};
	} 1 .. $count;
}

subtest 'T30: a flood of bad requests does not fill the disk' => sub {
	my $n = long() ? 1_000_000 : 20_000;
	my $servers = servers($t);
	my ($count, %n, @ids) = 0;
	my ($before, $begin) = (size(), time);
	for (my $left = $n; $left > 0; $left -= $SHARE) {
		my @statuses = volley($t, [ map { $kind{ $kinds[
			$_ % @kinds] }->() } 1 .. $SHARE ]);
		$n{$_}++ for @statuses;
		$count += @statuses;
		push @ids, honest(25);
	}
	for my $more (\&knock, \&leave) {
		$more->($n / 40);
		$count += $n / 40;
	}
	sleep 1;
	my $bytes = size() - $before;
	note sprintf '%.0f s: %s', time - $begin, join ', ', map {
		"$_ x $n{$_}" } sort keys %n;
	note map { sprintf "%s: %d bytes\n", s{.*/}{}r, -s }
		glob $t->dir . '/log/*';
	is_deeply [ grep { !/^(?:0|4\d\d)$/ } keys %n ], [], 'all are refused';
	figure('bad requests', $count, '>=', 20_000);
	figure('bytes of all logs for each', sprintf('%.1f', $bytes / $count),
		'<=', 50);
	is servers($t), $servers, 'nobody died of it';
	for my $log (qw(access worker-hooks)) {
		my %there = map { $_ => 1 } $t->log($log) =~
			/ req=(\w+) .*?\bstatus=200/g;
		is scalar(grep { !$there{$_} } @ids), 0, scalar(@ids)
			. " good ones in between: all are in $log.log";
	}
};

subtest 'T30: what was left out is counted' => sub {
	sleep 10.1;	# one line more is due by then
	volley($t, [ map { $kind{$_}->() } ('no signature', 'no key') x 20 ]);
	for my $pool (qw(hooks api)) {
		my @left = $t->log("worker-$pool") =~
			/ request .* status=4.* left_out=(\d+)$/mg;
		cmp_ok sum0(@left), '>=', 1_000, "$pool: " . sum0(@left);
	}
	my ($total) = map { sum0 /^ringback_requests_total\{.*"4xx"\} (\d+)/mg }
		$t->request(GET => '/metrics')->body;
	cmp_ok $total, '>=', 5_000, 'as are all that a worker refused';
	# Who asks after one of them finds it in both logs or in none.
	my %log = map { $_ => $t->log($_) } qw(access worker-hooks worker-api);
	my %seen = map { $_ => 1 } join("\n", @log{qw(worker-hooks worker-api)})
		=~ / request req=(\w+) .* status=4/g;
	my @worker = map { /req=(\w+)/ } grep { /worker=4\d\d / && !/ status=499/ }
		split /\n/, $log{access};
	cmp_ok scalar @worker, '>=', 100, 'some have their lines';
	is scalar(grep { !$seen{$_} } @worker), 0, '… in both logs';
};

$t->done;
