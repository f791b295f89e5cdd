-- Distances that only order the rows of an index scan are not computed: which plans have them, and that rows are the same.
CREATE TABLE items (id int, v vector(3));
INSERT INTO items SELECT i, ARRAY[i * 7919 % 101, i * i % 103, i * 104729 % 107]::int[]::vector FROM generate_series(1::bigint, 300) i;
CREATE INDEX items_hnsw ON items USING hnsw (v vector_l2_ops);
CREATE TABLE parts (id int, v vector(3)) PARTITION BY HASH (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (modulus 2, remainder 1);
INSERT INTO parts SELECT * FROM items;
CREATE INDEX parts_hnsw ON parts USING hnsw (v vector_l2_ops);
CREATE TABLE questions (id int, v vector(3));
INSERT INTO questions SELECT i, ARRAY[i, 2 * i, 3 * i]::vector FROM generate_series(1, 5) i;
ANALYZE items, parts, questions;
SET enable_seqscan = off;
SET enable_indexonlyscan = off;

-- In how many nodes of its plan a query has a distance among its columns, with the setting and without; whether it uses an
-- index, and brings the same rows in the same order.
CREATE FUNCTION compare(query text, OUT skipped int, OUT computed int, OUT uses_index boolean, OUT same_rows boolean) LANGUAGE plpgsql AS $$
DECLARE
    line text;
    rows text[];
    count int;
    result text;
BEGIN
    uses_index := plan_has(query, 'Index Scan using');
    FOR setting IN 0..1 LOOP
        PERFORM set_config('quartzdb.skip_unread_distances', setting::text, true);
        count := 0;
        FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
            count := count + (line LIKE '%Output:%<->%')::int;
        END LOOP;
        EXECUTE 'SELECT array_agg(found::text) FROM (' || query || ') found' INTO result;
        rows[setting] := result;
        IF setting = 1 THEN skipped := count; ELSE computed := count; END IF;
    END LOOP;
    same_rows := rows[0] = rows[1];
END $$;

SELECT (compare(query)).*, query FROM unnest(ARRAY[
    $$SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5$$,
    $$SELECT id FROM items ORDER BY v <-> '[50,50,50]'$$,
    $$SELECT id, v FROM items WHERE id % 3 = 0 ORDER BY v <-> '[50,50,50]' LIMIT 5 OFFSET 2$$,
    $$SELECT id + 1 AS next FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5$$,
    $$SELECT * FROM (SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5) nearest WHERE id > 0$$,
    $$WITH nearest AS MATERIALIZED (SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5) SELECT * FROM nearest$$,
    $$SELECT q.id, ARRAY(SELECT i.id FROM items i ORDER BY i.v <-> q.v LIMIT 3) FROM questions q$$,
    $$(SELECT id FROM items ORDER BY v <-> '[1,1,1]' LIMIT 3) UNION ALL (SELECT id FROM items ORDER BY v <-> '[99,99,99]' LIMIT 3)$$
]) query;

-- Where they are read, or might be: PostgreSQL takes a subquery's columns as they are where that is cheaper.
SELECT (compare(query)).*, query FROM unnest(ARRAY[
    $$SELECT id, v <-> '[50,50,50]' AS distance FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5$$,
    $$SELECT id FROM items ORDER BY v <-> '[50,50,50]' FETCH FIRST 5 ROWS WITH TIES$$,
    $$SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5 FOR SHARE$$,
    $$SELECT id FROM parts ORDER BY v <-> '[50,50,50]' LIMIT 5$$,
    $$SELECT id FROM (SELECT id, v <-> '[50,50,50]' AS distance FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5) nearest WHERE distance < 20$$,
    $$SELECT id, row_number() OVER (ORDER BY v <-> '[50,50,50]') FROM items LIMIT 5$$,
    $$SELECT count(*) FROM (SELECT v, id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5 OFFSET 0) nearest WHERE id > 0$$,
    $$SELECT q.id, i.id AS item FROM questions q, LATERAL (SELECT id FROM items ORDER BY v <-> q.v LIMIT 3) i$$,
    $$SELECT id FROM items ORDER BY '[50,50,50]' <-> v LIMIT 5$$,
    $$SELECT count(*), max(id) FROM (SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5) nearest WHERE id > 0$$,
    $$SELECT DISTINCT ON (v <-> '[50,50,50]') id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 5$$
]) query;

-- Not in order without the distance. (From some release of PostgreSQL on the rows come from the index.)
SELECT skipped, computed, same_rows FROM compare($$SELECT id FROM items ORDER BY v <-> '[50,50,50]', id LIMIT 5$$);

-- Other commands that run such a query.
PREPARE nearest(vector) AS SELECT id FROM items ORDER BY v <-> $1 LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE nearest('[50,50,50]');
EXECUTE nearest('[50,50,50]');
BEGIN;
DECLARE ahead CURSOR FOR SELECT id FROM items ORDER BY v <-> '[50,50,50]';
FETCH 3 FROM ahead;
DECLARE to_and_fro SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> '[50,50,50]';
FETCH 3 FROM to_and_fro;
FETCH BACKWARD 1 FROM to_and_fro;
COMMIT;
CREATE TABLE found AS SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 3;
INSERT INTO found SELECT -id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 3;
SELECT * FROM found;
DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 3) RETURNING id;
DO $$ BEGIN RAISE NOTICE '%', (SELECT id FROM items ORDER BY v <-> '[50,50,50]' LIMIT 1); END $$;
DROP TABLE items, parts, questions, found;
DROP FUNCTION compare;
