# SPDX-License-Identifier: ISC
# What a caller and a texter meet: greeting, beep, recording, goodbye, an
# answer; and what anybody else meets at the same doors.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Test;
use XML::LibXML;

my $t = Ringback::Test->new(env => {
	VOICE_GREETING => 'Hello & welcome to <Riverside>.',
	VOICE_NAME     => 'Polly.Joanna',
	SMS_REPLY      => 'Thanks, we have it.',
});
my $base = $t->base;

# The verbs of a TwiML answer as [name, {attributes}, text].
sub verbs ($xml) {
	my $doc = XML::LibXML->load_xml(string => "$xml");
	is $doc->documentElement->nodeName, 'Response', 'a TwiML document';
	return map { [ $_->nodeName, { map { $_->name => $_->value }
		$_->attributes }, $_->textContent ] }
		$doc->documentElement->childNodes;
}

subtest 'an inbound call is greeted, recorded after the beep, and kept' => sub {
	my %call = $t->call;
	my $answer = $t->post_signed('/api/twilio/voice', \%call);
	is $answer->status, 200, 'answered';
	like $answer->type, qr{^text/xml}, 'with TwiML';
	my ($say, $record, $goodbye, $hangup) = verbs($answer);
	is_deeply $say, [ 'Say', { voice => 'Polly.Joanna',
		language => 'en-US' }, 'Hello & welcome to <Riverside>.' ],
		'the configured greeting, escaped';
	is_deeply $record, [ 'Record', {
		action => "$base/api/twilio/recording#rc=2&rp=ct,rt,5xx", method => 'POST',
		maxLength => 3600, timeout => 10, playBeep => 'true',
		recordingStatusCallback =>
			"$base/api/twilio/recording-status#rc=5&rp=all",
		recordingStatusCallbackMethod => 'POST',
		recordingStatusCallbackEvent => 'in-progress completed absent',
	}, '' ], 'then the beep and the recording, with every callback';
	is $goodbye->[0], 'Say', 'a caller who says nothing hears a goodbye';
	is $hangup->[0], 'Hangup', 'and the line is closed';
	my $row = $t->row('select * from twilio_calls where call_sid = ?',
		$call{CallSid});
	is $row->{from_number}, $Ringback::Test::CALLER, 'caller kept';
	is $row->{to_number}, $Ringback::Test::NUMBER, 'number called kept';
	is $row->{direction}, 'inbound', 'direction kept';
	is $row->{status}, 'ringing', 'status kept';
	is $row->{phone_number_sid}, 'PN' . 'b' x 32,
		'phone_number_sid is a SID, not a number (FACTS 0.13)';
};

subtest 'a call that tells more when it comes in is kept with all of it' => sub {
	my %more = (ParentCallSid => [ parent_call_sid => 'CA' . 'd' x 32 ],
		SequenceNumber => [ status_seq => 3 ],
		CallDuration => [ duration => 42 ],
		AnsweredBy => [ answered_by => 'human' ],
		ErrorCode => [ error_code => 11_200 ],
		ForwardedFrom => [ q{metadata->>'ForwardedFrom'} =>
			'+15005550001' ]);
	for my $name (sort keys %more) {
		my ($column, $value) = @{ $more{$name} };
		my %call = ($t->call, $name => $value);
		$t->post_signed('/api/twilio/voice', \%call);
		is $t->sql("select $column from twilio_calls where call_sid = ?",
			$call{CallSid}), $value, $name;
	}
};

subtest 'a call is stored once, and not again when it has been deleted' => sub {
	my %call = $t->call;
	my $rows = sub { $t->sql('select count(*) from twilio_calls
		where call_sid = ?', $call{CallSid}) };
	my @status = map { $t->post_signed('/api/twilio/voice', \%call)
		->status } 1 .. 3;
	is "@status", '200 200 200', 'Twilio asks three times';
	is $rows->(), 1, 'one call';
	my $id = $t->sql('select id from twilio_calls where call_sid = ?',
		$call{CallSid});
	like $id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-
		[89ab][0-9a-f]{3}-[0-9a-f]{12}$/x, 'under a UUID';
	my $ms = unpack 'Q>', pack 'H16', '0000' . substr $id =~ tr/-//dr, 0,
		12;
	cmp_ok abs(time - $ms / 1000), '<', 60, 'with the time in it';
	$t->dbh->do('delete from twilio_calls where call_sid = ?', undef,
		$call{CallSid});
	is $t->post_signed('/api/twilio/voice', \%call)->status, 200,
		'and a fourth time, late';
	is $rows->(), 0, 'the journal knows it: nothing comes back';
	is $t->sql('select count(*) from webhook_events where sid = ?',
		$call{CallSid}), 1, 'nor is it news there';
};

subtest 'the <Record> action answers TwiML, so that the call ends well' => sub {
	my %call = $t->call;
	$t->post_signed('/api/twilio/voice', \%call);
	my %recording = $t->recording($call{CallSid});
	delete @recording{qw(RecordingStatus ErrorCode)};
	my $answer = $t->post_signed('/api/twilio/recording',
		{ %call, %recording, Digits => 'hangup',
		CallStatus => 'completed' });
	is $answer->status, 200, 'answered';
	like $answer->type, qr{^text/xml}, 'TwiML, not text/html (FACTS 0.10)';
	is_deeply [ map { $_->[0] } verbs($answer) ], [qw(Say Hangup)],
		'goodbye, hang up';
	is $t->sql('select step from twilio_recordings where recording_sid = ?',
		$recording{RecordingSid}), 'download', 'the recording is known';
	is $t->sql(q{select run_at > now() + interval '30 seconds' from
		twilio_recordings where recording_sid = ?},
		$recording{RecordingSid}), 1, 'its media is given time to appear';
	is $t->post_signed('/api/twilio/recording-status', { %recording,
		RecordingStatus => 'completed' })->status, 204, 'the callback';
	is $t->sql(q{select run_at <= now() from twilio_recordings where
		recording_sid = ?}, $recording{RecordingSid}), 1, 'makes it due';
	is $t->sql('select recording_sid from twilio_calls where call_sid = ?',
		$call{CallSid}), $recording{RecordingSid}, 'the call shows it';
};

subtest 'an inbound text is kept whole and answered' => sub {
	my $body = "h\x{e9}llo \x{1f44d} 50% off + tax & more";
	my %text = $t->text(Body => $body, NumSegments => 2);
	my $answer = $t->post_signed('/api/twilio/sms', \%text);
	is $answer->status, 200, 'answered';
	is_deeply [ verbs($answer) ], [ [ 'Message', {},
		'Thanks, we have it.' ] ], 'with the configured reply';
	my $row = $t->row('select * from twilio_sms where message_sid = ?',
		$text{MessageSid});
	is $row->{body}, $body, 'every character kept';
	is $row->{direction}, 'inbound', 'direction';
	is $row->{status}, 'received', 'status';
	is $row->{num_segments}, 2, 'segments';
};

subtest 'a text that tells more when it comes in is kept with all of it' => sub {
	my %text = $t->text(NumSegments => 3, MessagingServiceSid => 'MG'
		. 'e' x 32, ErrorCode => 30_007);
	$t->post_signed('/api/twilio/sms', \%text);
	my $row = $t->row('select * from twilio_sms where message_sid = ?',
		$text{MessageSid});
	is $row->{num_segments}, 3, 'segments';
	is $row->{messaging_service_sid}, 'MG' . 'e' x 32, 'service';
	is $row->{error_code}, 30_007, 'error';
	like $row->{error_message}, qr/^[A-Z][a-z].*\.$/, 'as a sentence';
};

subtest 'pictures are kept by their addresses' => sub {
	my %text = $t->text(Body => '', NumMedia => 2,
		MediaUrl0 => 'https://api.twilio.com/m/0',
		MediaContentType0 => 'image/jpeg',
		MediaUrl1 => 'https://api.twilio.com/m/1',
		MediaContentType1 => 'image/png');
	is $t->post_signed('/api/twilio/sms', \%text)->status, 200, 'answered';
	is $t->sql(q{select media->1->>'contentType' from twilio_sms where
		message_sid = ?}, $text{MessageSid}), 'image/png', 'both known';
};

subtest 'no answer to STOP and HELP words: Twilio gives it' => sub {
	for my $word ('STOP', 'stop', ' Unsubscribe ', 'HELP', 'START', 'quit') {
		is_deeply [ verbs($t->post_signed('/api/twilio/sms',
			{ $t->text(Body => $word) })) ], [], "none to '$word'";
	}
	is_deeply [ verbs($t->post_signed('/api/twilio/sms',
		{ $t->text(Body => 'please', OptOutType => 'STOP') })) ], [],
		'none where Twilio says it is one';
	is scalar(verbs($t->post_signed('/api/twilio/sms',
		{ $t->text(Body => 'STOP 12345') }))), 1,
		'"STOP 12345" is not STOP';
	is_deeply [ verbs($t->post_signed('/api/twilio/sms',
		{ $t->text(From => '72345') })) ], [], 'none to a short code';
};

subtest 'callbacks are answered with nothing to parse' => sub {
	my %call = $t->call;
	for my $form ({ %call, CallStatus => 'completed', CallDuration => 33 },
		{ $t->text(SmsStatus => 'sent', MessageStatus => 'sent') }) {
		my $answer = $t->post_signed('/api/twilio/status', $form);
		is $answer->status, 204, 'no content';
		is $answer->body, '', 'none at all';
	}
	is $t->sql('select duration from twilio_calls where call_sid = ?',
		$call{CallSid}), 33, 'the duration is there';
};

subtest 'the older paths are the same doors' => sub {
	for my $pair ([ '/twilio/voice', { $t->call } ],
		[ '/twilio/sms', { $t->text } ],
		[ '/api/twilio/sms-status', { $t->text(MessageStatus => 'sent',
			SmsStatus => 'sent') } ]) {
		my ($path, $form) = @$pair;
		like $t->post_signed($path, $form)->status, qr/^20[04]$/, $path;
		is $t->post_unsigned($path, $form)->status, 403,
			"$path unsigned";
	}
	my %text = $t->text;
	$t->post_signed('/twilio/sms', \%text);
	$t->post_signed('/api/twilio/sms', \%text);
	is $t->sql('select count(*) from webhook_events where sid = ?',
		$text{MessageSid}), 1, 'and the same event by either';
};

subtest 'a retried webhook changes nothing and hears the same' => sub {
	my %call = $t->call;
	my $first = $t->post_signed('/api/twilio/voice', \%call);
	my $row = $t->row('select * from twilio_calls where call_sid = ?',
		$call{CallSid});
	my $second = $t->post_signed('/api/twilio/voice', \%call);
	is $second->body, $first->body, 'the same answer';
	is_deeply $t->row('select * from twilio_calls where call_sid = ?',
		$call{CallSid}), $row, 'the same row, to the microsecond';
	is $t->sql('select count(*) from webhook_events where sid = ?',
		$call{CallSid}), 1, 'one event';
};

subtest 'every webhook is journalled raw, in the same commit' => sub {
	my %text = $t->text(Body => "bytes \xff\xfe and \x00 nul");
	my $raw = Ringback::Test::encode(\%text);
	is $t->post_signed('/api/twilio/sms', \%text)->status, 200, 'answered';
	my ($body, $same) = $t->dbh->selectrow_array(q{select e.body,
		e.xmin = s.xmin from webhook_events e join twilio_sms s
		on s.message_sid = e.sid where e.sid = ?}, undef,
		$text{MessageSid});
	is $body, $raw, 'byte for byte';
	ok $same, 'one transaction';
	is $t->sql('select body from twilio_sms where message_sid = ?',
		$text{MessageSid}), "bytes \x{fffd}\x{fffd} and \x{fffd} nul",
		'the text column has what text can hold';
};

subtest 'anything else is refused with the right word' => sub {
	my %call = $t->call;
	my $type = 'application/x-www-form-urlencoded';
	my $get = $t->request(GET => '/api/twilio/voice');
	is $get->status, 405, 'GET';
	is $get->header('Allow'), 'POST', 'says what is allowed';
	is $get->json->{success}, 0, 'in JSON';
	is $t->request(POST => '/api/twilio/voice', { 'Content-Type' =>
		'application/json' }, '{}')->status, 415, 'JSON';
	is $t->request(POST => '/api/twilio/voice', {}, '')->status, 415,
		'no type';
	is $t->request(POST => '/api/twilio/voice', { 'Content-Type' => $type },
		'a=' . 'x' x 70_000)->status, 413, 'a body over 64 KB';
	is $t->post_signed('/api/twilio/voice', { map { ("p$_" => 1) } 1 .. 300 }
		)->status, 413, 'too many parameters';
	is $t->post_unsigned('/api/twilio/voice', \%call)->status, 403,
		'no signature';
	is $t->post('/api/twilio/voice', \%call, 'X-Twilio-Signature' =>
		'NOTRSOYDt4T1cUTdK1PDd93/VVr8B8=')->status, 403, 'a wrong one';
	is $t->post_signed('/api/twilio/voice', { %call, AccountSid =>
		'AC' . 'f' x 32 })->status, 403, "somebody else's account";
	is $t->post_signed('/api/twilio/voice', { $t->call(CallSid =>
		'../../etc/passwd') })->status, 400, 'a SID that is none';
	is $t->request(POST => '/api/twilio/nothing', { 'Content-Type' => $type },
		'')->status, 404, 'a path that is none';
	is $t->sql('select count(*) from twilio_calls where call_sid = ?',
		$call{CallSid}), 0, 'nothing was kept of any of it';
};

subtest 'a form is one by its type, however that is written' => sub {
	my $type = 'application/x-www-form-urlencoded';
	my $post = sub ($as) {
		my %call = $t->call;
		return $t->post('/api/twilio/voice', \%call, 'Content-Type' =>
			$as, 'X-Twilio-Signature' => Ringback::Test::signature(
			"$base/api/twilio/voice", \%call))->status;
	};
	is $post->($_), 200, "'$_'" for "$type; charset=UTF-8",
		"$type;charset=UTF-8", "$type ; a=b; c=d", "$type;", uc $type;
	is $post->($_), 415, "not '$_'" for "${type}s", "x$type", "; $type",
		'application/x-www-form-urlencode', ';';
};

subtest 'headers are counted, whatever else there is' => sub {
	my $post = sub ($count) {
		my %call = $t->call;
		return $t->post('/api/twilio/voice', \%call,
			'X-Twilio-Signature' => Ringback::Test::signature(
			"$base/api/twilio/voice", \%call),
			map { ("X-$_" => $_) } 1 .. $count);
	};
	is $post->(80)->status, 200, 'eighty more';
	my $answer = $post->(110);
	is $answer->status, 400, 'a hundred and ten more';
	like $answer->body, qr/more than 100 headers/, 'which it says';
};

subtest 'X-Twilio-Signature sent twice decides nothing' => sub {
	my %call = $t->call;
	my $good = Ringback::Test::signature("$base/api/twilio/voice", \%call);
	my $answer = $t->post('/api/twilio/voice', \%call,
		'X-Twilio-Signature' => [ $good, 'x' ]);
	is $answer->status, 400, 'refused';
};

$t->done;
