# SPDX-License-Identifier: ISC
# The door: TLS, names, sizes, and what passes through it to a worker or into
# a log, with the configuration that quickstart and Debian run.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Mojo::JSON qw(decode_json encode_json);
use Ringback::Test;
use Ringback::Wire;

$ENV{PATH} .= ':/usr/sbin:/sbin';
my $bin = $ENV{RINGBACK_BINDIR} // "$Ringback::Test::ROOT/.build/default";

# One worker: whoever kept it busy would be noticed at once.
my $t = Ringback::Test->new(workers => 1);
my $wire = Ringback::Wire->to($t);
my @form = ('Content-Type' => 'application/x-www-form-urlencoded');

sub slurp ($path) { return Ringback::Test::slurp($path) }

sub spew ($path, $text) {
	open my $fh, '>', $path or die "$path: $!";
	print {$fh} $text;
	close $fh;
	return $path;
}

# The headers and the body of a signed form.
sub signed ($path, $form) {
	$t->note_secrets($form);
	return ([ @form, 'X-Twilio-Signature' => Ringback::Test::signature(
		$t->base . $path, $form) ], Ringback::Test::encode($form));
}

# --- the configuration -----------------------------------------------------

# A copy in which everything that nginx would write lies in $to.
sub moved ($text, $to) {
	my $dir = $t->dir;
	return $text =~ s{\Q$dir\E/(?:log|run)/(?=nginx|access)}{$to/}gr
		=~ s{\Q$dir\E/nginx/}{$to/}gr;
}

sub copy_of_config {
	my $to = tempdir(CLEANUP => 1);
	system('cp', '-R', $t->dir . '/nginx/.', $to) == 0 or die 'cp';
	spew("$to/$_", moved(slurp("$to/$_"), $to))
		for qw(nginx.conf ringback.conf);
	return $to;
}

sub config_is_clean ($what, $dir, $conf) {
	my ($status, $out, $err) = Ringback::Test::run_command('nginx', '-t',
		'-e', "$dir/error.log", '-p', $dir, '-c', $conf);
	is $status, 0, "$what is right";
	is scalar(grep { !/syntax is ok$|test is successful$/ }
		split /\n/, $err), 0, 'and nginx has nothing to say about it'
		or diag $err;
	return;
}

subtest 'nginx has no complaint' => sub {
	my $dir = copy_of_config();
	config_is_clean('the configuration of quickstart', $dir,
		"$dir/nginx.conf");

	# The installed site within Debian's own nginx.conf, which still offers
	# old TLS and shows the version.
	plan skip_all => 'no nginx.conf of Debian\'s'
		unless -e '/etc/nginx/nginx.conf';
	my $site = slurp("$bin/nginx/ringback.conf");
	unlike $site, qr/\@[A-Z_]+\@/, 'the installed site is filled in';
	like $site, qr/^\s*listen 443 ssl;$/m, 'on port 443';
	my $tls = $t->dir . '/tls';
	my $port = Ringback::Test::free_port();
	spew("$dir/site.conf", $site =~ s{listen 443}{listen $port}gr
		=~ s{/etc/letsencrypt/\S+/fullchain\.pem}{$tls/cert.pem}gr
		=~ s{/etc/letsencrypt/\S+/privkey\.pem}{$tls/key.pem}gr
		=~ s{/var/log/nginx/}{$dir/}gr
		=~ s{/\S+/share/ringback/nginx}{$dir}gr);
	my $places = join '', map { "${_}_temp_path $dir/$_;\n" }
		qw(client_body fastcgi proxy scgi uwsgi);
	my $debian = slurp('/etc/nginx/nginx.conf')
		=~ s{^pid .*$}{pid $dir/debian.pid;}mr
		=~ s{/var/log/nginx/}{$dir/}gr
		=~ s{^\s*include /etc/nginx/(?:sites|modules)-enabled/.*;}{}mgr;
	is $debian =~ s{^\s*include /etc/nginx/conf\.d/\*\.conf;}
		{$places include $dir/site.conf;}m, 1,
		'Debian includes conf.d';
	# Who is not root cannot become another user, and nginx says so.
	$debian =~ s{^user .*$}{}m if $> != 0;
	config_is_clean('the site within Debian\'s configuration', $dir,
		spew("$dir/debian.conf", $debian));
};

# --- TLS and names ---------------------------------------------------------

sub s_client (@args) {
	my (undef, $out, $err) = Ringback::Test::run_command('openssl',
		's_client', '-connect', "127.0.0.1:$t->{port}", '-cipher',
		'ALL:@SECLEVEL=0', @args);
	return $out . $err;
}

subtest 'TLS 1.2 and 1.3, with forward secrecy, and nothing older' => sub {
	like s_client('-tls1_2'), qr/^New, TLSv1\.2, Cipher is ECDHE-/m, '1.2';
	like s_client('-tls1_3'), qr/^New, TLSv1\.3, /m, '1.3';
	for my $old ('-tls1', '-tls1_1') {
		my $said = s_client($old);
		like $said, qr/alert protocol version/, "$old refused";
		like $said, qr/^New, \(NONE\)/m, 'no session';
	}
	for my $weak ('AES128-SHA', 'AES256-GCM-SHA384',
		'ECDHE-ECDSA-AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256') {
		like s_client('-tls1_2', '-cipher', "$weak:\@SECLEVEL=0"),
			qr/^New, \(NONE\)/m, "$weak refused";
	}
	unlike s_client('-tls1_2', '-reconnect'), qr/TLS session ticket:/,
		'no ticket that would outlive a key';
	my $plain = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $t->{port}) or die $!;
	print {$plain} "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
	my $said = join '', <$plain>;
	like $said, qr{^HTTP/1\.1 400 .*\n\{.*"https_required".*\}}s,
		'no answer without TLS but that';
};

subtest 'only those who call it by its name are answered' => sub {
	for my $host ('127.0.0.1', "127.0.0.1:$t->{port}", 'localhost',
		'LOCALHOST', '127.0.0.1.') {
		is $wire->ask(GET => '/healthz', [ Host => $host ])->{status},
			200, "Host: $host";
	}
	for my $host ('voice.example.com', '0.0.0.0', '127.0.0.2',
		'localhost.example.com', 'xlocalhost', '[::1]', '*', '_',
		'~^.*$') {
		is $wire->ask(GET => '/healthz', [ Host => $host ])->{status},
			0, "Host: $host hears nothing";
	}
	is $wire->exchange("GET /healthz HTTP/1.0\r\n\r\n")->{status}, 0,
		'nor does who names none';
	is $wire->exchange("GET /healthz HTTP/1.1\r\n\r\n")->{status}, 400,
		'which in HTTP/1.1 is an error';
	for my $hosts ([ '127.0.0.1', 'evil.example' ],
		[ 'evil.example', '127.0.0.1' ]) {
		is $wire->ask(GET => '/healthz', [ map { (Host => $_) }
			@$hosts ])->{status}, 400, "two: @$hosts";
	}
	my $other = Ringback::Wire->to($t, sni => 'evil.example');
	is $other->ask(GET => '/healthz', [ Host => 'evil.example' ])->{status},
		0, 'by another name already in the handshake';
	is $other->ask(POST => '/api/twilio/voice', [ @form, Host =>
		'evil.example' ], 'a=b')->{status}, 0, 'nor a webhook';
};

# --- errors ----------------------------------------------------------------

# Every error is JSON, small, and says what this is an error of.
sub is_error ($answer, $status, $code, $what) {
	subtest $what => sub {
		is $answer->{status}, $status, "status $status";
		is $answer->{header}{'content-type'}, 'application/json',
			'JSON';
		cmp_ok length $answer->{body}, '<', 300, 'short';
		my $said = eval { decode_json($answer->{body}) } // {};
		is $said->{success}, 0, 'success: false';
		like $said->{code}, $code, 'and which';
		like $said->{error}, qr/^[a-z].* /, 'in words, too';
		is $answer->{header}{server}, 'nginx', 'no version';
		unlike $answer->{body}, qr/nginx|<html/i, 'not even a name';
	};
	return;
}

subtest 'what is too large is said to be, and goes no further' => sub {
	my $n = () = $t->log('worker-hooks') =~ / request /g;
	for my $path ('/api/twilio/voice', '/api/twilio/sms',
		'/api/twilio/status', '/api/twilio/recording-status',
		'/twilio/voice', '/api/twilio/send-sms') {
		is_error($wire->post($path, 'x' x 65_537), 413,
			qr/^too_large$/, "a body for $path");
	}
	is_error($wire->ask(POST => '/api/twilio/voice', [ @form,
		'Content-Length' => 2**40 ]), 413, qr/^too_large$/,
		'a promise of a terabyte');
	is_error($wire->ask(POST => '/api/twilio/voice', [ @form,
		'Transfer-Encoding' => 'chunked' ], join '', map { "2000\r\n"
		. 'x' x 8192 . "\r\n" } 1 .. 9), 413, qr/^too_large$/,
		'a body in chunks that do not end');
	is_error($wire->ask(GET => '/' . 'x' x 9000), 414, qr/^too_large$/,
		'a URL');
	is_error($wire->ask(GET => '/healthz', [ 'X-Long' => 'x' x 9000 ]), 400,
		qr/^too_large$/, 'a header');
	is scalar(() = $t->log('worker-hooks') =~ / request /g), $n,
		'no worker heard of any of it';
	my %text = $t->text(map { $_ => 'x' x 16_000 } 'a' .. 'd');
	is $wire->ask(POST => '/api/twilio/sms', signed('/api/twilio/sms',
		\%text))->{status}, 200, 'just below is not too large';
};

subtest 'what is not there is not found' => sub {
	for my $path (qw(/ /index.html /api /twilio /fallback/voice.xml /error
		/.env /nginx.conf /fastcgi.conf /error/large
		/fallback/ /API/twilio/voice /healthz/ /api%2ftwilio/voice)) {
		my $answer = $wire->ask(GET => $path);
		is_error($answer, 404, qr/^not_found$/, $path);
	}
	is_error($wire->ask(GET => $_), 400, qr/^invalid_request$/, $_)
		for qw(/../nginx.conf /%2e%2e/.env /%00);
	is_error($wire->ask(GET => '/api/twilio/nothing'), 404,
		qr/^not_found$/, 'said by the api\'s worker');
	is_error($wire->ask(TRACE => '/healthz'), 405,
		qr/^method_not_allowed$/, 'TRACE');
	is_error($wire->ask(GET => '/api/twilio/voice'), 405,
		qr/^method_not_allowed$/, 'GET, said by the hooks\' worker');
	is_error($wire->ask(POST => '/api/twilio/status', [ @form,
		'Transfer-Encoding' => 'chunked' ], "nonsense\r\n"), 400,
		qr/^invalid_request$/, 'a webhook that is cut wrong');
	is_error($wire->exchange("nonsense\r\n\r\n"), 400,
		qr/^invalid_request$/, 'nonsense');
};

subtest 'every door in the table of routes leads to its worker' => sub {
	my $table = slurp("$Ringback::Test::ROOT/app/routes.def")
		=~ s{/\*.*?\*/}{}sgr;
	my @routes;
	push @routes, [ $1, $2, $3 ]
		while $table =~ /^ROUTE\((\w+),\s*(\w+),\s*"([^"]+)"/mg;
	cmp_ok scalar @routes, '>=', 6, scalar(@routes) . ' routes';
	for my $route (@routes) {
		my ($pool, $method, $path) = @$route;
		my $id = $wire->ask($method => $path =~ s/\{\w+\}/x/r, [
			$method eq 'POST' ? @form : () ]
			)->{header}{'x-request-id'};
		my $log = $t->log($pool eq 'HOOKS' ? 'worker-hooks'
			: 'worker-api');
		ok $log =~ / request req=$id method=$method /,
			"$method $path: the $pool workers";
	}
};

# --- what passes through ---------------------------------------------------

subtest 'one id names a request in every log' => sub {
	my %call = $t->call;
	my ($headers, $body) = signed('/api/twilio/voice', \%call);
	my $answer = $wire->ask(POST => '/api/twilio/voice', [ @$headers,
		'X-Request-Id' => 'my-own-request-id' ], $body);
	my $id = $answer->{header}{'x-request-id'};
	like $id, qr/^[0-9a-f]{32}$/, 'it is ours, whatever the client says';
	like $t->log('worker-hooks'), qr/req=$id .*status=200.*$call{CallSid}/,
		'in the worker\'s line';
	$t->wait_for('the line in the access log', sub {
		$t->log('access') =~ /req=$id .*status=200/ });
	like $t->log('access'), qr/req=$id .*POST.*voice.*status=200/,
		'in nginx\'s';
	for my $name (qw(x-request-id x-content-type-options
		strict-transport-security content-type cache-control)) {
		is scalar(() = $answer->{head} =~ /^\Q$name\E:/mig), 1,
			"$name is sent once";
	}
};

subtest 'the access log has no query, no header, no number, no id' => sub {
	my $sid = 'CA' . 'c' x 32;
	my $query = 'phoneNumber=%2B15005550199&token=canary-query';
	my $from = length $t->log('access');
	# Of what nginx refuses itself it writes down one in eight.
	my @own = map { ([ GET => "/+15005550199?$query" ], [ POST =>
		"/twilio/sms?$query", [ @form ], 'x' x 65_600 ]) } 1 .. 60;
	my $id = sub ($request) {
		$wire->ask(@$request)->{header}{'x-request-id'} };
	my @sampled = map { $id->($_) } @own;
	my @asked = map { $id->($_) } (
		[ GET => "/api/twilio/calls?$query", [ Authorization =>
			'Bearer canary-bearer', Cookie => 'canary-cookie',
			'User-Agent' => 'canary-agent', Referer =>
			'https://canary-referer/' ] ],
		[ GET => "/api/twilio/calls/$sid?$query" ],
		[ GET => "/healthz?$query" ],
		[ POST => "/api/twilio/voice?$query", [ @form,
			'X-Twilio-Signature' => 'canary-signature' ],
			'Body=canary-body&From=%2B15005550199' ]);
	my $log = $t->wait_for('the lines in the access log', sub {
		my $new = substr $t->log('access'), $from;
		@asked == (grep { $new =~ /$_/ } @asked) && $new });
	my $some = grep { $log =~ /$_/ } @sampled;
	ok $some > 0 && $some < @sampled,
		"of nginx's own refusals some are there: $some";
	unlike $log, qr/canary|15005550199|$sid|%2B|\?/, 'none of it';
	for my $path ('/api/twilio/calls', '/healthz', '/api/twilio/voice',
		'/twilio/sms') {
		like $log, qr/ GET ?\Q$path\E | POST ?\Q$path\E /,
			"$path is named";
	}
};

subtest 'a slow sender keeps no worker waiting' => sub {
	my %slow = $t->call;
	my ($headers, $body) = signed('/api/twilio/voice', \%slow);
	my @half = (substr($body, 0, 100), substr($body, 100));
	my @wires = map { Ringback::Wire->to($t) } 1 .. 10;
	for my $one (@wires) {
		$one->send($one->request(POST => '/api/twilio/voice',
			[ @$headers, 'Content-Length' => length $body ],
			$half[0]));
	}
	my %quick = $t->call;
	is $wire->ask(POST => '/api/twilio/voice', signed('/api/twilio/voice',
		\%quick))->{status}, 200,
		'the only worker answers another in between';
	is $t->sql('select count(*) from twilio_calls where call_sid = ?',
		$slow{CallSid}), 0, 'and knows nothing yet of the slow ones';
	$_->send($half[1]) for @wires;
	is $_->answer->{status}, 200, 'a slow one is answered at its end'
		for @wires;
	is $t->sql('select count(*) from twilio_calls where call_sid = ?',
		$slow{CallSid}), 1, 'and kept';
};

subtest 'who asks first whether to go on is told to' => sub {
	my %call = $t->call;
	my ($headers, $body) = signed('/api/twilio/voice', \%call);
	is $wire->ask(POST => '/api/twilio/voice', [ @$headers, Expect =>
		'100-continue' ], $body)->{status}, 200, 'Expect: 100-continue';
	is $wire->ask(POST => '/api/twilio/voice', [ @$headers,
		'Transfer-Encoding' => 'chunked' ], sprintf("%x\r\n%s\r\n0\r\n"
		. "\r\n", length $body, $body))->{status}, 200,
		'a body in chunks';
};

# --- what a worker is told -------------------------------------------------

# Stands where the workers stand and writes down what it is told: a line of
# JSON for each request, the FastCGI parameters as a list of pairs.
sub listening_worker ($path, $journal) {
	my $listen = IO::Socket::UNIX->new(Local => $path, Listen => 16)
		or die "$path: $!";
	chmod 0777, $path;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	while (my $peer = $listen->accept) {
		my %in = (4 => '', 5 => '');	# parameters, body
		while (8 == read $peer, my $head, 8) {
			my (undef, $type, undef, $n, $pad) =
				unpack 'CCnnC', $head;
			read $peer, my $content, $n + $pad;
			$in{$type} .= substr $content, 0, $n;
			last if $type == 5 && $n == 0;
		}
		my @pairs;
		my $size = sub { my ($n) = unpack 'C', $in{4};
			$n > 127 ? unpack('N', substr $in{4}, 0, 4, '')
			& 0x7fffffff : ord substr $in{4}, 0, 1, '' };
		while (length $in{4}) {
			my @sizes = ($size->(), $size->());
			push @pairs, [ map { substr $in{4}, 0, $_, '' }
				@sizes ];
		}
		open my $out, '>>', $journal;
		print {$out} encode_json([ \@pairs, $in{5} ]), "\n";
		close $out;
		my $said = "Status: 200\r\nContent-Type: text/plain\r\n\r\nok";
		print {$peer} pack('CCnnCC', 1, 6, 1, length $said, 0, 0),
			$said, pack('CCnnCC', 1, 3, 1, 8, 0, 0), "\0" x 8;
		$peer->flush;
		close $peer;
	}
	POSIX::_exit(0);
}

subtest 'a worker is told what nginx knows, not what clients claim' => sub {
	my $dir = copy_of_config();
	chmod 0755, $dir;
	my $port = Ringback::Test::free_port();
	spew("$dir/ringback.conf", slurp("$dir/ringback.conf")
		=~ s{unix:\S+/hooks\.sock}{unix:$dir/hooks.sock}gr
		=~ s{127\.0\.0\.1:$t->{port}}{127.0.0.1:$port}gr);
	my @pids = (listening_worker("$dir/hooks.sock", "$dir/journal"));
	my $nginx = fork // die "fork: $!";
	if (!$nginx) {
		open STDERR, '>', "$dir/nginx.err";
		exec 'nginx', '-e', "$dir/error.log", '-p', $dir, '-c',
			"$dir/nginx.conf", $> ? () : ('-g', 'user root;')
			or POSIX::_exit(127);
	}
	$t->wait_for('another nginx', sub { IO::Socket::INET->new(
		PeerAddr => '127.0.0.1', PeerPort => $port) });
	my $wire = Ringback::Wire->to($t, port => $port);
	my $target = "/api/twilio/voice?x=%27it's%2B&&y=%zz";
	is $wire->ask(POST => $target, [ @form, 'X-Request-Id' => 'mine',
		Proxy => 'http://evil.example:8080', 'User-Agent' =>
		'TwilioProxy/1.1', Accept => '*/*', 'X-Forwarded-For' =>
		'10.9.8.7', 'Request-Uri' => '/evil', 'X_Twilio_Signature' =>
		'underscored', 'X-Twilio-Signature' => 'dashed',
		'Script-Filename' => '/etc/passwd' ], 'a=b%00')->{status}, 200,
		'a request with everything';
	is $wire->ask(POST => '/api/twilio/status', [ @form,
		'Transfer-Encoding' => 'chunked' ], "3\r\na=b\r\n2\r\n&c\r\n"
		. "0\r\n\r\n")->{status}, 200, 'a request in chunks';
	kill 'TERM', $nginx, @pids;
	waitpid $_, 0 for $nginx, @pids;

	my @told = map { decode_json($_) } split /\n/, slurp("$dir/journal");
	my ($pairs, $body) = @{ $told[0] };
	my %told = map { @$_ } @$pairs;
	my %count;
	$count{ $_->[0] }++ for @$pairs;
	is_deeply [ grep { $count{$_} > 1 } sort keys %count ], [],
		'nothing twice';
	is $told{HTTP_PROXY} // '', '', 'no proxy of the client\'s (httpoxy)';
	is_deeply [ grep { exists $told{"HTTP_$_"} } qw(HOST USER_AGENT ACCEPT
		CONTENT_LENGTH) ], [], 'nor what a worker has no use for';
	is $told{REQUEST_URI}, $target, 'the URL exactly as it was sent';
	is $told{REMOTE_ADDR}, '127.0.0.1', 'the peer, not who it says it is';
	like $told{REQUEST_ID}, qr/^[0-9a-f]{32}$/, 'nginx\'s id';
	is $told{HTTP_X_TWILIO_SIGNATURE}, 'dashed', 'the header by its name';
	is_deeply [ grep { !/^HTTP_/ } sort keys %told ], [ sort qw(
		REQUEST_METHOD REQUEST_URI CONTENT_TYPE CONTENT_LENGTH
		REMOTE_ADDR REQUEST_ID) ], 'and nothing that is not needed';
	is $body, 'a=b%00', 'the body';
	($pairs, $body) = @{ $told[1] };
	%told = map { @$_ } @$pairs;
	is_deeply [ $body, $told{CONTENT_LENGTH} ], [ 'a=b&c', 5 ],
		'chunks come as one body of known length';
};

$t->done;
