-- The four operator classes of vector. One table carries an index of each: the operator of a query chooses.
\pset format unaligned
\pset fieldsep ' | '
SET enable_seqscan = off;
CREATE TABLE places (id int, v vector(3));
INSERT INTO places VALUES (1, '[3,0,4]'), (2, '[1,2,2]'), (3, '[-2,6.5,3]'), (4, '[0,0,0]'), (5, NULL);
CREATE INDEX places_l2 ON places USING hnsw (v vector_l2_ops);
CREATE INDEX places_ip ON places USING hnsw (v vector_ip_ops);
CREATE INDEX places_cosine ON places USING hnsw (v vector_cosine_ops);
CREATE INDEX places_l1 ON places USING hnsw (v vector_l1_ops);
-- The rest comes one by one, into the indexes that are there.
INSERT INTO places VALUES (6, '[5,-1,1.5]');
INSERT INTO places VALUES (7, '[-4,-4,7]'), (8, NULL);

-- The rows nearest to a point, from the index, and the distances they were found at.
CREATE FUNCTION nearest(operator text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    statement text := format('SELECT id, v %s %L AS distance FROM places ORDER BY v %1$s %2$L', operator, query);
    answer text;
BEGIN
    IF NOT plan_has(statement, 'Index Scan using places_') THEN
        RETURN 'not by the index';
    END IF;
    EXECUTE format('SELECT string_agg(id || '':'' || round(distance::numeric, 4)::text, '' '') FROM (%s) AS found', statement) INTO answer;
    RETURN answer;
END $$;
SELECT operator, query, nearest(operator, query)
FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) WITH ORDINALITY o (operator, i),
     unnest(ARRAY['[3,0,5]', '[-1,-1,8]', '[100,200,-50]', '[-0.001,0.002,0]']) WITH ORDINALITY q (query, j)
ORDER BY i, j;

-- A zero vector has no direction: cosine leaves it out as a row; as a query it brings all the others.
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> '[0,0,0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <#> '[0,0,0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <=> '[0,0,0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <=> '[-0,0,-0]') AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <+> '[0,0,0]') AS found;
SELECT id FROM places ORDER BY v <-> '[0,0,0]' LIMIT 2;

-- A query that is NULL brings every row that the index holds, in any order.
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> (SELECT NULL::vector)) AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <#> (SELECT NULL::vector)) AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <=> (SELECT NULL::vector)) AS found;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <+> (SELECT NULL::vector)) AS found;
SELECT count(*), count(distance) FROM (SELECT v <-> (SELECT NULL::vector) AS distance FROM places ORDER BY v <-> (SELECT NULL::vector) LIMIT 3) AS found;

-- What needs no order counts the whole table.
SELECT count(*) FROM places;
SELECT count(*) FROM places WHERE v <-> '[0,0,0]' < 6;

-- Other dimensions than the column's: an error when the first row is wanted.
SELECT id FROM places ORDER BY v <-> '[1,2]';
SELECT id FROM places ORDER BY v <#> '[1,2]';
SELECT id FROM places ORDER BY v <=> '[1,2,3,4]' LIMIT 1;
SELECT id FROM places ORDER BY v <+> '[1]' LIMIT 1;
SELECT id FROM places ORDER BY '[1]' <-> v LIMIT 1;
SELECT id FROM places ORDER BY v <-> '[1]' LIMIT 0;

-- The operands in either order, a sub-query, an expression and another table's column as the query.
SELECT plan_has($$SELECT id FROM places ORDER BY '[3,0,5]' <=> v$$, 'Index Scan using places_cosine');
SELECT id FROM places ORDER BY '[3,0,5]' <=> v LIMIT 2;
SELECT id FROM places ORDER BY v <-> (SELECT v FROM places WHERE id = 6) LIMIT 2;
SELECT id FROM places ORDER BY v <-> '[1,1,1]'::vector + '[4,-2,0]' LIMIT 1;
SELECT id FROM places ORDER BY v <-> ARRAY[-4,-4,8]::vector LIMIT 1;
SELECT p.id, n.neighbours FROM places p CROSS JOIN LATERAL (
    SELECT array_agg(id) AS neighbours FROM (SELECT id FROM places ORDER BY v <-> p.v LIMIT 2) AS two) AS n
WHERE p.v IS NOT NULL ORDER BY p.id;
SELECT q.query, n.id FROM (VALUES ('[3,0,5]'::vector), ('[-1,-1,8]'), ('[0,0,0]')) AS q (query)
CROSS JOIN LATERAL (SELECT id FROM places ORDER BY v <+> q.query LIMIT 1) AS n;
SELECT DISTINCT ON (q) q, (SELECT id FROM places ORDER BY v <=> q LIMIT 1) FROM unnest(ARRAY['[6,-1,1]', '[0,0,1]']::vector[]) q ORDER BY q;
-- The distance under another name, as an expression over it, beside other conditions.
SELECT id, v <-> '[3,0,4]' AS distance FROM places ORDER BY distance LIMIT 2;
SELECT id, 1 - (v <=> '[1,2,2]') AS similarity FROM places ORDER BY v <=> '[1,2,2]' LIMIT 1;
SELECT id FROM places WHERE v <-> '[3,0,4]' < 5 ORDER BY v <-> '[3,0,4]';
SELECT id FROM places WHERE id <> 1 ORDER BY v <-> '[3,0,4]' LIMIT 1;
WITH nearest AS MATERIALIZED (SELECT id, v <-> '[3,0,4]' AS distance FROM places ORDER BY distance LIMIT 5)
SELECT id FROM nearest WHERE distance < 5 ORDER BY distance + 0;
-- Equal distances in the order of another column.
BEGIN;
INSERT INTO places VALUES (9, '[4,0,3]');
SELECT id FROM places WHERE v IS NOT NULL ORDER BY v <-> '[0,0,0]', id DESC;
ROLLBACK;

-- Rows that change, go, and come back.
UPDATE places SET v = '[30,0,40]' WHERE id = 1;
SELECT id FROM places ORDER BY v <-> '[30,0,41]' LIMIT 2;
DELETE FROM places WHERE id = 6;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> '[5,-1,1]') AS found;
BEGIN;
INSERT INTO places VALUES (9, '[9,9,9]');
SELECT id FROM places ORDER BY v <-> '[9,9,9]' LIMIT 1;
SAVEPOINT before;
INSERT INTO places VALUES (10, '[9,9,9.5]');
ROLLBACK TO before;
SELECT id FROM places ORDER BY v <-> '[9,9,9.5]' LIMIT 1;
ROLLBACK;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> '[9,9,9]') AS found;
VACUUM places;
SELECT count(*) FROM (SELECT FROM places ORDER BY v <-> '[9,9,9]') AS found;
INSERT INTO places VALUES (11, '[9,9,9]');
SELECT id FROM places ORDER BY v <-> '[9,9,9]' LIMIT 1;

-- Emptied.
TRUNCATE places;
SELECT id FROM places ORDER BY v <-> '[9,9,9]' LIMIT 1;
SELECT id FROM places ORDER BY v <=> '[9,9]' LIMIT 1;
SELECT id FROM places ORDER BY v <#> (SELECT NULL::vector);
-- Nothing but what no index keeps.
INSERT INTO places VALUES (1, NULL), (2, '[0,0,0]');
SELECT id FROM places ORDER BY v <=> '[1,1,1]';
SELECT id FROM places ORDER BY v <-> '[1,1,1]';
INSERT INTO places VALUES (3, '[1,2,3]');
SELECT id FROM places ORDER BY v <=> '[1,1,1]';
BEGIN;
TRUNCATE places;
INSERT INTO places VALUES (4, '[3,2,1]');
SELECT id FROM places ORDER BY v <-> '[1,1,1]';
ROLLBACK;
SELECT id FROM places ORDER BY v <-> '[1,2,3]';
DROP TABLE places;
DROP FUNCTION nearest;

-- One dimension, and lengths far apart.
CREATE TABLE numbers (v vector(1));
CREATE INDEX ON numbers USING hnsw (v vector_l2_ops);
CREATE INDEX ON numbers USING hnsw (v vector_cosine_ops);
INSERT INTO numbers VALUES ('[1e-38]'), ('[-1e-20]'), ('[0]'), ('[1]'), ('[-2]'), ('[1e15]'), ('[-1e18]');
SELECT v FROM numbers ORDER BY v <-> '[0.9]' LIMIT 1;
SELECT v FROM numbers ORDER BY v <-> '[-8e17]' LIMIT 1;
SELECT v FROM numbers ORDER BY v <-> '[2e15]' LIMIT 1;
SELECT count(*) FROM (SELECT FROM numbers ORDER BY v <=> '[1]') AS found;
DROP TABLE numbers;
