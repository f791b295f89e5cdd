-- + - * and ||, element by element.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

SELECT a, o, b, outcome(format('%L::halfvec %s %L', a, o, b)), outcome(format('%s(%L, %L)', f, a, b)) = outcome(format('%L::halfvec %s %L', a, o, b))
FROM (VALUES ('+', 'halfvec_add'), ('-', 'halfvec_sub'), ('*', 'halfvec_mul'), ('||', 'halfvec_concat')) AS os(o, f),
     (VALUES ('[1,2,3]', '[4,5,6]'), ('[0.1]', '[0.2]'), ('[0,-0]', '[-0,-0]'), ('[2048]', '[1]'), ('[2050]', '[1]'),
             ('[6e4]', '[6e4]'), ('[6e4]', '[-6e4]'), ('[65504]', '[15]'), ('[65504]', '[16]'), ('[1e-5]', '[1e-5]'), ('[1e-5]', '[-1e-5]'),
             ('[1e-5,0]', '[0,1e-5]'), ('[1e-3]', '[1e-4]'), ('[6e-8]', '[0.5]'), ('[6e-8]', '[0.6]'), ('[300]', '[300]'), ('[1,6e4]', '[6e-8,6e-8]'),
             ('[1e-5,6e4]', '[1e-5,6e4]'), ('[6e4,1e-5]', '[6e4,1e-5]'), -- the first element decides
             ('[1,2]', '[3]'), ('[1]', '[2,3]')) AS pairs(a, b);

-- every length around a register width
WITH arrays AS (
    SELECT d, array_agg(i::float4 ORDER BY i) AS a, array_agg(3::float4 - i ORDER BY i) AS b, array_agg(3::float4 ORDER BY i) AS sum,
           array_agg((2 * i - 3)::float4 ORDER BY i) AS difference, array_agg((i * (3 - i))::float4 ORDER BY i) AS product
    FROM generate_series(1, 70) d, LATERAL generate_series(1, d) i GROUP BY d
)
SELECT count(*),
       count(*) FILTER (WHERE a::halfvec + b::halfvec = sum::halfvec),
       count(*) FILTER (WHERE a::halfvec - b::halfvec = difference::halfvec),
       count(*) FILTER (WHERE a::halfvec * b::halfvec = product::halfvec),
       count(*) FILTER (WHERE a::halfvec || b::halfvec = (a || b)::halfvec)
FROM arrays;

SELECT vector_dims(array_fill(1, ARRAY[15999])::halfvec || '[1]');
SELECT outcome('array_fill(1, ARRAY[16000])::halfvec || ''[1]''');
SELECT halfvec_add(NULL, '[1]') IS NULL, '[1]'::halfvec || NULL IS NULL;
\pset tuples_only off

SELECT '[1,2]'::halfvec + '[1]';
SELECT '[6e4]'::halfvec - '[-6e4]';
SELECT '[1e-5]'::halfvec * '[1e-5]';
