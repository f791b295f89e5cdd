-- The text form of a vector: what is accepted, what it means, how it is printed, how it fails.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- accepted
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '[1,2,3]', '[-1]', '[+1,-2]', ' [ 1 , 2 , 3 ] ', '[1., .5, 0.25, 01]',
    '[1e2,1E2,1e+2,1e-2]', '[0x1p3,0X1.8P1,-0x.8p0,0xA]', '[1e0000000001]',
    '[0,-0,+0,-0.0]', '[1e-46,-1e-46]', '[1e-45,1e-400]', '[3.4028235e38,-3.4028235e38]',
    '[16777217,0.1,0.10000000149011612]'
]) literal;

-- every kind of whitespace, in every place
SELECT E' \t\n\r\x0b\f[ \t\n\r\x0b\f1 \t\n\r\x0b\f, \t\n\r\x0b\f2 \t\n\r\x0b\f] \t\n\r\x0b\f'::vector;

-- the shortest text that reads back as the same float4
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '[99999,100000,123456,999999,1000000,1234567,12345678,123456789]',
    '[999999.9,9999999,16777216,1e15,1e38]',
    '[0.1,0.01,0.001,0.0001,0.00012345,0.00001,0.000012345]',
    '[1e-10,1.17549435e-38,1.4e-45,3.4028234664e38]',
    '[0.3333333333333333,0.6666666666666666,3.141592653589793,2.718281828459045]',
    '[1.5,-1.5,100.25,-0.00001,-1e10]'
]) literal;

-- the setting which shortens float4 columns does not shorten vectors
SET extra_float_digits = -3;
SELECT '[0.33333334,1.2345678]'::vector, '0.33333334'::float4;
RESET extra_float_digits;

-- no opening bracket
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '', ' ', '1,2,3', '{1,2,3}', '(1)', ']', 'x[1]', ',[1]'
]) literal;

-- no elements
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '[]', '[ ]', E'[\t\n]', '[]x'
]) literal;

-- where a number, a comma or the closing bracket is expected
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '[', '[ ', '[1', '[1 ', '[1,', '[1, ', '[1,2', '[,', '[,1]', '[1,,2]', '[1,]', '[1, ]',
    '[a]', '[1a]', '[1 2]', '[1;2]', '[1,2)', '[1,2}', '[[1]]', '[1,[2]]', '["1"]', '[null]',
    '[-]', '[+]', '[.]', '[- 1]', '[--1]', '[e5]', '[1e]', '[1e+]', '[1.2.3]', '[0x]', '[0xg]',
    '[1_000]', '[0b1]', '[1f]', '[1%]'
]) literal;

-- after the closing bracket
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '[1]x', '[1],', '[1] [2]', '[1]]', '[1][', '[1],[2]'
]) literal;

-- numbers that are no finite float4
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '[3.5e38]', '[-3.5e38]', '[1, 4e38 ,2]', '[1e400]', '[0x1p128]', '[3.4028236e38]',
    '[NaN]', '[nan]', '[-NAN]', '[nan(12)]', '[nan(]', '[nanx]',
    '[inf]', '[-Inf]', '[Infinity]', '[+INFINITY]', '[infinit]', '[infx]'
]) literal;

-- the first problem from the left is the one reported
SELECT literal, outcome(format('%L::vector', literal)) FROM unnest(ARRAY[
    '[nan,inf]', '[inf,nan]', '[1e39,x]', '[x,1e39]', '[nan', '[1,nan]x'
]) literal;

-- at most 16000 dimensions
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::vector);
SELECT outcome($$('[' || repeat('1,', 16000) || '1]')::vector$$);
SELECT outcome($$('[' || repeat('1,', 16000))::vector$$);
SELECT outcome($$('[' || repeat('1,', 15999))::vector$$) LIKE 'ERROR 22P02: invalid input syntax for type vector: "[1,%1,"';

-- the functions themselves, and text casts both ways
SELECT vector_in('[1,2,3]', 0, -1), vector_in('[1,2,3]', 0, 3), vector_out('[1,2,3]');
SELECT outcome($$vector_in('[1,2,3]', 0, 2)$$);
SELECT '[1,2]'::text::vector, ('[1, 2]'::vector)::text, '[1,2]'::varchar::vector;
SELECT vector_in(NULL, 0, -1) IS NULL, vector_out(NULL) IS NULL;

-- JSON in and out
SELECT v FROM json_to_record('{"v": [1, 2.5, -3e2]}') AS r(v vector);
SELECT v FROM jsonb_to_record('{"v": "[1,2]"}') AS r(v vector);
SELECT to_json('[1,2]'::vector), '[1,1e-05,1e+06]'::vector::text::json -> 1;

-- arrays and composites of vectors
SELECT '{"[1,2]",NULL,"[3]"}'::vector[], ARRAY['[1,2]'::vector, '[3]'], ROW('[1,2]'::vector, 1);
SELECT outcome($$'{"[1,x]"}'::vector[]$$);

-- Errors as a user sees them. Those of the input function point at the literal.
\pset tuples_only off
SELECT '1,2'::vector;
SELECT '[1,2'::vector;
SELECT '[1,2]3'::vector;
SELECT vector '[]';
SELECT '[1]'::vector <-> '[1e39]';
SELECT '[nan]'::vector;
SELECT CAST('[inf]' AS vector);
SELECT '[1'::text::vector;
