# SPDX-License-Identifier: ISC
# Twilio's REST API, version 2010-04-01: the part a telephone backend uses.
# Answers are {status, json} or {status, file, type}; errors are refused.
package Carrier::Rest;
use v5.36;
use Mojo::Base -base, -signatures;
use Carrier::Call;
use Carrier::Numbers qw(ALWAYS_OURS bad_call bad_message valid);
use Carrier::Shape qw(call_json call_recording_json list_json media_json
    message_json number_json recording_json refuse);
use Carrier::Text qw(opted_out text_deliver text_out);
use Mojo::Date;
use Mojo::File 'path';

has 'carrier';

my @ROUTES = (
	[GET    => 'Calls.json',             \&_call_list],
	[POST   => 'Calls.json',             \&_call_create],
	[GET    => 'Calls/(CA\w+).json',     \&_call_get],
	[POST   => 'Calls/(CA\w+).json',     \&_call_update],
	[DELETE => 'Calls/(CA\w+).json',     \&_call_delete],
	[GET    => 'Calls/(CA\w+)/Recordings.json', \&_call_recordings],
	[GET    => 'Messages.json',          \&_message_list],
	[POST   => 'Messages.json',          \&_message_create],
	[GET    => 'Messages/(\w+).json',    \&_message_get],
	[POST   => 'Messages/(\w+).json',    \&_message_update],
	[DELETE => 'Messages/(\w+).json',    \&_message_delete],
	[GET    => 'Messages/(\w+)/Media.json', \&_media_list],
	[GET    => 'Messages/(\w+)/Media/(ME\w+).json', \&_media_get],
	[DELETE => 'Messages/(\w+)/Media/(ME\w+).json', \&_media_delete],
	[GET    => 'Messages/(\w+)/Media/(ME\w+)', \&_message_media],
	[GET    => 'Recordings.json',        \&_recording_list],
	[GET    => 'Recordings/(RE\w+).json', \&_recording_get],
	[DELETE => 'Recordings/(RE\w+).json', \&_recording_delete],
	[GET    => 'Recordings/(RE\w+?)(|.mp3|.wav)', \&_recording_media],
	[GET    => 'IncomingPhoneNumbers.json', \&_number_list],
);

# $request: {account, method, path, rest (the path below the account), params
# (name => list of values)}.
sub answer ($self, $request) {
	my $known;
	for (@ROUTES) {
		my ($method, $pattern, $handler) = @$_;
		$pattern =~ s/\./\\./g;
		my @sids = $request->{rest} =~ /^$pattern$/ or next;
		$known = 1;
		next if $method ne ($request->{method} =~ s/^HEAD$/GET/r);
		@sids = () if $pattern !~ /\(/;
		# Most parameters are given once: {one} has their value.
		$request->{one} = {map { $_ => $request->{params}{$_}[0] }
			keys $request->{params}->%*};
		return $self->$handler($request, @sids);
	}
	refuse($known ? 20004 : 20404, $request->{path});
}

sub _find ($self, $kind, $request, $sid) {
	my $thing = $self->carrier->store->get($kind, $sid);
	refuse(20404, $request->{path})
	    if !$thing || $thing->{account_sid} ne $request->{account};
	return $thing;
}

# Everything of the account that the filters let through: a filter is
# [parameter, field] or [parameter, field, 'time'].
sub _select ($self, $kind, $request, @filters) {
	my $given = $request->{one};
	my @found = grep { $_->{account_sid} eq $request->{account} }
	    $self->carrier->store->all($kind);
	for (@filters) {
		my ($name, $field, $time) = @$_;
		@found = grep { ($_->{$field} // '') eq $given->{$name} } @found
		    if !$time && length($given->{$name} // '');
		@found = _in_time($given, $name, $field, @found) if $time;
	}
	return @found;
}

# "StartTime>=2024-05-01" arrives as the parameter "StartTime>".
sub _in_time ($given, $name, $field, @found) {
	for my $sign ('', '<', '>') {
		my $text = $given->{"$name$sign"} // next;
		my $day  = $text =~ /^\d{4}-\d\d-\d\d$/;
		my $time = Mojo::Date->new($day ? "${text}T00:00:00Z" : $text)
		    ->epoch // refuse(20001, "Invalid date: $text");
		my ($low, $high) = ($time, $day ? $time + 86_400 - 1 : $time);
		@found = grep {
			my $at = $_->{$field};
			defined $at && ($sign eq '>' ? $at >= $low
			    : $sign eq '<' ? $at <= $high
			    : $at >= $low && $at <= $high);
		} @found;
	}
	return @found;
}

sub _list ($self, $name, $request, $shape, @found) {
	return {status => 200, json => list_json($name, $request->{path},
		$request->{one}, $shape, @found)};
}

# --- calls

sub _call_list ($self, $request) {
	return $self->_list('calls', $request, \&call_json,
		$self->_select('calls', $request, ['To', 'to'],
			['From', 'from'], ['Status', 'status'],
			['ParentCallSid', 'parent_call_sid'],
			['StartTime', 'start_time', 'time'],
			['EndTime', 'end_time', 'time']));
}

sub _call_get ($self, $request, $sid) {
	my $call = $self->_find('calls', $request, $sid);
	return {status => 200, json => call_json($call)};
}

sub _call_create ($self, $request) {
	my ($carrier, $one) = ($self->carrier, $request->{one});
	my ($from, $to) = map { $_ // '' } $one->@{qw(From To)};
	refuse(21201) if !length $to;
	refuse(21213) if !length $from;
	refuse(21211, $to)   if !valid($to);
	refuse(21212, $from) if !valid($from);
	if (my ($code, $number) = bad_call($from, $to)) {
		refuse($code, $number);
	}
	my $number = $carrier->owned($from) or refuse(21210, $from);
	refuse(21205, 'Url parameter is required.')
	    if !length($one->{Url} // '') && !length($one->{Twiml} // '');
	refuse(32018) if length($one->{Twiml} // '') > 4000;
	_check_url(21205, $one->{Url});
	_check_url(21609, $one->{$_}) for qw(StatusCallback
	    RecordingStatusCallback FallbackUrl);
	my %ask = %$one;
	$ask{$_} = _events($request->{params}{$_})
	    for grep { $request->{params}{$_} }
	    qw(StatusCallbackEvent RecordingStatusCallbackEvent);
	my $call = $carrier->store->save(calls => {
		sid => $carrier->store->sid('CA'), to => $to, from => $from,
		account_sid => $request->{account}, status => 'queued',
		direction => 'outbound-api', phone_number_sid => $number->{sid},
	});
	# A picture of the call as it is now, before it moves on.
	my $json = call_json($call);
	$carrier->later(sub {
		return if $call->{end_time};
		Carrier::Call->outbound($carrier, $call, \%ask);
	});
	return {status => 201, json => $json};
}

# Once per event or separated by spaces; "initiated,ringing" is a mistake.
sub _events ($values) {
	my @events = map { split ' ' } @$values;
	for (@events) {
		refuse(21626, $_) if !/^(?:initiated|ringing|answered|completed
		    |in-progress|absent)$/x;
	}
	return \@events;
}

# Hosts with an underscore never see a callback.
sub _check_url ($code, $url) {
	refuse($code, $url)
	    if length($url // '') && $url !~ m{^https?://[^\s/_]+(?:/\S*)?$};
}

sub _call_update ($self, $request, $sid) {
	my ($carrier, $one) = ($self->carrier, $request->{one});
	my $call = $self->_find('calls', $request, $sid);
	my $live = $carrier->live->{$sid};
	refuse(21220) if $call->{end_time}
	    || !$live && ($one->{Status} // '') eq '';
	_check_url(21205, $one->{Url});
	refuse(32018) if length($one->{Twiml} // '') > 4000;
	refuse(20001, "Invalid Status: $one->{Status}")
	    if length($one->{Status} // '')
	    && $one->{Status} !~ /^(?:canceled|completed)$/;
	if (length($one->{Status} // '') && !$live) {
		$call->@{qw(status end_time duration)}
		    = ($one->{Status}, time, 0);
		$carrier->store->save(calls => $call);
	}
	$live->interrupt($one) if $live;
	return {status => 200, json => call_json($call)};
}

sub _call_delete ($self, $request, $sid) {
	$self->_find('calls', $request, $sid);
	$self->carrier->store->remove(calls => $sid);
	return {status => 204};
}

sub _call_recordings ($self, $request, $sid) {
	$self->_find('calls', $request, $sid);
	return $self->_list('recordings', $request, \&call_recording_json,
		grep { $_->{call_sid} eq $sid && $_->{status} ne 'deleted' }
		$self->_select('recordings', $request,
			['DateCreated', 'date_created', 'time']));
}

# --- messages

sub _message_list ($self, $request) {
	return $self->_list('messages', $request, \&message_json,
		$self->_select('messages', $request, ['To', 'to'],
			['From', 'from'], ['DateSent', 'date_sent', 'time']));
}

sub _message_get ($self, $request, $sid) {
	my $message = $self->_find('messages', $request, $sid);
	return {status => 200, json => message_json($message)};
}

sub _message_create ($self, $request) {
	my ($carrier, $one) = ($self->carrier, $request->{one});
	my ($from, $to, $service, $body) = map { $_ // '' }
	    $one->@{qw(From To MessagingServiceSid Body)};
	my @media = ($request->{params}{MediaUrl} // [])->@*;
	refuse(21604) if !length $to;
	refuse(21603) if !length $from && !length $service;
	refuse(21602) if !length $body && !@media && !$one->{ContentSid};
	refuse(21617) if length $body > 1600;
	refuse(21623) if @media > 10;
	_check_url(21620, $_) for @media;
	_check_url(21609, $one->{StatusCallback});
	refuse(21211, $to)   if !valid($to);
	refuse(21212, $from) if length $from && !valid($from);
	if (my ($code, $number) = bad_message($from, $to)) {
		refuse($code, $number);
	}
	refuse(21606, $from) if length $from && !$carrier->owned($from);
	refuse(21610)
	    if opted_out($carrier, $from || $carrier->main_number, $to);
	refuse(35118) if $one->{ScheduleType} && !length $service;
	my $message = text_out($carrier, {
		account_sid => $request->{account}, direction => 'outbound-api',
		from => length $from ? $from : undef, to => $to, body => $body,
		status => $one->{ScheduleType} ? 'scheduled'
		    : length $service ? 'accepted' : 'queued',
		messaging_service_sid => $service || undef,
		num_segments => length $service ? 0 : undef,
		num_media => scalar @media, callback => $one->{StatusCallback},
	});
	my $json = message_json($message);
	text_deliver($carrier, $message) if !$one->{ScheduleType};
	return {status => 201, json => $json};
}

# An empty Body blanks what was said; Status=canceled stops a scheduled one.
sub _message_update ($self, $request, $sid) {
	my $message = $self->_find('messages', $request, $sid);
	my $one = $request->{one};
	$message->{body} = '' if exists $one->{Body} && $one->{Body} eq '';
	$message->{status} = 'canceled'
	    if ($one->{Status} // '') eq 'canceled'
	    && $message->{status} =~ /^(?:scheduled|accepted|queued)$/;
	$self->carrier->store->save(messages => $message);
	return {status => 200, json => message_json($message)};
}

sub _message_delete ($self, $request, $sid) {
	$self->_find('messages', $request, $sid);
	my $store = $self->carrier->store;
	$self->_media_remove($_->{sid})
	    for grep { $_->{parent} eq $sid } $store->all('media');
	$store->remove(messages => $sid);
	return {status => 204};
}

sub _media_find ($self, $request, $sid, $media_sid) {
	my $media = $self->_find('media', $request, $media_sid);
	refuse(20404, $request->{path}) if $media->{parent} ne $sid;
	return $media;
}

sub _media_list ($self, $request, $sid) {
	$self->_find('messages', $request, $sid);
	return $self->_list('media_list', $request, \&media_json,
		grep { $_->{parent} eq $sid } $self->_select('media',
			$request, ['DateCreated', 'date_created', 'time']));
}

sub _media_get ($self, $request, $sid, $media_sid) {
	my $media = $self->_media_find($request, $sid, $media_sid);
	return {status => 200, json => media_json($media)};
}

sub _media_delete ($self, $request, $sid, $media_sid) {
	$self->_media_find($request, $sid, $media_sid);
	$self->_media_remove($media_sid);
	return {status => 204};
}

sub _media_remove ($self, $sid) {
	my $store = $self->carrier->store;
	path($store->file("media/$sid"))->remove;
	$store->remove(media => $sid);
}

sub _message_media ($self, $request, $sid, $media_sid) {
	my $media = $self->_media_find($request, $sid, $media_sid);
	return {status => 200, type => $media->{content_type},
		file => $self->carrier->store->file("media/$media_sid")};
}

# --- recordings

sub _recording_list ($self, $request) {
	my $deleted = ($request->{one}{IncludeSoftDeleted} // '') eq 'true';
	return $self->_list('recordings', $request, \&recording_json,
		grep { $deleted || $_->{status} ne 'deleted' }
		$self->_select('recordings', $request, ['CallSid', 'call_sid'],
			['DateCreated', 'date_created', 'time']));
}

sub _recording_find ($self, $request, $sid) {
	my $recording = $self->_find('recordings', $request, $sid);
	refuse(20404, $request->{path}) if $recording->{status} eq 'deleted'
	    && ($request->{one}{IncludeSoftDeleted} // '') ne 'true';
	return $recording;
}

sub _recording_get ($self, $request, $sid) {
	my $recording = $self->_recording_find($request, $sid);
	return {status => 200, json => recording_json($recording)};
}

# The sound goes at once, the metadata stays for forty days.
sub _recording_delete ($self, $request, $sid) {
	my $recording = $self->_recording_find($request, $sid);
	$recording->{status} = 'deleted';
	$self->carrier->store->save(recordings => $recording);
	return {status => 204};
}

# RequestedChannels=1 mixes two channels; 2 needs a recording that has them.
sub _recording_media ($self, $request, $sid, $extension) {
	my $recording = $self->_recording_find($request, $sid);
	refuse(20404, $request->{path}) if $recording->{status} ne 'completed';
	my $mp3  = $extension eq '.mp3';
	my $type = $recording->{content_type}
	    // ($mp3 ? 'audio/mpeg' : 'audio/x-wav');
	my $store = $self->carrier->store;
	if ($recording->{file}) {
		my $file = $store->file($recording->{file});
		return {status => 200, type => $type, file => $file}
		    if !$recording->{media_status};
		return {status => $recording->{media_status}, type => $type,
			body => path($file)->slurp};
	}
	my $channels = $request->{one}{RequestedChannels}
	    // $recording->{channels};
	refuse(20001, 'Requested channels are not available')
	    if $channels !~ /^[12]$/ || $channels > $recording->{channels};
	my $mix = $channels < $recording->{channels} ? '.mono' : '';
	return {status => 200, type => $type, file => $store->file(
		"$recording->{sound}$mix" . ($mp3 ? '.mp3' : '.wav'))};
}

# --- numbers

sub _number_list ($self, $request) {
	my @found = $self->_select('numbers', $request);
	my $like = $request->{one}{PhoneNumber} // '';
	# A pattern, as at Twilio: * stands for one digit.
	my $regex = join '\d', map { quotemeta } split /\*/, $like, -1;
	@found = grep { $_->{number} =~ /$regex/ } @found if length $like;
	my $webhook = $self->carrier->webhook_url;
	return $self->_list('incoming_phone_numbers', $request,
		sub ($number) { number_json($number, $webhook) }, @found);
}

1;
