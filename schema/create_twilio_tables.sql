-- SPDX-License-Identifier: ISC
--
-- What ringback keeps of calls, texts and recordings, and what it needs to
-- take webhooks, work through recordings and send on behalf of key holders.
-- Run create_transcriptions_table.sql first.
--
--	psql -h HOST -U postgres -d postgres -f create_twilio_tables.sql
--
-- or paste it into Supabase's SQL editor. Run it as the owner of the tables,
-- on PostgreSQL 15 or later. It is one transaction: all of it happens or
-- nothing. A second run changes nothing. Over the tables of an earlier
-- installation it keeps every row and adds what is missing.
--
--	table              a row is                        written by
--	twilio_calls       a call, in or out               hooks, api
--	twilio_sms         a message, in or out            hooks, api
--	twilio_recordings  a recording and its work order  hooks, sweep
--	webhook_events     a request of Twilio's, raw      hooks, sweep
--	reconciliations    how far Twilio's lists are read sweep
--	pauses             a service not to be asked now   sweep
--	sweeps             those that are at work          sweep
--	api_calls          a paid request to an AI         sweep
--	erased             something that was taken away   sweep, ringback-admin
--	numbers            a number of ours and its owner  ringback-admin
--	api_keys           a key to the JSON API           ringback-admin
--	api_requests       an Idempotency-Key's outcome    api
--	opt_outs           who asked whom to stop          hooks, api
--	send_counters      what was sent in a window       api
--
-- Each of the first three is told in two steps: the columns the guide's
-- queries have always relied on, then what this version adds. New and old
-- databases so end up alike, down to the order of the columns.
--
-- Values that Twilio sends are never constrained: it adds statuses and
-- directions without notice, and a refused webhook is a lost one. What has no
-- value yet is NULL, since events arrive in any order. NOT NULL and CHECK are
-- for what we alone write.
--

BEGIN;
SET LOCAL client_min_messages = warning;	-- no "already exists, skipping"
-- Rather fail and be run again than make every webhook queue behind us.
SET LOCAL lock_timeout = '10s';

DO $$
BEGIN
	IF to_regproc('ringback_separate_users') IS NULL THEN
		RAISE EXCEPTION 'run create_transcriptions_table.sql first';
	END IF;
	-- A webhook locks its journal first. So must we, or the two wait for
	-- each other.
	IF to_regclass('webhook_events') IS NOT NULL THEN
		LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE;
	END IF;
END $$;


-- ---------------------------------------------------------------- calls ----

CREATE TABLE IF NOT EXISTS twilio_calls (
	id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	call_sid         text UNIQUE,    -- NULL: Twilio has not answered yet
	phone_number_sid text,           -- which number of ours
	from_number      text,           -- also client:, sip:, 'anonymous'
	to_number        text,
	direction        text,
	status           text NOT NULL DEFAULT 'unknown',
	duration         integer,        -- seconds, when completed
	recording_url    text,           -- the latest recording, for readers
	recording_sid    text,
	transcription_id uuid,           -- the latest transcript
	user_id          text,           -- any name a client gave: 'user-123'
	metadata         jsonb DEFAULT '{}',
	created_at       timestamptz NOT NULL DEFAULT now(),
	updated_at       timestamptz NOT NULL DEFAULT now()
);

-- Earlier installations.
CALL ringback_to_text('twilio_calls', 'call_sid', 'phone_number_sid',
	'from_number', 'to_number', 'direction', 'status', 'recording_sid',
	'user_id');

UPDATE twilio_calls
   SET created_at = coalesce(created_at, updated_at, now()),
       updated_at = coalesce(updated_at, created_at, now())
 WHERE created_at IS NULL OR updated_at IS NULL;

ALTER TABLE twilio_calls
	-- A row is written before Twilio is asked to call, and a recording may
	-- tell of a call before the call does.
	ALTER COLUMN call_sid    DROP NOT NULL,
	ALTER COLUMN from_number DROP NOT NULL,
	ALTER COLUMN to_number   DROP NOT NULL,
	ALTER COLUMN direction   DROP NOT NULL,
	ALTER COLUMN status      SET DEFAULT 'unknown',
	ALTER COLUMN duration    DROP DEFAULT,  -- 0 is an answer, NULL is none
	ALTER COLUMN created_at  SET DEFAULT now(),
	ALTER COLUMN created_at  SET NOT NULL,
	ALTER COLUMN updated_at  SET DEFAULT now(),
	ALTER COLUMN updated_at  SET NOT NULL;

-- What ringback adds.
ALTER TABLE twilio_calls
	ADD COLUMN IF NOT EXISTS account_sid     text,
	ADD COLUMN IF NOT EXISTS parent_call_sid text,    -- of a forwarded leg
	ADD COLUMN IF NOT EXISTS status_seq      integer, -- SequenceNumber
	ADD COLUMN IF NOT EXISTS answered_by     text,    -- human, machine_…
	ADD COLUMN IF NOT EXISTS error_code      integer, -- Twilio's
	ADD COLUMN IF NOT EXISTS error_message   text,    -- the code in words
	ADD COLUMN IF NOT EXISTS request         jsonb;   -- what we asked Twilio

-- History is read newest first, a page at a time: of all, by one number (as
-- either side: two scans, merged) or by one user. Page on (created_at, id),
-- for times repeat. Each index costs every webhook, so there are no others,
-- and the user's leaves out the many calls that are nobody's.
--
-- The indexes by number and user are NULLS LAST, and queries that are to use
-- them say ORDER BY created_at DESC NULLS LAST, id DESC. There are no nulls;
-- it keeps the planner from reading twilio_calls_time instead, in the hope
-- that a number with many calls has recent ones. Where it had none for a year
-- that page cost 9,000 buffers instead of 10.
CREATE INDEX IF NOT EXISTS twilio_calls_time
	ON twilio_calls (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS twilio_calls_from_time
	ON twilio_calls (from_number, created_at DESC NULLS LAST, id DESC);
CREATE INDEX IF NOT EXISTS twilio_calls_to_time
	ON twilio_calls (to_number, created_at DESC NULLS LAST, id DESC);
CREATE INDEX IF NOT EXISTS twilio_calls_user_time
	ON twilio_calls (user_id, created_at DESC NULLS LAST, id DESC)
	WHERE user_id IS NOT NULL;

-- The indexes above and UNIQUE serve what these served. (A call that we asked
-- for and whose outcome we do not know has no SID: UNIQUE finds those, too.)
DROP INDEX IF EXISTS twilio_calls_unsettled, idx_twilio_calls_call_sid,
	idx_twilio_calls_from_number, idx_twilio_calls_to_number,
	idx_twilio_calls_created_at, idx_twilio_calls_user_id;

ALTER TABLE twilio_calls DROP COLUMN IF EXISTS status_rank;  -- an older version's

CREATE OR REPLACE TRIGGER update_twilio_calls_updated_at
	BEFORE UPDATE ON twilio_calls
	FOR EACH ROW EXECUTE FUNCTION ringback_touch();


-- ------------------------------------------------------------- messages ----

CREATE TABLE IF NOT EXISTS twilio_sms (
	id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	message_sid  text UNIQUE,        -- NULL: Twilio has not answered yet
	from_number  text,               -- NULL: a messaging service chooses
	to_number    text,
	body         text,
	direction    text,
	status       text NOT NULL DEFAULT 'unknown',
	num_segments integer DEFAULT 1,
	user_id      text,
	metadata     jsonb DEFAULT '{}',
	created_at   timestamptz NOT NULL DEFAULT now(),
	updated_at   timestamptz NOT NULL DEFAULT now()
);

-- Earlier installations.
CALL ringback_to_text('twilio_sms', 'message_sid', 'from_number', 'to_number',
	'direction', 'status', 'user_id');

UPDATE twilio_sms
   SET created_at = coalesce(created_at, updated_at, now()),
       updated_at = coalesce(updated_at, created_at, now())
 WHERE created_at IS NULL OR updated_at IS NULL;

ALTER TABLE twilio_sms
	ALTER COLUMN message_sid DROP NOT NULL,
	ALTER COLUMN from_number DROP NOT NULL,
	ALTER COLUMN to_number   DROP NOT NULL,
	ALTER COLUMN body        DROP NOT NULL,  -- a picture has none
	ALTER COLUMN direction   DROP NOT NULL,
	ALTER COLUMN status      SET DEFAULT 'unknown',
	ALTER COLUMN created_at  SET DEFAULT now(),
	ALTER COLUMN created_at  SET NOT NULL,
	ALTER COLUMN updated_at  SET DEFAULT now(),
	ALTER COLUMN updated_at  SET NOT NULL;

-- What ringback adds. Here 'sending' is Twilio's own word, so a row written
-- before Twilio is asked is 'unknown'.
ALTER TABLE twilio_sms
	ADD COLUMN IF NOT EXISTS account_sid           text,
	ADD COLUMN IF NOT EXISTS messaging_service_sid text,
	ADD COLUMN IF NOT EXISTS num_media             integer,
	ADD COLUMN IF NOT EXISTS media                 jsonb, -- [{url, type}]
	ADD COLUMN IF NOT EXISTS opt_out_type          text,  -- STOP START HELP
	ADD COLUMN IF NOT EXISTS error_code            integer,
	ADD COLUMN IF NOT EXISTS error_message         text,
	ADD COLUMN IF NOT EXISTS request               jsonb;

-- As for calls.
CREATE INDEX IF NOT EXISTS twilio_sms_time
	ON twilio_sms (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS twilio_sms_from_time
	ON twilio_sms (from_number, created_at DESC NULLS LAST, id DESC);
CREATE INDEX IF NOT EXISTS twilio_sms_to_time
	ON twilio_sms (to_number, created_at DESC NULLS LAST, id DESC);
CREATE INDEX IF NOT EXISTS twilio_sms_user_time
	ON twilio_sms (user_id, created_at DESC NULLS LAST, id DESC)
	WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS twilio_sms_words
	ON twilio_sms USING gin (to_tsvector('simple', body));

DROP INDEX IF EXISTS twilio_sms_unsettled, idx_twilio_sms_message_sid,
	idx_twilio_sms_from_number, idx_twilio_sms_to_number,
	idx_twilio_sms_created_at, idx_twilio_sms_user_id;

ALTER TABLE twilio_sms DROP COLUMN IF EXISTS status_rank;  -- an older version's

CREATE OR REPLACE TRIGGER update_twilio_sms_updated_at
	BEFORE UPDATE ON twilio_sms
	FOR EACH ROW EXECUTE FUNCTION ringback_touch();


-- ----------------------------------------------------------- recordings ----
-- A recording is also the work order for ringback-sweep. status says how it
-- went in the four words readers know; step says what is to be done next:
--
--	wait        Twilio is still making the file
--	download    get the media from Twilio and send them to the speech model
--	analyse     send the transcript to the language model
--	done        stored in transcriptions
--	skipped     nothing to transcribe: empty, silent, absent
--	dead        given up; last_error says why; ringback-admin can retry
--
-- A sweep that takes a recording writes lease, which fences (whoever lost it
-- stores nothing), and which sweep it is; run_at, when it was due, stays. So
-- nothing that an index has changes, and the new version of the row finds room
-- on its page (a HOT update; fillfactor): a claim touches a third of the pages
-- that it would if run_at became the end of the lease. The lease is good for
-- as long as sweeps says that the sweep lives.

CREATE TABLE IF NOT EXISTS twilio_recordings (
	id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	recording_sid    text NOT NULL UNIQUE,
	call_sid         text,           -- always the parent leg's
	recording_url    text,           -- as Twilio told; never fetched
	duration         integer,        -- seconds, once known
	transcription_id uuid,
	status           text NOT NULL DEFAULT 'pending',
	created_at       timestamptz NOT NULL DEFAULT now(),
	updated_at       timestamptz NOT NULL DEFAULT now()
);

-- Earlier installations.
CALL ringback_to_text('twilio_recordings', 'recording_sid', 'call_sid',
	'status');

-- What ringback adds. step has no default yet: NULL tells rows that were here
-- before it.
ALTER TABLE twilio_recordings
	ADD COLUMN IF NOT EXISTS account_sid      text,
	ADD COLUMN IF NOT EXISTS channels         integer,
	ADD COLUMN IF NOT EXISTS source           text,   -- RecordVerb, …
	ADD COLUMN IF NOT EXISTS track            text,
	ADD COLUMN IF NOT EXISTS started_at       timestamptz,
	ADD COLUMN IF NOT EXISTS twilio_status    text,   -- Twilio's word
	ADD COLUMN IF NOT EXISTS error_code       integer, -- Twilio's
	ADD COLUMN IF NOT EXISTS step             text
		CONSTRAINT twilio_recordings_step_check CHECK (step IN
		('wait', 'download', 'analyse', 'done', 'dead',
		 'skipped')),
	ADD COLUMN IF NOT EXISTS attempts         integer NOT NULL DEFAULT 0,
	ADD COLUMN IF NOT EXISTS first_attempt_at timestamptz,
	ADD COLUMN IF NOT EXISTS run_at           timestamptz NOT NULL
		DEFAULT now(),
	ADD COLUMN IF NOT EXISTS lease            uuid,   -- whose turn it is
	ADD COLUMN IF NOT EXISTS last_error       text,   -- for people
	ADD COLUMN IF NOT EXISTS deleted_at       timestamptz, -- at Twilio
	ADD COLUMN IF NOT EXISTS user_id          text,
	ADD COLUMN IF NOT EXISTS metadata         jsonb DEFAULT '{}',
	ADD COLUMN IF NOT EXISTS sweep            integer, -- of sweeps: whose
	ADD COLUMN IF NOT EXISTS parts            jsonb;  -- heard so far, of one
	                                                  -- sent in several

-- Older versions'. An older sweep that is still at it moves run_at, and would
-- take run_at for the end of others' leases; without holder it claims no more,
-- and what it has in hand is left to it for a while.
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_attribute WHERE attname = 'holder'
		AND attrelid = 'twilio_recordings'::regclass)
	THEN
		UPDATE twilio_recordings SET run_at = now() + interval '1 hour'
		 WHERE lease IS NOT NULL AND run_at > now();
	END IF;
END $$;
ALTER TABLE twilio_recordings
	DROP COLUMN IF EXISTS holder,		-- with its index
	DROP COLUMN IF EXISTS twilio_rank;
ALTER TABLE twilio_recordings SET (fillfactor = 90);

CREATE OR REPLACE TRIGGER update_twilio_recordings_updated_at
	BEFORE UPDATE ON twilio_recordings
	FOR EACH ROW EXECUTE FUNCTION ringback_touch();

-- Earlier installations, once: transcripts learn whose they are, what was left
-- lying becomes due, what failed can be retried. None of it is news about the
-- rows, so they keep the time of their last update.
ALTER TABLE transcriptions
	DISABLE TRIGGER update_transcriptions_updated_at;
ALTER TABLE twilio_recordings
	DISABLE TRIGGER update_twilio_recordings_updated_at;

UPDATE transcriptions t
   SET recording_sid = r.recording_sid,
       call_sid = r.call_sid,
       user_id = coalesce(t.user_id, c.user_id)
  FROM twilio_recordings r
  LEFT JOIN twilio_calls c USING (call_sid)
 WHERE r.step IS NULL AND r.transcription_id = t.id
   AND t.recording_sid IS NULL;

UPDATE twilio_recordings r
   SET step = old.step,
       status = CASE old.step
		WHEN 'download' THEN 'pending'
		WHEN 'done'     THEN 'completed'
		ELSE 'failed' END,
       last_error = CASE old.step
		WHEN 'dead' THEN 'before the upgrade: ' || r.status END,
       user_id = old.user_id
  FROM (SELECT r.id, c.user_id, CASE
		WHEN r.status = 'completed' THEN 'done'
		WHEN r.status NOT IN ('pending', 'processing') THEN 'dead'
		WHEN r.transcription_id IS NOT NULL THEN 'done'
		ELSE 'download' END AS step
	  FROM twilio_recordings r
	  LEFT JOIN twilio_calls c USING (call_sid)
	 WHERE r.step IS NULL) old
 WHERE r.id = old.id;

UPDATE twilio_recordings
   SET created_at = coalesce(created_at, updated_at, now()),
       updated_at = coalesce(updated_at, created_at, now())
 WHERE created_at IS NULL OR updated_at IS NULL;

ALTER TABLE transcriptions
	ENABLE TRIGGER update_transcriptions_updated_at;
ALTER TABLE twilio_recordings
	ENABLE TRIGGER update_twilio_recordings_updated_at;

ALTER TABLE twilio_recordings
	ALTER COLUMN step          SET DEFAULT 'download',
	ALTER COLUMN step          SET NOT NULL,
	ALTER COLUMN call_sid      DROP NOT NULL,  -- a conference's has none
	ALTER COLUMN recording_url DROP NOT NULL,
	ALTER COLUMN duration      DROP NOT NULL,  -- unknown while it runs
	ALTER COLUMN status        SET DEFAULT 'pending',
	ALTER COLUMN status        SET NOT NULL,
	ALTER COLUMN created_at    SET DEFAULT now(),
	ALTER COLUMN created_at    SET NOT NULL,
	ALTER COLUMN updated_at    SET DEFAULT now(),
	ALTER COLUMN updated_at    SET NOT NULL;

-- The key to the call stays, for a recording must not lose its call; whoever
-- stores a recording makes sure of a row for the call first, a stub if need
-- be. It no longer cascades: deleting a call used to delete its recordings
-- in passing, and with them the only record that media lie at Twilio.
DO $$
DECLARE
	key	name;
BEGIN
	FOR key IN
		SELECT conname FROM pg_constraint
		 WHERE conrelid = 'twilio_recordings'::regclass
		   AND confrelid = 'twilio_calls'::regclass
		   AND contype = 'f' AND confdeltype <> 'r'
	LOOP
		EXECUTE format('ALTER TABLE twilio_recordings'
			' DROP CONSTRAINT %I', key);
	END LOOP;
	IF NOT EXISTS (
		SELECT FROM pg_constraint
		 WHERE conrelid = 'twilio_recordings'::regclass
		   AND confrelid = 'twilio_calls'::regclass
		   AND contype = 'f')
	THEN
		-- Some had dropped the key, for it refused early recordings.
		INSERT INTO twilio_calls (call_sid, user_id, created_at)
		SELECT call_sid, max(user_id), min(created_at)
		  FROM twilio_recordings WHERE call_sid IS NOT NULL
		 GROUP BY call_sid
		    ON CONFLICT (call_sid) DO NOTHING;

		ALTER TABLE twilio_recordings
			ADD CONSTRAINT twilio_recordings_call_sid_fkey
			FOREIGN KEY (call_sid)
			REFERENCES twilio_calls (call_sid) ON DELETE RESTRICT;
	END IF;
	IF NOT EXISTS (
		SELECT FROM pg_constraint
		 WHERE conrelid = 'twilio_recordings'::regclass
		   AND conname = 'twilio_recordings_status_check')
	THEN
		ALTER TABLE twilio_recordings
			ADD CONSTRAINT twilio_recordings_status_check
			CHECK (status IN
			('pending', 'processing', 'completed', 'failed'));
	END IF;
END $$;

-- What a sweep takes next, oldest first. Only unfinished work is in it, so it
-- stays small whatever the table grows to.
CREATE INDEX IF NOT EXISTS recordings_due
	ON twilio_recordings (run_at, id)
	WHERE step IN ('wait', 'download', 'analyse');
-- What was given up: counted each time somebody asks how it is.
CREATE INDEX IF NOT EXISTS twilio_recordings_dead
	ON twilio_recordings (id)
	WHERE step = 'dead';
CREATE INDEX IF NOT EXISTS twilio_recordings_call_sid
	ON twilio_recordings (call_sid);
-- Done, but not yet deleted at Twilio (TWILIO_DELETE_RECORDINGS).
CREATE INDEX IF NOT EXISTS twilio_recordings_undeleted
	ON twilio_recordings (created_at)
	WHERE step = 'done' AND deleted_at IS NULL;

-- A recording may be known before anybody knows whose call it is. It acts with
-- the owner's rights: who takes webhooks may learn whose call it is, but not
-- touch a transcript.
CREATE OR REPLACE FUNCTION ringback_pass_on_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
	EXECUTE format('UPDATE %I.transcriptions SET user_id = $1'
		' WHERE user_id IS NOT DISTINCT FROM $2 AND recording_sid IN'
		' (SELECT recording_sid FROM %I.twilio_recordings'
		' WHERE call_sid = $3)', TG_TABLE_SCHEMA, TG_TABLE_SCHEMA)
	  USING NEW.user_id, OLD.user_id, NEW.call_sid;
	EXECUTE format('UPDATE %I.twilio_recordings SET user_id = $1'
		' WHERE user_id IS NOT DISTINCT FROM $2 AND call_sid = $3',
		TG_TABLE_SCHEMA)
	  USING NEW.user_id, OLD.user_id, NEW.call_sid;
	RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION ringback_pass_on_user() FROM PUBLIC;

CREATE OR REPLACE TRIGGER twilio_calls_pass_on_user
	AFTER UPDATE OF user_id ON twilio_calls
	FOR EACH ROW WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id)
	EXECUTE FUNCTION ringback_pass_on_user();

DROP INDEX IF EXISTS idx_twilio_recordings_recording_sid,
	idx_twilio_recordings_call_sid;


-- -------------------------------------------------------------- journal ----

-- Every webhook as it came, in the same commit as what it changed: proof of
-- what Twilio said, and how a repeated one is known. Bodies are bytes, since
-- a text may hold any. They go after JOURNAL_DAYS; that the event came does
-- not, or a captured request could be played back to us.
--
-- A row with a reason in refused is a dead letter: what was spooled, or kept
-- by nginx, and could not be stored, byte by byte. It goes whole.
CREATE TABLE IF NOT EXISTS webhook_events (
	id          bigint GENERATED ALWAYS AS IDENTITY,
	dedupe      bytea NOT NULL,          -- half a SHA-256 of route and form
	route       text NOT NULL,
	request_uri text,                    -- raw, as it was signed
	account_sid text,
	sid         text NOT NULL DEFAULT '-', -- of call, message, recording
	status      text,                    -- as this event tells it
	body        bytea,                   -- NULL after JOURNAL_DAYS
	source      text NOT NULL DEFAULT 'http',
	verified    boolean NOT NULL,        -- false: only with validation off
	received_at timestamptz NOT NULL DEFAULT now(),
	-- One index knows a repeated event and finds a call's: each costs
	-- every webhook.
	PRIMARY KEY (sid, dedupe)
);

-- Earlier installations had an index for each of the three.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint
	                WHERE conname = 'webhook_events_dedupe_key'
	                  AND conrelid = 'webhook_events'::regclass) THEN
		RETURN;
	END IF;
	UPDATE webhook_events
	   SET sid = coalesce(sid, '-'),
	       dedupe = CASE octet_length(dedupe) WHEN 32
			THEN substr(dedupe, 1, 16) ELSE dedupe END;
	ALTER TABLE webhook_events
		DROP CONSTRAINT webhook_events_dedupe_key,
		DROP CONSTRAINT webhook_events_pkey,
		ALTER COLUMN sid SET DEFAULT '-',
		ALTER COLUMN sid SET NOT NULL,
		ADD PRIMARY KEY (sid, dedupe);
	DROP INDEX IF EXISTS webhook_events_sid;
END $$;

ALTER TABLE webhook_events
	ADD COLUMN IF NOT EXISTS refused     text,        -- why; a dead letter
	ADD COLUMN IF NOT EXISTS replayed_at timestamptz, -- by ringback-admin
	-- Of an older version, which knew fewer sources.
	DROP CONSTRAINT IF EXISTS webhook_events_source_check;

-- For ringback-admin, by number of the entry. They are in order on disk.
CREATE INDEX IF NOT EXISTS webhook_events_id
	ON webhook_events USING brin (id)
	WITH (pages_per_range = 16, autosummarize = on);
-- What still has a body, oldest first: the sweep clears it after JOURNAL_DAYS.
CREATE INDEX IF NOT EXISTS webhook_events_bodies
	ON webhook_events (received_at) WHERE body IS NOT NULL;
DROP INDEX IF EXISTS webhook_events_refused;  -- an older version's

-- How far Twilio's lists have been read, for what no webhook has told us. One
-- row for each account and list (Calls, Messages, Recordings). A look begins
-- at the newest and goes back to since; killed or too long for one pass, it
-- goes on at next_page. When it is over, all that Twilio had at started_at is
-- here: the watermark.
CREATE TABLE IF NOT EXISTS reconciliations (
	account_sid text,
	list        text,
	watermark   timestamptz,             -- NULL: not once been through
	deep_at     timestamptz,             -- the last time it went far back
	started_at  timestamptz,
	since       timestamptz,
	next_page   text,                    -- NULL: the next look is a new one
	run_at      timestamptz NOT NULL DEFAULT now(), -- the next look's time
	PRIMARY KEY (account_sid, list)
);

-- A service that refused our key, or has no credit left: it is asked nothing
-- until then, so that it is one alarm and not one a minute.
CREATE TABLE IF NOT EXISTS pauses (
	service text PRIMARY KEY,            -- twilio, speech, analyst
	since   timestamptz NOT NULL DEFAULT now(),
	until   timestamptz NOT NULL,
	why     text NOT NULL
);

-- The sweeps that work on recordings. until is the end of all its leases, and
-- moved on as long as it lives; lock is the advisory lock that its session
-- holds: what a dead one had need not wait for the end.
CREATE TABLE IF NOT EXISTS sweeps (
	id    integer PRIMARY KEY,
	lock  integer NOT NULL,              -- another for each connection
	until timestamptz NOT NULL
);

-- Every request that costs money at an AI provider: a row before it is made,
-- its outcome after. A row without outcome is a request that was cut off and
-- may have been billed.
CREATE TABLE IF NOT EXISTS api_calls (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	recording_sid text NOT NULL,
	step          text NOT NULL,         -- transcribe, analyse
	started_at    timestamptz NOT NULL DEFAULT now(),
	finished_at   timestamptz,
	outcome       text,                  -- HTTP 200, or why there is none
	units         jsonb                  -- as billed: seconds, tokens
);

CREATE INDEX IF NOT EXISTS api_calls_recording
	ON api_calls (recording_sid);
CREATE INDEX IF NOT EXISTS api_calls_time
	ON api_calls (started_at);

-- What was taken away: because somebody wanted to be forgotten ('erase'), or
-- for its age ('age'). First it is a note of what Twilio may have of it still,
-- written in the commit that takes it away here: run_at is when Twilio is
-- asked (again), NULL when there is nothing left. Then, of what was erased, it
-- stays, so that neither Twilio's lists nor a webhook that comes late bring it
-- back: a SID and nothing else, which says nothing about anybody.
CREATE TABLE IF NOT EXISTS erased (
	sid         text PRIMARY KEY,        -- of call, message, recording
	account_sid text,
	why         text NOT NULL CHECK (why IN ('erase', 'age')),
	erased_at   timestamptz NOT NULL DEFAULT now(),
	run_at      timestamptz,
	attempts    integer NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS erased_due
	ON erased (run_at)
	WHERE run_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS erased_time
	ON erased (erased_at);

-- ringback_erase(): takes calls, texts and recordings away, by the ids of
-- their rows, with all that hangs on them, and says how much of it there was.
-- What stays are amounts (api_calls), consent, and that a webhook came, or a
-- captured one could be played back to us.
CREATE OR REPLACE FUNCTION ringback_erase(p_calls uuid[], p_texts uuid[],
	p_recordings uuid[], p_why text)
RETURNS TABLE (calls bigint, texts bigint, recordings bigint,
	transcripts bigint, webhooks bigint, paid bigint)
LANGUAGE plpgsql AS $$
DECLARE
	call_sids	text[];
	recording_ids	uuid[];
	recording_sids	text[];
	transcript_ids	uuid[];
	sids		text[];
BEGIN
	-- Locked as a webhook locks them: the call, then its recordings.
	SELECT array_agg(c.call_sid), array_agg(c.transcription_id)
	  INTO call_sids, transcript_ids
	  FROM (SELECT * FROM twilio_calls WHERE id = ANY (p_calls)
		 ORDER BY id FOR UPDATE) c;
	SELECT array_agg(r.id), array_agg(r.recording_sid),
	       transcript_ids || array_agg(r.transcription_id)
	  INTO recording_ids, recording_sids, transcript_ids
	  FROM (SELECT * FROM twilio_recordings WHERE call_sid =
		ANY (call_sids) OR id = ANY (p_recordings)
		 ORDER BY id FOR UPDATE) r;
	PERFORM FROM twilio_sms WHERE id = ANY (p_texts)
	  ORDER BY id FOR UPDATE;
	sids := call_sids || recording_sids || ARRAY(SELECT message_sid
		FROM twilio_sms WHERE id = ANY (p_texts));

	-- Of a call Twilio may have recordings that nobody told us of: worth
	-- a look for somebody's sake, not for age's.
	INSERT INTO erased AS e (sid, account_sid, why, run_at)
	SELECT call_sid, account_sid, p_why, now() FROM twilio_calls
	 WHERE id = ANY (p_calls) AND call_sid IS NOT NULL AND p_why = 'erase'
	 UNION ALL
	SELECT recording_sid, account_sid, p_why,
	       CASE WHEN deleted_at IS NULL THEN now() END
	  FROM twilio_recordings WHERE id = ANY (recording_ids)
	   AND (deleted_at IS NULL OR p_why = 'erase')
	 UNION ALL
	SELECT message_sid, account_sid, p_why, now() FROM twilio_sms
	 WHERE id = ANY (p_texts) AND message_sid IS NOT NULL
	    ON CONFLICT (sid) DO UPDATE SET run_at = excluded.run_at,
		erased_at = now(), attempts = 0, why = greatest(e.why, excluded.why);

	DELETE FROM transcriptions t WHERE t.recording_sid =
		ANY (recording_sids) OR t.call_sid = ANY (call_sids)
		OR t.id = ANY (transcript_ids);
	GET DIAGNOSTICS transcripts = ROW_COUNT;
	DELETE FROM twilio_recordings WHERE id = ANY (recording_ids);
	GET DIAGNOSTICS recordings = ROW_COUNT;
	DELETE FROM twilio_calls WHERE id = ANY (p_calls);
	GET DIAGNOSTICS calls = ROW_COUNT;
	DELETE FROM twilio_sms WHERE id = ANY (p_texts);
	GET DIAGNOSTICS texts = ROW_COUNT;
	UPDATE webhook_events SET body = NULL, request_uri = NULL
	 WHERE sid = ANY (sids)
	   AND (body IS NOT NULL OR request_uri IS NOT NULL);
	GET DIAGNOSTICS webhooks = ROW_COUNT;
	UPDATE api_calls SET recording_sid = '-'
	 WHERE recording_sid = ANY (recording_sids);
	GET DIAGNOSTICS paid = ROW_COUNT;
	RETURN NEXT;
END $$;


-- ------------------------------------------------- whose, and who may -------

-- Our numbers. A call or text to a number belongs to the number's user.
CREATE TABLE IF NOT EXISTS numbers (
	number           text PRIMARY KEY,   -- +18454090692
	phone_number_sid text,
	user_id          text,
	created_at       timestamptz NOT NULL DEFAULT now()
);

-- Keys to the JSON API. Only a hash is stored: the secret is shown once.
-- SHA-256 without salt is enough, since the secret is random.
CREATE TABLE IF NOT EXISTS api_keys (
	id            text PRIMARY KEY,
	user_id       text,                  -- NULL: an administrator's
	secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
	scopes        text[] NOT NULL DEFAULT '{}',
	name          text,
	created_at    timestamptz NOT NULL DEFAULT now(),
	expires_at    timestamptz,
	revoked_at    timestamptz,
	last_used_at  timestamptz,
	replaced_by   text REFERENCES api_keys (id)
);

-- What became of a request that carried an Idempotency-Key. The row is
-- committed before Twilio is asked; who finds it there does not ask again.
CREATE TABLE IF NOT EXISTS api_requests (
	key_id          text NOT NULL,       -- of api_keys
	idempotency_key text NOT NULL,
	body_sha256     bytea NOT NULL,      -- another body: refused, 422
	kind            text NOT NULL,       -- call or message …
	row_id          uuid,                -- … and its row
	state           text NOT NULL DEFAULT 'sending'
	                CHECK (state IN
	                ('sending', 'sent', 'failed', 'unknown')),
	response_status integer,
	response        jsonb,
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (key_id, idempotency_key)
);

-- Who said STOP to whom. It holds for that pair only: to stop one number is
-- not to stop them all. sender is a number or a messaging service (MG…). Both
-- times are kept, for a STOP may be stored after the START that came after it;
-- the later one counts.
CREATE TABLE IF NOT EXISTS opt_outs (
	sender       text NOT NULL,
	recipient    text NOT NULL,
	opted_out_at timestamptz DEFAULT now(), -- the latest STOP
	source       text,                   -- keyword, OptOutType, error 21610
	PRIMARY KEY (sender, recipient)
);
ALTER TABLE opt_outs
	ALTER COLUMN opted_out_at DROP NOT NULL,
	ADD COLUMN IF NOT EXISTS opted_in_at timestamptz; -- the latest START

-- How much was sent, for rates and ceilings. A scope is whatever is capped
-- ('key:ab12', 'to:+1…', 'spend:usd_cents'), a window begins at window_start.
-- One statement asks and takes, so a cap holds to the last unit however many
-- ask at once: the row's lock makes them queue, and each sees the other's
-- count. No row returned means no. Take scopes in sorted order (or two
-- requests wait for each other), in the transaction that writes the row to
-- be sent: rolled back together, nothing was taken.
--
--	INSERT INTO send_counters AS c (scope, window_start, count)
--	SELECT $scope, $start, $n WHERE $n <= $cap
--	ON CONFLICT (scope, window_start) DO UPDATE
--	   SET count = c.count + excluded.count
--	 WHERE c.count + excluded.count <= $cap
--	RETURNING count
CREATE TABLE IF NOT EXISTS send_counters (
	scope        text NOT NULL,
	window_start timestamptz NOT NULL,
	count        integer NOT NULL CHECK (count >= 0),
	PRIMARY KEY (scope, window_start)
);


-- ---------------------------------------------------- before sending --------

-- ringback_take(): one unit of a cap, or an exception that undoes all that
-- its caller has done so far.
CREATE OR REPLACE FUNCTION ringback_take(rule text, p_scope text,
	p_window timestamptz, cap integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO send_counters AS c (scope, window_start, count)
	SELECT p_scope, p_window, 1 WHERE 1 <= cap
	ON CONFLICT (scope, window_start) DO UPDATE
	   SET count = c.count + 1
	 WHERE c.count + 1 <= cap;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'RB001', MESSAGE = rule;
	END IF;
END $$;

-- ringback_begin_send(): may this call or text be sent, and has it been
-- asked for before? Writes its row, its idempotency key and its counters, all
-- or none of them, before Twilio is asked for anything. verdict:
--
--	go          the row is written; ask Twilio
--	replay      the key was used for this very request: give its answer
--	mismatch    the key was used for another request
--	would_send  a dry run, and no rule stands against it
--	…           the rule that stops it: opted_out, foreign_sender, quiet_hours,
--	            daily_ceiling, key_rate, recipient_rate
--
-- p holds the request: kind (call, message), row, key, user, sender,
-- recipient, body, metadata, request, account, idempotency_key, sha256 (hex),
-- dry_run; and the caps: per_day, per_key_minute, per_recipient_hour,
-- quiet_from, quiet_to, zone.
CREATE OR REPLACE FUNCTION ringback_begin_send(p jsonb)
RETURNS TABLE (verdict text, row_id uuid, state text, response_status integer,
	response text)
LANGUAGE plpgsql AS $$
DECLARE
	local_time time := clock_timestamp() AT TIME ZONE (p->>'zone');
	quiet_from time := p->>'quiet_from';
	quiet_to time := p->>'quiet_to';
	service boolean := p->>'sender' ~ '^MG[0-9a-fA-F]{32}$';
BEGIN
	FOR attempt IN 1 .. 2 LOOP
		-- Asked before?
		SELECT CASE WHEN encode(r.body_sha256, 'hex') = p->>'sha256'
				THEN 'replay' ELSE 'mismatch' END,
		       r.row_id, r.state, r.response_status, r.response::text
		  INTO verdict, row_id, state, response_status, response
		  FROM api_requests r
		 WHERE r.key_id = p->>'key'
		   AND r.idempotency_key = p->>'idempotency_key';
		IF FOUND THEN
			RETURN NEXT;
			RETURN;
		END IF;
		row_id := (p->>'row')::uuid;
		state := 'sending';

		-- Is there a rule against it?
		verdict := CASE
			WHEN p->>'kind' = 'message' AND EXISTS (
				SELECT FROM opt_outs
				 WHERE sender = p->>'sender'
				   AND recipient = p->>'recipient'
				   AND opted_out_at > coalesce(opted_in_at,
					'-infinity'))
			THEN 'opted_out'
			WHEN (p->>'chosen')::boolean AND EXISTS (
				SELECT FROM numbers n
				 WHERE n.number = p->>'sender'
				   AND n.user_id <> coalesce(p->>'user', ''))
			THEN 'foreign_sender'
			WHEN quiet_from < quiet_to AND local_time >= quiet_from
				AND local_time < quiet_to
			THEN 'quiet_hours'
			WHEN quiet_from > quiet_to AND (local_time >= quiet_from
				OR local_time < quiet_to)
			THEN 'quiet_hours' END;
		IF verdict IS NOT NULL THEN
			RETURN NEXT;
			RETURN;
		END IF;

		BEGIN
			IF p ? 'idempotency_key' THEN
				INSERT INTO api_requests (key_id,
					idempotency_key, body_sha256, kind,
					row_id)
				VALUES (p->>'key', p->>'idempotency_key',
					decode(p->>'sha256', 'hex'),
					p->>'kind', row_id);
			END IF;
			PERFORM ringback_take('daily_ceiling', 'all',
				date_trunc('day', now()),
				(p->>'per_day')::integer);
			PERFORM ringback_take('key_rate', 'key:' || (p->>'key'),
				date_trunc('minute', now()),
				(p->>'per_key_minute')::integer);
			PERFORM ringback_take('recipient_rate',
				'to:' || (p->>'recipient'),
				date_trunc('hour', now()),
				(p->>'per_recipient_hour')::integer);
			IF (p->>'dry_run')::boolean THEN
				RAISE EXCEPTION USING ERRCODE = 'RB001',
					MESSAGE = 'would_send';
			END IF;
			IF p->>'kind' = 'call' THEN
				INSERT INTO twilio_calls (id, account_sid,
					from_number, to_number, direction,
					status, user_id, metadata, request)
				VALUES (row_id, p->>'account', p->>'sender',
					p->>'recipient', 'outbound-api',
					'sending', p->>'user', p->'metadata',
					p->'request');
			ELSE
				INSERT INTO twilio_sms (id, account_sid,
					from_number, messaging_service_sid,
					to_number, body, direction, status,
					num_segments, num_media, media,
					user_id, metadata, request)
				VALUES (row_id, p->>'account',
					CASE WHEN NOT service
						THEN p->>'sender' END,
					CASE WHEN service
						THEN p->>'sender' END,
					p->>'recipient', p->>'body',
					'outbound-api', 'unknown', NULL,
					jsonb_array_length(
						p->'request'->'mediaUrl'),
					(SELECT jsonb_agg(jsonb_build_object(
						'url', u))
					   FROM jsonb_array_elements(
						p->'request'->'mediaUrl') u),
					p->>'user', p->'metadata',
					p->'request');
			END IF;
			verdict := 'go';
			RETURN NEXT;
			RETURN;
		EXCEPTION
		WHEN SQLSTATE 'RB001' THEN
			verdict := SQLERRM;
			RETURN NEXT;
			RETURN;
		WHEN unique_violation THEN
			NULL;	-- the same key at the same time: look again
		END;
	END LOOP;
	RAISE EXCEPTION 'the row % is already there', p->>'row';
END $$;


-- ------------------------------------------------- users see their own ------

CALL ringback_separate_users('twilio_calls',      true);
CALL ringback_separate_users('twilio_sms',        true);
CALL ringback_separate_users('twilio_recordings', true);
CALL ringback_separate_users('numbers',           true);
CALL ringback_separate_users('webhook_events',    false);
CALL ringback_separate_users('reconciliations',   false);
CALL ringback_separate_users('pauses',            false);
CALL ringback_separate_users('sweeps',            false);
CALL ringback_separate_users('api_calls',         false);
CALL ringback_separate_users('erased',            false);
CALL ringback_separate_users('api_keys',          false);
CALL ringback_separate_users('api_requests',      false);
CALL ringback_separate_users('opt_outs',          false);
CALL ringback_separate_users('send_counters',     false);

COMMIT;
