"""asyncpg, which always speaks the binary protocol: with pgvector's codec it sends and reads the
binary form; without one, as LangChain and LlamaIndex use it, it must be able to fall back to text
for a type it does not know."""

import asyncio
import os

import asyncpg
import facts
import pytest
from pgvector import Vector
from pgvector.asyncpg import register_vector


@pytest.fixture
def run(database):
    """Runs a coroutine function with a connection, with or without the codec."""

    def run(body, codec=True):
        async def main():
            connection = await asyncpg.connect(database=database, host=os.environ.get("PGHOST"))
            try:
                if codec:
                    await register_vector(connection)
                await connection.execute("CREATE TEMP TABLE items (id int, embedding vector(3))")
                value = Vector if codec else str
                await connection.executemany("INSERT INTO items VALUES ($1, $2)", [(i, value(v)) for i, v in facts.ROWS.items()])
                return await body(connection)
            finally:
                await connection.close()

        return asyncio.run(main())

    return run


def test_vectors_come_back_bit_for_bit(run):
    async def body(connection):
        return [(await connection.fetchval("SELECT $1::vector", Vector(v))).to_list() for v in facts.EXACT]

    assert run(body) == facts.EXACT


def test_an_array_of_vectors_comes_back_as_a_list(run):
    vectors = [Vector(v) for v in facts.EXACT]

    async def body(connection):
        return await connection.fetchval("SELECT $1::vector[]", vectors)

    assert run(body) == vectors


def test_copy_goes_in_and_out(run):
    rows = [(i, Vector(v)) for i, v in enumerate(facts.EXACT)] + [(99, None)]

    async def body(connection):
        await connection.execute("CREATE TEMP TABLE copied (id int, embedding vector)")
        await connection.copy_records_to_table("copied", records=rows)
        return [tuple(row) for row in await connection.fetch("SELECT * FROM copied ORDER BY id")]

    assert run(body) == rows


@pytest.mark.parametrize("codec", [True, False], ids=["codec", "text"])
@pytest.mark.parametrize("operator", facts.NEAREST)
def test_the_nearest_rows_have_exact_distances(run, operator, codec):
    query = Vector(facts.QUERY) if codec else str(facts.QUERY)

    async def body(connection):
        rows = await connection.fetch(f"SELECT id, embedding {operator} $1 AS distance FROM items ORDER BY distance, id", query)
        return [tuple(row) for row in rows]

    assert run(body, codec) == facts.NEAREST[operator]


def test_without_a_codec_vectors_are_read_as_text(run):
    async def body(connection):
        return await connection.fetch("SELECT embedding FROM items WHERE embedding <> $1 ORDER BY id", "[2, 2.0, 2e0]")

    assert [row["embedding"] for row in run(body, codec=False)] == ["[1,1,1]", "[1,1,2]"]


def test_a_wrong_length_is_a_data_error(run):
    async def body(connection):
        with pytest.raises(asyncpg.exceptions.DataError, match="^expected 3 dimensions, not 1$"):
            await connection.execute("INSERT INTO items VALUES (9, $1)", Vector([1]))
        return await connection.fetchval("SELECT count(*) FROM items")

    assert run(body) == 3
