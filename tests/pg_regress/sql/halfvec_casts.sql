-- Arrays and vectors to halfvec and back.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- Every element type goes through float4, and fails in the same words.
SELECT element, literal, outcome(format('%L::%s[]::halfvec', literal, element))
FROM unnest(ARRAY['integer', 'real', 'double precision', 'numeric']) element,
     unnest(ARRAY['{1,-2,3}', '{2049}', '{2051,65519}', '{65520}', '{1,-65520}', '[5:6]={1,2}', '{}', '{{1,2},{3,4}}', '{{1}}', '{1,NULL}', '{NULL}', '{{1,NULL}}']) literal;
SELECT element, literal, outcome(format('%L::%s[]::halfvec', literal, element))
FROM unnest(ARRAY['real', 'double precision', 'numeric']) element,
     unnest(ARRAY['{0.1,-0,1e4}', '{65519.99}', '{NaN}', '{Infinity}', '{1,-Infinity}', '{NaN,70000}', '{70000,NaN}', '{1e-8,-1e-8,3e-8}']) literal;
SELECT element, literal, outcome(format('%L::%s[]::halfvec', literal, element))
FROM unnest(ARRAY['double precision', 'numeric']) element, unnest(ARRAY['{3.4e38}', '{1e39}', '{-1e39}', '{1e-46,-1e-46}', '{1e-60}', '{123456.7}']) literal;
SELECT outcome($$'{2147483647,-2147483648}'::integer[]::halfvec$$);

-- length
SELECT element, vector_dims(array_to_halfvec(a, -1, false)) FROM (SELECT 'integer', array_fill(1, ARRAY[16000])) AS ok(element, a);
SELECT element, outcome(format('array_fill(1::%s, ARRAY[16001])::halfvec', element)) FROM unnest(ARRAY['integer', 'real', 'double precision', 'numeric']) element;
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$ARRAY[1,2,3]::halfvec(3)$$,
    $$ARRAY[1,2,3]::halfvec(2)$$,
    $$ARRAY[1.5,2]::halfvec(1)$$,
    $$array_to_halfvec('{1,2}'::integer[], 3, true)$$,
    $$array_to_halfvec('{1,2}'::real[], 3, false)$$,
    $$array_to_halfvec('{1,2}'::double precision[], 2, false)$$,
    $$array_to_halfvec('{1,2}'::numeric[], -1, false)$$,
    -- nulls are found before any length, a wrong length before a bad element
    $$(array_fill(1, ARRAY[16001]) || NULL::integer)::halfvec$$,
    $$array_to_halfvec('{NaN,1}'::real[], 3, false)$$,
    $$'{NULL,NaN}'::real[]::halfvec(1)$$,
    $$array_to_halfvec(NULL::integer[], -1, false)$$
]) expression;

-- back: real[], and nothing else
SELECT '[1,-0,0.1]'::halfvec::real[], halfvec_to_float4('[1,2]', 5, true), pg_typeof(halfvec_to_float4('[1]', -1, false)),
       array_length(array_fill(1, ARRAY[16000])::halfvec::real[], 1), array_lower('[1,2]'::halfvec::real[], 1);
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'[1]'::halfvec::integer[]$$, $$'[1]'::halfvec::double precision[]$$, $$'[1]'::halfvec::numeric[]$$,
    $$'[1]'::halfvec::bit(1)$$, $$B'1'::bit(1)::halfvec$$, $$ARRAY['1']::text[]::halfvec$$, $$ARRAY[1]::bigint[]::halfvec$$,
    $$'[1,2]'::halfvec = ARRAY[1,2]::real[]$$
]) expression;

-- assignment converts arrays and halfvecs, a function's argument does not
CREATE TABLE half_cast_rows (v halfvec(2), r real[]);
INSERT INTO half_cast_rows VALUES (ARRAY[1,2], '[1,2]'::halfvec), (ARRAY[0.5,1.5], NULL), ('{3,4}'::real[], NULL), ('{5,6}'::double precision[], NULL);
SELECT * FROM half_cast_rows ORDER BY v;
SELECT outcome('l2_norm(ARRAY[3,4])'), outcome('l2_norm(ARRAY[3,4]::halfvec)');
CREATE FUNCTION first_half(a real[]) RETURNS real LANGUAGE sql AS 'SELECT a[1]';
SELECT first_half('[7,8]'::halfvec);
DROP FUNCTION first_half;
DROP TABLE half_cast_rows;

-- from vector, to vector
SELECT v, outcome(format('%L::vector::halfvec', v)), outcome(format('%L::vector::halfvec::vector', v)) FROM unnest(ARRAY[
    '[1,-0,0.1]', '[2049,2051]', '[65519]', '[65520]', '[1,-1e10]', '[1e-8,-1e-8]', '[1e-45]', '[0.33333334,1e-5]']) v;
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'[1,2]'::vector::halfvec(2)$$, $$'[1,2]'::vector::halfvec(3)$$, $$'[1,2]'::halfvec::vector(2)$$, $$'[1,2]'::halfvec::vector(3)$$,
    $$vector_to_halfvec('[1,2]', 3, true)$$, $$halfvec_to_vector('[1,2]', 1, false)$$, $$vector_to_halfvec('[1e5,2]', 3, true)$$,
    $$vector_dims(array_fill(0.1, ARRAY[16000])::vector::halfvec::vector)$$,
    -- normal and subnormal halves, there and back
    $$(SELECT count(*) FROM generate_series(0, 63487) i, LATERAL (SELECT (i / 1024 - 25)::int AS e, i % 1024 AS m) p,
       LATERAL (SELECT ARRAY[(1024 + m) * power(2::float8, e), -(1024 + m) * power(2::float8, e)] AS x) a WHERE e < 6 AND x::halfvec::vector::real[]::float8[] = x)$$,
    -- which type an operator takes, and a function's argument
    $$pg_typeof('[1]'::vector + '[2]'::halfvec)$$, $$pg_typeof('[1]'::halfvec + '[2]'::vector)$$, $$'[1,2]'::vector <-> '[2,3]'::halfvec$$,
    $$l2_norm('[3,4]'::vector)$$, $$vector_norm('[3,4]'::halfvec)$$, $$vector_norm('[3,4]'::halfvec::vector)$$, $$halfvec_add('[1]'::vector, '[2]'::vector)$$,
    $$'[1]'::vector = '[1]'::halfvec$$, $$'[0.1]'::vector = '[0.1]'::halfvec$$, $$'[0.1]'::vector = '[0.1]'::halfvec::vector$$
]) expression;
CREATE TABLE half_and_full (h halfvec(2), v vector(2), r real[]);
INSERT INTO half_and_full VALUES ('[1,2]'::vector, '[0.1,2]'::halfvec, '[0.1,2]'::halfvec);
SELECT * FROM half_and_full;
DROP TABLE half_and_full;

-- the casts leave expressions of core types unambiguous
SELECT ARRAY[1,2,3] = ARRAY[1,2,3], ARRAY[1.5] < ARRAY[2.5], ARRAY[1] || ARRAY[2], '{1}' = ARRAY[1::real];
\pset tuples_only off

SELECT '{1,NULL}'::real[]::halfvec;
SELECT '{{1}}'::integer[]::halfvec;
SELECT ARRAY[1,2]::halfvec(3);
SELECT '{}'::double precision[]::halfvec;
SELECT '[1]'::halfvec::integer[];
