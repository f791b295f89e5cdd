-- The default btree operator class: look-ups, order, uniqueness.
\pset format unaligned
\pset fieldsep ' => '

CREATE TABLE sparse_btree_rows (id int, v sparsevec(2));
INSERT INTO sparse_btree_rows SELECT i, ARRAY[i / 20, i % 20]::sparsevec FROM generate_series(0, 399) i;
INSERT INTO sparse_btree_rows VALUES (400, NULL), (401, '{}/2'), (402, '{1:-1,2:-1}/2');
CREATE INDEX sparse_btree_index ON sparse_btree_rows (v);
ANALYZE sparse_btree_rows;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;

SELECT query, plan_has(query, 'sparse_btree_index') AS index FROM unnest(ARRAY[
    $$SELECT id FROM sparse_btree_rows WHERE v = '{1:3,2:4}/2'$$,
    $$SELECT id FROM sparse_btree_rows WHERE v > '{1:19,2:15}/2'$$,
    $$SELECT id FROM sparse_btree_rows ORDER BY v$$,
    $$SELECT v FROM sparse_btree_rows ORDER BY v DESC$$
]) query;
SELECT id FROM sparse_btree_rows WHERE v = '{1:3,2:4}/2';
SELECT id FROM sparse_btree_rows WHERE v = '{}/2' ORDER BY id;
SELECT id FROM sparse_btree_rows WHERE v = '{1:3}/1';
SELECT id FROM sparse_btree_rows WHERE v > '{1:19,2:15}/2' AND v <= '{1:19,2:18}/2' ORDER BY v;
SELECT id FROM sparse_btree_rows WHERE v < '{}/1' ORDER BY v;
SELECT id FROM sparse_btree_rows WHERE v >= '{1:19,2:18}/2' ORDER BY v;
SELECT id FROM sparse_btree_rows WHERE v IN ('{1:1,2:1}/2', '{1:2,2:2}/2', '{1:2,2:2}/2') ORDER BY v;
SELECT id FROM sparse_btree_rows WHERE v IS NULL;
SELECT v FROM sparse_btree_rows ORDER BY v LIMIT 2;
SELECT v FROM sparse_btree_rows ORDER BY v DESC NULLS LAST LIMIT 2;
SELECT count(*), count(DISTINCT v) FROM sparse_btree_rows;
-- index order is sort order
SELECT array_agg(id) = (SELECT array_agg(id ORDER BY v) FROM sparse_btree_rows WHERE id BETWEEN 1 AND 400)
FROM (SELECT id FROM sparse_btree_rows WHERE id BETWEEN 1 AND 400 ORDER BY v) AS by_index;
-- after updates and deletes
UPDATE sparse_btree_rows SET v = (v::vector + '[100,0]')::sparsevec WHERE id < 10;
DELETE FROM sparse_btree_rows WHERE id BETWEEN 10 AND 390;
VACUUM sparse_btree_rows;
SELECT id, v FROM sparse_btree_rows WHERE v > '{1:19,2:17}/2' ORDER BY v LIMIT 4;
-- dimension errors come from the column, not from the index
SELECT id FROM sparse_btree_rows WHERE v = '{1:1,2:2,3:3}/3';
INSERT INTO sparse_btree_rows VALUES (403, '{1:1}/1');

CREATE TABLE sparse_btree_unique (v sparsevec PRIMARY KEY);
INSERT INTO sparse_btree_unique VALUES ('{}/1'), ('{}/2'), ('{1:1}/1');
INSERT INTO sparse_btree_unique VALUES ('{}/1');
INSERT INTO sparse_btree_unique VALUES ('{}/1') ON CONFLICT (v) DO NOTHING;
INSERT INTO sparse_btree_unique VALUES (NULL);
CREATE INDEX ON sparse_btree_unique USING hash (v);
DROP TABLE sparse_btree_rows, sparse_btree_unique;
