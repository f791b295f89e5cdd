-- Many dimensions. This is the one script whose expected output is not pgvector's: there an index on vector ends at
-- 2,000 dimensions ("column cannot have more than 2000 dimensions for hnsw index"), here only with the type, at 16,000.
\pset format unaligned
SET enable_seqscan = off;
CREATE FUNCTION wide(dimensions int, seed int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(((i * 7919 + seed * 104729) % 1000) / 1000.0)::vector FROM generate_series(1, dimensions) i
$$;
CREATE TABLE wide_2000 (id int, v vector(2000));
CREATE TABLE wide_2001 (id int, v vector(2001));
CREATE TABLE wide_16000 (id int, v vector(16000));
INSERT INTO wide_2000 SELECT i, wide(2000, i) FROM generate_series(1, 30) i;
INSERT INTO wide_2001 SELECT i, wide(2001, i) FROM generate_series(1, 30) i;
INSERT INTO wide_16000 SELECT i, wide(16000, i) FROM generate_series(1, 30) i;
CREATE INDEX ON wide_2000 USING hnsw (v vector_l2_ops);
CREATE INDEX ON wide_2001 USING hnsw (v vector_l2_ops);
CREATE INDEX ON wide_2001 USING hnsw (v vector_l1_ops);
CREATE INDEX ON wide_16000 USING hnsw (v vector_l2_ops);
CREATE INDEX ON wide_16000 USING hnsw (v vector_ip_ops);
CREATE INDEX ON wide_16000 USING hnsw (v vector_cosine_ops);
CREATE INDEX ON wide_16000 USING hnsw (v vector_l1_ops);
INSERT INTO wide_2000 SELECT i, wide(2000, i) FROM generate_series(31, 40) i;
INSERT INTO wide_2001 SELECT i, wide(2001, i) FROM generate_series(31, 40) i;
INSERT INTO wide_16000 SELECT i, wide(16000, i) FROM generate_series(31, 40) i;

-- Every row is its own nearest, and the index agrees with the definition on the next.
SELECT count(*) FROM wide_2000 w WHERE id = (SELECT id FROM wide_2000 ORDER BY v <-> w.v LIMIT 1);
SELECT count(*) FROM wide_2001 w WHERE id = (SELECT id FROM wide_2001 ORDER BY v <-> w.v LIMIT 1);
SELECT count(*) FROM wide_2001 w WHERE id = (SELECT id FROM wide_2001 ORDER BY v <+> w.v LIMIT 1);
SELECT count(*) FROM wide_16000 w WHERE id = (SELECT id FROM wide_16000 ORDER BY v <-> w.v LIMIT 1);
SELECT count(*) FROM wide_16000 w WHERE id = (SELECT id FROM wide_16000 ORDER BY v <=> w.v LIMIT 1);
SELECT count(*) FROM wide_16000 w WHERE id = (SELECT id FROM wide_16000 ORDER BY v <+> w.v LIMIT 1);
SELECT count(*) FROM wide_16000 w
WHERE (SELECT min(v <#> w.v) FROM wide_16000) = (SELECT v <#> w.v FROM wide_16000 ORDER BY v <#> w.v LIMIT 1);
DELETE FROM wide_16000 WHERE id % 2 = 0;
VACUUM wide_16000;
INSERT INTO wide_16000 SELECT i, wide(16000, i) FROM generate_series(41, 50) i;
SELECT count(*) FROM wide_16000 w WHERE id = (SELECT id FROM wide_16000 ORDER BY v <-> w.v LIMIT 1);
SELECT count(*) FROM (SELECT FROM wide_16000 ORDER BY v <-> wide(16000, 3)) AS found;
DROP TABLE wide_2000, wide_2001, wide_16000;
DROP FUNCTION wide;
