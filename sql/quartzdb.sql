-- Extension quartzdb: all that the Rust code declares, unless an extension named vector has made the like already.

DO $$
DECLARE
	is_ours boolean;
BEGIN
	SELECT EXISTS (
		SELECT FROM pg_depend JOIN pg_proc ON pg_proc.oid = objid
		WHERE classid = 'pg_proc'::regclass AND deptype = 'e' AND probin = 'MODULE_PATHNAME'
			AND refclassid = 'pg_extension'::regclass AND refobjid = pg_extension.oid)
	INTO is_ours FROM pg_extension WHERE extname = 'vector';
	IF is_ours THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = 'QuartzDB is in this database already, as extension "vector"',
			DETAIL = 'That extension has all that extension "quartzdb" has, under the same names.',
			HINT = 'There is nothing to create: use it as it is.';
	ELSIF NOT is_ours THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = 'pgvector is in this database',
			DETAIL = 'Its types, operators and access methods have the names of those of extension "quartzdb".',
			HINT = 'To use QuartzDB''s index on pgvector''s types, CREATE EXTENSION quartzdb_pgvector. To replace pgvector, dump this database and restore it where pgvector is not.';
	END IF;
END $$;

@DECLARED@
