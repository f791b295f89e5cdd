"""pg8000, a client written in Python alone: pgvector's adapter sends text of no type and asks
`to_regtype` for the types it reads."""

import os

import facts
import pg8000.native
import pytest
from pgvector import HalfVector, SparseVector, Vector
from pgvector.pg8000 import register_vector

KINDS = {"vector": Vector, "halfvec": HalfVector, "sparsevec": SparseVector}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def connection(database):
    socket = f"{os.environ['PGHOST']}/.s.PGSQL.{os.environ['PGPORT']}"
    connection = pg8000.native.Connection(os.environ["PGUSER"], unix_sock=socket, database=database)
    register_vector(connection)
    yield connection
    connection.close()


@EACH_KIND
def test_a_value_comes_back(connection, kind):
    value = KINDS[kind](facts.EXACT[0])
    assert connection.run(f"SELECT CAST(:v AS {kind}(3))", v=value) == [[value]]


@EACH_KIND
@pytest.mark.parametrize("operator", facts.NEAREST)
def test_the_nearest_rows_have_exact_distances(connection, kind, operator):
    connection.run(f"CREATE TEMP TABLE items (id int, embedding {kind}(3))")
    for i, v in facts.ROWS.items():
        connection.run("INSERT INTO items VALUES (:i, :v)", i=i, v=KINDS[kind](v))
    rows = connection.run(f"SELECT id, embedding {operator} :q AS distance FROM items ORDER BY distance, id", q=KINDS[kind](facts.QUERY))
    assert [tuple(row) for row in rows] == facts.NEAREST[operator]
