"""LangChain's two vector stores. `PGVector` goes through SQLAlchemy and psycopg, `PGVectorStore` writes
SQL itself and reads text through asyncpg or psycopg. Both make the extension `vector` themselves, and
are compared with a search by hand."""

import asyncio

import numpy as np
import psycopg
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_postgres import Column, PGEngine, PGVector, PGVectorStore
from langchain_postgres.v2.indexes import DistanceStrategy, HNSWIndex, HNSWQueryOptions, IVFFlatIndex, IVFFlatQueryOptions

DIMENSIONS = 8
EMBEDDING = DeterministicFakeEmbedding(size=DIMENSIONS)
QUESTION = "what is it about?"
DOCUMENTS = [
    Document(f"text {i}", id=f"00000000-0000-4000-8000-{i:012}", metadata={"year": 1990 + i, "kind": "odd" if i % 2 else "even"})
    for i in range(60)
]
DISTANCES = {
    "l2": lambda a, b: np.linalg.norm(a - b),
    "cosine": lambda a, b: 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    "inner": lambda a, b: -(a @ b),
}
STRATEGIES = {
    "l2": DistanceStrategy.EUCLIDEAN,
    "cosine": DistanceStrategy.COSINE_DISTANCE,
    "inner": DistanceStrategy.INNER_PRODUCT,
}
EACH_DISTANCE = pytest.mark.parametrize("distance", DISTANCES)


def by_hand(distance, k, wanted=lambda metadata: True):
    """Number and distance of the k nearest documents."""
    question = np.array(EMBEDDING.embed_query(QUESTION))
    far = {d.id: DISTANCES[distance](np.array(EMBEDDING.embed_query(d.page_content)), question) for d in DOCUMENTS if wanted(d.metadata)}
    return sorted(far.items(), key=lambda item: item[1])[:k]


def same(found, expected):
    assert [document.id for document, _ in found] == [number for number, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-5)


# --- PGVector


@pytest.fixture(scope="module")
def pgvector(new_database):
    """Makes a store over the documents."""
    with new_database(schema=None) as name:
        url = f"postgresql+psycopg:///{name}"

        def make(distance, **options):
            return PGVector(
                EMBEDDING,
                connection=url,
                collection_name="documents",
                distance_strategy=distance,
                embedding_length=DIMENSIONS,
                pre_delete_collection=True,
                **options,
            )

        yield make


@EACH_DISTANCE
def test_pgvector_finds_the_nearest_with_their_distances(pgvector, distance):
    store = pgvector(distance)
    store.add_documents(DOCUMENTS)
    same(store.similarity_search_with_score(QUESTION, k=10), by_hand(distance, 10))
    found = store.similarity_search_by_vector(EMBEDDING.embed_query(DOCUMENTS[7].page_content), k=1)
    if distance != "inner":
        assert [(document.id, document.page_content, document.metadata) for document in found] == [
            (DOCUMENTS[7].id, DOCUMENTS[7].page_content, DOCUMENTS[7].metadata)
        ]
    best = store.max_marginal_relevance_search(QUESTION, k=3, fetch_k=10)
    assert {document.id for document in best} < {number for number, _ in by_hand(distance, 10)}


def test_pgvector_filters_and_deletes(pgvector):
    store = pgvector("cosine")
    store.add_documents(DOCUMENTS)
    found = store.similarity_search_with_score(QUESTION, k=5, filter={"year": {"$gte": 2020}, "kind": {"$eq": "odd"}})
    same(found, by_hand("cosine", 5, lambda m: m["year"] >= 2020 and m["kind"] == "odd"))
    gone = [number for number, _ in by_hand("cosine", 2)]
    store.delete(gone)
    same(store.similarity_search_with_score(QUESTION, k=5), by_hand("cosine", 7)[2:])
    assert store.get_by_ids(gone) == []


def test_pgvector_writes_a_document_anew_under_its_number(pgvector):
    store = pgvector("cosine")
    store.add_documents(DOCUMENTS)
    store.add_documents([Document(QUESTION, id=DOCUMENTS[5].id)])
    (document, score), _ = store.similarity_search_with_score(QUESTION, k=2)
    assert (document.id, document.page_content) == (DOCUMENTS[5].id, QUESTION)
    assert score == pytest.approx(0, abs=1e-6)


def test_pgvector_works_asynchronously(pgvector):
    async def body():
        store = pgvector("l2", async_mode=True)
        await store.aadd_documents(DOCUMENTS)
        return await store.asimilarity_search_with_score(QUESTION, k=10)

    same(asyncio.run(body()), by_hand("l2", 10))


# --- PGVectorStore


@pytest.fixture(params=["psycopg", "asyncpg"])
def stores(request, new_database):
    """A database with the documents, and what makes stores over them."""
    with new_database(schema=None) as name:
        engine = PGEngine.from_connection_string(f"postgresql+{request.param}:///{name}")
        engine.init_vectorstore_table("documents", DIMENSIONS, metadata_columns=[Column("year", "INTEGER")])

        def make(distance="cosine", **options):
            return PGVectorStore.create_sync(
                engine, EMBEDDING, "documents", metadata_columns=["year"], distance_strategy=STRATEGIES[distance], **options
            )

        make().add_documents(DOCUMENTS)
        # the planner must not prefer reading sixty rows to an index
        with psycopg.connect(dbname=name, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET enable_seqscan = off")
        asyncio.run(engine.close())
        yield make
        asyncio.run(engine.close())


@EACH_DISTANCE
def test_pgvectorstore_finds_the_same_with_and_without_an_index(stores, distance):
    store = stores(distance)
    expected = [(number, -score if distance == "inner" else score) for number, score in by_hand(distance, 10)]
    same(store.similarity_search_with_score(QUESTION, k=10), expected)
    store.apply_vector_index(HNSWIndex(distance_strategy=STRATEGIES[distance], m=8, ef_construction=32))
    assert store.is_valid_index()
    same(store.similarity_search_with_score(QUESTION, k=10), expected)
    # the index alone obeys this
    narrow = stores(distance, index_query_options=HNSWQueryOptions(ef_search=2))
    assert len(narrow.similarity_search(QUESTION, k=30)) < 30
    store.reindex()
    same(store.similarity_search_with_score(QUESTION, k=10), expected)
    store.drop_vector_index()
    assert not store.is_valid_index()


def test_pgvectorstore_filters_and_deletes(stores):
    store = stores()
    store.apply_vector_index(HNSWIndex(), concurrently=True)
    found = store.similarity_search_with_score(QUESTION, k=5, filter={"year": {"$lt": 2010}})
    same(found, by_hand("cosine", 5, lambda m: m["year"] < 2010))
    gone = [number for number, _ in by_hand("cosine", 2)]
    store.delete(gone)
    same(store.similarity_search_with_score(QUESTION, k=5), by_hand("cosine", 7)[2:])
    assert store.get_by_ids(gone) == []


def test_pgvectorstore_searches_by_vector_and_for_variety(stores):
    store = stores()
    (found,) = store.similarity_search_by_vector(EMBEDDING.embed_query(DOCUMENTS[7].page_content), k=1)
    assert (found.id, found.page_content, found.metadata) == (DOCUMENTS[7].id, DOCUMENTS[7].page_content, DOCUMENTS[7].metadata)
    best = store.max_marginal_relevance_search(QUESTION, k=3, fetch_k=10)
    assert {document.id for document in best} < {number for number, _ in by_hand("cosine", 10)}


def test_pgvectorstore_works_asynchronously(stores):
    store = stores()

    async def body():
        await store.aadd_texts([QUESTION], [{"year": 1}], ids=["00000000-0000-4000-8000-100000000000"])
        return await store.asimilarity_search_with_score(QUESTION, k=3)

    first, *rest = asyncio.run(body())
    assert (first[0].page_content, first[0].metadata) == (QUESTION, {"year": 1})
    same(rest, by_hand("cosine", 2))


def test_pgvectorstore_makes_an_ivfflat_index(stores):
    stores().apply_vector_index(IVFFlatIndex(lists=2))
    store = stores(index_query_options=IVFFlatQueryOptions(probes=2))
    same(store.similarity_search_with_score(QUESTION, k=10), by_hand("cosine", 10))
