-- SPDX-License-Identifier: ISC
--
-- transcriptions: what was said in a recording, and what a language model
-- made of it. Run this file first: create_twilio_tables.sql builds on it.
--
--	psql -h HOST -U postgres -d postgres -f create_transcriptions_table.sql
--
-- or paste it into Supabase's SQL editor. Run it as the owner of the tables,
-- on PostgreSQL 15 or later. It is one transaction: all of it happens or
-- nothing. A second run changes nothing. Over the table of an earlier
-- installation it keeps every row and adds what is missing.

BEGIN;
SET LOCAL client_min_messages = warning;	-- no "already exists, skipping"
-- Rather fail and be run again than make every webhook queue behind us.
SET LOCAL lock_timeout = '10s';


-- Three routines, used here, in create_twilio_tables.sql and by later
-- migrations. They act with the rights of whoever calls them, and look nothing
-- up by search_path.

-- ringback_touch(): keeps updated_at true. An update that changes nothing
-- (a webhook delivered twice) leaves it alone, so it tells when the row last
-- meant something else.
CREATE OR REPLACE FUNCTION ringback_touch() RETURNS trigger
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	NEW.updated_at := OLD.updated_at;
	IF NEW IS DISTINCT FROM OLD THEN
		NEW.updated_at := now();
	END IF;
	RETURN NEW;
END $$;

-- ringback_to_text(table, columns…): turns columns of an earlier installation
-- into text, where they are something else: user_id was uuid, which refuses
-- 'user-123'; varchar(50) is too short for a SIP address. A foreign key from
-- such a uuid to auth.users has to go. Views, policies and triggers that name
-- the column forbid the change; they are somebody's, so we say which.
CREATE OR REPLACE PROCEDURE ringback_to_text(t regclass, VARIADIC names name[])
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
	columns	smallint[];
	changes	text;
	obstacles text;
	key	name;
BEGIN
	SELECT array_agg(attnum),
	       string_agg(format('ALTER COLUMN %I TYPE text', attname), ', ')
	  INTO columns, changes
	  FROM pg_attribute
	 WHERE attrelid = t AND attname = ANY (names)
	   AND atttypid <> 'text'::regtype;
	IF columns IS NULL THEN
		RETURN;
	END IF;

	SELECT string_agg(DISTINCT pg_describe_object(classid, objid, 0), ', ')
	  INTO obstacles
	  FROM pg_depend
	 WHERE refclassid = 'pg_class'::regclass
	   AND refobjid = t AND refobjsubid = ANY (columns)
	   AND classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass,
	                   'pg_trigger'::regclass);
	IF obstacles IS NOT NULL THEN
		RAISE EXCEPTION
			'table % cannot be brought up to date, in its way: %',
			t, obstacles
		USING DETAIL = 'PostgreSQL does not change the type of a column'
			' that a view, policy or trigger names. Needed: '
			|| changes || '. Nothing was changed.',
		      HINT = 'Keep their definitions (pg_get_viewdef,'
			' pg_policies), drop them, run this file again, create'
			' them anew; user_id then compares with'
			' auth.uid()::text.';
	END IF;

	FOR key IN
		SELECT DISTINCT conname
		  FROM pg_constraint
		  JOIN pg_attribute ON attrelid = conrelid
		       AND attnum = ANY (conkey) AND attnum = ANY (columns)
		 WHERE conrelid = t AND contype = 'f'
		   AND atttypid = 'uuid'::regtype
	LOOP
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', t, key);
	END LOOP;
	EXECUTE format('ALTER TABLE %s %s', t, changes);
END $$;

-- ringback_separate_users(table, users_read): where Supabase's auth.uid()
-- exists, a signed-in user reads rows with that user_id (users_read) or no
-- row at all, and writes none; the service role does everything; the table's
-- owner is not subject to policies; the programs' roles have one (roles.sql).
-- Permissive policies are ORed: one USING (true) for everybody undoes all
-- others, which is how an earlier version leaked. Hence exactly one for users,
-- and a warning about any that is not ours.
-- On plain PostgreSQL GRANT decides who reads, and this does nothing.
CREATE OR REPLACE PROCEDURE ringback_separate_users(t regclass, users_read bool)
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
	users	text := coalesce(to_regrole('authenticated')::text, 'public');
	who	text;
	foreigners text;
BEGIN
	IF to_regprocedure('auth.uid()') IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);

	-- Supabase's own has BYPASSRLS; one made by hand may not.
	IF to_regrole('service_role') IS NOT NULL THEN
		EXECUTE format('GRANT ALL ON %s TO service_role', t);
		IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = t
		               AND polname = 'ringback_service') THEN
			EXECUTE format('CREATE POLICY ringback_service ON %s'
				' TO service_role'
				' USING (true) WITH CHECK (true)', t);
		END IF;
	END IF;

	-- Supabase grants everything on new tables, and no policy stops a
	-- TRUNCATE.
	FOREACH who IN ARRAY ARRAY['anon', 'authenticated'] LOOP
		IF to_regrole(who) IS NOT NULL THEN
			EXECUTE format('REVOKE ALL ON %s FROM %I', t, who);
		END IF;
	END LOOP;

	IF users_read THEN
		IF users <> 'public' THEN
			EXECUTE format('GRANT SELECT ON %s TO %s', t, users);
		END IF;
		IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = t
		               AND polname = 'ringback_own_rows') THEN
			-- The sub-select is evaluated once, not once a row.
			EXECUTE format('CREATE POLICY ringback_own_rows ON %s'
				' FOR SELECT TO %s'
				' USING (user_id = (SELECT auth.uid())::text)',
				t, users);
		END IF;
	END IF;

	SELECT string_agg(quote_ident(polname), ', ' ORDER BY polname)
	  INTO foreigners
	  FROM pg_policy
	 WHERE polrelid = t AND polpermissive
	   AND polname NOT IN ('ringback_service', 'ringback_own_rows',
		'ringback_programs');
	IF foreigners IS NOT NULL THEN
		RAISE WARNING 'table % has policies beside ours, and whatever'
			' they allow is allowed: %', t, foreigners;
	END IF;
END $$;


-- The table, as the guide has it. Written by ringback-sweep, one row for each
-- recording it has transcribed. Programs of an earlier installation may write
-- rows of their own (uploads): those have no recording_sid.
CREATE TABLE IF NOT EXISTS transcriptions (
	id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id          text,           -- any name a client gave: 'user-123'
	filename         text,
	file_url         text,           -- of the media at Twilio, or NULL
	transcription    text,           -- NULL: not transcribed (yet)
	duration_seconds integer,
	analysis         jsonb,          -- see below
	status           text DEFAULT 'pending',
	metadata         jsonb DEFAULT '{}',
	error            text,           -- why it failed, for people
	created_at       timestamptz NOT NULL DEFAULT now(),
	updated_at       timestamptz NOT NULL DEFAULT now()
);

-- analysis is an object: summary, key_points, … as the analysis step defines.
-- An earlier version stored a JSON string of markdown. Those rows stay as they
-- are, since programs that show them expect a string; whoever reads both asks
-- jsonb_typeof(analysis), and analysis #>> '{}' is the markdown.

-- Earlier installations.
DO $$
DECLARE
	were_there bool;
BEGIN
	-- …_service_policy was USING (true) for every role, so that all saw
	-- all; the other one compares user_id with a uuid.
	SELECT count(*) > 0 INTO were_there
	  FROM pg_policy
	 WHERE polrelid = 'transcriptions'::regclass
	   AND polname IN ('transcriptions_user_policy',
	                   'transcriptions_service_policy');
	IF NOT were_there THEN
		RETURN;
	END IF;
	DROP POLICY IF EXISTS transcriptions_user_policy ON transcriptions;
	DROP POLICY IF EXISTS transcriptions_service_policy ON transcriptions;
	-- Without auth.uid() nothing takes their place: GRANT decides again.
	IF to_regprocedure('auth.uid()') IS NULL AND NOT EXISTS (
		SELECT FROM pg_policy
		 WHERE polrelid = 'transcriptions'::regclass)
	THEN
		ALTER TABLE transcriptions DISABLE ROW LEVEL SECURITY;
	END IF;
END $$;

CALL ringback_to_text('transcriptions', 'user_id', 'filename', 'status');

UPDATE transcriptions
   SET created_at = coalesce(created_at, updated_at, now()),
       updated_at = coalesce(updated_at, created_at, now())
 WHERE created_at IS NULL OR updated_at IS NULL;

ALTER TABLE transcriptions
	ALTER COLUMN id         SET DEFAULT gen_random_uuid(),  -- no extension
	ALTER COLUMN file_url   DROP NOT NULL,  -- deleted at Twilio: no URL
	ALTER COLUMN status     SET DEFAULT 'pending',
	ALTER COLUMN metadata   SET DEFAULT '{}',
	ALTER COLUMN created_at SET DEFAULT now(),
	ALTER COLUMN created_at SET NOT NULL,
	ALTER COLUMN updated_at SET DEFAULT now(),
	ALTER COLUMN updated_at SET NOT NULL;

-- What ringback adds.
ALTER TABLE transcriptions
	-- UNIQUE is what makes a second sweep's transcript impossible.
	ADD COLUMN IF NOT EXISTS recording_sid  text UNIQUE,
	ADD COLUMN IF NOT EXISTS call_sid       text,
	ADD COLUMN IF NOT EXISTS language       text,  -- as heard: en, de, …
	ADD COLUMN IF NOT EXISTS model          text,  -- which speech model
	ADD COLUMN IF NOT EXISTS segments       jsonb, -- [{start, end, text}]
	ADD COLUMN IF NOT EXISTS analysis_model text;  -- which language model

CREATE INDEX IF NOT EXISTS transcriptions_call_sid
	ON transcriptions (call_sid);
CREATE INDEX IF NOT EXISTS transcriptions_time
	ON transcriptions (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS transcriptions_user_time
	ON transcriptions (user_id, created_at DESC, id DESC)
	WHERE user_id IS NOT NULL;
-- Search for words. Only the first 100,000 characters (some two hours of
-- talk): a tsvector holds 1 MB, and one that would not fit refuses the row.
CREATE INDEX IF NOT EXISTS transcriptions_words
	ON transcriptions
	USING gin (to_tsvector('simple', left(transcription, 100000)));

-- The indexes above serve what these served.
DROP INDEX IF EXISTS idx_transcriptions_user_id, idx_transcriptions_created_at;

CREATE OR REPLACE TRIGGER update_transcriptions_updated_at
	BEFORE UPDATE ON transcriptions
	FOR EACH ROW EXECUTE FUNCTION ringback_touch();

CALL ringback_separate_users('transcriptions', true);

COMMIT;
