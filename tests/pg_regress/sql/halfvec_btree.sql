-- The default btree operator class: look-ups, order, uniqueness.
\pset format unaligned
\pset fieldsep ' => '

CREATE TABLE half_btree_rows (id int, v halfvec(2));
INSERT INTO half_btree_rows SELECT i, ARRAY[i / 20, i % 20]::halfvec FROM generate_series(0, 399) i;
INSERT INTO half_btree_rows VALUES (400, NULL), (401, '[-0,0]'), (402, '[-1,-1]');
CREATE INDEX half_btree_index ON half_btree_rows (v);
ANALYZE half_btree_rows;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;

SELECT query, plan_has(query, 'half_btree_index') AS index FROM unnest(ARRAY[
    $$SELECT id FROM half_btree_rows WHERE v = '[3,4]'$$,
    $$SELECT id FROM half_btree_rows WHERE v > '[19,15]'$$,
    $$SELECT id FROM half_btree_rows ORDER BY v$$,
    $$SELECT v FROM half_btree_rows ORDER BY v DESC$$
]) query;
SELECT id FROM half_btree_rows WHERE v = '[3,4]';
SELECT id FROM half_btree_rows WHERE v = '[0,0]' ORDER BY id;
SELECT id FROM half_btree_rows WHERE v = '[3]';
SELECT id FROM half_btree_rows WHERE v > '[19,15]' AND v <= '[19,18]' ORDER BY v;
SELECT id FROM half_btree_rows WHERE v < '[0]' ORDER BY v;
SELECT id FROM half_btree_rows WHERE v >= '[19,18]' ORDER BY v;
SELECT id FROM half_btree_rows WHERE v IN ('[1,1]', '[2,2]', '[2,2]') ORDER BY v;
SELECT id FROM half_btree_rows WHERE v IS NULL;
SELECT v FROM half_btree_rows ORDER BY v LIMIT 2;
SELECT v FROM half_btree_rows ORDER BY v DESC NULLS LAST LIMIT 2;
SELECT count(*), count(DISTINCT v) FROM half_btree_rows;
-- index order is sort order
SELECT array_agg(id) = (SELECT array_agg(id ORDER BY v) FROM half_btree_rows WHERE id BETWEEN 1 AND 400)
FROM (SELECT id FROM half_btree_rows WHERE id BETWEEN 1 AND 400 ORDER BY v) AS by_index;
-- after updates and deletes
UPDATE half_btree_rows SET v = v + '[100,0]' WHERE id < 10;
DELETE FROM half_btree_rows WHERE id BETWEEN 10 AND 390;
VACUUM half_btree_rows;
SELECT id, v FROM half_btree_rows WHERE v > '[19,17]' ORDER BY v LIMIT 4;
-- dimension errors come from the column, not from the index
SELECT id FROM half_btree_rows WHERE v = '[1,2,3]';
INSERT INTO half_btree_rows VALUES (403, '[1]');

CREATE TABLE half_btree_unique (v halfvec PRIMARY KEY);
INSERT INTO half_btree_unique VALUES ('[0]'), ('[0,0]'), ('[1]');
INSERT INTO half_btree_unique VALUES ('[-0]');
INSERT INTO half_btree_unique VALUES ('[-0]') ON CONFLICT (v) DO NOTHING;
INSERT INTO half_btree_unique VALUES (NULL);
CREATE INDEX ON half_btree_unique USING hash (v);
DROP TABLE half_btree_rows, half_btree_unique;
