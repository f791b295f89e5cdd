-- Extension vector: QuartzDB by pgvector's name. What quartzdb consists of is made here, unless that extension is there.

DO $$
DECLARE
	library text;
BEGIN
	SELECT path INTO library
	FROM pg_config, unnest(ARRAY[setting || '/vector.so', setting || '/vector.dylib']) path
	WHERE name = 'PKGLIBDIR' AND (pg_stat_file(path, true)).size IS NOT NULL;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'QuartzDB cannot be extension "vector" where pgvector is installed',
			DETAIL = format('pgvector''s library is %s.', library),
			HINT = 'Uninstall pgvector and install QuartzDB again, with --drop-in; or leave pgvector its name and CREATE EXTENSION quartzdb_pgvector.';
	END IF;
END $$;

DO $drop_in$
DECLARE
	found_in text;
BEGIN
	SELECT quote_ident(nspname) INTO found_in
	FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'quartzdb';
	IF FOUND THEN
		-- For the rest of this script: new objects go to the first schema, quartzdb's are found in the second.
		PERFORM set_config('search_path', concat_ws(', ', quote_ident(current_schema()), found_in, 'pg_temp'), true);
	ELSE
		EXECUTE $declared$
@DECLARED@
$declared$;
	END IF;
END $drop_in$;

