-- Order of vectors: element by element, then the shorter first. Lengths may differ.
\pset format unaligned
\pset fieldsep ' => '

SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, halfvec_cmp(a, b) AS cmp,
       (halfvec_lt(a, b), halfvec_le(a, b), halfvec_eq(a, b), halfvec_ne(a, b), halfvec_ge(a, b), halfvec_gt(a, b))
       = (a < b, a <= b, a = b, a != b, a >= b, a > b) AS "functions agree",
       halfvec_cmp(b, a) = - halfvec_cmp(a, b) AS antisymmetric
FROM (VALUES ('[1,2,3]'::halfvec, '[1,2,3]'::halfvec), ('[1,2,3]', '[1,2,4]'), ('[1,2,3]', '[1,3,2]'), ('[2]', '[1,9]'), ('[1]', '[1,0]'),
             ('[1,-1]', '[1]'), ('[0]', '[-0]'), ('[-0,1]', '[0]'), ('[-1]', '[1]'), ('[6e-8]', '[0]'), ('[6e4]', '[-6e4]'), ('[2048]', '[2049]')) AS pairs(a, b);

SELECT halfvec_cmp(NULL, '[1]') IS NULL AS cmp, '[1]'::halfvec = NULL AS eq;

CREATE TABLE half_comparison_rows (id int, v halfvec);
INSERT INTO half_comparison_rows VALUES (1, '[2]'), (2, '[1,5]'), (3, NULL), (4, '[1]'), (5, '[-0]'), (6, '[0]'), (7, '[1,5]');
SELECT v FROM half_comparison_rows ORDER BY v, id;
SELECT v FROM half_comparison_rows ORDER BY v DESC NULLS LAST, id DESC;
SELECT v, count(*) FROM half_comparison_rows WHERE id <> 6 GROUP BY v ORDER BY v;
SELECT count(DISTINCT v) FROM half_comparison_rows;
SELECT id FROM half_comparison_rows WHERE v IN ('[1]', '[1,5]') ORDER BY id;
SELECT id FROM half_comparison_rows WHERE v BETWEEN '[1]' AND '[1,9]' ORDER BY id;
SELECT id FROM half_comparison_rows WHERE v = ANY ('{"[0]","[2]"}') ORDER BY id;
SELECT a.id, b.id FROM half_comparison_rows a JOIN half_comparison_rows b ON a.v = b.v AND a.id < b.id ORDER BY 1, 2;
SELECT greatest('[1,2]'::halfvec, '[2]'), least('[1,2]'::halfvec, '[1]'), nullif('[0]'::halfvec, '[-0]');
SELECT ARRAY['[1]'::halfvec, '[2]'] < ARRAY['[1]'::halfvec, '[3]'] AS arrays, ('[1]'::halfvec, 2) < ('[1]', 3) AS rows;
-- there is no hashing
SET enable_sort = off;
SELECT plan_has('SELECT v FROM half_comparison_rows GROUP BY v', 'HashAggregate');
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT plan_has('SELECT * FROM half_comparison_rows a JOIN half_comparison_rows b USING (v)', 'Hash Join');
CREATE TABLE half_hash_partitions (v halfvec) PARTITION BY HASH (v);
CREATE TABLE half_range_partitions (v halfvec) PARTITION BY RANGE (v);
DROP TABLE half_comparison_rows, half_range_partitions;
