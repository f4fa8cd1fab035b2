# SPDX-License-Identifier: ISC
# Twilio's JSON, as its published description of the API has it: resources,
# list envelopes, dates, and the one shape of every error.
package Carrier::Shape;
use v5.36;
use Exporter 'import';
use Mojo::Date;
use Mojo::Parameters;

our @EXPORT_OK = qw(API error_xml list_json refuse refusal_json rfc2822
    call_json media_json message_json number_json recording_json call_recording_json);

use constant API => '2010-04-01';

# code => HTTP status, message; %s is what was wrong.
my %ERROR = (
	20001 => [400, '%s'],
	20003 => [401, 'Authentication Error - invalid username'],
	20004 => [405, 'Method not allowed'],
	20404 => [404, 'The requested resource %s was not found'],
	21201 => [400, "No 'To' number is specified"],
	21205 => [400, 'Url is not a valid URL: %s'],
	21210 => [400, 'The source phone number provided, %s, is not yet '
	    . 'verified for your account. You may only make calls from phone '
	    . 'numbers that you\'ve verified or purchased from Twilio.'],
	21211 => [400, "The 'To' number %s is not a valid phone number."],
	21212 => [400, "The 'From' number %s is not a valid phone number, "
	    . 'shortcode, or alphanumeric sender ID.'],
	21213 => [400, "No 'From' number is specified"],
	21214 => [400, "'To' phone number cannot be reached: %s"],
	21215 => [400, 'Account not authorized to call %s. Perhaps you need '
	    . 'to enable some international permissions.'],
	21216 => [400, 'Account not allowed to call %s'],
	21217 => [400, 'Phone number does not appear to be valid: %s'],
	21220 => [400, 'Call is not in-progress. Cannot redirect.'],
	21408 => [400, 'Permission to send an SMS has not been enabled for '
	    . "the region indicated by the 'To' number: %s."],
	21602 => [400, 'Message body is required.'],
	21603 => [400, "A 'From' phone number is required."],
	21604 => [400, "A 'To' phone number is required."],
	21606 => [400, "The 'From' phone number provided (%s) is not a valid "
	    . 'message-capable Twilio phone number for this destination.'],
	21609 => [400, "The 'StatusCallback' URL %s is not a valid URL."],
	21610 => [400, 'Attempt to send to unsubscribed recipient'],
	21611 => [400, "This 'From' number (%s) has exceeded the maximum "
	    . 'number of queued messages'],
	21612 => [400, "Message cannot be sent with the current combination "
	    . "of 'To' (%s) and/or 'From' parameters"],
	21614 => [400, "'To' number is not a valid mobile number: %s"],
	21617 => [400, 'The concatenated message body exceeds the 1600 '
	    . 'character limit'],
	21620 => [400, 'Invalid media URL(s): %s'],
	21623 => [400, 'Number of media files exceeds allowed limit of 10'],
	21626 => [400, 'Invalid StatusCallbackEvent: %s'],
	32018 => [400, 'The Twiml parameter exceeds 4000 characters'],
	35118 => [400, 'MessagingServiceSid is required to schedule a message'],
);

# Ends the request: whoever dispatched it answers with the error.
sub refuse ($code, $about = '') { die {code => $code, about => $about} }

sub refusal_json ($code, $about = '') {
	my ($status, $message) = $ERROR{$code}->@*;
	$message = sprintf $message, $about if $message =~ /%s/;
	return ($status, {
		code      => $code + 0,
		message   => $message,
		more_info => "https://www.twilio.com/docs/errors/$code",
		status    => $status + 0,
	});
}

# What Twilio answers where the path asks for no JSON (media).
sub error_xml ($json) {
	my %e = map { $_ => $json->{$_} =~ s/&/&amp;/gr =~ s/</&lt;/gr }
	    keys %$json;
	return "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse>"
	    . "<RestException><Code>$e{code}</Code><Message>$e{message}"
	    . "</Message><MoreInfo>$e{more_info}</MoreInfo>"
	    . "<Status>$e{status}</Status></RestException></TwilioResponse>\n";
}

sub rfc2822 ($epoch) {
	return undef if !defined $epoch;
	return Mojo::Date->new($epoch)->to_string =~ s/GMT$/+0000/r;
}

sub _text ($value) { defined $value ? "$value" : undef }

sub _uri ($thing, $path) {
	return join '/', '', API, 'Accounts', $thing->{account_sid}, $path;
}

sub _formatted ($number) {
	return $number =~ /^\+1(\d{3})(\d{3})(\d{4})$/ ? "($1) $2-$3" : $number;
}

# What every resource has.
sub _common ($thing, $path) {
	return (
		sid          => $thing->{sid},
		account_sid  => $thing->{account_sid},
		api_version  => API,
		date_created => rfc2822($thing->{date_created}),
		date_updated => rfc2822($thing->{date_updated}),
		uri          => _uri($thing, "$path.json"),
	);
}

sub call_json ($call) {
	my $path = "Calls/$call->{sid}";
	return {
		_common($call, $path),
		(map { $_ => _text($call->{$_}) } qw(parent_call_sid to from
		    phone_number_sid status duration direction answered_by
		    forwarded_from caller_name)),
		to_formatted   => _formatted($call->{to}),
		from_formatted => _formatted($call->{from}),
		start_time     => rfc2822($call->{start_time}),
		end_time       => rfc2822($call->{end_time}),
		price          => undef,
		price_unit     => 'USD',
		group_sid      => undef,
		trunk_sid      => undef,
		queue_time     => '0',
		subresource_uris => {
			map { $_->[0] => _uri($call, "$path/$_->[1].json") }
			['events', 'Events'], ['notifications', 'Notifications'],
			['payments', 'Payments'], ['recordings', 'Recordings'],
			['siprec', 'Siprec'], ['streams', 'Streams'],
			['transcriptions', 'Transcriptions'],
			['user_defined_message_subscriptions',
			    'UserDefinedMessageSubscriptions'],
			['user_defined_messages', 'UserDefinedMessages'],
		},
	};
}

sub message_json ($message) {
	my $path = "Messages/$message->{sid}";
	return {
		_common($message, $path),
		(map { $_ => _text($message->{$_}) } qw(body from to direction
		    status messaging_service_sid num_segments num_media
		    error_message)),
		error_code => $message->{error_code}
		    ? $message->{error_code} + 0 : undef,
		date_sent  => rfc2822($message->{date_sent}),
		price      => undef,
		price_unit => 'USD',
		subresource_uris => {media => _uri($message, "$path/Media.json")},
	};
}

sub media_json ($media) {
	my %json = _common($media, "Messages/$media->{parent}/Media/"
	    . $media->{sid});
	delete $json{api_version};
	return {%json, parent_sid => $media->{parent},
		content_type => $media->{content_type}};
}

sub recording_json ($recording) {
	my $path = "Recordings/$recording->{sid}";
	return {
		_common($recording, $path),
		(map { $_ => _text($recording->{$_}) }
		    qw(call_sid duration status source)),
		channels       => $recording->{channels} + 0,
		conference_sid => undef,
		start_time     => rfc2822($recording->{start_time}),
		price          => undef,
		price_unit     => 'USD',
		error_code     => $recording->{error_code}
		    ? $recording->{error_code} + 0 : undef,
		encryption_details => undef,
		media_url      => $recording->{media_url},
		subresource_uris => {
			add_on_results => _uri($recording,
			    "$path/AddOnResults.json"),
			transcriptions => _uri($recording,
			    "$path/Transcriptions.json"),
		},
	};
}

sub call_recording_json ($recording) {
	my $json = recording_json($recording);
	delete $json->@{qw(media_url subresource_uris)};
	$json->{track} = $recording->{track};
	$json->{uri} = _uri($recording,
	    "Calls/$recording->{call_sid}/Recordings/$recording->{sid}.json");
	return $json;
}

sub number_json ($number, $webhook) {
	$webhook = 'https://elsewhere.example' if $number->{elsewhere};
	return {
		_common($number, "IncomingPhoneNumbers/$number->{sid}"),
		phone_number  => $number->{number},
		friendly_name => _formatted($number->{number}),
		capabilities  => {
			voice => \1, sms => \1, mms => \1, fax => \0,
		},
		voice_url            => "$webhook/voice",
		sms_url              => "$webhook/sms",
		status_callback      => "$webhook/status",
		voice_fallback_url   => undef,
		sms_fallback_url     => undef,
		(map { $_ => 'POST' } qw(voice_method voice_fallback_method
		    sms_method sms_fallback_method status_callback_method)),
		(map { $_ => undef } qw(address_sid identity_sid trunk_sid
		    sms_application_sid voice_application_sid bundle_sid
		    emergency_address_sid)),
		address_requirements     => 'none',
		beta                     => \0,
		voice_caller_id_lookup   => \0,
		voice_receive_mode       => 'voice',
		emergency_status         => 'Inactive',
		emergency_address_status => 'unregistered',
		origin                   => 'twilio',
		status                   => 'in-use',
		type                     => 'local',
	};
}

# One page.  A token names the last resource seen, so new arrivals neither
# repeat nor hide anything.
sub list_json ($name, $path, $params, $shape, @all) {
	my $size = $params->{PageSize} // 50;
	$size = 1000 if $size > 1000;
	$size = 1    if $size < 1;
	my $page = $params->{Page} // 0;
	my ($start, $previous) = ($page * $size, undef);
	if (my ($sid) = ($params->{PageToken} // '') =~ /^PA(\w+)$/) {
		($start) = grep { $all[$_ - 1]{sid} eq $sid } 1 .. @all;
		refuse(20001, 'Invalid PageToken') if !defined $start;
	}
	my $end = $start + $size > @all ? $#all : $start + $size - 1;
	my %filter = $params->%*;
	delete @filter{qw(Page PageSize PageToken)};
	my $uri = sub (%more) {
		my @pairs = map { $_ => $filter{$_} } sort keys %filter;
		push @pairs, PageSize => $size, map { $_ => $more{$_} }
		    grep { defined $more{$_} } qw(Page PageToken);
		return "$path?" . Mojo::Parameters->new(@pairs);
	};
	return {
		$name => [map { $shape->($_) } @all[$start .. $end]],
		page  => $page + 0,
		page_size => $size + 0,
		start => $start + 0,
		end   => $end < $start ? $start + 0 : $end + 0,
		uri   => $uri->(Page => $page),
		first_page_uri    => $uri->(Page => 0),
		previous_page_uri => $page > 0 ? $uri->(Page => $page - 1) : undef,
		next_page_uri     => $end < $#all ? $uri->(
			Page      => $page + 1,
			PageToken => "PA$all[$end]{sid}",
		) : undef,
	};
}

1;
