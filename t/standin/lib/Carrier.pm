# SPDX-License-Identifier: ISC
# The carrier: the account it serves, its numbers, and its parts.  Everything
# else reaches each other through one of these.
package Carrier;
use v5.36;
use Mojo::Base -base, -signatures;
use Carrier::Numbers 'ALWAYS_OURS';
use Carrier::Sound;
use Carrier::Store;
use Carrier::Webhook;
use Mojo::IOLoop;
use Mojo::Promise;

# Twilio's console offers these overrides; an installation that loses nothing
# sets them, so the stand-in's number has them too.
my %OVERRIDES = (
	voice => 'rc=3&rp=ct,rt,5xx', sms => 'rc=3&rp=ct,rt,5xx',
	status => 'rc=5&rp=all',
);

has [qw(env dir ca)];
has url  => undef;              # where this carrier is reached
has busy => 0;                  # calls and texts under way
has held => 0;                  # a test has asked them to wait
has live => sub { {} };         # call SID => call under way
has store   => sub ($self) { Carrier::Store->new(dir => $self->dir) };
has sound   => sub ($self) { Carrier::Sound->new(dir => $self->dir . '/cache') };
has webhook => sub ($self) { Carrier::Webhook->new(ca => $self->ca) };

# Account SID => Auth Token, sub-accounts included.
has accounts => sub ($self) {
	my $env = $self->env;
	my %token = ($env->{TWILIO_ACCOUNT_SID} => $env->{TWILIO_AUTH_TOKEN});
	for (split /,/, $env->{TWILIO_SUBACCOUNTS} // '') {
		my ($sid, $token) = split /:/;
		$token{$sid} = $token;
	}
	return \%token;
};

sub main_account ($self) { $self->env->{TWILIO_ACCOUNT_SID} }

sub main_number ($self) { $self->env->{TWILIO_PHONE_NUMBER} }

sub service ($self) { $self->env->{TWILIO_MESSAGING_SERVICE_SID} || undef }

# User name and password of a REST request, for that account.
sub authentic ($self, $account, $user, $password) {
	my $env = $self->env;
	my %key = (
		$account => $self->accounts->{$account},
		$self->main_account => $self->accounts->{$self->main_account},
		$env->{TWILIO_API_KEY} // '' => $env->{TWILIO_API_SECRET},
	);
	return length $user && defined $key{$user} && $key{$user} eq $password;
}

# Makes a number the account's; calling or texting one here does as much.
sub own ($self, $number, $sid = undef, $account = $self->main_account) {
	my $known = $self->owned($number);
	return $known if $known && (!$sid || $sid eq ($known->{sid} // ''));
	$self->store->remove(numbers => $known->{sid})
	    if $known && $known->{sid};
	return $self->store->save(numbers => {
		sid => $sid || $self->store->sid('PN'), number => $number,
		account_sid => $account,
	});
}

sub owned ($self, $number) {
	my ($known) = grep { $_->{number} eq $number }
	    $self->store->all('numbers');
	return $known // ($number eq ALWAYS_OURS
	    ? {sid => undef, number => $number} : undef);
}

sub webhook_url ($self) {
	return $self->env->{WEBHOOK_BASE_URL} =~ s{/+$}{}r . '/api/twilio';
}

# The URL set for our numbers in the console: voice, sms or status.
sub number_url ($self, $what) {
	return $self->webhook_url . "/$what#$OVERRIDES{$what}";
}

sub api_url ($self, $account) {
	my $base = $self->env->{TWILIO_API_BASE_URL} || $self->url;
	return $base =~ s{/+$}{}r . "/2010-04-01/Accounts/$account";
}

sub recording_url ($self, $recording) {
	return $self->api_url($recording->{account_sid})
	    . "/Recordings/$recording->{sid}";
}

sub request_p ($self, $account, $url, $params, $method = 'POST') {
	my %given = map { $_ => $params->{$_} }
	    grep { defined $params->{$_} } keys %$params;
	return $self->webhook->request_p($self->accounts->{$account}, $url,
		\%given, $method);
}

# Work that outlives the request that asked for it.
sub later ($self, $what) {
	$self->busy($self->busy + 1);
	$self->_begin->then($what)->catch(sub ($error) {
		warn "carrier: $error\n";
	})->finally(sub { $self->busy($self->busy - 1) });
	return;
}

sub _begin ($self) {
	return Mojo::Promise->timer(0.05)
	    ->then(sub { $self->held ? $self->_begin : () });
}

# Each step is taken when the promise of the one before it is kept.
sub in_order ($self, @steps) {
	my $done = Mojo::Promise->resolve;
	$done = $done->then($_) for @steps;
	return $done;
}

1;
