"""halfvec, sparsevec and the distances of bit strings, through the same clients as vector: pgvector's
adapters, in both wire formats, and SQLAlchemy's types on top of them."""

import asyncio
import math
import os

import asyncpg
import facts
import numpy as np
import psycopg
import psycopg2
import pytest
from pgvector import Bit, HalfVector, SparseVector, Vector
from pgvector.asyncpg import register_vector as register_asyncpg
from pgvector.psycopg import register_vector as register_psycopg
from pgvector.psycopg2 import register_vector as register_psycopg2
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, avg, sum
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, func, insert, inspect, select
from sqlalchemy.exc import DBAPIError

FORMATS = pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])

# values which a float2 holds exactly and whose text is easily got wrong
HALVES = [
    HalfVector([1.0, -2.5, 3.0]),
    HalfVector([0.0]),
    HalfVector([65504.0, -65504.0, 6.103515625e-05]),
    HalfVector([5.960464477539063e-08, 0.0999755859375, 0.333251953125]),
    HalfVector([float(i % 7) for i in range(16000)]),
]
SPARSE = [
    SparseVector({0: 1.0, 2: -2.5}, 3),
    SparseVector({}, 1),
    SparseVector({999999999: 1e6}, 1000000000),
    SparseVector({1: 3.4028234663852886e38, 5: 1.401298464324817e-45, 6: 0.10000000149011612}, 9),
    SparseVector({i: float(i % 7 + 1) for i in range(0, 48000, 3)}, 48000),
]
VALUES = {"halfvec": HALVES, "sparsevec": SPARSE}
KINDS = {"halfvec": HalfVector, "sparsevec": SparseVector}
EACH_VALUE = pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind in KINDS for value in VALUES[kind]], ids=lambda v: v if isinstance(v, str) else repr(v)[:30]
)
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
EACH_DISTANCE = pytest.mark.parametrize("operator", facts.NEAREST)

BITS = {1: "000", 2: "101", 3: "111"}
NEAREST_BITS = {"<~>": [(2, 0.0), (3, 1.0), (1, 2.0)], "<%>": [(2, 0.0), (3, 1 - 2 / 3), (1, 1.0)]}

HALF_AVERAGE = [1.3330078125, 1.3330078125, 1.6669921875]


def make_tables(execute):
    for kind in KINDS:
        execute(f"CREATE TEMP TABLE {kind}_items (id int PRIMARY KEY, embedding {kind}(3))")
        for i, v in facts.ROWS.items():
            execute(f"INSERT INTO {kind}_items VALUES ({i}, ARRAY{v}::real[])")
    execute("CREATE TEMP TABLE bit_items (id int PRIMARY KEY, embedding bit(3))")
    for i, bits in BITS.items():
        execute(f"INSERT INTO bit_items VALUES ({i}, B'{bits}')")


# --- psycopg 3


@pytest.fixture
def connection(connection):
    register_psycopg(connection)
    make_tables(connection.execute)
    return connection


def placeholder(binary):
    return "%b" if binary else "%t"


@FORMATS
@EACH_VALUE
def test_psycopg_gets_a_value_back_bit_for_bit(connection, kind, value, binary):
    cursor = connection.cursor(binary=binary)
    got = cursor.execute(f"SELECT {placeholder(binary)}", [value]).fetchone()[0]
    assert got.to_binary() == value.to_binary()
    assert cursor.execute("SELECT pg_typeof(%s)::text", [value]).fetchone()[0] == kind


@FORMATS
@EACH_KIND
def test_psycopg_gets_an_array_back_as_a_list(connection, kind, binary):
    sent = VALUES[kind][:3]
    row = connection.cursor(binary=binary).execute(f"SELECT {placeholder(binary)}::{kind}[]", [sent]).fetchone()
    assert row[0] == sent


@FORMATS
@EACH_KIND
@EACH_DISTANCE
def test_psycopg_gets_exact_distances_of_the_nearest_rows(connection, kind, operator, binary):
    query = f"SELECT id, embedding {operator} {placeholder(binary)} AS distance FROM {kind}_items ORDER BY distance, id"
    rows = connection.cursor(binary=binary).execute(query, [KINDS[kind](facts.QUERY)]).fetchall()
    assert rows == facts.NEAREST[operator]


@FORMATS
@pytest.mark.parametrize("operator", NEAREST_BITS)
def test_psycopg_gets_distances_of_bits(connection, operator, binary):
    written = operator.replace("%", "%%")
    query = f"SELECT id, embedding {written} {placeholder(binary)} AS distance FROM bit_items ORDER BY distance, id"
    assert connection.cursor(binary=binary).execute(query, [Bit("101")]).fetchall() == NEAREST_BITS[operator]


@FORMATS
def test_psycopg_averages_halves_in_double_precision(connection, binary):
    row = connection.cursor(binary=binary).execute("SELECT avg(embedding), sum(embedding) FROM halfvec_items").fetchone()
    assert [v.to_list() for v in row] == [HALF_AVERAGE, facts.SUM]


@EACH_KIND
def test_psycopg_copies_binary_in_and_out(connection, kind):
    connection.execute(f"CREATE TEMP TABLE copied (embedding {kind}, many {kind}[])")
    rows = [(value, [value, VALUES[kind][0]]) for value in VALUES[kind]] + [(None, None)]
    cursor = connection.cursor()
    with cursor.copy("COPY copied FROM STDIN WITH (FORMAT BINARY)") as copy:
        copy.set_types([kind, f"{kind}[]"])
        for row in rows:
            copy.write_row(row)
    with cursor.copy("COPY copied TO STDOUT WITH (FORMAT BINARY)") as copy:
        copy.set_types([kind, f"{kind}[]"])
        assert list(copy.rows()) == rows


@FORMATS
@EACH_KIND
def test_a_wrong_length_is_refused_in_the_type_s_words(connection, kind, binary):
    short = KINDS[kind]([1, 2])
    with pytest.raises(psycopg.errors.DataException, match="^expected 3 dimensions, not 2$"):
        connection.execute(f"INSERT INTO {kind}_items VALUES (9, {placeholder(binary)})", [short])
    with pytest.raises(psycopg.errors.DataException, match=f"^different {kind} dimensions 3 and 2$"):
        connection.execute(f"SELECT embedding <-> {placeholder(binary)} FROM {kind}_items", [short])


def test_numbers_are_rounded_to_halves_as_numpy_rounds_them(connection):
    # every half that is finite, and points between two of them
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[:-1] + halves[1:]) / 2
    beside = np.concatenate([np.nextafter(middles, np.float32(0)), np.nextafter(middles, np.float32(1e9))])
    numbers = np.concatenate([halves, middles, beside])
    numbers = np.concatenate([numbers, -numbers])
    for part in np.array_split(numbers, math.ceil(len(numbers) / 16000)):
        got = connection.execute("SELECT %b::halfvec", [Vector(part)], binary=True).fetchone()[0].to_numpy()
        assert np.array_equal(got.view(np.uint16), part.astype(np.float16).view(np.uint16))
        text = "[" + ",".join(map(repr, part.tolist())) + "]"
        from_text = connection.execute("SELECT %t::halfvec", [text], binary=True).fetchone()[0].to_numpy()
        assert np.array_equal(from_text.view(np.uint16), got.view(np.uint16))


# --- psycopg2


@pytest.fixture
def cursor(database):
    connection = psycopg2.connect(dbname=database)
    try:
        register_psycopg2(connection)
        with connection.cursor() as cursor:
            make_tables(cursor.execute)
            yield cursor
    finally:
        connection.close()


@EACH_VALUE
def test_psycopg2_gets_a_value_back(cursor, kind, value):
    cursor.execute(f"SELECT %s::{kind}", (value,))
    # the adapter reads the shortest text of a float4 as a float8, then rounds it to float4
    assert cursor.fetchone()[0].to_binary() == value.to_binary()


@EACH_KIND
@EACH_DISTANCE
def test_psycopg2_gets_exact_distances_of_the_nearest_rows(cursor, kind, operator):
    cursor.execute(
        f"SELECT id, embedding {operator} %s AS distance FROM {kind}_items ORDER BY distance, id", (KINDS[kind](facts.QUERY),)
    )
    assert cursor.fetchall() == facts.NEAREST[operator]


# --- asyncpg


@pytest.fixture
def run(database):
    """Runs a coroutine function with a connection that has the codecs."""

    def run(body):
        async def main():
            connection = await asyncpg.connect(database=database, host=os.environ.get("PGHOST"))
            try:
                await register_asyncpg(connection)
                for kind, convert in KINDS.items():
                    await connection.execute(f"CREATE TEMP TABLE {kind}_items (id int, embedding {kind}(3))")
                    rows = [(i, convert(v)) for i, v in facts.ROWS.items()]
                    await connection.executemany(f"INSERT INTO {kind}_items VALUES ($1, $2)", rows)
                return await body(connection)
            finally:
                await connection.close()

        return asyncio.run(main())

    return run


@EACH_KIND
def test_asyncpg_gets_values_and_arrays_back_bit_for_bit(run, kind):
    async def body(connection):
        values = [await connection.fetchval(f"SELECT $1::{kind}", value) for value in VALUES[kind]]
        return values, await connection.fetchval(f"SELECT $1::{kind}[]", VALUES[kind])

    assert run(body) == (VALUES[kind], VALUES[kind])


@EACH_KIND
@EACH_DISTANCE
def test_asyncpg_gets_exact_distances_of_the_nearest_rows(run, kind, operator):
    async def body(connection):
        query = f"SELECT id, embedding {operator} $1 AS distance FROM {kind}_items ORDER BY distance, id"
        return [tuple(row) for row in await connection.fetch(query, KINDS[kind](facts.QUERY))]

    assert run(body) == facts.NEAREST[operator]


def test_asyncpg_s_bit_strings_have_distances(run):
    async def body(connection):
        bits = [asyncpg.BitString("111"), asyncpg.BitString("101")]
        return tuple(await connection.fetchrow("SELECT $1::bit(3) <~> $2, $1 <%> $2", *bits))

    assert run(body) == (1.0, 1 - 2 / 3)


# --- SQLAlchemy


metadata = MetaData()
items = Table(
    "alchemy_other_items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("half", HALFVEC(3)),
    Column("sparse", SPARSEVEC(3)),
    Column("bits", BIT(3)),
    Column("free", HALFVEC()),
)


@pytest.fixture(scope="module", params=["psycopg", "psycopg2"])
def engine(request, database):
    engine = create_engine(f"postgresql+{request.param}:///{database}")
    metadata.drop_all(engine)
    metadata.create_all(engine)
    rows = [{"id": i, "half": v, "sparse": SparseVector(v), "bits": BITS[i], "free": v[:2]} for i, v in facts.ROWS.items()]
    with engine.begin() as connection:
        connection.execute(insert(items), rows)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine):
    with engine.connect() as connection:
        yield connection


def test_sqlalchemy_reads_each_type(session):
    query = select(items.c.half, items.c.sparse, items.c.free).where(items.c.id == 3)
    assert session.execute(query).one() == ([1.0, 1.0, 2.0], SparseVector([1.0, 1.0, 2.0]), [1.0, 1.0])


@pytest.mark.parametrize(("column", "convert"), [("half", list), ("sparse", SparseVector)])
@EACH_DISTANCE
def test_sqlalchemy_gets_exact_distances_of_the_nearest_rows(session, column, convert, operator):
    comparator = items.c[column]
    distances = {
        "<->": comparator.l2_distance,
        "<#>": comparator.max_inner_product,
        "<=>": comparator.cosine_distance,
        "<+>": comparator.l1_distance,
    }
    distance = distances[operator](convert(facts.QUERY)).label("distance")
    assert session.execute(select(items.c.id, distance).order_by(distance, items.c.id)).all() == facts.NEAREST[operator]


@pytest.mark.parametrize("operator", NEAREST_BITS)
def test_sqlalchemy_gets_distances_of_bits(session, operator):
    method = {"<~>": items.c.bits.hamming_distance, "<%>": items.c.bits.jaccard_distance}[operator]
    distance = method("101").label("distance")
    assert session.execute(select(items.c.id, distance).order_by(distance, items.c.id)).all() == NEAREST_BITS[operator]


def test_sqlalchemy_finds_functions_and_aggregates_by_name(session):
    half = items.c.half
    assert session.execute(select(avg(half), sum(half))).one() == ([1.3330078, 1.3330078, 1.6669922], facts.SUM)
    query = select(func.vector_dims(half), func.l2_norm(half), func.l2_norm(items.c.sparse)).where(items.c.id == 3)
    assert session.execute(query).one() == (3, 6**0.5, 6**0.5)


def test_sqlalchemy_reflects_the_types_with_their_dimensions(engine):
    types = {column["name"]: column["type"] for column in inspect(engine).get_columns("alchemy_other_items")}
    assert (type(types["half"]), types["half"].dim) == (HALFVEC, 3)
    assert (type(types["sparse"]), types["sparse"].dim) == (SPARSEVEC, 3)
    assert (type(types["free"]), types["free"].dim) == (HALFVEC, None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"half": [1.0]}, "expected 3 dimensions, not 1"),
        ({"half": [1.0, 2.0, 65520.0]}, '"65520.0" is out of range for type halfvec'),
        ({"half": [1.0, 2.0, float("nan")]}, "NaN not allowed in halfvec"),
        ({"sparse": SparseVector({}, 4)}, "expected 3 dimensions, not 4"),
        ({"sparse": SparseVector({3: 1.0}, 3)}, "sparsevec index out of bounds"),
    ],
)
def test_a_bad_value_is_refused_in_the_words_of_pgvector(session, row, message):
    with pytest.raises(DBAPIError, match=message):
        session.execute(insert(items), {"id": 9, **row})
