-- Order of sparse vectors: that of the dense ones they stand for.
\pset format unaligned
\pset fieldsep ' => '

SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, sparsevec_cmp(a, b) AS cmp,
       (sparsevec_lt(a, b), sparsevec_le(a, b), sparsevec_eq(a, b), sparsevec_ne(a, b), sparsevec_ge(a, b), sparsevec_gt(a, b))
       = (a < b, a <= b, a = b, a != b, a >= b, a > b) AS "functions agree",
       sparsevec_cmp(b, a) = - sparsevec_cmp(a, b) AS antisymmetric
FROM (VALUES ('{1:1,2:2,3:3}/3'::sparsevec, '{1:1,2:2,3:3}/3'::sparsevec), ('{1:1,2:2,3:3}/3', '{1:1,2:2,3:4}/3'), ('{1:1,2:2,3:3}/3', '{1:1,2:3,3:2}/3'), ('{1:2}/1', '{1:1,2:9}/2'), ('{1:1}/1', '{1:1}/2'),
             ('{1:1,2:-1}/2', '{1:1}/1'), ('{}/1', '{}/1'), ('{}/1', '{}/2'), ('{2:1}/2', '{}/1'), ('{2:-1}/2', '{}/1'), ('{3:1}/3', '{3:-1}/4'), ('{2:1}/3', '{3:1}/3'),
             ('{2:-1}/3', '{3:1}/3'), ('{1:1,1000000000:1}/1000000000', '{1:1}/1000000000'), ('{5:1}/5', '{7:1}/9'), ('{5:-1}/5', '{7:1}/9'), ('{1:-1}/1', '{1:1}/1'), ('{1:1e-45}/1', '{}/1'), ('{1:3e38}/1', '{1:-3e38}/1')) AS pairs(a, b);

-- all pairs of short vectors, against the order of arrays
CREATE TABLE sparse_short AS
SELECT ARRAY[a, b, c]::real[] AS x FROM unnest(ARRAY[-1, 0, 2]) a, unnest(ARRAY[-1, 0, 2]) b, unnest(ARRAY[-1, 0, 2]) c
UNION ALL SELECT ARRAY[a, b]::real[] FROM unnest(ARRAY[-1, 0, 2]) a, unnest(ARRAY[-1, 0, 2]) b
UNION ALL SELECT ARRAY[a]::real[] FROM unnest(ARRAY[-1, 0, 2]) a;
SELECT count(*), count(*) FILTER (WHERE sparsevec_cmp(a.x::sparsevec, b.x::sparsevec) = btarraycmp(a.x, b.x)) AS "as arrays"
FROM sparse_short a, sparse_short b;
DROP TABLE sparse_short;

SELECT sparsevec_cmp(NULL, '{1:1}/1') IS NULL AS cmp, '{1:1}/1'::sparsevec = NULL AS eq;

CREATE TABLE sparse_comparison_rows (id int, v sparsevec);
INSERT INTO sparse_comparison_rows VALUES (1, '{1:2}/1'), (2, '{1:1,2:5}/2'), (3, NULL), (4, '{1:1}/1'), (5, '{}/1'), (6, '{}/1'), (7, '{1:1,2:5}/2');
SELECT v FROM sparse_comparison_rows ORDER BY v, id;
SELECT v FROM sparse_comparison_rows ORDER BY v DESC NULLS LAST, id DESC;
SELECT v, count(*) FROM sparse_comparison_rows WHERE id <> 6 GROUP BY v ORDER BY v;
SELECT count(DISTINCT v) FROM sparse_comparison_rows;
SELECT id FROM sparse_comparison_rows WHERE v IN ('{1:1}/1', '{1:1,2:5}/2') ORDER BY id;
SELECT id FROM sparse_comparison_rows WHERE v BETWEEN '{1:1}/1' AND '{1:1,2:9}/2' ORDER BY id;
SELECT id FROM sparse_comparison_rows WHERE v = ANY ('{"{}/1","{1:2}/1"}') ORDER BY id;
SELECT a.id, b.id FROM sparse_comparison_rows a JOIN sparse_comparison_rows b ON a.v = b.v AND a.id < b.id ORDER BY 1, 2;
SELECT greatest('{1:1,2:2}/2'::sparsevec, '{1:2}/1'), least('{1:1,2:2}/2'::sparsevec, '{1:1}/1'), nullif('{}/1'::sparsevec, '{}/1');
SELECT ARRAY['{1:1}/1'::sparsevec, '{1:2}/1'] < ARRAY['{1:1}/1'::sparsevec, '{1:3}/1'] AS arrays, ('{1:1}/1'::sparsevec, 2) < ('{1:1}/1', 3) AS rows;
-- there is no hashing
SET enable_sort = off;
SELECT plan_has('SELECT v FROM sparse_comparison_rows GROUP BY v', 'HashAggregate');
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT plan_has('SELECT * FROM sparse_comparison_rows a JOIN sparse_comparison_rows b USING (v)', 'Hash Join');
CREATE TABLE sparse_hash_partitions (v sparsevec) PARTITION BY HASH (v);
CREATE TABLE sparse_range_partitions (v sparsevec) PARTITION BY RANGE (v);
DROP TABLE sparse_comparison_rows, sparse_range_partitions;
