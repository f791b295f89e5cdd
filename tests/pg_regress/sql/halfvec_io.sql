-- The text form of a halfvec: the grammar is that of vector, the numbers are rounded to half precision.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- accepted
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '[1,2,3]', '[-1]', '[+1,-2]', ' [ 1 , 2 , 3 ] ', '[1., .5, 0.25, 01]',
    '[1e2,1E2,1e+2,1e-2]', '[0x1p3,0X1.8P1,-0x.8p0,0xA]', '[1e0000000001]',
    '[0,-0,+0,-0.0]', '[1e-46,-1e-46]', '[1e-8,-1e-8]', '[2.98e-8,2.99e-8,5.9604645e-8,1e-400]', '[65504,-65504,65519,-65519.99]',
    '[2049,2050,2051,2053,0.1,0.0999755859375,1.0009765625,1.00048828125]'
]) literal;

-- every kind of whitespace, in every place
SELECT E' \t\n\r\x0b\f[ \t\n\r\x0b\f1 \t\n\r\x0b\f, \t\n\r\x0b\f2 \t\n\r\x0b\f] \t\n\r\x0b\f'::halfvec;

-- elements are printed as the float4 they equal
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '[1000,1024,10000,65504,2048,4099]',
    '[0.1,0.01,0.001,0.0001,0.00012345,0.00001,0.000012345]',
    '[6.1035156e-05,6.097555e-05,5.9604645e-08,1e-7]',
    '[0.3333333333333333,0.6666666666666666,3.141592653589793,2.718281828459045]',
    '[1.5,-1.5,100.25,-0.00001,1.23456]'
]) literal;

-- the setting which shortens float4 columns does not shorten vectors
SET extra_float_digits = -3;
SELECT '[0.33333334,1.2345678]'::halfvec, '0.33333334'::float4;
RESET extra_float_digits;

-- no opening bracket
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '', ' ', '1,2,3', '{1,2,3}', '(1)', ']', 'x[1]', ',[1]'
]) literal;

-- no elements
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '[]', '[ ]', E'[\t\n]', '[]x'
]) literal;

-- where a number, a comma or the closing bracket is expected
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '[', '[ ', '[1', '[1 ', '[1,', '[1, ', '[1,2', '[,', '[,1]', '[1,,2]', '[1,]', '[1, ]',
    '[a]', '[1a]', '[1 2]', '[1;2]', '[1,2)', '[1,2}', '[[1]]', '[1,[2]]', '["1"]', '[null]',
    '[-]', '[+]', '[.]', '[- 1]', '[--1]', '[e5]', '[1e]', '[1e+]', '[1.2.3]', '[0x]', '[0xg]',
    '[1_000]', '[0b1]', '[1f]', '[1%]'
]) literal;

-- after the closing bracket
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '[1]x', '[1],', '[1] [2]', '[1]]', '[1][', '[1],[2]'
]) literal;

-- numbers that are no finite float4
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '[65520]', '[-65520]', '[1, 7e4 ,2]', '[1e39]', '[1e400]', '[0x1p16]', '[0x1p128]', '[65519.9999999999]',
    '[NaN]', '[nan]', '[-NAN]', '[nan(12)]', '[nan(]', '[nanx]',
    '[inf]', '[-Inf]', '[Infinity]', '[+INFINITY]', '[infinit]', '[infx]'
]) literal;

-- the first problem from the left is the one reported
SELECT literal, outcome(format('%L::halfvec', literal)) FROM unnest(ARRAY[
    '[nan,inf]', '[inf,nan]', '[1e5,x]', '[x,1e5]', '[nan,1e5]', '[nan', '[1,nan]x'
]) literal;

-- at most 16000 dimensions
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::halfvec);
SELECT outcome($$('[' || repeat('1,', 16000) || '1]')::halfvec$$);
SELECT outcome($$('[' || repeat('1,', 16000))::halfvec$$);
SELECT outcome($$('[' || repeat('1,', 15999))::halfvec$$) LIKE 'ERROR 22P02: invalid input syntax for type halfvec: "[1,%1,"';

-- the functions themselves, and text casts both ways
SELECT halfvec_in('[1,2,3]', 0, -1), halfvec_in('[1,2,3]', 0, 3), halfvec_out('[1,2,3]');
SELECT outcome($$halfvec_in('[1,2,3]', 0, 2)$$);
SELECT '[1,2]'::text::halfvec, ('[1, 2]'::halfvec)::text, '[1,2]'::varchar::halfvec;
SELECT halfvec_in(NULL, 0, -1) IS NULL, halfvec_out(NULL) IS NULL;

-- JSON in and out
SELECT v FROM json_to_record('{"v": [1, 2.5, -3e2]}') AS r(v halfvec);
SELECT v FROM jsonb_to_record('{"v": "[1,2]"}') AS r(v halfvec);
SELECT to_json('[1,2]'::halfvec), '[1,1e-05,1e+04]'::halfvec::text::json -> 1;

-- arrays and composites of vectors
SELECT '{"[1,2]",NULL,"[3]"}'::halfvec[], ARRAY['[1,2]'::halfvec, '[3]'], ROW('[1,2]'::halfvec, 1);
SELECT outcome($$'{"[1,x]"}'::halfvec[]$$);

-- Errors as a user sees them. Those of the input function point at the literal.
\pset tuples_only off
SELECT '1,2'::halfvec;
SELECT '[1,2'::halfvec;
SELECT '[1,2]3'::halfvec;
SELECT halfvec '[]';
SELECT '[1]'::halfvec <-> '[1e5]';
SELECT '[nan]'::halfvec;
SELECT CAST('[inf]' AS halfvec);
SELECT '[1'::text::halfvec;
