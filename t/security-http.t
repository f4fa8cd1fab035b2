# SPDX-License-Identifier: ISC
# Whatever is thrown at the door: requests that are wrong in every way, JSON
# and forms that are bombs, headers that would become two. All of it is
# refused in so many words, costs little and leaves nothing.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use List::Util qw(max);
use Mojo::JSON qw(decode_json encode_json);
use POSIX ();
use Ringback::Fake;
use Ringback::Figure qw(figure seed long);
use Ringback::Malformed;
use Ringback::Test;
use Ringback::Trouble qw(workers);
use Ringback::Volley qw(volley signed_post stored servers);
use Ringback::Wire;
use Time::HiRes qw(time);

seed();
my $t = Ringback::Test->new(fakes => { twilio => sub ($c, $n) {
	$c->render(status => 201, json => { sid => 'SM' . sprintf('%032x', $n),
		status => 'queued' });
} });
my $key = $t->key(name => 'sender', scopes => 'admin,send');
my $wire = Ringback::Wire->to($t);
my $ENV_TO = '+15005550006';

# A request to the JSON API, as bytes.
sub api ($method, $path, $body = undef, @headers) {
	return $wire->request($method => $path, [ Authorization =>
		"Bearer $key", defined $body ? ('Content-Type' =>
		'application/json') : (), @headers ], $body // '');
}

# Milliseconds of all workers' CPU for each of some requests.
sub cpu_ms ($pool, $requests, $status) {
	my $spent = sub {
		my $ticks = 0;
		for my $pid (workers($t, $pool)) {
			my @stat = split / /, Ringback::Test::slurp(
				"/proc/$pid/stat") =~ s/^.*\) //sr;
			$ticks += $stat[11] + $stat[12];
		}
		return 1000 * $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
	};
	my $before = $spent->();
	is scalar(grep { $_ != $status } volley($t, $requests)), 0,
		"all are answered $status";
	return sprintf '%.2f', ($spent->() - $before) / @$requests;
}

subtest 'T17: malformed requests of every shape' => sub {
	my $count = long() ? 100_000 : 10_000;
	my $malformed = Ringback::Malformed->new($t, $key);
	my ($before, $servers) = (stored($t), servers($t));
	my (%seen, @wrong);
	my %fixed = map { $_ => 1 } 0, 400, 401, 403, 404, 405, 408, 413, 414,
		415, 429;
	# Not all at once in memory.
	for (my $left = $count; $left > 0; $left -= 5000) {
		my @requests = map { [ $malformed->next ] } 1 .. 5000;
		my @statuses = volley($t, [ map { $_->[1] } @requests ]);
		for my $i (0 .. $#requests) {
			my ($shape, $bytes) = @{ $requests[$i] };
			$seen{$shape}{ $statuses[$i] }++;
			push @wrong, [ $shape, $statuses[$i], ref $bytes eq
				'ARRAY' ? $bytes->[0] : ref $bytes ? $$bytes :
				$bytes ] unless $fixed{ $statuses[$i] };
		}
	}
	figure('malformed requests', $count, '>=', 10_000);
	figure('malformed requests answered otherwise than they should be',
		scalar @wrong, '==', 0);
	for my $one (grep { defined } @wrong[0 .. 9]) {
		diag "$one->[0]: $one->[1]: ", substr($one->[2], 0, 300)
			=~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
	}
	for my $shape (Ringback::Malformed->names) {
		my $n = $seen{$shape} // {};
		note "$shape: ", join ', ', map { "$_ x $n->{$_}" }
			sort keys %$n;
		ok scalar(grep { $_ } values %$n), "there were some: $shape";
	}
	is stored($t), $before, 'nothing is stored of any of them';
	is servers($t), $servers, 'and nobody died of them';
	is scalar $t->fake('twilio')->requests, 0, 'nor heard of them';
};

# --- headers ---------------------------------------------------------------

my %expected = map { $_ => 1 } qw(server date content-type content-length
	connection transfer-encoding keep-alive x-request-id cache-control
	x-content-type-options strict-transport-security link allow
	www-authenticate retry-after idempotent-replayed
	content-security-policy);

sub headers_of ($answer) {
	my (undef, @lines) = split /\r\n/, $answer->{head};
	return @lines;
}

sub other_headers ($answer) {
	return grep { !/^([\w-]+): [ -~]*\z/ || !$expected{ lc $1 } }
		headers_of($answer);
}

subtest 'T13: nothing that is said becomes a header' => sub {
	my @breaks = ("\r\n", "\n", "\r", "\0", "\x0b", "\x{c4}\x{8d}\x{c4}\x{8a}",
		"\x85", "\r\n\r\n<html>");
	my @requests;
	for my $break (@breaks) {
		my $text = "x${break}X-Injected: 1";
		my $encoded = $text =~ s/([^\w])/sprintf '%%%02X', ord $1/ger;
		for my $escaped ($encoded, $encoded =~ s/%/%25/gr,
			lc $encoded) {
			push @requests, api(GET => "/api/twilio/$escaped"),
				map { api(GET => $_) } map {
				("/api/twilio/$_?phoneNumber=$escaped",
				"/api/twilio/$_?userId=$escaped",
				"/api/twilio/$_?q=$escaped&limit=1",
				"/api/twilio/$_?$escaped=1",
				"/api/twilio/$_/$escaped") } qw(calls sms);
		}
		# In a header only what does not end it there and then.
		next if $break =~ /[\n\0]/;
		push @requests, map { api(GET => '/api/twilio/calls', undef,
			$_ => $text) } qw(X-Request-Id Origin Referer
			Idempotency-Key Accept Connection X-Twilio-Signature);
	}
	my @answers = volley($t, \@requests, sub ($answer) {
		[ $answer->{status}, other_headers($answer) ] });
	figure('answers to line ends in every place', scalar(grep { $_->[0] }
		@answers), '>=', 250);
	my @others = map { @$_[1 .. $#$_] } @answers;
	figure('headers that are not ours', scalar @others, '==', 0);
	diag explain \@others if @others;

	# A caller whose name has a line end, and a page of theirs with a next.
	my $name = "client:a\r\nX-Injected: 1";
	is $t->post_signed('/api/twilio/voice', { $t->call(From => $name) }
		)->status, 200, 'somebody with such a name calls' for 1 .. 2;
	my $page = $wire->exchange(api(GET =>
		'/api/twilio/calls?limit=1&phoneNumber='
		. 'client%3Aa%0D%0AX-Injected%3A%201'));
	is $page->{status}, 200, 'their calls, a page of them';
	is_deeply [ other_headers($page) ], [], 'no other header';
	like $page->{header}{link} // '', qr/%0D%0AX-Injected/,
		'the next page is named, escaped';
};

subtest 'T18: headers that decide something come once' => sub {
	my %call = $t->call(CallStatus => 'completed');
	my $path = '/api/twilio/status';
	my $signature = Ringback::Test::signature($t->base . $path, \%call);
	my $body = Ringback::Test::encode(\%call);
	my $before = stored($t);
	my %header = ('X-Twilio-Signature' => $signature, 'Content-Type' =>
		'application/x-www-form-urlencoded', 'Content-Length' =>
		length $body, Host => $wire->host_header);
	for my $name (qw(X-Twilio-Signature Content-Type Content-Length Host)) {
		for my $other ($header{$name}, 'x', '') {
			for my $pair ([ $header{$name}, $other ],
				[ $other, $header{$name} ]) {
				my %rest = %header;
				delete $rest{$name};
				is $wire->ask(POST => $path, [ %rest,
					map { ($name => $_) } @$pair ], $body
					)->{status}, 400, "$name: '$pair->[0]'"
					. " and '$pair->[1]'";
				$wire->close;
			}
		}
	}
	# The first two are in each request of this kind already.
	for my $pair ([ Authorization => 'x' ], [ 'Content-Type' =>
		'application/json' ], [ 'Content-Type' => 'text/plain' ],
		[ 'Idempotency-Key' => 'x', 'Idempotency-Key' => 'y' ],
		[ 'Content-Length' => 1 ], [ 'Transfer-Encoding' => 'chunked' ],
		[ 'Transfer-Encoding' => 'chunked', 'Transfer-Encoding' =>
		'identity' ]) {
		is $wire->exchange(api(POST => '/api/twilio/send-sms',
			encode_json({ to => $ENV_TO, body => 'x' }), @$pair)
			)->{status}, 400, "$pair->[0] twice, or against another";
		$wire->close;
	}
	is stored($t), $before, 'and nothing came of any of it';
	is $wire->ask(POST => $path, [ %header ], $body)->{status}, 204,
		'once each, it is believed';
};

subtest 'T18: a client has no say in who is our proxy' => sub {
	my $proxy = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1',
		LocalPort => 0) or die $!;
	my $url = 'http://127.0.0.1:' . $proxy->sockport;
	my $before = $t->fake('twilio')->requests;
	for my $name ('Proxy', 'http_proxy', 'Http-Proxy', 'HTTPS-PROXY',
		'All-Proxy') {
		is $wire->exchange(api(POST => '/api/twilio/send-sms',
			encode_json({ to => $ENV_TO, body => "by $name" }),
			$name => $url))->{status}, 201, "$name: sent";
	}
	is $t->fake('twilio')->requests - $before, 5, 'straight to Twilio';
	vec(my $bits = '', fileno $proxy, 1) = 1;
	is scalar select($bits, undef, undef, 0.2), 0, 'nobody came by';
};

subtest 'T17: headers without number' => sub {
	my $heard = sub { scalar(() = map { $t->log("worker-$_") =~
		/ request /g } qw(hooks api)) };
	my $before = $heard->();
	my @many = map { ("X-Some-$_" => $_) } 1 .. 1_000;
	for my $request (api(GET => '/healthz', undef, @many),
		$wire->request(POST => '/api/twilio/voice', [ 'Content-Type' =>
		'application/x-www-form-urlencoded', @many ], 'a=b')) {
		my $answer = $wire->exchange($request);
		is $answer->{status}, 400, 'a thousand headers';
		is decode_json($answer->{body})->{code}, 'too_large', 'too many';
		$wire->close;
	}
	is $heard->(), $before, 'no worker heard of them';
	# As small as can be a thousand of them do come through.
	is $wire->exchange(api(GET => '/healthz', undef, ('a', '') x 1_000)
		)->{status}, 400, 'a thousand without anything in them';
	is $wire->exchange(api(GET => '/healthz', undef, ('a', '') x 90)
		)->{status}, 200, 'ninety are answered';
};

# --- bombs -----------------------------------------------------------------

# Each is a text that would be sent, but for what FAULTS M15 saw of cJSON.
my $plain = encode_json({ to => $ENV_TO, body => 'hello' });
my $begin = $plain =~ s/\}$//r;
my $deep = '[' x 1001 . ']' x 1001;
my %quirk = (
	'garbage behind it' => "$plain x", 'another value behind it' =>
	"$plain$plain", 'a NUL behind it' => "$plain\0",
	'NUL and garbage behind it' => "$plain\0x",
	'a NUL in a string' => $plain =~ s/hello/hel\0lo/r,
	'\u0000 in a string' => $plain =~ s/hello/hel\\u0000lo/r,
	'\u0000 in a name' => $plain =~ s/"to"/"to\\u0000x"/r,
	'bytes that are no UTF-8' => $plain =~ s/hello/hel\xfflo/r,
	'overlong UTF-8' => $plain =~ s/hello/\xc0\x80/r,
	'a surrogate in UTF-8' => $plain =~ s/hello/\xed\xa0\x80/r,
	'half a surrogate pair' => $plain =~ s/hello/\\ud83d/r,
	'a control character' => $plain =~ s/hello/hel\x01lo/r,
	'a line end in a string' => $plain =~ s/hello/hel\nlo/r,
	'a leading zero' => "$begin,\"metadata\":{\"n\":007}}",
	'a byte order mark' => "\xef\xbb\xbf$plain",
	'1e400' => "$begin,\"metadata\":{\"n\":1e400}}",
	'-1e400' => "$begin,\"metadata\":{\"n\":-1e400}}",
	'a number of 33 digits' => "$begin,\"metadata\":{\"n\":"
		. '1' x 33 . '}}',
	'NaN' => "$begin,\"metadata\":{\"n\":NaN}}",
	'a name twice' => "$begin,\"to\":\"+15005550007\"}",
	'a name twice, escaped' => "$begin,\"\\u0074o\":\"+15005550007\"}",
	'a name in another case' => "$begin,\"TO\":\"+15005550007\"}",
	'17 deep' => "$begin,\"metadata\":" . '{"a":' x 16 . '1' . '}' x 17,
	'1001 deep' => "$begin,\"metadata\":{\"a\":$deep}}",
	'257 members' => "$begin,\"metadata\":{" . join(',', map {
		"\"n$_\":1" } 1 .. 257) . '}}',
	'a list of 257' => "$begin,\"metadata\":{\"a\":[" . join(',', (1) x 257)
		. ']}}',
	'a comment' => "$begin/* x */}", 'a comma too many' => "$begin,}",
	'single quotes' => $plain =~ tr/"/'/r, 'a list around it' => "[$plain]",
	'nothing' => '', 'a string around it' => encode_json("$plain"),
);

subtest 'T14: JSON that cJSON would take is refused' => sub {
	my $before = stored($t);
	my $sent = $t->fake('twilio')->requests;
	for my $what (sort keys %quirk) {
		my $answer = $wire->exchange(api(POST => '/api/twilio/send-sms',
			$quirk{$what}));
		is $answer->{status}, 400, $what;
		unlike $answer->{body}, qr/hello|[^\n -~]/,
			'… in words, without quoting it';
	}
	is stored($t), $before, 'nothing is stored';
	is scalar $t->fake('twilio')->requests, $sent, 'nor sent';
	is $wire->exchange(api(POST => '/api/twilio/send-sms', $plain)
		)->{status}, 201, 'the text as it should be is sent';
	$t->note_secrets(decode_json($plain));
};

subtest 'T14: the worst 64 KB cost little' => sub {
	my $fill = sub ($text) {
		return join ',', ($text) x int(65_000 / (1 + length $text)) };
	my $name = 0;
	my %bomb = (brackets => '[' x 65_000, braces => '{"":' x 16_000,
		escapes => '{"a":"' . '\\u0041' x 10_800 . '"}',
		quotes => '{"a":"' . '\\"' x 32_000 . '"}',
		'long numbers' => '[' . $fill->('1' x 32) . ']',
		'empty lists' => '[' . $fill->('[]') . ']',
		names => '[' . join(',', map { '{' . join(',', map { '"'
		. sprintf('%04d', $name++) . '":1' } 1 .. 250) . '}' }
		1 .. 27) . ']', 'one name' => '{' . $fill->('"a":1') . '}');
	for my $what (sort keys %bomb) {
		my $ms = cpu_ms(api => [ (api(POST => '/api/twilio/send-sms',
			$bomb{$what})) x 40 ], 400);
		figure("CPU for 64 KB of $what", $ms, '<', 10, unit => 'ms',
			timing => 1);
	}
};

subtest 'T15: forms of very many parameters cost little' => sub {
	my $path = '/api/twilio/voice';
	my $before = stored($t);
	my %bomb = (
		'10,000 parameters' => join('&', map { "p$_=" } 1 .. 8_000,
			(1) x 2_000),
		'20,000 of one name' => join('&', ('a=') x 20_000),
		'separators only' => '&' x 65_000 . 'a=b',
		'255 of one long name' => join('&', map { 'n' x 60 . '=' . $_ }
			1 .. 255, ) . '&x=' . 'y' x 16_000,
		'64 KB of escapes' => 'Body=' . '%41' x 21_000,
	);
	for my $what (sort keys %bomb) {
		my ($status) = volley($t, [ my $one = $wire->request(POST =>
			$path, [ 'Content-Type' =>
			'application/x-www-form-urlencoded',
			'X-Twilio-Signature' => 'A' x 27 . '=' ],
			$bomb{$what}) ]);
		like $status, $what =~ /255|only/ ? qr/^403$/ : qr/^413$/,
			"$what: $status";
		figure("CPU for a form of $what", cpu_ms(hooks =>
			[ ($one) x 100 ], $status), '<', 5, unit => 'ms',
			timing => 1);
	}
	is stored($t), $before, 'nothing is stored';
};

$t->done;
