"""psycopg 3 with pgvector's own adapter: the most common Python client. It asks the catalogs for
the types, and sends and reads vectors, arrays of them and COPY data in both wire formats, so it is
where a wrong byte in the binary form would hurt first."""

import facts
import numpy as np
import psycopg
import pytest
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg.types import TypeInfo

FORMATS = pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])


@pytest.fixture
def connection(connection):
    register_vector(connection)
    connection.execute("CREATE TEMP TABLE items (id int PRIMARY KEY, embedding vector(3))")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO items VALUES (%s, %s)", [(i, Vector(v)) for i, v in facts.ROWS.items()])
    return connection


def placeholder(binary):
    return "%b" if binary else "%t"


def test_the_type_and_its_array_are_found_by_name(connection):
    info = TypeInfo.fetch(connection, "vector")
    assert (info.name, info.regtype, info.delimiter) == ("vector", "vector", ",")
    assert info.array_oid == connection.execute("SELECT '_vector'::regtype::oid::int").fetchone()[0]


@FORMATS
@pytest.mark.parametrize("value", facts.EXACT, ids=lambda v: f"{len(v)}d_{v[0]}")
def test_a_vector_comes_back_bit_for_bit(connection, value, binary):
    cursor = connection.cursor(binary=binary)
    for sent in (Vector(value), np.array(value, dtype=np.float32)):
        got = cursor.execute(f"SELECT {placeholder(binary)}", [sent]).fetchone()[0]
        assert got.to_list() == value


@FORMATS
def test_null_is_none(connection, binary):
    assert connection.cursor(binary=binary).execute("SELECT NULL::vector").fetchone() == (None,)


@FORMATS
def test_an_array_of_vectors_comes_back_as_a_list(connection, binary):
    sent = [Vector(v) for v in facts.EXACT[:3]]
    row = connection.cursor(binary=binary).execute(f"SELECT {placeholder(binary)}::vector[]", [sent]).fetchone()
    assert row[0] == sent


@FORMATS
@pytest.mark.parametrize("operator", facts.NEAREST)
def test_the_nearest_rows_have_exact_distances(connection, operator, binary):
    query = f"""SELECT id, embedding {operator} {placeholder(binary)} AS distance FROM items ORDER BY distance, id"""
    rows = connection.cursor(binary=binary).execute(query, [Vector(facts.QUERY)]).fetchall()
    assert rows == facts.NEAREST[operator]


@FORMATS
def test_avg_and_sum_are_vectors(connection, binary):
    row = connection.cursor(binary=binary).execute("SELECT avg(embedding), sum(embedding) FROM items").fetchone()
    assert [v.to_list() for v in row] == [facts.AVERAGE, facts.SUM]


def test_copy_binary_goes_in_and_out(connection):
    connection.execute("CREATE TEMP TABLE copied (embedding vector, many vector[])")
    rows = [(Vector(v), [Vector(v), Vector([1])]) for v in facts.EXACT] + [(None, None)]
    cursor = connection.cursor()
    with cursor.copy("COPY copied FROM STDIN WITH (FORMAT BINARY)") as copy:
        copy.set_types(["vector", "vector[]"])
        for row in rows:
            copy.write_row(row)
    with cursor.copy("COPY copied TO STDOUT WITH (FORMAT BINARY)") as copy:
        copy.set_types(["vector", "vector[]"])
        assert list(copy.rows()) == rows


@FORMATS
def test_a_wrong_length_is_refused_and_the_connection_goes_on(connection, binary):
    with pytest.raises(psycopg.errors.DataException, match="^expected 3 dimensions, not 2$"):
        connection.execute(f"INSERT INTO items VALUES (9, {placeholder(binary)})", [Vector([1, 2])])
    with pytest.raises(psycopg.errors.DataException, match="^different vector dimensions 3 and 2$"):
        connection.execute(f"SELECT embedding <-> {placeholder(binary)} FROM items", [Vector([1, 2])])
    assert connection.execute("SELECT count(*) FROM items").fetchone() == (3,)


@FORMATS
def test_a_query_prepared_by_the_server_gives_the_same_answer_under_a_generic_plan(connection, binary):
    connection.execute("SET plan_cache_mode = force_generic_plan")
    query = f"SELECT id FROM items ORDER BY embedding <-> {placeholder(binary)} LIMIT 1"
    for _ in range(3):
        assert connection.execute(query, [Vector([2, 2, 3])], prepare=True).fetchone() == (2,)
