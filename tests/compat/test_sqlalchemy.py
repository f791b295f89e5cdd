"""SQLAlchemy, through which most applications and LangChain reach the type: DDL in its spelling,
parameters and literals as Python prints floats, and reflection of existing tables."""

import facts
import pytest
from pgvector.psycopg import register_vector
from pgvector.sqlalchemy import VECTOR, avg, sum
from sqlalchemy import (
    ARRAY,
    Column,
    Integer,
    MetaData,
    Table,
    cast,
    create_engine,
    event,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

metadata = MetaData()
items = Table(
    "alchemy_items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("embedding", VECTOR(3)),
    Column("free", VECTOR()),
)
lists = Table(
    "alchemy_lists",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("many", ARRAY(VECTOR(3), dimensions=1)),
)

DISTANCES = {
    "<->": items.c.embedding.l2_distance,
    "<#>": items.c.embedding.max_inner_product,
    "<=>": items.c.embedding.cosine_distance,
    "<+>": items.c.embedding.l1_distance,
}


@pytest.fixture(scope="module", params=["psycopg", "psycopg2"])
def engine(request, database):
    engine = create_engine(f"postgresql+{request.param}:///{database}")
    metadata.drop_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(items), [{"id": i, "embedding": v, "free": v[:2]} for i, v in facts.ROWS.items()])
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        yield connection


def test_rows_are_read_as_lists(connection):
    rows = connection.execute(select(items).order_by(items.c.id)).all()
    assert rows == [(i, v, v[:2]) for i, v in facts.ROWS.items()]


@pytest.mark.parametrize("operator", DISTANCES)
def test_the_nearest_rows_have_exact_distances(connection, operator):
    distance = DISTANCES[operator](facts.QUERY).label("distance")
    assert connection.execute(select(items.c.id, distance).order_by(distance, items.c.id)).all() == facts.NEAREST[operator]


def test_a_filter_on_the_distance_finds_the_near_rows(connection):
    near = select(items.c.id).where(items.c.embedding.l2_distance(facts.QUERY) < 1.5).order_by(items.c.id)
    assert connection.scalars(near).all() == [1, 3]


def test_avg_and_sum_are_vectors(connection):
    row = connection.execute(select(avg(items.c.embedding), sum(items.c.embedding))).one()
    # text holds the shortest decimal, not all the digits of the float4
    assert row == ([1.3333334, 1.3333334, 1.6666666], facts.SUM)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ([1.0, 2.0], [1.0, 2.0]),
        ([1e-05, 1e16], [1e-05, 1e16]),
        ([0.1, -0.30000000000000004], [0.1, -0.3]),
        ([1e-300, -1e-300], [0.0, -0.0]),
    ],
    ids=str,
)
@pytest.mark.parametrize("inline", [False, True], ids=["parameter", "literal"])
def test_floats_as_python_prints_them_are_understood(engine, connection, value, answer, inline):
    query = select(cast(literal(value, VECTOR(2), literal_execute=inline), VECTOR(2)))
    assert connection.scalar(query) == answer


@pytest.mark.parametrize("spelling", ["[1.0, 2.0, 3.0]", "[1, 2, 3]", " [1.,2.e0,3]", "[1e0, 2E+0, 0.3e1]"])
def test_untyped_text_is_a_vector(connection, spelling):
    query = text("SELECT vector_norm(CAST(:v AS VECTOR(3))), embedding <-> :v FROM alchemy_items WHERE id = 1")
    assert connection.execute(query, {"v": spelling}).one() == (14**0.5, 5**0.5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], "expected 3 dimensions, not 1"),
        ([1.0, 2.0, float("inf")], "infinite value not allowed in vector"),
    ],
)
def test_a_bad_value_is_refused_in_the_words_of_pgvector(connection, value, message):
    with pytest.raises(DBAPIError, match=message):
        connection.execute(insert(items), {"id": 9, "embedding": value})


def test_functions_are_found_by_name(connection):
    v = items.c.embedding
    query = select(func.vector_dims(v), func.vector_norm(v), func.cosine_distance(v, literal(facts.QUERY, VECTOR)))
    assert connection.execute(query.where(items.c.id == 3)).one() == (3, 6**0.5, 0.05719095841793653)


def test_an_existing_table_is_reflected_with_its_dimensions(engine):
    types = {column["name"]: column["type"] for column in inspect(engine).get_columns("alchemy_items")}
    assert (type(types["embedding"]), types["embedding"].dim) == (VECTOR, 3)
    assert (type(types["free"]), types["free"].dim) == (VECTOR, None)


def test_an_array_of_vectors_is_stored(database):
    engine = create_engine(f"postgresql+psycopg:///{database}")
    event.listen(engine, "connect", lambda connection, _: register_vector(connection))
    lists.drop(engine, checkfirst=True)
    lists.create(engine)
    with engine.begin() as connection:
        connection.execute(insert(lists), {"id": 1, "many": list(facts.ROWS.values())})
        assert connection.scalar(select(lists.c.many)) == list(facts.ROWS.values())
        assert connection.scalar(select(lists.c.many[2])) == facts.ROWS[2]
    engine.dispose()
