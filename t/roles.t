# SPDX-License-Identifier: ISC
# Each program has a database role (schema/roles.sql) that may do what the
# statements of sql*.def do, and nothing else.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use DBI;
use File::Temp qw(tempdir);
use Ringback::Plans qw(as_superuser);
use Ringback::Test;

my $root = $Ringback::Test::ROOT;
my $t = Ringback::Test->new;
my @programs = qw(hooks api sweep);

sub login ($user) {
	my ($host) = $t->{database_url} =~ /host=([^&]+)/;
	return DBI->connect("dbi:Pg:dbname=ringback;host=$host;user=$user", '',
		'', { RaiseError => 1, PrintError => 0, PrintWarn => 0,
		pg_server_prepare => 0 });
}

my %as = map { $_ => login("ringback-$_") } @programs;
my $boss = login('postgres');

# Of each program [name, how many values, text], as the compiler has them.
sub statements () {
	my $dir = tempdir(CLEANUP => 1);
	open my $fh, '>', "$dir/sql.c" or die $!;
	print {$fh} qq(#include "edge/db.h"\n),
		"#define SQL(id, programs, params, columns, text) ",
		"~~~~ id ~~ programs ~~ params ~~ text\n",
		map { qq(#include "$_"\n) } glob "$root/lib/domain/sql*.def";
	close $fh;
	my ($status, $out, $err) = Ringback::Test::run_command($ENV{CC} // 'cc',
		'-E', '-P', "-I$root/lib", "$dir/sql.c");
	die "cc: $err" if $status;
	my %of;
	for (grep { /^ SQL_/ } split /~~~~/, $out) {
		my ($name, $users, $params, $text) =
			/^ (\w+) ~~ ([\w| ]+) ~~ (\d+) ~~ (.*)/s or next;
		my $sql = join '', $text =~ /"((?:[^"\\]|\\.)*)"/gs;
		$sql =~ s/\\(.)/$1/g;
		push @{ $of{lc $_} }, [ $name, $params, $sql ]
			for $users =~ /CFG_(\w+)/g;
	}
	return %of;
}

my %statements = statements();

# The SQLSTATE that a statement ends with, '' for none.
sub sqlstate ($dbh, $sql) {
	return '' if eval { $dbh->do($sql); 1 };
	return $dbh->state;
}

# PostgreSQL asks who may do what when a plan is about to be run, or shown.
sub refused ($dbh, @statements) {
	return map {
		my ($name, $params) = @$_;
		my $values = $params ? '(' . join(', ', ('NULL') x $params)
			. ')' : '';
		sqlstate($dbh, "EXPLAIN EXECUTE $name$values") ? $name . ': '
			. $dbh->errstr : ()
	} @statements;
}

subtest 'T12: a role may run its program\'s statements' => sub {
	for my $program (@programs) {
		my @mine = @{ $statements{$program} };
		cmp_ok scalar @mine, '>=', 7, "$program: " . @mine
			. ' statements';
		$as{$program}->do("PREPARE $_->[0] AS $_->[2]") for @mine;
		is_deeply [ refused($as{$program}, @mine) ], [],
			'none is refused';
	}
};

# Each grant in turn is taken away, and something that is needed fails. What a
# function does is not in a plan.
subtest 'T12: and is granted nothing that none of them needs' => sub {
	my %inside = (
		api => [ qw(api_requests send_counters opt_outs numbers
			twilio_calls.INSERT twilio_sms.INSERT) ],
		sweep => [ 'erased', 'webhook_events.SELECT', map {
			"$_.DELETE" } qw(twilio_calls
			twilio_sms twilio_recordings transcriptions) ],
	);
	for my $program (@programs) {
		my $grants = $boss->selectall_arrayref(q{
			select c.relname, a.attname, p.privilege_type
			from pg_class c join pg_attribute a on
			a.attrelid = c.oid, aclexplode(a.attacl) p
			where p.grantee = ?::regrole union all
			select c.relname, null, p.privilege_type
			from pg_class c, aclexplode(c.relacl) p
			where p.grantee = ?::regrole order by 1, 3, 2}, undef,
			(qq("ringback-$program")) x 2);
		my @idle;
		for (@$grants) {
			my ($table, $column, $right) = @$_;
			next if grep { $_ eq $table || $_ eq "$table.$right" }
				@{ $inside{$program} };
			my $what = $right . ($column ? qq( ("$column")) : '')
				. " ON $table";
			$boss->do(qq(REVOKE $what FROM "ringback-$program"));
			push @idle, $what if !refused($as{$program},
				@{ $statements{$program} });
			$boss->do(qq(GRANT $what TO "ringback-$program"));
		}
		cmp_ok scalar @$grants, '>', 20, "$program: " . @$grants
			. ' grants';
		is_deeply \@idle, [], 'all are needed';
	}
};

# PostgreSQL looks at the grants of columns one by one, at each webhook.
subtest 'what a webhook inserts is granted by the table' => sub {
	for my $program (qw(hooks sweep)) {
		is_deeply $boss->selectcol_arrayref(q{select a.attrelid::
			regclass || '.' || a.attname from pg_attribute a,
			aclexplode(a.attacl) p where p.grantee = ?::regrole and
			(a.attrelid::regclass::text, p.privilege_type) in
			(('webhook_events', 'INSERT'), ('numbers', 'SELECT'),
			('twilio_calls', 'INSERT'), ('twilio_sms', 'INSERT'),
			('twilio_recordings', 'INSERT'))}, undef,
			qq("ringback-$program")), [], $program;
	}
};

subtest 'T27: what is nobody\'s business is refused' => sub {
	my @tables = map { @$_ } @{ $t->dbh->selectall_arrayref(q{select
		relname from pg_class where relkind = 'r' and relnamespace =
		'public'::regnamespace order by 1}) };
	cmp_ok scalar @tables, '>=', 13, 'tables are there';
	for my $program (@programs) {
		my $dbh = $as{$program};
		for my $table (@tables) {
			is sqlstate($dbh, $_), 42501, "$program: $_"
				for "DROP TABLE $table", "TRUNCATE $table",
				"ALTER TABLE $table DISABLE TRIGGER USER",
				"CREATE TRIGGER x AFTER INSERT ON $table
				EXECUTE FUNCTION ringback_touch()";
		}
		is sqlstate($dbh, $_), 42501, "$program: $_" for
			'CREATE TABLE mine (x int)', 'CREATE SCHEMA mine',
			'CREATE ROLE mine', 'SET ROLE ringback',
			"INSERT INTO api_keys (id) VALUES ('x')",
			'UPDATE api_keys SET revoked_at = NULL',
			"INSERT INTO numbers (number) VALUES ('x')",
			"COPY numbers TO PROGRAM 'true'",
			"SELECT pg_read_file('/etc/passwd')";
	}
	# The sweep takes away what is old, the others nothing.
	for my $program (qw(hooks api)) {
		is sqlstate($as{$program}, $_), 42501, "$program: $_" for
			map { "DELETE FROM $_" } qw(twilio_calls twilio_sms
			twilio_recordings transcriptions erased numbers);
		is sqlstate($as{$program}, "SELECT ringback_erase(ARRAY(SELECT
			id FROM twilio_calls), '{}', '{}', 'age')"), 42501,
			'… nor by the function that does';
	}
	my %hidden = (
		hooks => [ 'transcriptions', 'api_keys', 'api_requests',
			'api_calls', 'send_counters', 'reconciliations',
			'pauses', 'erased' ],
		api => [ 'api_calls', 'reconciliations', 'erased' ],
		sweep => [ 'api_keys' ],
	);
	for my $program (sort keys %hidden) {
		is sqlstate($as{$program}, "SELECT 1 FROM $_"), 42501,
			"$program reads no $_" for @{ $hidden{$program} };
	}
	is sqlstate($as{hooks}, $_), 42501, "hooks: $_" for
		'SELECT transcription, analysis FROM transcriptions',
		'SELECT transcription_id FROM twilio_calls',
		'SELECT body FROM webhook_events',
		'DELETE FROM webhook_events', 'DELETE FROM opt_outs',
		"UPDATE webhook_events SET body = ''",
		"UPDATE transcriptions SET user_id = 'me'",
		'UPDATE twilio_calls SET request = NULL',
		'UPDATE twilio_recordings SET lease = NULL',
		'SELECT ringback_pass_on_user()';
	is sqlstate($as{api}, 'SELECT body FROM webhook_events'), 42501,
		'api: nor is a raw webhook the API\'s';
};

subtest 'whose a call is reaches the transcript all the same' => sub {
	my %call = $t->call;
	my $sid = $t->due_recording(CallSid => $call{CallSid});
	my $call = $t->sql('select call_sid from twilio_recordings
		where recording_sid = ?', $sid);
	$t->dbh->do('insert into transcriptions (recording_sid) values (?)',
		undef, $sid);
	$as{hooks}->do('update twilio_calls set user_id = ? where call_sid = ?',
		undef, 'user-1', $call);
	is $t->sql('select user_id from transcriptions'), 'user-1',
		'through the owner\'s trigger';
};

subtest 'the programs have those roles, and a second run changes nothing' => sub {
	my %user = map { @$_ } @{ $boss->selectall_arrayref(q{select distinct
		application_name, usename from pg_stat_activity where
		application_name like 'ringback-%'}) };
	is_deeply \%user, { map { ("ringback-$_") x 2 } qw(hooks api) },
		'the workers are connected as themselves';
	my $acl = sub { $boss->selectall_arrayref(q{select c.relname, '-',
		x::text from pg_class c, aclexplode(c.relacl) x union all
		select attrelid::regclass::text, attname, x::text
		from pg_attribute, aclexplode(attacl) x order by 1, 2, 3}) };
	my $before = $acl->();
	$boss->do('GRANT ALL ON api_keys TO "ringback-hooks"');
	$boss->do(Ringback::Test::slurp("$root/schema/roles.sql"));
	is_deeply $acl->(), $before, 'and what was granted beside goes';
	as_superuser($t, Ringback::Test::slurp("$root/schema/roles.sql"));
	is_deeply $acl->(), $before, 'once more';
};

$_->disconnect for values %as, $boss;
$t->done;
