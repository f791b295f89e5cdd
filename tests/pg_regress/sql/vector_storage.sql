-- How a vector lies in a row: 8 bytes and 4 for each dimension, never compressed, moved out of
-- line when large, with the short header when small.
\pset format unaligned
\pset fieldsep ' => '

SELECT d, pg_column_size(array_fill(1, ARRAY[d])::vector) AS size FROM unnest(ARRAY[1, 2, 3, 30, 31, 1536, 16000]) d;

CREATE TABLE storage_rows (v vector);
INSERT INTO storage_rows SELECT array_fill(1, ARRAY[d])::vector FROM unnest(ARRAY[1, 30, 31, 100, 400, 600, 16000]) d;
SELECT vector_dims(v) AS d, pg_column_size(v) AS stored, vector_norm(v) = sqrt(vector_dims(v)) AS intact, v = array_fill(1, ARRAY[vector_dims(v)])::vector AS equal
FROM storage_rows ORDER BY d;
SELECT pg_relation_size(reltoastrelid) > 0 AS "out of line" FROM pg_class WHERE oid = 'storage_rows'::regclass;

-- functions see the same value however it is stored
SELECT vector_dims(a.v) AS d, a.v <-> b.v AS l2, vector_dims(a.v + b.v) AS sum, (a.v || b.v) = (b.v || a.v) AS concat, vector_cmp(a.v, b.v) AS cmp
FROM storage_rows a JOIN storage_rows b ON vector_dims(a.v) = vector_dims(b.v) WHERE vector_dims(a.v) < 8001 ORDER BY d;

-- a column may keep its values in line
ALTER TABLE storage_rows ALTER v SET STORAGE PLAIN;
INSERT INTO storage_rows VALUES (array_fill(2, ARRAY[700])::vector);
SELECT vector_dims(v) AS d, pg_column_size(v) AS stored FROM storage_rows WHERE v >= '[2]' ORDER BY d;
INSERT INTO storage_rows VALUES (array_fill(2, ARRAY[3000])::vector);
ANALYZE storage_rows;
SELECT attname, null_frac, avg_width > 0 AS width FROM pg_stats WHERE tablename = 'storage_rows';
DROP TABLE storage_rows;
