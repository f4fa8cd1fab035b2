# SPDX-License-Identifier: ISC
# Somebody without the token: what they make up, what they have caught and
# send again, and what they have bent. Twenty thousand forgeries are refused,
# and a caught request changes nothing that the genuine one has not.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use List::Util qw(min shuffle);
use MIME::Base64 qw(decode_base64 encode_base64);
use Ringback::Figure qw(figure seed long);
use Ringback::Test;
use Ringback::Volley qw(volley signed_post stored rows servers);
use Ringback::Wire;

seed();
my $t = Ringback::Test->new;
my $base = $t->base;
my $wire = Ringback::Wire->to($t);
my @form = ('Content-Type' => 'application/x-www-form-urlencoded');

sub pick { return $_[ rand @_ ] }
sub signature { return Ringback::Test::signature(@_) }

# One of everything that Twilio sends, of one call and one text.
sub genuine () {
	my %call = $t->call;
	my %recording = $t->recording($call{CallSid});
	my %text = $t->text(Body => 'hello ' . int rand 1e9);
	delete @recording{qw(RecordingStatus ErrorCode)} if rand() < 0.3;
	return ([ '/api/twilio/voice', \%call ],
		[ '/api/twilio/sms', \%text ],
		[ '/api/twilio/recording', { %call, %recording,
		CallStatus => 'in-progress', Digits => 'hangup' } ],
		[ '/api/twilio/recording-status', { %recording,
		RecordingStatus => 'completed' } ],
		[ '/api/twilio/status', { %call, CallStatus => 'completed',
		CallDuration => 1 + int rand 90, SequenceNumber => 3 } ],
		[ '/api/twilio/status', { %text, SmsStatus => 'delivered',
		MessageStatus => 'delivered', From => $Ringback::Test::NUMBER,
		To => $Ringback::Test::CALLER } ]);
}

# --- made up ---------------------------------------------------------------

# What to do to a genuine request, given as target, form, signature; and it is
# another one then.
my %mutation = (
	'a bit of the signature' => sub ($r) {
		my $mac = decode_base64($r->{signature});
		vec($mac, int rand 160, 1) ^= 1;
		$r->{signature} = encode_base64($mac, '');
	},
	'a signature of chance' => sub ($r) {
		$r->{signature} = encode_base64(join('', map { chr rand 256 }
			1 .. pick(20, 20, 20, 19, 21, 16, 32, 64)), '');
	},
	'no signature in that shape' => sub ($r) {
		my $s = $r->{signature};
		$r->{signature} = pick('', '=', substr($s, 0, rand 28),
			$s . pick('=', 'A', ' x', ",$s"), lc $s, scalar reverse($s),
			$s =~ tr{+/}{-_}r . 'A', "sha1=$s", unpack('H*',
			decode_base64($s)), $s =~ s/=$//r);
	},
	'the signature of another request' => sub ($r) {
		$r->{signature} = signature($base . $r->{target},
			{ %{ $r->{form} }, CallSid => Ringback::Test::sid('CA'),
			MessageSid => Ringback::Test::sid('SM') });
	},
	'another token' => sub ($r) {
		my $token = $Ringback::Test::TOKEN;
		$r->{signature} = signature($base . $r->{target}, $r->{form},
			pick('', ' ', 'x', "$token ", " $token", uc $token,
			substr($token, 1), substr($token, 0, -1), "$token\0",
			$Ringback::Test::ACCOUNT, sha256_hex($token),
			sha256_hex(rand)));
	},
	'the signature of another URL' => sub ($r) {
		my $url = "$base$r->{target}";
		$r->{signature} = signature(pick($url =~ s/^https/http/r,
			$url =~ s/127\.0\.0\.1/pick('localhost', '127.0.0.2',
			'evil.example')/er, $url =~ s/:\d+/":" . int rand 65536/er
			=~ s/:$t->{port}\b/:1/r, "$url/", "$url?", "$url?x=1",
			"$url&", uc $url, $r->{target}, $base), $r->{form});
	},
	'a value' => sub ($r) {
		my $name = pick(sort keys %{ $r->{form} });
		my $value = \$r->{form}{$name};
		my $at = int rand(length($$value) + 1);
		substr $$value, $at, rand() < 0.5 ? 0 : 1, pick(0 .. 9, 'a' .. 'z',
			'%', ' ', "\0", "\xff", '+', '&', '=');
	},
	'a name' => sub ($r) {
		my $name = pick(sort keys %{ $r->{form} });
		my $value = delete $r->{form}{$name};
		$r->{form}{ pick("${name}x", "x$name", lc $name, "$name\0",
			" $name", substr($name, 1)) } = $value;
	},
	'a parameter less' => sub ($r) {
		delete $r->{form}{ pick(grep { $_ ne 'AccountSid' }
			sort keys %{ $r->{form} }) };
	},
	'a parameter more' => sub ($r) {
		$r->{form}{ pick('A', 'Zz', 'OptOutType', 'ErrorCode',
			'RecordingSid2', 'CallDuration2', 'bodySHA256') } =
			pick('', 'STOP', '1', sha256_hex(''));
	},
	'a value twice' => sub ($r) {
		my $name = pick(sort keys %{ $r->{form} });
		$r->{form}{$name} = [ shuffle $r->{form}{$name},
			$r->{form}{$name} . 'x' ];
	},
	'the target' => sub ($r) {
		my $path = $r->{target};
		$r->{target} = pick(grep { $_ ne $path } map {
			"/api/twilio/$_" } qw(voice sms status recording
			recording-status outbound sms-status));
		$r->{target} = $path . pick('?', '?x=1', "?a='", '?%', '?bodySHA256='
			. sha256_hex(Ringback::Test::encode($r->{form})))
			if rand() < 0.5;
	},
);

# Twilio's text without anything in between: what may be moved in it and still
# be signed is another subtest's.
sub forged ($what, $path, $form) {
	for (1 .. 20) {
		my %r = (target => $path, form => {%$form}, signature =>
			signature("$base$path", $form));
		$mutation{$what}->(\%r);
		my @fit = map { signature("https://127.0.0.1$_$r{target}",
			$r{form}) } '', ":$t->{port}";
		next if grep { $_ eq $r{signature} } @fit;
		return $wire->request(POST => $r{target}, [ @form,
			'X-Twilio-Signature' => $r{signature} ],
			Ringback::Test::encode($r{form}));
	}
	die "no forgery comes of $what";
}

subtest 'T1: forged signatures of twelve kinds' => sub {
	my $each = 1_670;
	my @genuine = map { genuine() } 1 .. 50;
	my ($before, $servers) = (stored($t), servers($t));
	is scalar keys %mutation, 12, 'twelve kinds';
	my ($count, @accepted) = 0;
	for my $what (sort keys %mutation) {
		my @requests = map { forged($what, @{ pick(@genuine) }) }
			1 .. $each;
		my %n;
		my @statuses = volley($t, \@requests);
		$n{$_}++ for @statuses;
		note "$what: ", join ', ', map { "$_ x $n{$_}" } sort keys %n;
		push @accepted, grep { $statuses[$_] !~ /^40[03]$/ }
			0 .. $#statuses;
		$count += @requests;
	}
	figure('forged requests', $count, '>=', 20_000);
	figure('forged requests that were not refused', scalar @accepted,
		'==', 0);
	is stored($t), $before, 'nothing is stored of any of them';
	is servers($t), $servers, 'and nobody died of them';
	my @statuses = volley($t, [ map { signed_post($t, @$_) } @genuine ]);
	is scalar(grep { /^2/ } @statuses), @genuine,
		'the genuine ones that they were made of are believed';
};

# --- caught, and sent again ------------------------------------------------

subtest 'T2: requests that were caught are sent again, and again' => sub {
	my ($n, $times) = long() ? (170, 100) : (35, 20);
	my @requests = map { signed_post($t, @$_) } map { genuine() } 1 .. $n;
	my @first = volley($t, [ shuffle @requests ]);
	is scalar(grep { !/^2/ } @first), 0, 'all are believed';
	my $before = rows($t);
	my %n;
	$n{$_}++ for volley($t, [ shuffle((@requests) x $times) ]);
	note join ', ', map { "$_ x $n{$_}" } sort keys %n;
	figure('requests sent again', $times * @requests, '>=', 4_000);
	ok rows($t) eq $before, 'no byte of any table has changed';
	cmp_ok length $before, '>', 500 * $n, '(and there was much of it)';
};

# --- caught, and bent ------------------------------------------------------

# Twilio's scheme joins names and values with nothing in between. All that
# this lets somebody do who has caught a request: move the bounds.
sub bent ($path, $form) {
	my $signed = signature("$base$path", $form);
	my @names = sort keys %$form;
	my $text = join '', map { ($_, $form->{$_}) } @names;
	my @bent;
	my $keep = sub (%other) {
		push @bent, $wire->request(POST => $path, [ @form,
			'X-Twilio-Signature' => $signed ],
			Ringback::Test::encode(\%other))
			if $other{AccountSid}
			&& signature("$base$path", \%other) eq $signed;
	};
	for my $i (0 .. $#names) {
		my ($name, $value) = ($names[$i], $form->{ $names[$i] });
		my %rest = %$form;
		delete $rest{$name};
		# A name ends earlier or later than it did …
		$keep->(%rest, substr("$name$value", 0, $_) =>
			substr("$name$value", $_)) for 1 .. length("$name$value");
		# … a value is a value and another parameter, which may be
		# there already …
		for my $at (0 .. length($value) - 1) {
			for my $n (1 .. min(12, length($value) - $at)) {
				my ($new, $its) = unpack "x$at a$n a*", $value;
				my $old = $rest{$new};
				$keep->(%rest, $name => substr($value, 0, $at),
					$new => defined $old ? [ $its, $old ]
					: $its) if $new ne $name;
			}
		}
		# … or swallows those that come next, or is said twice.
		for my $last ($i + 1 .. $#names) {
			my %less = %rest;
			delete @less{ @names[$i + 1 .. $last] };
			$keep->(%less, $name => $value . join '', map {
				($_, $form->{$_}) } @names[$i + 1 .. $last]);
		}
		$keep->(%$form, $name => [ $value, $value ]);
	}
	return @bent;
}

my @state = qw(twilio_calls twilio_sms twilio_recordings opt_outs numbers
	transcriptions api_requests);

subtest 'T3: what was caught is bent, and nothing comes of it' => sub {
	my @genuine = map { genuine() } 1 .. (long() ? 200 : 2);
	my $other = $genuine[1][1]{MessageSid};
	push @genuine, [ '/api/twilio/sms', { $t->text(Body => $_) } ]
		for 'STOPX', 'START', 'ErrorCode21610', 'OptOutTypeSTOP',
		'CallSidCA' . 'd' x 32 . 'CallStatusbusy',
		"MessageSid$other", 'From+15005550001', 'FromA';
	is scalar(grep { !/^2/ } volley($t, [ map { signed_post($t, @$_) }
		@genuine ])), 0, 'the genuine ones are there';
	my $before = rows($t, @state);
	my @bent = shuffle map { bent(@$_) } @genuine;
	my %n;
	$n{$_}++ for volley($t, \@bent);
	note join ', ', map { "$_ x $n{$_}" } sort keys %n;
	figure('requests that were bent, signed as before', scalar @bent,
		'>=', 5_000);
	my %had = map { $_ => 1 } split /^/, $before;
	my @new = grep { !$had{$_} } split /^/, rows($t, @state);
	figure('rows that have changed', scalar @new, '==', 0);
	diag $_ for grep { defined } @new[0 .. 9];
};

# --- the URL ---------------------------------------------------------------

subtest 'T4: only the URL that Twilio was given will do' => sub {
	my $path = '/api/twilio/status';
	my $port = ":$t->{port}";
	my @hosts = ("127.0.0.1$port", '127.0.0.1', 'localhost', 'evil.example',
		"evil.example$port", '127.0.0.1.evil.example', '127.0.0.2',
		"127.0.0.1:1");
	my @targets = ($path, "/$path", "$path/", "$path//", '/api//twilio/status',
		'/api/./twilio/status', '/api/twilio/../twilio/status',
		'/api/twilio/%73tatus', '/%61pi/twilio/status',
		'/api%2ftwilio/status', '/api/twilio/%2e/status', uc $path,
		'/api/Twilio/status', "$path;x", "$path.", "$path%20", "$path%00",
		"$path?", "$path?x=1", "$path#x", "$path?#",
		map { ("https://$_$path", "http://$_$path") } @hosts);
	my @signed = ("http://127.0.0.1$port$path", "http://evil.example$path",
		map { "https://$_$path" } @hosts);
	push @signed, map { "https://127.0.0.1$port$_" } grep { m{^/} }
		@targets[1 .. $#targets];
	my $ours = qr/(?:127\.0\.0\.1|localhost)(?::\d+)?/;
	my (@requests, @may, @what);
	for my $target (@targets) {
		for my $host (@hosts) {
			for my $url (@signed) {
				my %call = $t->call(CallStatus => 'completed');
				push @requests, $wire->request(POST => $target,
					[ @form, Host => $host,
					'X-Twilio-Signature' => signature($url,
					\%call) ], Ringback::Test::encode(\%call));
				push @what, "$target of $host, signed for $url";
				# An absolute target is who is asked, whatever
				# the header says (RFC 9112).
				push @may, scalar "$target $host $url" =~ m{\A
					(?:https?://$ours\Q$path\E\ \S+|
					\Q$path\E(?:\?x=1|\?\#?|\#x)?\ $ours)
					\ https://127\.0\.0\.1(?:$port)?\Q$path\E
					(?:\?x=1|\?\#?|\#x)?\z}x;
			}
		}
	}
	my @statuses = volley($t, \@requests);
	my @wrong = grep { $statuses[$_] !~ ($may[$_] ? qr/^(?:204|40[034])$/
		: qr/^(?:40[034]|0)$/) } 0 .. $#requests;
	figure('URLs, hosts and signatures in all combinations', scalar
		@requests, '>=', 5_000);
	figure('believed for another URL', scalar @wrong, '==', 0);
	diag "$statuses[$_]: $what[$_]" for grep { defined } @wrong[0 .. 9];
	my @exact = grep { $what[$_] =~ m{^\Q$path\E\ of\ 127\.0\.0\.1(?:$port)?,
		\ signed\ for\ https://127\.0\.0\.1(?:$port)?\Q$path\E$}x }
		0 .. $#requests;
	is_deeply [ map { $statuses[$_] } @exact ], [ (204) x 4 ],
		'that URL is believed, with its port and without';
};

subtest 'T5: a body of another type has no signature' => sub {
	my @types = ('application/json', 'application/json; charset=utf-8',
		'multipart/form-data; boundary=b', 'text/plain', 'text/xml', '',
		'application/x-www-form-urlencodedx', 'application/*', '*/*',
		'application/x-www-form-urlencoded/json', 'form');
	my ($before, @requests) = stored($t);
	for my $one (map { genuine() } 1 .. 5) {
		my ($path, $form) = @$one;
		my $json = Mojo::JSON::encode_json($form);
		my $form_body = Ringback::Test::encode($form);
		for my $body ($json, $form_body, '', "\r\n--b--\r\n") {
			my $hash = '?bodySHA256=' . sha256_hex($body);
			for my $target ($path, "$path$hash") {
				push @requests, map { $wire->request(POST =>
					$target, [ 'Content-Type' => $_,
					'X-Twilio-Signature' => signature(
					"$base$target", {}) ], $body) } @types,
					$form[1];
			}
			push @requests, map { $wire->request(POST => $path,
				[ 'Content-Type' => $_, 'X-Twilio-Signature' =>
				signature("$base$path", $form) ], $body) }
				@types;
		}
	}
	my %n;
	$n{$_}++ for volley($t, \@requests);
	note join ', ', map { "$_ x $n{$_}" } sort keys %n;
	is_deeply [ grep { !/^4(?:03|13|15)$/ } keys %n ], [],
		scalar(@requests) . ' of other types, or signed by URL only';
	is stored($t), $before, 'nothing is stored';
};

$t->done;
