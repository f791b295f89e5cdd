-- How a halfvec lies in a row: 8 bytes and 2 for each dimension, never compressed, moved out of
-- line when large, with the short header when small.
\pset format unaligned
\pset fieldsep ' => '

SELECT d, pg_column_size(array_fill(1, ARRAY[d])::halfvec) AS size FROM unnest(ARRAY[1, 2, 3, 60, 61, 62, 1536, 16000]) d;

CREATE TABLE half_storage_rows (v halfvec);
INSERT INTO half_storage_rows SELECT array_fill(1, ARRAY[d])::halfvec FROM unnest(ARRAY[1, 60, 61, 62, 100, 800, 1200, 16000]) d;
SELECT vector_dims(v) AS d, pg_column_size(v) AS stored, l2_norm(v) = sqrt(vector_dims(v)) AS intact, v = array_fill(1, ARRAY[vector_dims(v)])::halfvec AS equal
FROM half_storage_rows ORDER BY d;
SELECT pg_relation_size(reltoastrelid) > 0 AS "out of line" FROM pg_class WHERE oid = 'half_storage_rows'::regclass;

-- functions see the same value however it is stored
SELECT vector_dims(a.v) AS d, a.v <-> b.v AS l2, vector_dims(a.v + b.v) AS sum, (a.v || b.v) = (b.v || a.v) AS concat, halfvec_cmp(a.v, b.v) AS cmp
FROM half_storage_rows a JOIN half_storage_rows b ON vector_dims(a.v) = vector_dims(b.v) WHERE vector_dims(a.v) < 8001 ORDER BY d;

-- a column may keep its values in line
ALTER TABLE half_storage_rows ALTER v SET STORAGE PLAIN;
INSERT INTO half_storage_rows VALUES (array_fill(2, ARRAY[1400])::halfvec);
SELECT vector_dims(v) AS d, pg_column_size(v) AS stored FROM half_storage_rows WHERE v >= '[2]' ORDER BY d;
INSERT INTO half_storage_rows VALUES (array_fill(2, ARRAY[6000])::halfvec);
ANALYZE half_storage_rows;
SELECT attname, null_frac, avg_width > 0 AS width FROM pg_stats WHERE tablename = 'half_storage_rows';
DROP TABLE half_storage_rows;
