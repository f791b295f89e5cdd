-- How a sparsevec lies in a row: 16 bytes and 8 for each element, never compressed, moved out of line when large, with the
-- short header when small.
\pset format unaligned
\pset fieldsep ' => '

SELECT n, pg_column_size((array_fill(1, ARRAY[n]) || array_fill(0, ARRAY[3]))::sparsevec) AS size FROM unnest(ARRAY[1, 2, 13, 14, 15, 1000, 16000]) n;
SELECT pg_column_size('{}/1'::sparsevec), pg_column_size('{}/1000000000'::sparsevec), pg_column_size('{1:0}/1'::sparsevec);

CREATE TABLE sparse_storage_rows (v sparsevec);
INSERT INTO sparse_storage_rows SELECT array_fill(1, ARRAY[n])::sparsevec FROM unnest(ARRAY[1, 13, 14, 15, 100, 240, 400, 16000]) n;
INSERT INTO sparse_storage_rows VALUES ('{}/1000000000');
SELECT l2_norm(v) ^ 2 AS n, pg_column_size(v) AS stored FROM sparse_storage_rows ORDER BY round(l2_norm(v) ^ 2);
SELECT pg_relation_size(reltoastrelid) > 0 AS "out of line" FROM pg_class WHERE oid = 'sparse_storage_rows'::regclass;
-- functions see the same value however it is stored
SELECT count(*), count(*) FILTER (WHERE a.v <-> b.v = 0), count(*) FILTER (WHERE a.v::text::sparsevec = b.v) FROM sparse_storage_rows a JOIN sparse_storage_rows b ON a.v = b.v;

ALTER TABLE sparse_storage_rows ALTER v SET STORAGE PLAIN;
INSERT INTO sparse_storage_rows VALUES (array_fill(2, ARRAY[700])::sparsevec);
INSERT INTO sparse_storage_rows VALUES (array_fill(2, ARRAY[3000])::sparsevec);
DROP TABLE sparse_storage_rows;
