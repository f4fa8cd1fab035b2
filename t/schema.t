#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# schema: the two files of the guide, on a PostgreSQL of its own. Runs alone:
#
#	prove -v t/schema.t
#
# Each story has a database to itself. Plain ones come first, while no role of
# Supabase's exists in the cluster. Everything that the guide has a person do
# is done by 'postgres', which here (as at Supabase) is no superuser.

use v5.36;
use DBI ();
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use FindBin    qw($Bin);
use JSON::PP   qw(decode_json);
use POSIX      ();
use Test::More;

my $pgbin  = '/usr/lib/postgresql/15/bin';
my $schema = "$Bin/../schema";
my @files  = qw(create_transcriptions_table.sql create_twilio_tables.sql);
my $ann    = 'a0000000-0000-4000-8000-000000000001';
my $bob    = 'b0000000-0000-4000-8000-000000000002';

# ------------------------------------------------------------- harness ----

-x "$pgbin/initdb" or plan skip_all => "no PostgreSQL 15 in $pgbin";
eval { require DBD::Pg } or plan skip_all => 'no DBD::Pg (libdbd-pg-perl)';

my $me  = $$;
my $dir = tempdir('ringback-schema-XXXXXX', DIR => '/tmp');
my @as_postgres;    # the server refuses to run as root
if ($> == 0) {
	my (undef, undef, $uid, $gid) = getpwnam 'postgres'
	    or plan skip_all => 'root, and no account postgres to run a server';
	chown $uid, $gid, $dir or die "chown $dir: $!";
	@as_postgres = qw(setpriv --reuid=postgres --regid=postgres
	    --clear-groups --);
}
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

sub slurp ($path) {
	open my $fh, '<:raw', $path or die "$path: $!";
	local $/;
	return <$fh> // '';
}

# Runs a command; its exit code, stdout and stderr.
sub run (@command) {
	my ($out, $err) = ("$dir.out", "$dir.err");
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>', $out;
		open STDERR, '>', $err;
		exec { $command[0] } @command or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	return ($? >> 8, slurp($out), slurp($err));
}

sub must (@command) {
	my ($code, $out, $err) = run(@command);
	$code == 0 or BAIL_OUT("@command: $code\n$out$err");
	return $out;
}

must(@as_postgres, "$pgbin/initdb", qw(-A trust -N -U boss -E UTF8
    --locale=C.UTF-8 -D), "$dir/pg");
must(@as_postgres, "$pgbin/pg_ctl", qw(-w -s -D), "$dir/pg", '-l', "$dir/log",
    '-o', "-k $dir -c listen_addresses= -c fsync=off -c max_connections=40",
    'start');

END {
	if (defined $dir && $$ == $me) {
		my $status = $?;
		run(@as_postgres, "$pgbin/pg_ctl", qw(-w -s -m immediate -D),
		    "$dir/pg", 'stop')
		    if -e "$dir/pg/postmaster.pid";
		remove_tree($dir);
		unlink "$dir.out", "$dir.err";
		$? = $status;
	}
}

sub dbh ($db, $user = 'postgres') {
	return DBI->connect("dbi:Pg:host=$dir;dbname=$db", $user, '', {
		RaiseError => 1, PrintError => 0, PrintWarn => 0,
		AutoCommit => 1, AutoInactiveDestroy => 1,
		pg_server_prepare => 0, pg_enable_utf8 => 1,
	});
}

sub psql ($db, @args) {
	return run("$pgbin/psql", '-X', '-h', $dir, qw(-U postgres -d), $db,
	    @args);
}

sub rows ($dbh, $sql, @bind) {
	return $dbh->selectall_arrayref($sql, undef, @bind);
}

sub value ($dbh, $sql, @bind) {
	return scalar $dbh->selectrow_array($sql, undef, @bind);
}

# The SQLSTATE a statement ends with, '' for none.
sub sqlstate ($dbh, $sql, @bind) {
	return '' if eval { $dbh->do($sql, undef, @bind); 1 };
	return $dbh->state;
}

my $boss = dbh('postgres', 'boss');
$boss->do('CREATE ROLE postgres LOGIN CREATEDB CREATEROLE');

sub new_database ($name) {
	$boss->do("CREATE DATABASE $name OWNER postgres");
	return $name;
}

sub new_supabase ($name) {
	new_database($name);
	must("$pgbin/psql", '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $dir,
	    qw(-U boss -d), $name, '-f', "$Bin/schema/supabase.sql");
	return $name;
}

sub load_older ($db, @more) {
	for my $file ('older.sql', @more) {
		must("$pgbin/psql", '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h',
		    $dir, qw(-U postgres -d), $db, '-f', "$Bin/schema/$file");
	}
	return;
}

# The two commands of the guide, word for word but for the host. No error, and
# nothing else on stderr that would worry the person who runs them.
sub guide_setup ($db) {
	for my $file (@files) {
		my ($code, undef, $err) = psql($db, '-f', "$schema/$file");
		is $code, 0,  "$file: exit status";
		is $err,  '', "$file: neither errors nor notices";
	}
	return dbh($db);
}

# A database, or its tables only, as lines of SQL, for is_deeply to show where
# two differ. The key in \restrict is random.
sub dump_of ($db, @args) {
	return [grep { !/^(?:\\(?:un)?restrict|--|$)/ } split /\n/,
	    must("$pgbin/pg_dump", '-h', $dir, qw(-U boss), @args, $db)];
}

# All of our tables, save the one index of an earlier installation that a new
# one has not and that is left to it.
sub tables_of ($db) {
	return [grep { !/INDEX idx_transcriptions_status / } @{ dump_of($db,
	    '--schema-only', map { ('-t', $_) } qw(transcriptions twilio_*
	    webhook_events reconciliations pauses api_* erased numbers opt_outs
	    send_counters)) }];
}

# EXPLAIN (ANALYZE, BUFFERS): pages touched, and the names of indexes used.
sub explain_query ($dbh, $sql, @bind) {
	my $plan = decode_json(value($dbh,
	    "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) $sql", @bind))->[0]{Plan};
	my (%index, @todo);
	for (@todo = ($plan); my $node = shift @todo;) {
		$index{$node->{'Index Name'}} = 1 if $node->{'Index Name'};
		push @todo, @{ $node->{Plans} // [] };
	}
	return {
		buffers => $plan->{'Shared Hit Blocks'}
		    + $plan->{'Shared Read Blocks'},
		rows    => $plan->{'Actual Rows'},
		indexes => join ' ', sort keys %index,
	};
}

# ---------------------------------------------------- plain PostgreSQL ----

my %columns = (
	twilio_calls => 'id call_sid phone_number_sid from_number to_number
	    direction status duration recording_url recording_sid
	    transcription_id user_id metadata created_at updated_at account_sid
	    parent_call_sid status_seq answered_by error_code
	    error_message request',
	twilio_sms => 'id message_sid from_number to_number body direction
	    status num_segments user_id metadata created_at updated_at
	    account_sid messaging_service_sid num_media media
	    opt_out_type error_code error_message request',
	twilio_recordings => 'id recording_sid call_sid recording_url duration
	    transcription_id status created_at updated_at account_sid channels
	    source track started_at twilio_status error_code step
	    attempts first_attempt_at run_at lease last_error deleted_at user_id
	    metadata sweep parts',
	transcriptions => 'id user_id filename file_url transcription
	    duration_seconds analysis status metadata error created_at
	    updated_at recording_sid call_sid language model segments
	    analysis_model',
	webhook_events => 'id dedupe route request_uri account_sid sid status
	    body source verified received_at refused replayed_at',
	reconciliations => 'account_sid list watermark deep_at started_at since
	    next_page run_at',
	pauses       => 'service since until why',
	sweeps       => 'id lock until',
	api_calls    => 'id recording_sid step started_at finished_at outcome
	    units',
	erased       => 'sid account_sid why erased_at run_at attempts',
	numbers      => 'number phone_number_sid user_id created_at',
	api_keys     => 'id user_id secret_sha256 scopes name created_at
	    expires_at revoked_at last_used_at replaced_by',
	api_requests => 'key_id idempotency_key body_sha256 kind row_id state
	    response_status response created_at',
	opt_outs      => 'sender recipient opted_out_at source opted_in_at',
	send_counters => 'scope window_start count',
);

subtest 'a new database: the two commands of the guide suffice' => sub {
	my $dbh = guide_setup(new_database('fresh'));

	for my $table (sort keys %columns) {
		is value($dbh, q{SELECT string_agg(attname, ' ' ORDER BY attnum)
		      FROM pg_attribute
		     WHERE attrelid = to_regclass(?) AND attnum > 0}, $table),
		    join(' ', split ' ', $columns{$table}), "$table: columns";
	}
	is value($dbh, q{SELECT string_agg(DISTINCT format_type(atttypid,
		      atttypmod), ',')
		  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		 WHERE attname = 'user_id' AND relkind = 'r'
		   AND relnamespace = 'public'::regnamespace}),
	    'text', 'user_id is text in every table';
	is value($dbh, q{SELECT count(*) FROM pg_class
		 WHERE relnamespace = 'public'::regnamespace
		   AND relrowsecurity}),
	    0, 'without auth.uid() no row-level security';
};

subtest 'a second run changes nothing' => sub {
	my $dbh = dbh('fresh');
	$dbh->do(q{INSERT INTO twilio_calls (call_sid, status, user_id)
		VALUES ('CA1', 'ringing', 'user-123')});
	$dbh->do(q{INSERT INTO twilio_recordings (recording_sid, call_sid, step)
		VALUES ('RE1', 'CA1', 'wait')});
	$dbh->do(q{INSERT INTO transcriptions (recording_sid, analysis)
		VALUES ('RE1', '{"summary": "x"}')});
	$dbh->do(q{INSERT INTO webhook_events (dedupe, route, body, verified)
		VALUES ('\x00ff', '/api/twilio/voice', '\x41ff00', true)});
	my $before = dump_of('fresh');
	my $files  = value($dbh, q{SELECT string_agg(oid || ':' || relfilenode,
		    ' ' ORDER BY oid) FROM pg_class
		 WHERE relnamespace = 'public'::regnamespace});

	guide_setup('fresh');
	is_deeply dump_of('fresh'), $before, 'pg_dump, schema and rows: same';
	is value($dbh, q{SELECT string_agg(oid || ':' || relfilenode,
		    ' ' ORDER BY oid) FROM pg_class
		 WHERE relnamespace = 'public'::regnamespace}),
	    $files, 'no table or index was rewritten';
};

subtest 'pasted into an SQL editor it does the same' => sub {
	new_database('pasted');
	for my $file (@files) {
		my ($code, undef, $err) = psql('pasted', '-c',
		    slurp("$schema/$file"));
		is $code, 0, "$file as one query: exit status" or diag $err;
		unlike slurp("$schema/$file"), qr/^\s*\\/m,
		    "$file: no command of psql's own";
	}
	is_deeply tables_of('pasted'), tables_of('fresh'), 'same tables';
};

subtest 'in the wrong order: says so and does nothing' => sub {
	new_database('wrong');
	my (undef, undef, $err) = psql('wrong', '-f', "$schema/$files[1]");
	like $err, qr/ERROR:\s+run create_transcriptions_table\.sql first/,
	    'names the file to run';
	is value(dbh('wrong'), q{SELECT count(*) FROM pg_class
		 WHERE relnamespace = 'public'::regnamespace}), 0, 'no table';
};

subtest '"userId": "user-123"' => sub {
	my $dbh = dbh('fresh');
	for my $insert (
		q{twilio_calls (call_sid, user_id) VALUES ('CAu', ?)},
		q{twilio_sms (message_sid, user_id) VALUES ('SMu', ?)},
		q{twilio_recordings (recording_sid, user_id) VALUES ('REu', ?)},
		q{transcriptions (recording_sid, user_id) VALUES ('REu', ?)},
		q{numbers (number, user_id) VALUES ('+18454090692', ?)},
		q{api_keys (id, secret_sha256, user_id)
		    VALUES ('k', sha256('s'), ?)},
	) {
		my ($table) = $insert =~ /^(\w+)/;
		is sqlstate($dbh, "INSERT INTO $insert", 'user-123'), '',
		    "$table takes it";
		is value($dbh, "SELECT user_id FROM $table
			 WHERE user_id LIKE 'user%' LIMIT 1"),
		    'user-123', "$table gives it back";
	}
};

subtest "the guide's three queries, as written" => sub {
	my $dbh = dbh('fresh');
	$dbh->do(q{UPDATE twilio_calls SET transcription_id =
		(SELECT id FROM transcriptions WHERE recording_sid = 'RE1')
		WHERE call_sid = 'CA1'});
	$dbh->do(q{INSERT INTO twilio_sms (message_sid, created_at)
		SELECT 'SM' || i, now() - i * interval '1 minute'
		  FROM generate_series(1, 20) i});

	my $calls = $dbh->selectall_arrayref(<<~'SQL', { Slice => {} });
		-- Recent calls
		SELECT * FROM twilio_calls 
		ORDER BY created_at DESC 
		LIMIT 10;
		SQL
	is @$calls, 2, 'recent calls';

	my $with = $dbh->selectall_arrayref(<<~'SQL', { Slice => {} });
		-- Calls with transcriptions
		SELECT c.*, t.transcription, t.analysis 
		FROM twilio_calls c
		JOIN transcriptions t ON c.transcription_id = t.id
		ORDER BY c.created_at DESC;
		SQL
	is_deeply [map { $_->{call_sid} } @$with], ['CA1'],
	    'calls with transcriptions';
	is_deeply decode_json($with->[0]{analysis}), { summary => 'x' },
	    'and their analysis';

	my $sms = $dbh->selectall_arrayref(<<~'SQL', { Slice => {} });
		-- SMS history
		SELECT * FROM twilio_sms 
		ORDER BY created_at DESC 
		LIMIT 10;
		SQL
	is_deeply [map { $_->{message_sid} } @$sms],
	    ['SMu', map {"SM$_"} 1 .. 9],
	    'SMS history, newest first';
};

subtest 'events fit in any order, with whatever Twilio leaves out' => sub {
	my $dbh = dbh('fresh');
	is sqlstate($dbh, q{INSERT INTO twilio_calls (call_sid)
		VALUES ('CAstub')}), '', 'a call known by its SID only';
	is sqlstate($dbh, q{INSERT INTO twilio_recordings (recording_sid,
		call_sid, twilio_status) VALUES ('REearly', 'CAstub',
		'in-progress')}), '', 'a recording without duration or URL';
	is sqlstate($dbh, q{INSERT INTO twilio_calls (to_number, direction,
		status) VALUES ('+1', 'outbound-api', 'sending'),
		('+1', 'outbound-api', 'sending')}),
	    '', 'calls that Twilio has not named yet';
	is sqlstate($dbh, q{INSERT INTO twilio_calls (call_sid, from_number,
		status, direction) VALUES ('CAsip', ?, 'a-new-status',
		'trunking-originating')}, 'sip:' . 'x' x 300 . '@example.com'),
	    '', 'a long SIP address, a status and a direction nobody knows';
	is sqlstate($dbh, q{INSERT INTO twilio_recordings (recording_sid,
		call_sid) VALUES ('REx', 'CAnone')}), '23503',
	    'but never a recording without its call';
	is sqlstate($dbh, q{DELETE FROM twilio_calls WHERE call_sid = 'CA1'}),
	    '23503', 'nor a call taken from under its recording';
	is sqlstate($dbh, q{UPDATE twilio_recordings SET status = 'nonsense'}),
	    '23514', 'recordings.status is one of four';
	is sqlstate($dbh, q{UPDATE twilio_recordings SET step = 'analyze'}),
	    '23514', 'recordings.step is one of seven';
	is sqlstate($dbh, q{INSERT INTO transcriptions (recording_sid)
		VALUES ('RE1')}), '23505', 'one transcript for one recording';
};

subtest 'updated_at moves when something changes, and only then' => sub {
	my $dbh = dbh('fresh');
	my %touch = (
		twilio_calls      => ['call_sid', 'CA1', 'status', 'completed'],
		twilio_sms        => ['message_sid', 'SM1', 'status', 'sent'],
		twilio_recordings => ['recording_sid', 'RE1', 'twilio_status',
			'completed'],
		transcriptions    => ['recording_sid', 'RE1', 'error', 'none'],
	);
	for my $table (sort keys %touch) {
		my ($key, $sid, $column, $new) = @{ $touch{$table} };
		my $when = sub {
			value($dbh, "SELECT updated_at FROM $table
				WHERE $key = ?", $sid);
		};
		my $first = $when->();
		is $dbh->do("UPDATE $table SET $column = $column, $key = $key
			WHERE $key = ?", undef, $sid), 1,
		    "$table: the update of nothing counts its row";
		is $when->(), $first, "$table: but is no change";
		$dbh->do("UPDATE $table SET $column = ? WHERE $key = ?", undef,
		    $new, $sid);
		isnt $when->(), $first, "$table: a change is";
	}
};

subtest 'due recordings are found without looking at the others' => sub {
	my $dbh = guide_setup(new_database('queue'));
	$dbh->do(q{INSERT INTO twilio_calls (call_sid) VALUES ('CA1')});
	$dbh->do(q{INSERT INTO twilio_recordings
		(recording_sid, call_sid, step, status, run_at)
		SELECT 'RE' || i, 'CA1',
		       CASE WHEN i % 1000 = 0 THEN 'download' ELSE 'done' END,
		       CASE WHEN i % 1000 = 0 THEN 'pending'
			    ELSE 'completed' END,
		       now() - interval '1 day' + i * interval '1 second'
		  FROM generate_series(1, 20000) i});
	$dbh->do('VACUUM ANALYZE twilio_recordings');

	my $plan = explain_query($dbh, q{SELECT id FROM twilio_recordings
		 WHERE step IN ('wait', 'download', 'analyse')
		   AND run_at <= now()
		 ORDER BY run_at, id FOR UPDATE SKIP LOCKED LIMIT 1});
	is $plan->{indexes}, 'recordings_due', 'by the index of due work';
	is $plan->{rows},    1,                'one is found';
	cmp_ok $plan->{buffers}, '<', 12, "$plan->{buffers} pages, of a table"
	    . ' of 20,000';

	is_deeply rows($dbh, q{SELECT recording_sid FROM twilio_recordings
		 WHERE step IN ('wait', 'download', 'analyse')
		 ORDER BY run_at, id LIMIT 2}), [['RE1000'], ['RE2000']],
	    'oldest first';
};

# What an older sweep says when it claims; it takes run_at for the lease's end.
my $OLDER_CLAIM = q{UPDATE twilio_recordings SET lease = gen_random_uuid(),
	holder = 1, run_at = now() + interval '1 minute' WHERE run_at <= now()};

subtest 'an older sweep keeps what it has, and takes nothing more' => sub {
	my $dbh = guide_setup(new_database('older_sweep'));
	$dbh->do('ALTER TABLE twilio_recordings ADD COLUMN holder integer');
	$dbh->do(q{INSERT INTO twilio_recordings (recording_sid) VALUES
		('RE1')});
	is $dbh->do($OLDER_CLAIM), 1, 'it has one';
	$dbh->do(q{INSERT INTO twilio_recordings (recording_sid) VALUES
		('RE2')});
	undef $dbh;
	$dbh = guide_setup('older_sweep');
	is_deeply rows($dbh, q{SELECT recording_sid, run_at > now() +
		interval '50 minutes' FROM twilio_recordings ORDER BY 1}),
		[['RE1', 1], ['RE2', 0]], 'that is left to it, if it is slow';
	is sqlstate($dbh, $OLDER_CLAIM), '42703', 'the other is not for it';
};

subtest 'a page of history costs the same for whoever, however deep' => sub {
	my $dbh = guide_setup(new_database('history'));
	# 100,000 calls of a year. +1busy has nearly half of them, on either
	# side; +1quiet ten, spread over the year; +1old 20,000, none of them
	# recent; +1import 5,000 of the same instant.
	$dbh->do(q{INSERT INTO twilio_calls
		(call_sid, from_number, to_number, direction, status, user_id,
		 created_at)
		SELECT 'CA' || md5(i::text),
		       CASE WHEN i % 10000 = 7 THEN '+1quiet'
			    WHEN i % 4 = 0 THEN '+1busy'
			    ELSE '+1415555' || i % 5000 END,
		       CASE WHEN i <= 20000 THEN '+1old'
			    WHEN i % 4 = 2 THEN '+1busy'
			    ELSE '+184555' || i % 3 END,
		       'inbound', 'completed',
		       CASE WHEN i <= 20000 THEN 'user-old'
			    WHEN i % 10 = 0 THEN 'user-' || i % 50 END,
		       now() - (100000 - i) * interval '315 seconds'
		  FROM generate_series(1, 95000) i});
	$dbh->do(q{INSERT INTO twilio_calls
		(call_sid, from_number, to_number, status, created_at)
		SELECT 'CB' || i, '+1import', '+1845', 'completed',
		       now() - interval '1 month'
		  FROM generate_series(1, 5000) i});
	$dbh->do(q{INSERT INTO twilio_sms
		(message_sid, from_number, to_number, body, created_at)
		SELECT 'SM' || i, '+1415555' || i % 900,
		       CASE WHEN i % 3 = 0 THEN '+1busy' ELSE '+1else' END,
		       CASE i WHEN 777 THEN 'the invoice is wrong'
			      ELSE 'message number ' || i END,
		       now() - (20000 - i) * interval '1000 seconds'
		  FROM generate_series(1, 20000) i});
	$dbh->do('VACUUM ANALYZE twilio_calls, twilio_sms');

	for my $table (qw(twilio_calls twilio_sms)) {
		$dbh->do(qq{PREPARE page_of_$table (text, timestamptz, uuid) AS
			SELECT * FROM (
			  (SELECT * FROM $table WHERE from_number = \$1
			      AND (created_at, id) < (\$2, \$3)
			    ORDER BY created_at DESC NULLS LAST, id DESC
			    LIMIT 50)
			  UNION ALL
			  (SELECT * FROM $table WHERE to_number = \$1
			      AND from_number IS DISTINCT FROM to_number
			      AND (created_at, id) < (\$2, \$3)
			    ORDER BY created_at DESC NULLS LAST, id DESC
			    LIMIT 50)) page
			 ORDER BY created_at DESC NULLS LAST, id DESC
			 LIMIT 50});
	}
	my @top = ('infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff');
	my $deep = rows($dbh, q{SELECT created_at, id FROM twilio_calls
		WHERE from_number = '+1busy' OR to_number = '+1busy'
		ORDER BY created_at DESC, id DESC OFFSET 40000 LIMIT 1})->[0];
	my $tied = rows($dbh, q{SELECT created_at, id FROM twilio_calls
		WHERE from_number = '+1import'
		ORDER BY created_at DESC, id DESC OFFSET 4000 LIMIT 1})->[0];

	my @pages = (
		['busy, first page',    'twilio_calls', '+1busy',   50, @top],
		['busy, page 800',      'twilio_calls', '+1busy',   50, @$deep],
		['ten calls in a year', 'twilio_calls', '+1quiet',  10, @top],
		['many, long ago',      'twilio_calls', '+1old',    50, @top],
		['imported in one instant, page 80', 'twilio_calls',
			'+1import', 50, @$tied],
		['messages',            'twilio_sms',   '+1busy',   50, @top],
	);
	for my $mode (qw(custom generic)) {
		$dbh->do("SET plan_cache_mode = force_${mode}_plan");
		for (@pages) {
			my ($name, $table, $number, $rows, @from) = @$_;
			my $plan = explain_query($dbh,
			    "EXECUTE page_of_$table(?, ?, ?)", $number, @from);
			is $plan->{rows}, $rows,
			    "$name, $mode plan: $rows rows";
			cmp_ok $plan->{buffers}, '<=', 70,
			    "$name, $mode plan: $plan->{buffers} pages read";
		}
	}

	my $plan;
	for my $user (qw(user-20 user-old)) {
		$plan = explain_query($dbh, q{SELECT * FROM twilio_calls
			WHERE user_id = ?
			ORDER BY created_at DESC NULLS LAST, id DESC LIMIT 50},
		    $user);
		is $plan->{indexes}, 'twilio_calls_user_time',
		    "$user\'s history, by index";
		cmp_ok $plan->{buffers}, '<=', 70,
		    "$user: $plan->{buffers} pages read";
	}

	$plan = explain_query($dbh, q{SELECT * FROM twilio_calls
		ORDER BY created_at DESC LIMIT 10});
	is $plan->{indexes}, 'twilio_calls_time', "the guide's recent calls";
	cmp_ok $plan->{buffers}, '<=', 14, "$plan->{buffers} pages read";

	$plan = explain_query($dbh, q{SELECT * FROM twilio_calls
		WHERE call_sid IS NULL AND created_at < now()
		ORDER BY created_at});
	is $plan->{indexes}, 'twilio_calls_call_sid_key',
	    'calls whose outcome is not known';

	$plan = explain_query($dbh, q{SELECT message_sid FROM twilio_sms
		WHERE to_tsvector('simple', body)
		   @@ websearch_to_tsquery('simple', 'Wrong INVOICE')});
	is $plan->{indexes}, 'twilio_sms_words', 'search for words';
	is $plan->{rows},    1,                  'finds the message';
};

subtest 'no transcript is too long or too odd to be stored' => sub {
	my $dbh = dbh('fresh');
	# A tsvector's limit is 1 MB; these are as wordy as text gets.
	my %text = (
		'eight hours of talk' =>
		    join(' ', map { "word$_" } 1 .. 80_000),
		'hyphens and four-byte letters' => join(' ', map {
			chr(120000 + $_ % 700) . chr(119900 + $_ / 700 % 100)
			    . '-' . chr(119808 + $_ % 50)
			    . chr(119900 + $_ % 53)
		} 1 .. 40_000),
		'addresses' => join(' ', map {
			sprintf 'http://%x.de/%x/x', $_, $_ } 1 .. 40_000),
		'one word' => 'x' x 1_000_000,
	);
	for my $name (sort keys %text) {
		is sqlstate($dbh, q{INSERT INTO transcriptions (recording_sid,
			transcription) VALUES (?, ?)}, $name, $text{$name}), '',
		    $name;
	}
	$dbh->do('SET enable_seqscan = off');
	my $plan = explain_query($dbh, q{SELECT id FROM transcriptions
		WHERE to_tsvector('simple', left(transcription, 100000))
		   @@ websearch_to_tsquery('simple', 'word4711')});
	is $plan->{indexes}, 'transcriptions_words', 'searched by index';
	is $plan->{rows},    1,                      'and found';
};

subtest 'a cap is exact, however many send at once' => sub {
	my $dbh  = dbh('fresh');
	my $take = q{INSERT INTO send_counters AS c (scope, window_start, count)
		SELECT $1, date_trunc('day', now()), $2::int WHERE $2 <= $3::int
		ON CONFLICT (scope, window_start) DO UPDATE
		   SET count = c.count + excluded.count
		 WHERE c.count + excluded.count <= $3
		RETURNING count};
	pipe my $read, my $write or die "pipe: $!";
	my @children;
	for my $child (1 .. 8) {
		my $pid = fork // die "fork: $!";
		if (!$pid) {
			my $mine = dbh('fresh');
			my $got  = 0;
			for (1 .. 100) {
				$got++ if defined value($mine, $take, 'key:a',
				    1, 333);
				$got += 1000 if defined value($mine, $take,
				    'spend', 7, 1000);
			}
			syswrite $write, "$got\n";
			POSIX::_exit(0);
		}
		push @children, $pid;
	}
	close $write;
	waitpid $_, 0 for @children;
	my ($sends, $spends) = (0, 0);
	while (<$read>) {
		$sends  += $_ % 1000;
		$spends += int $_ / 1000;
	}
	is $sends, 333, '800 asked, 333 were let through';
	is value($dbh, q{SELECT count FROM send_counters
		WHERE scope = 'key:a'}), 333, 'and counted';
	is $spends, 142, 'of 1,000 cents at 7 each, 142 sends';
	is value($dbh, $take, 'off', 1, 0), undef, 'a cap of none lets none';
};

# ------------------------------------------------ earlier installations ----

# The guide-era columns of every row, as text.
my %older = (
	twilio_calls => 'call_sid phone_number_sid from_number to_number
	    direction status duration recording_url recording_sid
	    transcription_id user_id metadata created_at updated_at',
	twilio_sms => 'message_sid from_number to_number body direction status
	    num_segments user_id metadata created_at updated_at',
	twilio_recordings => 'recording_sid call_sid recording_url duration
	    transcription_id status created_at updated_at',
	transcriptions => 'user_id filename file_url transcription
	    duration_seconds analysis status metadata error created_at
	    updated_at',
);

sub older_rows ($dbh) {
	my %all;
	for my $table (keys %older) {
		my @names = split ' ', $older{$table};
		for (@{ rows($dbh, "SELECT id, "
			. join(', ', map {"$_\::text"} @names)
			. " FROM $table") }) {
			my ($id, @values) = @$_;
			@{ $all{"$table $id"} }{@names} = @values;
		}
	}
	return \%all;
}

# What the upgrade is to change in them, and nothing else.
sub expect_upgraded ($all) {
	my $re = 'twilio_recordings e0000000-0000-4000-8000-00000000000';
	my $tr = 'transcriptions 70000000-0000-4000-8000-00000000000';
	$all->{"${re}3"}{status}  = 'pending';      # was processing, by nobody
	$all->{"${re}5"}{status}  = 'completed';    # its transcript is there
	$all->{"${re}6"}{status}  = 'failed';       # was 'error'
	$all->{"${tr}1"}{user_id} = $ann;           # its call's
	return $all;
}

sub upgrade_story ($db, $like) {
	my $dbh    = dbh($db);
	my $before = older_rows($dbh);
	is keys %$before, 14, 'there were 14 rows';
	undef $dbh;

	$dbh = guide_setup($db);
	is_deeply older_rows($dbh), expect_upgraded($before),
	    'every row is there, as it was';
	is_deeply rows($dbh, q{SELECT recording_sid, status, step, last_error,
		      user_id, attempts, run_at <= now()
		  FROM twilio_recordings ORDER BY 1}), [
		['RE1', 'completed', 'done',     undef, $ann,  0, 1],
		['RE2', 'pending',   'download', undef, undef, 0, 1],
		['RE3', 'pending',   'download', undef, $bob,  0, 1],
		['RE4', 'failed', 'dead', 'before the upgrade: failed', $bob,
			0, 1],
		['RE5', 'completed', 'done',     undef, $bob,  0, 1],
		['RE6', 'failed', 'dead', 'before the upgrade: error', $bob,
			0, 1],
	], 'what lay about is due, what failed can be retried';
	is_deeply rows($dbh, q{SELECT recording_sid, call_sid
		  FROM transcriptions ORDER BY id}),
	    [['RE1', 'CA1'], [undef, undef], ['RE5', 'CA3']],
	    'transcripts know their recording; an upload has none';
	is value($dbh, q{SELECT analysis #>> '{}' FROM transcriptions
		 WHERE recording_sid = 'RE1'}),
	    "## Summary\nWants a *call* back.", 'markdown stays readable';
	is sqlstate($dbh, q{INSERT INTO twilio_calls (call_sid, user_id)
		VALUES ('CAnew', 'user-123')}), '', 'user-123 is welcome';

	is_deeply tables_of($db), tables_of($like),
	    'tables, keys, indexes, triggers and policies are those of a new'
	    . ' database';

	my $dump = dump_of($db);
	guide_setup($db);
	is_deeply dump_of($db), $dump, 'a second run changes nothing';
	return $dbh;
}

subtest 'over an earlier installation, plain' => sub {
	new_database('older');
	load_older('older');
	# There, of the two policies only the one without auth.uid() was made.
	dbh('older')->do($_) for
	    'ALTER TABLE transcriptions ENABLE ROW LEVEL SECURITY',
	    'CREATE POLICY transcriptions_service_policy ON transcriptions'
	    . ' USING (TRUE) WITH CHECK (TRUE)';
	my $dbh = upgrade_story('older', 'fresh');
};

subtest 'an earlier installation that had dropped the key to calls' => sub {
	new_database('nokey');
	load_older('nokey');
	my $dbh = dbh('nokey');
	$dbh->do($_) for
	    'ALTER TABLE twilio_recordings DROP CONSTRAINT'
	    . ' twilio_recordings_call_sid_fkey',
	    q{INSERT INTO twilio_recordings (recording_sid, call_sid,
		recording_url, duration, status, created_at)
		VALUES ('RE9', 'CA9', 'u', 1, NULL, '2025-04-01 10:00+00')};
	guide_setup('nokey');
	is_deeply rows($dbh, q{SELECT call_sid, status,
		      created_at = '2025-04-01 10:00+00'
		  FROM twilio_calls WHERE call_sid = 'CA9'}),
	    [['CA9', 'unknown', 1]], 'a stub stands in for the lost call';
	is value($dbh, q{SELECT status || ' ' || step FROM twilio_recordings
		 WHERE recording_sid = 'RE9'}), 'pending download',
	    'its recording is due';
	is_deeply tables_of('nokey'), tables_of('fresh'), 'the key is back';
};

subtest 'views in the way are named, and nothing is half done' => sub {
	new_database('views');
	load_older('views');
	my $dbh = dbh('views');
	$dbh->do(q{CREATE VIEW recent_calls AS SELECT * FROM twilio_calls});
	my $before = dump_of('views', '-t', 'twilio_*');

	my (undef, undef, $err) = psql('views', '-f', "$schema/$files[0]");
	is $err, '', 'a file that the view does not concern runs';
	(undef, undef, $err) = psql('views', '-f', "$schema/$files[1]");
	like $err, qr/ERROR: .*twilio_calls.*view (?:public\.)?recent_calls/,
	    'the error names table and view';
	like $err, qr/HINT: .*pg_get_viewdef/, 'and says what to do';
	is_deeply dump_of('views', '-t', 'twilio_*'), $before,
	    'no table has changed';

	$dbh->do('DROP VIEW recent_calls');
	guide_setup('views');
	is sqlstate($dbh, q{CREATE VIEW recent_calls AS
		SELECT * FROM twilio_calls}), '', 'afterwards it can be made';
	guide_setup('views');
};

# ------------------------------------------------------------- Supabase ----

# What a request sees that comes in with a user's token.
sub as_user ($dbh, $role, $user, $sql) {
	$dbh->begin_work;
	$dbh->do("SET LOCAL ROLE $role");
	$dbh->do(q{SELECT set_config('request.jwt.claim.sub', ?, true)}, undef,
	    $user // '');
	my $got = eval { [map { $_->[0] } @{ rows($dbh, $sql) }] }
	    // 'SQLSTATE ' . $dbh->state;
	$dbh->rollback;
	return $got;
}

# As Ann, Bob, nobody and the service, in a database with rows of both users.
sub separation_story ($db) {
	my $dbh = dbh($db, 'authenticator');
	my %key = (
		twilio_calls => 'call_sid', twilio_sms => 'message_sid',
		twilio_recordings => 'recording_sid', transcriptions => 'id',
		numbers => 'number',
	);
	for my $table (sort keys %key) {
		my $all = "SELECT $key{$table} FROM $table ORDER BY 1";
		my $of  = sub ($user) {
			[map { $_->[0] } @{ rows(dbh($db),
			    "SELECT $key{$table} FROM $table
			     WHERE user_id = ? ORDER BY 1", $user) }];
		};
		my ($anns, $bobs) = ($of->($ann), $of->($bob));
		ok @$anns && @$bobs, "$table: Ann and Bob have rows";
		is_deeply as_user($dbh, 'authenticated', $ann, $all), $anns,
		    "$table: Ann sees hers only";
		is_deeply as_user($dbh, 'authenticated', $bob, $all), $bobs,
		    "$table: Bob sees his only";
		is_deeply as_user($dbh, 'authenticated', undef, $all), [],
		    "$table: without a user, no row";
		is as_user($dbh, 'anon', undef, $all), 'SQLSTATE 42501',
		    "$table: not for anon";
		is as_user($dbh, 'authenticated', $ann,
		    "UPDATE $table SET user_id = '$ann' RETURNING 1"),
		    'SQLSTATE 42501', "$table: users write nothing";
		is as_user($dbh, 'authenticated', $ann, "TRUNCATE $table"),
		    'SQLSTATE 42501', "$table: nor empty it";
		is_deeply as_user($dbh, 'service_role', undef,
		    "SELECT count(*) FROM $table"),
		    [value(dbh($db), "SELECT count(*) FROM $table")],
		    "$table: the service sees all";
		is_deeply as_user($dbh, 'service_role', undef,
		    "UPDATE $table SET user_id = user_id
		     WHERE user_id = '$bob' RETURNING user_id"),
		    [map {$bob} @$bobs], "$table: and writes";
	}
	my $owner = dbh($db);
	for my $table (grep { !$key{$_} } sort keys %columns) {
		for my $role (qw(anon authenticated)) {
			is as_user($dbh, $role, $role eq 'anon' ? undef : $ann,
			    "SELECT 1 FROM $table"), 'SQLSTATE 42501',
			    "$table: nothing for $role";
		}
		is value($owner, q{SELECT relrowsecurity FROM pg_class
			WHERE oid = ?::regclass}, $table), 1,
		    "$table: and rows are closed, whatever is granted";
		is_deeply as_user($dbh, 'service_role', undef,
		    "SELECT count(*) FROM $table"),
		    [value($owner, "SELECT count(*) FROM $table")],
		    "$table: open to the service";
	}
	# The stubs' journal, as ringback's own connection writes it.
	is sqlstate($owner, q{INSERT INTO webhook_events (dedupe, route, body,
		verified) VALUES (sha256('x'), '/r', '', true)}), '',
	    'the owner, as which ringback connects, is not held up';
	return;
}

my $two_users = <<~"SQL";
	INSERT INTO twilio_calls (call_sid, user_id) VALUES
		('CA-a', '$ann'), ('CA-b', '$bob'), ('CA-c', 'user-123'),
		('CA-d', NULL);
	INSERT INTO twilio_sms (message_sid, user_id) VALUES
		('SM-a', '$ann'), ('SM-b', '$bob'), ('SM-d', NULL);
	INSERT INTO twilio_recordings (recording_sid, call_sid, user_id) VALUES
		('RE-a', 'CA-a', '$ann'), ('RE-b', 'CA-b', '$bob');
	INSERT INTO transcriptions (recording_sid, user_id) VALUES
		('RE-a', '$ann'), ('RE-b', '$bob');
	INSERT INTO numbers (number, user_id) VALUES
		('+1a', '$ann'), ('+1b', '$bob'), ('+1', NULL);
	INSERT INTO api_keys (id, secret_sha256) VALUES ('k', sha256('k'));
	SQL

subtest 'Supabase: two users cannot see each other' => sub {
	my $dbh = guide_setup(new_supabase('supa'));
	$dbh->do($two_users);
	separation_story('supa');

	my $before = dump_of('supa');
	guide_setup('supa');
	is_deeply dump_of('supa'), $before, 'a second run changes nothing';
};

subtest "Supabase: the programs' roles act for all users" => sub {
	new_supabase('supa_roles');
	my ($code, undef, $err) = psql('supa_roles', '-f',
	    "$schema/roles.sql");
	like $err, qr/run create_twilio_tables\.sql first/,
	    'they come after the tables';
	my $dbh = guide_setup('supa_roles');
	$dbh->do($two_users);
	for my $run (1, 2) {
		($code, undef, $err) = psql('supa_roles', '-f',
		    "$schema/roles.sql");
		is $code, 0,  "roles.sql, run $run: exit status";
		is $err,  '', 'neither errors nor notices';
		guide_setup('supa_roles');
	}
	separation_story('supa_roles');
	my ($hooks, $sweep) = map { dbh('supa_roles', "ringback-$_") }
	    qw(hooks sweep);
	is value($hooks, 'SELECT count(user_id) FROM twilio_calls'), 3,
	    'whoever a row belongs to, it is seen';
	is sqlstate($hooks, q{INSERT INTO twilio_sms (message_sid, user_id)
		VALUES ('SM-h', 'user-9')}), '', '… and written';
	is value($sweep, 'SELECT count(*) FROM transcriptions'), 2,
	    'by whom it may be seen at all';
	is sqlstate($hooks, 'SELECT count(*) FROM transcriptions'), 42501,
	    '… and by nobody else';
};

subtest 'over an earlier installation, Supabase' => sub {
	new_supabase('supa_older');
	load_older('supa_older', 'older_supabase.sql');
	my $dbh = upgrade_story('supa_older', 'supa');
	is value($dbh, q{SELECT count(*) FROM pg_policy
		WHERE polname LIKE 'transcriptions%'}), 0,
	    'the policy that undid all others is gone';
	$dbh->do($two_users);
	separation_story('supa_older');
};

subtest "somebody's own policies are not passed over in silence" => sub {
	new_supabase('policies');
	load_older('policies', 'older_supabase.sql');
	my $dbh = dbh('policies');
	$dbh->do(q{CREATE POLICY mine ON twilio_calls
		USING (user_id = auth.uid())});
	my (undef, undef, $err) = psql('policies', '-f', "$schema/$files[0]");
	is $err, '', 'transcriptions are not concerned';
	(undef, undef, $err) = psql('policies', '-f', "$schema/$files[1]");
	like $err, qr/ERROR: .*twilio_calls.*policy mine/,
	    'one that names user_id stops the change of its type';

	$dbh->do('DROP POLICY mine ON twilio_calls');
	$dbh->do('CREATE POLICY everyone ON twilio_calls USING (true)');
	(undef, undef, $err) = psql('policies', '-f', "$schema/$files[1]");
	like $err, qr/WARNING: .*twilio_calls.*: everyone$/m,
	    'one that opens a table is warned of';
	unlike $err, qr/ERROR/, 'and left to its owner';
};

done_testing;
