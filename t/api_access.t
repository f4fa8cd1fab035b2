# SPDX-License-Identifier: ISC
# Who gets in, and whose things they then see: keys from beginning to end, a
# walk through every route of routes.def without a key and with somebody
# else's, and numbers that belong to users.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use Mojo::Util qw(url_escape);
use Ringback::Outside qw(speech);
use Ringback::Test;

my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes,
	env => { SEND_PER_KEY_MINUTE => 1000, SEND_PER_RECIPIENT_HOUR => 1000,
	WRONG_KEYS_PER_MINUTE => 100_000 });
my $CALLS = '/api/twilio/calls';
my @SEND = (POST => '/api/twilio/make-call?dryRun=1');
my %say = (to => '+14155550188', message => 'Hello, this is a test call.');

# ringback-admin: exit status, standard output, standard error.
sub admin (@args) {
	my ($bindir) = Ringback::Test::slurp($t->dir . '/.state') =~
		/^BINDIR=(.+)$/m;
	return Ringback::Test::run_command("$bindir/ringback-admin", '-f',
		$t->dir . '/.env', @args);
}

# A key as ringback-admin prints it; what is secret of it must be in no log.
sub new_key (@args) {
	my ($status, $key, $err) = admin(@args);
	is $status, 0, "@args[0, 1]" or diag $err;
	like $key, qr/\Atw_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}\n\z/,
		'the key alone on standard output';
	chomp $key;
	push @{ $t->{secrets} }, $key =~ /_(\w+)$/ ? $1 : ();
	return $key;
}

sub id_of ($key) { return $key =~ /^tw_(\w{8})_/ ? $1 : die $key }
sub status_with ($key) { return $t->api(GET => $CALLS, $key)->status }
sub listed ($key) {
	my $id = id_of($key);
	return ((admin(qw(key list)))[1] =~ /^(\Q$id\E .*)$/m)[0] // '';
}

# --- a key's life ----------------------------------------------------------

subtest 'a key is shown once, and kept as a hash' => sub {
	my ($status, $key, $said) = admin(qw(key add --user user-123 --name),
		'the shop');
	is $status, 0, 'made';
	chomp $key;
	like $said, qr/only time/, 'whoever makes it is told';
	unlike $said, qr/\Q$key\E/, 'and not shown it there';
	my $row = $t->row(q{SELECT *, encode(secret_sha256, 'hex') AS hash FROM
		api_keys WHERE id = ?}, id_of($key));
	is $row->{hash}, sha256_hex($key), 'its SHA-256 is stored';
	is $row->{user_id}, 'user-123', 'whose it is';
	is_deeply $row->{scopes}, [qw(read send)], 'what a user needs';
	is $row->{last_used_at}, undef, 'not used yet';
	is $row->{expires_at}, undef, 'for ever';
	my ($secret) = $key =~ /_(\w{43})$/;
	push @{ $t->{secrets} }, $secret;
	my $dump = join "\n", map { $t->sql("SELECT string_agg(x::text, ' ')
		FROM $_ x") // '' } map { $_->[0] } @{ $t->dbh
		->selectall_arrayref(q{SELECT tablename FROM pg_tables WHERE
		schemaname = 'public'}) };
	like $dump, qr/the shop/, 'all tables, as text';
	is index($dump, $secret), -1, 'the secret is nowhere in them';
	my $line = listed($key);
	like $line, qr/the shop +user-123 +read,send .* never +in force$/,
		"listed: $line";
	unlike +(admin(qw(key list)))[1], qr/\Q$secret\E/, 'without it';
	is status_with($key), 200, 'and it opens';
	unlike listed($key), qr/never/, 'which the list tells';
	my %seen;
	$seen{ new_key(qw(key add)) }++ for 1 .. 5;
	is scalar keys %seen, 5, 'no two are alike';
};

my $admin = $t->key(name => 'office');

subtest 'whatever is no key in force is refused in the same way' => sub {
	my $good = new_key(qw(key add --user user-401));
	my %key = map { $_ => new_key(qw(key add --user user-401)) }
		qw(revoked expired future);
	is((admin('key', 'revoke', id_of($key{revoked})))[0], 0, 'revoke');
	$t->dbh->do('UPDATE api_keys SET expires_at = now() WHERE id = ?',
		undef, id_of($key{expired}));
	$t->dbh->do("UPDATE api_keys SET expires_at = now() + interval '1 hour'
		WHERE id = ?", undef, id_of($key{future}));
	is status_with($good), 200, 'a good one';
	is status_with($key{future}), 200, 'one that will expire';
	my $last = substr($good, -1) eq 'a' ? 'b' : 'a';
	my %wrong = (
		'no header'      => undef,
		'an empty one'   => '',
		'no scheme'      => $good,
		'another scheme' => "Basic $good",
		'a scheme alone' => 'Bearer',
		'nothing behind' => 'Bearer ',
		'two blanks'     => "Bearer  $good",
		'not the shape'  => 'Bearer tw_1_2',
		'too long'       => "Bearer ${good}a",
		'too short'      => 'Bearer ' . substr($good, 0, -1),
		'a very long one' => 'Bearer ' . 'x' x 7000,
		'one letter off' => 'Bearer ' . substr($good, 0, -1) . $last,
		'the other case' => 'Bearer ' . ($good =~ s/^(tw_.{9})(.*)/
			$1 . ($2 =~ tr!a-zA-Z!A-Za-z!r)/er),
		'an unknown id'  => 'Bearer tw_00000000' . substr($good, 11),
		"another's id"   => "Bearer tw_${\ id_of($admin)}"
			. substr($good, 11),
		'its hash'       => 'Bearer ' . sha256_hex($good),
		'quotes'         => "Bearer tw_' OR 1=1_" . substr($good, 12),
		'beyond ASCII'   => "Bearer tw_\xe4bcdefg_" . substr($good, 12),
		revoked          => "Bearer $key{revoked}",
		expired          => "Bearer $key{expired}",
	);
	my %bodies;
	for my $how (sort keys %wrong) {
		my $answer = $t->request(GET => $CALLS, defined $wrong{$how}
			? { Authorization => $wrong{$how} } : {});
		is $answer->status, 401, $how or diag $answer;
		like $answer->header('WWW-Authenticate') // '',
			qr/^Bearer realm="/, '… and told what is wanted';
		my $json = $answer->json;
		delete $json->{requestId};
		$bodies{ Mojo::JSON::encode_json([ map { ($_, $json->{$_}) }
			sort keys %$json ]) } = $how;
	}
	is scalar keys %bodies, 1, 'one body for them all'
		or diag explain \%bodies;
	is $t->request(GET => "$CALLS?key=$good")->status, 401,
		'a key in the URL opens nothing';
	is $t->request(GET => $CALLS, { 'X-Api-Key' => $good })->status, 401,
		'nor in a header of its own';
	is $t->request(GET => $CALLS, { Authorization => "bearer $good" })
		->status, 200, 'the scheme in any case (RFC 9110)';
};

subtest 'who knows an id has not used the key' => sub {
	my $key = new_key(qw(key add --user user-used));
	my $guess = 'tw_' . id_of($key) . '_' . 'x' x 43;
	is status_with($guess), 401, 'a guess';
	like listed($key), qr/never/, 'is no use of the key';
	is status_with($key), 200, 'its owner';
	my $used = $t->sql('SELECT last_used_at FROM api_keys WHERE id = ?',
		id_of($key));
	ok defined $used, 'is';
	status_with($key);
	is $t->sql('SELECT last_used_at FROM api_keys WHERE id = ?',
		id_of($key)), $used, 'not written again within the minute';
	$t->dbh->do("UPDATE api_keys SET last_used_at = now() - interval
		'2 minutes' WHERE id = ?", undef, id_of($key));
	status_with($key);
	is $t->sql("SELECT last_used_at > now() - interval '1 minute' FROM
		api_keys WHERE id = ?", id_of($key)), 1, 'but after it';
};

subtest 'scopes' => sub {
	my %key = map { $_ => new_key('key', 'add', '--user', 'user-scope',
		'--scopes', $_) } 'read', 'send', 'read,send', 'watch', 'read,watch';
	$key{admin} = $admin;
	my %may = (read => 'read', send => 'send', 'read,send' => 'read send',
		watch => '', 'read,watch' => 'read', admin => 'read send');
	for my $scopes (sort keys %key) {
		my %got = (read => $t->api(GET => $CALLS, $key{$scopes}),
			send => $t->api(@SEND, $key{$scopes}, \%say));
		for my $what (qw(read send)) {
			my $answer = $got{$what};
			if ($may{$scopes} =~ /\b$what\b/) {
				is $answer->status, 200, "$scopes: may $what"
					or diag $answer;
				next;
			}
			is $answer->status, 403, "$scopes: may not $what";
			is $answer->json->{code}, 'missing_scope', '… in words';
			like $answer->json->{error}, qr/\b$what\b/,
				'… that name it';
		}
	}
	for my $scopes ('read', 'send', 'watch,send') {
		my ($status, $out, $err) = admin(qw(key add --scopes), $scopes);
		is $status, 1, "key add --scopes $scopes: whose?";
		is $out, '', 'no key';
		like $err, qr/needs a user/, 'and why';
	}
	is((admin(qw(key add --user u --scopes), $_))[0], 1, "--scopes '$_'")
		for '', 'reed', 'READ', 'read;send', 'read,,send';
};

subtest 'rotation, with overlap' => sub {
	my $old = new_key(qw(key add --user user-rotate --scopes read
		--days 90 --name till));
	my $new = new_key('key', 'rotate', '--overlap', '2', id_of($old));
	isnt id_of($new), id_of($old), 'another key';
	is status_with($_), 200, 'both open' for $old, $new;
	my ($before, $after) = map { $t->row('SELECT *, round(extract(epoch FROM
		expires_at - now()) / 3600) AS hours FROM api_keys WHERE id = ?',
		id_of($_)) } $old, $new;
	is_deeply [ @$after{qw(user_id name scopes)} ],
		[ 'user-rotate', 'till', ['read'] ], "with its owner's rights";
	is $before->{hours}, 2, 'the old one for two hours more';
	is $after->{hours}, 90 * 24, 'the new one for its 90 days';
	like listed($old), qr/replaced, until \d{4}-/, 'the list tells';
	is((admin('key', 'rotate', id_of($old)))[0], 1,
		'a key has one successor');
	my $third = new_key('key', 'rotate', '--overlap', 0, id_of($new));
	is status_with($new), 401, 'without overlap the old one ends';
	is status_with($third), 200, 'and the new one opens';
	is status_with($old), 200, 'the first is still in its two hours';
	is $t->sql('SELECT round(extract(epoch FROM expires_at - now()) / 3600)
		FROM api_keys WHERE id = ?', id_of(new_key('key', 'rotate',
		id_of(new_key(qw(key add --user u)))))), undef,
		'what never expired does not begin to';
};

subtest 'revoked is revoked' => sub {
	my $key = new_key(qw(key add --user user-revoke));
	my $next = new_key('key', 'rotate', id_of($key));
	is status_with($_), 200, 'opens' for $key, $next;
	is((admin('key', 'revoke', id_of($_)))[0], 0, 'revoke')
		for $key, $next;
	is status_with($_), 401, 'at once, overlap or not' for $key, $next;
	like listed($_), qr/ revoked$/, 'listed' for $key, $next;
	my ($status, undef, $err) = admin('key', 'revoke', id_of($key));
	is $status, 1, 'a second time';
	like $err, qr/no such key/, 'there is none to revoke';
	is((admin('key', 'rotate', id_of($key)))[0], 1, 'nor to rotate');
	is((admin(qw(key revoke nonsense)))[0], 1, 'nor was there ever that');
};

subtest 'days' => sub {
	my $key = new_key(qw(key add --user user-days --days 1));
	is $t->sql('SELECT round(extract(epoch FROM expires_at - now()) / 3600)
		FROM api_keys WHERE id = ?', id_of($key)), 24, 'a day';
	is status_with($key), 200, 'until then';
	$t->dbh->do("UPDATE api_keys SET expires_at = now() - interval
		'1 second' WHERE id = ?", undef, id_of($key));
	is status_with($key), 401, 'and not after';
	like listed($key), qr/ expired$/, 'listed';
	is((admin('key', 'rotate', id_of($key)))[0], 1,
		'and rotation does not wake it');
	is((admin(qw(key add --days), $_))[0], 64, "--days $_")
		for '0', '-1', 'x', '1.5', '999999';
};

# --- whose things ----------------------------------------------------------

my %user = map { $_ => $t->key(user => $_) } qw(user-123 user-456);
my %line = ('user-123' => '+18454090692', 'user-456' => '+18454090693');

sub assign ($number, $user) {
	my ($status, undef, $err) = admin(qw(number assign), $number, $user);
	is $status, 0, "$number is ${user}'s" or diag $err;
	return;
}

# What a key sees of calls, texts, recordings and transcripts, by SID.
sub sees ($key, $path) { return $t->api(GET => "/api/twilio/$path", $key) }

sub sids ($key, $list, $query = '') {
	my $json = sees($key, "$list?limit=1000&$query")->json;
	return [ sort map { $_->{sid} } @{ $json->{calls} //
		$json->{messages} } ];
}

my %of;	# user => { call, sms, recording, transcription }

subtest 'what reaches a number belongs to its user' => sub {
	assign($line{$_}, $_) for sort keys %line;
	like +(admin(qw(number list)))[1],
		qr/^\+18454090692 +user-123 .*\n\+18454090693 +user-456 /m,
		'listed';
	for my $user (sort keys %line) {
		my %call = $t->call(To => $line{$user}, Called => $line{$user});
		my %text = $t->text(To => $line{$user},
			Body => "a secret for $user alone");
		$t->post_signed('/api/twilio/voice', \%call);
		$t->post_signed('/api/twilio/sms', \%text);
		my $re = $outside->recording($t, speech($user eq 'user-123'
			? 40 : 60), CallSid => $call{CallSid});
		$of{$user} = { call => $call{CallSid},
			sms => $text{MessageSid}, recording => $re };
	}
	is((admin(qw(retry all)))[0], 0, 'nothing to retry');
	is(($t->sweep)[0], 0, 'swept');
	for my $user (sort keys %line) {
		my $mine = $of{$user};
		my $key = $user{$user};
		is_deeply sids($key, 'calls'), [ $mine->{call} ], "${user}'s call";
		is_deeply sids($key, 'sms'), [ $mine->{sms} ], 'and text';
		my $call = sees($key, "calls/$mine->{call}")->json->{call};
		is $call->{user_id}, $user, 'says so';
		my $recording = sees($key, "recordings/$mine->{recording}")
			->json->{recording};
		is $recording->{user_id}, $user, 'the recording too';
		is $recording->{transcription}{user_id}, $user,
			'and the transcript';
		$mine->{transcription} = $recording->{transcription_id};
	}
};

subtest 'even when the recording was known before the call' => sub {
	my %call = $t->call(To => $line{'user-123'}, Called => $line{'user-123'});
	my @early = map { $outside->recording($t, speech($_), CallSid =>
		$call{CallSid}) } 30, 35;
	is(sees($user{'user-123'}, "recordings/$early[0]")->status, 404,
		"nobody's yet");
	is(($t->sweep)[0], 0, 'and transcribed by now');
	is(sees($admin, "recordings/$early[0]")->json->{recording}{status},
		'completed', 'as the office sees');
	$t->post_signed('/api/twilio/voice', \%call);
	for my $re (@early) {
		my $recording = sees($user{'user-123'}, "recordings/$re")->json
			->{recording};
		is $recording->{user_id}, 'user-123', 'now it is the user\'s';
		is $recording->{transcription}{user_id}, 'user-123',
			'with what was said';
		is(sees($user{'user-123'}, "transcriptions/$re")->status, 200,
			'at its own address');
		is(sees($user{'user-456'}, "$_/$re")->status, 404,
			"not another's") for qw(recordings transcriptions);
	}
};

subtest 'an outbound call belongs to the user of the number that called' =>
sub {
	my %call = $t->call(From => $line{'user-123'}, To => '+14155550188',
		Direction => 'outbound-api', CallStatus => 'completed');
	$t->post_signed('/api/twilio/status', \%call);
	is(sees($user{'user-123'}, "calls/$call{CallSid}")->status, 200, 'seen');
	is(sees($user{'user-456'}, "calls/$call{CallSid}")->status, 404,
		'by nobody else');
};

subtest 'a number that changes hands keeps its past' => sub {
	assign('+18454090694', 'user-123');
	my @calls = map { { $t->call(To => '+18454090694') } } 1 .. 2;
	$t->post_signed('/api/twilio/voice', $calls[0]);
	assign('+1 (845) 409-0694', 'user-456');
	$t->post_signed('/api/twilio/voice', $calls[1]);
	$t->post_signed('/api/twilio/status', { %{ $calls[0] },
		CallStatus => 'completed' });
	my @sids = map { $_->{CallSid} } @calls;
	is_deeply sids($user{'user-123'}, 'calls', 'phoneNumber=+18454090694'),
		[ $sids[0] ], 'what was the one user\'s stays';
	is_deeply sids($user{'user-456'}, 'calls', 'phoneNumber=+18454090694'),
		[ $sids[1] ], 'what comes is the other\'s';
	is_deeply sids($admin, 'calls', 'phoneNumber=+18454090694'),
		[ sort @sids ], 'the office sees both';
	is((admin(qw(number assign), $_, 'user-123'))[0], 64,
		"no number: '$_'") for 'x', '12', '';
	is((admin(qw(number assign --sid PN12 +18454090694 user-123)))[0], 64,
		'no SID');
};

# --- every route -----------------------------------------------------------

# The rows of routes.def, as a reader of the file sees them.
sub routes {
	my $text = Ringback::Test::slurp("$Ringback::Test::ROOT/app/routes.def")
		=~ s{/\*.*?\*/}{}sgr;
	my @rows;
	while ($text =~ /^ROUTE\(\s*(.*?),\s*"[^"]*",\s*"[^"]*"\)$/msg) {
		my %row;
		@row{qw(pool method path auth body kb handler)} =
			map { s/^"|"$//gr } split /,\s*/, $1;
		push @rows, \%row;
	}
	is scalar @rows, scalar(() = $text =~ /^ROUTE\(/mg),
		'every row of routes.def was understood';
	return @rows;
}

# Addresses of a user's things for a path with {…} in it: SID and row's id.
sub addresses ($path, $things) {
	my %what = ('{CallSid}' => [qw(twilio_calls call_sid call)],
		'{MessageSid}' => [qw(twilio_sms message_sid sms)],
		'{RecordingSid}' => [qw(twilio_recordings recording_sid
		recording)], '{id}' => [qw(transcriptions recording_sid
		recording)]);
	my ($place) = $path =~ /(\{.*\})/ or return $path;
	my ($table, $column, $kind) = @{ $what{$place} // die
		"which of a user's things is $path? Teach this test." };
	my $sid = $things->{$kind};
	my $id = $t->sql("SELECT id FROM $table WHERE $column = ?", $sid);
	return map { $path =~ s/\Q$place\E/$_/r } $sid, $id;
}

my @routes = routes();

subtest 'no route but the public ones answers without a key' => sub {
	my $events = $t->sql('SELECT count(*) FROM webhook_events');
	my %public = map { $_ => 1 } '/healthz', '/api/openapi.json';
	for my $row (@routes) {
		my $name = "$row->{method} $row->{path}";
		if ($row->{auth} eq 'NONE') {
			ok delete $public{ $row->{path} }, "$name is public";
			is $t->request($row->{method}, $row->{path})->status,
				200, '… and open';
			next;
		}
		my @bad = $row->{auth} eq 'TWILIO' ? ({}, { 'X-Twilio-Signature'
			=> 'A' x 27 . '=' }, { Authorization => "Bearer $admin" })
			: $row->{auth} eq 'WATCH' ? ()	# below, from elsewhere
			: ({}, { Authorization => 'Bearer x' },
			{ 'X-Forwarded-For' => '127.0.0.1' });
		my $type = $row->{body} eq 'JSON' ? 'application/json'
			: 'application/x-www-form-urlencoded';
		my $body = $row->{body} eq 'JSON' ? Mojo::JSON::encode_json(
			\%say) : Ringback::Test::encode({ $t->call });
		for my $path (addresses($row->{path}, $of{'user-123'})) {
			is $t->request($row->{method}, $path, { %$_,
				'Content-Type' => $type }, $row->{method} eq
				'GET' ? '' : $body)->status,
				$row->{auth} eq 'TWILIO' ? 403 : 401,
				"$name: no" for @bad;
		}
	}
	is_deeply [ keys %public ], [], 'and the public ones are there';
	is $t->sql('SELECT count(*) FROM webhook_events'), $events,
		'and nothing was taken in';
};

# What only user-123 has, as it would be read in any answer.
sub traces {
	my $mine = $of{'user-123'};
	return (values %$mine, 'a secret for user-123', 'user-123',
		$line{'user-123'}, $t->sql('SELECT transcription FROM
		transcriptions WHERE recording_sid = ?', $mine->{recording}));
}

subtest "with somebody else's key no route shows what is not theirs" => sub {
	my $foreign = $user{'user-456'};
	my @traces = traces();
	my ($bytes) = $traces[-1] =~ /(\d+) bytes/;
	my $cursor = url_escape(sees($user{'user-123'}, 'calls?limit=1')->json
		->{next});
	my $walked = 0;
	for my $row (grep { $_->{pool} eq 'API' && $_->{auth} =~ /READ|SEND/ }
		@routes) {
		my $name = "$row->{method} $row->{path}";
		my @ask = $row->{auth} eq 'SEND' ? (
			[ "$row->{path}?dryRun=1", 403, { to => '+14155550188',
			userId => 'user-123', $row->{path} =~ /sms/ ?
			(body => 'hello') : (message => 'hello') } ])
			: $row->{path} =~ /\{/
			? (map { [ $_, 404 ] } addresses($row->{path},
			$of{'user-123'})) : (
			[ "$row->{path}?userId=user-123", 403 ],
			map { [ "$row->{path}?$_", 200 ] } '', 'limit=1000',
			'phoneNumber=+18454090692', "cursor=$cursor",
			"phoneNumber=$Ringback::Test::CALLER", "q=$bytes",
			'q=secret+123', 'since=2020-01-01', 'status=received',
			'direction=inbound');
		for my $ask (@ask) {
			my ($path, $status, $json) = @$ask;
			my $answer = $t->api($row->{method}, $path, $foreign,
				$json);
			is $answer->status, $status, "$name: $path"
				or diag $answer;
			my $body = $answer->body;
			# It may say again what it was asked.
			$body =~ s/this key [^"]*//;
			is_deeply [ grep { index($body, $_) >= 0 } @traces ],
				[], "… shows nothing";
			$walked++;
		}
		my $own = $row->{path} =~ /\{/ ? (addresses($row->{path},
			$of{'user-456'}))[0] : undef;
		is $t->api(GET => $own, $foreign)->status, 200,
			'… but what is theirs' if defined $own;
	}
	cmp_ok $walked, '>', 25, "$walked requests";
};

subtest "the office's key sees everybody's, and may say whose" => sub {
	for my $user (sort keys %of) {
		for my $row (grep { $_->{path} =~ /\{/ } @routes) {
			is $t->api(GET => $_, $admin)->status, 200, $_
				for addresses($row->{path}, $of{$user});
		}
		for my $list (qw(calls sms)) {
			is_deeply sids($admin, $list, "userId=$user"),
				sids($user{$user}, $list, ''),
				"$list?userId=$user is what $user sees";
			is_deeply sids($user{$user}, $list, "userId=$user"),
				sids($user{$user}, $list),
				'who may say it too';
		}
	}
	my %all = map { $_ => 1 } @{ sids($admin, 'calls') };
	ok $all{ $of{$_}{call} }, "and $_ is among all" for keys %of;
	my $nobodys = { $t->call(To => '+15005550042') };
	$t->post_signed('/api/twilio/voice', $nobodys);
	is(sees($admin, "calls/$nobodys->{CallSid}")->status, 200,
		"with what is nobody's");
	is(sees($user{$_}, "calls/$nobodys->{CallSid}")->status, 404,
		'which no user sees') for sort keys %user;
};

subtest 'a key answers to its own Idempotency-Key only' => sub {
	my @send = (POST => '/api/twilio/send-sms');
	my %text = (to => '+14155550188', body => 'between us two');
	$outside->next(twilio => map { { status => 201, json => {
		status => 'queued', sid => Ringback::Test::sid('SM') } } } 1, 2);
	my ($first, $second, $again) = map { $t->api(@send, $user{$_}, \%text,
		{ 'Idempotency-Key' => 'the-same-word' }) }
		qw(user-123 user-456 user-123);
	is $_->status, 201, 'sent' for $first, $second;
	is $second->header('Idempotent-Replayed'), undef,
		"another's word is not a repetition";
	isnt $second->json->{message}{id}, $first->json->{message}{id},
		'and gives nothing away';
	is $again->header('Idempotent-Replayed'), 'true', 'one\'s own is';
	is $again->json->{message}{id}, $first->json->{message}{id},
		'of the same text';
};

# --- guessing --------------------------------------------------------------

subtest '300 guesses, none right' => sub {
	my @letters = ('a' .. 'z', 'A' .. 'Z', 0 .. 9);
	my $used = sub { $t->sql('SELECT last_used_at FROM api_keys WHERE
		id = ?', id_of($admin)) };
	my ($before, %statuses) = ($used->());
	for my $n (1 .. 300) {
		my $id = $n % 3 ? join '', map { $letters[rand @letters] }
			1 .. 8 : id_of($admin);
		my $secret = join '', map { $letters[rand @letters] } 1 .. 43;
		$statuses{ status_with("tw_${id}_$secret") }++;
	}
	is_deeply [ grep { !/^(?:401|429)$/ } keys %statuses ], [],
		'refused, every one' or diag explain \%statuses;
	is $used->(), $before, 'nor a use of the key that was guessed at';
};

# --- from this machine, or with the scope ----------------------------------

# Straight to the workers' socket, as nginx would for a client with that
# address.
sub from ($address, $path, %header) {
	local %ENV = (PATH => $ENV{PATH}, REMOTE_ADDR => $address,
		REQUEST_METHOD => 'GET', REQUEST_URI => $path,
		CONTENT_TYPE => '', CONTENT_LENGTH => '', REQUEST_ID => 'from-elsewhere', map {
			('HTTP_' . uc(tr/-/_/r), $header{$_}) } keys %header);
	my (undef, $out) = Ringback::Test::run_command('cgi-fcgi', '-bind',
		'-connect', $t->dir . '/run/api.sock');
	my ($status) = $out =~ /^Status: (\d+)/m;
	return $status // ($out =~ /\A[\w-]+:/ ? 200 : "none: $out");
}

subtest 'how it is here is for this machine, or a key with that scope' => sub {
	plan skip_all => 'cgi-fcgi is not there; t/run installs libfcgi-bin'
		if system('command -v cgi-fcgi >/dev/null') != 0;
	my %key = (watch => new_key(qw(key add --scopes watch)),
		read => $user{'user-123'}, admin => $admin);
	my @paths = map { $_->{path} } grep { $_->{auth} eq 'WATCH' } @routes;
	is_deeply [ sort @paths ], [qw(/metrics /readyz)], 'two paths';
	for my $path (@paths) {
		is $t->request(GET => $path)->status, 200, "$path, from here";
		is from('127.0.0.1', $path), 200, '… to the worker too';
		is from('::1', $path), 200, '… by IPv6';
		for my $elsewhere ('203.0.113.9', '2001:db8::9', '10.0.0.1', '',
			'1127.0.0.1', '::ffff:203.0.113.9', '::10') {
			is from($elsewhere, $path), 401,
				"$path, from '$elsewhere'";
		}
		is from('203.0.113.9', $path, 'X-Forwarded-For' => '127.0.0.1',
			'X-Real-IP' => '127.0.0.1', Forwarded => 'for=127.0.0.1',
			Host => 'localhost'), 401, '… whatever it claims';
		my %expect = (watch => 200, read => 403, admin => 200);
		is from('203.0.113.9', $path, Authorization =>
			"Bearer $key{$_}"), $expect{$_},
			"… with a key for $_" for sort keys %expect;
	}
	is from('203.0.113.9', '/healthz'), 200, '/healthz is for anybody';
	is $t->api(GET => $CALLS, $key{watch})->status, 403,
		'and who watches reads nothing else';
};

$t->done;
