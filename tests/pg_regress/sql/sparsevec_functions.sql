-- Distances and norms of sparse vectors.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- each distance as function and as operator
SELECT f, a, b, outcome(format('%s(%L::sparsevec, %L)', f, a, b)), outcome(format('%L::sparsevec %s %L', a, o, b))
FROM (VALUES ('l2_distance', '<->'), ('inner_product', '<#>'), ('cosine_distance', '<=>'), ('l1_distance', '<+>')) AS fs(f, o),
     (VALUES ('{}/2', '{1:3,2:4}/2'), ('{1:3}/2', '{2:4}/2'), ('{1:1,2:2,3:3}/3', '{1:1,2:2,3:3}/3'), ('{1:1,3:2}/5', '{2:3,3:4,5:5}/5'),
             ('{1:1,2:1}/2', '{1:-1,2:-1}/2'), ('{}/2', '{}/2'), ('{1:1}/2', '{}/2'), ('{1:1,2:2,3:2}/3', '{1:1,2:1,3:4}/3'), ('{2:1,4:1,6:1}/9', '{1:1,4:1,9:1}/9'),
             ('{1:3e38}/1', '{1:-3e38}/1'), ('{1:3e38}/1', '{1:3e38}/1'), ('{1:1e-30}/1', '{1:2e-30}/1'),
             ('{1:1,1000000000:2}/1000000000', '{2:1,1000000000:4}/1000000000'), ('{1:1}/2', '{1:1}/1'), ('{}/1', '{}/1000000000')) AS pairs(a, b);

SELECT f, a, b, outcome(format('%s(%L, %L)', f, a, b))
FROM unnest(ARRAY['sparsevec_l2_squared_distance', 'sparsevec_negative_inner_product']) f,
     (VALUES ('{}/2', '{1:3,2:4}/2'), ('{1:2}/3', '{3:5}/3'), ('{1:2,3:1}/3', '{3:5}/3'), ('{1:3e38}/1', '{1:-3e38}/1'), ('{1:1}/2', '{1:1}/1')) AS pairs(a, b);

-- Many patterns of zeros, with values whose sums are exact in any order: as the dense vectors.
WITH arrays AS (
    SELECT d, s, array_agg((CASE WHEN i * 7 % (s + 2) = 0 THEN i * 3 % 11 - 5 ELSE 0 END)::real ORDER BY i) AS a,
           array_agg((CASE WHEN i * 5 % (s + 3) < 2 THEN i * 5 % 13 - 6 ELSE 0 END)::real ORDER BY i) AS b
    FROM generate_series(1, 40) d, generate_series(0, 6) s, LATERAL generate_series(1, d) i GROUP BY d, s
), vectors AS (SELECT a::vector AS a, b::vector AS b, a::sparsevec AS x, b::sparsevec AS y FROM arrays)
SELECT count(*),
       count(*) FILTER (WHERE l2_distance(x, y) = l2_distance(a, b) AND sparsevec_l2_squared_distance(x, y) = vector_l2_squared_distance(a, b)),
       count(*) FILTER (WHERE inner_product(x, y) = inner_product(a, b) AND x <#> y = a <#> b),
       count(*) FILTER (WHERE cosine_distance(x, y) = cosine_distance(a, b)),
       count(*) FILTER (WHERE l1_distance(x, y) = l1_distance(a, b)),
       count(*) FILTER (WHERE l2_norm(x) = vector_norm(a)),
       count(*) FILTER (WHERE sparsevec_cmp(x, y) = vector_cmp(a, b)),
       count(*) FILTER (WHERE l2_normalize(x) = l2_normalize(a)::sparsevec)
FROM vectors;

SELECT l2_distance(NULL::sparsevec, '{}/1') IS NULL, '{}/1'::sparsevec <=> NULL IS NULL, l2_norm(NULL::sparsevec) IS NULL;

-- elements that become zero are left out
SELECT v, l2_norm(v::sparsevec), outcome(format('l2_normalize(%L::sparsevec)', v)) FROM unnest(ARRAY['{1:3,3:4}/5', '{}/5', '{2:-5}/2', '{1:1,2:1}/2',
    '{1:0.1}/1', '{1:3e38,2:3e38}/3', '{1:1e-45}/1', '{1:1e-45,2:-1e-45}/2', '{1:1e-30,2:1e30}/2', '{1:1e-20,9:1e-20}/9']) v;

CREATE TABLE sparse_function_rows (id int, v sparsevec(3));
INSERT INTO sparse_function_rows VALUES (1, '{}/3'), (2, '{1:1,2:2,3:3}/3'), (3, '{1:1,2:1,3:1}/3'), (4, NULL), (5, '{1:1,3:4}/3');
SELECT id, v <-> '{1:3,2:3,3:3}/3' AS distance FROM sparse_function_rows ORDER BY distance LIMIT 3;
SELECT id, v FROM sparse_function_rows ORDER BY v <=> '{1:1,2:1,3:2}/3', id;
PREPARE nearest_sparse AS SELECT id, cosine_distance(v, $1) FROM sparse_function_rows WHERE l2_norm(v) > 0 ORDER BY v <=> $1 LIMIT 1;
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'nearest_sparse';
EXECUTE nearest_sparse('{1:2,2:2,3:2}/3');
-- what a dense type can and this one cannot; || is that of text
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'{1:1}/1'::sparsevec + '{1:1}/1'$$, $$'{1:1}/1'::sparsevec || '{1:1}/1'$$, $$(SELECT sum(v) FROM sparse_function_rows)$$, $$(SELECT avg(v) FROM sparse_function_rows)$$,
    $$vector_dims('{1:1}/1'::sparsevec)$$, $$subvector('{1:1}/1'::sparsevec, 1, 1)$$, $$binary_quantize('{1:1}/1'::sparsevec)$$, $$l2_norm('{3:1}/3'::sparsevec)$$
]) expression;
DROP TABLE sparse_function_rows;
\pset tuples_only off

SELECT l2_distance('{1:1}/2'::sparsevec, '{1:1}/1');
SELECT '{1:1}/1'::sparsevec <+> '{}/2';
