# SPDX-License-Identifier: ISC
# What an administrator does with ringback, beginning with its --help and
# nothing else, on a stack whose Twilio is the stand-in.
use v5.36;
use utf8;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(max);
use Mojo::JSON qw(decode_json encode_json);
use Mojo::Util qw(decode encode);
use Ringback::Client;
use Ringback::Outside qw(completion analysis);
use Ringback::Test;

binmode Test::More->builder->$_, ':utf8'
	for qw(output failure_output todo_output);

my $HEARD = "Hello, the order is ready. We said it's blue.";
my $t = Ringback::Test->new(carrier => 1, env => {
	SEND_PER_KEY_MINUTE => 100_000, SEND_PER_RECIPIENT_HOUR => 100_000,
}, fakes => {
	openai => sub ($c, $n) {
		$c->render(json => { task => 'transcribe', duration => 65,
			language => 'english', text => " $HEARD", segments => [
			{ id => 0, start => 0, end => 2, avg_logprob => -0.2,
			no_speech_prob => 0.01,
			text => ' Hello, the order is ready.' },
			{ id => 1, start => 61.4, end => 65, avg_logprob => -0.2,
			no_speech_prob => 0.01, text => " We said it's blue." },
			] });
	},
	llm => sub ($c, $n) {
		$c->render(json => completion(analysis(
			summary => 'An order is ready.',
			key_points => [ 'The order is blue.', 'It is ready.' ],
			next_steps => ['Fetch it.']))->{json});
	},
});
my $twilio = $t->carrier;
my ($us, $them) = ($Ringback::Test::NUMBER, '+14155550123');
my @secrets = { body => 'Your order is ready.', to => $them };
$t->note_secrets($_) for @secrets;

my %place = (url => $t->base, cacert => $t->dir . '/tls/cert.pem');
my $newcomer = Ringback::Client->new(%place);
my $c = Ringback::Client->new(%place, key => $t->key(name => 'office'));

# Ran well, with nothing on standard error; its output as characters.
sub well ($client, @args) {
	my $r = $client->run(@args);
	is $r->{status}, 0, "ringback @args" =~ s/\n.*//sr;
	is $r->{err}, '', '... without a complaint';
	return decode('UTF-8', $r->{out}) // fail 'not UTF-8';
}

sub json ($client, @args) { return decode_json(encode 'UTF-8', well($client, @args, '--json')) }

# Refused: the exit status, and what standard error says.
sub refused ($client, $status, $says, @args) {
	my $r = $client->run(@args);
	is $r->{status}, $status, "status $status: " . join(' ', @args) =~ s/\n.*//sr;
	like $r->{err}, $says, '... and why';
	is $r->{out}, '', '... and nothing else';
	return;
}

sub rows ($table) { my (undef, @rows) = split /\n/, $table; return @rows }

# Types lines into one shell of the newcomer's; what each printed, by command.
# Every one has to go well.
sub type (@lines) {
	my ($bin) = Ringback::Test::slurp($t->dir . '/.state') =~ /^BINDIR=(.+)$/m;
	my $settings = $t->dir . '/.env';
	my $script = join '', "ringback() { dash '$Ringback::Client::PROGRAM' "
		. "\"\$@\"; }\n", map { s/ringback-admin key/ringback-admin -f
		$settings key/r =~ s/\n\s+/ /gr . "\necho \"= \$?\"\n" } @lines;
	my $r = $newcomer->with(shell => [ 'dash', '-c', $script ],
		program => 'dash', env => { CURL_CA_BUNDLE => $place{cacert},
		PATH => "$bin:" . $newcomer->tools . ":$ENV{PATH}" })->run;
	my (@out, %printed) = split /^= (\d+)\n/m, $r->{out};
	for (@lines) {
		my ($out, $status) = splice @out, 0, 2;
		is $status, 0, $_ or diag $r->{err};
		$printed{ /^(?:date \| )?(\w\S*)(?: (\w+))?/ && $2 // $1 } .= $out;
	}
	return %printed;
}

subtest 'somebody who has --help and nothing else' => sub {
	my $dir = $t->dir;
	my @lines = map { s/\bDIR\b/$dir/gr } $newcomer->examples;
	my ($last) = grep { /transcript CA\.\.\.$/ } @lines;
	my %done = type(grep { $_ ne $last } @lines);
	is sprintf('%o', (stat $newcomer->key_file)[2] & 0777), '600',
		'the key is for nobody else';
	like $done{health}, qr/^database +ok$/m, 'the server is well';
	like $done{call}, qr/^CA[0-9a-f]{32} queued$/, 'a call was placed';
	like $done{sms}, qr/^SM[0-9a-f]{32} \w+$/, 'a text was sent';
	my ($sent) = $twilio->requests(qr/Messages/);
	like $sent->{params}{Body}, qr/^\w+ \w+ +\d.*\d$/, 'today, in words';
	is $sent->{params}{To}, $them, 'to them';
	like $done{calls}, qr/^\d{4}(-\d\d){2} \d\d:\d\d  out  \Q$us  $them\E .* CA\w{32}$/m,
		'the call is in the list';
	is_deeply decode_json(Ringback::Test::slurp($newcomer->home
		. '/invoices.json')), { success => Mojo::JSON->true,
		messages => [], next => undef }, 'no invoices, in JSON';

	$twilio->idle;
	is +($t->sweep)[0], 0, 'a minute later';
	my ($sid) = map { /\byes\b.*\b(CA[0-9a-f]{32})$/ ? $1 : () }
		rows(well($newcomer, 'calls'));
	%done = type($last =~ s/CA\.\.\./$sid/r);
	like $done{transcript}, qr/from \Q$us\E to \Q$them\E/, 'the transcript: who';
	like $done{transcript}, qr/^  \Q$HEARD\E$/m, 'what was said';
	like $done{transcript}, qr/^summary\n  An order is ready\.$/m,
		'what it was about';
	like $done{transcript}, qr/^key points\n  - The order is blue\.\n  - It is/m,
		'what was made of it';
	unlike $done{transcript}, qr/^pain points/m, 'and no empty list';

	# README is shorter.
	my ($section) = Ringback::Test::slurp("$Ringback::Test::ROOT/README") =~
		/^EVERYDAY USE(.*?)\n\n(?!    )/ms;
	my ($key) = Ringback::Test::slurp($newcomer->key_file);
	%done = type("echo 'Authorization: Bearer $key' >auth", map {
		s/https:\S+$/$place{url}/r =~ s/CA\.\.\./$sid/r }
		$section =~ /^    (\S.*)$/mg);
	is scalar(() = $done{curl} =~ /"call_sid"/g), 2, 'README: by curl, too';
	like $done{transcript}, qr/^  \Q$HEARD\E$/m, '... and all the rest';
	my ($try) = Ringback::Test::slurp("$Ringback::Test::ROOT/README") =~
		m{^    app/(ringback .*?[^\\]\n)}ms;
	%done = type($try =~ s/ *#.*\n//r =~ s/\.ringback\b/$dir/gr =~
		s/\\\n//r);
	is scalar rows($done{ringback}), 2,
		'... with what quickstart leaves';
};

subtest 'what may be said reaches Twilio, letter by letter' => sub {
	my $text = qq(It's "50%" \\n off & \$(id) `id` \$HOME\n\nnaïve 👍\ttab ) .
		"\x{1}\x{7f} '); --";
	$t->note_secrets({ body => $text });
	$twilio->mark;
	my $sid = well($c, 'sms', $them, encode('UTF-8', $text)) =~ s/ .*\n//sr;
	is +($twilio->requests(qr/Messages/))[0]{params}{Body}, $text,
		'a text of every kind of letter';
	is $t->sql('select body from twilio_sms where message_sid = ?', $sid),
		$text, '... is kept so, too';
	$twilio->mark;
	well($c->with(in => encode('UTF-8', "$text\n")), 'sms', $them, '-');
	is +($twilio->requests(qr/Messages/))[0]{params}{Body}, $text,
		'from standard input, without its last line break';
	$twilio->mark;
	well($c, 'sms', '--from', '+15005550006', '--user=user-1', '--media',
		'https://media.example/1.jpg', $them, '--media',
		'https://media.example/2.jpg', '--metadata',
		qq({"a": ["b", {"c": "\\"d\\n"}],\n "to": "+19995550100"}));
	my ($asked) = map { $_->{params} } $twilio->requests(qr/Messages/);
	is_deeply [ @$asked{qw(To From MediaUrl)} ], [ $them, '+15005550006',
		[ map { "https://media.example/$_.jpg" } 1, 2 ] ],
		'pictures without a text, options anywhere';
	my $row = $t->row('select * from twilio_sms order by created_at desc
		limit 1');
	is_deeply decode_json(encode 'UTF-8', $row->{metadata}), { a => [ 'b',
		{ c => "\"d\n" } ], to => '+19995550100' }, 'metadata, as given';
	is $row->{user_id}, 'user-1', 'and the user';
	$twilio->mark;
	well($c, 'sms', '--service', 'MG' . 'c' x 32, $them, 'x');
	is +($twilio->requests(qr/Messages/))[0]{params}{MessagingServiceSid},
		'MG' . 'c' x 32, 'a service';

	$twilio->mark;
	well($c, 'call', '--from=+15005550006', $them, '--voice',
		'Polly.Chantal', '--language', 'fr-CA', '--machine-detection',
		'DetectMessageEnd', '--timeout', 25, '--', '-Bonjour');
	($asked) = map { $_->{params} } $twilio->requests(qr/Calls/);
	is_deeply [ @$asked{qw(To From MachineDetection Timeout)} ], [ $them,
		'+15005550006', 'DetectMessageEnd', 25 ], 'a call with everything';
	like $asked->{Twiml}, qr{<Say voice="Polly.Chantal" language="fr-CA">-Bonjour<}, 'voice, language, and words behind --';
	ok !exists $asked->{Record}, 'not recorded';
	$twilio->mark;
	well($c, 'call', '--record', $them, 'Hello');
	is +($twilio->requests(qr/Calls/))[0]{params}{Record}, 'true',
		'recorded';
	my $json = json($c, 'sms', $them, 'Hello');
	is $json->{message}{to_number}, $them, 'with --json: what the server said';
	$twilio->idle;
};

subtest 'nothing is sent twice' => sub {
	$twilio->mark;
	my @out = map { well($c, 'sms', $them, 'Once', '--idempotency-key',
		'backup "1"') =~ s/ .*//r } 1, 2;
	is $out[0], $out[1], 'the same key: the same text';
	is scalar $twilio->requests(qr/Messages/), 1, '... sent once';
	refused($c, 1, qr/idempotency_key_reused.*field Idempotency-Key/, 'sms',
		$them, 'Other', '--idempotency-key', 'backup "1"');
	my %key;
	$key{ well($c, 'sms', $them, 'Again') =~ s/ .*//r }++ for 1, 2;
	is scalar keys %key, 2, 'without one each command is its own';

	$twilio->mark;
	my $held = $twilio->requests(qr/Messages/);
	$twilio->fault(match => 'POST .*/Messages', status => 500);
	my $r = $c->run('sms', $them, 'Perhaps');
	is $r->{status}, 3, 'Twilio in trouble: status 3';
	my ($id) = $r->{out} =~ /^(\S{36}) unknown$/;
	like $r->{err}, qr/ringback show \Q$id\E$/, '... and where to look';
	like well($c, 'show', $id), qr/^  status +unknown$/m, '... which tells';
	is scalar $twilio->requests(qr/Messages/), 1, 'and it was asked once';

	$twilio->stop;
	$r = $c->run('sms', $them, 'Never');
	$twilio->start;
	is $r->{status}, 69, 'Twilio away: status 69';
	like $r->{err}, qr/code twilio_unreachable/, '... and why';
	unlike $r->{err}, qr/asking again/, '... which no second try mends';

	$twilio->mark;
	is well($c, 'sms', '--dry-run', $them, 'x'), "It would be sent.\n",
		'a dry run';
	refused($c, 1, qr/would be refused: .*\(country_not_allowed\)$/,
		'call', '--dry-run', '+442071838750', 'x');
	is scalar $twilio->requests(qr/POST/), 0, '... sends nothing';
	$twilio->idle;
};

subtest 'a year of history' => sub {
	$t->sql(q{with gone as (delete from twilio_sms) insert into twilio_sms
		(message_sid, from_number, to_number, body, direction, status,
		user_id, created_at) select 'SM' || lpad(i::text, 32, '0'),
		case when i % 2 = 0 then '+14155550100' else '+15005550009' end,
		case when i % 2 = 0 then '+15005550009' else '+14155550100' end,
		case when i % 40 = 0 then 'An invoice, number ' || i else 'Text ' || i
		end, case when i % 2 = 0 then 'inbound' else 'outbound-api' end,
		case when i % 2 = 0 then 'received' else 'delivered' end,
		case when i % 10 = 0 then 'user-7' end,
		timestamptz '2020-01-01 12:00Z' + i * interval '3 days'
		from generate_series(0, 119) i returning 1});
	my $table = well($c, 'messages', '--all', '--limit', 50);
	my @rows = rows($table);
	is scalar @rows, 120, 'all of it, in three pages';
	is_deeply [ map { /Text (\d+)$|number (\d+)$/ ? $1 // $2 : $_ } @rows ],
		[ reverse 0 .. 119 ], 'newest first, each once';
	is_deeply [ grep { !/^TIME +DIR/ } ($table =~ /\A(.*)/) ], [],
		'under one head';
	is scalar rows(well($c, 'messages', '--all')), 120, 'and in one';
	my $json = json($c, qw(messages --all --limit 7));
	is_deeply [ map { $_->{sid} } @{ $json->{messages} } ], [ map { 'SM'
		. sprintf '%032d', $_ } reverse 0 .. 119 ], 'JSON: one document';
	is $json->{next}, undef, '... with nothing after it';

	my $r = $c->run('messages');
	is scalar rows($r->{out}), 50, '50 unless told otherwise';
	like $r->{err}, qr/there are more: --all/, '... and says so';
	$json = json($c, qw(messages --limit 3));
	is scalar @{ $json->{messages} }, 3, 'three';
	ok $json->{next}, '... and where to go on';
	is_deeply [ map { /(\d+)$/ } rows(well($c, qw(messages --since 2020-06-01
		--until 2020-06-10))) ], [ 53, 52, 51 ], 'between two days';
	is scalar rows(well($c, qw(messages --number +14155550100 --all))), 120,
		'of a number';
	is scalar rows(well($c, qw(messages --number), '+1 (999) 555-0100')), 0,
		'... which has none';
	is_deeply [ map { /number (\d+)$/ } rows(well($c, qw(messages --q),
		'invoice 80')) ], [80], 'with words';
	is scalar rows(well($c, qw(messages --direction inbound --limit 1000))),
		60, 'one way';
	is scalar rows(well($c, qw(messages --status delivered --all))), 60,
		'with a status';
	is scalar rows(well($c, qw(messages --user user-7))), 12, 'of a user';
	is scalar rows(well($c->with(key => $t->key(user => 'user-7')),
		qw(messages --all))), 12, 'for whom there is nothing else';
	$c = $c->with(key => $t->key(name => 'again'));

	my $berlin = $c->with(env => { TZ => 'Europe/Berlin' });
	my ($row) = rows(well($berlin, qw(messages --since 2020-07-05T14:00
		--until), '2020-07-05 14:01'));
	like $row, qr/^2020-07-05 14:00 .* 62$/, 'times are local, both ways';
	($row) = rows(well($berlin, qw(messages --until 2020-01-04T13:00:01)));
	like $row, qr/^2020-01-04 13:00 .* 1$/, '... in winter, too';
	is scalar rows(well($berlin, qw(messages --since 2020-12-02T12:00:00Z
		--all))), 8, '... and a zone is a zone';
	is scalar rows(well($berlin, qw(messages --since 2020-12-02T12:00:01Z
		--all))), 7, '... to the second';
	refused($c, 1, qr/field until/, qw(messages --until 2020-02-30));
	refused($c, 1, qr/field direction/, qw(messages --direction up));
};

subtest 'on a terminal' => sub {
	my $long = 'Ein längerer Text: ' . '👍 汉字 und so weiter, ' x 9 . 'Schluss';
	$t->sql('insert into twilio_sms (message_sid, from_number, to_number,
		body, direction, status) values (?, ?, ?, ?, ?, ?) returning 1',
		'SM' . 'e' x 32, $them, $us, $long, 'inbound', 'received');
	for my $columns (80, 100, 170) {
		my $out = decode('UTF-8', $c->with(columns => $columns)->run(
			qw(messages --limit 5))->{out}) =~ s/\r//gr;
		like $out, qr/\Q$them\E.*?SMe{32}(?:\n    |  )Ein längerer.*…$/ms,
			"$columns columns: as much as there is room for";
		# Emoji and Han take two.
		is_deeply [ grep { length($_ =~ s/([👍汉字])/$1$1/gr) > $columns }
			split /\n/, $out ], [], '... and no more';
		$out = $c->with(columns => $columns)->run(qw(calls))->{out};
		cmp_ok max(map { length } split /\r?\n/, $out), '<=', $columns,
			'calls fit';
		like $out, qr/ CA[0-9a-f]{32}\r?$/m, '... with their SIDs';
	}
	like +(rows(well($c, qw(messages --limit 1))))[0], qr/ \Q$long\E$/,
		'into a pipe goes all of it';
	like $c->with(columns => 80)->run(qw(calls --until 2001-01-01))->{out},
		qr/^There are none\.\r?\n\z/, 'and an empty list says so';
};

subtest 'what others wrote does nothing to a terminal' => sub {
	my $evil = "a\e[31mred\e]0;title\a\x{9b}2Jb\x{202e}txt\r\nc\x{85}d\x{7f}";
	my $sid = 'SM' . 'f' x 32;
	$t->sql('insert into twilio_sms (message_sid, from_number, to_number,
		body, direction, status, metadata) values (?, ?, ?, ?, ?, ?, ?)
		returning 1', $sid, "+1\e[2J", $us, $evil, 'inbound', 'received',
		encode_json({ "k\e[1m\n.x" => "v\x{9b}", 'a' => { id => 'no' } }));
	my $hostile = qr/[\x00-\x09\x0b-\x1f\x7f-\x9f\x{202e}]/;
	for my $args ([qw(messages --limit 1)], [ 'show', $sid ],
		[qw(messages --limit 1 --json)], [ 'show', $sid, '--json' ]) {
		my $out = well($c, @$args);
		like $out, qr/red/, "@$args shows it";
		unlike $out, $hostile, '... and nothing to be obeyed';
		unlike decode('UTF-8', $c->with(columns => 90)->run(@$args)->{out})
			=~ s/\r\n/\n/gr, $hostile, '... on a terminal, too';
	}
	is json($c, 'show', $sid)->{message}{body}, $evil, 'JSON loses nothing';
	refused($c, 64, qr/^ringback: x\[31m is no SID/, 'show', "x\e[31m");
};

subtest 'one thing, and what was said' => sub {
	my $call = $t->row(q{select * from twilio_calls where transcription_id
		is not null limit 1});
	my $transcript = $t->row('select * from transcriptions where id = ?',
		$call->{transcription_id});
	my $re = $transcript->{recording_sid};
	for my $name ($call->{call_sid}, $call->{id}) {
		my $out = well($c, 'show', $name);
		like $out, qr/^call \Q$call->{call_sid}\E\n/, 'a call, by name or id';
		like $out, qr/^  to number +\Q$them\E$/m, '... to whom';
		like $out, qr/^recording \Q$re\E$/m, '... its recording';
		like $out, qr/^  \Q$HEARD\E$/m, '... its words';
		like $out, qr{^  2\S+ \S+  completed +/api/twilio/status$}m,
			'... its course';
	}
	for my $name ($re, $transcript->{id}, $call->{id}, $call->{call_sid},
		$t->sql('select id from twilio_recordings where recording_sid = ?',
		$re)) {
		my $out = well($c, 'transcript', $name);
		like $out, qr{^call \Q$call->{call_sid}\E\n  2.*, \d+ s$}m,
			'a transcript: whose, when';
		like $out, qr/from \Q$us\E to \Q$them\E,/, '... with whom';
		is scalar(() = $out =~ /\Q$HEARD\E/g), 1, '... what, once';
	}
	like well($c, 'show', $re), qr/^recording \Q$re\E\n/, 'a recording';
	like well($c, 'show', $transcript->{id}), qr/^transcription \Q$transcript->{id}\E\n/,
		'a transcription';
	like well($c, 'transcript', '--segments', $re), qr{^\ {4}0:00\ \ Hello,\ the\ order\ is\ ready\.\n
		\ {4}1:01\ \ We\ said\ it's\ blue\.$}mx, 'with times';
	is json($c, 'transcript', $re)->{transcription}{transcription}, $HEARD,
		'as JSON';
	my $narrow = $c->with(columns => 40)->run('transcript', $re)->{out};
	like $narrow, qr/^  Hello, the order is ready. We said\r?\n  it's blue\.\r?$/m,
		'a narrow terminal gets lines that fit';

	my %call = $t->call;
	$t->post_signed('/api/twilio/voice', \%call);
	refused($c, 2, qr/no transcript$/, 'transcript', $call{CallSid});
	$t->post_signed('/api/twilio/recording-status',
		{ $t->recording($call{CallSid}) });
	refused($c, 2, qr/no transcript yet; its recording is pending$/,
		'transcript', $call{CallSid});
	refused($c, 2, qr/no such call \(status 404, code not_found/, 'show',
		'CA' . '0' x 32);
	refused($c, 2, qr/no such/, 'show', '0' x 8 . '-0000-0000-0000-' . '0' x 12);
	refused($c, 1, qr/code invalid_value/, 'show', 'CA1');
};

subtest 'the key is nobody else\'s to see' => sub {
	my ($key) = Ringback::Test::slurp($c->key_file) =~ /^(\S+)\n/;
	for my $with ($c, $c->with(env => { RINGBACK_KEY => $key,
		RINGBACK_KEY_FILE => '/nowhere' })) {
		$twilio->mark;
		$twilio->fault(match => 'POST .*/Calls', hold => 1);
		my $started = $with->start('call', $them, 'Slowly now');
		$t->wait_for('Twilio to be asked', sub { $twilio->requests(qr/Calls/) });
		my %seen;
		for my $path (glob '/proc/[0-9]*/cmdline') {
			my $line = eval { Ringback::Test::slurp($path) } // next;
			$seen{key}++ if index($line, $key) >= 0;
			next if $line !~ /^curl\0/;
			$seen{curl}++;
			$seen{env}++ if index(Ringback::Test::slurp($path =~
				s/cmdline/environ/r), $key) >= 0;
		}
		$twilio->mend;
		my $r = $with->end($started);
		is $r->{status}, 0, 'a slow call';
		ok $seen{curl}, 'curl was there to be looked at';
		is $seen{key}, undef, 'no command line has the key';
		is $seen{env}, undef, "nor curl's environment";
		unlike "$r->{out}$r->{err}", qr/\Q$key\E/, 'nor the output';
	}
	$twilio->idle;

	chmod 0640, $c->key_file;
	refused($c, 77, qr/others may read or write .*chmod 600/, 'calls');
	chmod 0604, $c->key_file;
	refused($c, 77, qr/others may read/, 'health');
	chmod 0400, $c->key_file;
	well($c, 'calls');
	well($c->with(env => { HOME => '/nowhere' }), '--key-file', $c->key_file,
		'calls');
	well($c->with(env => { HOME => '/nowhere', RINGBACK_KEY_FILE =>
		$c->key_file }), 'calls');
	my $nobody = Ringback::Client->new(%place);
	refused($nobody, 77, qr/there is no key.*--help/, 'calls');
	like well($nobody, 'health'), qr/^database +ok$/m,
		'health needs none on the server itself';
	refused($nobody->with(key => "tw_x\" \nurl=x"), 77, qr/no key; one begins/,
		'calls');
	refused($nobody->with(key => 'tw_' . 'x' x 8 . '_' . 'x' x 43), 77,
		qr/status 401, code unauthorized/, 'calls');
	my $reader = $nobody->with(key => $t->key(user => 'user-7',
		scopes => 'read'));
	refused($reader, 77, qr/status 403, code missing_scope/, 'sms', $them, 'x');
	refused($reader, 77, qr/code foreign_user, field userId/, qw(calls --user
		user-8));
	refused($c, 1, 
		qr/status 403, code country_not_allowed, field to, requestId \w{32}\)$/,
		'sms', '+442071838750', 'x');
	refused($c, 1, qr/code invalid_value, field to/, 'sms', '12', 'x');
};

subtest 'a server that is not well, or not ours' => sub {
	is_deeply [ map { /^(\S.*?)  +/ } split /\n/, well($c, 'health') ],
		[ 'server', 'database', 'webhooks on disk', 'recordings due',
		'recordings given up', 'sends unsettled', 'services paused' ],
		'what health tells';
	is json($c, 'health')->{database}, 'ok', '... also as JSON';
	my $stranger = $c->with(env => { RINGBACK_CACERT => undef });
	my $r = $stranger->run('calls');
	is $r->{status}, 69, 'an unknown certificate';
	like $r->{err}, qr/--cacert names/, '... and what to do';
	is $c->run('--url', 'https://127.0.0.1:9', 'health')->{status}, 69,
		'nobody there';
};

$t->done;
