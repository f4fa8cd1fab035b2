# SPDX-License-Identifier: ISC
# What stands between a key and somebody's telephone: countries, rates, a
# ceiling, quiet hours, and people who said STOP. Each says its name, none is
# passed by hurrying, and a dry run leaves no trace.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::Promise;
use Ringback::Test;

my $t = Ringback::Test->new(carrier => 1, workers => 6, env => {
	SEND_COUNTRIES => '+1,+4420', SEND_PER_KEY_MINUTE => 100_000,
	SEND_PER_RECIPIENT_HOUR => 100_000, SEND_PER_DAY => 100_000,
});
my $twilio = $t->carrier;
my $us = $Ringback::Test::NUMBER;
my $our_other = '+15005550006';
my $key = $t->key(user => 'user-123');
my ($CALL, $TEXT) = map { "/api/twilio/$_" } qw(make-call send-sms);

my $last = 4_155_552_000;
sub number { return '+1' . ++$last }

sub ask ($path, $to, %more) {
	return { to => $to, $path =~ /call/ ? (message => 'Hello')
		: (body => 'Hello'), %more };
}

sub post ($path, $to, %more) {
	my $with = delete $more{key} // $key;
	my $headers = delete $more{headers} // {};
	return $t->api(POST => $path, $with, ask($path, $to, %more), $headers);
}

# Everything that a send would leave behind.
sub traces () {
	return { (map { ($_ => $t->sql("select count(*) from $_")) }
		qw(twilio_calls twilio_sms api_requests opt_outs)),
		counters => $t->dbh->selectall_arrayref('select * from
			send_counters order by 1, 2'),
		twilio => scalar $twilio->requests };
}

my %status = (country_not_allowed => 403, opted_out => 403,
	foreign_sender => 403, quiet_hours => 403, daily_ceiling => 429, key_rate => 429,
	recipient_rate => 429);
my %blames = (foreign_sender => 'from', map { $_ => 'to' }
	qw(country_not_allowed opted_out recipient_rate));

# A send that a rule stands against; a dry run has said so.
sub is_stopped ($path, $to, $rule, $what, %more) {
	my $before = traces();
	my $dry = post("$path?dryRun=1", $to, %more);
	my $json = $dry->json;
	my $reason = delete $json->{reason};
	is_deeply [ $dry->status, $json ], [ 200, { success => Mojo::JSON->true,
		dryRun => Mojo::JSON->true, wouldSend => Mojo::JSON->false,
		rule => $rule } ], "$what: a dry run says $rule" or diag $dry;
	my $answer = post($path, $to, %more);
	is_deeply [ $answer->status, @{ $answer->json }{qw(success code error
		field)} ], [ $status{$rule}, Mojo::JSON->false, $rule, $reason,
		$blames{$rule} ],
		'… and so it is, in the same words' or diag $answer;
	like $answer->header('Retry-After') // '',
		$status{$rule} == 429 ? qr/^[1-9]\d*$/ : qr/^$/,
		'… with when to come again, if that helps';
	is_deeply traces(), $before, '… and nothing is left of either';
	return;
}

# A send that no rule stands against.
sub is_sent ($path, $to, $what, %more) {
	my $before = traces();
	my $dry = post("$path?dryRun=true", $to, %more);
	is_deeply [ $dry->status, $dry->json ], [ 200, { success =>
		Mojo::JSON->true, dryRun => Mojo::JSON->true, wouldSend =>
		Mojo::JSON->true, rule => undef } ],
		"$what: a dry run would send" or diag $dry;
	is_deeply traces(), $before, '… and changes nothing';
	my $answer = post($path, $to, %more);
	is $answer->status, 201, '… and so it is' or diag $answer;
	$twilio->idle;
	return $answer;
}

# --- where to -------------------------------------------------------------

subtest 'countries' => sub {
	for my $path ($CALL, $TEXT) {
		is_sent($path, number(), 'a country on the list');
		is_sent($path, '+44 20 7946 0018', 'a city on the list');
		is_stopped($path, '+441512345678', 'country_not_allowed',
			'another city');
		is_stopped($path, '+4915112345678', 'country_not_allowed',
			'another country');
		is_stopped($path, '+88213300000', 'country_not_allowed',
			'a satellite');
		is_stopped($path, '+18765550188', 'country_not_allowed',
			'a country that is dialled like ours');
		is_stopped($path, '+19005550188', 'country_not_allowed',
			'a number that costs');
	}
};

# --- who does not want to -------------------------------------------------

subtest 'a number that is somebody else\'s is not to be used' => sub {
	$t->dbh->do('insert into numbers (number, user_id) values (?, ?)',
		undef, $our_other, 'user-456');
	for my $path ($CALL, $TEXT) {
		is_stopped($path, number(), 'foreign_sender', $path,
			from => $our_other);
		is_sent($path, number(), "$path: by its owner", from =>
			$our_other, key => $t->key(user => 'user-456'));
		is_sent($path, number(), "$path: by an administrator", from =>
			$our_other, key => $t->key);
	}
	$t->dbh->do('delete from numbers');
};

sub says ($from, $body, %more) {
	return $twilio->control(POST => 'text', { from => $from, body => $body,
		%more });
}

subtest 'STOP is between two' => sub {
	for my $word ('STOP', ' Unsubscribe ', 'optout') {
		my $to = number();
		says($to, $word);
		is_stopped($TEXT, $to, 'opted_out', "they said '$word'");
		is_sent($CALL, $to, 'a call is no text');
		is_sent($TEXT, number(), 'nobody else is meant');
		is_sent($TEXT, $to, 'nor any other number of ours',
			from => $our_other);
		says($to, 'START');
		is_sent($TEXT, $to, 'START undoes it');
	}
	my $to = number();
	says($to, 'STOP', to => $our_other);
	is_stopped($TEXT, $to, 'opted_out', 'said to the other',
		from => $our_other);
	is_sent($TEXT, $to, 'and to that one only');
	says($to, 'START');
	is_stopped($TEXT, $to, 'opted_out', 'START at the wrong number',
		from => $our_other);
	$to = number();
	says($to, 'STOP 12345');
	says($to, 'Please stop!');
	is_sent($TEXT, $to, 'more than the word is not the word');
};

subtest 'a refusal is not what an Idempotency-Key remembers' => sub {
	my $to = number();
	my %once = (headers => { 'Idempotency-Key' => 'reminder-1' });
	says($to, 'STOP');
	is post($TEXT, $to, %once)->status, 403, 'opted out';
	says($to, 'START');
	is post($TEXT, $to, %once)->status, 201, 'and in again: it goes';
	$twilio->idle;
};

subtest 'what Twilio takes for STOP' => sub {
	my $to = number();
	$t->post_signed('/api/twilio/sms', { $t->text(From => $to,
		Body => 'arret', OptOutType => 'STOP') });
	is_stopped($TEXT, $to, 'opted_out', "Twilio's own keyword");
	$t->post_signed('/api/twilio/sms', { $t->text(From => $to,
		Body => 'aide', OptOutType => 'HELP') });
	is_stopped($TEXT, $to, 'opted_out', 'HELP is not START');
	$t->post_signed('/api/twilio/sms', { $t->text(From => $to,
		Body => 'oui', OptOutType => 'START') });
	is_sent($TEXT, $to, 'but START is');
};

subtest 'error 21610 is remembered' => sub {
	my $to = '+15005550004';
	is_deeply [ @{ post($TEXT, $to)->json }{qw(code field)} ],
		[qw(opted_out to)], 'Twilio refuses';
	$twilio->mark;
	is_stopped($TEXT, $to, 'opted_out', 'we do, the next time');
	is_deeply [ $twilio->requests ], [], 'without asking Twilio';

	$to = number();
	my $sent = is_sent($TEXT, $to, 'one that Twilio takes')->json->{message};
	my %callback = $t->text(MessageSid => $sent->{sid}, From => $us,
		SmsSid => $sent->{sid}, To => $to, ErrorCode => 21610,
		SmsStatus => 'failed', MessageStatus => 'failed');
	delete $callback{Body};
	$t->post_signed("/api/twilio/status?id=$sent->{id}", \%callback);
	is_stopped($TEXT, $to, 'opted_out', 'and refuses afterwards');
	says($to, 'START');
	is_sent($TEXT, $to, 'until they say START');
};

subtest 'a Messaging Service is one sender' => sub {
	my ($ours, $other) = map { 'MG' . $_ x 32 } qw(a b);
	my $to = number();
	my %inbound = $t->text(From => $to, Body => 'STOP',
		MessagingServiceSid => $ours);
	$t->post_signed('/api/twilio/sms', \%inbound);
	is_stopped($TEXT, $to, 'opted_out', 'STOP to a number of it',
		messagingServiceSid => $ours);
	is_stopped($TEXT, $to, 'opted_out', 'and to that number');
	is_sent($TEXT, $to, 'another service', messagingServiceSid => $other);
	$t->post_signed('/api/twilio/sms', { $t->text(From => $to,
		Body => 'START', MessagingServiceSid => $ours) });
	is_sent($TEXT, $to, 'START to it', messagingServiceSid => $ours);
	is_sent($TEXT, $to, 'is START to the number');

	$to = number();
	$twilio->fault(match => '^POST', status => 400, body => {
		code => 21610, message => 'unsubscribed', status => 400 });
	is post($TEXT, $to, messagingServiceSid => $ours)->status, 403,
		'error 21610';
	is_stopped($TEXT, $to, 'opted_out', 'stands for the service',
		messagingServiceSid => $ours);
};

# --- how many -------------------------------------------------------------

my ($per_key, $per_recipient, $per_day) = (20, 3, 1000);
$t->change(SEND_PER_KEY_MINUTE => $per_key, SEND_PER_DAY => $per_day,
	SEND_PER_RECIPIENT_HOUR => $per_recipient);
my @keys = map { $t->key(user => "user-$_") } 1 .. 5;

# A story told within one minute, hour or day of the database's clock: begun
# when half a minute of it is left, and told again if that was not enough.
sub within ($window, $story) {
	for (1 .. 5) {
		my $now = sub { $t->sql("select date_trunc('$window', now())") };
		my $left = $t->sql("select extract(epoch from date_trunc(
			'$window', now()) + interval '1 $window' - now())");
		sleep $left + 1 if $left < 30;
		my $began = $now->();
		$t->dbh->do('delete from send_counters');
		my @told = $story->();
		return @told if $began eq $now->();
	}
	fail "no whole $window to be had";
	return;
}

sub counter ($scope) {
	return $t->sql('select coalesce(sum(count), 0) from send_counters
		where scope = ?', $scope);
}

sub id_of ($key) { return $key =~ /^tw_(\w{8})_/ ? $1 : die $key }

# Fills a counter of this window, as if so much had been sent.
sub fill ($scope, $window, $count) {
	$t->dbh->do("insert into send_counters (scope, window_start, count)
		values (?, date_trunc('$window', now()), ?)", undef, $scope,
		$count);
	return;
}

# The window is over.
sub end_of ($window) {
	$t->dbh->do("update send_counters set window_start = window_start -
		interval '1 $window'");
	return;
}

# Many requests at once; how they were answered, as "status code" => count.
sub rush (@asks) {
	my (%count, @wrong, $done);
	my $before = $twilio->requests(qr/^POST/);
	Mojo::Promise->all(map { $t->api_p(POST => @$_) } @asks)->then(sub (@all) {
		for (map { $_->[0] } @all) {
			$count{ $_->status . ' ' . ($_->json->{code} // 'sent') }++;
			push @wrong, "$_" if $_->status == 429 &&
				!$_->header('Retry-After');
		}
		$done = 1;
	})->catch(sub ($why) { diag $why; $done = 1 });
	$t->wait_for('all answers', sub { $done }, 60);
	is_deeply \@wrong, [], 'each 429 says when to come again';
	$twilio->idle;
	$count{twilio} = $twilio->requests(qr/^POST/) - $before;
	return \%count;
}

subtest 'a key has so much for a minute' => sub {
	my ($mine, $count, $taken, $all);
	within(minute => sub {
		$mine = $t->key(user => 'user-6');
		$count = rush(map { [ $TEXT, $mine, ask($TEXT, number()) ] }
			1 .. 50);
		($taken, $all) = (counter('key:' . id_of($mine)),
			counter('all'));
	});
	is_deeply $count, { '201 sent' => $per_key, '429 key_rate' => 30,
		twilio => $per_key }, 'fifty at once: exactly that';
	is $taken, $per_key, 'the counter agrees';
	is $all, $per_key, 'what was refused counts nowhere else';
	my $scope = 'key:' . id_of($mine);
	within(minute => sub {
		fill($scope, minute => $per_key - 1);
		is_sent($TEXT, number(), 'the last one', key => $mine);
		is_stopped($_, number(), 'key_rate', 'one more', key => $mine)
			for $TEXT, $CALL;
		is_sent($TEXT, number(), "somebody else's", key => $keys[0]);
	});
	end_of('minute');
	is_sent($TEXT, number(), 'a minute later', key => $mine);
};

subtest 'a number gets so much in an hour' => sub {
	my ($to, $count, $all) = number();
	within(hour => sub {
		$to = number();
		$count = rush(map { [ $TEXT, $keys[$_ % 5], ask($TEXT, $to) ] }
			1 .. 50);
		$all = counter('all');
	});
	is_deeply $count, { '201 sent' => $per_recipient,
		'429 recipient_rate' => 50 - $per_recipient,
		twilio => $per_recipient }, 'fifty at once: exactly that';
	is $all, $per_recipient, 'what was refused counts nowhere else';
	within(hour => sub {
		$to = number();
		fill("to:$to", hour => $per_recipient - 1);
		is_sent($CALL, $to, 'the last one');
		is_stopped($_, $to, 'recipient_rate', 'one more') for $TEXT, $CALL;
		is_stopped($TEXT, $to =~ s/(\d{4})$/-$1/r, 'recipient_rate',
			'the same number, written otherwise');
		is_stopped($TEXT, $to, 'recipient_rate', 'by anybody',
			key => $keys[1]);
		is_sent($TEXT, number(), 'another number');
	});
	end_of('hour');
	is_sent($TEXT, $to, 'an hour later');
};

subtest 'all together have so much for a day' => sub {
	my ($count, $all, @others);
	within(day => sub {
		fill(all => day => $per_day - 7);
		$count = rush(map { [ $_ % 2 ? $CALL : $TEXT, $keys[$_ % 5],
			ask($_ % 2 ? $CALL : $TEXT, number()) ] } 1 .. 50);
		$all = counter('all');
		@others = $t->sql(q{select sum(count) from send_counters where
			scope like 'key:%'});
	});
	is_deeply $count, { '201 sent' => 7, '429 daily_ceiling' => 43,
		twilio => 7 }, 'seven left, fifty at once: exactly seven';
	is $all, $per_day, 'the counter agrees';
	is_deeply \@others, [7], 'what was refused counts nowhere else';
	within(day => sub {
		fill(all => day => $per_day - 1);
		is_sent($CALL, number(), 'the last one');
		is_stopped($_, number(), 'daily_ceiling', 'one more')
			for $TEXT, $CALL;
	});
	end_of('day');
	is_sent($TEXT, number(), 'the next day');
};

subtest 'what is over is forgotten' => sub {
	$t->dbh->do(q{insert into send_counters (scope, window_start, count)
		values ('old', now() - interval '3 days', 1)});
	$t->dbh->do(q{insert into api_requests (key_id, idempotency_key,
		body_sha256, kind, created_at) values ('old', 'old', '', 'call',
		now() - interval '31 days'), ('old', 'new', '', 'call', now() -
		interval '29 days')});
	is(($t->sweep)[0], 0, 'a sweep');
	is counter('old'), 0, "counters of days that are over";
	is_deeply $t->dbh->selectcol_arrayref(q{select idempotency_key from
		api_requests where key_id = 'old'}), ['new'],
		'Idempotency-Keys after JOURNAL_DAYS';
};

# --- when -----------------------------------------------------------------

# A zone in which it is noon, and something.
my $east = 12 - (gmtime)[2];
my $zone = 'Etc/GMT' . ($east > 0 ? "-$east" : $east < 0 ? '+' . -$east : '');

for (['11:00-14:00', 1], ['11:00-10:00', 1], ['22:00-08:00', 0],
	['14:00-15:00', 0]) {
	my ($hours, $quiet) = @$_;
	subtest "quiet hours $hours, at noon" => sub {
		$t->change(SEND_QUIET_HOURS => $hours, SEND_TIMEZONE => $zone);
		for my $path ($CALL, $TEXT) {
			$quiet ? is_stopped($path, number(), 'quiet_hours',
				'shh') : is_sent($path, number(), 'no matter');
		}
	};
}

subtest 'nothing at all' => sub {
	$t->change(SEND_QUIET_HOURS => undef, SEND_PER_DAY => 0);
	is_stopped($_, number(), 'daily_ceiling', 'SEND_PER_DAY=0')
		for $CALL, $TEXT;
};

subtest 'no request was other than Twilio describes' => sub {
	plan skip_all => 'no twilio_api_v2010.json here' if !$twilio->spec;
	is_deeply [ $twilio->violations ], [], 'none of all';
};

$t->done;
