# SPDX-License-Identifier: ISC
# One recording being made: its stored resource, its sound, and the callbacks
# asked for.  The media is served from the moment it is 'completed'.
package Carrier::Recording;
use v5.36;
use Mojo::Base -base, -signatures;
use Carrier::Shape 'rfc2822';

has [qw(carrier stored callback)];
has method => 'POST';
has events => 'completed';      # as Twilio takes them: separated by spaces
has 'steps';                    # of the call, where callbacks are noted

sub start ($class, $carrier, $call, %how) {
	my $stored = {
		sid => $carrier->store->sid('RE'),
		account_sid => $call->{account_sid}, call_sid => $call->{sid},
		status => 'in-progress', start_time => time, error_code => 0,
		(map { $_ => delete $how{$_} } qw(source track channels)),
	};
	$stored->{media_url} = $carrier->recording_url($stored);
	$carrier->store->save(recordings => $stored);
	delete @how{grep { !defined $how{$_} } keys %how};
	return $class->new(carrier => $carrier, stored => $stored, %how);
}

# The sound made for it, as Carrier::Sound describes it.
sub keep ($self, $made) {
	my $stored = $self->stored;
	$stored->{duration} = int($made->{seconds} + 0.5) || 1;
	$stored->{sound}    = "cache/$made->{key}";
	$stored->{status}   = 'processing';
	$self->carrier->store->save(recordings => $stored);
	return $self;
}

# What other requests say of it.
sub summary ($self) {
	my $stored = $self->stored;
	return (
		RecordingSid => $stored->{sid},
		RecordingUrl => $stored->{media_url},
		RecordingDuration => $stored->{duration},
	);
}

# The status changes; a promise if somebody asked to hear of it.
sub event ($self, $status) {
	my $stored = $self->stored;
	$stored->{status} = $status;
	$self->carrier->store->save(recordings => $stored);
	return if !$self->callback
	    || !grep { $_ eq $status } split ' ', $self->events;
	my $there = $status eq 'completed';
	return $self->carrier->request_p($stored->{account_sid},
	    $self->callback, {
		AccountSid => $stored->{account_sid},
		CallSid => $stored->{call_sid},
		$self->summary,
		RecordingStatus => $status,
		RecordingDuration => $there ? $stored->{duration} : undef,
		RecordingUrl => $status eq 'absent'
		    ? undef : $stored->{media_url},
		RecordingChannels => $stored->{channels},
		RecordingStartTime => rfc2822($stored->{start_time}),
		RecordingSource => $stored->{source},
		RecordingTrack => $stored->{track},
		ErrorCode => $there ? 0 : undef,
	}, $self->method)->then(sub ($step, $) {
		push $self->steps->@*, {what => "recording $status", %$step};
	});
}

1;
