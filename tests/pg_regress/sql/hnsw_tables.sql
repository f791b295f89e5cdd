-- Kinds of table and of index.
\pset format unaligned
\pset fieldsep ' | '
SET enable_seqscan = off;

CREATE UNLOGGED TABLE unlogged (id int, v vector(3));
INSERT INTO unlogged VALUES (1, '[1,2,3]'), (2, '[2,3,4]'), (3, '[9,9,9]');
CREATE INDEX unlogged_hnsw ON unlogged USING hnsw (v vector_l2_ops);
INSERT INTO unlogged VALUES (4, '[3,4,5]');
SELECT id FROM unlogged ORDER BY v <-> '[3,4,6]' LIMIT 2;
SELECT relpersistence, pg_relation_size('unlogged_hnsw', 'init') > 0 AS init_fork FROM pg_class WHERE relname = 'unlogged_hnsw';
ALTER TABLE unlogged SET LOGGED;
SELECT id FROM unlogged ORDER BY v <-> '[3,4,6]' LIMIT 2;
ALTER TABLE unlogged SET UNLOGGED;
INSERT INTO unlogged VALUES (5, '[3,4.5,6]');
SELECT id FROM unlogged ORDER BY v <-> '[3,4,6]' LIMIT 2;
DROP TABLE unlogged;
CREATE UNLOGGED TABLE unlogged (v vector(3));
CREATE INDEX ON unlogged USING hnsw (v vector_l2_ops);
SELECT v FROM unlogged ORDER BY v <-> '[3,4,6]';
DROP TABLE unlogged;

CREATE TEMP TABLE temporary (id int, v vector(3));
CREATE INDEX ON temporary USING hnsw (v vector_cosine_ops);
INSERT INTO temporary SELECT i, ARRAY[i, 1, 1]::vector FROM generate_series(1, 50) i;
SELECT id FROM temporary ORDER BY v <=> '[50,1,1]' LIMIT 3;
DELETE FROM temporary WHERE id > 25;
VACUUM temporary;
REINDEX TABLE temporary;
SELECT id FROM temporary ORDER BY v <=> '[50,1,1]' LIMIT 3;
DROP TABLE temporary;
BEGIN;
CREATE TEMP TABLE passing (id int, v vector(3)) ON COMMIT DELETE ROWS;
CREATE INDEX ON passing USING hnsw (v vector_l2_ops);
INSERT INTO passing VALUES (1, '[1,1,1]');
SELECT id FROM passing ORDER BY v <-> '[1,1,1]';
COMMIT;
SELECT id FROM passing ORDER BY v <-> '[1,1,1]';
INSERT INTO passing VALUES (2, '[1,1,1]');
DROP TABLE passing;

-- Partitions: an index each, under one of the whole; the rows of all come in order.
CREATE TABLE parts (kind text, id int, v vector(2)) PARTITION BY LIST (kind);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
INSERT INTO parts SELECT 'a', i, ARRAY[i, 0]::vector FROM generate_series(1, 20) i;
CREATE INDEX parts_hnsw ON parts USING hnsw (v vector_l2_ops);
CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT CASE i % 2 WHEN 0 THEN 'b' ELSE 'c' END, i, ARRAY[i, 0]::vector FROM generate_series(21, 60) i;
CREATE TABLE parts_d (LIKE parts);
INSERT INTO parts_d VALUES ('d', 0, '[20.3,0]');
ALTER TABLE parts ATTACH PARTITION parts_d FOR VALUES IN ('d');
SELECT relname, relkind FROM pg_class WHERE relname ~ '^parts.*(v_idx|hnsw)' ORDER BY relname COLLATE "C";
SELECT plan_has($$SELECT id FROM parts ORDER BY v <-> '[20.6,0]' LIMIT 5$$, 'Merge Append');
SELECT kind, id FROM parts ORDER BY v <-> '[20.6,0]' LIMIT 6;
SELECT id FROM parts WHERE kind = 'b' ORDER BY v <-> '[0,0]' LIMIT 2;
ALTER TABLE parts DETACH PARTITION parts_b;
SELECT id FROM parts_b ORDER BY v <-> '[0,0]' LIMIT 2;
SELECT kind, id FROM parts ORDER BY v <-> '[22.1,0]' LIMIT 2;
UPDATE parts SET kind = 'a' WHERE kind = 'd';
SELECT id FROM parts_a ORDER BY v <-> '[20.3,0]' LIMIT 2;
REINDEX TABLE parts;
SELECT id FROM parts_a ORDER BY v <-> '[20.3,0]' LIMIT 2;
DROP TABLE parts, parts_b;
-- inheritance
CREATE TABLE parent (id int, v vector(2));
CREATE TABLE child () INHERITS (parent);
CREATE INDEX ON parent USING hnsw (v vector_l2_ops);
CREATE INDEX ON child USING hnsw (v vector_l2_ops);
INSERT INTO parent VALUES (1, '[1,1]'), (2, '[3,3]');
INSERT INTO child VALUES (3, '[2,2]'), (4, '[4,4]');
SELECT id FROM parent ORDER BY v <-> '[0,0]';
DROP TABLE parent CASCADE;

-- Built and rebuilt while others could write.
CREATE TABLE busy (id int PRIMARY KEY, v vector(2));
INSERT INTO busy SELECT i, ARRAY[i, i % 10]::vector FROM generate_series(1, 300) i;
DELETE FROM busy WHERE id BETWEEN 101 AND 150;
CREATE INDEX CONCURRENTLY busy_hnsw ON busy USING hnsw (v vector_l2_ops);
SELECT id FROM busy ORDER BY v <-> '[100,0]' LIMIT 2;
SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'busy_hnsw'::regclass;
INSERT INTO busy VALUES (0, '[0,0]'), (1000, NULL);
REINDEX INDEX CONCURRENTLY busy_hnsw;
SELECT id FROM busy ORDER BY v <-> '[0,0]' LIMIT 2;
REINDEX INDEX busy_hnsw;
SELECT id FROM busy ORDER BY v <-> '[0,0]' LIMIT 2;
SET hnsw.ef_search = 1000;
SELECT count(*) FROM (SELECT FROM busy ORDER BY v <-> '[0,0]') AS found;
RESET hnsw.ef_search;
-- refused, it leaves an invalid index that nothing uses, and that can be dropped
CREATE INDEX CONCURRENTLY busy_refused ON busy USING hnsw (v vector_ip_ops) WITH (m = 50);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_refused'::regclass;
SELECT plan_has($$SELECT id FROM busy ORDER BY v <#> '[0,1]'$$, 'busy_refused');
DROP INDEX CONCURRENTLY busy_refused;
INSERT INTO busy VALUES (301, '[301,0]');
DROP INDEX CONCURRENTLY busy_hnsw;
SELECT count(*) FROM (SELECT FROM busy ORDER BY v <-> '[0,0]') AS found;
-- a build that is rolled back leaves nothing; one that commits serves the same transaction
BEGIN;
CREATE INDEX busy_hnsw ON busy USING hnsw (v vector_l2_ops);
SELECT id FROM busy ORDER BY v <-> '[0,0]' LIMIT 1;
ROLLBACK;
SELECT to_regclass('busy_hnsw');
BEGIN;
CREATE TABLE fresh AS SELECT id, v FROM busy WHERE id < 10;
CREATE INDEX fresh_hnsw ON fresh USING hnsw (v vector_l2_ops);
INSERT INTO fresh VALUES (10, '[0.5,0]');
SELECT id FROM fresh ORDER BY v <-> '[0.6,0]' LIMIT 1;
COMMIT;
SELECT id FROM fresh ORDER BY v <-> '[0.6,0]' LIMIT 1;
DROP TABLE fresh;
-- clustered and rewritten tables bring their indexes along
CREATE INDEX busy_hnsw ON busy USING hnsw (v vector_l2_ops);
CLUSTER busy USING busy_pkey;
SELECT id FROM busy ORDER BY v <-> '[100,0]' LIMIT 2;
VACUUM FULL busy;
SELECT id FROM busy ORDER BY v <-> '[100,0]' LIMIT 2;
ALTER TABLE busy ALTER COLUMN v TYPE vector(1) USING subvector(v, 1, 1);
SELECT id FROM busy ORDER BY v <-> '[99.8]' LIMIT 2;
CREATE TABLE busy_copy (LIKE busy INCLUDING INDEXES);
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'busy_copy'::regclass ORDER BY pg_get_indexdef(indexrelid) COLLATE "C";
ALTER INDEX busy_hnsw RENAME TO busy_renamed;
SELECT id FROM busy ORDER BY v <-> '[99.8]' LIMIT 1;
-- without a type modifier the column takes what the index, which stays, cannot
ALTER TABLE busy ALTER COLUMN v TYPE vector;
SELECT id FROM busy ORDER BY v <-> '[99.8]' LIMIT 1;
INSERT INTO busy VALUES (302, '[302]');
INSERT INTO busy VALUES (303, '[303,0]');
SELECT id FROM busy ORDER BY v <-> '[302]' LIMIT 1;
REINDEX INDEX busy_renamed;
ALTER TABLE busy ALTER COLUMN v TYPE vector(1);
SELECT id FROM busy ORDER BY v <-> '[302]' LIMIT 1;
ALTER TABLE busy DROP COLUMN v;
SELECT to_regclass('busy_renamed');
DROP TABLE busy, busy_copy;

-- Expressions and predicates.
CREATE TABLE goods (id int, category int, whole vector(4), parts real[]);
INSERT INTO goods SELECT i, i % 3, ARRAY[i, 10 - i, i % 4, 1]::vector, ARRAY[i, -i] FROM generate_series(1, 90) i;
CREATE INDEX goods_head ON goods USING hnsw ((subvector(whole, 1, 2)::vector(2)) vector_l2_ops);
CREATE INDEX goods_array ON goods USING hnsw ((parts::vector(2)) vector_cosine_ops);
CREATE INDEX goods_sum ON goods USING hnsw (((whole + '[1,1,1,1]')::vector(4)) vector_l1_ops);
CREATE INDEX goods_first ON goods USING hnsw (whole vector_l2_ops) WHERE category = 1;
INSERT INTO goods VALUES (91, 1, '[91,-81,3,1]', '{91,-91}'), (92, 2, NULL, NULL);
SELECT query, plan_has(query, 'goods_head') AS head, plan_has(query, 'goods_array') AS "array", plan_has(query, 'goods_sum') AS sum, plan_has(query, 'goods_first') AS first
FROM unnest(ARRAY[
    $$SELECT id FROM goods ORDER BY subvector(whole, 1, 2)::vector(2) <-> '[50,-40]' LIMIT 3$$,
    $$SELECT id FROM goods ORDER BY subvector(whole, 1, 2) <-> '[50,-40]' LIMIT 3$$,
    $$SELECT id FROM goods ORDER BY parts::vector(2) <=> '[50,-40]' LIMIT 3$$,
    $$SELECT id FROM goods ORDER BY (whole + '[1,1,1,1]')::vector(4) <+> '[9,9,9,9]' LIMIT 3$$,
    $$SELECT id FROM goods WHERE category = 1 ORDER BY whole <-> '[50,-40,2,1]' LIMIT 3$$,
    $$SELECT id FROM goods WHERE category = 1 AND id > 60 ORDER BY whole <-> '[50,-40,2,1]' LIMIT 3$$,
    $$SELECT id FROM goods WHERE category = 2 ORDER BY whole <-> '[50,-40,2,1]' LIMIT 3$$,
    $$SELECT id FROM goods ORDER BY whole <-> '[50,-40,2,1]' LIMIT 3$$]) query;
SELECT id FROM goods ORDER BY subvector(whole, 1, 2)::vector(2) <-> '[50.2,-40]' LIMIT 3;
SELECT id FROM goods ORDER BY (whole + '[1,1,1,1]')::vector(4) <+> '[92,-80,4,2]' LIMIT 2;
SELECT id FROM goods WHERE category = 1 ORDER BY whole <-> '[50.2,-40,2,1]' LIMIT 3;
-- searched by head, sorted by the whole
SELECT id FROM (SELECT id, whole FROM goods ORDER BY subvector(whole, 1, 2)::vector(2) <-> '[50.2,-40]' LIMIT 5) AS near ORDER BY whole <-> '[50.2,-40,0,1]' LIMIT 2;
-- rows enter and leave the predicate
UPDATE goods SET category = 1 WHERE id = 50;
SELECT id FROM goods WHERE category = 1 ORDER BY whole <-> '[50.2,-40,2,1]' LIMIT 2;
UPDATE goods SET category = 0 WHERE id IN (49, 50);
SELECT id FROM goods WHERE category = 1 ORDER BY whole <-> '[50.2,-40,2,1]' LIMIT 2;
DROP TABLE goods;

-- Foreign keys, triggers, generated columns, upserts and the index.
CREATE TABLE notes (id int PRIMARY KEY, x real, y real, v vector(2) GENERATED ALWAYS AS (ARRAY[x, y]::vector) STORED);
CREATE INDEX ON notes USING hnsw (v vector_l2_ops);
INSERT INTO notes VALUES (1, 1, 1), (2, 5, 5) ON CONFLICT (id) DO NOTHING;
INSERT INTO notes VALUES (2, 7, 7) ON CONFLICT (id) DO UPDATE SET x = EXCLUDED.x, y = EXCLUDED.y;
SELECT id, v FROM notes ORDER BY v <-> '[6.1,6.1]';
INSERT INTO notes VALUES (1, 0, 0);
SELECT id, v FROM notes ORDER BY v <-> '[0,0]';
COPY notes (id, x, y) FROM STDIN;
3	0.25	0
4	-1	0
\.
SELECT id, v FROM notes ORDER BY v <-> '[0,0]';
DROP TABLE notes;
