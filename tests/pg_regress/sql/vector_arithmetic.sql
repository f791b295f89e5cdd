-- + - * and ||, element by element.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

SELECT a, o, b, outcome(format('%L::vector %s %L', a, o, b)), outcome(format('%s(%L, %L)', f, a, b)) = outcome(format('%L::vector %s %L', a, o, b))
FROM (VALUES ('+', 'vector_add'), ('-', 'vector_sub'), ('*', 'vector_mul'), ('||', 'vector_concat')) AS os(o, f),
     (VALUES ('[1,2,3]', '[4,5,6]'), ('[0.1]', '[0.2]'), ('[0,-0]', '[-0,-0]'), ('[16777216]', '[1]'),
             ('[3e38]', '[3e38]'), ('[3e38]', '[-3e38]'), ('[1e-30]', '[1e-30]'), ('[1e-30]', '[-1e-30]'),
             ('[1e-30,0]', '[0,1e-30]'), ('[1e-20]', '[1e-20]'), ('[1e-40]', '[2e-40]'), ('[1,3e38]', '[1e-45,1e-45]'),
             ('[1e-30,3e38]', '[1e-30,3e38]'), ('[3e38,1e-30]', '[3e38,1e-30]'), -- the first element decides
             ('[1,2]', '[3]'), ('[1]', '[2,3]')) AS pairs(a, b);

-- every length around a register width
WITH arrays AS (
    SELECT d, array_agg(i::float4 ORDER BY i) AS a, array_agg(3::float4 - i ORDER BY i) AS b, array_agg(3::float4 ORDER BY i) AS sum,
           array_agg((2 * i - 3)::float4 ORDER BY i) AS difference, array_agg((i * (3 - i))::float4 ORDER BY i) AS product
    FROM generate_series(1, 70) d, LATERAL generate_series(1, d) i GROUP BY d
)
SELECT count(*),
       count(*) FILTER (WHERE a::vector + b::vector = sum::vector),
       count(*) FILTER (WHERE a::vector - b::vector = difference::vector),
       count(*) FILTER (WHERE a::vector * b::vector = product::vector),
       count(*) FILTER (WHERE a::vector || b::vector = (a || b)::vector)
FROM arrays;

SELECT vector_dims(array_fill(1, ARRAY[15999])::vector || '[1]');
SELECT outcome('array_fill(1, ARRAY[16000])::vector || ''[1]''');
SELECT vector_add(NULL, '[1]') IS NULL, '[1]'::vector || NULL IS NULL;
\pset tuples_only off

SELECT '[1,2]'::vector + '[1]';
SELECT '[3e38]'::vector - '[-3e38]';
SELECT '[1e-30]'::vector * '[1e-30]';
