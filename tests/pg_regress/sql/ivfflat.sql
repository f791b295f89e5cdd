-- The extension vector in an empty database, and its access method ivfflat. The notice of each build is shown once.
\pset format unaligned
\pset fieldsep ' | '
CREATE DATABASE regression_drop_in TEMPLATE template0;
\c regression_drop_in
CREATE EXTENSION vector;
SELECT extversion, extrelocatable, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector';

-- Members: as many of each kind as pgvector has, and the two functions that look into an index. (Since PostgreSQL 17 array
-- types are members, too.)
SELECT replace(classid::regclass::text, 'pg_', '') AS kind, count(*) FROM pg_depend LEFT JOIN pg_type t ON t.oid = objid AND classid = 'pg_type'::regclass
WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vector') AND coalesce(typelem, 0) = 0 GROUP BY classid ORDER BY 1;

-- What the catalogs say.
SELECT amname, amhandler::oid::regprocedure, obj_description(oid, 'pg_am') FROM pg_am WHERE amname = 'ivfflat';
SELECT opcname, opfname, opcintype::regtype AS input, opcdefault, amvalidate(c.oid) AS valid
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_opfamily f ON f.oid = opcfamily
WHERE amname = 'ivfflat' ORDER BY opcname COLLATE "C";
SELECT opfname, amopopr::regoperator AS operator, amopstrategy, amoppurpose FROM pg_amop JOIN pg_opfamily f ON f.oid = amopfamily
JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'ivfflat' ORDER BY opfname COLLATE "C";
SELECT opfname, amprocnum, amproc::oid::regprocedure AS function FROM pg_amproc JOIN pg_opfamily f ON f.oid = amprocfamily
JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'ivfflat' ORDER BY opfname COLLATE "C", amprocnum;
SELECT property, pg_indexam_has_property((SELECT oid FROM pg_am WHERE amname = 'ivfflat'), property)
FROM unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) property;

-- Settings: placeholders until the library is loaded, and with pgvector's ranges afterwards.
\c
SET ivfflat.probes = 3;
SELECT vector_dims('[1,2]'::vector);
SHOW ivfflat.probes;
RESET ivfflat.probes;
SELECT name, setting, short_desc, extra_desc, context, vartype, min_val, max_val, enumvals FROM pg_settings WHERE name LIKE 'ivfflat.%' ORDER BY name COLLATE "C";
SET ivfflat.probes = 0;
SET ivfflat.probes = 32769;
SET ivfflat.max_probes = 0;
SET ivfflat.iterative_scan = strict_order;
SET ivfflat.iterative_scan = relaxed_order;
RESET ivfflat.iterative_scan;

-- Storage parameters.
CREATE TABLE items (id int, v vector(3), h halfvec(3), b bit(8), undimensioned vector, varying varbit(8));
CREATE INDEX items_v ON items USING ivfflat (v);
SET client_min_messages = warning;
CREATE INDEX items_lists ON items USING ivfflat (v vector_l2_ops) WITH (lists = 10);
SELECT indexdef FROM pg_indexes WHERE tablename = 'items' ORDER BY 1;
ALTER INDEX items_v SET (lists = 32768);
ALTER INDEX items_v SET (lists = 32769);
ALTER INDEX items_v SET (lists = 0);
ALTER INDEX items_v SET (m = 5);
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (lists = 10);
SELECT reloptions FROM pg_class WHERE relname = 'items_v';
ALTER INDEX items_v RESET (lists);
-- What cannot be indexed.
CREATE INDEX ON items USING ivfflat (undimensioned);
CREATE INDEX ON items USING ivfflat (varying bit_hamming_ops);
CREATE INDEX ON items USING ivfflat (h);
CREATE INDEX ON items USING ivfflat (v vector_l1_ops);
CREATE INDEX ON items USING ivfflat ((v::vector(4)::vector));
CREATE UNIQUE INDEX ON items USING ivfflat (v);
CREATE TABLE long (b bit(64001));
CREATE INDEX ON long USING ivfflat (b bit_hamming_ops);
DROP TABLE long;
DROP INDEX items_v, items_lists;

-- Every class finds what an exact search finds: before rows come, after, and after REINDEX.
CREATE INDEX vector_l2_ops ON items USING ivfflat (v);
CREATE INDEX vector_ip_ops ON items USING ivfflat (v vector_ip_ops);
CREATE INDEX vector_cosine_ops ON items USING ivfflat (v vector_cosine_ops);
CREATE INDEX halfvec_l2_ops ON items USING ivfflat (h halfvec_l2_ops);
CREATE INDEX halfvec_ip_ops ON items USING ivfflat (h halfvec_ip_ops);
CREATE INDEX halfvec_cosine_ops ON items USING ivfflat (h halfvec_cosine_ops);
CREATE INDEX bit_hamming_ops ON items USING ivfflat (b bit_hamming_ops);
INSERT INTO items SELECT i, v, v, (i % 256)::bit(8)
FROM generate_series(1, 2000) i, LATERAL (SELECT ARRAY[sin(i), cos(i * 1.5), sin(i * 0.7)]::vector AS v) x;
INSERT INTO items (id) VALUES (0);
ANALYZE items;
CREATE FUNCTION compare() RETURNS TABLE (operator text, index_used text, nearest bigint, in_order boolean) LANGUAGE plpgsql AS $$
DECLARE
    line text;
    c record;
BEGIN
    FOR c IN SELECT * FROM (VALUES
        ('v', '<->', '[0.1,0.2,0.3]'), ('v', '<#>', '[0.1,0.2,0.3]'), ('v', '<=>', '[0.1,0.2,0.3]'),
        ('h', '<->', '[0.1,0.2,0.3]'), ('h', '<#>', '[0.1,0.2,0.3]'), ('h', '<=>', '[0.1,0.2,0.3]'), ('b', '<~>', '10101010')) cases (col, op, query)
    LOOP
        operator := c.col || ' ' || c.op;
        FOR line IN EXECUTE format('EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY %I %s %L LIMIT 10', c.col, c.op, c.query) LOOP
            index_used := coalesce(substring(line FROM 'Index Scan using (\w+)'), index_used);
        END LOOP;
        EXECUTE format('SELECT count(*) FROM (SELECT %1$I %2$s %3$L AS d FROM items ORDER BY %1$I %2$s %3$L LIMIT 10) near
            WHERE d <= (SELECT max(d) FROM (SELECT %1$I %2$s %3$L AS d FROM items ORDER BY 1 + (%1$I %2$s %3$L) LIMIT 10) exact)', c.col, c.op, c.query) INTO nearest;
        EXECUTE format('SELECT array_agg(d ORDER BY n) = array_agg(d ORDER BY d) FROM
            (SELECT %1$I %2$s %3$L AS d, row_number() OVER () AS n FROM (SELECT * FROM items ORDER BY %1$I %2$s %3$L LIMIT 100) near) numbered', c.col, c.op, c.query) INTO in_order;
        RETURN NEXT;
        index_used := NULL;
    END LOOP;
END $$;
SET enable_seqscan = off;
SELECT * FROM compare();
REINDEX TABLE items;
SELECT * FROM compare() WHERE nearest < 10 OR NOT in_order;
DELETE FROM items WHERE id % 3 = 0;
VACUUM items;
SELECT * FROM compare() WHERE nearest < 10 OR NOT in_order;
INSERT INTO items SELECT i, v, v, (i % 256)::bit(8)
FROM generate_series(3, 1998, 3) i, LATERAL (SELECT ARRAY[sin(i), cos(i * 1.5), sin(i * 0.7)]::vector AS v) x;
SELECT * FROM compare() WHERE nearest < 10 OR NOT in_order;

-- A scan returns about as many rows as lie in the lists it probes, at least hnsw.ef_search, whatever LIMIT says.
DROP INDEX vector_ip_ops, vector_cosine_ops, halfvec_l2_ops, halfvec_ip_ops, halfvec_cosine_ops, bit_hamming_ops;
ALTER INDEX vector_l2_ops SET (lists = 10);
REINDEX INDEX vector_l2_ops;
ANALYZE items;
CREATE FUNCTION returned(OUT rows bigint, OUT in_order boolean) LANGUAGE sql AS $$
    SELECT count(*), array_agg(d ORDER BY n) = array_agg(d ORDER BY d)
    FROM (SELECT d, row_number() OVER () AS n FROM (SELECT v <-> '[0.5,0.5,0.5]' AS d FROM items ORDER BY v <-> '[0.5,0.5,0.5]' LIMIT 3000) near) numbered $$;
SELECT 150 <= rows AND rows <= 250, in_order FROM returned();
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[0.5,0.5,0.5]' LIMIT 150) near;
SET ivfflat.probes = 5;
SELECT 900 <= rows AND rows <= 1100, in_order FROM returned();
SET ivfflat.probes = 10;
SELECT * FROM returned();
SET ivfflat.probes = 32768;
SELECT * FROM returned();
RESET ivfflat.probes;
SET ivfflat.iterative_scan = relaxed_order;
SELECT rows FROM returned();
SET ivfflat.max_probes = 5;
SELECT 1000 <= rows AND rows <= 1100 FROM returned();
SET ivfflat.probes = 7;
SELECT 1400 <= rows AND rows <= 1500 FROM returned();
RESET ivfflat.probes;
RESET ivfflat.max_probes;
-- A filter that few rows pass.
SELECT count(*) FROM (SELECT id FROM items WHERE id > 1990 ORDER BY v <-> '[0.5,0.5,0.5]' LIMIT 10) near;
RESET ivfflat.iterative_scan;
-- hnsw's own settings mean nothing here, but for ef_search.
SET hnsw.max_scan_tuples = 1;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[0.5,0.5,0.5]' LIMIT 150) near;
SET hnsw.ef_search = 1000;
SELECT 1000 <= rows FROM returned();
RESET hnsw.ef_search;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> NULL LIMIT 150) near;

-- Looking into it.
SELECT count(*) FROM hnsw_check('vector_l2_ops');
SELECT live_rows, unreachable_rows FROM hnsw_statistics('vector_l2_ops');

-- Tables that are emptied, and unlogged ones.
CREATE UNLOGGED TABLE unlogged (v vector(2));
CREATE INDEX ON unlogged USING ivfflat (v) WITH (lists = 1);
INSERT INTO unlogged VALUES ('[1,2]'), ('[3,4]'), ('[0,0]'), (NULL);
SELECT * FROM unlogged ORDER BY v <-> '[3,3]';
TRUNCATE unlogged;
SELECT * FROM unlogged ORDER BY v <-> '[3,3]';
INSERT INTO unlogged VALUES ('[5,6]');
SELECT * FROM unlogged ORDER BY v <-> '[3,3]';
SELECT * FROM unlogged ORDER BY v <-> '[3,3,3]';

-- Dropped, it leaves nothing behind.
DROP TABLE items, unlogged;
DROP FUNCTION compare, returned;
DROP EXTENSION vector;
SELECT count(*) FROM pg_am WHERE amname IN ('hnsw', 'ivfflat');
SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace;

\c contrib_regression
DROP DATABASE regression_drop_in;
