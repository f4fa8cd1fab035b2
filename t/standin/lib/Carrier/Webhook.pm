# SPDX-License-Identifier: ISC
# Sends webhooks as Twilio does: signed, within 15 seconds, never following
# more than ten redirects, tried again as the URL's #rc=…&rp=… says.
package Carrier::Webhook;
use v5.36;
use Mojo::Base -base, -signatures;
use Digest::SHA 'hmac_sha1_base64';
use Mojo::IOLoop;
use Mojo::Parameters;
use Mojo::Promise;
use Mojo::URL;
use Mojo::UserAgent;
use Mojo::Util qw(decode encode);

has 'ca';                       # certificate file to trust, or undef
has sent => sub { [] };         # every request made, oldest first
has 'lossy';                    # percent of them that reach nobody, or undef
has ua   => sub ($self) {
	my $ua = Mojo::UserAgent->new(connect_timeout => 5,
		request_timeout => 15, inactivity_timeout => 15);
	$ua->transactor->name('TwilioProxy/1.1');
	$ua->cookie_jar->ignore(sub { 1 });
	return $self->ca ? $ua->ca($self->ca) : $ua->insecure(1);
};

# The documented string: the URL, then every key with its distinct values in
# byte order.  A GET's parameters are in the URL already.
sub signature ($token, $url, $params = {}) {
	my $text = $url;
	for my $key (sort keys %$params) {
		my %distinct = map { $_ => 1 }
		    ref $params->{$key} ? $params->{$key}->@* : $params->{$key};
		$text .= $key . $_ for sort keys %distinct;
	}
	my $mac = hmac_sha1_base64(encode('UTF-8', $text), $token);
	return $mac . '=' x (-length($mac) % 4);
}

# A promise of {url, method, params, status, answer, type, attempts} and the
# answer's bytes.  Nobody answered: status undef and {error}; never rejected.
sub request_p ($self, $token, $url, $params, $method = 'POST') {
	my $to       = Mojo::URL->new($url);
	my $override = Mojo::Parameters->new($to->fragment // '')->to_hash;
	my $step     = {url => "$url", method => $method, params => $params,
		attempts => 0};
	my %request  = (
		token => $token, url => $to->fragment(undef), step => $step,
		# Retries after a failure to connect only, unless asked.
		retries => $override->{rc} // 1,
		policy  => {map { $_ => 1 } split /,/, $override->{rp} // 'ct'},
		seconds => ($override->{rt} // 15_000) / 1000,
		idempotency => _token(),
	);
	push $self->sent->@*, $step;
	if ($self->lossy && rand(100) < $self->lossy) {
		$step->{error} = 'lost on the way';
		return Mojo::Promise->resolve($step, '');
	}
	return $self->_attempt(\%request);
}

sub _attempt ($self, $request) {
	my $step = $request->{step};
	$step->{attempts}++;
	$request->{redirects} = 0;
	return $self->_once($request, $request->{url}, $step->{method},
		$step->{params})->then(sub ($tx) {
		my $error  = $tx->error;
		my $status = $error && !$error->{code} ? undef : $tx->res->code;
		my $reason = _reason($status, $error);
		if ($request->{retries} > 0 && $reason
		    && ($request->{policy}{$reason} || $request->{policy}{all})) {
			$request->{retries}--;
			return Mojo::Promise->timer(0.1)
			    ->then(sub { $self->_attempt($request) });
		}
		$step->{status} = $status;
		if (!defined $status) {
			$step->{error} = $error->{message};
			return $step, '';
		}
		my $bytes = $tx->res->body;
		$step->{answer} = decode('UTF-8', $bytes) // $bytes;
		$step->{type}   = lc(($tx->res->headers->content_type // '')
			=~ s/\s*;.*//r);
		return $step, $bytes;
	});
}

# One request and the redirects it meets: 301, 302 and 303 become GET and
# lose the parameters.
sub _once ($self, $request, $url, $method, $params) {
	my $get = $method eq 'GET';
	if ($get) {
		$url = $url->clone;
		$url->query->append(map { $_ => $params->{$_} } sort keys %$params);
		$params = {};
	}
	my $tx = $self->ua->build_tx($method => $url => {
		Accept => '*/*',
		'I-Twilio-Idempotency-Token' => $request->{idempotency},
		'X-Twilio-Signature' =>
		    signature($request->{token}, "$url", $params),
	} => $get ? () : (form => $params));
	my $timer = Mojo::IOLoop->timer($request->{seconds}, sub {
		$tx->res->error({message => 'Response timeout'});
		Mojo::IOLoop->remove($tx->connection) if $tx->connection;
	});
	return $self->ua->start_p($tx)->catch(sub ($message) { $tx })
	    ->then(sub (@) {
		Mojo::IOLoop->remove($timer);
		my $code     = $tx->res->code // 0;
		my $location = $tx->res->headers->location;
		return $tx if !$location || $code !~ /^30[12378]$/;
		if (++$request->{redirects} > 10) {
			$tx->res->code(undef)
			    ->error({message => '11215 too many redirects'});
			return $tx;
		}
		my $next = Mojo::URL->new($location)->to_abs($url)
		    ->fragment(undef);
		return $self->_once($request, $next,
			$code < 307 ? ('GET', {}) : ($method, $params));
	});
}

# What the retry policy calls this outcome, or nothing when it went well.
sub _reason ($status, $error) {
	return $status < 400 ? '' : $status < 500 ? '4xx' : '5xx'
	    if defined $status;
	return $error->{message} =~ /refused|Can't connect|Connect timeout|SSL/
	    ? 'ct' : 'rt';
}

sub _token () {
	return join '-', map { unpack 'H*', pack 'n', int rand 65_536 } 1 .. 5;
}

1;
