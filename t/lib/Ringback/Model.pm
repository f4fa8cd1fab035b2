# SPDX-License-Identifier: ISC
# Ringback::Model: what the tables must say in the end about the webhooks that
# came, worked out from Twilio's documentation and the promises of schema/, and
# from nothing that the product has of its own. It keeps everything it is told
# and looks at all of it at once, so the order in which it was told cannot
# matter.
#
#	my $m = Ringback::Model->new(numbers => { '+15005550009' => 'PN…' });
#	$m->tell('/api/twilio/status', \%form);
#	my $rows = $m->calls;		# also recordings, texts: SID => columns
#	my $events = $m->events;	# SID => [ 'route name=value …', … ]
#	$m->tell('/api/twilio/sms', \%form, $from, $to);
#	my $pairs = $m->consent;	# 'sender recipient' => columns
#
# Columns are text; what nobody told is undef. Only consent asks when a webhook
# came: no earlier than $from, no later than $to, as its sender knows.
package Ringback::Model;
use v5.36;

use List::Util qw(max min);

# A status only gives way to a later one; what has ended has ended. A text
# that was read had been delivered.
my %CALL = (queued => 0, initiated => 1, ringing => 2, 'in-progress' => 3,
	map { $_ => 9 } qw(completed busy failed no-answer canceled));
my %TEXT = (accepted => 0, scheduled => 0, queued => 1, sending => 2,
	sent => 3, (map { $_ => 9 } qw(delivered undelivered failed canceled
	received)), read => 10);
my %RECORDING = ('in-progress' => 1, completed => 9, absent => 9,
	failed => 9);

# Twilio may still call us by what the guide's addresses were.
my %KNOWN_AS = ('/twilio/voice' => '/api/twilio/voice',
	'/twilio/sms' => '/api/twilio/sms',
	'/twilio/recording' => '/api/twilio/recording',
	'/api/twilio/sms-status' => '/api/twilio/status');

# What Twilio takes for a word about consent, if it is all of the text.
my %WORD = ((map { $_ => 'STOP' } qw(STOP STOPALL UNSUBSCRIBE END QUIT CANCEL
	REVOKE OPTOUT)), map { $_ => 'START' } qw(START UNSTOP YES));

sub new ($class, %o) {
	return bless { numbers => $o{numbers} // {}, told => {} }, $class;
}

# Twilio's parameters have no order, so a webhook is its address and them; the
# same one again is no news.
sub tell ($self, $path, $form, @when) {
	my $route = $KNOWN_AS{$path} // $path;
	my $sid = $route =~ m{/recording} ? $form->{RecordingSid}
		: $form->{MessageSid} // $form->{CallSid};
	push @{ $self->{told}{$sid}{ line($route, $form) } //=
		[ $route, $form ] }, @when;
	return;
}

sub line ($route, $form) {
	return join ' ', $route, map { "$_=$form->{$_}" } sort keys %$form;
}

sub events ($self) {
	return { map { $_ => [ sort keys %{ $self->{told}{$_} } ] }
		keys %{ $self->{told} } };
}

# SID => its forms, of the SIDs that begin like this.
sub _about ($self, $like) {
	my $told = $self->{told};
	return map { $_ => [ values %{ $told->{$_} } ] }
		grep { $_ =~ $like } keys %$told;
}

# The first of the forms that has that parameter decides.
sub _first ($name, @forms) {
	for my $form (@forms) {
		my $value = $form->{$name};
		return $value if defined $value && $value ne '';
	}
	return undef;
}

# Twilio's ErrorCode is 0 when there was none.
sub _error (@forms) {
	return _first(ErrorCode => grep { $_->{ErrorCode} } @forms);
}

# --- calls -----------------------------------------------------------------

# Which of two a call has come further with. SequenceNumber counts what Twilio
# sent: of what happened on the way the later holds; a call ends once, so of
# two ends the first was the end, and one without a number proves nothing.
sub _further ($x, $y) {
	my ($rank, $other) = map { $CALL{ $_->{CallStatus} } } $x, $y;
	return $other <=> $rank if $rank != $other;
	my ($seq, $seq_of_other) = map { my $n = $_->{SequenceNumber};
		length($n // '') ? $n : $rank == 9 ? 1e9 : -1 } $x, $y;
	return $rank == 9 ? $seq <=> $seq_of_other : $seq_of_other <=> $seq;
}

sub calls ($self) {
	my %about = $self->_about(qr/^CA/);
	my %recording = map { $_->{call_sid} => $_ }
		values %{ $self->recordings };
	$about{$_} //= [] for keys %recording;	# of which nothing else came
	return { map {
		my @forms = sort { _further($a, $b) }
			map { $_->[1] } @{ $about{$_} };
		my $said = sub ($name) { _first($name, @forms) };
		my $ours = ($said->('Direction') // '') =~ /^outbound/
			? 'From' : 'To';
		$_ => {
			status      => $said->('CallStatus') // 'unknown',
			status_seq  => @forms ? _first(SequenceNumber =>
				$forms[0]) : undef,
			duration    => $said->('CallDuration'),
			answered_by => $said->('AnsweredBy'),
			error_code  => _error(@forms),
			from_number => $said->('From'),
			to_number   => $said->('To'),
			direction   => $said->('Direction'),
			phone_number_sid =>
				$self->{numbers}{ $said->($ours) // '' },
			recording_sid =>
				($recording{$_} // {})->{recording_sid},
		};
	} keys %about };
}

# --- recordings ------------------------------------------------------------

# What <Record>'s action said is provisional; the callback's word is final.
sub recordings ($self) {
	my %about = $self->_about(qr/^RE/);
	return { map {
		my @callbacks = sort { $RECORDING{ $b->{RecordingStatus} }
			<=> $RECORDING{ $a->{RecordingStatus} } }
			grep { $_->{RecordingStatus} }
			map { $_->[1] } @{ $about{$_} };
		my @actions = grep { !$_->{RecordingStatus} }
			map { $_->[1] } @{ $about{$_} };
		my $said = sub ($name) { _first($name, @callbacks, @actions) };
		my $status = $said->('RecordingStatus');
		my ($step, $went) = @actions && ($status // '') !~
			/absent|failed/ ? ('download', 'pending')
			: $status eq 'completed' ? ('download', 'pending')
			: $status eq 'in-progress' ? ('wait', 'pending')
			: ('skipped', 'failed');
		$_ => {
			recording_sid => $_,
			call_sid      => $said->('CallSid'),
			twilio_status => $status,
			duration      => $said->('RecordingDuration'),
			channels      => $said->('RecordingChannels'),
			source        => $said->('RecordingSource'),
			error_code    => _error(@callbacks),
			step          => $step,
			status        => $went,
		};
	} keys %about };
}

# --- texts -----------------------------------------------------------------

sub texts ($self) {
	my %about = $self->_about(qr/^SM/);
	return { map {
		my @told = @{ $about{$_} };
		my ($inbound) = map { $_->[1] }
			grep { $_->[0] eq '/api/twilio/sms' } @told;
		my $status = sub ($form) {
			$form->{MessageStatus} // $form->{SmsStatus} };
		my @forms = sort { $TEXT{ $status->($b) } <=>
			$TEXT{ $status->($a) } } map { $_->[1] } @told;
		my $said = sub ($name) { _first($name, @forms) };
		$_ => {
			status      => $status->($forms[0]),
			direction   => $inbound ? 'inbound' : 'outbound-api',
			from_number => $said->('From'),
			to_number   => $said->('To'),
			body        => ($inbound // {})->{Body},
			num_media   => $said->('NumMedia'),
			error_code  => _error(@forms),
		};
	} keys %about };
}

# --- consent ---------------------------------------------------------------

# What a text says about it, if anything: the word, whose it is and by which
# senders of ours they mean to be, or not to be, texted.
sub _word ($route, $form) {
	my ($word, $them, $us) = ('STOP', @$form{qw(To From)});
	if ($route eq '/api/twilio/sms') {
		($us, $them) = ($them, $us);
		$word = $form->{OptOutType}
			// $WORD{ uc $form->{Body} =~ s/^\s+|\s+$//gr } // '';
	} elsif (($form->{ErrorCode} // 0) != 21610) {
		return;
	}
	return if $word !~ /^(?:STOP|START)$/;
	return ($word, $them, grep { defined } $us,
		$form->{MessagingServiceSid});
}

# Of each sender and recipient the word that came last decides, whenever it
# was stored. Nobody can tell where a STOP and a START came at one time.
sub consent ($self) {
	my %about = $self->_about(qr/^SM/);
	my %span;	# 'sender recipient' => word => the last one's
	for my $told (map { @$_ } values %about) {
		my ($route, $form, @when) = @$told;
		my ($word, $them, @senders) = _word($route, $form) or next;
		for my $last (map { $span{"$_ $them"}{$word} //= {} }
			@senders) {
			$last->{from} = max(min(@when), $last->{from} // 0);
			$last->{to} = max(@when, $last->{to} // 0);
		}
	}
	return { map {
		my ($stop, $start) = map { $_ // { from => 0, to => 0 } }
			@{ $span{$_} }{qw(STOP START)};
		$_ => { consent => $stop->{from} > $start->{to} ? 'out'
			: $start->{from} > $stop->{to} ? 'in' : undef };
	} keys %span };
}

1;
