"""psycopg2 with pgvector's adapter: an older client, still everywhere. It knows text only, asks
pg_type for `vector` and `_vector` by those names, and writes parameters into the statement."""

import facts
import psycopg2
import pytest
from pgvector import Vector
from pgvector.psycopg2 import register_vector


@pytest.fixture
def cursor(database):
    connection = psycopg2.connect(dbname=database)
    try:
        register_vector(connection)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE items (id int, embedding vector(3), many vector(3)[])")
            for i, v in facts.ROWS.items():
                cursor.execute("INSERT INTO items VALUES (%s, %s, %s::vector[])", (i, Vector(v), [Vector(v), Vector(facts.QUERY)]))
            yield cursor
    finally:
        connection.close()


@pytest.mark.parametrize("value", facts.EXACT, ids=lambda v: f"{len(v)}d_{v[0]}")
def test_a_vector_comes_back_exactly(cursor, value):
    cursor.execute("SELECT %s::vector", (Vector(value),))
    # the adapter reads the shortest text of a float4 as a float8, then rounds it to float4
    assert cursor.fetchone()[0].to_list() == value


def test_vectors_and_arrays_of_them_are_read_from_a_table(cursor):
    cursor.execute("SELECT id, embedding, many FROM items ORDER BY id")
    assert cursor.fetchall() == [(i, Vector(v), [Vector(v), Vector(facts.QUERY)]) for i, v in facts.ROWS.items()]


@pytest.mark.parametrize("operator", facts.NEAREST)
def test_the_nearest_rows_have_exact_distances(cursor, operator):
    cursor.execute(f"SELECT id, embedding {operator} %s AS distance FROM items ORDER BY distance, id", (Vector(facts.QUERY),))
    assert cursor.fetchall() == facts.NEAREST[operator]
