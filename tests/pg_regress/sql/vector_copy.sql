-- The binary form, written and read by COPY. A bytea's binary form is its bytes, so a file of
-- bytea is a file of whatever payload a client might send.
\pset format unaligned
\pset fieldsep ' => '
\set results `echo "${PG_ABS_BUILDDIR:-.}/results"`
\cd :results

SELECT v, vector_send(v) FROM unnest(ARRAY['[1]', '[1,-2,0.5]', '[0,-0]', '[3.4028235e38,1e-45]']::vector[]) v;
SELECT length(vector_send(array_fill(1, ARRAY[16000])::vector)), vector_send(NULL);

-- out and in again, by binary and by text
CREATE TABLE copy_rows (id int, v vector, three vector(3), many vector[]);
INSERT INTO copy_rows VALUES (1, '[1,-0,1e-45,3.4028235e38]', '[1,2,3]', '{"[1]",NULL,"[2,3]"}'), (2, NULL, NULL, '{}'),
    (3, array_fill(0.1, ARRAY[16000]), '[4,5,6]', NULL);
CREATE TABLE copied (LIKE copy_rows);
\copy copy_rows TO 'vector_copy.bin' WITH (FORMAT binary)
\copy copied FROM 'vector_copy.bin' WITH (FORMAT binary)
\copy copy_rows TO 'vector_copy.txt'
\copy copied FROM 'vector_copy.txt'
\copy copy_rows TO 'vector_copy.csv' WITH (FORMAT csv)
\copy copied FROM 'vector_copy.csv' WITH (FORMAT csv)
SELECT id, count(*), count(DISTINCT (v, three, many)::text), min(three::text), min(many::text), min(left(v::text, 40)) FROM copied GROUP BY id ORDER BY id;
-- what COPY prints
COPY (SELECT v, three, many FROM copy_rows WHERE id < 3 ORDER BY id) TO stdout;
COPY (SELECT three FROM copy_rows WHERE id < 3 ORDER BY id) TO stdout WITH (FORMAT csv);

CREATE TABLE received (v vector);
CREATE TABLE received_three (v vector(3));

-- a well-made payload: dimensions, two bytes that must be zero, elements
\copy (SELECT '\x000300003f80000080000000bf000000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
\copy received_three FROM 'vector_wire.bin' WITH (FORMAT binary)
-- no dimensions
\copy (SELECT '\x00000000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
-- 16001 dimensions
\copy (SELECT '\x3e810000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
-- the number of dimensions is signed
\copy (SELECT '\x80000000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
-- the unused bytes are set; for a column of another length that is found first
\copy (SELECT '\x000100013f800000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
\copy received_three FROM 'vector_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x0001ffff3f800000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
-- NaN and infinity
\copy (SELECT '\x000200003f8000007fc00000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000200003f800000ff800000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
-- too short, in each part, and too long
\copy (SELECT ''::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x0001'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000200003f8000003f8000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000100003f80000000'::bytea) TO 'vector_wire.bin' WITH (FORMAT binary)
\copy received FROM 'vector_wire.bin' WITH (FORMAT binary)

SELECT v, vector_send(v) FROM received UNION ALL SELECT v, vector_send(v) FROM received_three;
DROP TABLE copy_rows, copied, received, received_three;
