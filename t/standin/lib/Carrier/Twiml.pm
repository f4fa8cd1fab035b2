# SPDX-License-Identifier: ISC
# Reads TwiML strictly: well-formed XML, root <Response>, and every verb and
# attribute known.  What Twilio would only warn of is in {warnings}.
package Carrier::Twiml;
use v5.36;
use Exporter 'import';
use XML::LibXML;

our @EXPORT_OK = 'twiml_read';

my @CALLBACK = qw(recordingStatusCallback recordingStatusCallbackMethod
    recordingStatusCallbackEvent);

my %VOICE = (
	Say      => [qw(voice language loop)],
	Play     => [qw(loop digits)],
	Pause    => ['length'],
	Record   => [qw(action method timeout finishOnKey maxLength playBeep
		trim transcribe transcribeCallback), @CALLBACK],
	Gather   => [qw(action method timeout finishOnKey numDigits input
		language hints bargeIn speechTimeout speechModel enhanced
		profanityFilter actionOnEmptyResult partialResultCallback
		partialResultCallbackMethod debug maxSpeechTime)],
	Redirect => ['method'],
	Hangup   => [],
	Reject   => ['reason'],
);
my %MESSAGING = (
	Message  => [qw(to from action method statusCallback)],
	Redirect => ['method'],
);
# Twilio knows these, the stand-in does not play them: steps say so.
my %OTHER = map { $_ => 1 } qw(Connect Dial Enqueue Leave Pay Prompt Queue
    Refer Sms Start Stop);
my %NESTED = (
	Gather  => [qw(Say Play Pause)],
	Message => [qw(Body Media)],
);

my $WHOLE   = qr/^\d+$/;
my $BOOLEAN = qr/^(?:true|false)$/;
my $METHOD  = qr/^(?:GET|POST)$/;
my %VALUE   = (
	method    => $METHOD, length    => $WHOLE, loop     => $WHOLE,
	maxLength => $WHOLE,  timeout   => $WHOLE, numDigits => $WHOLE,
	playBeep  => $BOOLEAN, transcribe => $BOOLEAN,
	reason    => qr/^(?:rejected|busy)$/,
	trim      => qr/^(?:trim-silence|do-not-trim)$/,
	recordingStatusCallbackMethod => $METHOD,
	recordingStatusCallbackEvent  =>
	    qr/^(?:(?:in-progress|completed|absent)\s*)+$/,
);

# The bytes and content type of an answer → {verbs, warnings} or, when the
# call cannot go on, {code, message}.  $kind is 'voice' or 'messaging'.
sub twiml_read ($bytes, $type, $kind = 'voice') {
	return _bad(11750, 'TwiML response body too large')
	    if length $bytes > 65_536;
	return {verbs => [], warnings => []} if $bytes !~ /\S/;
	my $xml = !$type || $type =~ m{^(?:text|application)/xml$|^text/html$};
	if ($type =~ m{^audio/}) {
		return {verbs => [{name => 'Play', attr => {}, text => '(audio)',
			nested => []}], warnings => []};
	}
	if ($type eq 'text/plain' && $bytes !~ /^\s*</) {
		return {verbs => [{name => 'Say', attr => {}, text => $bytes,
			nested => []}], warnings => []};
	}
	return _bad(12300, "Invalid Content-Type: $type")
	    if !$xml && $type ne 'text/plain';
	my $document = eval {
		XML::LibXML->new(no_network => 1, load_ext_dtd => 0,
			expand_entities => 0)->parse_string($bytes);
	};
	return _bad(12100, 'Document parse failure: '
	    . ($@ =~ s/^\S*:(\d+): /line $1: /r =~ s/\n.*//sr)) if !$document;
	my $root = $document->documentElement;
	return _bad(12100, 'The root element is <' . $root->nodeName
	    . '>, not <Response>') if $root->nodeName ne 'Response';
	my %seen = (verbs => [], warnings => []);
	my $known = $kind eq 'voice' ? \%VOICE : \%MESSAGING;
	_verb(\%seen, $_, $known) for $root->childNodes;
	return \%seen;
}

sub _bad ($code, $message) { {code => $code, message => $message} }

sub _verb ($seen, $node, $known) {
	my $name = $node->nodeName;
	if ($node->nodeType != XML_ELEMENT_NODE) {
		_warn($seen, 'text outside of any verb')
		    if $node->nodeType == XML_TEXT_NODE && $node->data =~ /\S/;
		return;
	}
	if (!$known->{$name} && !$OTHER{$name}) {
		return _warn($seen, "<$name> is no verb");
	}
	my %attr = map { $_->nodeName => $_->value } $node->attributes;
	_attributes($seen, $name, \%attr, $known->{$name}) if $known->{$name};
	my @nested;
	for my $child (grep { $_->nodeType == XML_ELEMENT_NODE }
	    $NESTED{$name} ? $node->childNodes : ()) {
		my $inner = $child->nodeName;
		if (!grep { $_ eq $inner } $NESTED{$name}->@*) {
			_warn($seen, "<$inner> is not allowed in <$name>");
			next;
		}
		push @nested, {name => $inner, attr => {}, nested => [],
			text => $child->textContent};
	}
	push $seen->{verbs}->@*, {name => $name, attr => \%attr,
		nested => \@nested, text => $node->textContent};
}

sub _attributes ($seen, $name, $attr, $allowed) {
	for my $key (sort keys %$attr) {
		if (!grep { $_ eq $key } @$allowed) {
			_warn($seen, "<$name> has no attribute $key");
		} elsif ($VALUE{$key} && $attr->{$key} !~ $VALUE{$key}) {
			_warn($seen, "<$name $key=\"$attr->{$key}\"> is not valid");
			delete $attr->{$key};   # the default is used
		}
	}
}

sub _warn ($seen, $message) {
	push $seen->{warnings}->@*, {code => 12200, message => $message};
}

1;
