-- Storage parameters, settings, and what CREATE INDEX refuses.
\pset format unaligned
\pset fieldsep ' | '

-- A session in which nothing has loaded the library yet: settings are placeholders that take anything.
\c
SHOW hnsw.ef_search;
SET hnsw.ef_search = 33;
SET hnsw.scan_mem_multiplier = '2.5';
SHOW hnsw.ef_search;
SET hnsw.iterative_scan = 'whatever';
SET hnsw.max_scan_tuples = 0;
SET client_min_messages = error;
SELECT vector_dims('[1,2]'::vector);
RESET client_min_messages;
-- Now they are checked: what was wrong has its default.
SHOW hnsw.ef_search;
SHOW hnsw.scan_mem_multiplier;
SHOW hnsw.iterative_scan;
SHOW hnsw.max_scan_tuples;
\c
SET hnsw.ef_search = 1001;
SELECT vector_dims('[1,2]'::vector);
SHOW hnsw.ef_search;
-- The prefix is reserved. (PostgreSQL 14 has no such thing.)
SELECT current_setting('server_version_num')::int < 150000 OR outcome($$set_config('hnsw.nonsense', '1', false)$$) LIKE 'ERROR 42602%';

SELECT name, setting, unit, category, short_desc, extra_desc, context, vartype, min_val, max_val, enumvals, boot_val, reset_val
FROM pg_settings WHERE name IN ('hnsw.ef_search', 'hnsw.iterative_scan', 'hnsw.max_scan_tuples', 'hnsw.scan_mem_multiplier') ORDER BY name COLLATE "C";
SELECT value, outcome(format('set_config(%L, %L, false)', name, value)), name FROM (VALUES
    ('hnsw.ef_search', '0'), ('hnsw.ef_search', '1'), ('hnsw.ef_search', '1000'), ('hnsw.ef_search', '1001'), ('hnsw.ef_search', 'many'),
    ('hnsw.ef_search', '40.4'), ('hnsw.ef_search', '10kB'),
    ('hnsw.iterative_scan', 'off'), ('hnsw.iterative_scan', 'relaxed_order'), ('hnsw.iterative_scan', 'Strict_Order'), ('hnsw.iterative_scan', 'on'),
    ('hnsw.iterative_scan', 'true'), ('hnsw.iterative_scan', ''), ('hnsw.iterative_scan', 'strict'),
    ('hnsw.max_scan_tuples', '0'), ('hnsw.max_scan_tuples', '1'), ('hnsw.max_scan_tuples', '2147483647'), ('hnsw.max_scan_tuples', '2147483648'),
    ('hnsw.scan_mem_multiplier', '0.99'), ('hnsw.scan_mem_multiplier', '1'), ('hnsw.scan_mem_multiplier', '1.5'), ('hnsw.scan_mem_multiplier', '1000'),
    ('hnsw.scan_mem_multiplier', '1001'), ('hnsw.scan_mem_multiplier', 'NaN')) AS cases (name, value);
SET hnsw.iterative_scan = on;
SET hnsw.ef_search = 0;
RESET ALL;
SHOW hnsw.ef_search;
SHOW hnsw.iterative_scan;
SHOW hnsw.max_scan_tuples;
SHOW hnsw.scan_mem_multiplier;
CREATE FUNCTION with_setting() RETURNS text LANGUAGE sql SET hnsw.ef_search = 123 AS $$ SELECT current_setting('hnsw.ef_search') $$;
SELECT with_setting(), current_setting('hnsw.ef_search');
DROP FUNCTION with_setting;

-- Storage parameters.
CREATE TABLE rows (id int, v vector(3), undimensioned vector, w vector(3));
INSERT INTO rows VALUES (1, '[1,2,3]', '[1]', '[0,0,1]'), (2, '[4,5,6]', '[1]', '[0,1,0]');
CREATE FUNCTION make(parameters text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE format('CREATE INDEX made ON rows USING hnsw (v vector_l2_ops) WITH (%s)', parameters);
    SELECT reloptions::text INTO message FROM pg_class WHERE relname = 'made';
    DROP INDEX made;
    RETURN message;
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', 'ERROR ' || sqlstate || ': ' || message, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT parameters, make(parameters) FROM unnest(ARRAY['m = 1', 'm = 2', 'm = 100, ef_construction = 200', 'm = 101', 'm = -1', 'm = sixteen', 'm = 16.5', 'm', 'M = 8',
    'ef_construction = 3', 'ef_construction = 4', 'ef_construction = 32', 'ef_construction = 31', 'ef_construction = 1000', 'ef_construction = 1001',
    'm = 16, ef_construction = 33', 'm = 2, ef_construction = 4', 'm = 3, ef_construction = 5', 'm = 3, ef_construction = 6', 'm = 100, ef_construction = 199',
    'm = 4, m = 5', 'fillfactor = 90', 'lists = 10', 'hnsw.m = 4']) parameters;
CREATE INDEX ON rows USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 15);
CREATE INDEX ON rows USING hnsw (v vector_l2_ops) WITH (m = 101);
-- An empty table is no excuse.
CREATE TABLE no_rows (v vector(3), undimensioned vector);
CREATE INDEX ON no_rows USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 15);
CREATE INDEX ON no_rows USING hnsw (undimensioned vector_l2_ops);

CREATE INDEX rows_hnsw ON rows USING hnsw (v vector_l2_ops) WITH (m = 10, ef_construction = 40);
SELECT pg_get_indexdef('rows_hnsw'::regclass);
ALTER INDEX rows_hnsw SET (ef_construction = 100);
INSERT INTO rows VALUES (3, '[7,8,9]');
ALTER INDEX rows_hnsw SET (m = 0);
ALTER INDEX rows_hnsw SET (lists = 3);
-- m counts when the index is built anew; whether the two fit together is looked at then
ALTER INDEX rows_hnsw SET (m = 100);
INSERT INTO rows VALUES (4, '[10,11,12]');
REINDEX INDEX rows_hnsw;
ALTER INDEX rows_hnsw SET (ef_construction = 200);
REINDEX INDEX rows_hnsw;
SELECT reloptions FROM pg_class WHERE relname = 'rows_hnsw';
ALTER INDEX rows_hnsw RESET (m, ef_construction);
SELECT reloptions FROM pg_class WHERE relname = 'rows_hnsw';
INSERT INTO rows VALUES (5, '[13,14,15]');
REINDEX TABLE rows;
SET enable_seqscan = off;
SELECT id FROM rows ORDER BY v <-> '[13,13,13]' LIMIT 3;
RESET enable_seqscan;
CLUSTER rows USING rows_hnsw;
ALTER TABLE rows CLUSTER ON rows_hnsw;
ALTER TABLE rows REPLICA IDENTITY USING INDEX rows_hnsw;
DROP INDEX rows_hnsw;

-- What no hnsw index can be.
CREATE INDEX ON rows USING hnsw (v);
CREATE INDEX ON rows USING hnsw (undimensioned vector_l2_ops);
CREATE INDEX ON rows USING hnsw (id vector_l2_ops);
CREATE INDEX ON rows USING hnsw (v vector_l3_ops);
CREATE INDEX ON rows USING hnsw (v vector_ops);
CREATE INDEX ON rows USING hnsw (id);
CREATE INDEX ON rows USING hnsw (v vector_l2_ops, w vector_l2_ops);
CREATE INDEX ON rows USING hnsw (v vector_l2_ops) INCLUDE (id);
CREATE UNIQUE INDEX ON rows USING hnsw (v vector_l2_ops);
CREATE INDEX ON rows USING hnsw (v vector_l2_ops ASC);
CREATE INDEX ON rows USING hnsw (v vector_l2_ops DESC);
CREATE INDEX ON rows USING hnsw (v vector_l2_ops NULLS FIRST);
CREATE INDEX ON rows USING hnsw (v vector_l2_ops NULLS LAST);
CREATE INDEX ON rows USING hnsw ((ARRAY[id]::vector) vector_l2_ops);
CREATE INDEX ON rows USING hnsw ((v::vector) vector_l2_ops);
CREATE INDEX ON rows USING hnsw ((v + w) vector_l2_ops);
CREATE INDEX ON rows USING hnsw ((v <-> w) vector_l2_ops);
CREATE INDEX ON rows USING hnsw ((ARRAY[id, random()]::vector(2)) vector_l2_ops);
-- rows that do not fit the expression stop the insert, and the build
CREATE INDEX fitting ON rows USING hnsw ((undimensioned::vector(1)) vector_l2_ops);
INSERT INTO rows VALUES (6, NULL, '[1,2]');
DROP INDEX fitting;
INSERT INTO rows VALUES (6, NULL, '[1,2]');
CREATE INDEX ON rows USING hnsw ((undimensioned::vector(1)) vector_l2_ops);
-- a domain's dimensions are its own, not the column's
CREATE DOMAIN place AS vector(3);
CREATE TABLE domain_rows (v place);
CREATE INDEX ON domain_rows USING hnsw (v vector_l2_ops);
CREATE INDEX ON domain_rows USING hnsw ((v::vector(3)) vector_l2_ops);
DROP TABLE rows, no_rows, domain_rows;
DROP DOMAIN place;
DROP FUNCTION make;
