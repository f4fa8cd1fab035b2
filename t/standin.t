#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The carrier that stands in for Twilio, as callers and senders of texts meet
# it: other tests lean on its webhooks being what Twilio would send.
use v5.36;
use utf8;
use FindBin;
use lib "$FindBin::Bin/standin/lib";
use Carrier::Numbers qw(keyword segments);
use Carrier::Test;
use Carrier::Webhook;
use MIME::Base64 'encode_base64';
use Test::More;

# --- signatures and numbers

{
	my %p = (CallSid => 'CA1234567890ABCDE', Caller => '+14158675309',
		Digits => '1234', From => '+14158675309', To => '+18005551212');
	my $u = 'https://mycompany.com/myapp.php?foo=1&bar=2';
	for (['RSOYDt4T1cUTdK1PDd93/VVr8B8=', $u, \%p],
	    ['kvajT1Ptam85bY51eRf/AJRuM3w=',
		$u =~ s/\.com/.com:443/r, \%p],
	    ['83O6e2vORAoJHUNzJjDWN1jz+BA=', $u, {'MessagingBinding.Address'
		=> ['+1415xxxxxxx', '+1325xxxxxxx']}],
	    ['IK+Dwps556ElfBT0I3Rgjkr1wJU=', $u, {Sid => 'CA123',
		SidAccount => 'AC123', Digits => ['5678', '1234', '1234']}],
	    ['zYQTYrRWXE7LtzbG4PfP7/bkkGo=', $u, {}],
	    ['WLR/voVM/uB2UvlveR203HZe1/Y=',
		'https://voice.example.com/api/twilio/sms',
		{Body => 'héllo 👍 ünï', From => '+15551230001',
		    To => '+15551230002'}]) {
		my ($want, $url, $params) = @$_;
		is Carrier::Webhook::signature('12345', $url, $params), $want,
		    "published signature $want";
	}
	is_deeply [map { segments($_) } 'a' x 160, 'a' x 161, 'é' x 160,
	    'ж' x 70, 'ж' x 71, '👍' x 35, '👍' x 36, '[' x 81],
	    [1, 2, 1, 1, 2, 1, 2, 2], 'segments as Twilio counts them';
	is_deeply [map { keyword($_) } ' stop ', 'Unstop', 'info', 'STOP 1'],
	    ['STOP', 'START', 'HELP', undef], 'only the whole body opts out';
}

# --- starting

my $sub = 'AC' . '5' x 32;
my $env = env_file('.env', TWILIO_SUBACCOUNTS => "$sub:sub-token");
{
	my $carrier = "$FindBin::Bin/standin/carrier";
	my ($code, $text) = run($carrier, '--env', $env, '--state', "$dir/no",
	    '--listen', '0.0.0.0:0');
	is $code, 78, 'listens on loopback only';
	($code, $text) = run($carrier, '--state', "$dir/no", '--env',
	    env_file('bad', TWILIO_AUTH_TOKEN => ''), '--listen', '127.0.0.1:0');
	is $code, 78, 'a missing setting is an error';
	like $text, qr/missing TWILIO_AUTH_TOKEN/, '… and is named';
}
start_carrier('--env', $env, '--ca', "$dir/backend.pem");

# --- an inbound call

my $voice = <<'EOF';
<?xml version="1.0" encoding="UTF-8"?>
<Response><Say voice="alice">Please leave a message.</Say>
<Record action="/api/twilio/recording" maxLength="60"
 recordingStatusCallback="/api/twilio/recording-status"
 recordingStatusCallbackEvent="in-progress completed absent"/>
<Say>Nothing was recorded.</Say></Response>
EOF
my $thanks = '<Response><Say>Thank you.</Say><Hangup/></Response>';

subtest 'a caller leaves a voicemail' => sub {
	my %media;      # the status of the media when the backend was told
	my $look = sub ($answer) {
		return sub ($c) {
			my $p = $c->req->params->to_hash;
			$c->render_later;
			rest_p(GET => "Recordings/$p->{RecordingSid}.mp3")
			    ->then(sub ($res) {
				$media{$p->{RecordingStatus} // 'action'} = [
				    $res->code, $res->headers->content_type];
				$c->render(data => $answer, format => 'xml');
			});
		};
	};
	%on = ('/api/twilio/voice' => $voice,
	    '/api/twilio/recording' => $look->($thanks),
	    '/api/twilio/recording-status' => $look->(''));
	@got = ();
	my $story = control(POST => call => {from => YOU,
	    say => 'Hello, this is a test. Please call me back.'});
	is_deeply [paths()], [qw(voice recording-status recording
	    recording-status status)], 'webhooks come in order';
	is_deeply [steps($story)], ['voice', 'say', 'recording in-progress',
	    'record', 'action', 'say', 'hangup', 'recording completed',
	    'status'], 'and so the caller lived it' or diag explain $story;
	ok !(grep { !signed_right($_) } @got), 'all signed as documented';
	ok !(grep { !$_->[4]{'I-Twilio-Idempotency-Token'} } @got),
	    'all with an idempotency token';

	my ($v, $begun, $action, $done, $status) = map { $_->[1] } @got;
	like $story->{call_sid}, qr/^CA[0-9a-f]{32}$/, 'a call SID';
	is_deeply {map { $_ => $v->{$_} } qw(AccountSid ApiVersion CallStatus
	    Direction From To Caller Called CallSid FromCountry ToState)},
	    {AccountSid => AC, ApiVersion => '2010-04-01',
	    CallStatus => 'ringing', Direction => 'inbound', From => YOU,
	    To => OURS, Caller => YOU, Called => OURS,
	    CallSid => $story->{call_sid}, FromCountry => 'US',
	    ToState => 'NY'}, 'the voice request says who calls whom';
	is $begun->{RecordingStatus}, 'in-progress', 'recording begins';
	ok !exists $begun->{RecordingDuration}, '… its length unknown';
	is_deeply [$action->@{qw(Digits RecordingSid CallStatus)}],
	    ['hangup', $story->{recording_sid}, 'completed'],
	    'the action request comes when the caller hangs up';
	is_deeply {map { $_ => $done->{$_} } keys %$done}, {
	    AccountSid => AC, CallSid => $story->{call_sid},
	    RecordingSid => $story->{recording_sid}, ErrorCode => 0,
	    RecordingUrl => carrier . API . "/Recordings/$story->{recording_sid}",
	    RecordingStatus => 'completed', RecordingChannels => 1,
	    RecordingDuration => $action->{RecordingDuration},
	    RecordingStartTime => $done->{RecordingStartTime},
	    RecordingSource => 'RecordVerb', RecordingTrack => 'inbound'},
	    'the recording callback has these parameters and no others';
	like $done->{RecordingStartTime},
	    qr/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000$/, 'an RFC 2822 date';
	is_deeply [$status->@{qw(CallStatus SequenceNumber CallbackSource
	    Duration)}], ['completed', 0, 'call-progress-events', 1],
	    'the call ends';
	cmp_ok $status->{CallDuration}, '>=', $done->{RecordingDuration},
	    'no shorter than what was recorded';

	is_deeply \%media, {'in-progress' => [404, 'application/xml'],
	    action => [404, 'application/xml'],
	    completed => [200, 'audio/mpeg']}, 'media is there once completed';
	my $re  = "Recordings/$story->{recording_sid}";
	my $mp3 = rest(GET => "$re.mp3");
	like $mp3->body, qr/^(?:ID3|\xff[\xe2-\xff])/, 'an MP3';
	my $seconds = length($mp3->body) * 8 / 32_000;
	cmp_ok abs($seconds - $done->{RecordingDuration}), '<', 1.5,
	    '… of 32 kbps and the length told';
	for my $wav ("$re.wav", $re) {
		my $res = rest(GET => $wav);
		is $res->headers->content_type, 'audio/x-wav', $wav;
		is_deeply [unpack 'a4 x4 a4 x10 v V V', $res->body],
		    ['RIFF', 'WAVE', 1, 8000, 16_000], '… mono, 128 kbps';
	}
	is rest(GET => "$re.mp3?RequestedChannels=2")->code, 400,
	    'no second channel to be had';
	is rest(DELETE => "$re.json")->code, 204, 'deleted';
	is rest(GET => "$re.mp3")->code, 404, '… and gone';
	is rest(GET => "$re.json?IncludeSoftDeleted=true")->json->{status},
	    'deleted', '… but remembered';
};

subtest 'callers who do otherwise' => sub {
	%on = ('/api/twilio/voice' => $voice,
	    '/api/twilio/recording' => $thanks);
	my $call = sub (%ask) {
		@got = ();
		return control(POST => call => {from => YOU, %ask});
	};
	my $s = $call->(silent => \1);
	is_deeply [steps($s)], ['voice', 'say', 'recording in-progress',
	    'record', 'say', 'recording absent', 'status'],
	    'silence: no action request, the next verb';
	is $s->{recording_sid}, undef, '… and no recording';
	$s = $call->(silent => \1, seconds => 7);
	is rest(GET => "Recordings/$s->{recording_sid}.json")->json->{duration},
	    '7', 'seven seconds of silence are a recording';
	$s = $call->(silent => \1, seconds => 70);
	is rest(GET => "Recordings/$s->{recording_sid}.json")->json->{duration},
	    '60', 'maxLength ends it';
	ok !exists $got[2][1]{Digits}, '… with the caller still there';
	$s = $call->(say => 'Bye.', digits => '#');
	is $got[2][1]{Digits}, '#', 'a key ends it';
	is $got[2][1]{CallStatus}, 'in-progress', '… the call goes on';
	my ($heard) = grep { ($_->{text} // '') eq 'Thank you.' }
	    $s->{steps}->@*;
	ok $heard && !exists $heard->{heard}, '… and the caller hears thanks';
	$s = $call->(hangup_early => \1);
	is_deeply [steps($s)], [qw(voice hangup status)],
	    'hanging up during the greeting';
	$s = $call->(hangup_early => 'beep');
	is_deeply [steps($s)], ['voice', 'say', 'recording in-progress',
	    'record', 'recording absent', 'status'], 'hanging up at the beep';
	$s = $call->(account_sid => $sub, to => '+13035550100');
	is_deeply [map { [$_->[1]{AccountSid}, signed_right($_, 'sub-token')] }
	    @got[0, 1]], [[$sub, 1], [$sub, 1]],
	    'a sub-account signs with its own token';
	run('flite', '-voice', 'awb', '-t', 'From a file.', '-o',
	    "$dir/played.wav");
	$s = $call->(play => "$dir/played.wav");
	ok $s->{recording_sid}, 'a sound file is played into the call';
};

subtest 'TwiML is obeyed, strictly' => sub {
	my $call = sub ($twiml, %ask) {
		@got = ();
		$on{'/api/twilio/voice'} = $twiml;
		return control(POST => call => {say => 'Hello.', %ask});
	};
	%on = ('/api/there/two' => '<Response><Reject reason="busy"/></Response>',
	    '/api/there/keys' => $thanks);
	my $s = $call->('<Response><Pause length="2"/><Redirect>../there/two'
	    . '</Redirect><Say>never</Say></Response>');
	is_deeply [steps($s)], [qw(voice pause redirect reject status)],
	    'Pause, Redirect to a relative URL';
	$s = $call->('<Response><Gather action="/api/there/keys" numDigits="1">'
	    . '<Say>Press one.</Say></Gather></Response>', digits => '19');
	is_deeply [steps($s)], [qw(voice say gather action say hangup status)],
	    'Gather asks, takes one key and goes on';
	is $got[1][1]{Digits}, '1', '… that key';
	$s = $call->('<Response><Reject reason="busy"/></Response>');
	is $got[1][1]{CallStatus}, 'busy', 'a rejected call was busy';
	$s = $call->('<Response><Record/></Response>');
	is_deeply [paths()], [qw(voice voice status)],
	    'Record without action asks for the same document again';
	for ([12100, '<Response><Say>A & B</Say></Response>', 'bare &'],
	    [12100, '<html/>', 'another root'],
	    [12100, "<Response><Say>\xff</Say></Response>", 'not UTF-8'],
	    [11750, '<Response><Say>' . 'x' x 65_536 . '</Say></Response>',
		'too large'],
	    [12300, sub ($c) { $c->render(json => {}) }, 'JSON'],
	    [11200, sub ($c) { $c->render(text => 'no', status => 403) },
		'a 403']) {
		my ($code, $twiml, $what) = @$_;
		$s = $call->($twiml);
		is_deeply [map { $_->{code} // () } $s->{steps}->@*], [$code],
		    "$code: $what";
	}
	for ('<Response><Speak>hi</Speak></Response>',
	    '<Response><Say volume="9">hi</Say></Response>',
	    '<Response>hi</Response>',
	    '<Response><Record maxLength="long"/></Response>') {
		$s = $call->($_, silent => \1);
		is $s->{steps}[1]{code}, 12200, "warned of $_";
	}
	my $n = 0;
	$s = $call->(sub ($c) {
		$n++ ? $c->render(data => $thanks, format => 'xml')
		    : $c->render(text => 'later', status => 503);
	});
	is $s->{steps}[0]{attempts}, 2, 'a 503 is tried again, as rc and rp ask';
	is $got[0][4]{'I-Twilio-Idempotency-Token'},
	    $got[1][4]{'I-Twilio-Idempotency-Token'}, '… with the same token';
	$s = $call->(sub ($c) { $c->redirect_to('/api/there/keys') });
	is_deeply [$got[1]->@[0, 1]], ['/api/there/keys', {}],
	    'a redirect becomes a GET without parameters';
	ok signed_right($got[1]), '… signed anew';
};

# --- texts

subtest 'texts, and those who want none' => sub {
	%on = ('/api/twilio/sms' =>
	    '<Response><Message>Got it &amp; thanks.</Message></Response>');
	@got = ();
	my $s = control(POST => text => {from => YOU, body => 'Grüße 👍'});
	is $s->{reply}, 'Got it & thanks.', 'the reply comes back';
	my $p = $got[0][1];
	is_deeply {map { $_ => $p->{$_} } qw(MessageSid SmsSid SmsMessageSid
	    AccountSid From To Body NumMedia NumSegments SmsStatus FromState)},
	    {(map { $_ => $s->{message_sid} } qw(MessageSid SmsSid
	    SmsMessageSid)), AccountSid => AC, From => YOU, To => OURS,
	    Body => 'Grüße 👍', NumMedia => 0, NumSegments => 1,
	    SmsStatus => 'received', FromState => 'CA'}, 'as documented';
	ok signed_right($got[0]), 'and signed';
	control(GET => 'idle');
	my $reply = rest(GET => "Messages/$s->{replies}[0]{message_sid}.json");
	is_deeply [$reply->json->@{qw(direction status)}],
	    ['outbound-reply', 'delivered'], 'the reply is a message';

	my @send = (POST => 'Messages.json',
	    {From => OURS, To => YOU, Body => 'Hello'});
	is rest(@send)->code, 201, 'they may be texted';
	$s = control(POST => text => {from => YOU, body => 'Stop'});
	like $s->{confirmation}, qr/unsubscribed/, 'Twilio confirms a STOP';
	is $s->{steps}[-1]{code}, 21610, 'a reply to it goes nowhere';
	refused(21610, 400, 'nor anything later', @send);
	is rest(POST => 'Messages.json', {From => OURS, Body => 'Hello',
	    To => '+14155550199'})->code, 201, 'others are not concerned';
	control(POST => text => {from => YOU, body => 'START'});
	is rest(@send)->code, 201, 'until they START again';

	@got = ();
	$s = control(POST => text => {from => YOU, body => 'look', media =>
	    [{base64 => encode_base64('GIF89a'), content_type => 'image/gif'}]});
	my ($url) = $got[0][1]{MediaUrl0} =~ m{@{[API]}/(.*)};
	my $res = rest(GET => $url);
	is_deeply [$got[0][1]{MediaContentType0}, $res->body,
	    $res->headers->content_type], ['image/gif', 'GIF89a', 'image/gif'],
	    'a picture is served';
};

# --- memory and trust

subtest 'it remembers, and trusts one certificate only' => sub {
	control(GET => 'idle');
	my $list = sub ($kind) { rest(GET => "$kind.json?PageSize=1000")
	    ->json->{lc $kind} };
	my @before = map { $list->($_) } qw(Calls Messages Recordings);
	ok !(grep { !@$_ } @before), 'there is something to remember';
	is stop_carrier(), 0, 'SIGTERM ends it in peace';
	start_carrier('--env', $env, '--ca', certificate('other'));
	is_deeply [map { $list->($_) } qw(Calls Messages Recordings)], \@before,
	    'a restart loses nothing';
	@got = ();
	my $s = control(POST => call => {silent => \1});
	is_deeply \@got, [], 'another certificate: nothing is sent';
	like $s->{steps}[0]{error}, qr/certificate verify failed/, '… and why';
	is stop_carrier(), 0, 'ended';
	start_carrier('--env', $env);
	$s = control(POST => call => {silent => \1});
	is $s->{steps}[0]{status}, 200, 'no certificate named, none checked';
	is stop_carrier(), 0, 'ended';
};

done_testing;
