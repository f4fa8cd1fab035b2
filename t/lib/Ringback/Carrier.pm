# SPDX-License-Identifier: ISC
# Ringback::Carrier: the stand-in for Twilio beside a test's stack, in place
# of a fake; Twilio's own description of its API, where that is there, checks
# every request.
#
#	my $t = Ringback::Test->new(carrier => 1);
#	my $c = $t->carrier;
#	$c->fault(match => 'POST .*/Calls', status => 500);
#	is scalar $c->requests(qr/Messages/), 1, 'asked once';
#	is_deeply [ $c->violations ], [], 'and properly';
#
# stop() and start() are an outage: in between nobody else gets the port, and
# connections to it are refused. What it knows stays.
package Ringback::Carrier;
use v5.36;
use parent qw(Ringback::Child);

use IO::Socket::INET;
use Mojo::UserAgent;
use POSIX ();
use Time::HiRes qw(sleep);

# root: of the tree; dir: where its state goes.
sub new ($class, %o) {
	# Bound and never listening: that keeps the port.
	my $port = IO::Socket::INET->new(Proto => 'tcp', ReuseAddr => 1,
		LocalAddr => '127.0.0.1', LocalPort => 0) or die "port: $!";
	my $spec = $ENV{TWILIO_OPENAPI}
		// "$o{root}/../shared/spec/twilio_api_v2010.json";
	return bless { %o, reserved => $port, port => $port->sockport,
		spec => -r $spec ? $spec : undef,
		ua => Mojo::UserAgent->new(inactivity_timeout => 60) }, $class;
}

sub url ($self)  { return "http://127.0.0.1:$self->{port}" }
sub spec ($self) { return $self->{spec} }

# env: settings file of the stack; ca: certificate of its nginx.
sub start ($self, %o) {
	$self->stop;
	$self->{with} = [ '--env', $o{env}, '--ca', $o{ca} ] if %o;
	# A test that was killed leaves nobody behind.
	my @command = (qw(setpriv --pdeathsig TERM --),
		"$self->{root}/t/standin/carrier", '--listen',
		"127.0.0.1:$self->{port}", '--state', "$self->{dir}/state",
		@{ $self->{with} },
		$self->{spec} ? ('--validate', $self->{spec}) : ());
	pipe my $read, my $write or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>&', $write;
		exec @command or POSIX::_exit(127);
	}
	@$self{qw(pid of)} = ($pid, $$);
	close $write;
	<$read> // die 'the carrier did not start';
	$self->{said} = $read;
	return $self;
}

sub stop ($self) { return $self->put_away }

sub DESTROY ($self) { return $self->stop }

# POST call, text, numbers, lossy, age …; see t/standin/carrier --help.
sub control ($self, $method, $what, $ask = undef) {
	my $tx = $self->{ua}->build_tx($method =>
		$self->url . "/_carrier/$what", $ask ? (json => $ask) : ());
	my $res = $self->{ua}->start($tx)->res;
	die "$method $what: " . ($res->body || 'no answer')
		if ($res->code // 0) != 200;
	return $res->json;
}

# REST requests that came in since the last mark(), oldest first.
sub requests ($self, $like = qr/./) {
	return grep { $_->{n} > ($self->{mark} // 0)
		&& "$_->{method} $_->{path}" =~ $like }
		@{ $self->control(GET => 'journal')->{requests} };
}

sub mark ($self) {
	my $all = $self->control(GET => 'journal')->{requests};
	$self->{mark} = @$all ? $all->[-1]{n} : 0;
	return $self;
}

# Of all requests, marked or not.
sub violations ($self) {
	return @{ $self->control(GET => 'violations')->{violations} };
}

# Webhooks that it sent, oldest first.
sub sent ($self, $like = qr/./) {
	return grep { $_->{url} =~ $like }
		@{ $self->control(GET => 'sent')->{requests} };
}

# What there is at Twilio: calls or messages, newest first.
sub list ($self, $what) {
	my $sid = $Ringback::Test::ACCOUNT;
	my $url = Mojo::URL->new($self->url . "/2010-04-01/Accounts/$sid/"
		. ucfirst($what) . '.json?PageSize=1000')
		->userinfo("$sid:$Ringback::Test::TOKEN");
	return @{ $self->{ua}->get($url)->res->json->{$what} };
}

sub fault ($self, %ask) { return $self->control(POST => faults => \%ask) }

# No more faults, and what one held is let go.
sub mend ($self) { return $self->control(DELETE => 'faults') }

# Waits until every call and text has run its course.
sub idle ($self) { return $self->control(GET => 'idle') }

1;
