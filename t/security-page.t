# SPDX-License-Identifier: ISC
# Whoever looks at what callers said with a browser: scripts that are stored
# through every column that somebody's words reach are read back over every
# route, and never as anything but JSON, which no browser takes for a page.
# And what is read is not changed by it.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(uniq);
use Mojo::JSON qw(decode_json encode_json);
use Mojo::Util qw(encode url_escape);
use Ringback::Figure qw(figure seed);
use Ringback::Outside qw(speech completion analysis);
use Ringback::Test;
use Ringback::Volley qw(volley signed_post rows);
use Ringback::Wire;
use Time::HiRes qw(sleep);

seed();
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes, env => {
	SEND_PER_KEY_MINUTE => 1000, SEND_PER_RECIPIENT_HOUR => 1000 });
my $key = $t->key(name => '<img src=x onerror=alert(1)>', scopes => 'admin');
my $wire = Ringback::Wire->to($t);

# --- what is stored --------------------------------------------------------

# What runs, and what it is wrapped in to get out of where it stands.
my @runs = ('<script>alert(1)</script>', '<script src=//evil.example></script>',
	'<img src=x onerror=alert(1)>', '<svg/onload=alert(1)>',
	'<iframe srcdoc="<script>alert(1)</script>">', '<body onload=alert(1)>',
	'<a href="javascript:alert(1)">x</a>', '<math><mtext></form><form>'
	. '<mglyph><style></math><img src onerror=alert(1)>',
	'<details open ontoggle=alert(1)>', '<object data=javascript:alert(1)>',
	'<base href=//evil.example/>', '<meta http-equiv=refresh content="0;'
	. 'url=javascript:alert(1)">', '<style>@import"//evil.example"</style>',
	'<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script>',
	'{{constructor.constructor("alert(1)")()}}', '${alert(1)}',
	"\x{ff1c}script\x{ff1e}alert(1)\x{ff1c}/script\x{ff1e}",
	"+ADw-script+AD4-alert(1)+ADw-/script+AD4-", 'javascript:alert(1)',
	"<scr\x{2028}ipt>alert(1)</scr\x{2029}ipt>");
my @wraps = ('%s', '">%s', "'>%s", '</script>%s', '</title></textarea>%s',
	'-->%s<!--', ']]>%s<![CDATA[', '"};%s//', "\x{2028}%s\x{2029}",
	"\\\"%s\\u003c", "&lt;%s&#x3c;", "*/%s/*");
my @payloads = map { my $run = $_; map { sprintf $_ =~ s/%(?!s)/%%/gr,
	$run } @wraps } @runs;
my %stored;	# payload => number of columns
my $next = 0;
sub payload () {
	my $one = $payloads[ $next++ % @payloads ];
	$stored{$one}++;
	return $one;
}

sub posted ($path, %form) {
	return signed_post($t, $path, { map { $_ => encode('UTF-8', $form{$_}) }
		keys %form });
}

subtest 'T25: scripts are stored through every column' => sub {
	cmp_ok scalar uniq(@payloads), '>=', 200, uniq(@payloads) . ' of them';
	my @posts = map { posted('/api/twilio/sms', $t->text(Body => $_)) }
		@payloads;
	$stored{$_}++ for @payloads;
	for (1 .. 40) {
		my %call = $t->call(From => 'client:' . payload(), To =>
			'sip:' . payload(), CallerName => payload(), FromCity =>
			payload(), FromState => payload(), ForwardedFrom =>
			payload(), StirVerstat => payload());
		push @posts, posted('/api/twilio/voice', %call),
			posted('/api/twilio/status', %call, CallStatus =>
			'completed', CallDuration => 5, Other => payload(),
			SipResponseCode => payload(), ErrorMessage => payload()),
			posted('/api/twilio/sms', $t->text(From => 'client:'
			. payload(), Body => payload(), MediaUrl0 => payload(),
			MediaContentType0 => payload(), NumMedia => 1)),
			posted('/api/twilio/recording-status', $t->recording(
			$call{CallSid}, RecordingStatus => 'absent',
			RecordingUrl => payload(), RecordingSource => payload(),
			RecordingTrack => payload()));
	}
	my %n;
	$n{$_}++ for volley($t, \@posts);
	is_deeply [ grep { !/^2/ } keys %n ], [], 'by webhooks: ' . @posts;

	$outside->always(llm => completion(analysis(map {
		my $name = $_;
		$name => $name =~ /sentiment|urgency/ ? analysis()->{$name} :
			ref analysis()->{$name} ? [ map { payload() } 1 .. 10 ]
			: payload() } keys %{ analysis() })));
	my $n = 40;
	my @words = map { payload() } 1 .. $n;
	$outside->next(openai => map { { json => { text => $_, language =>
		$_, segments => [ { start => 0, end => 2, text => $_ } ] } } }
		@words);
	$outside->recording($t, speech(40 + $_)) for 1 .. $n;
	is +($t->sweep)[0], 0, 'by speech and its analysis';
	is $t->sql(q{select count(*) from transcriptions where analysis is not
		null}), $n, 'each of these';
	$outside->always('llm');

	for (1 .. 40) {
		my $sid = Ringback::Test::sid('SM');
		$outside->next(twilio => { status => 201, json => { sid => $sid,
			status => 'queued', body => payload() } });
		is $t->api(POST => '/api/twilio/send-sms', $key, { to =>
			'+15005550006', body => payload(), userId =>
			substr(payload(), 0, 100), metadata => { payload() =>
			payload() } })->status, 201, 'by an office: a text';
		$outside->next(twilio => { status => 201, json => { status =>
			'queued', sid => Ringback::Test::sid('CA') } });
		is $t->api(POST => '/api/twilio/make-call', $key, { to =>
			'+15005550006', message => payload(), userId =>
			substr(payload(), 0, 100), metadata => { note =>
			payload() } })->status, 201, 'a call';
	}
	figure('scripts that are stored', scalar keys %stored, '>=', 200);
};

# --- read back -------------------------------------------------------------

# Every way to read: all that there is, page by page, and what is refused.
sub targets () {
	my @targets = ('/api/openapi.json', '/healthz', '/readyz', '/metrics');
	my %of = (calls => 'twilio_calls', sms => 'twilio_sms',
		recordings => 'twilio_recordings',
		transcriptions => 'transcriptions');
	for my $path (sort keys %of) {
		push @targets, map { "/api/twilio/$path/$_->[0]" } @{ $t->dbh
			->selectall_arrayref("select id from $of{$path}") };
	}
	push @targets, map { my $path = $_; "/api/twilio/$path?limit=1000",
		map { "/api/twilio/$path?$_" } 'limit=7', 'userId=x',
		'direction=inbound', 'status=completed', 'since=2020-01-01',
		'q=alert', map { 'q=' . substr url_escape(encode('UTF-8',
		$_)), 0, 600 } @payloads[0 .. 19] } qw(calls sms);
	# In what is refused, a name of theirs may be repeated.
	for my $one (map { url_escape(encode('UTF-8', $_)) } @payloads) {
		push @targets, "/api/twilio/calls/$one", "/$one",
			"/api/twilio/sms?$one=1", "/api/twilio/sms?limit=$one",
			"/api/$one";
	}
	return @targets;
}

my %right = (
	'content-type' => qr{^(?:application/json|text/plain[;\w .=-]*)$},
	'x-content-type-options'  => qr/^nosniff$/,
	'content-security-policy' =>
		qr/^default-src 'none'; frame-ancestors 'none'$/,
);

sub request ($target, $with = $key) {
	return $wire->request(GET => $target, [ Authorization =>
		"Bearer $with" ]);
}

# What is wrong with an answer: it could be taken for a page, or read as
# something else than JSON.
sub odd ($answer) {
	my ($type, $body) = ($answer->{header}{'content-type'} // '',
		$answer->{body});
	my @odd = grep { ($answer->{header}{$_} // '') !~ $right{$_} }
		sort keys %right;
	push @odd, 'is not JSON' if $type =~ /json/
		&& !eval { decode_json($body); 1 };
	push @odd, 'a page' if $type =~ m{text/} && $body =~ /</;
	return join ', ', @odd;
}

my @targets = targets();

subtest 'T25: and read back as JSON, never as a page' => sub {
	my @seen = volley($t, [ map { request($_) } @targets ], sub ($a) {
		[ $a->{status}, odd($a), $a->{body} ] });
	my %n;
	$n{ $_->[0] }++ for @seen;
	note join ', ', map { "$_ x $n{$_}" } sort keys %n;
	my @bad = grep { $seen[$_][1] ne '' } 0 .. $#seen;
	figure('answers with scripts in them, or about them', scalar @seen,
		'>=', 1_000);
	figure('answers that could be taken for a page', scalar @bad, '==', 0);
	diag "$targets[$_]: $seen[$_][0] $seen[$_][1]" for grep { defined }
		@bad[0 .. 9];
	my $all = join "\n", map { encode_json(decode_json($_->[2])) }
		grep { $_->[0] == 200 && $_->[2] =~ /^\{/ } @seen;
	my @missing = grep { index($all, encode_json($_) =~ s/^"|"$//gr) < 0 }
		@payloads;
	figure('scripts that are read back, letter by letter', @payloads
		- @missing, '==', scalar @payloads);
	diag explain [ @missing[0 .. 2] ] if @missing;
};

subtest 'T25: nor is what Twilio is told, or nginx says itself' => sub {
	my @odd;
	for my $path ('voice', 'sms', 'recording') {
		my %form = $path eq 'sms' ? $t->text(Body => payload())
			: $t->call(From => 'client:' . payload());
		%form = (%form, $t->recording($form{CallSid}))
			if $path eq 'recording';
		my $a = $wire->exchange(posted("/api/twilio/$path", %form));
		push @odd, "$path: $a->{header}{'content-type'}" if
			$a->{header}{'content-type'} !~ m{^text/xml\b} ||
			$a->{header}{'content-security-policy'} !~
			$right{'content-security-policy'} ||
			$a->{header}{'x-content-type-options'} ne 'nosniff';
		unlike $a->{body}, qr/alert/, "$path: TwiML without a word of it";
	}
	for my $bytes ("nonsense\r\n\r\n", $wire->request(TRACE => '/<b>', []),
		$wire->request(POST => '/api/twilio/sms', [ 'Content-Length' =>
		99_999 ]), $wire->request(GET => '/', [ 'X<b>' => 1 ]),
		$wire->request(GET => '/<script>' . 'x' x 9_000, [])) {
		my $a = $wire->exchange($bytes);
		push @odd, "$a->{status}: " . odd($a)
			if $a->{status} && odd($a) =~ /type|JSON/;
		$wire->close;
	}
	is_deeply \@odd, [], 'JSON, or XML that says only what we say';
};

# --- and not changed -------------------------------------------------------

subtest 'T26: whatever is read, nothing changes' => sub {
	my $other = $t->key(name => 'somebody', user => 'user-1', scopes =>
		'read,send');
	$t->api(GET => '/api/twilio/calls', $_) for $key, $other;
	# A key's first use in a minute is written down.
	my $quiet = sub { join '', map { s/'\d{4}-[^']*'/'then'/gr } grep {
		/INTO public\.api_keys / } split /^/, rows($t) };
	my @get = map { ($_, "$_?dryRun=1") } map { "/api/twilio/$_" } qw(voice
		sms status recording recording-status outbound sms-status
		make-call send-sms);
	my @requests = map { (request($_), request($_, $other)) } @targets,
		@get, map { "$_&to=%2B15005550006&message=x&body=x&CallSid="
		. Ringback::Test::sid('CA') } map { "$_?" } @get;
	# To which there is no body: the end of the connection ends the answer.
	push @requests, map { [ $wire->request(HEAD => $_, [ Authorization =>
		"Bearer $key", Connection => 'close' ]) ] } @get,
		@targets[0 .. 30];
	my $rest = sub { join '', grep { !/INTO public\.api_keys / }
		split /^/, rows($t) };
	my ($before, $keys) = ($rest->(), $quiet->());
	my $sent = $t->fake('twilio')->requests;
	my %n;
	my @rest = @requests;
	while (@rest) {
		$n{$_}++ for volley($t, [ splice @rest, 0, 500 ]);
		sleep 0.5;	# so that nginx lets all of them through
	}
	note join ', ', map { "$_ x $n{$_}" } sort keys %n;
	figure('requests that only read', scalar @requests, '>=', 3_000);
	is_deeply [ grep { !/^(?:200|4\d\d)$/ } keys %n ], [],
		'are answered or refused';
	ok $rest->() eq $before, 'no byte of any table has changed';
	is $quiet->(), $keys, 'nor of the keys, but when they were used';
	is scalar $t->fake('twilio')->requests, $sent,
		'and nobody was called or texted';
};

$t->done;
