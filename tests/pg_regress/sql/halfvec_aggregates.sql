-- avg and sum, and the functions avg is made of, which anyone may call with any state.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

CREATE TABLE half_aggregate_rows (id int, v halfvec);
INSERT INTO half_aggregate_rows SELECT i, ARRAY[i % 5, -(i % 3), i % 7]::halfvec FROM generate_series(1, 400) i;
INSERT INTO half_aggregate_rows VALUES (0, NULL);

SELECT avg(v), sum(v), count(v) FROM half_aggregate_rows;
SELECT avg(v), sum(v) FROM half_aggregate_rows WHERE id = 7;
SELECT avg(v) IS NULL, sum(v) IS NULL FROM half_aggregate_rows WHERE id = 0;
SELECT avg(v) IS NULL, sum(v) IS NULL FROM half_aggregate_rows WHERE false;
SELECT id % 3 AS third, avg(v), sum(v) FROM half_aggregate_rows GROUP BY third ORDER BY third;
SELECT id, avg(v) OVER w, sum(v) OVER w FROM half_aggregate_rows WHERE id BETWEEN 1 AND 4 WINDOW w AS (ORDER BY id ROWS 1 PRECEDING) ORDER BY id;
SELECT avg(DISTINCT v), sum(v ORDER BY v DESC), avg(v) FILTER (WHERE v > '[1]') FROM (VALUES ('[1]'::halfvec), ('[1]'), ('[4]')) AS t(v);

-- avg sums in float8, sum in half precision at every step
SELECT avg(v), sum(v) FROM (VALUES ('[2048,1]'::halfvec), ('[1,2]'), ('[1,4]')) AS t(v);
SELECT sum('[1.5]'::halfvec) FROM generate_series(1, 10000);
SELECT outcome($$(SELECT avg(v) FROM (VALUES ('[6e4]'::halfvec), ('[6e4]')) AS t(v))$$),
       outcome($$(SELECT sum(v) FROM (VALUES ('[6e4]'::halfvec), ('[6e4]')) AS t(v))$$);
-- dimensions must agree
SELECT outcome($$(SELECT avg(v ORDER BY i) FROM (VALUES (1, '[1,2]'::halfvec), (2, '[3]')) AS t(i, v))$$),
       outcome($$(SELECT sum(v ORDER BY i) FROM (VALUES (1, '[1,2]'::halfvec), (2, '[3]')) AS t(i, v))$$);

-- the state: a count, then a sum for each dimension
SELECT expression, outcome(expression) FROM unnest(ARRAY[
    $$halfvec_accum('{0}', '[1,2,3]')$$,
    $$halfvec_accum('{1,10,20}', '[1,2]')$$,
    $$halfvec_accum('{1,1e300}', '[1]')$$,
    $$halfvec_accum('{0.5,1}', '[0.1]')$$,
    $$halfvec_accum('[0:1]={1,2}', '[1]')$$,
    $$halfvec_accum('{1,1.7976931348623157e308}', '[6e4]')$$,
    $$halfvec_accum('{1,Infinity}', '[1]')$$,
    $$halfvec_accum('{1,NaN}', '[1]')$$,
    $$halfvec_accum('{1,2,3}', '[1]')$$,
    $$halfvec_accum('{1,2}', '[1,2]')$$,
    $$halfvec_accum('{}', '[1]')$$,
    $$halfvec_accum('{{0}}', '[1]')$$,
    $$halfvec_accum('{0,NULL}', '[1]')$$,
    $$halfvec_accum('{NULL}', '[1]')$$,
    $$halfvec_accum(NULL, '[1]')$$,
    $$halfvec_accum('{0}', NULL)$$,
    -- the function of vector, whose name shows
    $$halfvec_combine('{0}', '{0}')$$,
    $$halfvec_combine('{0}', '{2,3,4}')$$,
    $$halfvec_combine('{2,3,4}', '{1,10,20}')$$,
    $$halfvec_combine('{4,5}', '{3}')$$,
    $$halfvec_combine('{1,2}', '{1,2,3}')$$,
    $$halfvec_combine('{1,1.5e308}', '{1,1.5e308}')$$,
    $$halfvec_combine('{}', '{0}')$$,
    $$halfvec_combine('{0}', array_fill(1::float8, ARRAY[16002]))$$,
    $$halfvec_avg('{0}')$$,
    $$halfvec_avg('{0,1}')$$,
    $$halfvec_avg('{1}')$$,
    $$halfvec_avg('{3,1,2,4.5}')$$,
    $$halfvec_avg('{-1,1}')$$,
    $$halfvec_avg('{0.5,1}')$$,
    $$halfvec_avg('{1,1e39}')$$,
    $$halfvec_avg('{1,65519}')$$,
    $$halfvec_avg('{1,65520}')$$,
    $$halfvec_avg('{2,-262144}')$$,
    $$halfvec_avg('{1,NaN,70000}')$$,
    $$halfvec_avg('{1,70000,NaN}')$$,
    $$halfvec_avg('{3,1,2049}')$$,
    $$halfvec_avg('{1,NaN}')$$,
    $$halfvec_avg('{NaN,1}')$$,
    $$halfvec_avg('{1,1e-46}')$$,
    $$halfvec_avg('{}')$$,
    $$halfvec_avg('{{1,2}}')$$,
    $$halfvec_avg('{1,NULL}')$$,
    $$halfvec_avg(NULL)$$,
    $$vector_dims(halfvec_avg(array_fill(1::float8, ARRAY[16001])))$$,
    $$halfvec_avg(array_fill(1::float8, ARRAY[16002]))$$
]) expression;

-- Partial aggregates in parallel workers give the same. Integer sums are exact in any order.
ALTER TABLE half_aggregate_rows SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT plan_has('SELECT avg(v), sum(v) FROM half_aggregate_rows', 'Partial Aggregate'),
       plan_has('SELECT sum(v <-> ''[1,1,1]'') FROM half_aggregate_rows', 'Partial Aggregate');
SELECT avg(v), sum(v) FROM half_aggregate_rows;
SELECT avg(v) IS NULL, sum(v) IS NULL FROM half_aggregate_rows WHERE id < 0;
SELECT count(*) FROM half_aggregate_rows WHERE v <+> '[1,-1,1]' = 0;
DROP TABLE half_aggregate_rows;
\pset tuples_only off

SELECT halfvec_accum('{}', '[1]');
SELECT avg(v ORDER BY i) FROM (VALUES (1, '[1,2]'::halfvec), (2, '[3]')) AS t(i, v);
SELECT sum(v) FROM (VALUES ('[6e4]'::halfvec), ('[6e4]')) AS t(v);
