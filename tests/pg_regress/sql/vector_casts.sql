-- Arrays to vectors and back.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- Every element type goes through float4, and fails in the same words.
SELECT element, literal, outcome(format('%L::%s[]::vector', literal, element))
FROM unnest(ARRAY['integer', 'real', 'double precision', 'numeric']) element,
     unnest(ARRAY['{1,-2,3}', '{16777217}', '[5:6]={1,2}', '{}', '{{1,2},{3,4}}', '{{1}}', '{1,NULL}', '{NULL}', '{{1,NULL}}']) literal;
SELECT element, literal, outcome(format('%L::%s[]::vector', literal, element))
FROM unnest(ARRAY['real', 'double precision', 'numeric']) element,
     unnest(ARRAY['{0.1,-0,1e10}', '{NaN}', '{Infinity}', '{1,-Infinity}']) literal;
SELECT element, literal, outcome(format('%L::%s[]::vector', literal, element))
FROM unnest(ARRAY['double precision', 'numeric']) element, unnest(ARRAY['{3.4e38}', '{1e39}', '{-1e39}', '{1e-46,-1e-46}', '{1e-60}']) literal;
SELECT outcome($$'{2147483647,-2147483648}'::integer[]::vector$$);

-- length
SELECT element, vector_dims(array_to_vector(a, -1, false)) FROM (SELECT 'integer', array_fill(1, ARRAY[16000])) AS ok(element, a);
SELECT element, outcome(format('array_fill(1::%s, ARRAY[16001])::vector', element)) FROM unnest(ARRAY['integer', 'real', 'double precision', 'numeric']) element;
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$ARRAY[1,2,3]::vector(3)$$,
    $$ARRAY[1,2,3]::vector(2)$$,
    $$ARRAY[1.5,2]::vector(1)$$,
    $$array_to_vector('{1,2}'::integer[], 3, true)$$,
    $$array_to_vector('{1,2}'::real[], 3, false)$$,
    $$array_to_vector('{1,2}'::double precision[], 2, false)$$,
    $$array_to_vector('{1,2}'::numeric[], -1, false)$$,
    -- nulls are found before any length, a wrong length before a bad element
    $$(array_fill(1, ARRAY[16001]) || NULL::integer)::vector$$,
    $$array_to_vector('{NaN,1}'::real[], 3, false)$$,
    $$'{NULL,NaN}'::real[]::vector(1)$$,
    $$array_to_vector(NULL::integer[], -1, false)$$
]) expression;

-- back: real[], and nothing else
SELECT '[1,-0,0.1]'::vector::real[], vector_to_float4('[1,2]', 5, true), pg_typeof(vector_to_float4('[1]', -1, false)),
       array_length(array_fill(1, ARRAY[16000])::vector::real[], 1), array_lower('[1,2]'::vector::real[], 1);
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'[1]'::vector::integer[]$$, $$'[1]'::vector::double precision[]$$, $$'[1]'::vector::numeric[]$$,
    $$'[1]'::vector::bit(1)$$, $$B'1'::bit(1)::vector$$, $$ARRAY['1']::text[]::vector$$, $$ARRAY[1]::bigint[]::vector$$,
    $$'[1,2]'::vector = ARRAY[1,2]::real[]$$
]) expression;

-- assignment converts arrays, a function's argument does not; vector to real[] is implicit
CREATE TABLE cast_rows (v vector(2), r real[]);
INSERT INTO cast_rows VALUES (ARRAY[1,2], '[1,2]'::vector), (ARRAY[0.5,1.5], NULL), ('{3,4}'::real[], NULL), ('{5,6}'::double precision[], NULL);
SELECT * FROM cast_rows ORDER BY v;
SELECT outcome('vector_norm(ARRAY[3,4])'), outcome('vector_norm(ARRAY[3,4]::vector)');
CREATE FUNCTION first_real(a real[]) RETURNS real LANGUAGE sql AS 'SELECT a[1]';
SELECT first_real('[7,8]'::vector);
DROP FUNCTION first_real;
DROP TABLE cast_rows;

-- the casts leave expressions of core types unambiguous
SELECT ARRAY[1,2,3] = ARRAY[1,2,3], ARRAY[1.5] < ARRAY[2.5], ARRAY[1] || ARRAY[2], '{1}' = ARRAY[1::real];
\pset tuples_only off

SELECT '{1,NULL}'::real[]::vector;
SELECT '{{1}}'::integer[]::vector;
SELECT ARRAY[1,2]::vector(3);
SELECT '{}'::double precision[]::vector;
SELECT '[1]'::vector::integer[];
