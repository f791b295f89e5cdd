-- halfvec(n): which modifiers there are, how they are shown, and each route by which a value of
-- another length reaches one.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

SELECT modifier, outcome(format('''[1,2,3]''::halfvec(%s)', modifier)) FROM unnest(ARRAY[
    '3', '1', '2', '4', '16000', '''3''',
    '0', '16001', '2147483647', '2147483648', '3,3', '1.5', 'a', '''-1''', '-1'
]) modifier;

SELECT outcome($$halfvec_typmod_in('{3}')$$), outcome($$halfvec_typmod_in('{0}')$$),
       outcome($$halfvec_typmod_in('{16001}')$$), outcome($$halfvec_typmod_in('{1,2}')$$),
       outcome($$halfvec_typmod_in('{}')$$);

SELECT format_type('halfvec'::regtype, -1), format_type('halfvec'::regtype, 3), format_type('_halfvec'::regtype, 3);

-- a modifier is the number of dimensions, nothing added
CREATE TABLE half_typmod_columns (plain halfvec, three halfvec(3), threes halfvec(3)[], "widest" VECTOR(16000));
SELECT attname, atttypmod, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'half_typmod_columns'::regclass AND attnum > 0 ORDER BY attnum;
SELECT column_name, data_type, udt_name FROM information_schema.columns
WHERE table_name = 'half_typmod_columns' ORDER BY ordinal_position;

-- the coercion function looks at the modifier only
SELECT halfvec('[1,2,3]'::halfvec, 3, true), halfvec('[1,2,3]'::halfvec, -1, false), halfvec('[1,2,3]');
SELECT outcome($$halfvec('[1,2,3]'::halfvec, 2, true)$$), outcome($$halfvec('[1,2,3]'::halfvec, 2, false)$$);

-- casts, constructors and record fields
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'[1,2]'::halfvec::halfvec(3)$$,
    $$'[1,2]'::text::halfvec(3)$$,
    $$CAST(ARRAY[1,2] AS halfvec(3))$$,
    $$halfvec(3) '[1,2]'$$,
    $$'{"[1,2]"}'::halfvec(3)[]$$,
    $$ARRAY['[1,2]']::halfvec(3)[]$$,
    $$ARRAY['[1,2]'::halfvec]::halfvec(3)[]$$,
    $$(SELECT v FROM json_to_record('{"v":[1,2]}') AS r(v halfvec(3)))$$,
    $$(SELECT v FROM jsonb_to_record('{"v":"[1,2]"}') AS r(v halfvec(3)))$$,
    $$(jsonb_populate_record(NULL::half_typmod_columns, '{"three":[1,2]}')).three$$
]) expression;
\pset tuples_only off

-- As a user sees them. No literal is pointed at: it was read without a modifier, then coerced.
SELECT '[1,2]'::halfvec(3);
INSERT INTO half_typmod_columns (three) VALUES ('[1,2]');
INSERT INTO half_typmod_columns (three) VALUES ('[1,2]'::halfvec);
INSERT INTO half_typmod_columns (three) VALUES (ARRAY[1,2,3,4]);
INSERT INTO half_typmod_columns (three, threes, plain) VALUES ('[1,2,3]', '{"[4,5,6]","[7,8,9]"}', '[1]');
UPDATE half_typmod_columns SET three = three || '[1]';
UPDATE half_typmod_columns SET threes[1] = '[1]';
PREPARE put_half(halfvec) AS INSERT INTO half_typmod_columns (three) VALUES ($1);
EXECUTE put_half('[1,2]');
EXECUTE put_half('[4,5,6]');
-- COPY hands the column's modifier to the input function
COPY half_typmod_columns (three) FROM stdin;
[1,2]
\.
COPY half_typmod_columns (plain, three) FROM stdin;
[1,2,x]	[1,2,3]
\.
-- changing a column's type checks the rows
ALTER TABLE half_typmod_columns ALTER three TYPE halfvec(2);
ALTER TABLE half_typmod_columns ALTER three TYPE halfvec;
ALTER TABLE half_typmod_columns ALTER three TYPE halfvec(3);
-- domains, PL/pgSQL variables
CREATE DOMAIN three_halves AS halfvec(3) CHECK (l2_norm(VALUE) > 0);
SELECT '[1,2]'::three_halves;
SELECT '[0,0,0]'::three_halves;
SELECT '[1,2,3]'::three_halves;
DO $$ DECLARE v halfvec(3); BEGIN v := '[1,2]'::halfvec; END $$;
SELECT three, threes, plain FROM half_typmod_columns ORDER BY three;
-- a result computed from a halfvec(3) has no modifier
CREATE TABLE half_typmod_results AS
SELECT three, three + three AS sum, threes[1] AS element, l2_normalize(three) AS normal, subvector(three, 1, 2) AS sub
FROM half_typmod_columns;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'half_typmod_results'::regclass AND attnum > 0 ORDER BY attnum;

DROP TABLE half_typmod_columns, half_typmod_results;
DROP DOMAIN three_halves;
