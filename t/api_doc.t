# SPDX-License-Identifier: ISC
# The API's description of itself, held against what it describes: the tables
# it is made from, validators that others wrote, and an answer of every status
# that it promises, each of which has to look as promised.
use v5.36;
use utf8;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::JSON qw(decode_json encode_json false from_json true);
use Ringback::Node;
use Ringback::Outside qw(speech);
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database);

binmode Test::More->builder->$_, ':utf8'
	for qw(output failure_output todo_output);

plan skip_all => 'cpp is not there, which reads the .def tables'
	if system('command -v cpp >/dev/null') != 0;

# --- the tables ------------------------------------------------------------

# The rows of a table, each a hash of its columns, as the compiler sees them.
sub table ($file, $macro, @columns) {
	my $make = "#define $macro(" . join(', ', @columns) . ') ['
		. join(', ', map { "#$_" } @columns) . "],\n"
		. qq(#include "$Ringback::Test::ROOT/app/$file"\n);
	my (undef, $out, $err) = Ringback::Test::run_command('sh', '-c',
		'printf %s "$1" | cpp -P -nostdinc -', 'sh', $make);
	die $err if $err ne '';
	# A column is its C source: a string in quotes, a word, or NULL.
	return map { my %row; @row{@columns} = map { $_ eq 'NULL' ? undef
		: /^"/ ? from_json($_) : $_ } @$_; \%row }
		@{ decode_json('[' . $out =~ s/,\s*\z//r . ']') };
}

my @routes = grep { $_->{pool} eq 'API' } table('routes.def', 'ROUTE', qw(pool
	method path auth body kb handler answers doc));
my %route = map { $_->{handler} => $_ } @routes;
my @params = table('params.def', 'PARAM', qw(handler where name type required
	min max shape doc));
my %result;	# schema => { name => row }
$result{ $_->{schema} }{ $_->{name} } = $_
	for table('results.def', 'RESULT', qw(schema name type doc));

# --- the description -------------------------------------------------------

my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(workers => 1, fakes => $outside->fakes);
my %key = (admin => $t->key(name => 'office'),
	read => $t->key(user => 'u', scopes => 'read'),
	send => $t->key(user => 'u', scopes => 'send'),
	watch => $t->key(scopes => 'watch'));
my $answer = $t->request(GET => '/api/openapi.json');
is $answer->status, 200, 'the description is there, for anybody';
my $doc = $answer->json;

sub operation ($row) { return $doc->{paths}{ $row->{path} }{ lc $row->{method} } }

subtest 'others can read it' => sub {
	my $why = Ringback::Node::missing('@redocly/openapi-core');
	plan skip_all => $why if $why;
	is_deeply Ringback::Node::ask('@redocly/openapi-core', <<~'JS',
		const {lintFromString, createConfig} =
			require('@redocly/openapi-core');
		const config = await createConfig(
			{extends: ['recommended-strict']});
		const problems = await lintFromString({config,
			source: questions.source, absoluteRef: '/openapi.json'});
		JS
		'problems.map(p => [p.ruleId, p.message, p.location[0].pointer])',
		{ source => $answer->body }), [],
		'Redocly has nothing to complain of, by its strictest rules';
	is_deeply Ringback::Node::ask('@seriousme/openapi-schema-validator',
		<<~'JS', '[validator.version, result]', $doc),
		const {Validator} = await import(require.resolve(
			'@seriousme/openapi-schema-validator'));
		const validator = new Validator();
		const result = await validator.validate(questions);
		JS
		[ '3.1', { valid => true } ],
		'valid by the schema that the OpenAPI Initiative publishes';
};

subtest 'every route, and nothing else' => sub {
	is $doc->{openapi}, '3.1.0', 'OpenAPI 3.1';
	is_deeply $doc->{servers}, [ { url => $t->base } ], 'and where it is';
	is_deeply [ sort map { my $path = $_; map { uc . " $path" }
		keys %{ $doc->{paths}{$path} } } keys %{ $doc->{paths} } ],
		[ sort map { "$_->{method} $_->{path}" } @routes ],
		'methods and paths';
	for my $row (@routes) {
		my $told = operation($row);
		is $told->{summary}, $row->{doc}, "$row->{handler}: in words";
		is_deeply [ sort keys %{ $told->{responses} } ],
			[ sort split / /, $row->{answers} ], '… statuses';
		is_deeply $told->{security}, $row->{auth} eq 'NONE' ? []
			: [ { key => [] } ], '… key';
	}
	is_deeply $doc->{components}{securitySchemes}, { key => {
		type => 'http', scheme => 'bearer' } }, 'what a key is';
};

my %type = (INTEGER => 'integer', BOOLEAN => 'boolean', OBJECT => 'object',
	URLS => 'array');

subtest 'every parameter, and nothing else' => sub {
	for my $row (@routes) {
		my $told = operation($row);
		my $body = $row->{body} eq 'JSON' ? $told->{requestBody}
			{content}{'application/json'}{schema} : {};
		my %told = map { ("$_->{in} $_->{name}" => { %{ $_->{schema} },
			description => $_->{description},
			required => $_->{required} }) } @{ $told->{parameters} };
		my %required = map { $_ => 1 } @{ $body->{required} // [] };
		$told{"body $_"} = { %{ $body->{properties}{$_} },
			required => $required{$_} ? true : false }
			for keys %{ $body->{properties} // {} };
		is $body->{additionalProperties}, false,
			"$row->{handler}: no other members" if %$body;
		my %expect = map { my $p = $_; lc($p->{where}) . " $p->{name}"
			=> {
			type => $type{ $p->{type} } // 'string',
			description => $p->{doc},
			required => $p->{required} eq 'true' ? true : false,
			$p->{type} eq 'INTEGER' ? (minimum => $p->{min} + 0,
				maximum => $p->{max} + 0)
			: $p->{type} =~ /^(?:TEXT|PARTY)$/ ? (
				minLength => $p->{min} + 0,
				maxLength => $p->{max} + 0,
				$p->{shape} ? (pattern => $p->{shape}) : ())
			: $p->{type} eq 'CHOICE' ? (enum => [ split /\|/,
				$p->{shape} ])
			: $p->{type} eq 'URLS' ? (maxItems => $p->{max} + 0,
				items => { type => 'string' }) : (),
		} } grep { $_->{handler} eq $row->{handler} } @params;
		if ($row->{auth} eq 'SEND') {
			my $word = delete $told{'header Idempotency-Key'};
			is $word->{required}, false,
				"$row->{handler}: Idempotency-Key, if you like";
		}
		is_deeply \%told, \%expect, "$row->{handler}: "
			. join ', ', sort keys %expect;
	}
	my %known = map { $_->{handler} => 1 } @routes;
	is_deeply [ grep { !$known{ $_->{handler} } } @params ], [],
		'no parameter of a route that is not there';
};

# A type of results.def as JSON Schema has it.
sub schema_of ($type) {
	my $one = sub ($word) { $word =~ /^[A-Z]/
		? { '$ref' => "#/components/schemas/$word" }
		: { type => $word } };
	return { type => 'array', items => $one->($1) } if $type =~ /^\[(.*)\]$/;
	my @words = split /\|/, $type =~ s/\?$//r;
	push @words, 'null' if $type =~ /\?$/;
	return $one->(@words) if @words == 1;
	return $type =~ /[A-Z]/ ? { anyOf => [ map { $one->($_) } @words ] }
		: { type => \@words };
}

subtest 'every member of every answer, and nothing else' => sub {
	my $schemas = $doc->{components}{schemas};
	is_deeply [ sort keys %$schemas ], [ sort keys %result ], 'schemas';
	for my $name (sort keys %result) {
		is_deeply $schemas->{$name}{properties}, { map { my $row = $_;
			$row->{name} => { %{ schema_of($row->{type}) },
			description => $row->{doc} } }
			values %{ $result{$name} } }, "$name: "
			. join ', ', sort keys %{ $result{$name} };
	}
};

# --- every status ----------------------------------------------------------

# What there is to show: a call with two recordings, one of them analysed, and
# a text.
my %call = $t->call;
my %text = $t->text;
$t->post_signed('/api/twilio/voice', \%call);
$t->post_signed('/api/twilio/sms', \%text);
my $re = $outside->recording($t, speech(50), CallSid => $call{CallSid});
$outside->next(twilio => { status => 404 });
$outside->recording($t, undef, CallSid => $call{CallSid});
$t->sweep;
my $old = $t->sql(q{INSERT INTO transcriptions (analysis, transcription)
	VALUES ('"# A caller"', 'Hello.') RETURNING id});

my %thing = ('{CallSid}' => $call{CallSid}, '{MessageSid}' =>
	$text{MessageSid}, '{RecordingSid}' => $re, '{id}' => $re);
my %say = ('make-call' => { to => '+14155550188', message => 'Hello you.' },
	'send-sms' => { to => '+14155550188', body => 'Hello you.' });

my @seen;	# { row, status, type, json } of every answer

# A request to a route; what deviates from a good one is in %o. from => an
# address: straight to the worker, as nginx would for somebody out there.
sub ask ($row, %o) {
	my $path = $o{path} // $row->{path} =~ s/(\{.*\})/$thing{$1}/r;
	$path .= "?$o{query}" if defined $o{query};
	my $key = exists $o{key} ? $o{key} : $key{admin};
	my ($kind) = $path =~ m{/(make-call|send-sms)};
	my %header = (defined $key ? (Authorization => "Bearer $key") : (),
		$row->{body} eq 'JSON' ? ('Content-Type' => $o{type} //
		'application/json') : ());
	my $method = $o{method} // $row->{method};
	my ($status, $type, $body);
	if ($o{from}) {
		($status, $type, $body) = from($o{from}, $method, $path,
			%header);
	} else {
		my $answer = $t->request($method, $path, \%header,
			$method eq 'POST' ? $o{body} // encode_json(
			$say{$kind // ''} // {}) : '');
		($status, $type, $body) = ($answer->status, $answer->type,
			$answer->body);
	}
	push @seen, { row => $row, status => $status, type => $type,
		json => $type =~ /json/ ? decode_json($body) : undef };
	return $status;
}

sub from ($address, $method, $path, %header) {
	local %ENV = (PATH => $ENV{PATH}, REMOTE_ADDR => $address,
		REQUEST_METHOD => $method, REQUEST_URI => $path,
		CONTENT_TYPE => '', CONTENT_LENGTH => '',
		REQUEST_ID => 'from-elsewhere',
		map { ('HTTP_' . uc(tr/-/_/r), $header{$_}) } keys %header);
	my (undef, $out) = Ringback::Test::run_command('cgi-fcgi', '-bind',
		'-connect', $t->dir . '/run/api.sock');
	my ($head, $body) = split /\r\n\r\n/, $out, 2;
	my ($status) = $head =~ /^Status: (\d+)/m;
	my ($type) = $head =~ /^Content-Type: (.*?)\r?$/mi;
	return ($status // 200, $type // '', $body // '');
}

sub twilio_says ($status, $json, %more) {
	$outside->next(twilio => { status => $status, json => $json, %more });
	return;
}

my %how = (
	good => sub ($r) { ask($r) },
	dry  => sub ($r) { ask($r, query => 'dryRun=1') },
	taken => sub ($r) {
		twilio_says(201, { status => 'queued', sid =>
			Ringback::Test::sid($r->{path} =~ /sms/ ? 'SM' : 'CA') });
		ask($r);
	},
	unclear => sub ($r) { twilio_says(500, {}); ask($r) },
	refused => sub ($r) {
		twilio_says(400, { code => 21211, message => 'Invalid To' });
		ask($r);
	},
	busy => sub ($r) {
		twilio_says(429, { code => 20429 },
			headers => { 'Retry-After' => 60 });
		ask($r);
	},
	odd      => sub ($r) { ask($r, query => 'colour=blue') },
	keyless  => sub ($r) { ask($r, key => undef) },
	scope    => sub ($r) {
		ask($r, key => $key{ $r->{auth} eq 'READ' ? 'send' : 'read' });
	},
	gone     => sub ($r) {
		ask($r, path => $r->{path} =~ s/(\{.*\})/substr($thing{$1}, 0, 2)
			. 'f' x 32/er);
	},
	method   => sub ($r) {
		ask($r, method => $r->{method} eq 'GET' ? 'DELETE' : 'GET');
	},
	large    => sub ($r) { ask($r, body => '"' . 'x' x 70_000 . '"') },
	type     => sub ($r) { ask($r, type => 'text/plain') },
	guessing => sub ($r) {
		ask($r, from => '203.0.113.10', key => 'tw_') for 1 .. 11;
		ask($r, from => '203.0.113.10', key => 'tw_');
	},
	far      => sub ($r) { ask($r, from => '203.0.113.9', key => undef) },
	farscope => sub ($r) {
		ask($r, from => '203.0.113.9', key => $key{read});
	},
	farwatch => sub ($r) {
		ask($r, from => '203.0.113.9', key => $key{watch});
	},
);

# Which request is answered with which status; with the database away ("no")
# and with nginx's limit on requests reached ("many").
my @common = (400 => 'odd', 405 => 'method');
my @keyed  = (@common, 401 => 'keyless', 403 => 'scope', 503 => 'no good');
my @lists  = (@keyed, 200 => 'good', 429 => 'many good');
my @shows  = (@lists, 404 => 'gone');
my @sends  = (@keyed, 200 => 'dry', 201 => 'taken', 202 => 'unclear',
	413 => 'large', 415 => 'type', 422 => 'refused', 429 => 'busy');
my @watch  = (@common, 200 => 'good', 401 => 'far', 403 => 'farscope',
	429 => 'guessing');
my %matrix = (
	call_make          => {@sends},
	sms_send           => {@sends},
	call_list          => {@lists},
	sms_list           => {@lists},
	call_show          => {@shows},
	sms_show           => {@shows},
	recording_show     => {@shows},
	transcription_show => {@shows},
	openapi_show       => { @common, 200 => 'good', 429 => 'many good' },
	health_alive       => { @common, 200 => 'good' },
	health_ready       => { @watch, 503 => 'no good' },
	health_metrics     => { @watch, 503 => 'no farwatch' },
);

my $no_cgi = system('command -v cgi-fcgi >/dev/null') != 0;
diag 'SKIPPED: what comes from afar, for cgi-fcgi (libfcgi-bin) is not there'
	if $no_cgi;

# Produces what the matrix has for this state of affairs.
sub produce ($state) {
	for my $handler (sort keys %matrix) {
		for my $status (sort keys %{ $matrix{$handler} }) {
			my ($when, $way) = $matrix{$handler}{$status} =~
				/^(?:(\w+) )?(\w+)$/;
			next if ($when // '') ne $state ||
				($no_cgi && $way =~ /^(?:far|guess)/);
			is $how{$way}->($route{$handler}), $status,
				"$handler: $status by $way"
				or diag explain $seen[-1];
		}
	}
	return;
}

subtest 'the table is complete' => sub {
	is_deeply { map { ($_ => [ sort keys %{ $matrix{$_} } ]) }
		keys %matrix }, { map { ($_->{handler} =>
		[ sort split / /, $_->{answers} ]) } @routes },
		'a request for every status of every route';
};

subtest 'on a good day' => sub { produce('') };

subtest 'more of the same, to see all members' => sub {
	is ask($route{transcription_show}, path =>
		"/api/twilio/transcriptions/$old"), 200, 'an old transcript';
	is ask($route{call_list}, query => 'limit=1'), 200, 'a page with next';
	is ask($route{call_make}, query => 'dryRun=1', body => encode_json({
		to => '+442071838750', message => 'Hello' })), 200,
		'a dry run that a rule stops';
	is ask($route{call_list}, query => 'limit=0'), 400, 'a bad value';
	is ask($route{call_list}, key => 'tw_'), 401, 'a bad key';
	is ask($route{call_list}, key => $key{read}, query => 'userId=x'), 403,
		"somebody else's";
};

subtest 'without the database' => sub {
	delete $t->{dbh};
	crash_database($t);
	produce('no');
	start_database($t);
};

# nginx as it is, but that one request a minute is many.
subtest 'too many requests' => sub {
	my $conf = $t->dir . '/nginx/ringback.conf';
	my $text = Ringback::Test::slurp($conf);
	my $slow = $text =~ s{rate=1000r/s}{rate=1r/m}r
		=~ s{burst=1000 nodelay}{nodelay}gr;
	isnt $slow, $text, 'a narrow door';
	my $write = sub ($what) {
		open my $fh, '>', $conf or die "$conf: $!";
		print {$fh} $what;
		close $fh or die $!;
		kill 'HUP', Ringback::Test::slurp($t->dir . '/run/nginx.pid')
			=~ /(\d+)/;
	};
	$write->($slow);
	$t->wait_for('the narrow door', sub {
		$t->request(GET => '/api/openapi.json')->status == 429 });
	produce('many');
	$write->($text);
	$t->wait_for('the wide door', sub {
		$t->request(GET => '/api/openapi.json')->status == 200 });
};

# --- what those answers looked like ---------------------------------------

subtest 'no answer of a status that is not promised' => sub {
	my @surprises = grep { !exists operation($_->{row})->{responses}
		{ $_->{status} } } @seen;
	is_deeply [ map { "$_->{row}{handler} $_->{status}" } @surprises ], [],
		'among ' . @seen;
	is_deeply [ map { $_->{row}{handler} } grep { !exists operation(
		$_->{row})->{responses}{ $_->{status} }{content}
		{ $_->{type} =~ s/;.*//r } } @seen ], [],
		'nor of another type';
};

# The members that were seen of each schema, in all answers.
my %members;

sub look ($schema, $value) {
	if (my $ref = $schema->{'$ref'}) {
		my ($name) = $ref =~ m{([^/]+)$};
		return unless ref $value eq 'HASH';
		$members{$name}{$_}++ for keys %$value;
		look($doc->{components}{schemas}{$name}{properties}{$_} // {},
			$value->{$_}) for keys %$value;
	} elsif (my $any = $schema->{anyOf}) {
		# Which of them it is, a member that only one has tells.
		my ($fit) = grep { my ($name) = ($_->{'$ref'} // '') =~
			m{([^/]+)$}; $name && ref $value eq 'HASH' &&
			!grep { !$result{$name}{$_} } keys %$value } @$any;
		look($fit, $value) if $fit;
	} elsif (ref $value eq 'ARRAY' && $schema->{items}) {
		look($schema->{items}, $_) for @$value;
	} elsif (ref $value eq 'HASH' && $schema->{properties}) {
		for (sort keys %$value) {
			$members{envelope}{$_} = 1
				if !$schema->{properties}{$_};
			look($schema->{properties}{$_} // {}, $value->{$_});
		}
	}
	return;
}

subtest 'answers have the members that are told, and no others' => sub {
	for my $seen (grep { $_->{json} && $_->{row}{handler} ne 'openapi_show'
		|| $_->{status} >= 400 } @seen) {
		look(operation($seen->{row})->{responses}{ $seen->{status} }
			{content}{'application/json'}{schema}, $seen->{json});
	}
	is_deeply $members{envelope}, undef, 'nothing beside what is told';
	for my $name (sort keys %result) {
		is_deeply [ sort keys %{ $members{$name} } ],
			[ sort keys %{ $result{$name} } ], $name;
	}
	# What a list leaves out of its rows.
	for my $row (@route{qw(call_list sms_list)}) {
		my ($json) = map { $_->{json} } grep { $_->{row} == $row &&
			$_->{status} == 200 } @seen;
		my ($list) = grep { ref eq 'ARRAY' } values %$json;
		my $name = $row == $route{call_list} ? 'Call' : 'Message';
		is_deeply [ sort keys %{ $list->[0] } ], [ sort grep {
			$result{$name}{$_}{doc} !~ /^of a single / }
			keys %{ $result{$name} } ], "$name in a list";
	}
};

subtest 'and are valid by their schemas' => sub {
	my $why = Ringback::Node::missing('ajv');
	plan skip_all => $why if $why;
	my @answers = grep { $_->{json} } @seen;
	my $problems = Ringback::Node::ask('ajv', <<~'JS', 'problems', {
		const Ajv = require('ajv/dist/2020').default;
		const ajv = new Ajv({strict: true, allErrors: true,
			allowUnionTypes: true});
		const problems = questions.answers.map(a => {
			const check = ajv.compile(JSON.parse(JSON.stringify(
				{...a.schema, $defs: questions.schemas})
				.replaceAll('#/components/schemas', '#/$defs')));
			return check(a.json) ? null : check.errors;
		});
		JS
		schemas => $doc->{components}{schemas},
		answers => [ map { { json => $_->{json}, schema => operation(
			$_->{row})->{responses}{ $_->{status} }{content}
			{'application/json'}{schema} } } @answers ] });
	for my $i (0 .. $#answers) {
		next unless $problems->[$i];
		fail "$answers[$i]{row}{handler} $answers[$i]{status}";
		diag explain $problems->[$i], $answers[$i]{json};
	}
	cmp_ok scalar(grep { !$_ } @$problems), '>', 80,
		@$problems . ' answers';
};

# An nginx that makes way for another, as here, may say who still talks to it,
# and that it goes all the same.
$t->done(but => qr/open socket #\d+ left in connection|: aborting$/);
