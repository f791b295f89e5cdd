-- How many rows a scan brings, with which plans, from which kinds of statement.
\pset format unaligned
\pset fieldsep ' | '
SET enable_seqscan = off;
CREATE TABLE spiral (id int, v vector(2), remainder int);
INSERT INTO spiral SELECT i, ARRAY[i * cos(i / 20.0), i * sin(i / 20.0)]::vector, i % 50 FROM generate_series(1, 400) i;
CREATE INDEX spiral_hnsw ON spiral USING hnsw (v vector_l2_ops);
INSERT INTO spiral SELECT i, ARRAY[i * cos(i / 20.0), i * sin(i / 20.0)]::vector, i % 50 FROM generate_series(401, 600) i;
ANALYZE spiral;

-- The nearest by definition, to compare with.
CREATE FUNCTION exact_nearest(query vector, wanted int) RETURNS int[] LANGUAGE sql AS $$
    SELECT array_agg(id) FROM (SELECT id FROM spiral ORDER BY (v <-> query) + 0 LIMIT wanted) AS found
$$;
SELECT array_agg(id) = exact_nearest('[100,100]', 20) FROM (SELECT id FROM spiral ORDER BY v <-> '[100,100]' LIMIT 20) AS found;
SELECT array_agg(id) = exact_nearest('[-300,5]', 40) FROM (SELECT id FROM spiral ORDER BY v <-> '[-300,5]' LIMIT 40) AS found;

-- A scan ends after ef_search rows, whether a LIMIT asks for more or there is none.
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]' LIMIT 10) AS found;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]' LIMIT 60) AS found;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
SET hnsw.ef_search = 1;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
SET hnsw.ef_search = 7;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> (SELECT NULL::vector)) AS found;
SET hnsw.ef_search = 100;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]' LIMIT 99) AS found;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
SET hnsw.ef_search = 1000;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
SELECT array_agg(id) = exact_nearest('[100,100]', 600) FROM (SELECT id FROM spiral ORDER BY v <-> '[100,100]') AS found;
RESET hnsw.ef_search;
-- A filter sees only the rows that the scan brings.
SELECT count(*) FROM (SELECT FROM spiral WHERE remainder = 0 ORDER BY v <-> '[100,100]' LIMIT 12) AS found;
BEGIN;
SET LOCAL hnsw.ef_search = 1000;
SELECT count(*) FROM (SELECT FROM spiral WHERE remainder = 0 ORDER BY v <-> '[100,100]' LIMIT 12) AS found;
COMMIT;

-- Iterative scans go on until the filter is content.
CREATE FUNCTION filtered(wanted int) RETURNS TABLE (found bigint, complete boolean, in_order boolean) LANGUAGE sql AS $$
    WITH scan AS MATERIALIZED (SELECT id, v <-> '[100,100]' AS distance FROM spiral WHERE remainder = 0 ORDER BY v <-> '[100,100]' LIMIT wanted),
         numbered AS (SELECT id, distance, row_number() OVER () AS i FROM scan)
    SELECT count(*), array_agg(id ORDER BY id) = (SELECT array_agg(id ORDER BY id) FROM (
               SELECT id FROM spiral WHERE remainder = 0 ORDER BY (v <-> '[100,100]') + 0 LIMIT wanted) AS exact),
           array_agg(id ORDER BY i) = array_agg(id ORDER BY distance)
    FROM numbered
$$;
SET hnsw.iterative_scan = strict_order;
SELECT * FROM filtered(3);
SELECT * FROM filtered(12);
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]' LIMIT 60) AS found;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
SELECT array_agg(id) = exact_nearest('[100,100]', 200) FROM (SELECT id FROM spiral ORDER BY v <-> '[100,100]' LIMIT 200) AS found;
SET hnsw.iterative_scan = relaxed_order;
SELECT found, complete FROM filtered(3);
SELECT found, complete FROM filtered(12);
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
SELECT count(DISTINCT id) FROM (SELECT id FROM spiral ORDER BY v <-> '[100,100]') AS found;
-- The usual way to have it in order: sort what a materialised relaxed scan brings.
WITH relaxed AS MATERIALIZED (SELECT id, v <-> '[100,100]' AS distance FROM spiral WHERE remainder = 0 ORDER BY distance LIMIT 5)
SELECT array_agg(id ORDER BY distance + 0) = (SELECT array_agg(id) FROM (
    SELECT id FROM spiral WHERE remainder = 0 ORDER BY (v <-> '[100,100]') + 0 LIMIT 5) AS exact) FROM relaxed;
-- A filter that nothing passes, a query that is NULL, and the limits on work: they end the scan, they do not fail.
SELECT count(*) FROM (SELECT FROM spiral WHERE remainder = 77 ORDER BY v <-> '[100,100]' LIMIT 1) AS found;
SELECT count(*) FROM (SELECT FROM spiral ORDER BY v <-> (SELECT NULL::vector)) AS found;
SET hnsw.max_scan_tuples = 1;
SELECT count(*) BETWEEN 40 AND 600 FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
RESET hnsw.max_scan_tuples;
SET work_mem = '64kB';
SELECT count(*) BETWEEN 40 AND 600 FROM (SELECT FROM spiral ORDER BY v <-> '[100,100]') AS found;
RESET work_mem;
-- Scans that start again and again, each from its beginning.
SELECT q.id, n.ids FROM spiral q CROSS JOIN LATERAL (SELECT array_agg(id) AS ids FROM (
    SELECT id FROM spiral s WHERE s.remainder = q.remainder AND s.id <> q.id ORDER BY s.v <-> q.v LIMIT 1) AS one) AS n
WHERE q.id IN (1, 300, 600) ORDER BY q.id;
-- One row at a time still finds its way through three points.
SET hnsw.ef_search = 1;
CREATE TABLE three (id int, v vector(3));
INSERT INTO three VALUES (1, '[2,0,1]'), (2, '[0,5,0]'), (3, '[9,9,9]');
CREATE INDEX ON three USING hnsw (v vector_l2_ops);
SET hnsw.iterative_scan = strict_order;
SELECT id FROM three ORDER BY v <-> '[0,4,0]';
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT FROM three ORDER BY v <-> '[0,4,0]') AS found;
SET hnsw.iterative_scan = off;
SELECT id FROM three ORDER BY v <-> '[0,4,0]';
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;

-- Rows of one value share an element of the graph, ten at the most.
CREATE TABLE equal_rows (id int, v vector(3));
INSERT INTO equal_rows SELECT i, '[4,5,6]' FROM generate_series(1, 20) i;
CREATE INDEX ON equal_rows USING hnsw (v vector_l2_ops);
SELECT count(*) FROM (SELECT FROM equal_rows ORDER BY v <-> '[4,5,6]') AS found;
SET hnsw.ef_search = 1;
SELECT count(*) FROM (SELECT FROM equal_rows ORDER BY v <-> '[4,5,6]') AS found;
SELECT count(*) FROM (SELECT FROM equal_rows ORDER BY v <-> '[0,0,0]' LIMIT 3) AS found;
TRUNCATE equal_rows;
INSERT INTO equal_rows SELECT i, '[4,5,6]' FROM generate_series(1, 20) i;
SELECT count(*) FROM (SELECT FROM equal_rows ORDER BY v <-> '[4,5,6]') AS found;
RESET hnsw.ef_search;
SELECT count(DISTINCT id) FROM (SELECT id FROM equal_rows ORDER BY v <-> '[4,5,6]') AS found;
-- Some of an element's rows go: the others stay.
DELETE FROM equal_rows WHERE id % 4 <> 0;
VACUUM equal_rows;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM equal_rows ORDER BY v <-> '[4,5,6]') AS found;
-- A row updated in place of its other columns stays one row.
ALTER TABLE equal_rows ADD touched int;
CREATE INDEX ON equal_rows (touched);
UPDATE equal_rows SET touched = 1;
UPDATE equal_rows SET touched = 2 WHERE id = 4;
UPDATE equal_rows SET touched = 3 WHERE id = 4;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM equal_rows ORDER BY v <-> '[4,5,6]') AS found;
DROP TABLE three, equal_rows;

-- Prepared statements: a plan for all parameters serves NULL and other settings too.
PREPARE near (vector, bigint) AS SELECT id FROM spiral ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
SELECT plan_has('EXECUTE near (''[100,100]'', 3)', 'Index Scan using spiral_hnsw'), plan_has('EXECUTE near (''[100,100]'', 3)', '$1');
EXECUTE near ('[0,0]', 3);
EXECUTE near ('[1000,0]', 2);
EXECUTE near (ARRAY[0, 3], 1);
EXECUTE near (NULL, 0);
EXECUTE near ('[1,2,3]', 1);
EXECUTE near ('[0,0]', 3);
SET hnsw.ef_search = 2;
EXECUTE near ('[0,0]', 3);
RESET hnsw.ef_search;
SET plan_cache_mode = force_custom_plan;
SELECT plan_has('EXECUTE near (''[100,100]'', 3)', 'Index Scan using spiral_hnsw'), plan_has('EXECUTE near (''[100,100]'', 3)', '$1');
EXECUTE near ('[0,0]', 3);
RESET plan_cache_mode;
DEALLOCATE near;

-- Cursors go forward; with SCROLL the executor keeps the rows.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM spiral ORDER BY v <-> '[0,0]';
FETCH 2 FROM c;
MOVE 3 IN c;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
ROLLBACK;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM spiral ORDER BY v <-> '[0,0]' LIMIT 5;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH LAST FROM c;
CLOSE c;
-- ef_search counts when the first row is fetched
DECLARE c CURSOR FOR SELECT id FROM spiral ORDER BY v <-> '[0,0]';
SET LOCAL hnsw.ef_search = 3;
MOVE ALL IN c;
FETCH c;
CLOSE c;
-- rows that come or go after the start are not the cursor's
SET LOCAL hnsw.ef_search = 5;
DECLARE c CURSOR FOR SELECT id FROM spiral ORDER BY v <-> '[0,0]';
INSERT INTO spiral VALUES (0, '[0,0]');
DELETE FROM spiral WHERE id = 2;
FETCH 3 FROM c;
ROLLBACK;
-- a cursor that outlives its transaction
BEGIN;
DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM spiral ORDER BY v <-> '[0,0]' LIMIT 3;
COMMIT;
FETCH ALL FROM kept;
CLOSE kept;
-- UPDATE and DELETE of the nearest
BEGIN;
UPDATE spiral SET remainder = -1 WHERE id IN (SELECT id FROM spiral ORDER BY v <-> '[0,0]' LIMIT 2) RETURNING id;
DELETE FROM spiral WHERE ctid = ANY (ARRAY(SELECT ctid FROM spiral ORDER BY v <-> '[0,0]' LIMIT 2)) RETURNING id;
SELECT id FROM spiral ORDER BY v <-> '[0,0]' LIMIT 1 FOR UPDATE;
ROLLBACK;

-- Rows that the scan looked at to put them into order keep their address: of the column's class, and of an expression's.
CREATE TABLE places (id int, v vector(3));
INSERT INTO places SELECT i, ARRAY[i * 7919 % 101, i * i % 103, i * 104729 % 107]::int[]::vector FROM generate_series(1::bigint, 300) i;
CREATE INDEX ON places USING hnsw (v vector_l2_ops);
CREATE INDEX ON places USING hnsw ((subvector(v, 1, 2)::vector(2)) vector_l2_ops);
SELECT count(*) FROM (SELECT ctid FROM places ORDER BY v <-> '[50,50,50]' LIMIT 30) found JOIN places ON places.ctid = found.ctid;
SELECT count(*) FROM (SELECT ctid FROM places ORDER BY subvector(v, 1, 2)::vector(2) <-> '[50,50]' LIMIT 30) found JOIN places ON places.ctid = found.ctid;
BEGIN;
SELECT id FROM places ORDER BY v <-> '[50,50,50]' LIMIT 5 FOR UPDATE SKIP LOCKED;
SELECT id FROM places ORDER BY subvector(v, 1, 2)::vector(2) <-> '[50,50]' LIMIT 5 FOR NO KEY UPDATE;
WITH changed AS (
    UPDATE places SET id = -id WHERE ctid IN (SELECT ctid FROM places ORDER BY v <-> '[50,50,50]' LIMIT 30) RETURNING id
) SELECT count(*) FROM changed;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM places ORDER BY v <-> '[50,50,50]';
FETCH 3 FROM c;
DELETE FROM places WHERE CURRENT OF c RETURNING id;
ROLLBACK;
-- a cursor whose first rows are looked at in a subtransaction that is undone, and one that is undone with it
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM places ORDER BY v <-> '[50,50,50]';
SAVEPOINT s;
FETCH 2 FROM c;
DECLARE undone CURSOR FOR SELECT id FROM places ORDER BY v <-> '[50,50,50]';
FETCH 2 FROM undone;
ROLLBACK TO s;
FETCH 2 FROM c;
COMMIT;
-- the next query of a join begins anew
SELECT p.id, array_agg(near.id) FROM places p,
    LATERAL (SELECT i.id FROM places i ORDER BY i.v <-> p.v LIMIT 3) near WHERE p.id IN (16, 149, 127) GROUP BY p.id ORDER BY p.id;
-- an expression that fails when rows are looked at
CREATE FUNCTION kept(v vector) RETURNS vector IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN v; END $$;
CREATE INDEX ON places USING hnsw ((kept(v)::vector(3)) vector_l2_ops);
SELECT id FROM places ORDER BY kept(v)::vector(3) <-> '[50,50,50]' LIMIT 3;
CREATE OR REPLACE FUNCTION kept(v vector) RETURNS vector IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'not kept'; END $$;
SELECT id FROM places ORDER BY kept(v)::vector(3) <-> '[50,50,50]' LIMIT 3;
SELECT id FROM places ORDER BY v <-> '[50,50,50]' LIMIT 3;

-- What the index is for, and what not.
SELECT node, query, plan_has(query, node) FROM (VALUES
    ('Index Scan using spiral_hnsw', $$SELECT id FROM spiral ORDER BY v <-> '[0,0]'$$),
    ('Index Scan using spiral_hnsw', $$SELECT v <-> '[0,0]' FROM spiral ORDER BY 1 LIMIT 3$$),
    ('Index Scan using spiral_hnsw', $$SELECT id FROM spiral WHERE v <-> '[0,0]' < 3 ORDER BY v <-> '[0,0]' LIMIT 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral ORDER BY v <-> '[0,0]' DESC LIMIT 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral ORDER BY v <=> '[1,0]' LIMIT 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral ORDER BY v <#> '[1,0]' LIMIT 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral ORDER BY l2_distance(v, '[1,0]') LIMIT 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral ORDER BY (v <-> '[1,0]') + 0 LIMIT 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral ORDER BY id, v <-> '[1,0]' LIMIT 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral WHERE v <-> '[0,0]' < 3$$),
    ('spiral_hnsw', $$SELECT id FROM spiral WHERE v = '[0,0]'$$),
    ('spiral_hnsw', $$SELECT count(*) FROM spiral WHERE v IS NOT NULL$$),
    ('spiral_hnsw', $$SELECT sum(v) FROM spiral$$),
    ('Index Only Scan', $$SELECT v FROM spiral ORDER BY v <-> '[0,0]'$$),
    ('Bitmap', $$SELECT v FROM spiral ORDER BY v <-> '[0,0]'$$)) AS cases (node, query);
SET enable_indexscan = off;
SET enable_seqscan = on;
SELECT plan_has($$SELECT id FROM spiral ORDER BY v <-> '[0,0]' LIMIT 3$$, 'spiral_hnsw');
SELECT id FROM spiral ORDER BY v <-> '[0,0]' LIMIT 3;
RESET enable_indexscan;
SET enable_seqscan = off;
-- no choice but this index: still the whole table
SET enable_bitmapscan = off;
SELECT count(*) FROM spiral WHERE v <-> '[0,0]' < 3;
SELECT count(*) FROM spiral;
RESET enable_bitmapscan;
DROP FUNCTION filtered, exact_nearest;
DROP TABLE spiral;

-- A scan counts once, however many rows it brings; a join counts each of its starts; a plan counts nothing.
CREATE TABLE counted (id int, v vector(2));
CREATE INDEX counted_hnsw ON counted USING hnsw (v vector_l2_ops);
INSERT INTO counted SELECT i, ARRAY[i, -i]::vector FROM generate_series(1, 100) i;
-- Statistics arrive late: wait until so many scans are known.
CREATE FUNCTION scans_of(index regclass, expected bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..300 LOOP
        EXIT WHEN pg_stat_get_numscans(index) >= expected;
        PERFORM pg_sleep(0.1);
        PERFORM pg_stat_clear_snapshot();
    END LOOP;
    RETURN pg_stat_get_numscans(index);
END $$;
\c
SET enable_seqscan = off;
SELECT scans_of('counted_hnsw', 0);
SELECT count(*) FROM (SELECT FROM counted ORDER BY v <-> '[3,3]') AS found;
\c
SET enable_seqscan = off;
SELECT scans_of('counted_hnsw', 1);
SET hnsw.iterative_scan = strict_order;
SELECT count(*) FROM (SELECT FROM counted ORDER BY v <-> '[3,3]') AS found;
SELECT count(*) FROM counted c CROSS JOIN LATERAL (SELECT FROM counted ORDER BY v <-> c.v LIMIT 1) AS one WHERE c.id <= 5;
SELECT plan_has($$SELECT id FROM counted ORDER BY v <-> '[0,0]'$$, 'counted_hnsw');
\c
SELECT scans_of('counted_hnsw', 7);
DROP TABLE counted;
DROP FUNCTION scans_of;
