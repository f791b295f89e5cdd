-- Distances of core's bit strings.
\pset format unaligned
\pset fieldsep ' => '
\pset tuples_only on

SELECT f, a, b, outcome(format('%s(B%L, B%L)', f, a, b)), outcome(format('B%L %s B%L', a, o, b)), outcome(format('B%L::varbit %s B%L::varbit', a, o, b))
FROM (VALUES ('hamming_distance', '<~>'), ('jaccard_distance', '<%>')) AS fs(f, o),
     (VALUES ('111', '111'), ('111', '110'), ('111', '000'), ('000', '000'), ('1100', '1010'), ('', ''), ('1', '0'), ('10', '01'), ('1111111111', '1111111101'),
             ('11', '1'), ('', '1')) AS pairs(a, b);

-- every length around a word and a register, a bit set at each end
SELECT count(*),
       count(*) FILTER (WHERE (a <~> b) = 2 AND (a <~> a) = 0 AND (a <~> ~a) = d),
       count(*) FILTER (WHERE (a <%> b) = 0.5 AND (a <%> a) = 0 AND (a <%> ~a) = 1),
       count(*) FILTER (WHERE (~a <~> ~b) = 2)
FROM generate_series(8, 1200) d, LATERAL (SELECT (B'1' || repeat('0', d - 4)::varbit || B'101')::varbit AS a, (B'11' || repeat('0', d - 4)::varbit || B'01')::varbit AS b) bits;
-- patterns, against counting them by text
WITH pairs AS (
    SELECT d, string_agg((i * i % 7 % 2)::text, '' ORDER BY i) AS a, string_agg((i * 5 % 11 % 2)::text, '' ORDER BY i) AS b,
           count(*) FILTER (WHERE i * i % 7 % 2 <> i * 5 % 11 % 2) AS differ, count(*) FILTER (WHERE i * i % 7 % 2 + i * 5 % 11 % 2 = 2) AS common,
           count(*) FILTER (WHERE i * i % 7 % 2 + i * 5 % 11 % 2 > 0) AS either
    FROM generate_series(1, 700) d, LATERAL generate_series(1, d) i GROUP BY d
)
SELECT count(*), count(*) FILTER (WHERE (a::varbit <~> b::varbit) = differ),
       count(*) FILTER (WHERE (a::varbit <%> b::varbit) = CASE WHEN common = 0 THEN 1 ELSE 1 - common / either::float8 END)
FROM pairs;

-- in a table, in line, with the short header, and out of line
CREATE TABLE bit_rows (id int, b varbit);
INSERT INTO bit_rows SELECT i, repeat('1', d)::varbit FROM (VALUES (1, 3), (2, 900), (3, 1100), (4, 20000), (5, 200000)) AS t(i, d);
ALTER TABLE bit_rows ALTER b SET STORAGE EXTERNAL;
INSERT INTO bit_rows SELECT id + 10, b FROM bit_rows;
SELECT x.id, x.b <~> y.b, x.b <%> y.b, x.b <~> ~y.b, jaccard_distance(x.b, ~y.b) FROM bit_rows x JOIN bit_rows y ON y.id = x.id + 10 ORDER BY x.id;
DROP TABLE bit_rows;
CREATE TABLE bit_rows (id int, b bit(3));
INSERT INTO bit_rows VALUES (1, B'000'), (2, B'100'), (3, B'111'), (4, NULL);
SELECT id, b <~> '111' FROM bit_rows ORDER BY b <~> '111', id;
SELECT id, b <%> '101' FROM bit_rows ORDER BY b <%> '101', id;
SELECT id FROM bit_rows WHERE b <~> B'110' < 2 ORDER BY id;
PREPARE nearest_bits AS SELECT id FROM bit_rows ORDER BY b <~> $1 LIMIT 1;
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'nearest_bits';
EXECUTE nearest_bits('011');
DROP TABLE bit_rows;

SELECT hamming_distance(NULL, B'1') IS NULL, B'1' <%> NULL IS NULL;
SELECT hamming_distance('101', '111'), jaccard_distance('101', '111'), '101' <~> '111', '101' <%> '111';
-- with the bits of a vector
SELECT binary_quantize('[1,-1,2]'::vector) <~> binary_quantize('[1,1,-2]'::halfvec), binary_quantize('[1,-1,2]'::vector)::bit(3) <%> B'111';
SELECT outcome('B''1'' <~> 1'), outcome('''[1]''::vector <~> ''[1]''');
\pset tuples_only off

SELECT B'11' <~> B'1';
SELECT jaccard_distance(B'1', B'11');
