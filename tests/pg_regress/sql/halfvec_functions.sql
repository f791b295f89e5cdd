-- Distances, norms and the functions that take a halfvec apart.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- each distance as function and as operator
SELECT f, a, b, outcome(format('%s(%L::halfvec, %L)', f, a, b)), outcome(format('%L::halfvec %s %L', a, o, b))
FROM (VALUES ('l2_distance', '<->'), ('inner_product', '<#>'), ('cosine_distance', '<=>'), ('l1_distance', '<+>')) AS fs(f, o),
     (VALUES ('[0,0]', '[3,4]'), ('[1,2,3]', '[1,2,3]'), ('[1,2,3]', '[4,5,6]'), ('[1,1]', '[-1,-1]'), ('[1,0]', '[0,1]'),
             ('[0,0]', '[0,0]'), ('[1,2]', '[0,0]'), ('[-0]', '[0]'), ('[1,1,1]', '[2,2,2]'), ('[1,2,2]', '[1,1,4]'),
             ('[6e4]', '[-6e4]'), ('[6e4]', '[6e4]'), ('[1e-7]', '[0]'), ('[1e-7]', '[2e-7]'), ('[0.1,0.2]', '[0.3,0.4]'),
             ('[1,2]', '[1]'), ('[1]', '[1,2,3]')) AS pairs(a, b);

-- as clients compare them, to the last bit
SELECT '[1,1,1]'::halfvec <-> '[2,2,2]' = sqrt(3::float8), '[1,1,1]'::halfvec <=> '[1,1,2]' = 0.05719095841793653;

-- the functions behind the index operator classes
SELECT f, a, b, outcome(format('%s(%L, %L)', f, a, b))
FROM unnest(ARRAY['halfvec_l2_squared_distance', 'halfvec_negative_inner_product', 'halfvec_spherical_distance']) f,
     (VALUES ('[0,0]', '[3,4]'), ('[1,0]', '[0,1]'), ('[1,0]', '[1,0]'), ('[1,0]', '[-1,0]'), ('[2,0]', '[2,0]'),
             ('[2,0]', '[-2,0]'), ('[6e4]', '[-6e4]'), ('[6e4,6e4]', '[6e4,-6e4]'), ('[1,2]', '[1]')) AS pairs(a, b);

-- Lengths around every register width, with values whose sums are exact in any order.
WITH pairs AS (
    SELECT d, array_agg((i * 7 % 11 - 5)::float8 ORDER BY i) AS a, array_agg((i * 5 % 13 - 6)::float8 ORDER BY i) AS b,
           sum(power(i * 7 % 11 - 5 - (i * 5 % 13 - 6), 2)) AS l2, sum((i * 7 % 11 - 5) * (i * 5 % 13 - 6)) AS ip,
           sum(abs(i * 7 % 11 - 5 - (i * 5 % 13 - 6))) AS l1, sum(power(i * 7 % 11 - 5, 2)) AS aa, sum(power(i * 5 % 13 - 6, 2)) AS bb
    FROM generate_series(1, 150) d, LATERAL generate_series(1, d) i GROUP BY d
), vectors AS (SELECT *, a::halfvec AS v, b::halfvec AS w FROM pairs)
SELECT count(*),
       count(*) FILTER (WHERE halfvec_l2_squared_distance(v, w) = l2),
       count(*) FILTER (WHERE l2_distance(v, w) = sqrt(l2)),
       count(*) FILTER (WHERE inner_product(v, w) = ip AND halfvec_negative_inner_product(v, w) = -ip),
       count(*) FILTER (WHERE cosine_distance(v, w) = 1 - ip / sqrt(aa::float8 * bb::float8)),
       count(*) FILTER (WHERE l1_distance(v, w) = l1),
       count(*) FILTER (WHERE l2_norm(v) = sqrt(aa)),
       count(*) FILTER (WHERE vector_dims(v) = d AND length(binary_quantize(v)) = d)
FROM vectors;

-- NULL in, NULL out
SELECT l2_distance(NULL::halfvec, '[1]') IS NULL, '[1]'::halfvec <=> NULL IS NULL, l2_norm(NULL) IS NULL,
       subvector('[1]'::halfvec, NULL, 1) IS NULL;

SELECT v, vector_dims(v::halfvec), l2_norm(v::halfvec), l2_normalize(v::halfvec), binary_quantize(v::halfvec)
FROM unnest(ARRAY['[3,4]', '[0,0]', '[-0]', '[1]', '[-5]', '[0,1]', '[1,1]', '[0.1]', '[6e4,6e4]', '[65504]', '[6e-8]',
                  '[6e-8,-6e-8]', '[6e-8,6e4]', '[1e-4,1e-4]', '[0.1,0.7,-0.3]', '[0,1,-2,-3,4,5,6,-7,8,-9,2]']) v;
SELECT pg_typeof(binary_quantize('[1,-1]'::halfvec)), binary_quantize('[1,-1,2]'::halfvec)::bit(3);

SELECT start, count, outcome(format('subvector(''[1,2,3,4,5]''::halfvec, %s, %s)', start, count))
FROM (VALUES (1, 5), (1, 3), (3, 2), (5, 1), (1, 6), (4, 9), (3, 2147483647), (2147483647, 1), (2147483647, 2147483647),
             (6, 1), (5, 0), (1, -1), (1, '-2147483648'), (0, 1), (0, 2), (-1, 2), (-1, 3), (-1, 9), (-9, 3),
             ('-2147483648', 2147483647), ('-2147483648', '-2147483648')) AS cases(start, count);

-- in an expression index, and in ORDER BY through an output name
CREATE TABLE half_function_rows (id int, v halfvec(3));
INSERT INTO half_function_rows VALUES (1, '[0,0,0]'), (2, '[1,2,3]'), (3, '[1,1,1]'), (4, NULL), (5, '[1,2,4]');
CREATE INDEX ON half_function_rows (l2_norm(v), (subvector(v, 1, 2)::halfvec(2)));
SELECT id, v <-> '[3,3,3]' AS distance FROM half_function_rows ORDER BY distance LIMIT 3;
SELECT id, v FROM half_function_rows ORDER BY v <=> '[1,1,2]', id;
SELECT id FROM half_function_rows WHERE v <-> '[1,2,3]' < 2 ORDER BY id;
-- an untyped parameter takes the type of the other side
PREPARE nearest_half AS SELECT id, cosine_distance(v, $1) FROM half_function_rows WHERE l2_norm(v) > 0 ORDER BY v <=> $1 LIMIT 1;
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'nearest_half';
EXECUTE nearest_half('[2,2,2]');
DROP TABLE half_function_rows;
\pset tuples_only off

-- as a user sees them
SELECT l2_distance('[1,2]'::halfvec, '[1]');
SELECT '[1]'::halfvec <+> '[1,2]';
SELECT subvector('[1]'::halfvec, 2, 1);
SELECT - '[1]'::halfvec;
