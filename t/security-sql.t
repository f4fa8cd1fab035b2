# SPDX-License-Identifier: ISC
# Somebody writes SQL into everything that can be written: each parameter of
# each route of the API and each field of each webhook, as params.def and
# event.c have them. To the database all of it is words: no statement fails, no
# row of anybody else's is shown or changed, none comes or goes that should not.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(uniq);
use Mojo::JSON qw(decode_json encode_json);
use Mojo::Util qw(url_escape);
use Ringback::Figure qw(figure seed long);
use Ringback::Outside;
use Ringback::Test;
use Ringback::Volley qw(volley signed_post rows servers);
use Ringback::Wire;
use Time::HiRes qw(sleep);

seed();
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(workers => 3, fakes => $outside->fakes, env => {
	WRONG_KEYS_PER_MINUTE => 1_000_000, SEND_PER_KEY_MINUTE => 100_000,
	SEND_PER_RECIPIENT_HOUR => 100_000, SEND_PER_DAY => 1_000_000 });
my $wire = Ringback::Wire->to($t);
my $key = $t->key(name => 'mine', user => 'user-1', scopes => 'read,send');

# --- what is written -------------------------------------------------------

# As sqlmap tries them: ends of a value, what comes next, and what hides the
# rest; and some that belong nowhere.
my @ends = ("'", '"', "')", "'))", ' ', '$$', "\\'", '0', "%' ", "\x{2019}");
my @next = ('or 1=1', "or 'a'='a", 'and 1=2 union select null,null,null',
	'union all select secret_sha256::text,null from api_keys',
	'; drop table twilio_calls cascade', '; delete from twilio_sms',
	"; update twilio_calls set user_id='user-1'", '; select pg_sleep(30)',
	'and (select 1 from pg_sleep(30))::text is not null',
	"; copy (select 1) to program 'id'", '||(select version())||',
	'and 1=cast((select version()) as int)', 'order by 99',
	'and extractvalue(1,concat(0x7e,version()))',
	"; create role evil superuser", 'or row(1,1)>(select 1,1)');
my @rest = ('--', '/*', '#', ';--', ' -- -', "and '1'='1");
my @sql = uniq("'", '"', '\\', "''", "';", '%', '_', '%%', "'||'", "\0",
	'E\'\\000\'', '1e400', '-1', '0x27', '%27', '%2527', 'null', '{}',
	"{'}", '$1', '$1::int', '9999999999999999999', '1/0', '(select 1)',
	"'::int", "'; rollback; --", '${x}', '@@version', "\xbf\x27",
	"\xef\xbc\x87 or 1=1--", "a' AND 'a' LIKE 'a",
	map { my $end = $_; map { "1$end $next[$_] "
		. $rest[ ($_ + length $end) % @rest ] } 0 .. $#next } @ends);

sub slurp ($file) {
	return Ringback::Test::slurp("$Ringback::Test::ROOT/$file")
		=~ s{/\*.*?\*/}{}sgr;
}

# Of the API: [handler, where, name]; LISTS stand for two handlers.
my @params = map {
	my ($macro, $where, $name) = @$_;
	map { [ $_, $where, $name ] } $macro =~ /^MAKES/ ? 'call_make'
		: $macro =~ /^SENDS/ ? 'sms_send' : $macro =~ /handler/
		? ('call_list', 'sms_list') : $macro =~ /(\w+),$/
} do {
	my ($text, @found) = slurp('app/params.def');
	push @found, [ $1, $2, $3 ] while $text =~ /^\s*(MAKES_CALL\(|
		SENDS_TEXT\(|PARAM\(\w+,)\s*(BODY|QUERY|PATH),\s*"(\w+)"/mgx;
	@found;
};
my %route = map { /^ROUTE\(\w+,\s*(\w+),\s*"([^"]+)".*\b(\w+)$/ ?
	($3 => [ $1, $2 ]) : () } map { s/\n//gr =~ s/,$//r =~ s/\s+$//r }
	slurp('app/routes.def') =~ /^(ROUTE\([^"]*"[^"]*"[^"]*,\s*\w+),$/mg;
my @fields = uniq('AccountSid', 'Caller', 'Called', 'Digits', 'FromCity',
	'MediaUrl0', 'MediaContentType0', 'SmsMessageSid',
	slurp('lib/domain/event.c') =~ /"([A-Z][A-Za-z]+)"/g);

# --- somebody else's -------------------------------------------------------

my $canary = 'canary' . int rand 1e9;
for (1 .. 5) {
	my %call = $t->call(CallerName => $canary, From => '+15005550077');
	$t->post_signed('/api/twilio/voice', \%call);
	$t->post_signed('/api/twilio/sms', { $t->text(Body => $canary, From =>
		'+15005550077') });
	$t->post_signed('/api/twilio/recording-status', { $t->recording(
		$call{CallSid}) });
}
$t->dbh->do("update $_ set user_id = 'victim'")
	for qw(twilio_calls twilio_sms);
my $structure = sub { join "\n", map { @$_ } @{ $t->dbh->selectall_arrayref(q{
	select string_agg(x, ',' order by x) from (select relname::text from
	pg_class union all select proname from pg_proc union all select rolname
	from pg_roles union all select attrelid::regclass || '.' || attname from
	pg_attribute where attnum > 0) as all_names (x)}) } };
my $victims = sub { join '', grep { /victim|$canary/ } split /^/, rows($t) };

my ($names, $theirs, $servers) = ($structure->(), $victims->(), servers($t));
is scalar(() = $theirs =~ /INTO public\.twilio_(?:calls|sms) /g), 10,
	'there is something to take';

# What was answered, and what was shown.
sub answers ($requests, $pause = 0.7) {
	my (@seen, @left);
	@left = @$requests;
	while (@left) {
		push @seen, volley($t, [ splice @left, 0, 700 ], sub ($a) {
			[ $a->{status}, $a->{body} ] });
		sleep $pause;	# nginx lets a thousand a second through
	}
	return @seen;
}

sub report ($what, $like, @seen) {
	my (%n, @shown);
	for (@seen) {
		$n{ $_->[0] }++;
		push @shown, $_->[1] if $_->[1] =~ /$canary|PostgreSQL\ \d
			|syntax\ error|SQLSTATE|relation\ "|column\ "/x;
	}
	note "$what: ", join ', ', map { "$_ x $n{$_}" } sort keys %n;
	is_deeply [ grep { !/$like/ } keys %n ], [],
		"$what: " . @seen . ', answered as ever';
	is scalar @shown, 0, '… and shown nothing' or diag $shown[0];
	return;
}

my @bearer = (Authorization => "Bearer $key");

subtest 'T12: SQL in every parameter that reads' => sub {
	figure('ways to write SQL', scalar @sql, '>=', 60);
	cmp_ok scalar keys %route, '>=', 15, 'routes: ' . keys %route;
	my @read = grep { $_->[1] =~ /QUERY|PATH/ && $route{ $_->[0] }[0]
		eq 'GET' } @params;
	cmp_ok scalar @read, '>=', 20, 'parameters: ' . @read;
	my @requests;
	for my $param (@read) {
		my ($handler, $where, $name) = @$param;
		my ($method, $path) = @{ $route{$handler} };
		push @requests, map { $wire->request($method => $where eq 'PATH'
			? $path =~ s/\{\w+\}/$_/r : "$path?$name=$_", [@bearer])
			} map { url_escape($_) } map { Mojo::Util::encode(
			'UTF-8', $_) } @sql;
	}
	report('parameters that read', qr/^(?:200|400|403|404)$/,
		answers(\@requests));
};

subtest 'T12: SQL in every parameter that sends' => sub {
	my @write = grep { $route{ $_->[0] }[0] eq 'POST' } @params;
	cmp_ok scalar @write, '>=', 18, 'parameters: ' . @write;
	my $before = join '', grep { !/api_keys|send_counters/ } split /^/,
		rows($t);
	my @requests;
	for my $param (@write) {
		my ($handler, $where, $name) = @$param;
		my ($method, $path) = @{ $route{$handler} };
		my %good = (to => '+15005550006', $handler eq 'call_make'
			? 'message' : 'body' => 'hello');
		for my $sql (@sql) {
			my $value = url_escape(Mojo::Util::encode('UTF-8',
				$sql));
			my $target = $where eq 'QUERY' ? "$path?$name=$value"
				: "$path?dryRun=1";
			my %body = (%good, $where eq 'BODY' ? ($name => $sql)
				: ());
			$body{metadata} = { $sql => $sql } if $name eq 'metadata';
			push @requests, $wire->request($method => $target, [
				@bearer, 'Content-Type' => 'application/json' ],
				encode_json(\%body));
		}
	}
	# What tells requests apart, and who asks.
	push @requests, map { my $sql = $_ =~ tr/\0//dr; map { $wire->request(
		POST => '/api/twilio/send-sms?dryRun=1', [ @$_, 'Content-Type'
		=> 'application/json' ], encode_json({ to => '+15005550006',
		body => 'x' })) } [ @bearer, 'Idempotency-Key' => $sql ],
		[ Authorization => "Bearer tw_$sql" ], [ Authorization => 'Bearer '
		. substr("tw_$sql" . 'x' x 55, 0, 55) ] } @sql;
	report('parameters that send', qr/^(?:200|400|401|403|413|422)$/,
		answers(\@requests));
	ok $before eq join('', grep { !/api_keys|send_counters/ } split /^/,
		rows($t)), 'no row has come, gone or changed';
	is scalar $t->fake('twilio')->requests, 0, 'and nothing was sent';
};

subtest 'T12: SQL that is sent is kept as it is' => sub {
	my @texts = grep { /\S/ && !/\0/ } @sql;
	$outside->next(twilio => map { { status => 201, json => { status =>
		'queued', sid => Ringback::Test::sid('SM') } } } @texts);
	my @seen = answers([ map { $wire->request(POST =>
		'/api/twilio/send-sms', [ @bearer, 'Content-Type' =>
		'application/json' ], encode_json({ to => '+15005550006', body
		=> $_, metadata => { $_ => $_ } })) } @texts ]);
	report('texts', qr/^201$/, @seen);
	is_deeply [ sort map { $_->[0] } @{ $t->dbh->selectall_arrayref(q{select
		body from twilio_sms where direction like 'outbound%'}) } ],
		[ sort @texts ], 'a row for each, which says what was said';
};

subtest 'T12: SQL in every field of every webhook' => sub {
	cmp_ok scalar @fields, '>=', 30, 'fields: ' . @fields;
	my %events = map { $_ => $t->sql("select count(*) from $_") }
		qw(webhook_events twilio_calls twilio_sms twilio_recordings);
	# All of it at every field, or a third, and another at the next.
	my ($n, @requests, %texts) = 0;
	my $some = sub { long() ? @sql : map { $sql[ ($n + 3 * $_) % @sql ] }
		$n++ % 3 .. $#sql / 3 };
	for my $path (sort map { $_->[1] } grep { $_->[0] eq 'POST' &&
		$_->[1] !~ /make-call|send-sms/ } values %route) {
		for my $field (@fields) {
			for my $sql ($some->()) {
				my %form = $path =~ /sms$/ ? $t->text
					: $path =~ /recording/ ? ($t->call,
					$t->recording(Ringback::Test::sid('CA')))
					: $t->call;
				$form{$field} = Mojo::Util::encode('UTF-8', $sql);
				push @requests, signed_post($t, $path, \%form);
				$texts{ $form{MessageSid} } = $sql =~
					s/\0/\x{fffd}/gr if $path =~ /sms$/
					&& $field eq 'Body';
			}
		}
		my $target = "$path?id=" . url_escape("' or 1=1--");
		push @requests, signed_post($t, $target, { $t->call });
	}
	my @seen = answers(\@requests, 0);
	figure('webhooks with SQL in them', scalar @seen, '>=', 10_000);
	report('webhooks', qr/^(?:200|204|400|403|404|413)$/, @seen);
	my $kept = $t->sql('select count(*) from webhook_events')
		- $events{webhook_events};
	# 404: a call that asks what to say, and is none of ours.
	is $kept, scalar(grep { $_->[0] =~ /^20|^404/ } @seen),
		'each that is believed is in the journal, and no other';
	my %row = map { @$_ } @{ $t->dbh->selectall_arrayref('select
		message_sid, body from twilio_sms where message_sid = any(?)',
		undef, [ keys %texts ]) };
	is_deeply \%row, \%texts, 'texts say what they said, quotes and all';
	for my $table (qw(twilio_calls twilio_sms twilio_recordings)) {
		cmp_ok $t->sql("select count(*) from $table") - $events{$table},
			'<=', scalar @seen, "$table: no more rows than requests";
	}
};

subtest 'T12: and the database has noticed nothing' => sub {
	my @errors = grep { /(?:ERROR|FATAL|PANIC):/ } split /\n/,
		$t->log('postgres');
	figure('statements that failed', scalar @errors, '==', 0);
	diag $_ for grep { defined } @errors[0 .. 9];
	ok $structure->() eq $names, 'no table, column, function or role more '
		. 'or less';
	ok $victims->() eq $theirs, "and somebody else's rows are as they were";
	unlike join('', map { $t->log("worker-$_") } qw(hooks api)),
		qr/status=5|kept=spool/, 'no worker has had trouble';
	is servers($t), $servers, 'and nobody died';
};

$t->done;
