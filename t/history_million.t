# SPDX-License-Identifier: ISC
# History where there is a lot of it: a page costs the same on page 1 and on
# page 8,000, of a number with half a million calls and of one with ten.
# What is asserted is what PostgreSQL touched for the very statement that the
# worker ran, as auto_explain writes it into its log; the milliseconds are told
# and decide nothing.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(sum0);
use Mojo::JSON qw(decode_json);
use Ringback::Test;
use Time::HiRes qw(time);

# A row that is returned costs at most a page of the table, and a page holds 51
# of them (one tells that there are more). An index of a million rows is three
# pages deep, may go on in the next leaf, and a number has two.
my $MOST = 51 + 2 * (3 + 1) + 1;
my $CALLS = $ENV{RINGBACK_QUICK} ? 50_000 : 1_000_000;
my %number = (busy => '+15005550001', small => '+15005550002',
	quiet => '+15005550003');

my $t = Ringback::Test->new(workers => 1);
my %key = (admin => $t->key(name => 'office'),
	map { $_ => $t->key(user => "user-$_") } qw(busy small quiet), 7);

sub as_superuser (@sql) {
	my ($host) = $t->{database_url} =~ /host=([^&]+)/;
	my $dbh = DBI->connect("dbi:Pg:dbname=ringback;host=$host;"
		. 'user=postgres', '', '', { RaiseError => 1 });
	$dbh->do($_) for @sql;
	$dbh->disconnect;
	return;
}

# --- a million calls -------------------------------------------------------

# One every 30 seconds for a year, as they would come: every second one on the
# busy line, half in and half out; the quiet line had its calls a year ago and
# none since; ten on the small one; the rest on 200 others. Every fiftieth has
# a transcript, nearly all of them with a cake and three with a zebra.
sub fill {
	my $dbh = $t->dbh;
	my $start = time;
	my $defs = $dbh->selectall_arrayref(<<~'SQL');
		SELECT indexname, indexdef FROM pg_indexes
		 WHERE tablename = 'twilio_calls' AND indexname NOT IN
		       (SELECT conname FROM pg_constraint)
		SQL
	is scalar @$defs, 5, 'the indexes of calls';
	$dbh->do("SET maintenance_work_mem = '256MB'");
	$dbh->do("DROP INDEX $_->[0]") for @$defs;
	$dbh->do(<<~'SQL', undef, $CALLS);
		INSERT INTO twilio_calls (call_sid, from_number, to_number,
			direction, status, duration, user_id, created_at)
		SELECT 'CA' || lpad(to_hex(n), 32, '0'),
			CASE WHEN out THEN ours ELSE theirs END,
			CASE WHEN out THEN theirs ELSE ours END,
			CASE WHEN out THEN 'outbound-api' ELSE 'inbound' END,
			CASE n % 10 WHEN 3 THEN 'no-answer' ELSE 'completed' END,
			n % 600, whose,
			timestamptz '2025-09-01' + n * interval '30 seconds'
		  FROM (SELECT n, whose, n / 2 % 2 = 0 AS out,
			'+1415' || lpad((n::bigint * 7919 % 9999999)::text, 7,
			'0') AS theirs, CASE whose
			WHEN 'user-busy'  THEN '+15005550001'
			WHEN 'user-small' THEN '+15005550002'
			WHEN 'user-quiet' THEN '+15005550003'
			ELSE '+1212' || lpad((n % 200)::text, 7, '0')
			END AS ours
		  FROM (SELECT n, CASE
			WHEN n % (total / 10) = total / 10 - 1
			THEN 'user-small'
			WHEN n % 2 = 0 THEN 'user-busy'
			WHEN n < total / 25 THEN 'user-quiet'
			ELSE 'user-' || n % 200 END AS whose
		  FROM (SELECT ?::int AS total) s,
			generate_series(0, total - 1) n OFFSET 0) a) b
		SQL
	$dbh->do(<<~'SQL');
		INSERT INTO transcriptions (user_id, call_sid, recording_sid,
			transcription, created_at)
		SELECT user_id, call_sid, 'RE' || substr(call_sid, 3),
			'Please bake a cake for number ' || n ||
			CASE WHEN n IN (50, 500, 5000) THEN ' like a zebra'
			ELSE '' END, created_at
		  FROM (SELECT *, row_number() OVER (ORDER BY created_at) - 1
			AS n FROM twilio_calls) c WHERE n % 50 = 0
		SQL
	$dbh->do(<<~'SQL');
		INSERT INTO twilio_recordings (recording_sid, call_sid, step,
			status, created_at)
		SELECT recording_sid, call_sid, 'done', 'completed', created_at
		  FROM transcriptions
		SQL
	$dbh->do($_->[1]) for @$defs;
	$dbh->do("VACUUM ANALYZE $_")
		for qw(twilio_calls twilio_recordings transcriptions);
	diag sprintf '%d calls made in %.0f s', $CALLS, time - $start;
	return;
}

subtest 'a million calls' => sub {
	fill();
	my $count = sub ($number) {
		return $t->sql(<<~'SQL', $number, $number);
			SELECT count(*) FROM twilio_calls
			 WHERE from_number = ? OR to_number = ?
			SQL
	};
	is $t->sql('SELECT count(*) FROM twilio_calls'), $CALLS, 'calls';
	is $count->($number{busy}), $CALLS / 2, 'half of them on one number';
	is $count->($number{small}), 10, 'ten on another';
	is $count->($number{quiet}), $CALLS / 50, 'some that are old';
	as_superuser(map { "ALTER DATABASE ringback SET $_" }
		"session_preload_libraries = 'auto_explain'",
		'auto_explain.log_analyze = on', 'auto_explain.log_buffers = on',
		"auto_explain.log_format = 'json'",
		'auto_explain.log_min_duration = 0');
	# The worker's connection is a new one from now on.
	as_superuser(q{SELECT pg_terminate_backend(pid, 10000)
		FROM pg_stat_activity WHERE application_name = 'ringback-api'});
};

# --- pages -----------------------------------------------------------------

my $table = '';

# An answer, as JSON, and the plan of the statement that made it.
sub planned ($who, $path) {
	my $before = length $t->log('postgres');
	my $answer = $t->api(GET => $path, $key{$who});
	is $answer->status, 200, "$who: $path" or diag $answer;
	my @plans = grep { $_->{'Query Text'} =~ /FROM twilio_calls/ }
		map { decode_json($_) } substr($t->log('postgres'), $before) =~
		/plan:\n((?:\t.*\n)+)/g;
	is scalar @plans, 1, '… by one statement';
	return ($answer->json, $plans[0]{Plan} // {});
}

sub page ($who, $query) {
	return planned($who, "/api/twilio/calls?$query");
}

sub touched ($plan) {
	return sum0(map { $_ // 0 } @$plan{'Shared Hit Blocks',
		'Shared Read Blocks', 'Temp Read Blocks'});
}

sub cheap ($name, $who, $query) {
	my ($json, $plan) = page($who, $query);
	my $pages = touched($plan);
	cmp_ok $pages, '<=', $MOST, "… that touched $pages buffers";
	$table .= sprintf "%-46s %6d %9.2f\n", $name, $pages,
		$plan->{'Actual Total Time'} // -1;
	return $json;
}

# The SIDs of a number, or of a user, from the newest that is behind $skip.
sub expected ($where, $value, $skip, $limit = 50) {
	return [ map { $_->[0] } @{ $t->dbh->selectall_arrayref(
		"SELECT call_sid FROM twilio_calls WHERE ($where)"
		. ' ORDER BY created_at DESC, id DESC OFFSET ? LIMIT ?', undef,
		($value) x ($where =~ tr/?//), $skip, $limit) } ];
}

sub sids ($json) { return [ map { $_->{sid} } @{ $json->{calls} } ] }

my $SIDES = 'from_number = ? OR to_number = ?';

# The cursor of a place deep down, as the API itself gives it.
sub cursor ($who, $query, $where, $value, $depth) {
	my $time = $t->sql("SELECT to_char((created_at + interval '1 microsecond')"
		. q{ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.USZ')}
		. " FROM twilio_calls WHERE ($where) ORDER BY created_at DESC,"
		. ' id DESC OFFSET ? LIMIT 1', ($value) x ($where =~ tr/?//),
		$depth - 1);
	my $json = $t->api(GET => "/api/twilio/calls?$query&limit=1&until="
		. $time, $key{$who})->json;
	return $json->{next} // '';
}

subtest 'a number with half a million calls, and one with ten' => sub {
	for my $which (qw(busy small quiet)) {
		my $number = $number{$which};
		my $json = cheap("$which number, page 1", 'admin',
			"phoneNumber=$number");
		is_deeply sids($json), expected($SIDES, $number, 0),
			'… and are the newest';
	}
	my $deep = int $CALLS * 0.4;
	my $cursor = cursor('admin', "phoneNumber=$number{busy}", $SIDES,
		$number{busy}, $deep);
	my $json = cheap("busy number, behind $deep rows", 'admin',
		"phoneNumber=$number{busy}&cursor=$cursor");
	is_deeply sids($json), expected($SIDES, $number{busy}, $deep),
		'… and are the rows that follow there';
	$cursor = cursor('admin', "phoneNumber=$number{small}", $SIDES,
		$number{small}, 5);
	$json = cheap('small number, behind 5 rows', 'admin',
		"phoneNumber=$number{small}&cursor=$cursor");
	is_deeply sids($json), expected($SIDES, $number{small}, 5),
		'… the other five';
	cheap('busy number, a month of it', 'admin',
		"phoneNumber=$number{busy}&since=2025-09-03&until=2025-09-10");
	cheap('a number that never called', 'admin',
		'phoneNumber=+15005550099');
};

subtest "everybody's calls" => sub {
	my $json = cheap('all calls, page 1', 'admin', '');
	is_deeply sids($json), expected('true', 0, 0), '… the newest';
	my $deep = int $CALLS * 0.8;
	my $cursor = cursor('admin', '', 'true', 0, $deep);
	$json = cheap("all calls, behind $deep rows", 'admin',
		"cursor=$cursor");
	is_deeply sids($json), expected('true', 0, $deep), '… from there on';
};

subtest "a user's own, however long ago it was" => sub {
	for my $who (qw(busy small quiet 7)) {
		my $json = cheap("user $who, page 1", $who, '');
		is_deeply sids($json), expected('user_id = ?', "user-$who", 0),
			'… the newest';
	}
	my $deep = int $CALLS * 0.4;
	my $cursor = cursor('busy', '', 'user_id = ?', 'user-busy', $deep);
	my $json = cheap("user busy, behind $deep rows", 'busy',
		"cursor=$cursor");
	is_deeply sids($json), expected('user_id = ?', 'user-busy', $deep),
		'… from there on';
	cheap('user busy, own number', 'busy', "phoneNumber=$number{busy}");
	cheap('administrator, userId=user-quiet', 'admin', 'userId=user-quiet');
};

subtest 'words that were said' => sub {
	for my $query ('q=zebra', "q=zebra&phoneNumber=$number{busy}") {
		my ($json, $plan) = page('admin', $query);
		is scalar @{ $json->{calls} }, 3, '… found the three';
		# Three rows here, three there, and the words' index.
		cmp_ok touched($plan), '<=', 2 * $MOST, '… without a search';
		$table .= sprintf "%-46s %6d %9.2f\n", $query, touched($plan),
			$plan->{'Actual Total Time'};
	}
	my ($json, $plan) = page('small', 'q=zebra');
	is_deeply $json->{calls}, [], "… and none of another user's";
	($json, $plan) = page('admin', 'q=cake');
	is scalar @{ $json->{calls} }, 50, '… a page of what is in all of them';
	# By time until there are 51, asking at each for its transcript.
	cmp_ok touched($plan), '<=', 51 * 50 * 4,
		'… without reading more than that took';
	$table .= sprintf "%-46s %6d %9.2f\n", 'q=cake', touched($plan),
		$plan->{'Actual Total Time'};
};

subtest 'whoever asks how it is every few seconds' => sub {
	my ($json, $plan) = planned('admin', '/readyz');
	is $json->{recordingsDue}, 0, 'nothing is due';
	# Four counts of what is open, whatever is done.
	cmp_ok touched($plan), '<=', 20, '… reads nothing of what is done';
	$table .= sprintf "%-46s %6d %9.2f\n", '/readyz', touched($plan),
		$plan->{'Actual Total Time'};
};

diag sprintf "%-46s %6s %9s\n%s", 'page of 50', 'buffers', 'ms', $table;
as_superuser('ALTER DATABASE ringback RESET ALL');
$t->done;
