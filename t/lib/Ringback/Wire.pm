# SPDX-License-Identifier: ISC
# Ringback::Wire: a TLS connection on which a test writes exact bytes. For
# requests that a well-mannered client would tidy up before it sent them.
#
#	my $wire = Ringback::Wire->to($t);	# or ->new(host =>, port =>, ca =>)
#	my $a = $wire->post('/api/twilio/voice', \%form,
#		'X-Twilio-Signature' => $signature);
#	is $a->{status}, 204;	# 0: the server hung up without an answer
#
# The connection is kept for the next request while the server does so.
package Ringback::Wire;
use v5.36;

use IO::Socket::SSL;
use List::Util qw(pairkeys);

my $PATIENCE = 30;	# seconds until a test that hangs is ended instead

# host, port; ca: file to trust instead of the system's; sni: name to ask for
# (default: host, unless it is an address); tls: what tls() gave, for one that
# connects often; from: the address to come from, such as 127.0.0.9.
sub new ($class, %o) { return bless {%o}, $class }

# To the server of a Ringback::Test.
sub to ($class, $t, %o) {
	return $class->new(host => '127.0.0.1', port => $t->{port},
		ca => $t->dir . '/tls/cert.pem', %o);
}

# Reads the certificate once, and takes up sessions again.
sub tls ($class, $t) {
	return IO::Socket::SSL::SSL_Context->new(SSL_client => 1,
		SSL_ca_file => $t->dir . '/tls/cert.pem',
		SSL_session_cache_size => 1);
}

sub connection ($self) {
	return $self->{socket} if $self->{socket};
	return $self->{socket} = IO::Socket::SSL->new(
		PeerHost => $self->{host}, PeerPort => $self->{port},
		defined $self->{from} ? (LocalAddr => $self->{from}) : (),
		Timeout  => $PATIENCE, SSL_verifycn_scheme => 'http',
		SSL_verifycn_name => $self->{host},
		SSL_verify_mode => SSL_VERIFY_PEER,
		$self->{tls} ? (SSL_reuse_ctx => $self->{tls}) :
		$self->{ca} ? (SSL_ca_file => $self->{ca}) : (),
		defined $self->{sni} ? (SSL_hostname => $self->{sni}) : (),
	) // die "TLS to $self->{host}:$self->{port}: $SSL_ERROR\n";
}

sub close ($self) {
	my $socket = delete $self->{socket} or return;
	$socket->close(SSL_no_shutdown => 1);
	return;
}

sub host_header ($self) {
	return $self->{port} == 443 ? $self->{host}
		: "$self->{host}:$self->{port}";
}

# A request as bytes. Headers come in pairs and win over those made here; an
# undefined value leaves the header out.
sub request ($self, $method, $target, $headers, $body = '') {
	my %given = map { lc, 1 } pairkeys @$headers;
	my @all = @$headers;
	unshift @all, Host => $self->host_header unless $given{host};
	push @all, 'Content-Length' => length $body
		unless $given{'content-length'} || $given{'transfer-encoding'};
	my $bytes = "$method $target HTTP/1.1\r\n";
	while (my ($name, $value) = splice @all, 0, 2) {
		$bytes .= "$name: $value\r\n" if defined $value;
	}
	return "$bytes\r\n$body";
}

sub ask ($self, $method, $target, $headers = [], $body = '') {
	return $self->exchange(
		$self->request($method, $target, $headers, $body));
}

sub post ($self, $target, $body, @headers) {
	return $self->ask(POST => $target, ['Content-Type' =>
		'application/x-www-form-urlencoded', @headers], $body);
}

# Sends bytes and reads one answer. A kept connection may have been closed
# since; then it is made anew.
sub exchange ($self, $bytes) {
	my $kept = $self->{socket};
	my $answer = $self->send($bytes)->answer;
	return $answer if $answer->{status} || !$kept;
	return $self->send($bytes)->answer;
}

sub send ($self, $bytes) {
	local $SIG{PIPE} = 'IGNORE';
	$self->connection->print($bytes);
	return $self;
}

# Nothing more will be sent; an answer may still come.
sub end ($self) {
	shutdown $self->connection, 1;
	return $self;
}

sub answer ($self) {
	$self->{in} = '';
	local $SIG{ALRM} = sub { die "no answer within $PATIENCE s\n" };
	alarm $PATIENCE;
	while (my ($head) = $self->read_until(qr/\A(.*?\r\n)\r\n/s)) {
		my ($status) = $head =~ m{\AHTTP/1\.[01] (\d+)};
		next if $status == 100;
		my %header = map { /^([^:]+):\s*(.*?)\r?$/ ? (lc $1, $2) : () }
			split /\n/, $head;
		my $body = $self->body_of($status, \%header);
		alarm 0;
		$self->close if ($header{connection} // '') eq 'close';
		return { status => $status, header => \%header, head => $head,
			body => $body };
	}
	alarm 0;
	$self->close;
	return { status => 0, header => {}, head => '', body => '' };
}

sub read_more ($self) {
	return sysread $self->connection, $self->{in}, 65536,
		length $self->{in};
}

# Reads on until what came in begins like this; takes that away and gives $1.
sub read_until ($self, $like) {
	for (;;) {
		return $1 if $self->{in} =~ s/$like//;
		$self->read_more or return;
	}
}

sub read_bytes ($self, $n) {
	while (length $self->{in} < $n) {
		$self->read_more or last;
	}
	return substr $self->{in}, 0, $n, '';
}

sub body_of ($self, $status, $header) {
	return '' if $status == 204 || $status == 304;
	my $body = '';
	if (($header->{'transfer-encoding'} // '') eq 'chunked') {
		while (my ($hex) =
			$self->read_until(qr/\A([0-9a-f]+)\r\n/i)) {
			$body .= $self->read_bytes(hex $hex);
			$self->read_bytes(2);
			last if !hex $hex;
		}
	} elsif (my $n = $header->{'content-length'}) {
		$body = $self->read_bytes($n);
	}
	return $body;
}

1;
