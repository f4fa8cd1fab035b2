# SPDX-License-Identifier: ISC
# One call, inbound or outbound: fetches TwiML, obeys it verb by verb as a
# caller would live it, and sends the callbacks in the order Twilio does.
# Talk takes no real time: durations are counted, not waited for.
package Carrier::Call;
use v5.36;
use Mojo::Base -base, -signatures;
use Carrier::Numbers qw(call_fate geography);
use Carrier::Recording;
use Carrier::Shape qw(API rfc2822);
use Carrier::Twiml 'twiml_read';
use Mojo::Promise;
use Mojo::URL;
use POSIX 'ceil';

my $DOCUMENTS = 20;             # a caller has hung up by then
my $VOICEMAIL = 'Hi, this is Daniel Carter from Riverside Dental, calling '
    . 'about the invoice for last Tuesday. Please call me back at four one '
    . 'five, five five five, zero one seven two before noon tomorrow.';

has [qw(carrier call)];         # the carrier; the stored call
has script => sub { {} };       # inbound: what the caller will do
has steps  => sub { [] };
has verbs  => sub { [] };
has base   => undef;            # URL of the document being obeyed
has method => 'POST';           # and how it was asked for
has fallback  => undef;
has documents => 0;
has clock     => 0;             # seconds of talk so far
has gone      => 0;             # the other side has hung up
has sequence  => 0;
has said      => sub { [] };
has recording => undef;         # Carrier::Recording: voicemail or whole call
has after     => sub { [] };    # what follows when the call is over

# A caller dials one of our numbers.  A promise of the call's whole story.
sub inbound ($class, $carrier, $script) {
	my $account = $script->{account_sid} // $carrier->main_account;
	my $number  = $carrier->own($script->{to} // $carrier->main_number,
		undef, $account);
	my $call = $carrier->store->save(calls => {
		sid => $carrier->store->sid('CA'), direction => 'inbound',
		account_sid => $account,
		from => $script->{from} // '+14155550172',
		to => $number->{number}, phone_number_sid => $number->{sid},
		status => 'ringing', start_time => time,
	});
	my $self = $class->new(carrier => $carrier, call => $call,
		script => $script);
	$script->{say} //= $VOICEMAIL
	    if !defined $script->{play} && !$script->{silent}
	    && !$script->{seconds};
	return $self->_live(
		sub { $self->_fetch($carrier->number_url('voice'), 'POST',
		    'voice') },
		sub { $self->_answer; $self->_obey },
		sub { $self->_end; $self->_afterwards },
		sub { $self->_send('status', $carrier->number_url('status'), 'POST', {
			$self->_final, SequenceNumber => 0,
			CallbackSource => 'call-progress-events',
		}) },
	);
}

# A call placed through the API, with the parameters of Create Call.
sub outbound ($class, $carrier, $call, $ask) {
	my $self = $class->new(carrier => $carrier, call => $call,
		fallback => $ask->{FallbackUrl});
	my $event = sub ($name, %more) {
		return $self->_progress($ask, $name, %more);
	};
	my $fate = call_fate($call->{to});
	my $up   = $fate eq 'answered' || $fate eq 'machine';
	my @talk = !$up ? () : (
		sub {
			$call->{answered_by} = _answered_by($ask, $fate);
			$self->_answer;
			$event->('answered');
		},
		sub { $self->_record_start($ask) },
		sub { $ask->{Url} ? $self->_fetch($ask->{Url},
			$ask->{Method} // 'POST', 'voice')
		    : $self->_read($ask->{Twiml}, 'text/xml') },
		sub { $self->_obey },
		sub { $self->_record_stop },
	);
	return $self->_live(
		sub {
			$call->{start_time} = time;
			$event->('initiated', CallStatus => 'initiated');
		},
		sub { $self->_status('ringing'); $event->('ringing') },
		@talk,
		sub {
			$self->_status($fate) if !$up;
			$self->_end;
			$event->('completed', $self->_final);
		},
		sub { $self->_afterwards },
	);
}

# POST Calls/{sid}: hang up, or go on with other TwiML.
sub interrupt ($self, $ask) {
	if ($ask->{Status}) {
		$self->gone(1);
		$self->verbs([]);
		return;
	}
	return $self->_read($ask->{Twiml}, 'text/xml') if !$ask->{Url};
	$self->verbs([{name => 'Redirect', attr => {method => $ask->{Method}},
		text => $ask->{Url}, nested => []}]);
}

sub story ($self) {
	my $call = $self->call;
	return {
		call_sid => $call->{sid}, status => $call->{status},
		duration => $call->{duration},
		recording_sid => $self->recording
		    ? $self->recording->stored->{sid} : undef,
		steps => $self->steps,
	};
}

# --- the course of a call

sub _live ($self, @course) {
	my ($carrier, $sid) = ($self->carrier, $self->call->{sid});
	$carrier->live->{$sid} = $self;
	return $carrier->in_order(@course)->finally(sub {
		delete $carrier->live->{$sid};
	})->then(sub { $self->story });
}

sub _status ($self, $status) {
	return if $self->call->{end_time};
	$self->call->{status} = $status;
	$self->carrier->store->save(calls => $self->call);
}

sub _answer ($self) {
	my $call = $self->call;
	my ($first) = $self->verbs->@*;
	return if $first && $first->{name} eq 'Reject';
	$call->{start_time} = time;
	$self->_status('in-progress');
	return if !$self->script->{hangup_early}
	    || $self->script->{hangup_early} eq 'beep';
	$self->_step('hangup', by => 'caller');
	$self->gone(1);
	$self->verbs([]);
}

sub _end ($self) {
	my $call = $self->call;
	$self->_status('completed')
	    if $call->{status} =~ /^(?:in-progress|ringing|queued)$/;
	return if $call->{end_time};
	$call->{duration} = $call->{status} eq 'completed'
	    ? ceil($self->clock) || 1 : 0;
	$call->{end_time} = time;
	$self->carrier->store->save(calls => $call);
}

sub _afterwards ($self) {
	my @rest = $self->after->@*;
	$self->after([]);
	return $self->carrier->in_order(@rest);
}

sub _step ($self, $what, %more) {
	push $self->steps->@*, {what => $what, %more};
}

# --- requests

sub _standard ($self) {
	my $call = $self->call;
	my ($from, $to) = $call->@{qw(from to)};
	return (
		CallSid => $call->{sid}, AccountSid => $call->{account_sid},
		From => $from, To => $to, Caller => $from, Called => $to,
		CallStatus => $call->{status}, ApiVersion => API,
		Direction  => $call->{direction},
		AnsweredBy => $call->{answered_by},
		StirVerstat => $call->{direction} eq 'inbound'
		    ? 'TN-Validation-Passed-A' : undef,
		(map { geography($_, $from) } 'From', 'Caller'),
		(map { geography($_, $to) } 'To', 'Called'),
	);
}

sub _final ($self) {
	my $call = $self->call;
	my $seconds = $call->{duration};
	return (
		CallDuration => $seconds,
		Duration => ceil($seconds / 60),
		Timestamp => rfc2822(time),
		SipResponseCode => $call->{status} eq 'completed' ? 200
		    : $call->{status} eq 'busy' ? 486
		    : $call->{status} eq 'no-answer' ? 487 : 404,
	);
}

sub _send ($self, $what, $url, $method, $more) {
	return $self->carrier->request_p($self->call->{account_sid}, $url,
		{$self->_standard, %$more}, $method)->then(sub ($step, $bytes) {
		$self->_step($what, %$step);
		return $step, $bytes;
	});
}

sub _progress ($self, $ask, $event, %more) {
	my $n = $self->sequence;
	$self->sequence($n + 1);
	my %asked = map { $_ => 1 }
	    ($ask->{StatusCallbackEvent} // ['completed'])->@*;
	return if !$ask->{StatusCallback} || !$asked{$event};
	my $recording = $event eq 'completed' && $self->recording;
	return $self->_send("status $event", $ask->{StatusCallback},
		$ask->{StatusCallbackMethod} // 'POST', {
			SequenceNumber => $n, Timestamp => rfc2822(time),
			CallbackSource => 'call-progress-events', %more,
			$recording ? $recording->summary : (),
		});
}

# --- documents

# TwiML given inline has no URL: there only absolute ones will do.
sub _absolute ($self, $url) {
	my $to = Mojo::URL->new($url);
	return $to if $to->is_abs;
	return $to->to_abs(Mojo::URL->new($self->base)) if defined $self->base;
	$self->_step('error', code => 11100, message => "no absolute URL: $url");
	return undef;
}

sub _fetch ($self, $url, $method, $what, $more = {}) {
	my $to = $self->_absolute($url) or return $self->verbs([]);
	return $self->_error(0, 'hung up after too many documents')
	    if $self->documents($self->documents + 1)->documents > $DOCUMENTS;
	return $self->_send($what, $to, $method, $more)
	    ->then(sub ($step, $bytes) {
		my $status = $step->{status} // 0;
		if ($status < 200 || $status > 299) {
			return $self->_error(11200, 'Got HTTP '
			    . ($status || $step->{error}) . " from $to");
		}
		$self->base($to)->method($method);
		return $self->_read($bytes, $step->{type});
	});
}

sub _read ($self, $bytes, $type) {
	my $seen = twiml_read($bytes, $type);
	return $self->_error($seen->{code}, $seen->{message}) if $seen->{code};
	$self->_step('warning', %$_) for $seen->{warnings}->@*;
	$self->verbs($seen->{verbs});
	return;
}

# The caller hears an apology and the call is over, unless a fallback is set.
sub _error ($self, $code, $message) {
	$self->_step('error', code => $code, message => $message);
	$self->verbs([]);
	my $fallback = $self->fallback or return;
	$self->fallback(undef);
	return $self->_fetch($fallback, 'POST', 'fallback',
		{ErrorCode => $code, ErrorUrl => '' . ($self->base // '')});
}

# --- verbs

sub _obey ($self) {
	my $verb = shift $self->verbs->@* or return;
	my $name = $verb->{name};
	# Nobody is listening any more: what was said shows in the steps only.
	return if $self->gone && $name !~ /^(?:Say|Play|Pause|Hangup)$/;
	my $play = $self->can('_play_' . lc $name);
	if (!$play) {
		$self->_step('warning', code => 0,
			message => "<$name> is not played by the stand-in");
		return $self->_obey;
	}
	return $self->carrier->in_order(sub { $self->$play($verb) },
		sub { $self->_obey });
}

sub _heard ($self) { $self->gone ? (heard => \0) : () }

sub _play_say ($self, $verb) {
	my $text = $verb->{text} =~ s/^\s+|\s+$//gr =~ s/\s+/ /gr;
	$self->_step('say', text => $text, $self->_heard);
	return if $self->gone;
	push $self->said->@*, $text;
	$self->clock($self->clock + length($text) / 15);
}

sub _play_play ($self, $verb) {
	$self->_step('play', text => $verb->{text}, $self->_heard);
	$self->clock($self->clock + 5) if !$self->gone;
}

sub _play_pause ($self, $verb) {
	my $seconds = $verb->{attr}{length} // 1;
	$self->_step('pause', seconds => $seconds + 0, $self->_heard);
	$self->clock($self->clock + $seconds) if !$self->gone;
}

sub _play_hangup ($self, $verb) {
	$self->_step('hangup', by => 'twiml', $self->_heard);
	$self->gone(1);
	$self->verbs([]);
}

sub _play_reject ($self, $verb) {
	my $reason = $verb->{attr}{reason} // 'rejected';
	$self->_step('reject', reason => $reason);
	$self->_status($reason eq 'busy' ? 'busy' : 'no-answer')
	    if $self->call->{status} eq 'ringing';
	$self->gone(1);
	$self->verbs([]);
}

sub _play_redirect ($self, $verb) {
	return $self->_fetch($verb->{text} =~ s/\s//gr,
		$verb->{attr}{method} // 'POST', 'redirect');
}

sub _play_gather ($self, $verb) {
	my $attr   = $verb->{attr};
	my $digits = delete $self->script->{digits};
	$digits = substr $digits, 0, $attr->{numDigits}
	    if defined $digits && $attr->{numDigits};
	my @prompts = map {
		my $inner = $_;
		my $play  = $self->can('_play_' . lc $inner->{name});
		sub { $self->$play($inner) };
	} $verb->{nested}->@*;
	return $self->carrier->in_order(@prompts, sub {
		$self->_step('gather', digits => $digits);
		return if !length($digits // '');
		my $end = $attr->{finishOnKey} // '#';
		$digits =~ s/[\Q$end\E].*//s if length $end;
		return $self->_fetch($attr->{action} // $self->base,
			$attr->{method} // 'POST', 'action', {Digits => $digits});
	});
}

# --- recordings

# <Record>: what the caller says into it.  Nothing said: no action request,
# the next verb is obeyed.
sub _play_record ($self, $verb) {
	my ($attr, $script) = ($verb->{attr}, $self->script);
	my $most  = $attr->{maxLength} // 3600;
	my $sound = _words($script);
	my $key   = _ending_key($script, $attr);
	my $callback = $attr->{recordingStatusCallback}
	    && $self->_absolute($attr->{recordingStatusCallback});
	my $recording = Carrier::Recording->start($self->carrier, $self->call,
		source => 'RecordVerb', track => 'inbound', channels => 1,
		callback => $callback,
		method => $attr->{recordingStatusCallbackMethod},
		events => $attr->{recordingStatusCallbackEvent},
		steps  => $self->steps,
	);
	my @begin = sub { $recording->event('in-progress') };
	if (!$sound) {
		return $self->carrier->in_order(@begin, sub {
			$self->_step('record', seconds => 0);
			$self->gone(1)->verbs([]) if $script->{hangup_early};
			$self->clock($self->clock + ($attr->{timeout} // 5));
			push $self->after->@*, sub { $recording->event('absent') };
			return;
		});
	}
	return $self->carrier->in_order(@begin, sub {
		$self->carrier->sound->voicemail_p(%$sound, most => $most);
	}, sub ($made) {
		$self->recording($recording->keep($made));
		$self->_step('record', seconds => $recording->stored->{duration},
			recording_sid => $recording->stored->{sid});
		$self->clock($self->clock + $made->{seconds});
		push $self->after->@*, sub { $recording->event('completed') };
		if (!defined $key && $made->{seconds} < $most) {
			$self->gone(1)->_status('completed');
			$key = 'hangup';
		}
		return $self->_fetch($attr->{action} // $self->base,
			$attr->{method} // $self->method, 'action',
			{$recording->summary, Digits => $key});
	});
}

# Record=true on the API: the whole call.
sub _record_start ($self, $ask) {
	return if lc($ask->{Record} // '') ne 'true';
	my $dual = ($ask->{RecordingChannels} // 'mono') eq 'dual';
	$self->recording(Carrier::Recording->start($self->carrier, $self->call,
		source => 'OutboundAPI', channels => $dual ? 2 : 1,
		track  => $ask->{RecordingTrack} // 'both',
		callback => $ask->{RecordingStatusCallback},
		method => $ask->{RecordingStatusCallbackMethod},
		events => $ask->{RecordingStatusCallbackEvent}
		    && join(' ', $ask->{RecordingStatusCallbackEvent}->@*),
		steps  => $self->steps,
	));
	return $self->recording->event('in-progress');
}

sub _record_stop ($self) {
	my $recording = $self->recording or return;
	return $self->carrier->sound->conversation_p(
		join(' ', $self->said->@*), $recording->stored->{channels},
	)->then(sub ($made) {
		$recording->keep($made);
		push $self->after->@*, sub { $recording->event('completed') };
		return;
	});
}

# The caller speaks once; a later <Record> finds silence.
sub _words ($script) {
	return undef if ($script->{hangup_early} // '') eq 'beep';
	my %sound = map { $_ => delete $script->{$_} }
	    grep { defined $script->{$_} } qw(say play seconds);
	return %sound ? \%sound : undef;
}

# The first key pressed that ends a recording, or undef: the caller hangs up.
sub _ending_key ($script, $attr) {
	my $keys = $attr->{finishOnKey} // '1234567890*#';
	return undef if !length $keys;
	my ($key) = ($script->{digits} // '') =~ /([\Q$keys\E])/;
	$script->{digits} =~ s/^.*?\Q$key\E//s if defined $key;
	return $key;
}

sub _answered_by ($ask, $fate) {
	my $detect = $ask->{MachineDetection} or return undef;
	return 'human' if $fate eq 'answered';
	return $detect eq 'Enable' ? 'machine_start' : 'machine_end_beep';
}

1;
