# SPDX-License-Identifier: ISC
# Is the server that Twilio is going to call set up right? Nothing it asks
# changes anything there. The heir of "BACKEND_URL=... node test_twilio.js":
#
#	BACKEND_URL=https://voice.example.com prove -v t/live.t
#
# BACKEND_URL is the origin in Twilio's console, the WEBHOOK_BASE_URL of the
# server. Its certificate is checked as Twilio would; BACKEND_CA names a file
# to trust instead, for a server with a certificate of its own making.
# With TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN in the environment, a signed
# request proves in addition that the server knows the same token, believes
# that it is called BACKEND_URL, and would hear Twilio.
#
# Without BACKEND_URL the same is asked of a server started for it.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::JSON qw(decode_json);
use Mojo::URL;
use Ringback::Test;
use Ringback::Wire;

my ($t, $base, $ca, $account, $token);
if ($ENV{BACKEND_URL}) {
	($base, $ca) = @ENV{qw(BACKEND_URL BACKEND_CA)};
	($account, $token) = @ENV{qw(TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN)};
} else {
	$t = Ringback::Test->new(workers => 1);
	($base, $ca) = ($t->base, $t->dir . '/tls/cert.pem');
	($account, $token) = ($Ringback::Test::ACCOUNT, $Ringback::Test::TOKEN);
}
$base =~ s{/+$}{};
my $url = Mojo::URL->new($base);
my $wire;

my @webhooks = qw(/api/twilio/voice /api/twilio/sms /api/twilio/status
	/api/twilio/recording /api/twilio/recording-status
	/api/twilio/sms-status /twilio/voice /twilio/sms /twilio/recording);
my %type = ('Content-Type' => 'application/x-www-form-urlencoded');

# A request that leaves nothing behind; what came back.
sub ask ($method, $path, $headers = {}, $body = '') {
	my $answer = eval { $wire->ask($method, $url->path . $path,
		[%$headers], $body) } // { status => "none: $@", body => '' };
	$answer->{json} = eval { decode_json($answer->{body}) };
	return $answer;
}

sub is_refused ($answer, $status, $what) {
	subtest $what => sub {
		is $answer->{status}, $status, "refused with $status";
		is $answer->{json}{success}, 0, 'in JSON'
			or diag substr $answer->{body}, 0, 200;
	};
	return;
}

subtest "$base answers over TLS" => sub {
	is $url->scheme, 'https', 'https' or return;
	$wire = Ringback::Wire->new(host => $url->host,
		port => $url->port // 443, ca => $ca,
		$url->host =~ /^[\d.]+$/ ? () : (sni => $url->host));
	my $socket = eval { $wire->connection };
	ok $socket, 'with a certificate that Twilio would accept'
		or diag $@;
	like $socket && $socket->get_sslversion, qr/^TLSv1_[23]$/,
		'TLS 1.2 or 1.3';
	is ask(GET => '/healthz')->{json}{status}, 'alive',
		'and a worker behind it is alive';
	unlike $url->host, qr/_/, 'a name that Twilio calls back to';
};

SKIP: {
	skip 'nobody answers there' if !ask(GET => '/healthz')->{json};

	subtest 'nobody but Twilio is heard' => sub {
		for my $path (@webhooks) {
			is_refused(ask(POST => $path, \%type,
				'AccountSid=AC' . '0' x 32), 403,
				"$path, unsigned");
			is_refused(ask(POST => $path, { %type,
				'X-Twilio-Signature' => 'A' x 27 . '=' },
				'AccountSid=' . ($account // 'AC' . '0' x 32)),
				403, "$path, signed by somebody else");
		}
	};

	subtest 'nor is Twilio in any other manner' => sub {
		for my $path (@webhooks) {
			is_refused(ask(POST => $path, { 'Content-Type' =>
				'application/json' }, '{}'), 415,
				"$path, JSON");
			is_refused(ask(PUT => $path, \%type, 'a=b'), 405,
				"PUT $path");
			# GET /api/twilio/sms is the history: for keys only.
			is_refused(ask(GET => $path), $path eq '/api/twilio/sms'
				? 401 : 405, "GET $path");
		}
	};

	subtest 'the rest is not there, or for keys only' => sub {
		is_refused(ask(GET => $_), 404, $_)
			for qw(/ /nothing /.env /api/twilio/nothing);
		is_refused(ask(GET => $_), 401, $_)
			for qw(/api/twilio/calls /api/twilio/sms);
		is_refused(ask(POST => $_, { 'Content-Type' =>
			'application/json' }, '{}'), 401, $_)
			for qw(/api/twilio/make-call /api/twilio/send-sms);
	};

	subtest 'nothing tells versions' => sub {
		my $answer = ask(GET => '/nothing');
		unlike $answer->{head}, qr/\d\.\d+\.\d+/, 'not the headers';
		unlike $answer->{body}, qr/nginx/, 'not the page';
	};

	subtest 'Twilio is heard' => sub {
		plan skip_all => 'TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are '
			. 'not in the environment' unless $account && $token;
		# Refused for what it says, when it is known who says it: so it
		# is stored nowhere.
		my %form = (AccountSid => $account, CallSid => 'not-a-sid',
			CallStatus => 'ringing');
		for my $path (qw(/api/twilio/voice /api/twilio/status)) {
			my $answer = ask(POST => $path, { %type,
				'X-Twilio-Signature' =>
				Ringback::Test::signature("$base$path", \%form,
				$token) }, Ringback::Test::encode(\%form));
			is $answer->{status}, 400, "$path: the signature is "
				. 'believed' or diag 'Is TWILIO_AUTH_TOKEN '
				. "the server's, and WEBHOOK_BASE_URL there "
				. "$base?";
			is $answer->{json}{code}, 'invalid_sid',
				'and the rest looked at';
		}
	};
}

if ($t) {
	is $t->sql("select count(*) from $_"), 0, "no trace in $_" for
		qw(twilio_calls twilio_sms twilio_recordings webhook_events);
	subtest 'asked from outside it says the same' => sub {
		local %ENV = (%ENV, BACKEND_URL => "$base/", BACKEND_CA => $ca,
			TWILIO_ACCOUNT_SID => $account,
			TWILIO_AUTH_TOKEN => $token);
		my ($status, $out) = Ringback::Test::run_command($^X, $0);
		is $status, 0, 'this file, with BACKEND_URL' or diag $out;
		unlike $out, qr/# skip/i, 'all of it';
		$ENV{TWILIO_AUTH_TOKEN} = 'another';
		($status, $out) = Ringback::Test::run_command($^X, $0);
		isnt $status, 0, 'and that a token is not the server\'s';
		delete $ENV{BACKEND_CA};
		($status, $out) = Ringback::Test::run_command($^X, $0);
		isnt $status, 0, 'and that nobody vouches for it';
	};
	$t->done;
} else {
	done_testing;
}
