-- SPDX-License-Identifier: ISC
--
-- As much of Supabase as the schema can notice: schema auth, auth.uid() out of
-- the request's claims, the roles a request runs as, and the grants that new
-- tables get by default. Run by a superuser in a database owned by postgres,
-- which (as there) is not one.
-- Supabase's service_role has BYPASSRLS. This one has not, so that it works
-- only if a policy says so.
DO $$
BEGIN
	IF to_regrole('authenticator') IS NULL THEN
		CREATE ROLE anon NOLOGIN;
		CREATE ROLE authenticated NOLOGIN;
		CREATE ROLE service_role NOLOGIN;
		CREATE ROLE authenticator LOGIN NOINHERIT;
		GRANT anon, authenticated, service_role TO authenticator;
	END IF;
END $$;

CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid
$$;
GRANT USAGE ON SCHEMA auth TO postgres, anon, authenticated, service_role;
GRANT REFERENCES, SELECT ON auth.users TO postgres;
INSERT INTO auth.users VALUES
	('a0000000-0000-4000-8000-000000000001', 'ann@example.com'),
	('b0000000-0000-4000-8000-000000000002', 'bob@example.com');

ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public
	GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public
	GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
