-- vector(n): which modifiers there are, how they are shown, and each route by which a value of
-- another length reaches one.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

SELECT modifier, outcome(format('''[1,2,3]''::vector(%s)', modifier)) FROM unnest(ARRAY[
    '3', '1', '2', '4', '16000', '''3''',
    '0', '16001', '2147483647', '2147483648', '3,3', '1.5', 'a', '''-1''', '-1'
]) modifier;

SELECT outcome($$vector_typmod_in('{3}')$$), outcome($$vector_typmod_in('{0}')$$),
       outcome($$vector_typmod_in('{16001}')$$), outcome($$vector_typmod_in('{1,2}')$$),
       outcome($$vector_typmod_in('{}')$$);

SELECT format_type('vector'::regtype, -1), format_type('vector'::regtype, 3), format_type('_vector'::regtype, 3);

-- a modifier is the number of dimensions, nothing added
CREATE TABLE typmod_columns (plain vector, three vector(3), threes vector(3)[], "widest" VECTOR(16000));
SELECT attname, atttypmod, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'typmod_columns'::regclass AND attnum > 0 ORDER BY attnum;
SELECT column_name, data_type, udt_name FROM information_schema.columns
WHERE table_name = 'typmod_columns' ORDER BY ordinal_position;

-- the coercion function looks at the modifier only
SELECT vector('[1,2,3]'::vector, 3, true), vector('[1,2,3]'::vector, -1, false), vector('[1,2,3]');
SELECT outcome($$vector('[1,2,3]'::vector, 2, true)$$), outcome($$vector('[1,2,3]'::vector, 2, false)$$);

-- casts, constructors and record fields
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'[1,2]'::vector::vector(3)$$,
    $$'[1,2]'::text::vector(3)$$,
    $$CAST(ARRAY[1,2] AS vector(3))$$,
    $$vector(3) '[1,2]'$$,
    $$'{"[1,2]"}'::vector(3)[]$$,
    $$ARRAY['[1,2]']::vector(3)[]$$,
    $$ARRAY['[1,2]'::vector]::vector(3)[]$$,
    $$(SELECT v FROM json_to_record('{"v":[1,2]}') AS r(v vector(3)))$$,
    $$(SELECT v FROM jsonb_to_record('{"v":"[1,2]"}') AS r(v vector(3)))$$,
    $$(jsonb_populate_record(NULL::typmod_columns, '{"three":[1,2]}')).three$$
]) expression;
\pset tuples_only off

-- As a user sees them. No literal is pointed at: it was read without a modifier, then coerced.
SELECT '[1,2]'::vector(3);
INSERT INTO typmod_columns (three) VALUES ('[1,2]');
INSERT INTO typmod_columns (three) VALUES ('[1,2]'::vector);
INSERT INTO typmod_columns (three) VALUES (ARRAY[1,2,3,4]);
INSERT INTO typmod_columns (three, threes, plain) VALUES ('[1,2,3]', '{"[4,5,6]","[7,8,9]"}', '[1]');
UPDATE typmod_columns SET three = three || '[1]';
UPDATE typmod_columns SET threes[1] = '[1]';
PREPARE put(vector) AS INSERT INTO typmod_columns (three) VALUES ($1);
EXECUTE put('[1,2]');
EXECUTE put('[4,5,6]');
-- COPY hands the column's modifier to the input function
COPY typmod_columns (three) FROM stdin;
[1,2]
\.
COPY typmod_columns (plain, three) FROM stdin;
[1,2,x]	[1,2,3]
\.
-- changing a column's type checks the rows
ALTER TABLE typmod_columns ALTER three TYPE vector(2);
ALTER TABLE typmod_columns ALTER three TYPE vector;
ALTER TABLE typmod_columns ALTER three TYPE vector(3);
-- domains, PL/pgSQL variables
CREATE DOMAIN three_dimensions AS vector(3) CHECK (vector_norm(VALUE) > 0);
SELECT '[1,2]'::three_dimensions;
SELECT '[0,0,0]'::three_dimensions;
SELECT '[1,2,3]'::three_dimensions;
DO $$ DECLARE v vector(3); BEGIN v := '[1,2]'::vector; END $$;
SELECT three, threes, plain FROM typmod_columns ORDER BY three;
-- a result computed from a vector(3) has no modifier
CREATE TABLE typmod_results AS
SELECT three, three + three AS sum, threes[1] AS element, l2_normalize(three) AS normal, subvector(three, 1, 2) AS sub
FROM typmod_columns;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'typmod_results'::regclass AND attnum > 0 ORDER BY attnum;

DROP TABLE typmod_columns, typmod_results;
DROP DOMAIN three_dimensions;
