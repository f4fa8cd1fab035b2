# SPDX-License-Identifier: ISC
# Only Twilio is believed: what it signs is accepted in every shape it sends,
# whatever else is offered at the same doors leaves no trace.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(decode_base64 encode_base64);
use Ringback::Node;
use Ringback::Test;
use Ringback::Wire;

my $SUB       = 'AC' . 'fedcba9876543210' x 2;
my $SUB_TOKEN = 'canary-subaccount-token-77';
my $SUB_NEXT  = 'canary-subaccount-next-78';
my $NEXT      = 'canary-token-of-tomorrow-79';

my $t = Ringback::Test->new(env => {
	TWILIO_AUTH_TOKEN_NEXT => $NEXT,
	TWILIO_SUBACCOUNTS => "$SUB:$SUB_TOKEN:$SUB_NEXT,AC" . '9' x 32
		. ':canary-of-a-third',
});
my $base = $t->base;
my $wire = Ringback::Wire->to($t);
push @{ $t->{secrets} }, $SUB_TOKEN, $SUB_NEXT, $NEXT;

sub signature { return Ringback::Test::signature(@_) }
sub encode    { return Ringback::Test::encode(@_) }

# Everything that a webhook may leave behind.
sub traces {
	return join ' ', map { "$_=" . $t->sql("select count(*) from $_") }
		qw(twilio_calls twilio_sms twilio_recordings webhook_events);
}

# Status of a request whose URL and signature are given apart.
sub status_of ($target, $form, $signature, @headers) {
	$t->note_secrets($form);
	return $wire->post($target, encode($form),
		'X-Twilio-Signature' => $signature, @headers)->{status};
}

# --- what is accepted ------------------------------------------------------

# name, what stands behind the base, form
my @genuine = (
	[ 'a call', '/api/twilio/voice', { $t->call } ],
	[ 'a text', '/api/twilio/sms', { $t->text } ],
	[ 'accents and emoji', '/api/twilio/sms', { $t->text(Body =>
		"h\x{e9}llo \x{1f44d} \x{fc}n\x{ef} \x{65e5}\x{672c}") } ],
	[ 'percent, plus, ampersand, equals', '/api/twilio/sms', {
		$t->text(Body => '50% off + tax & a=b %2B %zz') } ],
	[ 'line ends and spaces at the edges', '/api/twilio/sms', {
		$t->text(Body => "  line1\r\nline2\n\tlast ") } ],
	[ 'empty values', '/api/twilio/voice', { $t->call(FromZip => '',
		FromCity => '', CallerName => '') } ],
	[ 'a name sent three times', '/api/twilio/voice', { $t->call(
		Digits => [ '5678', '1234', '1234' ]) } ],
	[ 'names that begin alike, and in other cases', '/api/twilio/voice', {
		$t->call(Reason => 'p', ReasonConferenceEnded => 'q',
		reason => 'r', A_b => 1, AB => 2, a => 3, MediaUrl10 => 'x',
		MediaUrl2 => 'y') } ],
	[ 'a parameter nobody has heard of', '/api/twilio/voice', {
		$t->call('Some.New_Thing-2' => 'yes') } ],
	[ 'a query', '/api/twilio/voice?b=2&a=1&a=1&empty=&flag', {
		$t->call } ],
	[ 'a query with escapes', '/api/twilio/voice?x=%2B1&y=a%20b+c%2F', {
		$t->call } ],
	[ 'an apostrophe in the query', "/api/twilio/voice?say=it's+fine", {
		$t->call } ],
	[ 'an escaped one', '/api/twilio/voice?say=it%27s+fine', {
		$t->call } ],
	[ 'an at sign and a colon', '/api/twilio/voice?to=sip:a@b.example', {
		$t->call } ],
	[ 'two question marks', '/api/twilio/voice?a=what?&b=c', { $t->call } ],
	[ 'a value as long as a long text', '/api/twilio/sms', {
		$t->text(Body => "\x{20ac}" x 1600) } ],
);

subtest 'what Twilio\'s documentation has signed is accepted' => sub {
	for my $case (@genuine) {
		my ($name, $target, $form) = @$case;
		is status_of($target, $form, signature("$base$target", $form)),
			200, $name;
	}
};

subtest 'so is what Twilio\'s own package for node has signed' => sub {
	my $why = Ringback::Node::missing();
	plan skip_all => $why if $why;
	my @signed = @{ Ringback::Node::twilio(
		'questions.map(q => twilio.getExpectedTwilioSignature(...q))',
		[ map { [ $Ringback::Test::TOKEN, "$base$_->[1]", $_->[2] ] }
		@genuine ]) };
	for my $i (0 .. $#genuine) {
		my ($name, $target, $form) = @{ $genuine[$i] };
		is status_of($target, $form, $signed[$i]), 200, $name;
	}
	is $t->sql('select count(*) from webhook_events'), scalar @genuine,
		'and is the very same event';
};

subtest 'Twilio signs \' @ and : one way and sends them another' => sub {
	for my $pair ([ "it's", 'it%27s' ], [ 'a@b', 'a%40b' ],
		[ 'a:b', 'a%3Ab' ]) {
		for my $way ($pair, [ reverse @$pair ]) {
			my %call = $t->call;
			is status_of("/api/twilio/voice?x=$way->[1]", \%call,
				signature("$base/api/twilio/voice?x=$way->[0]",
				\%call)), 200, "signed $way->[0], "
				. "sent $way->[1]";
		}
	}
};

subtest 'with the port or without it, but with no other' => sub {
	my $path = '/api/twilio/voice';
	for my $case ([ '', 200 ], [ ":$t->{port}", 200 ], [ ':443', 403 ],
		[ ':80', 403 ], [ ':', 403 ]) {
		my ($port, $status) = @$case;
		my %call = $t->call;
		is status_of($path, \%call, signature(
			"https://127.0.0.1$port$path", \%call)), $status,
			"signed for 127.0.0.1$port";
	}
	my %call = $t->call;
	is status_of($path, \%call, signature($base =~ s/^https/http/r . $path,
		\%call)), 403, 'signed for http';
};

subtest 'while a token is rotated both sign' => sub {
	for my $case ([ $Ringback::Test::TOKEN, 200 ], [ $NEXT, 200 ],
		[ 'the-token-before-it', 403 ], [ '', 403 ],
		[ uc $NEXT, 403 ], [ "$NEXT ", 403 ],
		[ $Ringback::Test::ACCOUNT, 403 ]) {
		my ($token, $status) = @$case;
		is $t->post_signed('/api/twilio/voice', { $t->call },
			token => $token)->status, $status, "'$token'";
	}
};

subtest 'a subaccount signs with its own token, and only with that' => sub {
	my %own = (AccountSid => $SUB);
	for my $case ([ $SUB_TOKEN, 200 ], [ $SUB_NEXT, 200 ],
		[ $Ringback::Test::TOKEN, 403 ], [ $NEXT, 403 ],
		[ 'canary-of-a-third', 403 ]) {
		my ($token, $status) = @$case;
		is $t->post_signed('/api/twilio/voice', { $t->call(%own) },
			token => $token)->status, $status, "'$token'";
	}
	is $t->post_signed('/api/twilio/voice', { $t->call }, token =>
		$SUB_TOKEN)->status, 403, 'nor does its token sign for the '
		. 'main account';
	is $t->post_signed('/api/twilio/voice', { $t->call(AccountSid =>
		[ $Ringback::Test::ACCOUNT, $SUB ]) }, token => $SUB_TOKEN
		)->status, 403, 'nor when it names itself second';
	my %text = $t->text(%own, MessagingServiceSid => 'MG' . '7' x 32,
		To => '+15005550001');
	is $t->post_signed('/api/twilio/sms', \%text, token => $SUB_TOKEN
		)->status, 200, 'whatever number or service it came to';
	is $t->sql('select account_sid from twilio_sms where message_sid = ?',
		$text{MessageSid}), $SUB, 'and it is kept whose it was';
	for my $sid ('AC' . '0' x 32, '', "$SUB ", lc $SUB, "$SUB:$SUB_TOKEN") {
		is $t->post_signed('/api/twilio/voice', { $t->call(
			AccountSid => $sid) }, token => $_)->status, 403,
			"AccountSid '$sid' signed with '$_'"
			for '', $SUB_TOKEN, $Ringback::Test::TOKEN;
	}
};

subtest 'what a client says of its host decides nothing' => sub {
	my $path = '/api/twilio/voice';
	my @lies = (['X-Forwarded-Host' => 'evil.example'],
		['X-Forwarded-Proto' => 'http'], ['X-Forwarded-Port' => '80'],
		['X-Forwarded-Host' => 'evil.example', 'X-Forwarded-Proto' =>
		'http', 'Forwarded' => 'host=evil.example;proto=http'],
		['X-Original-URL' => '/elsewhere', 'X-Rewrite-URL' => '/x'],
		['Host' => 'localhost']);
	for my $lie (@lies) {
		my %call = $t->call;
		is status_of($path, \%call, signature("$base$path", \%call),
			@$lie), 200, "'@$lie' does not spoil a good signature";
	}
	for my $case ((map { [ "http://evil.example$path", @$_ ],
		[ "https://evil.example$path", @$_ ],
		[ "http://127.0.0.1:$t->{port}$path", @$_ ] } @lies),
		[ "https://localhost:$t->{port}$path", Host =>
		"localhost:$t->{port}" ], [ "$base/elsewhere", @{ $lies[4] } ]) {
		my ($url, @lie) = @$case;
		my %call = $t->call;
		is status_of($path, \%call, signature($url, \%call), @lie),
			403, "'@lie' does not vouch for $url";
	}
};

# --- what is refused -------------------------------------------------------

my $path = '/api/twilio/status';
my %form = ($t->call, CallStatus => 'completed', CallDuration => 33,
	SequenceNumber => 3);
my $good = signature("$base$path", \%form);
my @type = ('Content-Type' => 'application/x-www-form-urlencoded');

# Each a request that nobody signed: [what, method, target, headers, body].
sub forged ($what, %o) {
	my $signature = exists $o{signature} ? $o{signature} : $good;
	return [ $what, $o{method} // 'POST', $o{target} // $path, [
		@{ $o{type} // \@type }, 'X-Twilio-Signature' => $signature,
		@{ $o{headers} // [] } ], $o{body} // encode($o{form} // \%form)
	];
}

sub flipped ($bit) {
	my $mac = decode_base64($good);
	vec($mac, $bit, 1) ^= 1;
	return encode_base64($mac, '');
}

sub forged_signatures {
	return ((map { forged("bit $_ of the signature", signature =>
		flipped($_)) } 0 .. 159),
		(map { forged("signature '" . ($_ // 'missing') . "'",
		signature => $_) } undef, '', '=', substr($good, 0, 27),
		substr($good, 0, 26), "$good=", "$good\t$good", "$good, $good",
		"sha1=$good", lc $good, uc $good, scalar reverse($good),
		$good =~ tr{+/}{-_}r . 'x', unpack('H*', decode_base64($good)),
		'0' x 28, 'A' x 27 . '=', 'NOTRSOYDt4T1cUTdK1PDd93/VVr8B8=',
		"\xff" x 28, '%00', 'null', 'true', '*'),
		(map { forged("signed with '$_'", signature =>
		signature("$base$path", \%form, $_)) } '', 'x', ' ', '12345',
		$SUB_TOKEN, $Ringback::Test::ACCOUNT, "$Ringback::Test::TOKEN\n",
		"\0$Ringback::Test::TOKEN", uc $Ringback::Test::TOKEN)),
		forged('signed without the form',
			signature => signature("$base$path", {})),
		forged('signed with the hash of the body, as JSON is', signature
			=> signature("$base$path?bodySHA256="
			. sha256_hex(encode(\%form)), {}), target =>
			"$path?bodySHA256=" . sha256_hex(encode(\%form)));
}

sub forged_params {
	my @all;
	for my $name (sort keys %form) {
		my $value = $form{$name};
		my %rest = %form;
		delete $rest{$name};
		push @all, forged("without $name", form => \%rest),
			map { forged("$name renamed $_->[0]", form => { %rest,
			$_->[0] => $value }) } [ "${name}x" ], [ "x$name" ],
			[ lc $name ], [ "$name\0" ], [ " $name" ];
		push @all, map { forged("$name '$value' made '$_'", form =>
			{ %rest, $name => $_ }) } grep { $_ ne $value }
			"${value}x", "x$value", '', "$value ", uc "z$value",
			"$value\0", [ $value, 'second' ];
	}
	return (@all, (map { forged("with $_ added", form => { %form, $_ =>
		'1' }) } qw(A Zz0 Digits ErrorCode RecordingSid MessageSid
		CallSid2 bodySHA256)),
		(map { forged("form '$_'", body => $_) } '', '&', '=',
		'AccountSid', encode({ AccountSid => $form{AccountSid},
		CallSid => $form{CallSid} }), encode(\%form) . '&x=y'));
}

# URL, then name and value after name and value, with nothing between: what
# moves over from the URL to the first name keeps the signature good.
sub forged_boundary {
	my ($first) = sort keys %form;
	my %rest = %form;
	my $value = delete $rest{$first};
	my $text = "$first$value";
	my $with_query = signature("$base$path?x=1", \%form);
	return ((map { forged('the URL takes over "' . substr($text, 0, $_)
		. '"', signature => $with_query, target => "$path?x=1"
		. substr($text, 0, $_), form => { %rest, substr($text, $_) =>
		'' }) } 1 .. length($text) - 1),
		(map { forged("'$_' moves from the URL into the form", target =>
		substr("$path?x=1", 0, -length), signature => $with_query,
		form => { %rest, "$_$first" => $value }) } '1', '=1', 'x=1',
		'?x=1'),
		forged('the query moves into the form', signature => $with_query,
			form => { %form, x => 1 }),
		forged('the form moves into the query', signature =>
			signature("$base$path?" . encode(\%form), {}), target =>
			"$path?" . encode(\%form), body => ''));
}

sub forged_targets {
	my $absolute = "https://127.0.0.1:$t->{port}";
	return ((map { forged("target $_", target => $_) } map { "/api/twilio/$_" }
		qw(voice sms recording recording-status sms-status)),
		(map { forged("target $_", target => $_) } '/twilio/voice',
		'/twilio/sms', '/twilio/recording', "$path/", "/$path",
		"//$path", '/api//twilio/status', '/./api/twilio/status',
		'/api/x/../twilio/status', '/api/twilio/%73tatus',
		'/api/twilio%2fstatus', '/%2e/api/twilio/status',
		'/api/x/%2e%2e/twilio/status', "$path%00", "$path%20",
		"$path%3f", "$path.", "$path;x", "$path?", "$path?x=1",
		"$path?CallStatus=failed", "$path?%", uc $path,
		'/api/twilio/Status', '/API/twilio/status', '/api\\twilio/status',
		'/', '/api/twilio', '*', '/../api/twilio/status', "$path#x",
		"$path?#", "$absolute/api/twilio/voice",
		"https://evil.example$path", "http://evil.example$path"),
		(map { forged("signed for $_, sent to $path", signature =>
		signature($_, \%form)) } "$base/", $base, $path, '',
		"$base$path/", "$base/$path", "$base$path?", "$base$path?x=1",
		"$base$path#", uc "$base$path", "https://evil.example$path",
		"https://127.0.0.1.evil.example$path", "//127.0.0.1$path",
		"$base/api/twilio/voice", "$base/api/twilio/sms-status"),
		# An absolute target names its own host.
		forged('an absolute target of another host, signed for it',
			target => "https://evil.example$path", signature =>
			signature("https://evil.example$path", \%form)));
}

sub forged_manner {
	my $multipart = join("\r\n", map { ('--b', 'Content-Disposition: '
		. "form-data; name=\"$_\"", '', $form{$_}) } sort keys %form)
		. "\r\n--b--\r\n";
	my $json = Mojo::JSON::encode_json(\%form);
	my $json_url = "$path?bodySHA256=" . sha256_hex($json);
	return ((map { forged("Host '$_'", headers => [ Host => $_ ]) }
		'evil.example', "evil.example:$t->{port}", '0.0.0.0',
		'127.0.0.1.evil.example', '127.0.0.1@evil.example', '*', '_'),
		(map { forged("Host '$_', and signed for it", headers =>
		[ Host => $_ ], signature => signature("https://$_$path",
		\%form)) } 'evil.example', 'localhost'),
		(map { forged("method $_", method => $_) } qw(GET PUT PATCH
		DELETE OPTIONS TRACE CONNECT post PROPFIND)),
		(map { forged("type $_->[0]", type => [ 'Content-Type' =>
		$_->[0] ], body => $_->[1]) } [ 'application/json', $json ],
		[ 'multipart/form-data; boundary=b', $multipart ],
		[ 'text/plain', encode(\%form) ],
		[ 'application/x-www-form-urlencodedx', encode(\%form) ],
		[ 'application/xml', '<a/>' ], [ '', encode(\%form) ]),
		forged('no type', type => []),
		forged('JSON signed as Twilio signs JSON', target => $json_url,
			type => [ 'Content-Type' => 'application/json' ], body
			=> $json, signature => signature("$base$json_url", {})),
		forged('two types', type => [ 'Content-Type' =>
			'application/json', @type ]),
		forged('two signatures, the good one last', headers =>
			[ 'X-Twilio-Signature' => $good ], signature =>
			flipped(0)),
		forged('two signatures, the good one first', headers =>
			[ 'X-Twilio-Signature' => flipped(0) ]),
		forged('the header with underscores', signature => undef,
			headers => [ 'X_Twilio_Signature' => $good ]),
		forged('the signature as Authorization', signature => undef,
			headers => [ Authorization => "Basic $good" ]),
		forged('the signature in the form', signature => undef,
			form => { %form, 'X-Twilio-Signature' => $good }),
		forged('less than was promised', body => encode(\%form) =~
			s/&CallStatus=completed/&CallStatus=failed/r));
}

subtest 'of all that is forged nothing is accepted and nothing kept' => sub {
	my $before = traces();
	my %answered;
	for my $kind ([ 'signatures', forged_signatures() ],
		[ 'parameters', forged_params() ],
		[ 'the boundary of URL and form', forged_boundary() ],
		[ 'URLs', forged_targets() ], [ 'manners', forged_manner() ]) {
		my ($name, @requests) = @$kind;
		my @accepted;
		for my $request (@requests) {
			my ($what, @request) = @$request;
			my $status = $wire->ask(@request)->{status};
			$answered{$status}++;
			push @accepted, "$what: $status" unless $status =~
				($what =~ /evil|^Host|absolute/ ?
				qr/^(?:4..|0)$/ : qr/^4..$/);
		}
		is_deeply \@accepted, [], scalar(@requests)
			. " forged $name: each refused";
		cmp_ok scalar @requests, '>', 20, 'and they were many';
	}
	is traces(), $before, 'no row of any kind';
	note join ', ', map { "$answered{$_} x $_" } sort keys %answered;
	is status_of($path, \%form, $good), 204, 'the genuine one is accepted';
	is $t->sql('select status from twilio_calls where call_sid = ?',
		$form{CallSid}), 'completed', 'and kept';
};

# Twilio's scheme has nothing between a name and its value, so {A: "1B2"} and
# {A: "1", B: "2"} are signed alike (and nothing but a list of the names of
# today could tell, which would lose the webhooks of tomorrow). Whoever has
# caught a signed request may so bend it, but it changes nothing any more.
subtest 'a bent copy of a genuine request changes no row' => sub {
	my $before = $t->dbh->selectall_arrayref(
		'select * from twilio_calls order by id');
	my $tried = 0;
	for my $name (sort keys %form) {
		my $text = $name . $form{$name};
		my %rest = %form;
		delete $rest{$name};
		for my $at (1 .. length($text) - 1) {
			my %bent = (%rest, substr($text, 0, $at) =>
				substr($text, $at));
			next if keys %bent != keys %form
				|| signature("$base$path", \%bent) ne $good;
			$tried++;
			status_of($path, \%bent, $good);
		}
	}
	cmp_ok $tried, '>', 50, "$tried bent copies";
	is_deeply $t->dbh->selectall_arrayref(
		'select * from twilio_calls order by id'), $before, 'no change';
};

# --- moving in, and developing ---------------------------------------------

sub warnings_of ($like) {
	my @lines = grep { / warn / && /$like/ } split /\n/,
		$t->log('worker-hooks');
	return scalar @lines;
}

subtest 'TWILIO_VALIDATE=observe accepts, and says what it let in' => sub {
	is warnings_of('observe'), 0, 'nothing said of it until now';
	$wire->close;
	$t->change(TWILIO_VALIDATE => 'observe');
	my $before = warnings_of('observe');	# quickstart asks, unsigned
	my %signed = $t->call;
	my %unsigned = $t->call;
	my %foreign = $t->call(AccountSid => 'AC' . '5' x 32);
	is $t->post_signed($path, \%signed)->status, 204, 'signed';
	is warnings_of('observe'), $before, 'no warning';
	$t->note_secrets(\%unsigned);
	is $t->post_unsigned($path, \%unsigned)->status, 204, 'unsigned';
	is warnings_of('observe.*carries no Twilio signature'), 1, 'a warning';
	is status_of($path, \%form, flipped(7)), 204, 'badly signed';
	is warnings_of('observe.*does not fit'), 1, 'a warning';
	is $t->post_signed($path, \%foreign)->status, 204, 'a foreign account';
	is warnings_of('observe') - $before, 3, 'a warning';
	is_deeply { map { @$_ } @{ $t->dbh->selectall_arrayref(
		'select sid, verified from webhook_events where sid in (?, ?, ?)',
		undef, map { $_->{CallSid} } \%signed, \%unsigned, \%foreign)
		} }, { $signed{CallSid} => 1, $unsigned{CallSid} => 0,
		$foreign{CallSid} => 0 }, 'and the journal knows which is which';
};

subtest 'RINGBACK_ENV=development is what switches it off' => sub {
	is warnings_of('development'), 0, 'nothing said of it until now';
	$wire->close;
	$t->change(TWILIO_VALIDATE => 'enforce', RINGBACK_ENV => 'development');
	my $workers = $t->{workers};
	is warnings_of('development: webhook signatures are NOT checked'),
		$workers, 'every worker says so as it starts';
	my $before = warnings_of('SIGNATURE NOT CHECKED');
	my @calls = map { { $t->call } } 1 .. 3;
	for my $call (@calls) {
		$t->note_secrets($call);
		is $t->post_unsigned('/api/twilio/voice', $call)->status, 200,
			'unsigned';
	}
	is warnings_of('SIGNATURE NOT CHECKED') - $before, 3,
		'and at every request';
	is $t->sql('select count(*) from webhook_events where not verified
		and sid in (?, ?, ?)', map { $_->{CallSid} } @calls), 3,
		'none counts as verified';
};

subtest 'nothing else does, and without a token nothing starts' => sub {
	my $worker = ($ENV{RINGBACK_BINDIR} // "$Ringback::Test::ROOT"
		. '/.build/default') . '/ringback-worker';
	my %env = $t->env;
	delete $env{RINGBACK_ENV};
	my $start = sub (%more) {
		local %ENV = (PATH => $ENV{PATH}, RINGBACK_CONFIG => '/dev/null',
			%env, %more);
		delete @ENV{ grep { !defined $ENV{$_} } keys %ENV };
		my ($status, $out, $err) = Ringback::Test::run_command($worker,
			'hooks');
		return ($status, $err);
	};
	for my $case ([ 'no token', TWILIO_AUTH_TOKEN => undef ],
		[ 'an empty one', TWILIO_AUTH_TOKEN => '' ],
		[ 'only a next one', TWILIO_AUTH_TOKEN => undef,
			TWILIO_AUTH_TOKEN_NEXT => $NEXT ],
		[ 'none, in development', TWILIO_AUTH_TOKEN => undef,
			RINGBACK_ENV => 'development' ]) {
		my ($what, %more) = @$case;
		my ($status, $err) = $start->(%more);
		is $status, 78, "$what: exit 78";
		like $err, qr/^TWILIO_AUTH_TOKEN: required/m, 'and says why';
	}
	for my $off (qw(off no none false 0 disable)) {
		my ($status, $err) = $start->(TWILIO_VALIDATE => $off);
		is $status, 78, "TWILIO_VALIDATE=$off: exit 78";
	}
	my ($status, $err) = $start->(RINGBACK_ENV => 'dev');
	is $status, 78, 'RINGBACK_ENV=dev: exit 78';
};

$t->done;
