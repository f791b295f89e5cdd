-- Order of vectors: element by element, then the shorter first. Lengths may differ.
\pset format unaligned
\pset fieldsep ' => '

SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, vector_cmp(a, b) AS cmp,
       (vector_lt(a, b), vector_le(a, b), vector_eq(a, b), vector_ne(a, b), vector_ge(a, b), vector_gt(a, b))
       = (a < b, a <= b, a = b, a != b, a >= b, a > b) AS "functions agree",
       vector_cmp(b, a) = - vector_cmp(a, b) AS antisymmetric
FROM (VALUES ('[1,2,3]'::vector, '[1,2,3]'::vector), ('[1,2,3]', '[1,2,4]'), ('[1,2,3]', '[1,3,2]'), ('[2]', '[1,9]'), ('[1]', '[1,0]'),
             ('[1,-1]', '[1]'), ('[0]', '[-0]'), ('[-0,1]', '[0]'), ('[-1]', '[1]'), ('[1e-45]', '[0]'), ('[3e38]', '[-3e38]')) AS pairs(a, b);

SELECT vector_cmp(NULL, '[1]') IS NULL AS cmp, '[1]'::vector = NULL AS eq;

CREATE TABLE comparison_rows (id int, v vector);
INSERT INTO comparison_rows VALUES (1, '[2]'), (2, '[1,5]'), (3, NULL), (4, '[1]'), (5, '[-0]'), (6, '[0]'), (7, '[1,5]');
SELECT v FROM comparison_rows ORDER BY v, id;
SELECT v FROM comparison_rows ORDER BY v DESC NULLS LAST, id DESC;
SELECT v, count(*) FROM comparison_rows WHERE id <> 6 GROUP BY v ORDER BY v;
SELECT count(DISTINCT v) FROM comparison_rows;
SELECT id FROM comparison_rows WHERE v IN ('[1]', '[1,5]') ORDER BY id;
SELECT id FROM comparison_rows WHERE v BETWEEN '[1]' AND '[1,9]' ORDER BY id;
SELECT id FROM comparison_rows WHERE v = ANY ('{"[0]","[2]"}') ORDER BY id;
SELECT a.id, b.id FROM comparison_rows a JOIN comparison_rows b ON a.v = b.v AND a.id < b.id ORDER BY 1, 2;
SELECT greatest('[1,2]'::vector, '[2]'), least('[1,2]'::vector, '[1]'), nullif('[0]'::vector, '[-0]');
SELECT ARRAY['[1]'::vector, '[2]'] < ARRAY['[1]'::vector, '[3]'] AS arrays, ('[1]'::vector, 2) < ('[1]', 3) AS rows;
-- there is no hashing
SET enable_sort = off;
SELECT plan_has('SELECT v FROM comparison_rows GROUP BY v', 'HashAggregate');
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT plan_has('SELECT * FROM comparison_rows a JOIN comparison_rows b USING (v)', 'Hash Join');
CREATE TABLE hash_partitions (v vector) PARTITION BY HASH (v);
CREATE TABLE range_partitions (v vector) PARTITION BY RANGE (v);
DROP TABLE comparison_rows, range_partitions;
