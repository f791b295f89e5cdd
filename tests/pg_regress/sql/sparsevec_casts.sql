-- Arrays, vectors and halfvecs to sparsevec and back.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- Every element type goes through float4, and fails in the same words. Zeros are dropped.
SELECT element, literal, outcome(format('%L::%s[]::sparsevec', literal, element))
FROM unnest(ARRAY['integer', 'real', 'double precision', 'numeric']) element,
     unnest(ARRAY['{1,0,3}', '{0,0}', '{16777217}', '[5:6]={0,2}', '{}', '{{1,2},{3,4}}', '{1,NULL}', '{{1,NULL}}']) literal;
SELECT element, literal, outcome(format('%L::%s[]::sparsevec', literal, element))
FROM unnest(ARRAY['real', 'double precision', 'numeric']) element,
     unnest(ARRAY['{0.1,-0,1e10}', '{NaN}', '{0,Infinity}', '{1,-Infinity}']) literal;
SELECT element, literal, outcome(format('%L::%s[]::sparsevec', literal, element))
FROM unnest(ARRAY['double precision', 'numeric']) element, unnest(ARRAY['{3.4e38}', '{1e39}', '{-1e39}', '{1e-46,1}', '{1e-60}']) literal;

-- length and number of elements
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$array_fill(0, ARRAY[100000])::sparsevec$$,
    $$(array_fill(0, ARRAY[100000]) || 1)::sparsevec$$,
    $$length(array_fill(1, ARRAY[16000])::sparsevec::text)$$,
    $$array_fill(1, ARRAY[16001])::sparsevec$$,
    $$array_fill(1::real, ARRAY[16001])::sparsevec$$,
    $$array_fill(1::double precision, ARRAY[16001])::sparsevec$$,
    $$array_fill(1::numeric, ARRAY[16001])::sparsevec$$,
    $$array_fill(1, ARRAY[16001])::sparsevec(3)$$,
    $$('NaN'::real || array_fill(1::real, ARRAY[16001]))::sparsevec$$,
    $$ARRAY[1,0,3]::sparsevec(3)$$,
    $$ARRAY[1,0,3]::sparsevec(2)$$,
    $$array_to_sparsevec('{1,2}'::integer[], 3, true)$$,
    $$array_to_sparsevec('{1,2}'::real[], 3, false)$$,
    $$array_to_sparsevec('{1,2}'::double precision[], 2, false)$$,
    $$array_to_sparsevec('{1,2}'::numeric[], -1, false)$$,
    $$array_to_sparsevec('{NaN,1}'::real[], 3, false)$$,
    $$array_to_sparsevec(NULL::integer[], -1, false)$$
]) expression;

-- dense vectors
SELECT v, outcome(format('%L::vector::sparsevec', v)), outcome(format('%L::halfvec::sparsevec', v)), outcome(format('%L::vector::sparsevec::vector', v)), outcome(format('%L::halfvec::sparsevec::halfvec', v))
FROM unnest(ARRAY['[1,0,-2]', '[0,-0]', '[0.1]', '[1e-45,1]', '[1e-7,65504]']) v;
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'{}/3'::sparsevec::vector$$, $$'{2:0.1}/3'::sparsevec::vector$$, $$'{2:0.1}/3'::sparsevec::halfvec$$, $$'{2:1e-9}/3'::sparsevec::halfvec$$,
    $$'{2:65519}/3'::sparsevec::halfvec$$, $$'{2:65520}/3'::sparsevec::halfvec$$, $$'{2:-1e10}/3'::sparsevec::halfvec$$,
    $$vector_dims('{}/16000'::sparsevec::vector)$$, $$'{}/16001'::sparsevec::vector$$, $$'{}/16001'::sparsevec::halfvec$$, $$'{1:1}/16001'::sparsevec::vector(3)$$,
    $$'{1:1}/2'::sparsevec::vector(2)$$, $$'{1:1}/2'::sparsevec::vector(3)$$, $$'{1:1}/2'::sparsevec::halfvec(3)$$, $$'{1:70000}/2'::sparsevec::halfvec(3)$$,
    $$'[1,0]'::vector::sparsevec(2)$$, $$'[1,0]'::vector::sparsevec(3)$$, $$'[1,0]'::halfvec::sparsevec(3)$$,
    $$vector_to_sparsevec('[1,0]', 3, true)$$, $$sparsevec_to_vector('{1:1}/2', 3, false)$$, $$halfvec_to_sparsevec('[1,0]', 3, true)$$, $$sparsevec_to_halfvec('{1:1}/2', 3, false)$$,
    $$length(array_fill(0.5, ARRAY[16000])::vector::sparsevec::text)$$,
    -- there is no way to arrays
    $$'{1:1}/1'::sparsevec::real[]$$, $$'{1:1}/1'::sparsevec::integer[]$$, $$'{1:1}/1'::sparsevec::vector::real[]$$, $$'{1:1}/1'::sparsevec::bit(1)$$,
    -- which type an operator takes
    $$'[1,0]'::vector <-> '{1:4,2:4}/2'::sparsevec$$, $$'{1:4,2:4}/2'::sparsevec <+> '[1,0]'::halfvec$$, $$'[1,0]'::vector = '{1:1}/2'::sparsevec$$, $$l2_norm('[3,4]'::vector::sparsevec)$$
]) expression;

-- assignment goes every way, a function's argument only towards sparsevec
CREATE TABLE sparse_cast_rows (s sparsevec(2), v vector(2), h halfvec(2));
INSERT INTO sparse_cast_rows VALUES (ARRAY[1,0], '{2:0.1}/2'::sparsevec, '{2:0.1}/2'::sparsevec), ('[0,0.1]'::vector, '[1,2]', '[1,2]'),
    ('[0,0.1]'::halfvec, '[1,2]', '[1,2]'), ('{0,3}'::real[], NULL, NULL), ('{5,0}'::double precision[], NULL, NULL), ('{0,0}'::numeric[], NULL, NULL);
SELECT * FROM sparse_cast_rows ORDER BY s, v;
SELECT outcome('sparsevec_cmp(''[1]''::vector, ''[1]''::halfvec)'), outcome('vector_cmp(''{}/1''::sparsevec, ''[0]'')'), outcome('halfvec_cmp(''{}/1''::sparsevec, ''[0]'')');
DROP TABLE sparse_cast_rows;

-- the casts leave expressions of core types unambiguous
SELECT ARRAY[1,2,3] = ARRAY[1,2,3], ARRAY[1.5] < ARRAY[2.5], ARRAY[1] || ARRAY[2], '{1}' = ARRAY[1::real];
\pset tuples_only off

SELECT '{1,NULL}'::real[]::sparsevec;
SELECT ARRAY[1,2]::sparsevec(3);
SELECT '{}/16001'::sparsevec::vector;
SELECT '{1:1}/1'::sparsevec::real[];
