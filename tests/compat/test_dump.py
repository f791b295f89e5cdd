"""Backups: what pg_dump writes of tables with vectors must restore into an empty database, and
dump again to the same text. Members of the extension must not show up in it one by one."""

import psycopg
import pytest

TABLES = """
    SET search_path = public, {schema};
    CREATE DOMAIN unit AS vector(2) CHECK (vector_norm(VALUE) < 1.01);
    CREATE TABLE items (
        id serial PRIMARY KEY,
        plain vector,
        typed vector(3) NOT NULL DEFAULT '[1, 2, 3]' CHECK (typed <-> '[0,0,0]' < 1e30),
        many vector(2)[] DEFAULT ARRAY['[1,2]'::vector],
        direction unit,
        half halfvec(2) DEFAULT '[0.1,2]' CHECK (half <-> '[0,0]' < 1e4),
        sparse sparsevec(5) DEFAULT '{{2:0.1}}/5',
        bits bit(3) DEFAULT B'101' CHECK (bits <~> B'111' < 3),
        norm double precision GENERATED ALWAYS AS (vector_norm(typed)) STORED
    );
    CREATE INDEX items_typed ON items (typed);
    CREATE INDEX items_half ON items (half, sparse);
    CREATE UNIQUE INDEX items_sub ON items ((subvector(plain, 1, 1)), id) WHERE plain > '[0]';
    CREATE TABLE ranges (v vector(1)) PARTITION BY RANGE (v);
    CREATE TABLE low PARTITION OF ranges FOR VALUES FROM (MINVALUE) TO ('[0]');
    CREATE TABLE high PARTITION OF ranges FOR VALUES FROM ('[0]') TO ('[1e6]');
    CREATE VIEW nearest AS SELECT id, typed <=> '[1,1,1]' AS distance FROM items ORDER BY typed <=> '[1,1,1]', id;
    CREATE VIEW total AS SELECT avg(typed), sum(typed), avg(typed)::real[] AS reals FROM items;
    INSERT INTO items (plain, typed, many, direction) VALUES
        ('[0.1,-0,1e-45,3.4028235e38]', DEFAULT, DEFAULT, '[0.6,0.8]'),
        (array_fill(0.3, ARRAY[16000]), '[1e-5,1e6,16777216]', '{{"[1,2]",NULL}}', NULL),
        (NULL, '[-1,-2,-3]', NULL, '[-1,0]');
    INSERT INTO ranges VALUES ('[-0.5]'), ('[-0]'), ('[123456]');
"""


def contents(database, schema):
    with psycopg.connect(dbname=database) as connection:
        connection.execute(f"SET search_path = public, {schema}")
        return [
            connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall()
            for table in ("items", "low", "high", "nearest", "total")
        ]


@pytest.mark.parametrize("schema", ["public", "extensions"])
@pytest.mark.parametrize("options", [[], ["--inserts"]], ids=["copy", "inserts"])
def test_a_dump_restores_to_the_same_database(new_database, psql, pg_dump, schema, options):
    with new_database(schema) as source, new_database(schema=None) as target:
        with psycopg.connect(dbname=source) as connection:
            connection.execute(TABLES.format(schema=schema))
        script = pg_dump(source, *options)
        psql(target, script)

        assert pg_dump(target, *options) == script
        assert contents(target, schema) == contents(source, schema)


def test_a_dump_holds_the_extension_and_types_with_modifiers_but_no_member(new_database, pg_dump):
    with new_database("extensions") as source:
        with psycopg.connect(dbname=source) as connection:
            connection.execute(TABLES.format(schema="extensions"))
        script = pg_dump(source, "--schema-only")

    assert "WITH SCHEMA extensions;" in script
    assert "typed extensions.vector(3) DEFAULT '[1,2,3]'::extensions.vector NOT NULL" in script
    assert "many extensions.vector(2)[]" in script
    assert "half extensions.halfvec(2) DEFAULT '[0.099975586,2]'::extensions.halfvec" in script
    assert "sparse extensions.sparsevec(5) DEFAULT '{2:0.1}/5'::extensions.sparsevec" in script
    assert "OPERATOR(extensions.<=>)" in script
    for member in ("FUNCTION", "OPERATOR", "TYPE", "CAST", "AGGREGATE"):
        assert f"CREATE {member}" not in script


def test_the_extension_moves_to_another_schema_with_all_it_made(new_database):
    with new_database() as name, psycopg.connect(dbname=name) as connection:
        connection.execute(TABLES.format(schema="public"))
        extension = connection.execute(
            """SELECT extname FROM pg_extension JOIN pg_depend ON refobjid = pg_extension.oid
               WHERE objid = 'vector'::regtype AND classid = 'pg_type'::regclass"""
        ).fetchone()[0]
        connection.execute("CREATE SCHEMA elsewhere")
        connection.execute(f"ALTER EXTENSION {extension} SET SCHEMA elsewhere")
        assert connection.execute("SELECT to_regtype('vector'), to_regtype('elsewhere.vector')::text").fetchone() == (None, "elsewhere.vector")
        connection.execute("INSERT INTO items (plain) VALUES ('[5]')")
        assert connection.execute("SELECT id FROM nearest LIMIT 1").fetchone() == (1,)
