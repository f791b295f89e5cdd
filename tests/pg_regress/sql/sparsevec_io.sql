-- The text form of a sparsevec: {index:value,...}/dimensions, indices counted from one.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

-- accepted; zeros are dropped before anything is asked of them
SELECT literal, outcome(format('%L::sparsevec', literal)) FROM unnest(ARRAY[
    '{1:1,3:2,5:3}/5', '{}/5', '{ }/1', '{5:1,1:2,3:3}/5', '{+1:+1,0002:-2.50}/007', '{1:1}/+3',
    ' { 1 : 1 , 2 : 2 } / 3 ', '{1:0,2:-0,3:1}/3', '{9:0,-9:0,1:0,1:0}/2', '{1:0.0e5,2:0x0p9}/2', '{1:1,1:0}/1',
    '{1:1e2,2:1.,3:.5,4:0x1p3}/4', '{1:1e-45,2:3.4028235e38,3:-1e-40}/3', '{1:16777217,2:0.1}/2',
    '{1000000000:1}/1000000000', '{}/1000000000', '{1:1}/1000000000'
]) literal;
SELECT E' \t\n\r\x0b\f{ \t\n\r\x0b\f1 \t\n\r\x0b\f: \t\n\r\x0b\f2 \t\n\r\x0b\f, \t\n\r\x0b\f2:1 \t\n\r\x0b\f} \t\n\r\x0b\f/ \t\n\r\x0b\f3 \t\n\r\x0b\f'::sparsevec;

-- the shortest text of a float4, whatever the setting for float4 columns
SET extra_float_digits = -3;
SELECT '{1:0.33333334,2:1000000,3:0.00001,4:123456,5:1e38}/5'::sparsevec;
RESET extra_float_digits;

-- no opening brace
SELECT literal, outcome(format('%L::sparsevec', literal)) FROM unnest(ARRAY['', ' ', '1:1', '[1,2]', '(1:1)/1', '}/1', 'x{}/1', '/1']) literal;

-- between the braces
SELECT literal, outcome(format('%L::sparsevec', literal)) FROM unnest(ARRAY[
    '{', '{ ', '{1', '{1:', '{1:1', '{1:1,', '{,}/1', '{,1:1}/1', '{1:1,}/2', '{1:1,,2:2}/2', '{1}/1', '{:1}/1', '{1:}/1', '{1:,2:1}/2',
    '{1:1 2:2}/2', '{1:1;2:2}/2', '{1:1:1}/1', '{1:1]/1', '{{1:1}}/1', '{1=1}/1', '{a:1}/1', '{1:a}/1', '{1.0:1}/1', '{1.5:1}/2', '{1e0:1}/1',
    '{0x1:1}/1', '{+ 1:1}/1', '{--1:1}/1', '{1:--1}/1', '{1:1x}/1', '{1:- 1}/1', '{"1":1}/1', '{1:null}/1'
]) literal;

-- after the braces
SELECT literal, outcome(format('%L::sparsevec', literal)) FROM unnest(ARRAY[
    '{}', '{1:1}', '{1:1} ', '{1:1}1', '{1:1}x/1', '{1:1}}/1', '{1:1}/', '{1:1}/ ', '{1:1}/x', '{1:1}/,', '{1:1}/- 1', '{1:1}//1',
    '{1:1}/1x', '{1:1}/1 1', '{1:1}/1.5', '{1:1}/1e1', '{1:1}/1/1', '{1:1}/1}', '{1:1}/0x1'
]) literal;

-- values
SELECT literal, outcome(format('%L::sparsevec', literal)) FROM unnest(ARRAY[
    '{1:1e39}/1', '{1:-1e39}/1', '{1:1e400}/1', '{1:0x1p128}/1', '{1:1e-46}/1', '{1:-1e-46}/1', '{1:1e-400}/1', '{1:0x.1p-999}/1', '{1:7.1e-46}/1', '{1:7e-46}/1',
    '{1:NaN}/1', '{1:nan(1)}/1', '{1:-nan}/1', '{1:inf}/1', '{1:-Infinity}/1', '{1:infx}/1', '{9:nan}/1', '{1:inf}/0', '{1:1e-46', '{1:nan,x'
]) literal;

-- dimensions and indices; integers beyond int are cut to its range
SELECT literal, outcome(format('%L::sparsevec', literal)) FROM unnest(ARRAY[
    '{}/0', '{}/-1', '{}/1000000001', '{}/2147483648', '{}/99999999999999999999', '{}/-99999999999999999999', '{1:1}/0', '{1:1,1:1}/0',
    '{0:1}/1', '{-1:1}/1', '{2:1}/1', '{2147483647:1}/1', '{2147483648:1}/1', '{-2147483648:1}/1', '{99999999999999999999:1}/1000000000',
    '{-99999999999999999999:1}/1', '{1:1,1:1}/1', '{2:1,1:1,2:2}/2', '{9:1,1:1,1:2}/2', '{0:1,1:1,1:2}/2', '{9:1,9:1}/2'
]) literal;

-- at most 16000 elements, zeros and all, which is counted in commas before anything else
SELECT outcome($$length(('{' || (SELECT string_agg(i || ':1', ',') FROM generate_series(1, 16000) i) || '}/16000')::sparsevec::text)$$);
SELECT outcome($$('{' || (SELECT string_agg(i || ':1', ',') FROM generate_series(1, 16001) i) || '}/16001')::sparsevec$$);
SELECT outcome($$('{' || (SELECT string_agg(i || ':0', ',') FROM generate_series(1, 16001) i) || '}/16001')::sparsevec$$);
SELECT outcome($$repeat(',', 16000)::sparsevec$$), outcome($$repeat(',', 15999)::sparsevec$$) LIKE 'ERROR 22P02: %Vector contents must start%';

-- the functions themselves, and text casts both ways
SELECT sparsevec_in('{1:1}/3', 0, -1), sparsevec_in('{1:1}/3', 0, 3), sparsevec_out('{1:1}/3');
SELECT outcome($$sparsevec_in('{1:1}/3', 0, 2)$$), outcome($$sparsevec_in('{9:1}/3', 0, 2)$$);
SELECT '{1:1}/2'::text::sparsevec, ('{2:1, 1:0}/2'::sparsevec)::text, '{}/2'::varchar::sparsevec;
SELECT sparsevec_in(NULL, 0, -1) IS NULL, sparsevec_out(NULL) IS NULL;

-- arrays and composites
SELECT '{"{1:1}/2",NULL,"{}/3"}'::sparsevec[], ARRAY['{1:1}/2'::sparsevec, '{}/3'], ROW('{1:1,2:2}/2'::sparsevec, 1), to_json('{1:1}/2'::sparsevec);

-- Errors as a user sees them. Those of the input function point at the literal.
\pset tuples_only off
SELECT '[1,2]'::sparsevec;
SELECT '{1:1'::sparsevec;
SELECT '{1:1}'::sparsevec;
SELECT sparsevec '{}/0';
SELECT '{1:1}/1'::sparsevec <-> '{1:1e-50}/1';
SELECT CAST('{1:1,1:2}/2' AS sparsevec);
SELECT '{2:1}/1'::text::sparsevec;
