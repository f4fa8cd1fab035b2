# SPDX-License-Identifier: ISC
# Every promise of the guide that ringback was asked to keep, by the guide's
# own headings and words, and every way in which the service before it broke
# them ("row N"). The details are in the other tests; here each promise is
# seen to hold, in the order in which the guide makes them.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::JSON qw(decode_json);
use Ringback::Outside qw(speech);
use Ringback::Test;

my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes, env => {
	TWILIO_PHONE_NUMBER     => '+18454090692',
	TWILIO_PHONE_NUMBER_SID => 'PN8d691d0762f6c7ffbdf3ca4269aa2b91',
	VOICE_GREETING          => 'You have reached RepSpheres.',
	SMS_REPLY               => 'RepSpheres will answer soon.',
	TWILIO_DELETE_RECORDINGS => 'yes',
});
my %to_us = (To => '+18454090692', Called => '+18454090692');
my $admin = $t->key;
my (%call, $recording);

sub twilio_takes (%more) {
	my $sid = delete $more{sid};
	$outside->next(twilio => { status => 201, json => { sid => $sid,
		status => 'queued', %more } });
	return $sid;
}

subtest 'Environment Variables: the names of the guide' => sub {
	my %env = $t->env;
	ok exists $env{$_}, $_ for qw(TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN
		TWILIO_PHONE_NUMBER TWILIO_PHONE_NUMBER_SID);
};

subtest 'Configure Twilio Webhooks: the five documented paths (row 0.1)' =>
sub {
	for my $path (qw(voice sms status recording recording-status)) {
		is $t->post_unsigned("/api/twilio/$path", { $t->call })->status,
			403, "/api/twilio/$path is there, and wants a signature";
	}
};

subtest 'Call Flow: greeting, beep, record, goodbye' => sub {
	%call = $t->call(%to_us);
	my $twiml = $t->post_signed('/api/twilio/voice', \%call);
	like $twiml, qr{<Say[^>]*>You have reached RepSpheres\.</Say><Record },
		'caller hears the greeting and is recorded';
	like $twiml, qr/playBeep="true"/, 'after the beep';
	is $t->sql('select phone_number_sid from twilio_calls where call_sid
		= ?', $call{CallSid}), 'PN8d691d0762f6c7ffbdf3ca4269aa2b91',
		'phone_number_sid is the SID of our number (row 0.13)';
};

subtest 'Webhooks answer what Twilio can read (row 0.10)' => sub {
	my %recording = $t->recording($call{CallSid});
	my $answer = $t->post_signed('/api/twilio/recording', { %call,
		map { $_ => $recording{$_} } qw(RecordingSid RecordingUrl
		RecordingDuration) });
	like $answer->type, qr{^text/xml}, 'the action gets TwiML';
	like $answer, qr/<Hangup/, 'that ends the call';
};

subtest 'Call Recording: kept before its call is known (row 0.6)' => sub {
	$recording = $outside->recording($t, speech(60),
		RecordingDuration => '');
	is $t->sql('select duration from twilio_recordings where recording_sid
		= ?', $recording), undef, 'a duration may be unknown';
	my %early = $t->recording(Ringback::Test::sid('CA'));
	is $t->post_signed('/api/twilio/recording-status', { %early,
		RecordingStatus => 'in-progress' })->status, 204, 'taken';
	is $t->sql('select status from twilio_calls where call_sid = ?',
		$early{CallSid}), 'unknown', 'its call is a stub until it comes';
};

subtest 'Transcription: downloaded, Whisper, LLM, stored (row 0.4)' => sub {
	my ($status, $out, $err) = $t->sweep;
	is $status, 0, 'one pass of the sweep' or diag $err;
	my @asked = $t->fake('twilio')->requests(qr/Recordings.*mp3/);
	like $asked[0]{authorization}, qr/^Basic /, 'media with credentials';
	my ($whisper) = $t->fake('openai')->requests;
	is $whisper->{path}, '/v1/audio/transcriptions', 'Whisper is asked';
	is $whisper->{form}{file}{bytes}, 60 * 288, 'with the very bytes';
	my ($llm) = $t->fake('llm')->requests;
	is $llm->{path}, '/v1/chat/completions', 'the LLM is asked';
	my $row = $t->row('select * from transcriptions where recording_sid
		= ?', $recording);
	like $row->{transcription}, qr/These are 17280 bytes/, 'transcript';
	is $row->{status}, 'completed', 'completed';
};

subtest 'Analysis is structured JSON, not a string (row 0.11)' => sub {
	is $t->sql(q{select jsonb_typeof(analysis) from transcriptions
		where recording_sid = ?}, $recording), 'object', 'an object';
	like $t->sql(q{select analysis->>'summary' from transcriptions
		where recording_sid = ?}, $recording), qr/^They said/, 'a summary';
};

subtest 'Recordings are not stored long-term (row 0.14)' => sub {
	is scalar $t->fake('twilio')->requests(qr/^DELETE .*$recording/), 1,
		'deleted at Twilio, as configured';
	isnt $t->sql('select deleted_at from twilio_recordings where
		recording_sid = ?', $recording), undef, 'and that is noted';
	is_deeply [ grep { -f && Ringback::Test::slurp($_) =~ /\A(?:RIFF|ID3|\xff[\xe0-\xff])/ }
		split /\n/, qx(find ${\ $t->dir } -type f -not -path '*/pg/*') ],
		[], 'no media on this machine';
};

subtest 'A failure is recorded, with its reason (row 0.5)' => sub {
	my $bad = $outside->recording($t, '<html>no audio</html>');
	my ($status) = $t->sweep;
	is $status, 1, 'the sweep says that some failed';
	my $row = $t->row('select * from twilio_recordings where recording_sid
		= ?', $bad);
	is $row->{status}, 'failed', 'failed, not processing for ever';
	like $row->{last_error}, qr/not audio/, 'and why';
};

subtest 'Tracks call duration, status, and metadata (row 0.2)' => sub {
	$t->post_signed('/api/twilio/status', { %call, CallStatus =>
		'completed', CallDuration => 42, SequenceNumber => 3 });
	my $row = $t->row('select * from twilio_calls where call_sid = ?',
		$call{CallSid});
	is $row->{status}, 'completed', 'status';
	is $row->{duration}, 42, 'duration, in seconds';
};

subtest 'SMS Auto-Response: customizable' => sub {
	like $t->post_signed('/api/twilio/sms', { $t->text(%to_us) }),
		qr{<Message>RepSpheres will answer soon\.</Message>},
		'an incoming text is answered';
};

subtest "Make an Outbound Call: the guide's request (rows 0.7, 0.9)" => sub {
	my $sid = twilio_takes(sid => Ringback::Test::sid('CA'));
	my $answer = $t->api(POST => '/api/twilio/make-call', $admin, {
		to => '+1234567890', message => 'Hello, this is a test call',
		record => \1, userId => 'user-123',
		metadata => { campaign => 'sales-outreach' } });
	is $answer->status, 201, 'made';
	is $answer->json->{success}, 1, 'success';
	is $answer->json->{call}{sid}, $sid, 'call';
	my $row = $t->row('select * from twilio_calls where call_sid = ?', $sid);
	is $row->{user_id}, 'user-123', 'userId is kept, and need be no UUID';
	is decode_json($row->{metadata})->{campaign}, 'sales-outreach',
		'metadata is kept';
	my ($asked) = $t->fake('twilio')->requests(qr/Calls\.json/);
	like $asked->{body}, qr/(?:^|&)Record=true(?:&|$)/, 'it records';
	unlike $asked->{body}, qr/%3CRecord/, 'once, not twice';
};

subtest "Send SMS: the guide's request" => sub {
	my $sid = twilio_takes(sid => Ringback::Test::sid('SM'));
	my $answer = $t->api(POST => '/api/twilio/send-sms', $admin, {
		to => '+1234567890', body => 'Hello from RepSpheres!',
		userId => 'user-123', metadata => { campaign => 'follow-up' } });
	is $answer->status, 201, 'sent';
	is $answer->json->{message}{message_sid}, $sid, 'message';
	$t->post_signed('/api/twilio/sms-status', { AccountSid =>
		$Ringback::Test::ACCOUNT, MessageSid => $sid,
		MessageStatus => 'delivered' });
	is $t->sql('select status from twilio_sms where message_sid = ?', $sid),
		'delivered', 'delivery information is tracked';
};

subtest "Get Call History: the guide's request, + as it is (row 0.8)" => sub {
	my $answer = $t->api(GET =>
		'/api/twilio/calls?phoneNumber=+18454090692&limit=50', $admin);
	is $answer->status, 200, 'answered';
	ok((grep { $_->{call_sid} eq $call{CallSid} }
		@{ $answer->json->{calls} }), 'the inbound call is in it');
	is $t->api(GET => q{/api/twilio/calls?phoneNumber=x'),from_number.neq.(},
		$admin)->json->{calls}[0], undef, 'no filter can be smuggled in';
};

subtest "Get SMS History: the guide's request" => sub {
	my $answer = $t->api(GET =>
		'/api/twilio/sms?phoneNumber=+18454090692&limit=50', $admin);
	is $answer->status, 200, 'answered';
	cmp_ok scalar @{ $answer->json->{messages} }, '>=', 2, 'in and out';
};

subtest 'Errors are told apart (row 0.15)' => sub {
	my $answer = $t->api(POST => '/api/twilio/send-sms', $admin,
		{ to => 'nobody', body => 'x' });
	is $answer->status, 400, 'bad input is 400, not 500';
	ok !$answer->json->{success}, 'no success';
	is_deeply [ @{ $answer->json }{qw(code field)} ],
		[ 'invalid_value', 'to' ], 'a stable code, and the field';
	is $t->api(GET => '/api/twilio/calls/CA' . '0' x 32, $admin)->status,
		404, 'what is not there is 404';
};

subtest 'Monitoring: the three queries run as written' => sub {
	ok @{ $t->dbh->selectall_arrayref('SELECT * FROM twilio_calls
		ORDER BY created_at DESC LIMIT 10') }, 'recent calls';
	my $rows = $t->dbh->selectall_arrayref('SELECT c.*, t.transcription,
		t.analysis FROM twilio_calls c JOIN transcriptions t ON
		c.transcription_id = t.id ORDER BY c.created_at DESC',
		{ Slice => {} });
	is scalar @$rows, 1, 'calls with transcriptions';
	ok $rows->[0]{analysis}, 'with the analysis';
	ok @{ $t->dbh->selectall_arrayref('SELECT * FROM twilio_sms
		ORDER BY created_at DESC LIMIT 10') }, 'SMS history';
};

subtest 'Webhook Validation: production checks signatures (row 0.3)' => sub {
	for my $path (qw(voice sms status recording recording-status)) {
		is $t->post("/api/twilio/$path", { %call },
			'X-Twilio-Signature' => 'A' x 27 . '=')->status, 403,
			"/api/twilio/$path refuses a forged one";
	}
};

subtest 'Phone Number Privacy: no number and no words in the logs' => sub {
	my %logs = $t->logs;
	is scalar(grep { /18454090692|15005550006|RepSpheres will/ }
		values %logs), 0, 'none';
};

subtest 'Access Control: user-based (row 0.12)' => sub {
	my $own = $t->key(user => 'user-123');
	my $other = $t->key(user => 'user-456');
	for my $path (qw(calls sms)) {
		is $t->api(GET => "/api/twilio/$path", undef)->status, 401,
			"$path: nobody without a key";
		my ($name) = $path eq 'calls' ? 'calls' : 'messages';
		is scalar @{ $t->api(GET => "/api/twilio/$path",
			$own)->json->{$name} }, 1, "$path: a user sees the own";
		is scalar @{ $t->api(GET => "/api/twilio/$path",
			$other)->json->{$name} }, 0, "$path: and no other's";
	}
};

subtest 'Debug Mode: signatures are off only where one says so' => sub {
	$t->change(RINGBACK_ENV => 'development');
	is $t->post_unsigned('/api/twilio/voice', { $t->call(%to_us) })->status,
		200, 'RINGBACK_ENV=development takes an unsigned webhook';
	like $t->log('worker-hooks'), qr/signatures are NOT checked/,
		'and warns at its start';
	like $t->log('worker-hooks'), qr/SIGNATURE NOT CHECKED/,
		'and at every request';
};

$t->done;
