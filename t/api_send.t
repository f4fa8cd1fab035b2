# SPDX-License-Identifier: ISC
# What an administrator's script does with curl: place a call, send a text,
# be told what is wrong with either. Twilio is the stand-in, which holds every
# request against Twilio's published description.
use v5.36;
use utf8;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(uniq);
use Mojo::JSON qw(decode_json encode_json);
use Mojo::Util qw(encode);
use XML::LibXML;
use Ringback::Node;
use Ringback::Outside qw(completion analysis);
use Ringback::Test;

binmode Test::More->builder->$_, ':utf8'
	for qw(output failure_output todo_output);

my $HEARD = 'Hello, this is a test call.';
my $t = Ringback::Test->new(carrier => 1, env => {
	SEND_PER_KEY_MINUTE => 100_000, SEND_PER_RECIPIENT_HOUR => 100_000,
	SEND_PER_DAY => 100_000,
}, fakes => {
	openai => sub ($c, $n) {
		$c->render(json => { task => 'transcribe', duration => 2,
			language => 'english', text => " $HEARD", segments => [
			{ id => 0, start => 0, end => 2, text => " $HEARD",
			avg_logprob => -0.2, no_speech_prob => 0.01 } ] });
	},
	llm => sub ($c, $n) {
		$c->render(json => completion(analysis(
			summary => 'A test call.'))->{json});
	},
});
my $twilio = $t->carrier;
my $base = $t->base;
my ($us, $them) = ($Ringback::Test::NUMBER, '+14155550188');
my $key = $t->key(user => 'user-123');
my $admin = $t->key(name => 'office');
my ($CALL, $TEXT) = map { "/api/twilio/$_" } qw(make-call send-sms);
my $UUID = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

sub call_row ($id) { return $t->row('select * from twilio_calls where id = ?', $id) }
sub text_row ($id) { return $t->row('select * from twilio_sms where id = ?', $id) }

# A call or text that goes out: what our client is told, what Twilio was.
sub sent ($path, $ask, $with = $key) {
	$twilio->mark;
	my $answer = $t->api(POST => $path, $with, $ask);
	is $answer->status, 201, 'sent' or diag $answer;
	my @asked = $twilio->requests(qr/^POST/);
	is scalar @asked, 1, 'Twilio was asked once';
	my $json = $answer->json;
	return ($json->{call} // $json->{message}, $asked[0]{params});
}

sub spoken ($xml) {
	my $doc = XML::LibXML->load_xml(string => encode('UTF-8', $xml));
	return map { [ $_->nodeName, { map { $_->name => $_->value }
		$_->attributes }, $_->textContent ] }
		$doc->documentElement->childNodes;
}

# An error in the API's one shape.
sub is_refused ($answer, $status, $code, $field, $what) {
	my %rest = %{ (eval { $answer->json }) // {} };
	my $sentence = delete $rest{error} // '';
	is_deeply [ $answer->status, $answer->type =~ s/;.*//r, \%rest,
		$sentence =~ /^\S+ .*\w/ ? 'words' : $sentence ], [ $status,
		'application/json', { success => Mojo::JSON->false,
		code => $code, defined $field ? (field => $field) : (),
		requestId => $answer->header('X-Request-Id') }, 'words' ],
		"$status $code: $what" or diag $answer;
	return;
}

subtest "the guide's call, as it is written there" => sub {
	$twilio->control(POST => 'hold');
	my ($call, $asked) = sent($CALL, <<~'JSON');
		{
		  "to": "+1234567890",
		  "message": "Hello, this is a test call",
		  "record": true,
		  "userId": "user-123",
		  "metadata": {
		    "campaign": "sales-outreach"
		  }
		}
		JSON
	like $call->{id}, qr/^$UUID$/, 'an id';
	like $call->{sid}, qr/^CA[0-9a-f]{32}$/, "and Twilio's";
	is_deeply { map { $_ => $call->{$_} } qw(call_sid to_number from_number
		direction status user_id metadata) }, {
		call_sid => $call->{sid}, to_number => '+1234567890',
		from_number => $us, direction => 'outbound-api',
		status => 'queued', user_id => 'user-123',
		metadata => { campaign => 'sales-outreach' } }, 'the call';

	my $twiml = delete $asked->{Twiml};
	is_deeply $asked, {
		To => '+1234567890', From => $us,
		StatusCallback => "$base/api/twilio/status?id=$call->{id}#rc=5&rp=all",
		StatusCallbackEvent => [qw(initiated ringing answered
			completed)],
		Record => 'true', RecordingChannels => 'dual',
		RecordingStatusCallback =>
			"$base/api/twilio/recording-status?id=$call->{id}#rc=5&rp=all",
		RecordingStatusCallbackEvent => 'in-progress completed absent',
	}, 'Twilio is to record it, both sides';
	is_deeply [ spoken($twiml) ], [ [ 'Say', { language => 'en-US' },
		'Hello, this is a test call' ] ],
		'and not a second time, by a <Record> (FACTS 0.9)';

	$twilio->control(DELETE => 'hold');
	$twilio->idle;
	is_deeply [ uniq map { $_->{status} } $twilio->sent(qr/\?id=/) ],
		[ 204 ], 'every callback is taken';
	my $row = call_row($call->{id});
	is $row->{status}, 'completed', 'the call is over';
	cmp_ok $row->{duration}, '>', 0, 'its length is known';
	is $row->{phone_number_sid}, 'PN' . 'b' x 32, 'and which number it was';
	is decode_json($row->{metadata})->{campaign}, 'sales-outreach',
		'metadata kept';

	my @made = grep { $_->{call_sid} eq $call->{sid} }
		$twilio->list('recordings');
	is scalar @made, 1, 'one recording was made';
	my $recording = $t->row('select *, run_at <= now() as due from
		twilio_recordings where call_sid = ?', $call->{sid});
	is_deeply { map { $_ => $recording->{$_} } qw(recording_sid channels
		source step due user_id) }, { recording_sid => $made[0]{sid},
		channels => 2, source => 'OutboundAPI', step => 'download',
		due => 1, user_id => 'user-123' }, 'and waits for the sweep';

	my ($status, $out) = $t->sweep;
	is $status, 0, 'which takes it';
	like $out, qr/: 1 done/, 'to the end';
	is scalar $twilio->requests(qr{^GET .*/$made[0]{sid}\.mp3$}), 1,
		'the media are fetched once';
	my ($file) = map { $_->{form}{file} } $t->fake('openai')->requests;
	cmp_ok $file->{bytes}, '>', 1000, 'and heard';

	my $whole = $t->api(GET => "/api/twilio/calls/$call->{sid}", $key)
		->json->{call};
	is $whole->{transcriptions}[0]{transcription}, $HEARD,
		'the transcript hangs on the call';
	is $whole->{transcriptions}[0]{analysis}{summary}, 'A test call.',
		'with its analysis';
	is $whole->{transcription_id}, $whole->{transcriptions}[0]{id},
		'which names it';
	is $whole->{recordings}[0]{recording_sid}, $made[0]{sid}, 'so do its '
		. 'recording';
	is_deeply [ map { $_->{status} } @{ $whole->{events} } ],
		[qw(initiated ringing in-progress completed)], 'and its course';
};

subtest "the guide's text, as it is written there" => sub {
	$twilio->control(POST => 'hold');
	my ($text, $asked) = sent($TEXT, <<~'JSON');
		{
		  "to": "+1234567890",
		  "body": "Hello from RepSpheres!",
		  "userId": "user-123",
		  "metadata": {
		    "campaign": "follow-up"
		  }
		}
		JSON
	like $text->{sid}, qr/^SM[0-9a-f]{32}$/, "Twilio's name for it";
	is_deeply { map { $_ => $text->{$_} } qw(message_sid to_number
		from_number body direction status user_id metadata) }, {
		message_sid => $text->{sid}, to_number => '+1234567890',
		from_number => $us, body => 'Hello from RepSpheres!',
		direction => 'outbound-api', status => 'queued',
		user_id => 'user-123', metadata => { campaign => 'follow-up' } },
		'the message';
	is_deeply $asked, { To => '+1234567890', From => $us,
		Body => 'Hello from RepSpheres!', StatusCallback =>
		"$base/api/twilio/status?id=$text->{id}#rc=5&rp=all" }, 'as Twilio gets it';
	$twilio->control(DELETE => 'hold');
	$twilio->idle;
	my $row = text_row($text->{id});
	is $row->{status}, 'delivered', 'delivered';
	is $row->{error_code}, undef, 'without error';
	is $t->sql('select count(*) from twilio_sms'), 1, 'one row';
	is_deeply [ map { $_->{status} } @{ $t->api(GET =>
		"/api/twilio/sms/$text->{sid}", $key)->json->{message}{events} }
		], [qw(sent delivered)], 'and its course';
};

subtest 'how it ends is told to the row' => sub {
	my %end = ('+14155550001' => 'busy', '+14155550002' => 'no-answer',
		'+14155550003' => 'failed');
	for my $to (sort keys %end) {
		my ($call) = sent($CALL, { to => $to, message => 'Hello' });
		$twilio->idle;
		is call_row($call->{id})->{status}, $end{$to}, $end{$to};
		is $t->sql('select count(*) from twilio_recordings where
			call_sid = ?', $call->{sid}), 0, 'nothing recorded';
	}
	my ($text) = sent($TEXT, { to => '+14155530003', body => 'Hello' });
	$twilio->idle;
	my $row = text_row($text->{id});
	is_deeply [ @$row{qw(status error_code error_message)} ],
		[ 'undelivered', 30003,
		'The handset is switched off or unreachable.' ],
		"Twilio's code, in words a person understands";
	($text) = sent($TEXT, { to => $them, body => 'Hello' });
	$t->post_signed("/api/twilio/status?id=$text->{id}",
		{ $t->text(MessageSid => $text->{sid}, SmsSid => $text->{sid},
		MessageStatus => 'failed', SmsStatus => 'failed',
		ErrorCode => 63999) });
	like text_row($text->{id})->{error_message},
		qr{63999.*https://www\.twilio\.com/docs/api/errors/63999},
		'and where to look up one that has no words here';
	$twilio->idle;
};

subtest 'everything that may be said reaches Twilio' => sub {
	my $other = '+15005550006';
	my ($call, $asked) = sent($CALL, { to => '+1 (415) 555-0004',
		message => 'Bonjour', from => $other, voice => 'Polly.Chantal',
		language => 'fr-CA', machineDetection => 'DetectMessageEnd',
		timeout => 25, record => Mojo::JSON->false, metadata => {} });
	is_deeply [ @$asked{qw(To From MachineDetection Timeout)} ],
		[ '+14155550004', $other, 'DetectMessageEnd', 25 ],
		'number as people write it, caller, detection, patience';
	is_deeply [ spoken($asked->{Twiml}) ], [ [ 'Say', {
		voice => 'Polly.Chantal', language => 'fr-CA' }, 'Bonjour' ] ],
		'voice and language';
	ok !exists $asked->{Record}, 'no recording unless asked for';
	is $call->{user_id}, 'user-123', "the key's user when none is named";
	$twilio->idle;
	is call_row($call->{id})->{answered_by}, 'machine_end_beep',
		'and a machine answered';

	my @media = map { "https://media.example/$_.jpg" } 1, 2;
	(my $text, $asked) = sent($TEXT, { to => $them, body => 'héllo 👍 +&%',
		from => $other, mediaUrl => \@media });
	is_deeply [ @$asked{qw(From Body MediaUrl)} ], [ $other, 'héllo 👍 +&%',
		\@media ], 'sender, every character, pictures';
	is $text->{body}, 'héllo 👍 +&%', 'every character back';
	is scalar @{ $text->{media} // [] }, 2, 'and the pictures';
	my $service = 'MG' . 'c' x 32;
	(undef, $asked) = sent($TEXT, { to => $them, mediaUrl => [ $media[0] ],
		messagingServiceSid => $service });
	is_deeply { %$asked, StatusCallback => 1 }, { To => $them,
		MediaUrl => $media[0], MessagingServiceSid => $service,
		StatusCallback => 1 }, 'a picture alone, by a service';
	(undef, $asked) = sent($TEXT, { to => $them, body => 'Hello',
		from => $other, messagingServiceSid => $service });
	is_deeply [ @$asked{qw(From MessagingServiceSid)} ], [ $other, $service
		], 'a sender of that service';
	$twilio->idle;

	my ($theirs) = sent($CALL, { to => $them, message => 'Hello',
		userId => 'user-9' }, $admin);
	is $theirs->{user_id}, 'user-9', 'an administrator names the user';
	($theirs) = sent($CALL, { to => $them, message => 'Hello' }, $admin);
	is $theirs->{user_id}, undef, 'or nobody';
	is_refused($t->api(POST => $CALL, $key, { to => $them,
		message => 'Hello', userId => 'user-9' }), 403, 'foreign_user',
		'userId', "a user's key names nobody else");
	$twilio->idle;
};

subtest 'a message too long to send along is fetched' => sub {
	my ($call, $asked) = sent($CALL, { to => $them, message => 'x' x 3000 });
	my $frame = length($asked->{Twiml}) - 3000;
	(undef, $asked) = sent($CALL, { to => $them,
		message => 'x' x (4000 - $frame) });
	is length $asked->{Twiml}, 4000, '4000 characters go along';
	$twilio->idle;
	my $message = join ' ', map { "Point $_: \"less\" < more & <so on>." }
		1 .. 280;
	($call, $asked) = sent($CALL, { to => $them, message => $message });
	ok !exists $asked->{Twiml}, 'one of ' . length($message) . ' does not';
	my $path = "/api/twilio/outbound?id=$call->{id}";
	is $asked->{Url}, "$base$path#rc=2&rp=ct,rt,5xx", 'Twilio is to ask for it';
	$twilio->idle;
	my ($fetch) = $twilio->sent(qr/\Q$path\E/);
	is $fetch->{status}, 200, 'does, and is answered';
	is $fetch->{type}, 'text/xml', 'in TwiML';
	my @pieces = spoken($fetch->{answer});
	is_deeply [ uniq map { $_->[0] } @pieces ], ['Say'], 'of <Say> alone';
	is join('', map { $_->[2] } @pieces), $message, 'every word of it';
	is_deeply [ grep { length($_->[2]) > 3000 } @pieces ], [],
		'none longer than a voice can speak (13521)';
	is call_row($call->{id})->{status}, 'completed', 'the call went well';

	my %form = $t->call(CallSid => $call->{sid}, From => $us, To => $them,
		Direction => 'outbound-api', CallStatus => 'in-progress');
	is $t->post_signed($path, \%form)->body, encode('UTF-8',
		$fetch->{answer}), 'asked again, it is the same';
	is $t->post_unsigned($path, \%form)->status, 403, 'unsigned: refused';
	is $t->post($path, \%form, 'X-Twilio-Signature' =>
		Ringback::Test::signature("$base$path", \%form, 'guess'))
		->status, 403, 'with a wrong signature, too';
	is $t->post_signed('/api/twilio/outbound', \%form)->status, 404,
		'no call named: nothing';
	is $t->post_signed('/api/twilio/outbound?id=' . '0' x 8
		. '-0000-4000-8000-' . '0' x 12, \%form)->status, 404,
		'nor for one that is none';

	for my $hard ('&' x 10_000, '👍' x 10_000) {
		($call) = sent($CALL, { to => $them, message => $hard });
		$twilio->idle;
		is join('', map { $_->[2] } spoken(($twilio->sent(qr{outbound}
			))[-1]{answer})), $hard, 'the longest there may be';
	}
};

subtest "voice as npm's twilio writes it" => sub {
	if (my $why = Ringback::Node::missing()) {
		plan skip_all => $why;
	}
	my $long = join ' ', map { "Item $_: it's \"<big>\" & — ünï 🦷;" } 1 .. 150;
	my @asks = map { { to => $them, %$_ } } (
		{ message => 'Hello, this is a test call' },
		{ message => "It's <b>50%</b> off & \"more\" — naïve 👍\nBye.",
			voice => 'Polly.Joanna-Neural', language => 'en-GB' },
		{ message => "a\x{01}b\x{7f}c\ttab", voice => 'man' },
		{ message => $long, voice => 'Google.en-US-Wavenet-A' });
	my @ours;
	for my $ask (@asks) {
		my (undef, $asked) = sent($CALL, $ask);
		$twilio->idle;
		push @ours, $asked->{Twiml}
			// ($twilio->sent(qr{/outbound}))[-1]{answer};
	}
	# The same pieces: where a long text is cut is for us to choose.
	my @say = map { [ map { [ $_->[1], $_->[2] ] } spoken($_) ] } @ours;
	is join('', map { $_->[1] } @{ $say[3] }), $long, 'nothing lost';
	my $theirs = Ringback::Node::twilio(<<~'JS', \@say);
		questions.map(pieces => {
			const r = new twilio.twiml.VoiceResponse();
			for (const [attributes, text] of pieces)
				r.say(attributes, text);
			return r.toString();
		})
		JS
	for my $n (0 .. $#asks) {
		my ($we, $they) = map { XML::LibXML->load_xml(string =>
			encode('UTF-8', $_))->toStringC14N } $ours[$n],
			$theirs->[$n];
		is $we, $they, "message $n";
	}
};

subtest 'what is wrong is named' => sub {
	my $kept = sub { [ map { $t->sql("select count(*) from $_") }
		qw(twilio_calls twilio_sms api_requests send_counters) ] };
	my $before = $kept->();
	my $total = $t->sql('select sum(count) from send_counters');
	$twilio->mark;
	my %call = (to => $them, message => 'Hello');
	my %text = (to => $them, body => 'Hello');
	my @numbers = (5, Mojo::JSON->true, {}, [$them], '', ' ', '4155550188',
		'+1415555018x', '+0415555018', '+1', '+' . '1' x 16, 'client:me',
		'+44 (0)20 7946 0018', "+14155550188\n", '+1415,5550188');
	my @wrong = (
		[ $CALL, \%call, to => @numbers ],
		[ $CALL, \%call, from => @numbers ],
		[ $CALL, \%call, message => '', 7, ['x'], 'x' x 10_001 ],
		[ $CALL, \%call, record => 'true', 1, 'yes', [] ],
		[ $CALL, \%call, userId => '', 7, 'u' x 129 ],
		[ $CALL, \%call, metadata => 'x', [1], 7, { k => 'x' x 8192 } ],
		[ $CALL, \%call, voice => '', 'two words', '"/><Record/>',
			'v' x 65, 7 ],
		[ $CALL, \%call, language => 'e', 'english', 'en_US', 7,
			'en-US"/>' ],
		[ $CALL, \%call, machineDetection => 'true', 'enable',
			'Enable|DetectMessageEnd', Mojo::JSON->true ],
		[ $CALL, \%call, timeout => 4, 601, '30', 30.5, -30, 1e30 ],
		[ $TEXT, \%text, to => @numbers ],
		[ $TEXT, \%text, body => '', 7, {}, 'x' x 1601, '👍' x 1601 ],
		[ $TEXT, \%text, from => '', 7, [$us] ],
		[ $TEXT, \%text, mediaUrl => 'https://x.example/1', [],
			['http://x.example/1'], [7], ['https://x y'],
			[ map { "https://x.example/$_" } 1 .. 11 ] ],
		[ $TEXT, \%text, messagingServiceSid => 'MG1', 7,
			'SM' . 'c' x 32 ],
	);
	for (@wrong) {
		my ($path, $good, $field, @values) = @$_;
		for my $value (@values) {
			my $shown = encode_json([$value]);
			is_refused($t->api(POST => $path, $key, { %$good,
				$field => $value }), 400, 'invalid_value',
				$field, "$path $field: "
				. substr($shown, 1, 30));
		}
	}
	for ([ $CALL, \%call, 'to' ], [ $CALL, \%call, 'message' ],
		[ $TEXT, \%text, 'to' ], [ $TEXT, \%text, 'body' ]) {
		my ($path, $good, $field) = @$_;
		my %less = %$good;
		delete $less{$field};
		is_refused($t->api(POST => $path, $key, \%less), 400,
			'missing_field', $field, "$path without $field");
		is_refused($t->api(POST => $path, $key, { %$good,
			$field => undef }), 400, 'missing_field', $field,
			"$path with null for $field");
	}
	is_refused($t->api(POST => $CALL, $key, { %call, colour => 'red' }), 400,
		'unknown_field', 'colour', 'a field nobody knows');
	is_refused($t->api(POST => $TEXT, $key, { %text, record =>
		Mojo::JSON->true }), 400, 'unknown_field', 'record',
		'a field of the other kind');
	is_refused($t->api(POST => "$CALL?dryrun=1", $key, \%call), 400,
		'unknown_field', 'dryrun', 'in the query, too');
	is_refused($t->api(POST => "$CALL?dryRun=maybe", $key, \%call), 400,
		'invalid_value', 'dryRun', 'neither yes nor no');
	is_refused($t->api(POST => "$CALL?dryRun=1&dryRun=0", $key, \%call), 400,
		'invalid_value', 'dryRun', 'both');

	my $to = qq("to":"$them");
	for ('', '{', 'null', '[]', '"hello"', "{$to,}", "{$to} {}", "{to:1}",
		qq({$to,"body":"a\nb"}), qq({$to,"body":"\\u0000"}),
		qq({$to,"body":"\\ud800"}), qq({$to,"body":"\xff\xfe"}),
		qq({$to,"body":"a","body":"b"}),
		qq({$to,"body":"a","b\\u006fdy":"b"}),
		qq({$to,"body":"a","metadata":{"k":1,"k":2}}),
		qq({$to,"metadata":) . '[' x 1000 . ']' x 1000 . '}',
		qq({$to,"body":"a","metadata":{"k":NaN}}), "\xef\xbb\xbf{$to}") {
		is_refused($t->api(POST => $TEXT, $key, $_), 400,
			'invalid_request', undef, 'JSON like '
			. substr(encode_json([$_]), 1, 50));
	}
	my $json = encode_json(\%text);
	for my $type ('text/plain', 'application/x-www-form-urlencoded',
		'application/jsonp', '') {
		is_refused($t->request(POST => $TEXT, { Authorization =>
			"Bearer $key", length $type ? ('Content-Type' => $type)
			: () }, $json), 415, 'unsupported_media_type', undef,
			"not JSON but '$type'");
	}
	is_refused($t->api(POST => $TEXT, $key, { %text, metadata =>
		{ k => 'x' x 70_000 } }), 413, 'too_large', undef, 'over 64 KB');
	is_refused($t->request(GET => $CALL, { Authorization => "Bearer $key" }),
		405, 'method_not_allowed', undef, 'GET');

	is_refused($t->api(POST => $CALL, undef, \%call), 401, 'unauthorized',
		undef, 'no key');
	for my $bad ('tw_', "${key}x", substr($key, 0, -1),
		$key =~ s/.$/~/r, $key =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/er,
		'tw_00000000_' . 'a' x 43) {
		is_refused($t->api(POST => $CALL, $bad, \%call), 401,
			'unauthorized', undef, 'a key that is none');
	}
	is_refused($t->api(POST => $CALL, $t->key(user => 'user-123', scopes =>
		'read'), \%call), 403, 'missing_scope', 'Authorization',
		'a key that only reads');
	is_deeply $kept->(), $before, 'nothing was kept of any of it';
	is $t->sql('select sum(count) from send_counters'), $total,
		'none of it counts';
	is_deeply [ $twilio->requests ], [], 'Twilio never heard of it';
	is $t->api(POST => $TEXT, $key, $json, { 'Content-Type' =>
		'Application/JSON; charset=utf-8' })->status, 201,
		'a type in other letters is still JSON';
	$twilio->idle;
};

# What our client is told, and what the row keeps.
sub is_answered ($path, $ask, $status, $code, $field, $kept, $what) {
	my %ask = (to => $them, $path eq $CALL ? (message => 'Hello')
		: (body => 'Hello'), %$ask);
	my $answer = $t->api(POST => $path, $key, \%ask);
	is_refused($answer, $status, $code, $field, $what);
	my $table = $path eq $CALL ? 'twilio_calls' : 'twilio_sms';
	my $row = $t->row("select * from $table order by created_at desc limit
		1");
	is_deeply [ @$row{qw(to_number status error_code)} ],
		[ $ask{to}, 'failed', $kept ], '… and kept';
	is $row->{error_message}, $answer->json->{error}, '… in the same words';
	return $answer;
}

subtest "Twilio's refusals are told in our words" => sub {
	is_answered($TEXT, { to => '+15005550001' }, 422, 'twilio_21211', 'to',
		21211, 'a number that is none');
	is_answered($CALL, { to => '+15005550001' }, 422, 'twilio_21217', 'to',
		21217, 'a number that cannot be called');
	is_answered($TEXT, { to => '+15005550003' }, 422, 'twilio_21408', 'to',
		21408, 'a region that is not enabled');
	is_answered($TEXT, { to => '+15005550004' }, 403, 'opted_out', 'to',
		21610, 'somebody who has opted out');
	is_answered($TEXT, { from => '+12125550100' }, 422, 'twilio_21606',
		'from', 21606, 'a sender that is not ours');
	$twilio->mark;
	is_answered($TEXT, { from => 'MGM Grand' }, 422, 'twilio_21212', 'from',
		21212, 'a name as a sender');
	my ($asked) = map { $_->{params} } $twilio->requests;
	is $asked->{From}, 'MGM Grand', 'though it was asked for as one';
	is $t->sql(q{select from_number from twilio_sms order by created_at
		desc limit 1}), 'MGM Grand', 'and is kept so';

	my @fault = (match => '^POST', times => 1);
	$twilio->fault(@fault, status => 401, body => { code => 20003,
		message => "Authenticate $Ringback::Test::TOKEN", status => 401 });
	unlike is_answered($CALL, {}, 503, 'twilio_credentials', undef, 20003,
		'our credentials'), qr/\Q$Ringback::Test::TOKEN/, 'secret kept';
	$twilio->fault(@fault, status => 403, body => { code => 20403,
		message => 'Forbidden', status => 403 });
	is_answered($CALL, {}, 503, 'twilio_credentials', undef, 20403,
		'a key without permission');
	$twilio->fault(@fault, status => 403, body => { code => 21408,
		message => 'Permission to send', status => 403 });
	is_answered($TEXT, {}, 422, 'twilio_21408', 'to', 21408,
		'a refusal is a refusal whatever its status');
	$twilio->fault(@fault, status => 400, body => { code => 99999,
		message => "$them is full of moon.", status => 400 });
	is is_answered($CALL, {}, 422, 'twilio_99999', undef, 99999,
		'a code without words here')->json->{error}, "Twilio's error "
		. '99999; see https://www.twilio.com/docs/api/errors/99999.',
		'says where they are';
	$twilio->fault(@fault, status => 400, body => '<html>Bad</html>',
		headers => { 'Content-Type' => 'text/html' });
	is_answered($CALL, {}, 422, 'twilio_refused', undef, undef,
		'no JSON at all');

	$twilio->mark;
	$twilio->fault(@fault, times => 1000, status => 429, headers =>
		{ 'Retry-After' => 17 }, body => { code => 20429, status => 429,
		message => 'Too Many Requests' });
	is is_answered($CALL, {}, 429, 'twilio_busy', undef, 20429,
		'too many requests')->header('Retry-After'), 17,
		'and when to come again';
	is scalar $twilio->requests, 1, 'not tried before that';
	$twilio->mend;
};

subtest 'no request was other than Twilio describes' => sub {
	plan skip_all => 'no twilio_api_v2010.json here' if !$twilio->spec;
	is_deeply [ $twilio->violations ], [], 'not the last ones';
};

$t->done;
