# SPDX-License-Identifier: ISC
# For the tests of the carrier: starts it, plays the backend it sends its
# webhooks to (in this process, over TLS), and talks to its API.
package Carrier::Test;
use v5.36;
use Exporter 'import';
use File::Temp 'tempdir';
use FindBin;
use IPC::Open3 'open3';
use MIME::Base64 'encode_base64';
use Mojo::Server::Daemon;
use Mojo::URL;
use Mojo::UserAgent;
use Mojo::Util 'encode';
use Mojolicious;
use Test::More;

use constant {
	AC    => 'AC' . '0123456789abcdef' x 2,
	PN    => 'PN' . 'fedcba9876543210' x 2,
	TOKEN => 'not-a-secret-0123456789abcdef000',
	OURS  => '+18454090692',
	YOU   => '+14155550172',
};
use constant API => '/2010-04-01/Accounts/' . AC;

our @got;       # what the backend was sent: [path, params, signature, URL,
		# headers], oldest first
our %on;        # path => what it answers: TwiML or code; else <Response/>
our $dir = tempdir(CLEANUP => 1);
our $spec = $ENV{TWILIO_OPENAPI}
    // "$FindBin::Bin/../../shared/spec/twilio_api_v2010.json";

our @EXPORT = qw(AC API OURS PN TOKEN YOU @got %on $dir $spec
    backend carrier certificate control env_file paths refused rest rest_p
    run signed_right start start_carrier steps stop_carrier wait_for);

my $ua = Mojo::UserAgent->new(inactivity_timeout => 60);
my ($pid, $carrier);            # the process and its URL
my $backend;

binmode Test::More->builder->$_, ':utf8'
    for qw(output failure_output todo_output);

END { stop_carrier() if $pid }

# The backend's URL; its certificate is backend.pem.
sub backend () {
	state $daemon;
	return $backend if $backend;
	my $app = Mojolicious->new;
	$app->log->level('fatal');
	$app->routes->any('/*any' => sub ($c) {
		my $path = $c->req->url->path->to_string;
		push @got, [$path, $c->req->params->to_hash,
			$c->req->headers->header('X-Twilio-Signature'),
			$c->req->url->to_abs->to_string,
			$c->req->headers->to_hash];
		my $answer = $on{$path} // '<Response/>';
		return $answer->($c) if ref $answer;
		$c->render(data => $answer, format => 'xml');
	});
	my $cert = certificate('backend');
	$daemon = Mojo::Server::Daemon->new(app => $app, silent => 1,
		listen => ["https://127.0.0.1?cert=$cert&key=$dir/backend.key"],
	)->start;
	return $backend = 'https://127.0.0.1:' . $daemon->ports->[0];
}

sub certificate ($name) {
	run(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj),
		'/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1',
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.pem");
	return "$dir/$name.pem";
}

sub carrier () { $carrier }

sub run (@command) {
	my $pid = open3(my $in, my $out, undef, @command);
	my $text = join '', <$out>;
	waitpid $pid, 0;
	return ($? >> 8, $text);
}

sub env_file ($name, %more) {
	my %env = (TWILIO_ACCOUNT_SID => AC, TWILIO_AUTH_TOKEN => TOKEN,
		TWILIO_PHONE_NUMBER => OURS, TWILIO_PHONE_NUMBER_SID => PN,
		WEBHOOK_BASE_URL => backend(), %more);
	open my $fh, '>', "$dir/$name" or die "$dir/$name: $!";
	print $fh "# made by a test\n";
	print $fh "$_=\"$env{$_}\"\n" for sort keys %env;
	close $fh;
	return "$dir/$name";
}

# A stand-in that takes any free port and prints its URL.
sub start ($program, @args) {
	my $child = open3(my $in, my $out, '>&STDERR',
		"$FindBin::Bin/standin/$program", @args);
	my ($url) = (<$out> // '') =~ /(http:\S+)/
	    or BAIL_OUT("$program did not start");
	return ($child, $url);
}

sub start_carrier (@args) {
	($pid, $carrier) = start('carrier', '--listen', '127.0.0.1:0',
		'--state', "$dir/state", @args);
}

# The status it ended with.
sub stop_carrier () {
	kill 'TERM', $pid;
	waitpid $pid, 0;
	undef $pid;
	return $?;
}

# Runs the loop, so that the backend answers while we wait.
sub wait_for ($promise) {
	my ($value, $error);
	$promise->then(sub ($v) { $value = $v }, sub ($e) { $error = $e })->wait;
	die $error if defined $error;
	return $value;
}

sub control ($method, $what, $ask = undef) {
	my $tx = $ua->build_tx($method => "$carrier/_carrier/$what"
	    => $ask ? (json => $ask) : ());
	my $res = wait_for($ua->start_p($tx))->res;
	is $res->code, 200, "$method $what" or diag $res->body;
	return $res->json;
}

sub rest_p ($method, $path, $params = {}, $user = AC . ':' . TOKEN) {
	my $url = Mojo::URL->new($carrier . API . "/$path")->userinfo($user);
	my $tx  = $ua->build_tx($method => $url
	    => $method eq 'POST' ? (form => $params) : ());
	return $ua->start_p($tx)->then(sub ($done) { $done->res });
}

sub rest (@args) { wait_for(rest_p(@args)) }

sub refused ($code, $status, $what, @args) {
	my $json = rest(@args)->json // {};
	is_deeply [$json->@{qw(code status more_info)}], [$code, $status,
	    "https://www.twilio.com/docs/errors/$code"], "$code: $what";
}

sub paths () { map { $_->[0] =~ s{^/api/twilio/}{}r } @got }

sub steps ($story) { map { $_->{what} } $story->{steps}->@* }

# As documented, and by another implementation: openssl's.
sub signed_right ($request, $token = TOKEN) {
	my (undef, $params, $signature, $url) = @$request;
	my $text = $url . join '', map { $_ . $params->{$_} } sort keys %$params;
	open my $fh, '>', "$dir/signed" or die $!;
	print $fh encode('UTF-8', $text);
	close $fh;
	my (undef, $mac) = run(qw(openssl dgst -sha1 -binary -hmac), $token,
	    "$dir/signed");
	return encode_base64($mac, '') eq $signature;
}

1;
