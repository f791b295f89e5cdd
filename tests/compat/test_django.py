"""Django with pgvector's fields: a migration makes the extension `vector`, a table with a column of each
type and an index of each class; then the ORM asks. It is the client that writes the most DDL itself."""

import django
import facts
import pytest
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": None}},
    INSTALLED_APPS=["django.contrib.postgres"],
)
django.setup()

from django.contrib.postgres.indexes import OpClass
from django.db import DataError, connection, models, transaction
from django.db.migrations import AddIndex, CreateModel, Migration
from django.db.migrations.state import ProjectState
from django.db.models import Avg, F, Sum
from django.db.models.functions import Cast
from pgvector import HalfVector, SparseVector
from pgvector.django import (
    BitField,
    CosineDistance,
    HalfVectorField,
    HammingDistance,
    HnswIndex,
    IvfflatIndex,
    JaccardDistance,
    L1Distance,
    L2Distance,
    MaxInnerProduct,
    SparseVectorField,
    VectorExtension,
    VectorField,
)

DISTANCES = {
    "<->": ("l2", L2Distance),
    "<#>": ("ip", MaxInnerProduct),
    "<=>": ("cosine", CosineDistance),
    "<+>": ("l1", L1Distance),
}
BIT_DISTANCES = {"hamming": HammingDistance, "jaccard": JaccardDistance}
FIELDS = {
    "vector": VectorField(dimensions=3, null=True),
    "halfvec": HalfVectorField(dimensions=3, null=True),
    "sparsevec": SparseVectorField(dimensions=3, null=True),
}
EACH_FIELD = pytest.mark.parametrize("field", FIELDS)
EACH_DISTANCE = pytest.mark.parametrize("operator", DISTANCES)
CLASSES = [(field, name) for field in FIELDS for name, _ in DISTANCES.values()] + [("bit", name) for name in BIT_DISTANCES]
BITS = {1: "111", 2: "101", 3: "000"}


def migration():
    found = Migration("initial", "app")
    fields = [("id", models.IntegerField(primary_key=True)), *FIELDS.items(), ("bit", BitField(length=3))]
    indexes = [
        HnswIndex(name=f"{field}_{name}", fields=[field], opclasses=[f"{field}_{name}_ops"], m=8, ef_construction=32)
        for field, name in CLASSES
    ]
    # of an expression: half precision in the index only
    half = Cast("vector", HalfVectorField(dimensions=3))
    indexes.append(HnswIndex(OpClass(half, name="halfvec_l2_ops"), name="vector_as_halfvec"))
    found.operations = [VectorExtension(), CreateModel("Item", fields), *[AddIndex("item", index) for index in indexes]]
    return found


@pytest.fixture(scope="module")
def state(new_database):
    """What a project knows after its migration, which was carried out."""
    with new_database(schema=None) as name:
        connection.settings_dict["NAME"] = name
        with connection.schema_editor(atomic=True) as editor:
            state = migration().apply(ProjectState(), editor)
        yield state
        connection.close()


@pytest.fixture(scope="module")
def items(state):
    items = state.apps.get_model("app", "Item").objects
    items.bulk_create(
        items.model(id=i, vector=v, halfvec=HalfVector(v), sparsevec=SparseVector(v), bit=BITS[i]) for i, v in facts.ROWS.items()
    )
    return items


def test_rows_are_read_as_the_client_s_values(items):
    for i, v in facts.ROWS.items():
        assert items.filter(id=i).values_list("vector", "halfvec", "sparsevec", "bit").get() == (v, v, SparseVector(v), BITS[i])


def test_rows_are_changed_and_null(items):
    with transaction.atomic():
        item = items.create(id=9, vector=[0.1, -1e4, 5], bit="010")
        assert (items.get(id=9).vector, items.get(id=9).halfvec) == ([0.1, -1e4, 5.0], None)
        item.vector = [7, 8, 9]
        item.save()
        item.refresh_from_db()
        assert item.vector == [7.0, 8.0, 9.0]
        assert items.filter(vector=[7, 8, 9]).get() == item
        transaction.set_rollback(True)


@EACH_FIELD
@EACH_DISTANCE
def test_the_nearest_rows_have_exact_distances(items, field, operator):
    query = SparseVector(facts.QUERY) if field == "sparsevec" else facts.QUERY
    rows = items.annotate(distance=DISTANCES[operator][1](field, query)).order_by("distance", "id")
    assert list(rows.values_list("id", "distance")) == facts.NEAREST[operator]


@pytest.mark.parametrize(("name", "answer"), [("hamming", [0.0, 1.0, 2.0]), ("jaccard", [0.0, 1 - 2 / 3, 1.0])])
def test_bits_have_distances(items, name, answer):
    rows = items.annotate(distance=BIT_DISTANCES[name]("bit", "101")).order_by("distance")
    assert list(rows.values_list("id", "distance")) == list(zip([2, 1, 3], answer))


def test_a_distance_filters_and_compares_columns(items):
    near = items.alias(distance=L2Distance("vector", facts.QUERY)).filter(distance__lt=1.5).order_by("id")
    assert [item.id for item in near] == [1, 3]
    assert list(items.values_list(L2Distance("vector", F("vector")), flat=True)) == [0.0] * 3


@pytest.mark.parametrize(("field", "average"), [("vector", [1.3333334, 1.3333334, 1.6666666]), ("halfvec", [1.3330078, 1.3330078, 1.6669922])])
def test_avg_and_sum_are_vectors(items, field, average):
    assert items.aggregate(avg=Avg(field), sum=Sum(field)) == {"avg": average, "sum": facts.SUM}
    assert items.filter(id=0).aggregate(avg=Avg(field)) == {"avg": None}


@pytest.mark.parametrize(("field", "name"), [*CLASSES, ("vector", "as_halfvec")])
def test_a_query_goes_through_the_index_of_the_migration(items, field, name):
    if name == "as_halfvec":
        order = L2Distance(Cast("vector", HalfVectorField(dimensions=3)), HalfVector([2, 2, 3]))
    elif field == "bit":
        order = BIT_DISTANCES[name]("bit", "110")
    else:
        order = dict(DISTANCES.values())[name](field, SparseVector([2, 2, 3]) if field == "sparsevec" else [2, 2, 3])
    rows = items.order_by(order)
    with transaction.atomic(), connection.cursor() as cursor:
        without = [row.id for row in rows]
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        assert f"using {field}_{name} on" in rows.explain()
        assert [row.id for row in rows][0] == without[0] == (1 if field == "bit" else 3 if name == "cosine" else 2)


def introspected(items):
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, items.model._meta.db_table)


def test_parameters_of_an_index_are_in_the_catalog(items):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), reloptions FROM pg_class WHERE relkind = 'i' AND relname = ANY(%s) GROUP BY 2", [[f"{f}_{n}" for f, n in CLASSES]])
        assert cursor.fetchall() == [(len(CLASSES), ["m=8", "ef_construction=32"])]


def test_a_wrong_length_is_a_data_error(items):
    with pytest.raises(DataError, match="^expected 3 dimensions, not 2"), transaction.atomic():
        items.create(id=9, vector=[1, 2], bit="010")
    assert items.count() == 3


def test_indexes_are_made_by_the_schema_editor_later_and_removed(items):
    index = HnswIndex(name="later", fields=["vector"], opclasses=["vector_l2_ops"])
    with connection.schema_editor() as editor:
        editor.add_index(items.model, index)
    made = introspected(items)["later"]
    assert (made["type"], made["columns"]) == ("hnsw", ["vector"])
    with connection.schema_editor() as editor:
        editor.remove_index(items.model, index)
    assert "later" not in introspected(items)


def test_an_ivfflat_index_is_made(items):
    with connection.schema_editor() as editor:
        index = IvfflatIndex(name="lists", fields=["vector"], opclasses=["vector_l2_ops"], lists=1)
        editor.add_index(items.model, index)
    assert introspected(items)["lists"]["type"] == "ivfflat"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        assert [row.id for row in items.order_by(L2Distance("vector", [2, 2, 3]))] == [2, 3, 1]
    with connection.schema_editor() as editor:
        editor.remove_index(items.model, index)


def test_the_migration_is_undone_and_done_again(items):
    made = migration()
    with connection.schema_editor(atomic=True) as editor:
        made.unapply(ProjectState(), editor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")
        assert cursor.fetchone() == (0,)
    with connection.schema_editor(atomic=True) as editor:
        made.apply(ProjectState(), editor)
    assert items.count() == 0
