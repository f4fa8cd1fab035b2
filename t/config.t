# SPDX-License-Identifier: ISC
# One .env file: what may stand in it, and what every program says, all at
# once and without a secret, when something in it will not do.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use Ringback::Test;

my $bin = $ENV{RINGBACK_BINDIR} // "$Ringback::Test::ROOT/.build/default";
my $dir = tempdir(CLEANUP => 1);
my @needed = qw(TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN WEBHOOK_BASE_URL
	DATABASE_URL);
my %good = (
	TWILIO_ACCOUNT_SID => $Ringback::Test::ACCOUNT,
	TWILIO_AUTH_TOKEN  => 'canary-token',
	WEBHOOK_BASE_URL   => 'https://voice.example.com',
	DATABASE_URL       => 'postgresql://u:canary-password@db.example/r',
	OPENAI_API_KEY     => 'canary-key',
);

# Writes a file of these lines; its name.
sub file (@lines) {
	state $n = 0;
	my $path = "$dir/" . ++$n . '.env';
	open my $fh, '>:raw', $path or die "$path: $!";
	print {$fh} map { "$_\n" } @lines;
	close $fh;
	chmod 0600, $path;
	return $path;
}

sub lines (%settings) {
	return map { "$_=$settings{$_}" } grep { defined $settings{$_} }
		sort keys %settings;
}

# (exit status, standard output, standard error) with nothing in the
# environment but what is given.
sub run_with ($env, $program, @args) {
	local %ENV = (PATH => $ENV{PATH}, RINGBACK_CONFIG => '/dev/null',
		ASAN_OPTIONS => $ENV{ASAN_OPTIONS} // '', %$env);
	return Ringback::Test::run_command("$bin/$program", @args);
}

# The settings in force, as ringback-admin prints them.
sub settings ($env, @lines) {
	my ($status, $out, $err) = run_with($env, 'ringback-admin', '-f',
		file(@lines), 'config');
	is $status, 0, 'accepted' or diag $err;
	return { map { split /=/, $_, 2 } split /\n/, $out };
}

# What ringback-admin has to say against a file, for a program.
sub complaints ($file, $program, %env) {
	my ($status, $out, $err) = run_with(\%env, 'ringback-admin', '-f',
		$file, 'config', '--check', $program);
	is $status, 78, "exit 78 for $program";
	is $out, '', 'no settings shown';
	unlike $err, qr/canary/, 'no secret told';
	my ($head, @lines) = split /\n/, $err;
	like $head, qr/errors/, 'says that there are errors';
	return join "\n", map { s/^\Q$file\E/FILE/r } @lines;
}

# --- what stands in force --------------------------------------------------

subtest 'every setting has a default or none, and is shown' => sub {
	my ($status, $sample) = run_with({}, 'ringback-admin', 'config',
		'--sample');
	is $status, 0, 'a sample';
	my @names = $sample =~ /^#?([A-Z][A-Z0-9_]+)=/mg;
	cmp_ok scalar @names, '>=', 30, scalar(@names) . ' settings';
	my $shown = settings({}, '# nothing');
	is_deeply [ sort keys %$shown ], [ sort @names ],
		'all of them are shown';
	for my $name (@needed) {
		like $sample, qr/^# required: .*\n$name=$/m,
			"$name is marked as required";
	}
	my @lines = map { s/^#(?=[A-Z])//r } split /\n/, $sample;
	is_deeply settings({}, @lines), $shown,
		'the sample\'s defaults are the defaults';
	is_deeply { map { $_ => $shown->{$_} } qw(TWILIO_API_BASE_URL
		TWILIO_VALIDATE RINGBACK_ENV OPENAI_BASE_URL TRANSCRIBE_MODEL
		VOICEMAIL_SECONDS TWILIO_DELETE_RECORDINGS LOG_LEVEL) },
		{ TWILIO_API_BASE_URL => 'https://api.twilio.com',
		TWILIO_VALIDATE => 'enforce', RINGBACK_ENV => 'production',
		OPENAI_BASE_URL => 'https://api.openai.com/v1',
		TRANSCRIBE_MODEL => 'whisper-1', VOICEMAIL_SECONDS => 3600,
		TWILIO_DELETE_RECORDINGS => 'no', LOG_LEVEL => 'info' },
		'and the documented ones';
};

subtest 'secrets are shown to be set, and no more' => sub {
	my @secret = qw(TWILIO_AUTH_TOKEN TWILIO_AUTH_TOKEN_NEXT
		TWILIO_API_SECRET OPENAI_API_KEY LLM_API_KEY);
	my $shown = settings({ LLM_API_KEY => 'canary-of-env' }, lines(%good,
		TWILIO_AUTH_TOKEN_NEXT => 'canary-next', TWILIO_API_KEY =>
		'SK' . 'a' x 32, TWILIO_API_SECRET => 'canary-secret',
		TWILIO_SUBACCOUNTS => 'AC' . '1' x 32 . ':canary-sub'));
	is $shown->{$_}, '(set)', $_ for @secret, qw(TWILIO_SUBACCOUNTS
		DATABASE_URL);
	is scalar(grep { /canary/ } %$shown), 0, 'no secret anywhere';
	is $shown->{TWILIO_ACCOUNT_SID}, $good{TWILIO_ACCOUNT_SID},
		'what is no secret is shown';
	is settings({}, '#')->{$_}, '', "$_, unset" for @secret[0 .. 2];
};

subtest 'the environment wins over the file' => sub {
	my $shown = settings({ SMS_REPLY => 'from the environment',
		VOICE_GOODBYE => '', LLM_MODEL => '' }, 'SMS_REPLY=from the '
		. 'file', 'VOICE_GREETING=from the file',
		'VOICE_GOODBYE=from the file', 'LLM_MODEL=some');
	is $shown->{SMS_REPLY}, 'from the environment', 'where both have it';
	is $shown->{VOICE_GREETING}, 'from the file', 'else the file';
	is $shown->{VOICE_GOODBYE}, '', 'also to say that it is empty';
	is $shown->{LLM_MODEL}, 'gpt-4o-mini', 'or at its default';
	my $file = file(lines(%good), 'LOG_LEVEL=loud');
	my ($status) = run_with({ LOG_LEVEL => 'warn' }, 'ringback-admin',
		'-f', $file, 'config');
	is $status, 0, 'what it replaces need not even be right';
};

subtest 'the file: -f, else RINGBACK_CONFIG' => sub {
	my %from = map { $_ => file("LLM_MODEL=$_") } qw(option variable);
	my (undef, $out) = run_with({ RINGBACK_CONFIG => $from{variable} },
		'ringback-admin', 'config');
	like $out, qr/^LLM_MODEL=variable$/m, 'the variable';
	(undef, $out) = run_with({ RINGBACK_CONFIG => $from{variable} },
		'ringback-admin', '-f', $from{option}, 'config');
	like $out, qr/^LLM_MODEL=option$/m, 'the option wins';
};

subtest 'quotes, comments, export, spaces' => sub {
	my @cases = (
		[ 'bare words stay', 'SMS_REPLY=two words', 'two words' ],
		[ 'spaces at the end do not', "SMS_REPLY=x \t ", 'x' ],
		[ 'nor those before the name', "\t SMS_REPLY=x", 'x' ],
		[ 'double quotes', 'SMS_REPLY=" a # b \' "', " a # b ' " ],
		[ 'single quotes', q(SMS_REPLY='say "hi" # now'),
			'say "hi" # now' ],
		[ 'a comment', 'SMS_REPLY=x # y', 'x' ],
		[ 'a comment behind quotes', 'SMS_REPLY="x"  # y', 'x' ],
		[ 'a sharp within a word', 'SMS_REPLY=x#y', 'x#y' ],
		[ 'an equals sign', 'SMS_REPLY=a=b=c', 'a=b=c' ],
		[ 'export', 'export SMS_REPLY=x', 'x' ],
		[ 'nothing is expanded', 'SMS_REPLY="$HOME ${X} `id` \\n"',
			'$HOME ${X} `id` \\n' ],
		[ 'an empty value', 'SMS_REPLY=', '' ],
		[ 'an empty quoted value', 'SMS_REPLY=""', '' ],
		[ 'lines that end as on Windows', "SMS_REPLY=\"x\"\r", 'x' ],
		[ 'and bare', "SMS_REPLY=x\r", 'x' ],
		[ 'the last one counts', "SMS_REPLY=x\nSMS_REPLY=y", 'y' ],
		[ 'other scripts', "SMS_REPLY=\xe2\x82\xac", "\xe2\x82\xac" ],
		[ 'comments and blank lines', "# a\n\n  # b=c\n\t\nSMS_REPLY=x",
			'x' ],
	);
	for my $case (@cases) {
		my ($name, $line, $value) = @$case;
		is settings({}, $line)->{SMS_REPLY}, $value, $name;
	}
};

subtest 'addresses of servers' => sub {
	for my $case ([ 'https://h', 'https://h/v1' ],
		[ 'https://h/', 'https://h/v1' ],
		[ 'https://h:8443', 'https://h:8443/v1' ],
		[ 'http://127.0.0.1:9', 'http://127.0.0.1:9/v1' ],
		[ 'https://h/v1', 'https://h/v1' ],
		[ 'https://h/v1/', 'https://h/v1' ],
		[ 'https://h/api/openai', 'https://h/api/openai' ]) {
		my ($given, $used) = @$case;
		my $shown = settings({}, "OPENAI_BASE_URL=$given",
			"LLM_BASE_URL=$given");
		is $shown->{OPENAI_BASE_URL}, $used, "$given: $used";
		is $shown->{LLM_BASE_URL}, $used, 'for the analysis too';
	}
	is settings({}, 'WEBHOOK_BASE_URL=https://h/')->{WEBHOOK_BASE_URL},
		'https://h', 'a path is added to it, so no slash at the end';
	is settings({}, 'TWILIO_API_BASE_URL=https://api.ie1.twilio.com'
		)->{TWILIO_API_BASE_URL}, 'https://api.ie1.twilio.com',
		'nothing is added to Twilio\'s';
	for my $url ('http://127.0.0.1:9', 'http://localhost', 'http://[::1]:9',
		'http://127.9.9.9/x') {
		is settings({}, "TWILIO_API_BASE_URL=$url"
			)->{TWILIO_API_BASE_URL}, $url, "$url is this machine";
	}
};

# --- what will not do ------------------------------------------------------

subtest 'a value that will not do' => sub {
	my $http = qr/http:\/\/ is accepted for this machine only/;
	my $url = qr/not an http\(s\) URL/;
	my @cases = (
		(map { [ TWILIO_ACCOUNT_SID => $_, qr/not of the form/ ] }
			'canary', 'AC123', 'SK' . 'a' x 32, 'AC' . 'a' x 33,
			'AC' . '-' x 32),
		(map { [ TWILIO_SUBACCOUNTS => $_, qr/not of the form/ ] }
			'canary', 'AC' . '1' x 32, 'AC' . '1' x 32 . ':',
			'AC' . '1' x 32 . ':canary,', 'AC' . '1' x 32
			. ':canary:canary:canary'),
		[ TWILIO_API_KEY => $good{TWILIO_ACCOUNT_SID},
			qr/not of the form/ ],
		(map { [ TWILIO_PHONE_NUMBER => $_, qr/not of the form/ ] }
			'5005550006', '+0005550006', '+1 500 555 0006', '+1'),
		[ TWILIO_PHONE_NUMBER_SID => '+15005550006',
			qr/not of the form/ ],
		[ TWILIO_MESSAGING_SERVICE_SID => 'PN' . 'a' x 32,
			qr/not of the form/ ],
		(map { [ DATABASE_URL => $_, qr/not of the form/ ] }
			'mysql://u:canary@h/d', 'host=h password=canary'),
		(map { [ TWILIO_API_BASE_URL => $_, $url ] } 'api.twilio.com',
			'ftp://h', 'https://', 'https://u:canary@h', '://',
			'https://h?key=canary', 'https://h#canary', 'https:/h',
			'nonsense'),
		(map { [ $_ => 'http://h.example', $http ] }
			qw(TWILIO_API_BASE_URL OPENAI_BASE_URL LLM_BASE_URL
			WEBHOOK_BASE_URL)),
		(map { [ OPENAI_BASE_URL => $_, $http ] }
			'http://127.0.0.1.evil.example', 'http://10.0.0.1',
			'http://localhost.evil.example', 'http://0.0.0.0',
			'http://127.0.0.1%2eevil.example', 'http://[::2]',
			'http://[::ffff:10.0.0.1]', 'HTTP://h.example',
			'http://169.254.169.254'),
		[ OPENAI_BASE_URL => 'http://127.0.0.1@evil.example', $url ],
		(map { [ VOICEMAIL_SECONDS => $_,
			qr/not a whole number in 1\.\.14400/ ] } '0', '14401',
			'-5', '1h', '1.5', '0x10', '99999999999999999999',
			'ten'),
		[ SWEEP_JOBS => '65', qr/not a whole number in 1\.\.64/ ],
		[ TWILIO_VALIDATE => 'off', qr/must be one of enforce\|observe/ ],
		[ TWILIO_VALIDATE => 'Observe', qr/must be one of enforce\|observe/ ],
		[ RINGBACK_ENV => 'test', qr/must be one of production\|development/ ],
		[ TWILIO_DELETE_RECORDINGS => 'true', qr/must be one of no\|yes/ ],
		[ LOG_LEVEL => 'verbose', qr/must be one of debug\|info\|warn\|error/ ],
		(map { [ $_ => 'spool', qr/not of the form/ ] }
			qw(SPOOL_DIR FALLBACK_DIR)),
		[ TRANSCRIBE_LANGUAGE => 'english', qr/not of the form/ ],
		[ VOICE_NAME => '"a b"', qr/not of the form/ ],
		[ VOICE_GREETING => "\xff\xfe", qr/not UTF-8/ ],
	);
	for my $case (@cases) {
		my ($name, $value, $why) = @$case;
		subtest "$name=$value" =~ s/[^ -~]/?/gr => sub {
			like complaints(file(lines(%good, $name => $value)),
				'sweep'), qr/\A$name: $why[^\n]*\z/,
				'said of the file';
			my ($bare) = $value =~ /^"(.*)"$/;
			like complaints(file(lines(%good)), 'sweep', $name =>
				$bare // $value), qr/\A$name: $why[^\n]*\z/,
				'and of the environment';
		};
	}
};

subtest 'a line that will not do is named by its number' => sub {
	my @good = lines(%good);
	my $n = @good + 2;
	for my $case ([ 'TWILIO_AUTH_TOKN=canary', 'no setting is called '
		. 'TWILIO_AUTH_TOKN' ], [ 'sms_reply=x',
		'no setting is called sms_reply' ],
		[ 'canary', 'not NAME=value' ], [ '=canary', 'not NAME=value' ],
		[ 'SMS_REPLY = canary', 'not NAME=value' ],
		[ 'SMS_REPLY="canary', 'not NAME=value' ],
		[ "SMS_REPLY='canary\"", 'not NAME=value' ],
		[ 'SMS_REPLY="canary" canary', 'not NAME=value' ],
		[ 'SMS-REPLY=canary', 'not NAME=value' ],
		[ 'export', 'not NAME=value' ]) {
		my ($line, $why) = @$case;
		is complaints(file(@good, '# a comment', $line), 'sweep'),
			"FILE line $n: $why", $line;
	}
};

subtest 'what each program cannot do without' => sub {
	my %missing = (hooks => [@needed], api => [@needed],
		sweep => [ @needed, qw(OPENAI_API_KEY LLM_API_KEY) ]);
	for my $program (sort keys %missing) {
		my $said = complaints(file('# nothing'), $program);
		is_deeply [ $said =~ /^([A-Z_]+): required/mg ],
			$missing{$program}, "$program: @{ $missing{$program} }";
		is scalar(split /\n/, $said), @{ $missing{$program} },
			'and nothing else';
	}
	for my $name (@needed) {
		for my $none (undef, '') {
			like complaints(file(lines(%good, $name => $none)),
				'hooks'), qr/\A$name: required: [^\n]+\z/,
				defined $none ? "$name empty" : "no $name";
		}
	}
	my %keyless = (%good, OPENAI_API_KEY => undef);
	is complaints(file(lines(%keyless, LLM_BASE_URL =>
		'http://127.0.0.1:9')), 'sweep') =~ s/:.*//r, 'OPENAI_API_KEY',
		'a key for the server that is not on this machine';
	is complaints(file(lines(%keyless, OPENAI_BASE_URL =>
		'http://127.0.0.1:9')), 'sweep') =~ s/:.*//r, 'LLM_API_KEY',
		'either of them';
	for my $local ({ OPENAI_BASE_URL => 'http://127.0.0.1:9',
		LLM_BASE_URL => 'http://localhost:9' }) {
		my ($status) = run_with({}, 'ringback-admin', '-f',
			file(lines(%keyless, %$local)), 'config', '--check',
			'sweep');
		is $status, 0, 'none for servers on this machine';
	}
	is complaints(file(lines(%good, TWILIO_API_KEY => 'SK' . 'a' x 32)),
		'api'), 'TWILIO_API_KEY and TWILIO_API_SECRET go together',
		'half an API key';
	is complaints(file(lines(%good, TWILIO_API_SECRET => 'canary')),
		'api'), 'TWILIO_API_KEY and TWILIO_API_SECRET go together',
		'the other half';
};

subtest 'a file that others can read is no place for secrets' => sub {
	my $file = file(lines(%good));
	for my $mode (0600, 0640, 0400, 0660) {
		chmod $mode, $file;
		my ($status) = run_with({}, 'ringback-admin', '-f', $file,
			'config', '--check', 'hooks');
		is $status, 0, sprintf '%04o will do', $mode;
	}
	for my $mode (0644, 0604, 0602, 0601, 0666) {
		chmod $mode, $file;
		is complaints($file, 'hooks'), 'FILE: others can read it; '
			. 'chmod 0600', sprintf '%04o will not', $mode;
	}
	is complaints("$dir/none.env", 'hooks') =~ s/\n.*//sr,
		'FILE: No such file or directory', 'nor does none at all';
	like complaints($dir, 'hooks'), qr/^FILE: Is a directory$/m,
		'or a directory';
};

# As root they would be for groups that this machine may not have yet.
subtest 'each program gets a file without the secrets of others' => sub {
	my $place = tempdir(CLEANUP => 1);
	my @as = $> ? () : qw(setpriv --reuid=nobody --regid=nogroup
		--clear-groups);
	my $split = sub (@lines) {
		my $file = file(@lines);
		system('cp', '-p', $file, "$place/.env") == 0 or die 'cp';
		chmod 0600, "$place/.env";
		if (!$>) {
			chown +(getpwnam 'nobody')[2, 3], $place,
				"$place/.env";
		}
		local %ENV = (PATH => $ENV{PATH}, ASAN_OPTIONS =>
			$ENV{ASAN_OPTIONS} // '');
		my ($status, $out, $err) = Ringback::Test::run_command(@as,
			"$bin/ringback-admin", '-f', "$place/.env", qw(config
			--split));
		return $status, $err, map { join '', grep { !/^#/ }
			split /^/, Ringback::Test::slurp("$place/$_.env") }
			qw(hooks api sweep);
	};
	my @common = ("TWILIO_ACCOUNT_SID=$good{TWILIO_ACCOUNT_SID}",
		"TWILIO_AUTH_TOKEN='a b' # of 2026",
		'WEBHOOK_BASE_URL=https://h');
	my @twilio = ('TWILIO_API_KEY=SK' . 'a' x 32,
		'TWILIO_API_SECRET=canary-rest');
	my $openai = 'OPENAI_API_KEY="canary-openai"';
	my $llm = 'LLM_API_KEY=canary-llm';
	my $url = 'DATABASE_URL=postgresql:///ringback';
	my ($status, $err, @parts) = $split->(reverse(@common, @twilio, $llm,
		$openai), '#OPENAI_API_KEY=canary-of-old', "export $url",
		'SMS_REPLY=');
	is $status, 0, 'done' or diag $err;
	is_deeply [ map { [ sort split /\n/, $_ ] } @parts ], [ map {
		[ sort @common, $url, 'SMS_REPLY=', @$_ ] } [], [@twilio],
		[ @twilio, $openai, $llm ] ], 'what each has to know, as it was '
		. 'written';
	for my $name (qw(hooks api sweep)) {
		is +(stat "$place/$name.env")[2] & 07777, 0600, "$name.env is "
			. 'for nobody else';
		my ($checked) = run_with({}, 'ringback-admin', '-f',
			"$place/$name.env", 'config', '--check', $name);
		is $checked, 0, '… and will do';
	}
	(undef, $err, @parts) = $split->(@common, $openai, $url,
		map { "DATABASE_URL_\U$_\E=postgresql://$_:canary-$_\@h/r" }
		qw(hooks api));
	is_deeply [ map { [ /^(DATABASE_URL.*)$/mg ] } @parts ], [
		[ 'DATABASE_URL=postgresql://hooks:canary-hooks@h/r' ],
		[ 'DATABASE_URL=postgresql://api:canary-api@h/r' ], [$url] ],
		'whose database is another\'s does not hear of it';
	my @before = @parts;
	($status, $err, @parts) = $split->(@common, $url, 'LOG_LEVEL=loud');
	is $status, 78, 'settings that will not do';
	like $err, qr/^LOG_LEVEL: must be one of/m, 'are named';
	is_deeply \@parts, \@before, 'and nothing is written';
	is_deeply [ glob "$place/*.new" ], [], 'nor left behind';
	is settings({}, lines(%good), 'DATABASE_URL_SWEEP=postgresql:///s'
		)->{DATABASE_URL_SWEEP}, '(set)', 'they are secrets, too';
};

subtest 'how to ask' => sub {
	for my $program (qw(worker sweep admin)) {
		my $name = "ringback-$program";
		my ($status, $out, $err) = run_with({}, $name, '--help');
		is_deeply [ $status, $err ], [ 0, '' ], "$name --help";
		like $out, qr/^usage: $name/, 'says how';
		($status, $out, $err) = run_with({}, $name, '--version');
		is_deeply [ $status, $err ], [ 0, '' ], "$name --version";
		like $out, qr/^$name \d+\.\d+\S*$/, 'says which';
		($status, $out, $err) = run_with({}, $name, '--nonsense');
		is_deeply [ $status, $out ], [ 64, '' ], "$name --nonsense";
		like $err, qr/usage: $name/, 'says how';
	}
	my ($status) = run_with({}, 'ringback-worker', 'hook');
	is $status, 64, 'there is no pool called hook';
	($status) = run_with({}, 'ringback-admin', 'config', '--check', 'all');
	is $status, 64, 'nor a program called all';
};

subtest 'every program says all of it at once, and does not start' => sub {
	my $file = file('TWILIO_AUTH_TOKEN=canary', 'NONSENSE=canary', 'canary',
		'WEBHOOK_BASE_URL=http://h.example', 'LOG_LEVEL=canary',
		'VOICEMAIL_SECONDS=canary', 'TWILIO_API_SECRET=canary');
	chmod 0644, $file;
	my @all = ("FILE: others can read it; chmod 0600",
		'FILE line 2: no setting is called NONSENSE',
		'FILE line 3: not NAME=value', 'TWILIO_ACCOUNT_SID: required',
		'WEBHOOK_BASE_URL: http://', 'DATABASE_URL: required',
		'VOICEMAIL_SECONDS: not', 'LOG_LEVEL: must',
		'TWILIO_API_KEY and');
	for my $program ([ 'ringback-worker', 'hooks' ],
		[ 'ringback-worker', 'api' ], [ 'ringback-sweep' ]) {
		my ($name, @args) = @$program;
		my ($status, $out, $err) = run_with({}, $name, '-f', $file,
			@args);
		is $status, 78, "$name @args: exit 78";
		unlike $err, qr/canary/, 'no secret told';
		is $out, '', 'nothing done';
		$err =~ s/^\Q$file\E/FILE/mg;
		is_deeply [ grep { index($err, "\n$_") < 0 } @all ], [],
			'every complaint is there';
		my $extra = $name eq 'ringback-sweep' ? 2 : 0;
		is scalar(split /\n/, $err), 1 + @all + $extra,
			'and nothing else';
	}
};

done_testing;
