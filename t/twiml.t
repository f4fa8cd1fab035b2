# SPDX-License-Identifier: ISC
# What Twilio is told to do, in Twilio's own words: our TwiML compared, after
# XML canonicalisation, with what npm twilio writes for the same verbs.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use XML::LibXML;
use Ringback::Node;
use Ringback::Test;

if (my $why = Ringback::Node::missing()) {
	plan skip_all => $why;
}

my %say = (
	GREETING => "Hello & welcome to <Riverside> \x{2014} it's "
		. "caf\x{e9}, \x{1f9b7}; press 1 > 0.",
	REPLY    => "We'll answer <soon> & \x{201c}gladly\x{201d} \x{1f44d}",
);
# As bytes, for the settings.
sub utf8 ($text) {
	utf8::encode($text);
	return $text;
}

my $t = Ringback::Test->new;
my $base = $t->base;

# Two spellings of the same document are the same string. What a person's
# indentation adds between verbs says nothing to Twilio.
sub canonical ($xml) {
	my $doc = XML::LibXML->new(no_blanks => 1)->parse_string($xml);
	return utf8($doc->toStringC14N(1));
}

# What npm twilio writes for each of these, by name: [class, verbs…], a verb
# being [name, attributes, text]. Asked once, for node is slow to start.
sub theirs (%documents) {
	return %{ Ringback::Node::twilio(<<~'JS', \%documents) };
		Object.fromEntries(Object.entries(questions).map(
			([name, [kind, ...verbs]]) => {
			const r = new twilio.twiml[kind]();
			for (const [verb, attributes, text] of verbs)
				text === null ? r[verb](attributes)
					: r[verb](attributes, text);
			return [name, r.toString()];
		}))
		JS
}

sub is_same ($ours, $theirs, $what) {
	subtest $what => sub {
		is canonical("$ours"), canonical(utf8($theirs)),
			'the same document';
		like "$ours", qr/\A<\?xml version="1\.0" encoding="UTF-8"\?>/,
			'nothing before the declaration (12100)';
		cmp_ok length "$ours", '<', 64_000, 'within 64 kB (11750)';
	};
	return;
}

# A call as it is answered with these settings.
sub voicemail (%o) {
	my %record = (action => "$o{base}/api/twilio/recording#rc=2&rp=ct,rt,5xx",
		method => 'POST', maxLength => $o{seconds},
		timeout => $o{silence}, playBeep => Mojo::JSON->true,
		recordingStatusCallback =>
			"$o{base}/api/twilio/recording-status#rc=5&rp=all",
		recordingStatusCallbackMethod => 'POST',
		recordingStatusCallbackEvent => 'in-progress completed absent');
	return [ VoiceResponse => [ say => $o{voice}, $o{greeting} ],
		[ record => \%record, undef ],
		defined $o{goodbye} ? [ say => $o{voice}, $o{goodbye} ] : (),
		[ hangup => {}, undef ] ];
}

my %chosen = (voice => { voice => 'Polly.Joanna-Neural', language => 'en-GB' },
	greeting => $say{GREETING}, base => $base, seconds => 120, silence => 0);
my %default = (voice => { language => 'en-US' }, base => $base,
	greeting => 'Hello. Please leave a message after the beep.',
	goodbye => 'Thank you. Your message was received. Goodbye.',
	seconds => 3600, silence => 10);
my %theirs = theirs(
	'default call' => voicemail(%default),
	'default end' => [ VoiceResponse => [ say => @default{qw(voice
		goodbye)} ], [ hangup => {}, undef ] ],
	'default text' => [ MessagingResponse => [ message => {}, 'Thank you '
		. 'for your message. We will get back to you soon.' ] ],
	call => voicemail(%chosen),
	end => [ VoiceResponse => [ hangup => {}, undef ] ],
	text => [ MessagingResponse => [ message => {}, $say{REPLY} ] ],
	'no reply' => [ 'MessagingResponse' ],
	'call without us' => voicemail(%default, voice => {}, base => '',
		greeting => 'Sorry, we cannot take your call right now. '
		. 'Please leave a message after the tone.',
		goodbye => 'Goodbye.'),
);

subtest 'as it comes' => sub {
	my %call = $t->call;
	is_same($t->post_signed('/api/twilio/voice', \%call),
		$theirs{'default call'}, 'a call: greeting, beep and '
		. 'recording, goodbye, in the account\'s own voice');
	my %recording = $t->recording($call{CallSid});
	is_same($t->post_signed('/api/twilio/recording', { %call, %recording }),
		$theirs{'default end'}, 'its end: goodbye');
	is_same($t->post_signed('/api/twilio/sms', { $t->text }),
		$theirs{'default text'}, 'a text: the reply');
	is_same($t->post_signed('/api/twilio/sms', { $t->text(Body => 'STOP')
		}), $theirs{'no reply'}, 'STOP: nothing to say');
};

subtest 'as configured' => sub {
	$t->change(VOICE_GREETING => utf8($say{GREETING}), VOICE_GOODBYE => '',
		VOICE_NAME => 'Polly.Joanna-Neural', VOICE_LANGUAGE => 'en-GB',
		VOICEMAIL_SECONDS => 120, VOICEMAIL_SILENCE_SECONDS => 0,
		SMS_REPLY => utf8($say{REPLY}));
	my %call = $t->call;
	is_same($t->post_signed('/api/twilio/voice', \%call), $theirs{call},
		'a call: in that voice, with no goodbye');
	my %recording = $t->recording($call{CallSid});
	is_same($t->post_signed('/api/twilio/recording', { %call, %recording }),
		$theirs{end}, 'its end: only that');
	is_same($t->post_signed('/api/twilio/sms', { $t->text }),
		$theirs{text}, 'a text: the reply');
};

subtest 'from nginx alone, when no worker is left' => sub {
	my $file = sub ($name) { Ringback::Test::slurp(
		"$Ringback::Test::ROOT/nginx/fallback/$name.xml") };
	is_same($file->('voice'), $theirs{'call without us'},
		'a call is recorded all the same');
	is_same($file->('sms'), $theirs{'no reply'}, 'a text gets no reply');
};

$t->done;
