-- Which plan the planner takes when it is free to choose: the index where it brings enough rows soon, others where a
-- condition leaves few.
\pset format unaligned
\pset fieldsep ' | '
CREATE TABLE articles (id int PRIMARY KEY, v vector(3), category int, language text);
INSERT INTO articles SELECT i, ARRAY[i * 7919 % 10007, i * i % 10009, i * 104729 % 10037]::int[]::vector, i % 50, 'language ' || i % 50
FROM generate_series(1::bigint, 10000) i;
CREATE INDEX articles_hnsw ON articles USING hnsw (v vector_l2_ops);
CREATE TABLE sections (id int PRIMARY KEY, title text);
INSERT INTO sections SELECT i, 'section ' || i FROM generate_series(0, 49) i;
ANALYZE articles, sections;

-- The nodes that the plan of a query has, out of those that matter here.
CREATE FUNCTION nodes(query text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(node, ', ') FROM unnest(ARRAY['Seq Scan on articles', 'Index Scan using articles_hnsw', 'Index Scan using articles_first', 'Bitmap Heap Scan on articles']) node
    WHERE plan_has(query, node)
$$;
SELECT query, nodes(query) FROM unnest(ARRAY[
    $$SELECT id FROM articles ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE category <> 7 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE category >= 1 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE language LIKE 'lang%' ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE v <-> '[1000,2000,3000]' < 1000 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT a.id FROM articles a JOIN sections s ON s.id = a.category ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT a.id FROM articles a LEFT JOIN sections s ON s.id = a.category ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE category = 7 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE category < 1 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE language LIKE 'book%' ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE v <-> '[1000,2000,3000]' < 1000 LIMIT 10$$,
    $$SELECT id FROM articles WHERE v <-> '[1000,2000,3000]' < 1000 ORDER BY v <-> '[1000,2000,3000]'$$,
    $$SELECT id FROM articles ORDER BY v <-> '[1000,2000,3000]'$$,
    $$SELECT count(*) FROM articles$$,
    $$SELECT id FROM articles WHERE v = '[1000,2000,3000]'$$]) query;
-- With a btree for the condition.
CREATE INDEX ON articles (category);
SELECT query, nodes(query) FROM unnest(ARRAY[
    $$SELECT id FROM articles WHERE category = 7 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE category <> 7 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE category >= 1 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$]) query;
-- With an index of the matching rows alone.
CREATE INDEX articles_first ON articles USING hnsw (v vector_l2_ops) WHERE category = 7;
SELECT query, nodes(query) FROM unnest(ARRAY[
    $$SELECT id FROM articles WHERE category = 7 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles WHERE category = 8 ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$,
    $$SELECT id FROM articles ORDER BY v <-> '[1000,2000,3000]' LIMIT 20$$]) query;
-- A plan with the index costs something, and less for fewer rows.
CREATE FUNCTION cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' -> 'Total Cost';
END $$;
SELECT cost($$SELECT id FROM articles ORDER BY v <-> '[0,0,0]' LIMIT 1$$) > 0,
       cost($$SELECT id FROM articles ORDER BY v <-> '[0,0,0]' LIMIT 1$$) < cost($$SELECT id FROM articles ORDER BY v <-> '[0,0,0]' LIMIT 100$$);
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL hnsw.ef_search = 10;
SELECT cost($$SELECT id FROM articles ORDER BY v <-> '[0,0,0]' LIMIT 20$$) AS narrow \gset
SET LOCAL hnsw.ef_search = 400;
SELECT cost($$SELECT id FROM articles ORDER BY v <-> '[0,0,0]' LIMIT 20$$) > :narrow AS wider_costs_more;
COMMIT;
DROP TABLE articles, sections;
DROP FUNCTION nodes, cost;
