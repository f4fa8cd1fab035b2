# SPDX-License-Identifier: ISC
# Ringback::Load: many webhooks from many connections while a test does
# something else, and a log of every one of them that can be trusted.
#
#	my @posts = callers($t, 250);		# 1,000 posts
#	my $load = Ringback::Load->start($t, \@posts, rate => 200);
#	crash_database($t) while $load->count < 500;
#	my $log = $load->end;
#	say $log->[7]{status}, percentile(99, map { $_->{ms} } @$log);
#
# An entry of the log, in the order of the posts: status (0: nobody knows what
# became of it), at (when it was sent), ms (until all of the answer was there)
# and good (2xx, and what that path must say: TwiML, or nothing at all). A
# post that was not sent, because of stop(), has none.
#
# Nothing is sent twice. A connection that breaks under a request leaves it
# with status 0, as Twilio would be left, and the next one gets a new
# connection.
package Ringback::Load;
use v5.36;

use Exporter qw(import);
use File::Temp qw(tempdir);
use IO::Socket::SSL qw(SSL_WANT_READ SSL_WANT_WRITE);
use POSIX ();
use Time::HiRes qw(sleep time);

use Ringback::Test;

our @EXPORT_OK = qw(callers percentile);

# One entry in a client's file: index, status, good, at, ms.
use constant { ENTRY => 'N n C d d', BYTES => 23 };

my $twiml = qr{\A<\?xml.*<Response(?:/>|>.*</Response>)\s*\z}s;
my %says = (
	'/api/twilio/voice'            => [ 200,
		qr{\A<\?xml.*<Record .*</Response>\s*\z}s ],
	'/api/twilio/sms'              => [ 200, $twiml ],
	'/api/twilio/recording'        => [ 200, $twiml ],
	'/api/twilio/status'           => [ 204, qr/\A\z/ ],
	'/api/twilio/recording-status' => [ 204, qr/\A\z/ ],
);

# What Twilio posts when so many have each left a message and then sent a text.
sub callers ($t, $count) {
	return map {
		my %call = $t->call;
		my %text = $t->text;
		[ '/api/twilio/voice', \%call ],
		[ '/api/twilio/recording-status',
			{ $t->recording($call{CallSid}) } ],
		[ '/api/twilio/status', { %call, CallStatus => 'completed',
			CallDuration => 1 + int rand 90 } ],
		[ '/api/twilio/sms', \%text ]
	} 1 .. $count;
}

# clients: so many at once (8). rate: posts a second, all together; as fast as
# it goes if none is given. fresh => 1: a connection for each post, as Twilio
# does it; else they are kept. patience: seconds until an answer is given up
# (20). Posts are signed before the first is sent.
sub start ($class, $t, $posts, %o) {
	my $self = bless { clients => 8, patience => 20, %o, of => $$,
		port => $t->{port}, ca => $t->dir . '/tls/cert.pem',
		dir => tempdir(CLEANUP => 1), pids => {} }, $class;
	my %told;
	for my $form (map { $_->[1] } @$posts) {
		my $these = join "\n", map { $form->{$_} // '' }
			qw(From To Body);
		$t->note_secrets($form) unless $told{$these}++;
	}
	$self->{posts} = [ map { [ $_->[0], _wire($t, @$_) ] } @$posts ];
	$self->{begin} = time;
	for my $n (0 .. $self->{clients} - 1) {
		my $pid = fork // die "fork: $!";
		if (!$pid) {
			eval { $self->_client($n); 1 } or print STDERR $@;
			POSIX::_exit($@ eq '' ? 0 : 1);
		}
		$self->{pids}{$pid} = $n;
	}
	return $self;
}

# How many have been answered, or given up, by now.
sub count ($self) {
	my $bytes = 0;
	$bytes += -s $_ for glob "$self->{dir}/*";
	return int($bytes / BYTES);
}

sub running ($self) { return $self->count < @{ $self->{posts} } }

# No more is sent; what is under way is waited for.
sub stop ($self) {
	$self->{stopped} = 1;
	kill 'TERM', keys %{ $self->{pids} };
	return $self;
}

# Waits for the last answer and gives the log.
sub end ($self) {
	for my $pid (keys %{ $self->{pids} }) {
		waitpid $pid, 0;
		die "client ended with $?" if $? != 0;
		delete $self->{pids}{$pid};
	}
	my @log;
	for my $file (glob "$self->{dir}/*") {
		my $bytes = Ringback::Test::slurp($file);
		for (my $i = 0; $i < length $bytes; $i += BYTES) {
			my ($index, %e);
			($index, @e{qw(status good at ms)}) = unpack ENTRY,
				substr $bytes, $i, BYTES;
			die "post $index was sent twice" if $log[$index];
			$log[$index] = \%e;
		}
	}
	$#log = $#{ $self->{posts} };
	die 'some were not sent' if !$self->{stopped} && grep { !$_ } @log;
	return \@log;
}

sub run ($class, @start) { return $class->start(@start)->end }

# The value that p % of them do not exceed.
sub percentile ($p, @values) {
	@values = sort { $a <=> $b } @values;
	return $values[ POSIX::ceil(@values * $p / 100) - 1 ] // 0;
}

sub DESTROY ($self) {
	return if $self->{of} != $$ || !%{ $self->{pids} };
	local $?;
	kill 'KILL', keys %{ $self->{pids} };
	waitpid $_, 0 for keys %{ $self->{pids} };
	return;
}

# --- a client -------------------------------------------------------------

sub _wire ($t, $path, $form) {
	my $body = Ringback::Test::encode($form);
	return join "\r\n", "POST $path HTTP/1.1",
		"Host: 127.0.0.1:$t->{port}",
		'Content-Type: application/x-www-form-urlencoded',
		'X-Twilio-Signature: ' . Ringback::Test::signature(
		$t->base . $path, $form), 'Content-Length: ' . length $body,
		'', $body;
}

# Posts n, n + clients, n + 2 * clients …
sub _client ($self, $n) {
	my ($stop, $s);
	local $SIG{TERM} = sub { $stop = 1 };
	local $SIG{PIPE} = 'IGNORE';
	open my $log, '>:raw', "$self->{dir}/$n" or die "$self->{dir}/$n: $!";
	my $tls = IO::Socket::SSL::SSL_Context->new(SSL_client => 1,
		SSL_ca_file => $self->{ca}, SSL_session_cache_size => 1);
	my $posts = $self->{posts};
	for (my $i = $n; $i < @$posts && !$stop; $i += $self->{clients}) {
		_sleep_until($self->{begin} + $i / $self->{rate}, \$stop)
			if $self->{rate};
		last if $stop;
		my ($path, $wire) = @{ $posts->[$i] };
		my $at = time;
		my $until = $at + $self->{patience};
		$s = undef if $s && !_open($s);
		$s //= $self->_connect($tls);
		my ($status, $headers, $body) = $s
			? _exchange($s, $wire, $until) : ();
		my $ms = 1000 * (time - $at);
		my ($right, $like) = @{ $says{$path} // die $path };
		syswrite $log, pack ENTRY, $i, $status // 0, ($status // 0)
			== $right && $body =~ $like, $at, $ms
			or die "log: $!";
		$s = undef if !defined $status || $self->{fresh}
			|| $headers =~ /^Connection: close/mi;
	}
	close $log or die "log: $!";
	return;
}

sub _sleep_until ($when, $stop) {
	while (!$$stop && (my $left = $when - time) > 0) {
		sleep($left);
	}
	return;
}

sub _connect ($self, $tls) {
	my $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
		PeerPort => $self->{port}, SSL_reuse_ctx => $tls,
		Timeout => $self->{patience}) // return;
	$s->blocking(0);
	return $s;
}

# Has nginx closed it while nothing was asked?
sub _open ($s) {
	return 1 unless _ready($s, '', time);
	my $n = $s->sysread(my $bytes, 1);
	return !defined $n && $IO::Socket::SSL::SSL_ERROR == SSL_WANT_READ;
}

# (status, headers, body), or nothing if the connection broke or it took too
# long.
sub _exchange ($s, $wire, $until) {
	my ($sent, $in) = (0, '');
	while ($sent < length $wire) {
		my $n = $s->syswrite($wire, length($wire) - $sent, $sent);
		return if !defined $n && !_again($s, $until);
		$sent += $n // 0;
	}
	for (;;) {
		my $n = $s->sysread($in, 16384, length $in);
		return if defined $n ? !$n : !_again($s, $until);
		next unless $in =~ m{\AHTTP/1\.1 (\d+) (.*?\r\n)\r\n(.*)\z}s;
		my ($status, $headers, $body) = ($1, $2, $3);
		my ($length) = $headers =~ /^Content-Length: (\d+)/mi;
		return ($status, $headers, $body)
			if length $body >= ($length // 0);
	}
}

# Waits for what TLS waits for.
sub _again ($s, $until) {
	my $error = $IO::Socket::SSL::SSL_ERROR // 0;
	return _ready($s, 'write', $until) if $error == SSL_WANT_WRITE;
	return $error == SSL_WANT_READ && _ready($s, '', $until);
}

sub _ready ($s, $write, $until) {
	vec(my $bits = '', fileno $s, 1) = 1;
	my $left;
	do {
		$left = $until - time;
		$left = 0 if $left < 0;
		my ($in, $out) = $write ? (undef, $bits) : ($bits, undef);
		my $n = select $in, $out, undef, $left;
		return 1 if $n > 0;
	} while ($left > 0);
	return;
}

1;
