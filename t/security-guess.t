# SPDX-License-Identifier: ISC
# Somebody guesses API keys, as fast as they can: none is right, no key counts
# as used, so many a second are heard of at all, ten a minute are told that they
# are wrong, and nobody at Twilio notices, nor who has a key.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Figure qw(figure seed long);
use Ringback::Load qw(callers);
use Ringback::Test;
use Ringback::Volley qw(volley stored servers);
use Ringback::Wire;
use Time::HiRes qw(sleep time);

seed();
my $t = Ringback::Test->new;
my $wire = Ringback::Wire->to($t);
my @letters = ('a' .. 'z', 'A' .. 'Z', 0 .. 9);
my @keys = map { $t->key(name => "office $_", scopes => 'admin,send') } 1 .. 3;
my ($id) = $keys[0] =~ /^tw_(\w{8})_/;

sub word ($n) { return join '', map { $letters[ rand @letters ] } 1 .. $n }

# By chance, for an id that there is, next to a key, or with parts of keys.
sub guess () {
	my $key = $keys[ rand @keys ];
	my $at = 12 + int rand 43;
	my $one = substr $key, $at, 1;
	my $kind = rand;
	return $kind < 0.3 ? 'tw_' . word(8) . '_' . word(43)
		: $kind < 0.6 ? "tw_${id}_" . word(43)
		: $kind < 0.8 ? substr($key, 0, $at) . (grep { $_ ne $one }
			map { word(1) } 1 .. 50)[0] . substr($key, $at + 1)
		: $kind < 0.9 ? substr($keys[0], 0, 12) . substr($keys[1], 12)
		: substr($key, 0, $at) . word(55 - $at);
}

sub request ($bearer) {
	return $wire->request(pick(), [ Authorization =>
		"Bearer $bearer", 'Content-Type' => 'application/json' ],
		'{"to":"+15005550006","body":"x"}');
}
sub pick () {
	return @{ ([ POST => '/api/twilio/send-sms' ], [ GET =>
		'/api/twilio/calls' ], [ GET => '/api/twilio/sms' ])[ rand 3 ] };
}

subtest 'T29: no guess is right' => sub {
	my $n = long() ? 100_000 : 10_000;
	my %right = map { $_ => 1 } @keys;
	my ($before, $servers) = (stored($t), servers($t));
	my $used = $t->sql('select count(last_used_at) from api_keys');
	my @posts = callers($t, 100);
	my $load = Ringback::Load->start($t, \@posts, rate => 100);
	my ($begin, %n) = time;
	for (1 .. $n / 5_000) {
		$n{$_}++ for volley($t, [ map { request($_) } grep {
			!$right{$_} } map { guess() } 1 .. 5_000 ],
			sub ($answer) { $answer->{status}
			. ($answer->{body} =~ / wrong keys / ? ' late' : '') });
	}
	my $seconds = time - $begin;
	my $log = $load->stop->end;
	note sprintf '%.1f s: %s', $seconds, join ', ', map { "$_ x $n{$_}" }
		sort keys %n;
	figure('guesses', $n, '>=', 10_000);
	figure('guesses that were neither refused nor not heard', scalar(grep {
		!/^4(?:01|29)/ } keys %n), '==', 0);
	figure('guesses that were told that they are wrong', $n{401} // 0,
		'<=', 11 + int $seconds / 6);
	# nginx: 1,000 a second from one address, and 1,000 at once.
	figure('guesses that a worker heard of', ($n{401} // 0)
		+ ($n{'429 late'} // 0), '<=',
		int(1_000 * $seconds + 1_100));
	is $t->sql('select count(last_used_at) from api_keys'), $used,
		'no key was used';
	is $t->sql('select count(*) from api_requests'), 0, 'nothing was sent';
	is servers($t), $servers, 'nobody died of it';
	my @sent = grep { defined } @$log;
	cmp_ok scalar @sent, '>=', 100, 'webhooks came in meanwhile';
	is scalar(grep { !$_->{good} } @sent), 0,
		'and were answered as ever: Twilio is not counted';
};

# --- asked to stop ---------------------------------------------------------

sub wire_from ($address) { return Ringback::Wire->to($t, from => $address) }
sub bearer ($key) { return [ Authorization => "Bearer $key" ] }
sub asked ($wire, $key) {
	return $wire->ask(GET => '/api/twilio/calls', bearer($key));
}

subtest 'T29: ten wrong keys a minute, from one address' => sub {
	my ($guesser, $other) = map { wire_from($_) } '127.0.0.9',
		'127.0.0.10';
	my @answers = map { asked($guesser, guess()) } 1 .. 40;
	my @told = map { $_->{status} } @answers;
	is_deeply [ @told[0 .. 9] ], [ (401) x 10 ], 'ten are told it is wrong';
	# A slow machine may take the six seconds until the next.
	cmp_ok scalar(grep { $_ == 429 } @told[10 .. 39]), '>=', 28,
		'then they are asked to stop';
	my ($late) = grep { $_->{status} == 429 } @answers;
	like $late->{header}{'retry-after'}, qr/^[1-6]$/, 'and when to return';
	like $late->{body}, qr/"code":"too_many_requests"/, 'in so many words';
	is asked($guesser, $keys[1])->{status}, 200,
		'who has a key there is let in all the same';
	is asked($guesser, word(12))->{status}, 429, 'what is no key is one more';
	is asked($other, guess())->{status}, 401, 'another is told';
	is asked($other, $keys[2])->{status}, 200, 'and let in';
	is $guesser->ask(GET => '/api/twilio/calls')->{status}, 401,
		'who shows none is told that it takes one';
	is $guesser->post('/api/twilio/voice', 'a=b')->{status}, 403,
		'webhooks are not counted';
};

# Straight to the workers' socket, as nginx would for that address.
sub worker_says ($address, $bearer) {
	local %ENV = (PATH => $ENV{PATH}, REMOTE_ADDR => $address,
		REQUEST_METHOD => 'GET', REQUEST_URI => '/api/twilio/calls',
		QUERY_STRING => '', CONTENT_TYPE => '', CONTENT_LENGTH => '',
		REQUEST_ID => 'six', HTTP_AUTHORIZATION => "Bearer $bearer");
	my (undef, $out) = Ringback::Test::run_command('cgi-fcgi', '-bind',
		'-connect', $t->dir . '/run/api.sock');
	return $out =~ /^Status: (\d+)/m ? $1 : "none: $out";
}

subtest 'T29: all of one network are one' => sub {
	plan skip_all => 'cgi-fcgi is not there; t/run installs libfcgi-bin'
		if system('command -v cgi-fcgi >/dev/null') != 0;
	my %n;
	$n{ worker_says(sprintf('2001:db8:1:2:%x::%x', $_ * 977, $_), guess()) }++
		for 1 .. 30;
	cmp_ok $n{401} // 0, '<=', 11, 'a /64 of IPv6: ' . ($n{401} // 0);
	is +($n{401} // 0) + ($n{429} // 0), 30, 'and the others too many';
	is worker_says('2001:db8:1:3::1', guess()), 401, 'not its neighbour';
	is worker_says('2001:db8:1:2::7', $keys[1]), 200,
		'nor who has a key in it';
};

subtest 'T29: how long a refusal takes tells nothing' => sub {
	sleep 2;
	my %ms;
	my %bearer = (known => "tw_${id}_" . word(43), unknown => 'tw_'
		. word(8) . '_' . word(43));
	for (1 .. 300) {
		for my $which (sort { rand() < 0.5 ? 1 : -1 } keys %bearer) {
			my $begin = time;
			is_refused($wire->ask(GET => '/api/twilio/calls', [
				Authorization => "Bearer $bearer{$which}" ]));
			push @{ $ms{$which} }, 1000 * (time - $begin);
		}
	}
	my ($known, $unknown) = map { (sort { $a <=> $b } @{ $ms{$_} })[150] }
		qw(known unknown);
	figure('an id that there is: refused so much later or sooner',
		sprintf('%.3f', abs($known - $unknown)), '<', 0.1, unit =>
		'ms', timing => 1);
	is scalar(map { @$_ } values %ms), 600, 'each was refused';
};

sub is_refused ($answer) {
	die "answered $answer->{status}" if $answer->{status} !~ /^4(?:01|29)$/;
	return;
}

$t->done;
