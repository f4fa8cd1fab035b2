-- SPDX-License-Identifier: ISC
--
-- A database role for each program, which may do what the program's statements
-- (lib/domain/sql*.def) do, and nothing else: what takes webhooks from the
-- internet reads no transcript, no key and no raw webhook, and deletes nothing.
-- Run the two files before it first.
--
--	psql -h HOST -U postgres -d postgres -f roles.sql
--
-- or paste it into Supabase's SQL editor. Run it as somebody who may create
-- roles and either owns the tables or is a superuser. It is one transaction; a
-- second run changes nothing, and an older version's grants go.
--
-- Roles are called what the users are called that the programs run as, so that
-- peer authentication by unix socket knows them. From elsewhere they need
-- passwords:
--
--	ALTER ROLE "ringback-hooks" PASSWORD '...';
--
-- ringback-admin is for the owner of the tables.

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '10s';

DO $$
DECLARE
	who	text;
	t	text;
	programs constant text[] := ARRAY['ringback-hooks', 'ringback-api',
		'ringback-sweep'];
	tables constant text[] := ARRAY['twilio_calls', 'twilio_sms',
		'twilio_recordings', 'transcriptions', 'webhook_events',
		'reconciliations', 'pauses', 'sweeps', 'api_calls', 'erased',
		'numbers', 'api_keys', 'api_requests', 'opt_outs',
		'send_counters'];
BEGIN
	IF to_regclass('send_counters') IS NULL THEN
		RAISE EXCEPTION 'run create_twilio_tables.sql first';
	END IF;
	FOREACH who IN ARRAY programs LOOP
		IF to_regrole(quote_ident(who)) IS NULL THEN
			EXECUTE format('CREATE ROLE %I LOGIN', who);
		END IF;
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I',
			current_schema, who);
	END LOOP;
	-- What an older version granted goes. Where users are kept apart
	-- (ringback_separate_users), the programs act for all of them: for
	-- them it is the grants below that decide.
	FOREACH t IN ARRAY tables LOOP
		EXECUTE format('REVOKE ALL ON %s FROM "ringback-hooks",'
			' "ringback-api", "ringback-sweep"', t);
		IF (SELECT relrowsecurity FROM pg_class
		     WHERE oid = t::regclass) AND NOT EXISTS (
			SELECT FROM pg_policy WHERE polrelid = t::regclass
			   AND polname = 'ringback_programs')
		THEN
			EXECUTE format('CREATE POLICY ringback_programs ON %s'
				' TO "ringback-hooks", "ringback-api",'
				' "ringback-sweep"'
				' USING (true) WITH CHECK (true)', t);
		END IF;
	END LOOP;
	-- As it was for everybody before PostgreSQL 15.
	IF has_schema_privilege('ringback-hooks', current_schema, 'CREATE')
	THEN
		RAISE WARNING 'everybody may create tables here, and so may'
			' ringback''s programs: REVOKE CREATE ON SCHEMA %'
			' FROM PUBLIC', current_schema;
	END IF;
END $$;


-- ------------------------------------------------ what Twilio tells us ------
-- The hooks as it comes, the sweep when it was spooled. Whole rows may be
-- inserted: PostgreSQL looks at grants of columns one by one, at each of these
-- statements, which was a sixth of its work for a webhook.
GRANT INSERT ON webhook_events, twilio_calls, twilio_sms, twilio_recordings
	TO "ringback-hooks", "ringback-sweep";
GRANT SELECT ON numbers TO "ringback-hooks", "ringback-sweep";

-- Its body is not read again but by ringback-admin.
GRANT UPDATE (replayed_at),
	SELECT (dedupe, sid, source, received_at)
	ON webhook_events TO "ringback-hooks", "ringback-sweep";

GRANT UPDATE (call_sid, account_sid, from_number, to_number, direction,
		status, parent_call_sid, phone_number_sid, status_seq,
		duration, answered_by, error_code, metadata, user_id,
		recording_sid, recording_url)
	ON twilio_calls TO "ringback-hooks", "ringback-sweep";
GRANT SELECT (id, call_sid, account_sid, from_number, to_number, direction,
		status, parent_call_sid, phone_number_sid, status_seq,
		duration, answered_by, error_code, metadata, user_id,
		recording_sid, recording_url,
		request)	-- what an outbound call is to say
	ON twilio_calls TO "ringback-hooks";

GRANT UPDATE (message_sid, account_sid, from_number, to_number, body,
		direction, status, num_segments, num_media, media,
		messaging_service_sid, opt_out_type, error_code,
		error_message, user_id)
	ON twilio_sms TO "ringback-hooks", "ringback-sweep";
GRANT SELECT (id, message_sid, account_sid, from_number, to_number, body,
		direction, status, num_segments, num_media, media,
		messaging_service_sid, opt_out_type, error_code,
		error_message, user_id, xmax)
	ON twilio_sms TO "ringback-hooks";

GRANT UPDATE (twilio_status, status, step, run_at, last_error, duration,
		call_sid, account_sid, recording_url, channels, source, track,
		started_at, error_code, user_id),
	SELECT (recording_sid, twilio_status, status, step, run_at, last_error,
		duration, call_sid, account_sid, recording_url, channels,
		source, track, started_at, error_code, user_id, lease,
		attempts)
	ON twilio_recordings TO "ringback-hooks";

GRANT INSERT (sender, recipient, source, opted_out_at, opted_in_at),
	UPDATE (opted_out_at, opted_in_at),
	SELECT (sender, recipient, opted_out_at, opted_in_at)
	ON opt_outs TO "ringback-hooks", "ringback-sweep";


-- ------------------------------------------------------- the JSON API -------

GRANT SELECT ON twilio_calls, twilio_sms, twilio_recordings, transcriptions
	TO "ringback-api";
GRANT SELECT (id, route, sid, status, received_at, refused) ON webhook_events
	TO "ringback-api";
GRANT SELECT (service) ON pauses TO "ringback-api";
GRANT SELECT (id, until) ON sweeps TO "ringback-api";

GRANT SELECT (id, secret_sha256, user_id, scopes, expires_at, revoked_at,
		last_used_at),
	UPDATE (last_used_at)
	ON api_keys TO "ringback-api";

-- ringback_begin_send(), which runs as who asks, and what comes after it.
GRANT INSERT (id, account_sid, from_number, to_number, direction, status,
		user_id, metadata, request),
	UPDATE (call_sid, status, error_code, error_message)
	ON twilio_calls TO "ringback-api";
GRANT INSERT (id, account_sid, from_number, messaging_service_sid, to_number,
		body, direction, status, num_segments, num_media, media,
		user_id, metadata, request),
	UPDATE (message_sid, status, error_code, error_message)
	ON twilio_sms TO "ringback-api";
GRANT SELECT, INSERT, UPDATE, DELETE ON api_requests TO "ringback-api";
GRANT SELECT, INSERT, UPDATE ON send_counters TO "ringback-api";
GRANT SELECT (number, user_id) ON numbers TO "ringback-api";
GRANT SELECT (sender, recipient, opted_out_at, opted_in_at),
	INSERT (sender, recipient, source),
	UPDATE (opted_out_at)
	ON opt_outs TO "ringback-api";


-- -------------------------------------------------------- the sweep ---------

GRANT SELECT, UPDATE ON twilio_recordings TO "ringback-sweep";
GRANT SELECT, INSERT, UPDATE ON transcriptions TO "ringback-sweep";
GRANT SELECT, UPDATE (transcription_id, error_message)
	ON twilio_calls TO "ringback-sweep";
GRANT SELECT ON twilio_sms TO "ringback-sweep";
GRANT SELECT, INSERT, UPDATE ON api_calls, reconciliations
	TO "ringback-sweep";
GRANT SELECT, INSERT, UPDATE, DELETE ON pauses, sweeps TO "ringback-sweep";

-- Sends whose outcome nobody knew, and what is old enough to be forgotten.
GRANT SELECT (row_id, created_at), UPDATE (state), DELETE ON api_requests
	TO "ringback-sweep";
GRANT SELECT (window_start), DELETE ON send_counters TO "ringback-sweep";
GRANT SELECT (body, request_uri, refused),
	UPDATE (body, request_uri),
	DELETE
	ON webhook_events TO "ringback-sweep";
-- ringback_erase(), which runs as who asks; ringback-admin's erasures, too,
-- when somebody who was erased comes back.
GRANT SELECT, INSERT, UPDATE, DELETE ON erased TO "ringback-sweep";
GRANT DELETE ON twilio_calls, twilio_sms, twilio_recordings, transcriptions
	TO "ringback-sweep";

COMMIT;
