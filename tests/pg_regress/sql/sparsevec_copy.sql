-- The binary form: dimensions, number of elements, a field that must be zero, the indices counted from zero, the values.
\pset format unaligned
\pset fieldsep ' => '
\set results `echo "${PG_ABS_BUILDDIR:-.}/results"`
\cd :results

SELECT v, sparsevec_send(v) FROM unnest(ARRAY['{}/1', '{1:1}/1', '{1:1,3:-2,5:0.5}/5', '{1000000000:3.4028235e38}/1000000000', '{2:1e-45}/2']::sparsevec[]) v;
SELECT length(sparsevec_send(array_fill(1, ARRAY[16000])::sparsevec)), sparsevec_send(NULL);

-- out and in again, by binary and by text
CREATE TABLE sparse_copy_rows (id int, v sparsevec, three sparsevec(3), many sparsevec[]);
INSERT INTO sparse_copy_rows VALUES (1, '{1:1,3:1e-45,4:3.4028235e38}/9', '{2:2}/3', '{"{}/1",NULL,"{1:2,2:3}/2"}'), (2, NULL, NULL, '{}'),
    (3, array_fill(0.1, ARRAY[16000])::vector, '{}/3', NULL);
CREATE TABLE sparse_copied (LIKE sparse_copy_rows);
\copy sparse_copy_rows TO 'sparsevec_copy.bin' WITH (FORMAT binary)
\copy sparse_copied FROM 'sparsevec_copy.bin' WITH (FORMAT binary)
\copy sparse_copy_rows TO 'sparsevec_copy.txt'
\copy sparse_copied FROM 'sparsevec_copy.txt'
\copy sparse_copy_rows TO 'sparsevec_copy.csv' WITH (FORMAT csv)
\copy sparse_copied FROM 'sparsevec_copy.csv' WITH (FORMAT csv)
SELECT id, count(*), count(DISTINCT (v, three, many)::text), min(three::text), min(many::text), min(left(v::text, 40)) FROM sparse_copied GROUP BY id ORDER BY id;
COPY (SELECT v, three, many FROM sparse_copy_rows WHERE id < 3 ORDER BY id) TO stdout;
COPY (SELECT v, three FROM sparse_copy_rows WHERE id < 3 ORDER BY id) TO stdout WITH (FORMAT csv);

CREATE TABLE sparse_received (v sparsevec);
CREATE TABLE sparse_received_three (v sparsevec(3));

-- a well-made payload, and one without elements
\copy (SELECT '\x00000003000000020000000000000000000000023f800000bf000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received_three FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000000030000000000000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received_three FROM 'sparsevec_wire.bin' WITH (FORMAT binary)

-- no dimensions, negative dimensions, too many
\copy (SELECT '\x000000000000000000000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x800000000000000000000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x3b9aca010000000000000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)

-- a negative number of elements, too many, more than dimensions
\copy (SELECT '\x00000003ffffffff00000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00004e2000003e8100000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000000010000000200000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)

-- the field that must be zero; for a column of another length that is found first
\copy (SELECT '\x000000020000000000000001'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received_three FROM 'sparsevec_wire.bin' WITH (FORMAT binary)

-- indices out of bounds, descending, equal
\copy (SELECT '\x000000030000000100000000ffffffff3f800000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000000030000000100000000000000033f800000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00000003000000020000000000000001000000003f8000003f800000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00000003000000020000000000000001000000013f8000003f800000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)

-- NaN, infinity, zeros
\copy (SELECT '\x000000030000000100000000000000017fc00000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00000003000000010000000000000001ff800000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x0000000300000001000000000000000100000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x0000000300000001000000000000000180000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)

-- too short, in each part, and too long
\copy (SELECT ''::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00000003'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x0000000300000001'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000000030000000100000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00000003000000020000000000000001000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00000003000000020000000000000003'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000000030000000100000000000000013f8000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x00000003000000020000000000000001000000027fc00000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy (SELECT '\x000000030000000100000000000000013f80000000'::bytea) TO 'sparsevec_wire.bin' WITH (FORMAT binary)
\copy sparse_received FROM 'sparsevec_wire.bin' WITH (FORMAT binary)

SELECT v, sparsevec_send(v) FROM sparse_received UNION ALL SELECT v, sparsevec_send(v) FROM sparse_received_three;
DROP TABLE sparse_copy_rows, sparse_copied, sparse_received, sparse_received_three;
