# SPDX-License-Identifier: ISC
# A busy day with everything that can happen in it, good and bad, at the most
# talkative log level; and nothing that is anybody's secret is read anywhere
# but where it belongs: not in a log, an error, a command line, an environment.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Find qw(find);
use File::Temp qw(tempdir);
use Mojo::JSON qw(encode_json);
use POSIX ();
use Ringback::Figure qw(figure seed);
use Ringback::Outside qw(speech completion);
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database kill_pool workers
	catch_up);
use Time::HiRes qw(sleep);

seed();
my $tag = sprintf '%06d', rand 1e6;
my $count = 0;

# Words that nobody else says.
my %canary;
sub canary ($what, $text = '') {
	my $word = $text || "canary${tag}x" . ++$count . 'z';
	$canary{$word} = $what;
	return $word;
}
sub number ($what) {
	return canary($what, '+1415' . sprintf '%07d', 5_550_000 + ++$count);
}

my $SUB = 'AC' . 'e' x 32;
my $outside = Ringback::Outside->new;
# One that no other test has at the same time.
canary('the Auth Token', $Ringback::Test::TOKEN = "canary-of-$tag");
my $t = Ringback::Test->new(fakes => $outside->fakes, env => {
	LOG_LEVEL => 'debug',
	TWILIO_AUTH_TOKEN_NEXT => canary('the next token'),
	TWILIO_SUBACCOUNTS => "$SUB:" . canary("a subaccount's token"),
	TWILIO_API_KEY => 'SK' . 'a' x 32,
	TWILIO_API_SECRET => canary('the API secret'),
	OPENAI_API_KEY => canary('the key for Whisper'),
	LLM_API_KEY => canary('the key for the model'),
	SEND_COUNTRIES => '+1',
});
my %env = %{ $t->{env} };
my @keys = map { $t->key(name => "office $_", scopes => 'admin,send') } 1 .. 2;
canary('an API key', $_) for @keys, map { /_(\w{43})$/ } @keys;

# Looks all the while at what every process shows of itself.
my $seen = tempdir(CLEANUP => 1) . '/seen';
my $me = $$;
my $watcher = fork // die "fork: $!";
if (!$watcher) {
	my %said;
	while (getppid == $me) {
		for my $file (glob '/proc/[0-9]*/{cmdline,environ}') {
			my $text = Ringback::Test::slurp($file);
			for my $word (keys %canary) {
				next if index($text, $word) < 0
					|| $said{"$file$word"}++;
				open my $fh, '>>', $seen or die;
				print {$fh} "$canary{$word} in $file: ",
					$text =~ tr/\0/ /r, "\n";
			}
		}
		sleep 0.02;
	}
	POSIX::_exit(0);
}

my @errors;
sub keep ($answer) {
	push @errors, $answer->body if $answer->status >= 400;
	return $answer->status;
}

my %caller = map { $_ => number("a caller's number") } 1 .. 6;

subtest 'T21: a good day' => sub {
	for my $n (1 .. 3) {
		my %call = $t->call(From => $caller{$n}, Caller => $caller{$n},
			CallerName => canary("a caller's name"), FromCity =>
			canary("a caller's town"));
		is keep($t->post_signed('/api/twilio/voice', \%call)), 200,
			'a call';
		is keep($t->post_signed('/api/twilio/status', { %call,
			CallStatus => 'completed', CallDuration => 3 })), 204,
			'and its end';
		is keep($t->post_signed('/api/twilio/sms', { $t->text(From =>
			$caller{$n}, Body => canary("a text's words")) })), 200,
			'a text';
	}
	my $words = canary('what a caller said');
	$outside->next(openai => { json => { text => $words, segments => [
		{ start => 0, end => 2, text => $words } ] } });
	$outside->next(llm => completion(Ringback::Outside::analysis(summary =>
		canary('what a model made of it'))));
	$outside->recording($t, speech(50), RecordingSid =>
		Ringback::Test::sid('RE'));
	is +($t->sweep('--verbose'))[0], 0, 'a recording is transcribed';
	$outside->always(twilio => { status => 201, json => { status => 'queued',
		sid => 'SM' . '7' x 32 } });
	is keep($t->api(POST => '/api/twilio/send-sms', $keys[0], { to =>
		number("a recipient's number"), body => canary('a text out'),
		metadata => { note => canary('metadata') } })), 201, 'a text out';
	$outside->always(twilio => { status => 201, json => { status => 'queued',
		sid => 'CA' . '7' x 32 } });
	my $long = join ' ', map { canary('what a call says') } 1 .. 150;
	is keep($t->api(POST => '/api/twilio/make-call', $keys[0], { to =>
		number("a recipient's number"), message => $long })), 201,
		'a long call out';
	my ($row) = $t->sql('select id from twilio_calls where call_sid = ?',
		'CA' . '7' x 32);
	is keep($t->post_signed("/api/twilio/outbound?id=$row", { $t->call(
		CallSid => 'CA' . '7' x 32, Direction => 'outbound-api', From =>
		$Ringback::Test::NUMBER, To => $caller{1}) })), 200,
		'which asks what to say';
	is keep($t->api(GET => '/api/twilio/' . $_, $keys[0])), 200, $_
		for 'calls?phoneNumber=' . ($caller{1} =~ s/\+/%2B/r),
		'sms?q=' . canary('a search');
};

subtest 'T21: a bad day' => sub {
	my $say = sub (@what) { join ' ', map { canary($_) } @what };
	my %text = $t->text(From => $caller{4}, Body => $say->('a forged text'));
	is keep($t->post_unsigned('/api/twilio/sms', \%text)), 403, 'unsigned';
	is keep($t->post_signed('/api/twilio/sms', \%text, token =>
		canary('a wrong token'))), 403, 'badly signed';
	is keep($t->post_signed('/api/twilio/sms', \%text, token =>
		$env{TWILIO_AUTH_TOKEN_NEXT})), 200, 'signed with the next';
	is keep($t->post_signed('/api/twilio/sms', { %text, AccountSid =>
		$SUB })), 403, "with another account's token";
	is keep($t->post_signed('/api/twilio/sms', { %text, MessageSid =>
		$say->('a SID that is none'), SmsSid => '' })), 400, 'no SID';
	is keep($t->post_signed('/api/twilio/sms', { %text, $say->('a long name')
		x 9 => 1 })), 413, 'a long name';
	is keep($t->request(POST => '/api/twilio/sms', { 'Content-Type' =>
		'application/json' }, encode_json(\%text))), 415, 'JSON';
	is keep($t->request(GET => '/' . $say->('a path') . "?$caller{4}")), 404,
		'nothing there';
	is keep($t->request(GET => '/api/twilio/sms/' . $say->('an id'), {
		Authorization => "Bearer $keys[0]" })), 400, 'no id';
	for my $body ('{"to":"' . $caller{5} . '","body":"' . $say->('broken '
		. 'JSON'), encode_json({ to => $caller{5}, body => $say->('x')
		x 200 }), encode_json({ to => '+44' . substr($caller{5}, 3),
		body => $say->('abroad') }), encode_json({ to =>
		$say->('no number'), body => 'x' }), encode_json({
		$say->('an unknown name') => 1 })) {
		my $answer = $t->request(POST => '/api/twilio/send-sms', {
			Authorization => "Bearer $keys[0]", 'Content-Type' =>
			'application/json' }, $body);
		like $answer->status, qr/^4/, 'refused: ' . $answer->status;
		# Names are told to those who have sent them.
		push @errors, $answer->body unless $body =~ /^\{"canary\w+":1/;
	}
	for my $bearer ("$keys[0]x", $say->('no key'), "tw_${tag}xx_"
		. canary('a guess', 'g' x 30 . "x${tag}" . 'g' x 6)) {
		is keep($t->request(GET => '/api/twilio/calls', {
			Authorization => "Bearer $bearer" })), 401, 'no key';
	}
	# Twilio quotes what it does not like.
	my $to = number("a recipient's number");
	for my $answer ({ status => 400, json => { code => 21211, status => 400,
		message => "The 'To' number $to is not a valid phone number" } },
		{ status => 401, json => { code => 20003, message =>
		"Authenticate with $env{TWILIO_API_SECRET}" } },
		{ status => 500, body => "oops $to" }, { reset => 1 }) {
		$outside->always(twilio => $answer);
		my $status = $t->api(POST => '/api/twilio/send-sms', $keys[0],
			{ to => $to, body => $say->('a text out') })->status;
		cmp_ok $status, '>', 200, "a text that fails: $status";
	}
	$outside->always('twilio');
	for my $case ([ openai => 401, 'Incorrect API key provided: ca******z' ],
		[ openai => 401, "No such key: $env{OPENAI_API_KEY}" ],
		[ llm => 401, "No such key: $env{LLM_API_KEY}" ],
		[ openai => 400, 'Invalid file format.' ], [ llm => 403,
		'No access' ], [ llm => 400, 'This is no prompt.' ]) {
		my ($name, $status, $message) = @$case;
		$outside->recording($t, speech(51 + $count % 20));
		$outside->always($name => { status => $status, json => { error =>
			{ message => $message } } });
		my ($code, $out, $err) = $t->sweep('--verbose');
		isnt $code, 0, "$name answers $status";
		push @errors, $out, $err;
		$outside->always($name);
		$t->dbh->do('delete from pauses');
		$t->dbh->do('update twilio_recordings set run_at = now()');
	}
	$outside->always(llm => completion($say->('no JSON at all')));
	push @errors, ($t->sweep('--verbose'))[1, 2];
	$outside->always('llm');
};

subtest 'T21: nobody is there' => sub {
	crash_database($t);
	is keep($t->post_signed('/api/twilio/sms', { $t->text(From => $caller{6},
		Body => canary('a text meanwhile')) })), 200, 'no database';
	is keep($t->api(GET => '/api/twilio/calls', $keys[1])), 503,
		'no answer for the office';
	push @errors, ($t->sweep('--verbose'))[1, 2];
	kill_pool($t);
	is keep($t->post_signed('/api/twilio/voice', { $t->call(From =>
		$caller{6}) })), 200, 'no worker';
	start_database($t);
	$t->start;
	ok defined catch_up($t), 'all is taken in afterwards';
	my ($bin) = Ringback::Test::slurp($t->dir . '/.state')
		=~ /^BINDIR=(.+)$/m;
	for my $command ([ qw(key list) ], [ qw(number list) ], [ 'config' ],
		[ qw(journal list) ]) {
		my ($status, $out, $err) = Ringback::Test::run_command(
			"$bin/ringback-admin", '-f', $t->dir . '/.env',
			@$command);
		is $status, 0, "ringback-admin @$command";
		push @errors, $out, $err;
	}
};

kill 'KILL', $watcher;
waitpid $watcher, 0;

# What there is of them in a text, in words.
sub found ($where, $text) {
	return map { "$canary{$_} in $where" } grep { index($text, $_) >= 0
		} sort keys %canary;
}

subtest 'T21: no log has any of it' => sub {
	$t->wait_for('the access log', sub { $t->log('access') =~ /sms/ });
	my %logs = $t->logs;
	my @found = map { found($_ =~ s{.*/}{}r, $logs{$_}) } sort keys %logs;
	figure('secrets, numbers and words of people', scalar keys %canary,
		'>=', 50);
	figure('of these in a log', scalar @found, '==', 0);
	diag $_ for @found;
	ok $t->log('worker-hooks') =~ / debug /, '(and they were talkative)';
};

subtest 'T21: no error and no report has any of it' => sub {
	# An office may be told the number that it asked for.
	my @found = map { found(substr($_, 0, 200), $_) } @errors;
	figure('answers and reports', scalar @errors, '>=', 20);
	figure('secrets in an answer or a report', scalar @found, '==', 0);
	diag $_ for @found;
};

subtest 'T22: no command line and no environment has any of it' => sub {
	my @found = split /\n/, Ringback::Test::slurp($seen);
	figure('secrets that a process shows', scalar @found, '==', 0);
	diag $_ for map { substr $_, 0, 300 } @found;
};

subtest 'T22: nor a core, nor a file that others can read' => sub {
	for my $pid (workers($t), workers($t, 'api')) {
		like Ringback::Test::slurp("/proc/$pid/limits"),
			qr/^Max core file size\s+0\s+0\s/m, "$pid: no core";
	}
	my @open;
	find({ no_chdir => 1, wanted => sub {
		my @stat = lstat or return;
		return unless -f _ && $stat[2] & 0007 && $_ !~ m{/pg/};
		push @open, found($_, Ringback::Test::slurp($_));
	} }, $t->dir);
	is_deeply \@open, [], 'no such file';
};

$t->done;
