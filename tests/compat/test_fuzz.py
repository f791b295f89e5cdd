"""Hostile input. The text parsers and the binary readers are the only code that sees bytes nobody
has checked, so thousands of damaged values go through them, and through the model in
`reference.py`: the server must accept the same, mean the same bits, fail in the same words, and
never lose the backend. Seeds are fixed: a failure repeats."""

import random
import struct

import psycopg
import pytest
import reference
from psycopg.adapt import Dumper
from psycopg.pq import Format

TYPES = ["vector", "halfvec", "sparsevec"]

# the bits of the value, the type's own text, and core's text of the same floats
ANSWER = {
    "vector": "vector_send(v), v::text, v::real[]::text",
    "halfvec": "halfvec_send(v), v::text, v::real[]::text",
    "sparsevec": "sparsevec_send(v), v::text, NULL",
}


class Wire(bytes):
    """A payload sent as it is, as a binary parameter of a type."""


WIRES = {kind: type("Wire", (Wire,), {}) for kind in TYPES}


@pytest.fixture
def connection(connection):
    class WireDumper(Dumper):
        format = Format.BINARY

        def dump(self, payload):
            return bytes(payload)

    for kind in TYPES:
        oid = connection.execute("SELECT %s::regtype::oid::int", [kind]).fetchone()[0]
        connection.adapters.register_dumper(WIRES[kind], type("WireDumper", (WireDumper,), {"oid": oid}))
        connection.execute(f"CREATE TEMP TABLE {kind}_received (v {kind}); CREATE TEMP TABLE {kind}_received_three (v {kind}(3))")
    backend = connection.info.backend_pid
    yield connection
    assert connection.execute("SELECT pg_backend_pid()").fetchone()[0] == backend


def from_text(connection, kind, literal, dimensions):
    query = f"SELECT {ANSWER[kind]} FROM (SELECT {kind}_in(%t::cstring, 0, %s::int) AS v) AS input"
    return connection.execute(query, [literal, dimensions]).fetchone()


def from_parameter(connection, kind, payload, dimensions):
    assert dimensions == -1
    return connection.execute(f"SELECT {ANSWER[kind]} FROM (SELECT %b AS v) AS input", [WIRES[kind](payload)]).fetchone()


def from_copy(connection, kind, payload, dimensions):
    table = kind + {-1: "_received", 3: "_received_three"}[dimensions]
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
            header = b"PGCOPY\n\xff\r\n\0" + bytes(8)
            copy.write(header + struct.pack(">hi", 1, len(payload)) + payload + struct.pack(">h", -1))
        return cursor.execute(f"DELETE FROM {table} RETURNING {ANSWER[kind]}").fetchone()


def assert_same(connection, ask, read, kind, value, dimensions=-1):
    """The server's answer to a value is the model's."""
    try:
        expected, rejected = read(kind, value, dimensions), None
    except reference.Rejected as rejection:
        expected, rejected = None, rejection.error
    try:
        wire, text, reals = ask(connection, kind, value, dimensions)
    except psycopg.Error as error:
        assert not connection.broken, f"{value!r} ended the backend"
        message = (error.diag.message_primary or "").removesuffix(" in bind parameter 1")
        assert (error.diag.sqlstate, message, error.diag.message_detail) == rejected, repr(value)
    else:
        assert rejected is None, f"{value!r} was accepted as {text}"
        assert wire == expected, repr(value)
        if reals is None:
            assert reference.read_text(kind, text) == wire, repr(value)
        else:
            assert text == "[" + reals[1:-1] + "]", repr(value)


# --- text


NUMBERS = """0 -0 +0 1 -1 007 1. .5 -.5e1 1e5 1E-5 1e+05 1e 1e+ e1 . - + +- -- 1.2.3 1,5 1_0
    1e-37 1e-38 1e-45 7e-46 7.1e-46 1e-46 -1e-60 1e-4000 3.4028235e38 3.4028236e38 -3.5e38 1e39 1e4000
    3.40282356779733661637539395458e38 3.4028235677973366e38 16777217 16777219 0.1 999999.94
    0x1 0X1p3 0x.8p-1 0x1.8 0x1p 0x 0x.p1 0x1p128 0x1p-149 0x1p-150 0x1.fffffep127 0x1.ffffffp127 -0xFp+2
    nan NaN -nan nan() nan(12) nan(0xf_1) nan(- nans inf -INF +Infinity infinit infinity1 null true ''""".split()
ALPHABET = "0123456789+-.,eExXpPnNaAiIfFtTyY()[]{}<>'\"\\ \t\n\r\v\f_;:/\x01\x7f\xa0é１€𝟏"
SPACES = ["", "", "", "", " ", "  ", "\t", "\n", "\r\v\f"]


def some_number(rng):
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(NUMBERS)
    value = struct.unpack(">f", rng.randbytes(4))[0]
    if kind == 3:
        return repr(value)
    if kind == 4:
        return value.hex() if rng.random() < 0.5 else value.hex().upper()
    if kind == 5:
        return f"{value:.{rng.randrange(12)}{rng.choice('eEgf')}}"
    if kind == 6 and abs(value) < 1e38:
        return rng.choice([halfway(rng, value), halfway_between_halves(rng)])
    return str(rng.randrange(-1000, 1000) / rng.choice([1, 2, 10, 1000]))


def halfway(rng, value):
    """All the digits of the point between two neighbouring float4s, and now and then just beside it."""
    bits = struct.unpack(">i", struct.pack(">f", abs(value)))[0]
    neighbour = struct.unpack(">f", struct.pack(">i", bits + 1))[0]
    digits = f"{(abs(value) + neighbour) / 2:.200f}".rstrip("0")
    return rng.choice(["", "-"]) + digits + rng.choice(["", "0", "000000001", "e0"])


def halfway_between_halves(rng):
    """The point between two neighbouring float2s, or just beside it: where a second rounding would show."""
    bits = rng.randrange(0x7C00)
    value = struct.unpack(">e", struct.pack(">h", bits))[0]
    neighbour = struct.unpack(">e", struct.pack(">h", bits + 1))[0] if bits < 0x7BFF else 65536
    digits = f"{(value + neighbour) / 2:.60f}".rstrip("0")
    return rng.choice(["", "-"]) + digits + rng.choice(["", "0", "00000000001", "1", "e0"])


INTEGERS = """1 2 3 3 3 3 3 4 5 5 8 17 16000 1000000000 1000000001 2147483647 2147483648 -2147483648 -2147483649 99999999999999999999
    -99999999999999999999 0 -1 +2 007 +-1 1. 1e1 0x1 ''""".split()


def some_sparse_literal(rng):
    count = rng.choice([0, 1, 1, 2, 2, 3, 3, 4, 8])
    dimensions = rng.choice([3, 3, 5, 9, 40])
    indices = rng.sample(range(1, 41), count) if rng.random() < 0.3 else rng.sample(range(1, dimensions + 1), min(count, dimensions))
    if rng.random() < 0.2:
        indices += [rng.choice(INTEGERS)]
    if rng.random() < 0.1:
        indices += indices[:1]
    if rng.random() < 0.1:
        dimensions = rng.choice(INTEGERS)
    spaced = lambda text: rng.choice(SPACES) + str(text) + rng.choice(SPACES)
    value = lambda: rng.choice(["0", "-0.0"]) if rng.random() < 0.1 else some_number(rng) if rng.random() < 0.4 else str(rng.randrange(1, 99))
    elements = ",".join(f"{spaced(index)}:{spaced(value())}" for index in indices)
    return spaced(f"{{{spaced(elements)}}}{spaced('/')}{spaced(dimensions)}")


def some_literal(rng, kind):
    if kind == "sparsevec":
        literal = some_sparse_literal(rng)
    else:
        literal = some_dense_literal(rng)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 5])):
        literal = damaged(rng, literal, rng.choice(ALPHABET))
    return literal


def some_dense_literal(rng):
    count = rng.choice([1, 1, 2, 3, 3, 3, 4, 8, 33])
    elements = (rng.choice(SPACES) + some_number(rng) + rng.choice(SPACES) for _ in range(count))
    return rng.choice(SPACES) + "[" + ",".join(elements) + "]" + rng.choice(SPACES)


def damaged(rng, value, insertion):
    """One part of a value cut out, repeated, replaced, or the end cut off."""
    start = rng.randrange(len(value) + 1)
    end = min(len(value), start + rng.choice([0, 1, 1, 2, 4]))
    return rng.choice(
        [
            value[:start] + value[end:],
            value[:end] + value[start:],
            value[:start] + insertion + value[end:],
            value[:start] + insertion + value[start:],
            value[:start],
        ]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", TYPES)
def test_any_text_is_read_as_the_grammar_says(connection, kind, seed):
    rng = random.Random(seed)
    for _ in range(6000):
        assert_same(connection, from_text, reference.read_text, kind, some_literal(rng, kind), rng.choice([-1, -1, -1, 1, 3]))


@pytest.mark.parametrize("count", [15999, 16000, 16001, 20000])
@pytest.mark.parametrize("end", ["]", "] x", "", ",", ",x]", ",]"])
@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_text_around_the_limit_of_dimensions_is_read_as_the_grammar_says(connection, kind, count, end):
    assert_same(connection, from_text, reference.read_text, kind, "[" + ",".join(["-1"] * count) + end)


@pytest.mark.parametrize("count", [15999, 16000, 16001])
@pytest.mark.parametrize("end", ["}/20000", "}/2", "}/20000,", "", ",x", ",1:0}/20000"])
@pytest.mark.parametrize("value", ["1", "0"])
def test_text_around_the_limit_of_elements_is_read_as_the_grammar_says(connection, count, end, value):
    literal = "{" + ",".join(f"{i}:{value}" for i in range(count, 0, -1)) + end
    assert_same(connection, from_text, reference.read_text, "sparsevec", literal)


# --- binary


BITS = {
    "vector": (32, [0, 1 << 31, 1, 0x007FFFFF, 0x00800000, 0x3F800000, 0xBF800000, 0x7F7FFFFF, 0xFF7FFFFF]),
    "halfvec": (16, [0, 1 << 15, 1, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]),
}
NOT_FINITE = {
    "vector": [0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0xFFC00001, 0xFFFFFFFF],
    "halfvec": [0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFE01, 0xFFFF],
}


def some_elements(rng, kind, count):
    # of all bit patterns of a float4, one in 256 is not finite, of a float2 one in 32
    bits, special = BITS[kind]
    elements = [rng.choice(special) if rng.random() < 0.3 else rng.getrandbits(bits) for _ in range(count)]
    if count and rng.random() < 0.2:
        elements[rng.randrange(count)] = rng.choice(NOT_FINITE[kind])
    return elements


def some_payload(rng, kind):
    payload = some_sparse_payload(rng) if kind == "sparsevec" else some_dense_payload(rng, kind)
    if rng.random() < 0.3:
        payload = damaged(rng, payload, rng.randbytes(rng.choice([1, 2, 4])))
    return payload


def some_dense_payload(rng, kind):
    count = rng.choice([1, 1, 2, 3, 3, 3, 4, 17])
    claimed = count if rng.random() < 0.8 else rng.choice([0, 1, 2, 3, 5, 100, 16000, 16001, 32767, 32768, 65535])
    unused = 0 if rng.random() < 0.9 else rng.getrandbits(16)
    return struct.pack(f">HH{count}{'I' if kind == 'vector' else 'H'}", claimed, unused, *some_elements(rng, kind, count))


def some_sparse_payload(rng):
    count = rng.choice([0, 1, 1, 2, 2, 3, 3, 4, 17])
    dimensions = rng.choice([3, 3, 3, 5, 20]) if rng.random() < 0.9 else rng.choice([0, 1, 10**9, 10**9 + 1, 2**31, 2**32 - 1])
    claimed = count if rng.random() < 0.85 else rng.choice([0, 1, 2, 5, 16000, 16001, 2**31, 2**32 - 1])
    unused = 0 if rng.random() < 0.9 else rng.getrandbits(32)
    indices = sorted(rng.sample(range(20), count)) if dimensions == 20 else sorted(rng.randrange(5) for _ in range(count))
    if rng.random() < 0.1:
        rng.shuffle(indices)
    if count and rng.random() < 0.1:
        indices[rng.randrange(count)] = rng.getrandbits(32)
    elements = [1 if element in (0, 1 << 31) and rng.random() < 0.9 else element for element in some_elements(rng, "vector", count)]
    return struct.pack(f">3I{count}I{count}I", dimensions, claimed, unused, *indices, *elements)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("ask", "dimensions"), [(from_parameter, -1), (from_copy, -1), (from_copy, 3)])
@pytest.mark.parametrize("kind", TYPES)
def test_any_payload_is_read_as_the_format_says(connection, kind, ask, dimensions, seed):
    rng = random.Random(seed)
    for _ in range(3000):
        assert_same(connection, ask, reference.read_wire, kind, some_payload(rng, kind), dimensions)


ONE = struct.pack(">f", 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\1\0",
        b"\0\1\0\0",
        b"\0\0\0\0",
        b"\xff\xff\0\0" + ONE,
        b"\x80\0\0\0" + ONE,
        b"\x3e\x80\0\0" + ONE * 16000,
        b"\x3e\x80\0\0" + ONE * 15999,
        b"\x3e\x80\0\0" + ONE * 16001,
        b"\x3e\x81\0\0" + ONE * 16001,
        b"\0\1\0\1" + ONE,
        b"\0\1\x80\0" + ONE,
        b"\0\2\0\0" + ONE + b"\x7f\xc0\0",
        b"\0\1\0\0" + ONE + b"\0",
    ],
    ids=lambda payload: payload[:8].hex() + f"_{len(payload)}",
)
@pytest.mark.parametrize(("ask", "dimensions"), [(from_parameter, -1), (from_copy, -1), (from_copy, 3)])
def test_each_check_of_the_format_is_made_in_its_order(connection, ask, dimensions, payload):
    assert_same(connection, ask, reference.read_wire, "vector", payload, dimensions)
