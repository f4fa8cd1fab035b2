# SPDX-License-Identifier: ISC
# Ringback::Test: a real nginx, PostgreSQL and workers for one test file, by
# app/quickstart, in a directory of their own that is gone afterwards.
#
#	my $t = Ringback::Test->new(env => { SMS_REPLY => '' });
#	my %call = $t->call;
#	like $t->post_signed('/api/twilio/voice', \%call), qr/<Record /, 'offered';
#	is $t->sql('select count(*) from twilio_calls'), 1, 'kept';
#	$t->done;
#
# done() ends every story with the hygiene that nobody should have to think
# of: no nginx alert, no sanitizer line, no secret, number or message body in
# any log, no open transaction, nothing left running.
package Ringback::Test;
use v5.36;

use Cwd qw(abs_path);
use DBI;
use Digest::SHA qw(hmac_sha1_base64);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Mojo::IOLoop;
use Mojo::JSON qw(decode_json encode_json);
use Mojo::UserAgent;
use Mojo::Util qw(url_escape);
use POSIX ();
use Scalar::Util qw(weaken);
use Test::More;
use Time::HiRes qw(sleep time);

use Ringback::Carrier;
use Ringback::Fake;

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');

our $ACCOUNT = 'AC' . '0123456789abcdef' x 2;
our $TOKEN   = 'canary-auth-token-5f2c1d9e';
our $NUMBER  = '+15005550009';
our $CALLER  = '+15005550006';

my @living;	# what a test that dies leaves for END to stop

# A port nobody listens on now. Two tests at once may be given the same one;
# quickstart then says so and start() tries another.
sub free_port {
	my $s = IO::Socket::INET->new(
		Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0
	) or die "no free port: $!";
	return $s->sockport;
}

# env: settings; fakes: name => handler (see Ringback::Fake), of twilio,
# openai and llm; carrier => 1 for the stand-in as Twilio (Ringback::Carrier);
# workers; start => 0 to only prepare the directory; schedule => 1 for the
# one-minute sweep.
sub new ($class, %o) {
	my $self = bless {
		dir     => tempdir('ringback-t-XXXXXX', TMPDIR => 1, CLEANUP => 0),
		env     => { settings(), %{ $o{env} // {} } },
		workers => $o{workers} // 2,
		options => [ $o{schedule} ? () : '--no-schedule' ],
		secrets => [],
		fakes   => {},
		pid     => $$,
	}, $class;
	# The programs are other users, who have to get in.
	chmod 0711, $self->{dir} if !$>;
	weaken($living[@living] = $self);
	my %base = (twilio => 'TWILIO_API_BASE_URL',
		openai => 'OPENAI_BASE_URL', llm => 'LLM_BASE_URL');
	for my $name (sort keys %{ $o{fakes} // {} }) {
		my $fake = Ringback::Fake->new($o{fakes}{$name});
		$self->{fakes}{$name} = $fake;
		$self->{env}{ $base{$name} } = $fake->url;
	}
	if ($o{carrier}) {
		$self->{carrier} = Ringback::Carrier->new(root => $ROOT,
			dir => $self->{dir});
		$self->{env}{TWILIO_API_BASE_URL} = $self->{carrier}->url;
	}
	$self->start unless exists $o{start} && !$o{start};
	return $self;
}

sub settings {
	return (
		TWILIO_ACCOUNT_SID  => $ACCOUNT,
		TWILIO_AUTH_TOKEN   => $TOKEN,
		TWILIO_PHONE_NUMBER => $NUMBER,
		TWILIO_PHONE_NUMBER_SID => 'PN' . 'b' x 32,
		TWILIO_API_BASE_URL => 'http://127.0.0.1:9',	# discard: nobody
		OPENAI_BASE_URL     => 'http://127.0.0.1:9/v1',
		LLM_BASE_URL        => 'http://127.0.0.1:9/v1',
		RECONCILE_MINUTES   => 0,	# but where it is the story
	);
}

sub dir ($self)  { return $self->{dir} . '/run-here' }
sub base ($self) { return "https://127.0.0.1:$self->{port}" }
sub fake ($self, $name) { return $self->{fakes}{$name} }
sub carrier ($self) { return $self->{carrier} }

sub quickstart ($self, $command, @args) {
	return run_command("$ROOT/app/quickstart", $command, '--dir', $self->dir,
		@args);
}

# (exit status, standard output, standard error) of a command.
sub run_command (@command) {
	my $dir = tempdir(CLEANUP => 1);
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>', "$dir/out";
		open STDERR, '>', "$dir/err";
		exec @command or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return ($status, slurp("$dir/out"), slurp("$dir/err"));
}

sub slurp ($path) {
	open my $fh, '<:raw', $path or return '';
	local $/;
	return scalar <$fh> // '';
}

sub write_env ($self) {
	my $path = "$self->{dir}/settings.env";
	open my $fh, '>', $path or die "$path: $!";
	chmod 0600, $path;
	for (sort keys %{ $self->{env} }) {
		my $value = $self->{env}{$_} // next;
		print {$fh} $value =~ /[\s#']/ ? qq($_="$value"\n) : "$_=$value\n";
	}
	close $fh;
	return $path;
}

# Starts everything, or starts again what was stopped; the data stay.
sub start ($self) {
	my ($status, $out, $err);
	for (1 .. 5) {
		$self->{port} //= free_port();
		($status, $out, $err) = $self->quickstart('up', '--port',
			$self->{port}, '--workers', $self->{workers}, '--env',
			$self->write_env, @{ $self->{options} });
		last if $status == 0 || $err !~ /in use/;
		delete $self->{port};
	}
	if ($status != 0) {
		diag $err;
		BAIL_OUT("quickstart up failed with $status");
	}
	my %env = $self->env;
	$self->{database_url} = $env{DATABASE_URL};
	$self->{ua} = Mojo::UserAgent->new(ca => $self->dir . '/tls/cert.pem',
		connect_timeout => 5, request_timeout => 30,
		inactivity_timeout => 30, max_redirects => 0);
	$self->{carrier}->start(env => $self->dir . '/.env',
		ca => $self->dir . '/tls/cert.pem') if $self->{carrier};
	return $self;
}

# DIR/.env as it is in force.
sub env ($self) {
	my %env;
	for (split /\n/, slurp($self->dir . '/.env')) {
		$env{$1} = $3 if /^([A-Z_]+)=(["']?)(.*)\2$/;
	}
	return %env;
}

# Changes settings and restarts what reads them. undef removes one.
sub change ($self, %env) {
	$self->{env}{$_} = $env{$_} for keys %env;
	my @gone = grep { !defined $env{$_} } keys %env;
	$self->forget(@gone) if @gone;
	return $self->start;
}

# DIR/.env keeps what it was once given.
sub forget ($self, @names) {
	my %gone = map { $_ => 1 } @names;
	my $path = $self->dir . '/.env';
	$self->quickstart('down');
	my @lines = grep { !/^(\w+)=/ || !$gone{$1} } split /^/, slurp($path);
	open my $fh, '>:raw', $path or die "$path: $!";
	print {$fh} @lines;
	close $fh;
	return;
}

# --- what Twilio would send ----------------------------------------------

my $serial = 0;

sub sid ($prefix) { return $prefix . sprintf '%032x', $$ * 100_000 + ++$serial }

sub call ($self, %more) {
	return (CallSid => sid('CA'), AccountSid => $ACCOUNT, From => $CALLER,
		To => $NUMBER, Caller => $CALLER, Called => $NUMBER,
		CallStatus => 'ringing', ApiVersion => '2010-04-01',
		Direction => 'inbound', FromCity => '', FromCountry => 'US', %more);
}

sub text ($self, %more) {
	my $sid = sid('SM');
	return (MessageSid => $sid, SmsSid => $sid, SmsMessageSid => $sid,
		AccountSid => $ACCOUNT, From => $CALLER, To => $NUMBER,
		Body => 'hello', NumMedia => 0, NumSegments => 1,
		SmsStatus => 'received', ApiVersion => '2010-04-01', %more);
}

sub recording ($self, $call_sid, %more) {
	my $sid = $more{RecordingSid} // sid('RE');
	return (AccountSid => $ACCOUNT, CallSid => $call_sid,
		RecordingSid => $sid, RecordingUrl =>
		"https://api.twilio.com/2010-04-01/Accounts/$ACCOUNT/Recordings/$sid",
		RecordingStatus => 'completed', RecordingDuration => 12,
		RecordingChannels => 1, RecordingSource => 'RecordVerb',
		RecordingStartTime => 'Tue, 01 Sep 2026 10:00:00 +0000',
		ErrorCode => 0, %more);
}

# X-Twilio-Signature, written from Twilio's documentation and not from ours.
# A value may be a list: a name that is sent several times.
sub signature ($url, $form, $token = $TOKEN) {
	my $text = $url;
	for my $key (sort keys %$form) {
		my %seen;
		my @values = ref $form->{$key} ? @{ $form->{$key} } : $form->{$key};
		$text .= $key . $_ for grep { !$seen{$_}++ } sort @values;
	}
	utf8::encode($text) if utf8::is_utf8($text);
	return hmac_sha1_base64($text, $token) . '=';
}

sub encode ($form) {
	return join '&', map {
		my $key = $_;
		map { url_escape($key) . '=' . url_escape(bytes($_)) }
			ref $form->{$key} ? @{ $form->{$key} } : $form->{$key}
	} sort keys %$form;
}

sub bytes ($value) {
	my $copy = "$value";
	utf8::encode($copy) if utf8::is_utf8($copy);
	return $copy;
}

# Request with full control; the answer compares as its body.
sub request ($self, @what) {
	return Ringback::Test::Answer->new(
		$self->{ua}->start($self->transaction(@what)));
}

sub transaction ($self, $method, $path, $headers = {}, $body = '') {
	my $tx = $self->{ua}->build_tx($method => $self->base . $path => $headers
		=> $body);
	# Mojo tidies URLs; the test means what it wrote.
	$tx->req->url->path->{path} = $path =~ s/\?.*//sr
		if $path =~ m{//|%2[eE]|[^!-~]};
	return $tx;
}

sub post ($self, $path, $form, %headers) {
	return $self->request(POST => $path, {
		'Content-Type' => 'application/x-www-form-urlencoded', %headers
	}, encode($form));
}

sub post_signed ($self, $path, $form, %o) {
	$self->note_secrets($form);
	return $self->post($path, $form, 'X-Twilio-Signature' => signature(
		$self->base . $path, $form, $o{token} // $TOKEN));
}

sub post_unsigned ($self, $path, $form) { return $self->post($path, $form) }

# What must never be read in a log.
sub note_secrets ($self, $form) {
	push @{ $self->{secrets} }, grep { defined && length >= 9 && !ref }
		map { ref $form->{$_} eq 'ARRAY' ? @{ $form->{$_} }
			: $form->{$_} } qw(Body From To body message to from);
	return;
}

# --- the JSON API ---------------------------------------------------------

# A new API key: user, scopes, name, days as ringback-admin takes them.
sub key ($self, %o) {
	my ($bindir) = slurp($self->dir . '/.state') =~ /^BINDIR=(.+)$/m;
	my ($status, $key, $err) = run_command("$bindir/ringback-admin", '-f',
		$self->dir . '/.env', qw(key add), map { ("--$_", $o{$_}) }
		sort keys %o);
	die "key add: $status: $err" if $status != 0;
	push @{ $self->{secrets} }, $key =~ /_(\w{43})$/;
	return $key =~ s/\n//r;
}

# A request with that key; what to send is JSON, or text as it is, or nothing.
sub api ($self, @what) { return $self->request($self->api_request(@what)) }

# The same without waiting: a promise of the answer.
sub api_p ($self, @what) {
	return $self->{ua}->start_p($self->transaction($self->api_request(
		@what)))->then(sub ($tx) { Ringback::Test::Answer->new($tx) });
}

sub api_request ($self, $method, $path, $key, $body = undef, $headers = {}) {
	$self->note_secrets($body) if ref $body;
	return ($method, $path, {
		defined $key ? (Authorization => "Bearer $key") : (),
		defined $body ? ('Content-Type' => 'application/json') : (),
		%$headers,
	}, ref $body ? encode_json($body) : $body // '');
}

# --- looking inside -------------------------------------------------------

sub dbh ($self) {
	return $self->{dbh} if $self->{dbh} && $self->{dbh}->ping;
	my ($user, $host) =
		$self->{database_url} =~ m{^postgresql://([^@]+)@/.*host=([^&]+)}
		or die "DATABASE_URL is $self->{database_url}";
	my $login = sub ($as) { DBI->connect(
		"dbi:Pg:dbname=ringback;host=$host;user=$as", '', '',
		{ RaiseError => 1, PrintError => 0, PrintWarn => 0,
		pg_enable_utf8 => 1 }) };
	# A test sees, and ends, what other roles do.
	eval { $login->('postgres')->do("grant pg_monitor, pg_signal_backend
		to $user") } unless $self->{granted}++;
	return $self->{dbh} = $login->($user);
}

# First value of the first row.
sub sql ($self, $sql, @values) {
	my $row = $self->dbh->selectrow_arrayref($sql, undef, @values);
	return $row ? $row->[0] : undef;
}

sub row ($self, $sql, @values) {
	return $self->dbh->selectrow_hashref($sql, undef, @values);
}

sub sweep ($self, @args) { return $self->quickstart('sweep', @args) }

# A worker writes its lines when it has had nothing to do for a moment.
sub log ($self, $name) {
	sleep 0.05 if $name =~ /^worker/;
	return slurp($self->dir . "/log/$name.log");
}

sub logs ($self) {
	return map { $_ => slurp($_) } glob $self->dir . '/log/*';
}

sub pids ($self, $name) {
	my (undef, $out) = $self->quickstart('status');
	return map { /^\Q$name\E (\d+)/ ? $1 : () } split /\n/, $out;
}

# Waits until something is true; what it was is returned. Requests that
# api_p() began go on meanwhile.
sub wait_for ($self, $what, $condition, $seconds = 20) {
	my $end = time + $seconds;
	while (time < $end) {
		my $value = $condition->();
		return $value if $value;
		Mojo::IOLoop->timer(0.05 => sub ($loop) { $loop->stop });
		Mojo::IOLoop->start;
	}
	fail "waited $seconds s for $what";
	return;
}

# A due recording of a completed call, as the webhooks would leave it.
sub due_recording ($self, %more) {
	my %call = $self->call;
	$self->post_signed('/api/twilio/voice', \%call);
	my %recording = $self->recording($call{CallSid}, %more);
	$self->post_signed('/api/twilio/recording-status', \%recording);
	return $recording{RecordingSid};
}

# --- the end of the story -------------------------------------------------

# but: an alert of nginx's that this test brings about.
sub done ($self, %o) {
	$_->stop for values %{ $self->{fakes} }, $self->{carrier} // ();
	my $open = eval { $self->sql(q{select count(*) from pg_stat_activity
		where state like 'idle in transaction%'}) };
	is $open // 0, 0, 'hygiene: no transaction left open';
	delete $self->{dbh};
	my ($status, undef, $err) = $self->quickstart('down');
	is $status, 0, 'hygiene: everything stopped' or diag $err;
	is_deeply [ $self->survivors ], [], 'hygiene: nothing outlives down';
	my %logs = $self->logs;
	my (@alerts, @sanitizer, @leaks);
	for my $path (sort keys %logs) {
		push @alerts, "$path: $_" for grep { !$o{but} || !/$o{but}/ }
			$logs{$path} =~ /^.*\[(?:alert|emerg|crit)\].*$/mg;
		push @sanitizer, "$path: $_" for $logs{$path} =~
			/^.*(?:AddressSanitizer|LeakSanitizer|runtime error:).*$/mg;
		for my $secret ($TOKEN, $self->extra_secrets,
			@{ $self->{secrets} }) {
			push @leaks, "$path has '$secret'"
				if index($logs{$path}, bytes($secret)) >= 0;
		}
	}
	is_deeply \@alerts, [], 'hygiene: no nginx alert';
	is_deeply \@sanitizer, [], 'hygiene: no sanitizer line';
	is_deeply \@leaks, [], 'hygiene: no secret, number or body in a log';
	$self->remove;
	done_testing;
	return;
}

sub extra_secrets ($self) {
	return grep { defined && length >= 8 } map { $self->{env}{$_} }
		grep { /KEY$|SECRET$|TOKEN_NEXT$/ } keys %{ $self->{env} };
}

sub survivors ($self) {
	my $marker = 'RINGBACK_QUICKSTART=' . $self->dir;
	my @left;
	for my $path (glob '/proc/[0-9]*/environ') {
		my ($pid) = $path =~ /(\d+)/;
		push @left, slurp("/proc/$pid/cmdline") =~ tr/\0/ /r
			if grep { $_ eq $marker } split /\0/, slurp($path);
	}
	return @left;
}

sub remove ($self) {
	return if $self->{removed}++;
	system 'rm', '-rf', $self->{dir};
	return;
}

sub DESTROY ($self) {
	return if $$ != $self->{pid} || $self->{removed};
	local $?;
	$_->stop for values %{ $self->{fakes} }, $self->{carrier} // ();
	$self->quickstart('down');
	if ($ENV{RINGBACK_KEEP}) {
		$self->{removed} = 1;
		diag "kept: $self->{dir}";
	} else {
		$self->remove;
	}
	return;
}

END { defined && $_->DESTROY for @living }

# An HTTP answer that compares as its body.
package Ringback::Test::Answer;
use v5.36;
use Mojo::JSON ();
use overload '""' => sub ($self, @) { $self->body }, fallback => 1;

sub new ($class, $tx) { return bless { tx => $tx }, $class }
sub status ($self) { return $self->{tx}->res->code // 0 }
sub body ($self)   { return $self->{tx}->res->body }
sub json ($self)   { return Mojo::JSON::decode_json($self->body) }
sub header ($self, $name) { return $self->{tx}->res->headers->header($name) }
sub type ($self) { return $self->header('Content-Type') // '' }
sub error ($self) { return ($self->{tx}->error // {})->{message} }

1;
