-- The extension quartzdb_pgvector: the access method quartz, with operator classes over the types of pgvector, which has an
-- hnsw of its own. The code is in src/am; src/edition.rs tells the two extensions apart.

-- What is missing is said before a statement fails for want of it. As in all that follows and looks something up: somebody
-- else's objects may lie in the script's search path.

DO $$
DECLARE
	path text := pg_catalog.current_setting('search_path');
	vector record;
	missing text;
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	SELECT oid, extversion AS version INTO STRICT vector FROM pg_extension WHERE extname = 'vector';

	PERFORM FROM pg_depend JOIN pg_proc ON pg_proc.oid = objid
	WHERE classid = 'pg_proc'::regclass AND deptype = 'e' AND prosrc = 'ivfflathandler_wrapper' -- pgvector's has another symbol
		AND refclassid = 'pg_extension'::regclass AND refobjid = vector.oid;
	IF FOUND THEN
		RAISE EXCEPTION 'extension "vector" in this database is QuartzDB''s, not pgvector''s'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Extension "quartzdb_pgvector" adds QuartzDB''s index to pgvector.',
				HINT = 'Nothing is to be added here: the index is there as access method hnsw.';
	END IF;

	SELECT string_agg(format('%s (%s, %s)', operator, type, type), ', ') INTO missing
	FROM (VALUES
		('<->', 'vector'), ('<#>', 'vector'), ('<=>', 'vector'), ('<+>', 'vector'),
		('<->', 'halfvec'), ('<#>', 'halfvec'), ('<=>', 'halfvec'), ('<+>', 'halfvec'),
		('<->', 'sparsevec'), ('<#>', 'sparsevec'), ('<=>', 'sparsevec'), ('<+>', 'sparsevec'),
		('<~>', 'bit'), ('<%>', 'bit')
	) AS needed (operator, type)
	WHERE NOT EXISTS (
		SELECT FROM pg_depend JOIN pg_operator ON pg_operator.oid = objid JOIN pg_type ON pg_type.oid = oprleft
		WHERE classid = 'pg_operator'::regclass AND deptype = 'e'
			AND refclassid = 'pg_extension'::regclass AND refobjid = vector.oid
			AND oprname = operator AND typname = type AND oprleft = oprright
	);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'extension "vector" is too old: version %, but 0.7.0 or later is needed', vector.version
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('It lacks the operators %s.', missing),
				HINT = 'Install a newer pgvector and run ALTER EXTENSION vector UPDATE.';
	END IF;
	PERFORM set_config('search_path', path, true);
END
$$;

-- The access method

CREATE FUNCTION quartzhandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'hnswhandler_wrapper' LANGUAGE C;
COMMENT ON FUNCTION quartzhandler(internal) IS 'quartz index access method handler';

CREATE ACCESS METHOD quartz TYPE INDEX HANDLER quartzhandler;
COMMENT ON ACCESS METHOD quartz IS 'quartz index access method';

-- Distances inside the index, which knows a class by the first one. What a query sees is computed by pgvector's operators.

CREATE FUNCTION quartz_l2_squared_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_l2_squared_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_l2_squared_distance(vector, vector) IS 'squared Euclidean distance inside a quartz index';

CREATE FUNCTION quartz_negative_inner_product(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_negative_inner_product_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_negative_inner_product(vector, vector) IS 'negative inner product inside a quartz index';

CREATE FUNCTION quartz_l1_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'l1_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_l1_distance(vector, vector) IS 'taxicab distance inside a quartz index';

CREATE FUNCTION quartz_l2_squared_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_l2_squared_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_l2_squared_distance(halfvec, halfvec) IS 'squared Euclidean distance inside a quartz index';

CREATE FUNCTION quartz_negative_inner_product(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_negative_inner_product_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_negative_inner_product(halfvec, halfvec) IS 'negative inner product inside a quartz index';

CREATE FUNCTION quartz_l1_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_l1_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_l1_distance(halfvec, halfvec) IS 'taxicab distance inside a quartz index';

CREATE FUNCTION quartz_l2_squared_distance(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'sparsevec_l2_squared_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_l2_squared_distance(sparsevec, sparsevec) IS 'squared Euclidean distance inside a quartz index';

CREATE FUNCTION quartz_negative_inner_product(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'sparsevec_negative_inner_product_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_negative_inner_product(sparsevec, sparsevec) IS 'negative inner product inside a quartz index';

CREATE FUNCTION quartz_l1_distance(sparsevec, sparsevec) RETURNS float8
	AS 'MODULE_PATHNAME', 'sparsevec_l1_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_l1_distance(sparsevec, sparsevec) IS 'taxicab distance inside a quartz index';

CREATE FUNCTION quartz_hamming_distance(bit, bit) RETURNS float8
	AS 'MODULE_PATHNAME', 'hamming_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_hamming_distance(bit, bit) IS 'Hamming distance inside a quartz index';

CREATE FUNCTION quartz_jaccard_distance(bit, bit) RETURNS float8
	AS 'MODULE_PATHNAME', 'jaccard_distance_wrapper' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quartz_jaccard_distance(bit, bit) IS 'Jaccard distance inside a quartz index';

-- Operator classes, with pgvector's names. Support function 2 says that vectors are normalised.

CREATE OPERATOR CLASS vector_l2_ops
	FOR TYPE vector USING quartz AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_l2_squared_distance(vector, vector);

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING quartz AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_negative_inner_product(vector, vector);

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING quartz AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_negative_inner_product(vector, vector),
	FUNCTION 2 vector_norm(vector);

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING quartz AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_l1_distance(vector, vector);

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING quartz AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_l2_squared_distance(halfvec, halfvec);

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING quartz AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_negative_inner_product(halfvec, halfvec);

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING quartz AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 l2_norm(halfvec);

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING quartz AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_l1_distance(halfvec, halfvec);

CREATE OPERATOR CLASS sparsevec_l2_ops
	FOR TYPE sparsevec USING quartz AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_l2_squared_distance(sparsevec, sparsevec);

CREATE OPERATOR CLASS sparsevec_ip_ops
	FOR TYPE sparsevec USING quartz AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_negative_inner_product(sparsevec, sparsevec);

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING quartz AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 2 l2_norm(sparsevec);

CREATE OPERATOR CLASS sparsevec_l1_ops
	FOR TYPE sparsevec USING quartz AS
	OPERATOR 1 <+> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_l1_distance(sparsevec, sparsevec);

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING quartz AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_hamming_distance(bit, bit);

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE bit USING quartz AS
	OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 quartz_jaccard_distance(bit, bit);

-- Looking into an index

CREATE FUNCTION hnsw_check(index regclass, OUT severity text, OUT block bigint, OUT "offset" integer, OUT problem text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'hnsw_check_wrapper' LANGUAGE C STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION hnsw_check(regclass) IS 'what is wrong with a quartz index; no row if it is sound';
REVOKE ALL ON FUNCTION hnsw_check(regclass) FROM PUBLIC;

CREATE FUNCTION hnsw_statistics(index regclass, OUT pages bigint, OUT live_rows bigint, OUT unreachable_rows bigint,
		OUT tuples_per_level bigint[], OUT dead_tuples bigint, OUT average_links float8, OUT free_bytes bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'hnsw_statistics_wrapper' LANGUAGE C STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION hnsw_statistics(regclass) IS 'what a quartz index consists of';
REVOKE ALL ON FUNCTION hnsw_statistics(regclass) FROM PUBLIC;

-- The functions above read their arguments as pgvector's types are laid out. With any other type of the same name, which whoever
-- may create objects in this schema may have put there, they would read memory at random.

DO $$
DECLARE
	path text := pg_catalog.current_setting('search_path');
	strange text;
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	WITH members AS (
		SELECT classid, objid, extname FROM pg_depend JOIN pg_extension ON pg_extension.oid = refobjid
		WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND extname IN ('vector', 'quartzdb_pgvector')
	), made AS (
		SELECT classid, objid FROM members WHERE extname = 'quartzdb_pgvector'
		UNION ALL
		SELECT 'pg_amop'::regclass, pg_amop.oid FROM pg_amop JOIN pg_am ON pg_am.oid = amopmethod WHERE amname = 'quartz'
		UNION ALL
		SELECT 'pg_amproc'::regclass, pg_amproc.oid FROM pg_amproc JOIN pg_opfamily ON pg_opfamily.oid = amprocfamily
		JOIN pg_am ON pg_am.oid = opfmethod WHERE amname = 'quartz'
	)
	SELECT string_agg(DISTINCT pg_describe_object(refclassid, refobjid, refobjsubid), ', ') INTO strange
	FROM made JOIN pg_depend AS used USING (classid, objid)
	WHERE refclassid IN ('pg_type'::regclass, 'pg_operator'::regclass, 'pg_proc'::regclass)
		AND NOT EXISTS (SELECT FROM members WHERE (members.classid, members.objid) = (used.refclassid, used.refobjid));
	IF strange IS NOT NULL THEN
		RAISE EXCEPTION 'objects in the schema hide those of extension "vector"'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('Not pgvector''s: %s.', strange),
				HINT = 'Create the extension in another schema: CREATE EXTENSION quartzdb_pgvector SCHEMA ...';
	END IF;
	PERFORM set_config('search_path', path, true);
END
$$;
