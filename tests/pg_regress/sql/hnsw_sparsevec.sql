-- The operator classes of sparsevec.
\pset format unaligned
\pset fieldsep ' | '
SET enable_seqscan = off;
CREATE TABLE places (id int, v sparsevec(3));
INSERT INTO places VALUES (1, '{1:3,3:4}/3'), (2, '{1:1,2:2,3:2}/3'), (3, '{1:-2,2:6.5,3:3}/3'), (4, '{}/3'), (5, NULL);
CREATE INDEX places_l2 ON places USING hnsw (v sparsevec_l2_ops);
CREATE INDEX places_ip ON places USING hnsw (v sparsevec_ip_ops);
CREATE INDEX places_cosine ON places USING hnsw (v sparsevec_cosine_ops);
CREATE INDEX places_l1 ON places USING hnsw (v sparsevec_l1_ops);
-- The rest comes one by one, into the indexes that are there.
INSERT INTO places VALUES (6, '{1:5,2:-1,3:1.5}/3');
INSERT INTO places VALUES (7, '{1:-4,2:-4,3:7}/3'), (8, NULL);
SELECT plan_has($$SELECT id FROM places ORDER BY v <-> '{1:3,3:5}/3'$$, 'Index Scan using places_l2');
SELECT id, round((v <-> '{1:3,3:5}/3')::numeric, 4) FROM places ORDER BY v <-> '{1:3,3:5}/3';
SELECT id, round((v <-> '{1:-1,2:-1,3:8}/3')::numeric, 4) FROM places ORDER BY v <-> '{1:-1,2:-1,3:8}/3';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> '{}/3') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> (SELECT NULL::sparsevec)) AS found;
SELECT plan_has($$SELECT id FROM places ORDER BY v <#> '{1:3,3:5}/3'$$, 'Index Scan using places_ip');
SELECT id, round((v <#> '{1:3,3:5}/3')::numeric, 4) FROM places ORDER BY v <#> '{1:3,3:5}/3';
SELECT id, round((v <#> '{1:-1,2:-1,3:8}/3')::numeric, 4) FROM places ORDER BY v <#> '{1:-1,2:-1,3:8}/3';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <#> '{}/3') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <#> (SELECT NULL::sparsevec)) AS found;
SELECT plan_has($$SELECT id FROM places ORDER BY v <=> '{1:3,3:5}/3'$$, 'Index Scan using places_cosine');
SELECT id, round((v <=> '{1:3,3:5}/3')::numeric, 4) FROM places ORDER BY v <=> '{1:3,3:5}/3';
SELECT id, round((v <=> '{1:-1,2:-1,3:8}/3')::numeric, 4) FROM places ORDER BY v <=> '{1:-1,2:-1,3:8}/3';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <=> '{}/3') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <=> (SELECT NULL::sparsevec)) AS found;
SELECT plan_has($$SELECT id FROM places ORDER BY v <+> '{1:3,3:5}/3'$$, 'Index Scan using places_l1');
SELECT id, round((v <+> '{1:3,3:5}/3')::numeric, 4) FROM places ORDER BY v <+> '{1:3,3:5}/3';
SELECT id, round((v <+> '{1:-1,2:-1,3:8}/3')::numeric, 4) FROM places ORDER BY v <+> '{1:-1,2:-1,3:8}/3';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <+> '{}/3') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <+> (SELECT NULL::sparsevec)) AS found;
-- Iterative scans.
SET hnsw.ef_search = 1;
SET hnsw.iterative_scan = strict_order;
SELECT id FROM places ORDER BY v <-> '{1:3,3:5}/3';
SET hnsw.iterative_scan = relaxed_order;
SELECT id FROM places ORDER BY v <-> '{1:3,3:5}/3';
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;
-- Rows that change and go.
UPDATE places SET v = '{1:30,3:40}/3' WHERE id = 1;
DELETE FROM places WHERE id = 6;
VACUUM places;
SELECT id FROM places ORDER BY v <-> '{1:30,3:41}/3' LIMIT 3;
TRUNCATE places;
SELECT id FROM places ORDER BY v <-> '{1:30,3:41}/3' LIMIT 3;
DROP TABLE places;
-- Equal rows share a node, ten at the most.
CREATE TABLE equals (v sparsevec(3));
CREATE INDEX ON equals USING hnsw (v sparsevec_l2_ops);
INSERT INTO equals SELECT '{1:1,2:1,3:1}/3' FROM generate_series(1, 20);
SET hnsw.ef_search = 1;
SELECT count(*) FROM (SELECT FROM equals ORDER BY v <-> '{1:1,2:1,3:1}/3') AS found;
REINDEX TABLE equals;
SELECT count(*) FROM (SELECT FROM equals ORDER BY v <-> '{1:1,2:1,3:1}/3') AS found;
RESET hnsw.ef_search;
DROP TABLE equals;
CREATE UNLOGGED TABLE fleeting (v sparsevec(3));
INSERT INTO fleeting VALUES ('{1:1,2:2,3:3}/3');
CREATE INDEX ON fleeting USING hnsw (v sparsevec_l2_ops);
SELECT v FROM fleeting ORDER BY v <-> '{1:1,2:1,3:1}/3';
DROP TABLE fleeting;
CREATE TABLE loose (v sparsevec);
CREATE INDEX ON loose USING hnsw (v sparsevec_l2_ops);
CREATE INDEX ON loose USING hnsw (v);
DROP TABLE loose;
-- At most 1,000 elements that are not zero.
CREATE TABLE wide (id int, v sparsevec(2000));
CREATE FUNCTION ones(n int) RETURNS sparsevec LANGUAGE sql IMMUTABLE AS
    $$ SELECT array_agg(CASE WHEN i <= n THEN 1 ELSE 0 END)::sparsevec FROM generate_series(1, 2000) i $$;
INSERT INTO wide VALUES (1, ones(1000)), (2, ones(7)), (3, ones(0));
CREATE INDEX ON wide USING hnsw (v sparsevec_l2_ops);
INSERT INTO wide VALUES (4, ones(1001));
SELECT id FROM wide ORDER BY v <-> ones(990);
INSERT INTO wide SELECT 10 + i, ones(i * 30) FROM generate_series(1, 33) i;
SELECT id FROM wide ORDER BY v <-> ones(301) LIMIT 2;
DELETE FROM wide WHERE id % 2 = 0;
VACUUM wide;
INSERT INTO wide SELECT 10 + i, ones(i * 30) FROM generate_series(2, 32, 2) i;
SELECT id FROM wide ORDER BY v <-> ones(301) LIMIT 2;
DROP TABLE wide;
CREATE TABLE wide (v sparsevec(2000));
INSERT INTO wide VALUES (ones(1001));
CREATE INDEX ON wide USING hnsw (v sparsevec_l2_ops);
DROP TABLE wide;
DROP FUNCTION ones;
