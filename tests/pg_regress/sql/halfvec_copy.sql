-- The binary form, written and read by COPY. A bytea's binary form is its bytes, so a file of
-- bytea is a file of whatever payload a client might send.
\pset format unaligned
\pset fieldsep ' => '
\set results `echo "${PG_ABS_BUILDDIR:-.}/results"`
\cd :results

SELECT v, halfvec_send(v) FROM unnest(ARRAY['[1]', '[1,-2,0.5]', '[0,-0]', '[65504,6e-8]']::halfvec[]) v;
SELECT length(halfvec_send(array_fill(1, ARRAY[16000])::halfvec)), halfvec_send(NULL);

-- out and in again, by binary and by text
CREATE TABLE half_copy_rows (id int, v halfvec, three halfvec(3), many halfvec[]);
INSERT INTO half_copy_rows VALUES (1, '[1,-0,6e-8,65504]', '[1,2,3]', '{"[1]",NULL,"[2,3]"}'), (2, NULL, NULL, '{}'),
    (3, array_fill(0.1, ARRAY[16000]), '[4,5,6]', NULL);
CREATE TABLE half_copied (LIKE half_copy_rows);
\copy half_copy_rows TO 'halfvec_copy.bin' WITH (FORMAT binary)
\copy half_copied FROM 'halfvec_copy.bin' WITH (FORMAT binary)
\copy half_copy_rows TO 'halfvec_copy.txt'
\copy half_copied FROM 'halfvec_copy.txt'
\copy half_copy_rows TO 'halfvec_copy.csv' WITH (FORMAT csv)
\copy half_copied FROM 'halfvec_copy.csv' WITH (FORMAT csv)
SELECT id, count(*), count(DISTINCT (v, three, many)::text), min(three::text), min(many::text), min(left(v::text, 40)) FROM half_copied GROUP BY id ORDER BY id;
-- what COPY prints
COPY (SELECT v, three, many FROM half_copy_rows WHERE id < 3 ORDER BY id) TO stdout;
COPY (SELECT three FROM half_copy_rows WHERE id < 3 ORDER BY id) TO stdout WITH (FORMAT csv);

CREATE TABLE half_received (v halfvec);
CREATE TABLE half_received_three (v halfvec(3));

-- a well-made payload: dimensions, two bytes that must be zero, elements
\copy (SELECT '\x000300003c008000b800'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received_three FROM 'halfvec_wire.bin' WITH (FORMAT binary)
-- no dimensions
\copy (SELECT '\x00000000'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
-- 16001 dimensions
\copy (SELECT '\x3e810000'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
-- the number of dimensions is signed
\copy (SELECT '\x80000000'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
-- the unused bytes are set; for a column of another length that is found first
\copy (SELECT '\x000100013c00'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received_three FROM 'halfvec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x0001ffff3c00'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
-- NaN and infinity
\copy (SELECT '\x000200003c007e00'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000200003c00fc00'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
-- too short, in each part, and too long
\copy (SELECT ''::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x0001'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000200003c003c'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000100003c0000'::bytea) TO 'halfvec_wire.bin' WITH (FORMAT binary)
\copy half_received FROM 'halfvec_wire.bin' WITH (FORMAT binary)

SELECT v, halfvec_send(v) FROM half_received UNION ALL SELECT v, halfvec_send(v) FROM half_received_three;
DROP TABLE half_copy_rows, half_copied, half_received, half_received_three;
