# SPDX-License-Identifier: ISC
# Ringback::Million: calls as many years leave them, for what must cost the
# same however many there are.
#
#	million($t, 1_000_000);
#	say $number{busy};		# half of them are its
package Ringback::Million;
use v5.36;

use Exporter qw(import);

use Ringback::Test;

our @EXPORT_OK = qw(million %number);

our %number = (busy => '+15005550001', small => '+15005550002',
	quiet => '+15005550003');

# One every 30 seconds for a year, as they would come: every second one on the
# busy line, half in and half out; the quiet line had its calls a year ago and
# none since; ten on the small one; the rest on 200 others. Every fiftieth has
# a transcript, nearly all of them with a cake and three with a zebra.
# How many indexes calls have is given back.
sub million ($t, $count) {
	my $dbh = $t->dbh;
	my $defs = $dbh->selectall_arrayref(<<~'SQL');
		SELECT indexname, indexdef FROM pg_indexes
		 WHERE tablename = 'twilio_calls' AND indexname NOT IN
		       (SELECT conname FROM pg_constraint)
		SQL
	$dbh->do("SET maintenance_work_mem = '256MB'");
	$dbh->do("DROP INDEX $_->[0]") for @$defs;
	$dbh->do(<<~'SQL', undef, $count);
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
	return scalar @$defs;
}

1;
