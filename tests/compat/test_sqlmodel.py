"""SQLModel, SQLAlchemy under pydantic: a class is table and validated value at once, so its
elements go through pydantic between the database and the program."""

from typing import Any

import facts
import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlmodel import Field, Index, Session, SQLModel, create_engine, select


class ModelItem(SQLModel, table=True):
    id: int = Field(primary_key=True)
    vector: Any = Field(sa_type=VECTOR(3))
    halfvec: Any = Field(sa_type=HALFVEC(3))
    __table_args__ = (
        Index("model_vector", "vector", postgresql_using="hnsw", postgresql_with={"m": 8}, postgresql_ops={"vector": "vector_l2_ops"}),
    )


@pytest.fixture(scope="module")
def engine(database):
    engine = create_engine(f"postgresql+psycopg:///{database}")
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(ModelItem(id=i, vector=v, halfvec=v) for i, v in facts.ROWS.items())
        session.commit()
    yield engine
    engine.dispose()


def test_the_nearest_rows_are_objects(engine):
    with Session(engine) as session:
        rows = session.exec(select(ModelItem).order_by(ModelItem.vector.l2_distance(facts.QUERY))).all()
        assert [(row.id, row.vector) for row in rows] == [(i, facts.ROWS[i]) for i in (1, 3, 2)]


@pytest.mark.parametrize("field", ["vector", "halfvec"])
def test_the_nearest_rows_have_exact_distances(engine, field):
    distance = getattr(ModelItem, field).max_inner_product(facts.QUERY)
    with Session(engine) as session:
        assert session.exec(select(ModelItem.id, distance).order_by(distance)).all() == facts.NEAREST["<#>"]
