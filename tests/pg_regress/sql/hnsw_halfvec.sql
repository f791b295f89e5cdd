-- The operator classes of halfvec.
\pset format unaligned
\pset fieldsep ' | '
SET enable_seqscan = off;
CREATE TABLE places (id int, v halfvec(3));
INSERT INTO places VALUES (1, '[3,0,4]'), (2, '[1,2,2]'), (3, '[-2,6.5,3]'), (4, '[0,0,0]'), (5, NULL);
CREATE INDEX places_l2 ON places USING hnsw (v halfvec_l2_ops);
CREATE INDEX places_ip ON places USING hnsw (v halfvec_ip_ops);
CREATE INDEX places_cosine ON places USING hnsw (v halfvec_cosine_ops);
CREATE INDEX places_l1 ON places USING hnsw (v halfvec_l1_ops);
-- The rest comes one by one, into the indexes that are there.
INSERT INTO places VALUES (6, '[5,-1,1.5]');
INSERT INTO places VALUES (7, '[-4,-4,7]'), (8, NULL);
SELECT plan_has($$SELECT id FROM places ORDER BY v <-> '[3,0,5]'$$, 'Index Scan using places_l2');
SELECT id, round((v <-> '[3,0,5]')::numeric, 4) FROM places ORDER BY v <-> '[3,0,5]';
SELECT id, round((v <-> '[-1,-1,8]')::numeric, 4) FROM places ORDER BY v <-> '[-1,-1,8]';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> '[0,0,0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> (SELECT NULL::halfvec)) AS found;
SELECT plan_has($$SELECT id FROM places ORDER BY v <#> '[3,0,5]'$$, 'Index Scan using places_ip');
SELECT id, round((v <#> '[3,0,5]')::numeric, 4) FROM places ORDER BY v <#> '[3,0,5]';
SELECT id, round((v <#> '[-1,-1,8]')::numeric, 4) FROM places ORDER BY v <#> '[-1,-1,8]';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <#> '[0,0,0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <#> (SELECT NULL::halfvec)) AS found;
SELECT plan_has($$SELECT id FROM places ORDER BY v <=> '[3,0,5]'$$, 'Index Scan using places_cosine');
SELECT id, round((v <=> '[3,0,5]')::numeric, 4) FROM places ORDER BY v <=> '[3,0,5]';
SELECT id, round((v <=> '[-1,-1,8]')::numeric, 4) FROM places ORDER BY v <=> '[-1,-1,8]';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <=> '[0,0,0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <=> (SELECT NULL::halfvec)) AS found;
SELECT plan_has($$SELECT id FROM places ORDER BY v <+> '[3,0,5]'$$, 'Index Scan using places_l1');
SELECT id, round((v <+> '[3,0,5]')::numeric, 4) FROM places ORDER BY v <+> '[3,0,5]';
SELECT id, round((v <+> '[-1,-1,8]')::numeric, 4) FROM places ORDER BY v <+> '[-1,-1,8]';
SELECT count(*) FROM (SELECT FROM places ORDER BY v <+> '[0,0,0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <+> (SELECT NULL::halfvec)) AS found;
-- Iterative scans.
SET hnsw.ef_search = 1;
SET hnsw.iterative_scan = strict_order;
SELECT id FROM places ORDER BY v <-> '[3,0,5]';
SET hnsw.iterative_scan = relaxed_order;
SELECT id FROM places ORDER BY v <-> '[3,0,5]';
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;
-- Rows that change and go.
UPDATE places SET v = '[30,0,40]' WHERE id = 1;
DELETE FROM places WHERE id = 6;
VACUUM places;
SELECT id FROM places ORDER BY v <-> '[30,0,41]' LIMIT 3;
TRUNCATE places;
SELECT id FROM places ORDER BY v <-> '[30,0,41]' LIMIT 3;
DROP TABLE places;
-- Equal rows share a node, ten at the most.
CREATE TABLE equals (v halfvec(3));
CREATE INDEX ON equals USING hnsw (v halfvec_l2_ops);
INSERT INTO equals SELECT '[1,1,1]' FROM generate_series(1, 20);
SET hnsw.ef_search = 1;
SELECT count(*) FROM (SELECT FROM equals ORDER BY v <-> '[1,1,1]') AS found;
REINDEX TABLE equals;
SELECT count(*) FROM (SELECT FROM equals ORDER BY v <-> '[1,1,1]') AS found;
RESET hnsw.ef_search;
DROP TABLE equals;
CREATE UNLOGGED TABLE fleeting (v halfvec(3));
INSERT INTO fleeting VALUES ('[1,2,3]');
CREATE INDEX ON fleeting USING hnsw (v halfvec_l2_ops);
SELECT v FROM fleeting ORDER BY v <-> '[1,1,1]';
DROP TABLE fleeting;
CREATE TABLE loose (v halfvec);
CREATE INDEX ON loose USING hnsw (v halfvec_l2_ops);
CREATE INDEX ON loose USING hnsw (v);
DROP TABLE loose;
-- Numbers at the ends of the range.
CREATE TABLE numbers (v halfvec(1));
CREATE INDEX ON numbers USING hnsw (v halfvec_l2_ops);
INSERT INTO numbers VALUES ('[65504]'), ('[-65504]'), ('[6e-8]'), ('[-6e-8]'), ('[0]'), ('[1]');
SELECT v FROM numbers ORDER BY v <-> '[60000]' LIMIT 2;
SELECT count(*) FROM (SELECT FROM numbers ORDER BY v <-> '[60000]') AS found;
SELECT v FROM numbers ORDER BY v <-> '[1.2e-7]' LIMIT 1;
DROP TABLE numbers;
