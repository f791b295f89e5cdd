-- sparsevec(n): which modifiers there are, how they are shown, and each route by which a value of
-- another length reaches one.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

SELECT modifier, outcome(format('''{1:1,2:2,3:3}/3''::sparsevec(%s)', modifier)) FROM unnest(ARRAY[
    '3', '1', '2', '4', '1000000000', '''3''',
    '0', '1000000001', '2147483647', '2147483648', '3,3', '1.5', 'a', '''-1''', '-1'
]) modifier;

SELECT outcome($$sparsevec_typmod_in('{3}')$$), outcome($$sparsevec_typmod_in('{0}')$$),
       outcome($$sparsevec_typmod_in('{1000000001}')$$), outcome($$sparsevec_typmod_in('{1,2}')$$),
       outcome($$sparsevec_typmod_in('{}')$$);

SELECT format_type('sparsevec'::regtype, -1), format_type('sparsevec'::regtype, 3), format_type('_sparsevec'::regtype, 3);

-- a modifier is the number of dimensions, nothing added
CREATE TABLE sparse_typmod_columns (plain sparsevec, three sparsevec(3), threes sparsevec(3)[], "widest" SPARSEVEC(1000000000));
SELECT attname, atttypmod, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'sparse_typmod_columns'::regclass AND attnum > 0 ORDER BY attnum;
SELECT column_name, data_type, udt_name FROM information_schema.columns
WHERE table_name = 'sparse_typmod_columns' ORDER BY ordinal_position;

-- the coercion function looks at the modifier only
SELECT sparsevec('{1:1,2:2,3:3}/3'::sparsevec, 3, true), sparsevec('{1:1,2:2,3:3}/3'::sparsevec, -1, false), sparsevec('{1:1,2:2,3:3}/3');
SELECT outcome($$sparsevec('{1:1,2:2,3:3}/3'::sparsevec, 2, true)$$), outcome($$sparsevec('{1:1,2:2,3:3}/3'::sparsevec, 2, false)$$);

-- casts, constructors and record fields
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$'{1:1,2:2}/2'::sparsevec::sparsevec(3)$$,
    $$'{1:1,2:2}/2'::text::sparsevec(3)$$,
    $$CAST(ARRAY[1,2] AS sparsevec(3))$$,
    $$sparsevec(3) '{1:1,2:2}/2'$$,
    $$'{"{1:1,2:2}/2"}'::sparsevec(3)[]$$,
    $$ARRAY['{1:1,2:2}/2']::sparsevec(3)[]$$,
    $$ARRAY['{1:1,2:2}/2'::sparsevec]::sparsevec(3)[]$$,
    $$(SELECT v FROM json_to_record('{"v":"{1:1,2:2}/2"}') AS r(v sparsevec(3)))$$,
    $$(SELECT v FROM jsonb_to_record('{"v":"{1:1,2:2}/2"}') AS r(v sparsevec(3)))$$,
    $$(jsonb_populate_record(NULL::sparse_typmod_columns, '{"three":"{1:1,2:2}/2"}')).three$$
]) expression;
\pset tuples_only off

-- As a user sees them. No literal is pointed at: it was read without a modifier, then coerced.
SELECT '{1:1,2:2}/2'::sparsevec(3);
INSERT INTO sparse_typmod_columns (three) VALUES ('{1:1,2:2}/2');
INSERT INTO sparse_typmod_columns (three) VALUES ('{1:1,2:2}/2'::sparsevec);
INSERT INTO sparse_typmod_columns (three) VALUES (ARRAY[1,2,3,4]);
INSERT INTO sparse_typmod_columns (three, threes, plain) VALUES ('{1:1,2:2,3:3}/3', '{"{1:4,2:5,3:6}/3","{1:7,2:8,3:9}/3"}', '{1:1}/1');
UPDATE sparse_typmod_columns SET three = plain;
UPDATE sparse_typmod_columns SET threes[1] = '{1:1}/1';
PREPARE put_sparse(sparsevec) AS INSERT INTO sparse_typmod_columns (three) VALUES ($1);
EXECUTE put_sparse('{1:1,2:2}/2');
EXECUTE put_sparse('{1:4,2:5,3:6}/3');
-- COPY hands the column's modifier to the input function
COPY sparse_typmod_columns (three) FROM stdin;
{1:1,2:2}/2
\.
COPY sparse_typmod_columns (plain, three) FROM stdin;
{1:1,x}/2	{1:1,2:2,3:3}/3
\.
-- changing a column's type checks the rows
ALTER TABLE sparse_typmod_columns ALTER three TYPE sparsevec(2);
ALTER TABLE sparse_typmod_columns ALTER three TYPE sparsevec;
ALTER TABLE sparse_typmod_columns ALTER three TYPE sparsevec(3);
-- domains, PL/pgSQL variables
CREATE DOMAIN three_sparse AS sparsevec(3) CHECK (l2_norm(VALUE) > 0);
SELECT '{1:1,2:2}/2'::three_sparse;
SELECT '{}/3'::three_sparse;
SELECT '{1:1,2:2,3:3}/3'::three_sparse;
DO $$ DECLARE v sparsevec(3); BEGIN v := '{1:1,2:2}/2'::sparsevec; END $$;
SELECT three, threes, plain FROM sparse_typmod_columns ORDER BY three;
-- a result computed from a sparsevec(3) has no modifier, an element of sparsevec(3)[] has
CREATE TABLE sparse_typmod_results AS
SELECT three, threes[1] AS element, l2_normalize(three) AS normal
FROM sparse_typmod_columns;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'sparse_typmod_results'::regclass AND attnum > 0 ORDER BY attnum;

DROP TABLE sparse_typmod_columns, sparse_typmod_results;
DROP DOMAIN three_sparse;
