# SPDX-License-Identifier: ISC
# Text messages: in, with the webhook and the reply its TwiML asks for; out,
# with status callbacks; and the opt-outs that stand between.
package Carrier::Text;
use v5.36;
use Exporter 'import';
use Carrier::Numbers qw(geography keyword message_fate segments);
use Carrier::Shape 'API';
use Carrier::Twiml 'twiml_read';
use Mojo::URL;
use POSIX 'strftime';

our @EXPORT_OK = qw(text_in text_out text_deliver opted_out);

# What Twilio itself answers to the words that opt out and in.
my %CONFIRMATION = (
	STOP  => 'You have successfully been unsubscribed. You will not receive '
	    . 'any more messages from this number. Reply START to resubscribe.',
	START => 'You have successfully been re-subscribed to messages from '
	    . 'this number. Reply HELP for help. Reply STOP to unsubscribe.',
	HELP  => 'Reply STOP to unsubscribe. Msg&Data Rates May Apply.',
);

# Opting out is between a person and a sender: all numbers of a messaging
# service are one sender.
sub _pair ($carrier, $sender, $person) {
	return join ' ', $carrier->service // $sender, $person;
}

sub opted_out ($carrier, $sender, $person) {
	return $carrier->store->get(optouts => _pair($carrier, $sender, $person));
}

sub _opt ($carrier, $word, $sender, $person) {
	my $sid = _pair($carrier, $sender, $person);
	$carrier->store->save(optouts => {sid => $sid}) if $word eq 'STOP';
	$carrier->store->remove(optouts => $sid)
	    if $word eq 'START' && $carrier->store->get(optouts => $sid);
}

# Somebody texts one of our numbers.  A promise of {message_sid, reply, …}.
sub text_in ($carrier, $ask) {
	my $account = $ask->{account_sid} // $carrier->main_account;
	my $number = $carrier->own($ask->{to} // $carrier->main_number, undef,
		$account);
	my $store  = $carrier->store;
	my $body   = $ask->{body} // '';
	my @media  = ($ask->{media} // [])->@*;
	my $word   = keyword($body);
	my $message = $store->save(messages => {
		sid => $store->sid(@media ? 'MM' : 'SM'), direction => 'inbound',
		account_sid => $account,
		from => $ask->{from} // '+14155550172', to => $number->{number},
		body => $body, status => 'received', date_sent => time,
		messaging_service_sid => $carrier->service,
		num_segments => segments($body), num_media => scalar @media,
	});
	my ($from, $to) = $message->@{qw(from to)};
	my %story = (message_sid => $message->{sid}, reply => undef,
		replies => [], confirmation => undef, steps => []);
	if ($word) {
		_opt($carrier, $word, $to, $from);
		$story{confirmation} = $CONFIRMATION{$word};
	}
	my $url    = $carrier->number_url('sms');
	my %params = (
		_sids($message),
		From => $from, To => $to, Body => $body, ApiVersion => API,
		MessagingServiceSid => $carrier->service,
		OptOutType => $carrier->service ? $word : undef,
		SmsStatus => 'received', NumMedia => scalar @media,
		NumSegments => $message->{num_segments},
		geography('From', $from), geography('To', $to),
		_media($carrier, $message, @media),
	);
	return _fetch($carrier, \%story, $message, $url, \%params)
	    ->then(sub { \%story });
}

sub _sids ($message) {
	return (
		AccountSid => $message->{account_sid},
		map { $_ => $message->{sid} } qw(MessageSid SmsSid SmsMessageSid),
	);
}

# Pictures: {file | base64, content_type}, kept and served as Twilio does.
sub _media ($carrier, $message, @media) {
	my %params;
	for my $n (0 .. $#media) {
		my $stored = $carrier->store->save(media => {
			sid => $carrier->store->sid('ME'),
			parent => $message->{sid},
			account_sid => $message->{account_sid},
			content_type => $media[$n]{content_type} // 'image/jpeg',
		});
		$carrier->store->media_write($stored->{sid}, $media[$n]);
		$params{"MediaContentType$n"} = $stored->{content_type};
		$params{"MediaUrl$n"} = join '/', $carrier->api_url(
			$message->{account_sid}), 'Messages', $message->{sid},
		    'Media', $stored->{sid};
	}
	return %params;
}

sub _fetch ($carrier, $story, $message, $url, $params, $method = 'POST') {
	return $carrier->request_p($message->{account_sid}, $url, $params,
	    $method)->then(sub ($step, $bytes) {
		push $story->{steps}->@*, {what => 'sms', %$step};
		my $status = $step->{status} // 0;
		my $seen = $status >= 200 && $status <= 299
		    ? twiml_read($bytes, $step->{type}, 'messaging')
		    : {code => 11200, message => 'Got HTTP '
			. ($status || $step->{error}) . " from $step->{url}"};
		if ($seen->{code}) {
			push $story->{steps}->@*, {what => 'error', %$seen};
			return;
		}
		push $story->{steps}->@*, {what => 'warning', %$_}
		    for $seen->{warnings}->@*;
		return _obey($carrier, $story, $message, $step->{url}, $params,
			$seen->{verbs});
	});
}

sub _obey ($carrier, $story, $message, $base, $params, $verbs) {
	for my $verb (@$verbs) {
		my $to = sub ($url) {
			Mojo::URL->new($url)->to_abs(Mojo::URL->new($base));
		};
		return _fetch($carrier, $story, $message,
			$to->($verb->{text} =~ s/\s//gr), $params,
			$verb->{attr}{method} // 'POST')
		    if $verb->{name} eq 'Redirect'
		    && $story->{redirects}++ < 10;
		_reply($carrier, $story, $message, $verb, $to)
		    if $verb->{name} eq 'Message';
	}
}

sub _reply ($carrier, $story, $message, $verb, $absolute) {
	my $attr = $verb->{attr};
	my %part = map { $_->{name} => $_->{text} } $verb->{nested}->@*;
	my $body = ($part{Body} // $verb->{text}) =~ s/^\s+|\s+$//gr;
	my $callback = $attr->{statusCallback} // $attr->{action};
	my $reply = text_out($carrier, {
		account_sid => $message->{account_sid},
		direction => 'outbound-reply', body => $body,
		from => $attr->{from} // $message->{to},
		to   => $attr->{to} // $message->{from},
		num_media => exists $part{Media} ? 1 : 0,
		callback  => $callback ? $absolute->($callback) . '' : undef,
	});
	# The person has just opted out: the reply is stored, and not sent.
	if (opted_out($carrier, $reply->@{qw(from to)})) {
		$reply->@{qw(error_code error_message)}
		    = (21610, 'Attempt to send to unsubscribed recipient');
		push $story->{steps}->@*, {what => 'error', code => 21610,
			message => $reply->{error_message}};
	}
	$story->{reply} //= $body;
	push $story->{replies}->@*,
	    {message_sid => $reply->{sid}, body => $body};
	text_deliver($carrier, $reply);
}

# A message on its way out: stored and queued.
sub text_out ($carrier, $message) {
	my $store = $carrier->store;
	$message->{sid} = $store->sid($message->{num_media} ? 'MM' : 'SM');
	$message->{status} //= 'queued';
	$message->{num_segments} //= segments($message->{body});
	return $store->save(messages => $message);
}

# Sends it, shortly after the answer; a callback for each status but the first.
sub text_deliver ($carrier, $message) {
	$carrier->later(sub {
		return if $message->{status} eq 'canceled'
		    || !$carrier->store->get(messages => $message->{sid});
		$message->{from} //= $carrier->main_number;
		$message->{num_segments} = segments($message->{body});
		my ($code, $why) = $message->{error_code}
		    ? $message->@{qw(error_code error_message)}
		    : message_fate($message->{to});
		my @course = $message->{error_code} ? 'failed'
		    : ('sent', $code ? 'undelivered' : 'delivered');
		return $carrier->in_order(map {
			my $status = $_;
			sub { _status($carrier, $message, $status,
				$status eq 'sent' ? () : ($code, $why)) };
		} @course);
	});
}

sub _status ($carrier, $message, $status, $code = undef, $why = undef) {
	$message->{status} = $status;
	$message->{date_sent} //= time;
	$message->@{qw(error_code error_message)} = ($code, $why) if $code;
	$carrier->store->save(messages => $message);
	return if !$message->{callback};
	my %sids = _sids($message);
	delete $sids{SmsMessageSid};
	return $carrier->request_p($message->{account_sid},
	    $message->{callback}, {
		%sids, ApiVersion => API,
		From => $message->{from}, To => $message->{to},
		MessageStatus => $status, SmsStatus => $status,
		MessagingServiceSid => $message->{messaging_service_sid},
		ErrorCode => $code,
		RawDlrDoneDate => $status =~ /delivered$/
		    ? strftime('%y%m%d%H%M', gmtime) : undef,
	});
}

1;
