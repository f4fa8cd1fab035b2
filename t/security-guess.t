# SPDX-License-Identifier: ISC
# Somebody guesses API keys, as fast as they can: none is right, no key counts
# as used, so many a second are heard of at all, and nobody at Twilio notices.
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
			!$right{$_} } map { guess() } 1 .. 5_000 ]);
	}
	my $seconds = time - $begin;
	my $log = $load->stop->end;
	note sprintf '%.1f s: %s', $seconds, join ', ', map { "$_ x $n{$_}" }
		sort keys %n;
	figure('guesses', $n, '>=', 10_000);
	figure('guesses that were neither refused nor not heard', scalar(grep {
		!/^4(?:01|29)$/ } keys %n), '==', 0);
	# nginx: 1,000 a second from one address, and 1,000 at once.
	figure('guesses that a worker heard of', $n{401} // 0, '<=',
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
	die "answered $answer->{status}" if $answer->{status} != 401;
	return;
}

$t->done;
