-- avg and sum, and the functions avg is made of, which anyone may call with any state.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

CREATE TABLE aggregate_rows (id int, v vector);
INSERT INTO aggregate_rows SELECT i, ARRAY[i, -i, i % 7]::vector FROM generate_series(1, 1000) i;
INSERT INTO aggregate_rows VALUES (0, NULL);

SELECT avg(v), sum(v), count(v) FROM aggregate_rows;
SELECT avg(v), sum(v) FROM aggregate_rows WHERE id = 7;
SELECT avg(v) IS NULL, sum(v) IS NULL FROM aggregate_rows WHERE id = 0;
SELECT avg(v) IS NULL, sum(v) IS NULL FROM aggregate_rows WHERE false;
SELECT id % 3 AS third, avg(v), sum(v) FROM aggregate_rows GROUP BY third ORDER BY third;
SELECT id, avg(v) OVER w, sum(v) OVER w FROM aggregate_rows WHERE id BETWEEN 1 AND 4 WINDOW w AS (ORDER BY id ROWS 1 PRECEDING) ORDER BY id;
SELECT avg(DISTINCT v), sum(v ORDER BY v DESC), avg(v) FILTER (WHERE v > '[1]') FROM (VALUES ('[1]'::vector), ('[1]'), ('[4]')) AS t(v);

-- avg sums in float8, sum in float4
SELECT avg(v), sum(v) FROM (VALUES ('[16777216,1]'::vector), ('[1,2]'), ('[1,4]')) AS t(v);
SELECT outcome($$(SELECT avg(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) AS t(v))$$),
       outcome($$(SELECT sum(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) AS t(v))$$);
-- dimensions must agree
SELECT outcome($$(SELECT avg(v ORDER BY i) FROM (VALUES (1, '[1,2]'::vector), (2, '[3]')) AS t(i, v))$$),
       outcome($$(SELECT sum(v ORDER BY i) FROM (VALUES (1, '[1,2]'::vector), (2, '[3]')) AS t(i, v))$$);

-- the state: a count, then a sum for each dimension
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$vector_accum('{0}', '[1,2,3]')$$,
    $$vector_accum('{1,10,20}', '[1,2]')$$,
    $$vector_accum('{1,1e300}', '[1]')$$,
    $$vector_accum('{0.5,1}', '[0.1]')$$,
    $$vector_accum('[0:1]={1,2}', '[1]')$$,
    $$vector_accum('{1,1.7976931348623157e308}', '[3e38]')$$,
    $$vector_accum('{1,Infinity}', '[1]')$$,
    $$vector_accum('{1,NaN}', '[1]')$$,
    $$vector_accum('{1,2,3}', '[1]')$$,
    $$vector_accum('{1,2}', '[1,2]')$$,
    $$vector_accum('{}', '[1]')$$,
    $$vector_accum('{{0}}', '[1]')$$,
    $$vector_accum('{0,NULL}', '[1]')$$,
    $$vector_accum('{NULL}', '[1]')$$,
    $$vector_accum(NULL, '[1]')$$,
    $$vector_accum('{0}', NULL)$$,
    $$vector_combine('{0}', '{0}')$$,
    $$vector_combine('{0}', '{2,3,4}')$$,
    $$vector_combine('{2,3,4}', '{0}')$$,
    $$vector_combine('{2,3,4}', '{1,10,20}')$$,
    $$vector_combine('{3}', '{4}')$$,
    $$vector_combine('{3}', '{4,5}')$$,
    $$vector_combine('{4,5}', '{3}')$$,
    $$vector_combine('{0,1}', '{0,2}')$$,
    $$vector_combine('{1,2}', '{1,2,3}')$$,
    $$vector_combine('{1,2,3}', '{1,2}')$$,
    $$vector_combine('{1,1.5e308}', '{1,1.5e308}')$$,
    $$vector_combine('{1,Infinity}', '{1,1}')$$,
    $$vector_combine('{}', '{0}')$$,
    $$vector_combine('{0}', '{}')$$,
    $$vector_combine('{{0}}', '{0}')$$,
    $$vector_combine('{0}', '{1,NULL}')$$,
    $$vector_combine(NULL, '{0}')$$,
    $$array_length(vector_combine('{0}', array_fill(1::float8, ARRAY[16001])), 1)$$,
    $$vector_combine('{0}', array_fill(1::float8, ARRAY[16002]))$$,
    $$vector_combine(array_fill(1::float8, ARRAY[16002]), '{0}')$$,
    $$vector_avg('{0}')$$,
    $$vector_avg('{0,1}')$$,
    $$vector_avg('{1}')$$,
    $$vector_avg('{3,1,2,4.5}')$$,
    $$vector_avg('{-1,1}')$$,
    $$vector_avg('{0.5,1}')$$,
    $$vector_avg('{1,1e39}')$$,
    $$vector_avg('{1,NaN}')$$,
    $$vector_avg('{NaN,1}')$$,
    $$vector_avg('{1,1e-46}')$$,
    $$vector_avg('{}')$$,
    $$vector_avg('{{1,2}}')$$,
    $$vector_avg('{1,NULL}')$$,
    $$vector_avg(NULL)$$,
    $$vector_dims(vector_avg(array_fill(1::float8, ARRAY[16001])))$$,
    $$vector_avg(array_fill(1::float8, ARRAY[16002]))$$
]) expression;

-- Partial aggregates in parallel workers give the same. Integer sums are exact in any order.
ALTER TABLE aggregate_rows SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT plan_has('SELECT avg(v), sum(v) FROM aggregate_rows', 'Partial Aggregate'),
       plan_has('SELECT sum(v <-> ''[1,1,1]'') FROM aggregate_rows', 'Partial Aggregate');
SELECT avg(v), sum(v) FROM aggregate_rows;
SELECT avg(v) IS NULL, sum(v) IS NULL FROM aggregate_rows WHERE id < 0;
SELECT count(*) FROM aggregate_rows WHERE v <+> '[1,-1,1]' = 0;
DROP TABLE aggregate_rows;
\pset tuples_only off

SELECT vector_accum('{}', '[1]');
SELECT avg(v ORDER BY i) FROM (VALUES (1, '[1,2]'::vector), (2, '[3]')) AS t(i, v);
SELECT sum(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) AS t(v);
