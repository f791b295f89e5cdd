"""peewee with pgvector's fields, which writes each operator into an expression of its own."""

import facts
import peewee
import pytest
from pgvector import SparseVector
from pgvector.peewee import FixedBitField, HalfVectorField, SparseVectorField, VectorField

DISTANCES = {"<->": "l2_distance", "<#>": "max_inner_product", "<=>": "cosine_distance", "<+>": "l1_distance"}
FIELDS = ["vector", "halfvec", "sparsevec"]


class Item(peewee.Model):
    vector = VectorField(dimensions=3)
    halfvec = HalfVectorField(dimensions=3)
    sparsevec = SparseVectorField(dimensions=3)
    bit = FixedBitField(max_length=3)


for field in FIELDS:
    Item.add_index(f"{field} {field}_l2_ops", using="hnsw", name=f"peewee_{field}")


@pytest.fixture(scope="module", autouse=True)
def table(database):
    connection = peewee.PostgresqlDatabase(database)
    with connection.bind_ctx([Item]):
        Item.create_table()
        for i, v in facts.ROWS.items():
            Item.create(vector=v, halfvec=v, sparsevec=SparseVector(v), bit="101" if i == 1 else "000")
        yield
    connection.close()


def test_rows_are_read_as_the_client_s_values():
    rows = list(Item.select(Item.id, Item.vector, Item.halfvec, Item.sparsevec).order_by(Item.id).tuples())
    assert rows == [(i, v, v, SparseVector(v)) for i, v in facts.ROWS.items()]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("operator", DISTANCES)
def test_the_nearest_rows_have_exact_distances(field, operator):
    query = SparseVector(facts.QUERY) if field == "sparsevec" else facts.QUERY
    distance = getattr(getattr(Item, field), DISTANCES[operator])(query)
    assert list(Item.select(Item.id, distance).order_by(distance, Item.id).tuples()) == facts.NEAREST[operator]


@pytest.mark.parametrize(("method", "farthest"), [("hamming_distance", 1), ("jaccard_distance", 1 / 2)])
def test_bits_have_distances(method, farthest):
    distance = getattr(Item.bit, method)("100")
    assert list(Item.select(Item.id, distance).order_by(distance, Item.id).tuples())[0] == (1, farthest)


def test_avg_and_sum_are_vectors():
    row = Item.select(peewee.fn.avg(Item.vector).coerce(True), peewee.fn.sum(Item.vector).coerce(True)).scalar(as_tuple=True)
    assert row == ([1.3333334, 1.3333334, 1.6666666], facts.SUM)


def test_the_indexes_were_made():
    assert {f"peewee_{field}" for field in FIELDS} < {index.name for index in Item._meta.database.get_indexes("item")}
