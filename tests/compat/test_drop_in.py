"""The extension named `vector`: where it can be created, what restores into it, and when it refuses.

These tests name the extensions themselves, so QUARTZDB_EXTENSION means nothing to them. They need
both of ours on the server, and write a file that looks like pgvector's library beside ours.
"""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

# What pg_dump writes of a database with pgvector 0.8.7.
DUMP = """
SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET client_min_messages = warning;
SET row_security = off;

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

SET default_table_access_method = heap;
CREATE FUNCTION public.nearest(public.vector) RETURNS bigint
    LANGUAGE sql
    SET "ivfflat.probes" TO '10'
    SET "ivfflat.iterative_scan" TO 'relaxed_order'
    SET "ivfflat.max_probes" TO '50'
    AS $_$ SELECT id FROM public.items ORDER BY embedding OPERATOR(public.<->) $1 LIMIT 1 $_$;
CREATE TABLE public.items (
    id bigint NOT NULL,
    embedding public.vector(3),
    half public.halfvec(3),
    sparse public.sparsevec(5),
    hash bit(8)
);
COPY public.items (id, embedding, half, sparse, hash) FROM stdin;
1\t[1,2,3]\t[1,2,3]\t{1:1,3:2.5}/5\t10101010
2\t[4,5,6]\t[4,5,6]\t{2:1}/5\t11110000
3\t[1,1,1]\t[0.5,1,1]\t{}/5\t00000000
\\.
ALTER TABLE ONLY public.items ADD CONSTRAINT items_pkey PRIMARY KEY (id);
CREATE INDEX items_embedding_idx ON public.items USING hnsw (embedding public.vector_l2_ops) WITH (m='16', ef_construction='64');
CREATE INDEX items_sparse_idx ON public.items USING hnsw (sparse public.sparsevec_cosine_ops);
CREATE INDEX items_l2 ON public.items USING ivfflat (embedding) WITH (lists='100');
CREATE INDEX items_ip ON public.items USING ivfflat (embedding public.vector_ip_ops) WITH (lists='100');
CREATE INDEX items_cosine ON public.items USING ivfflat (embedding public.vector_cosine_ops) WITH (lists='1');
CREATE INDEX items_half_l2 ON public.items USING ivfflat (half public.halfvec_l2_ops) WITH (lists='32768');
CREATE INDEX items_half_ip ON public.items USING ivfflat (half public.halfvec_ip_ops);
CREATE INDEX items_half_cosine ON public.items USING ivfflat (((embedding)::public.halfvec(3)) public.halfvec_cosine_ops) WITH (lists='5') WHERE (id > 1);
CREATE INDEX items_hash ON public.items USING ivfflat (hash public.bit_hamming_ops) WITH (lists='3');
CREATE INDEX items_btree ON public.items USING btree (embedding);
"""

@contextmanager
def connected(database):
    with psycopg.connect(dbname=database, autocommit=True) as connection:
        yield connection


@contextmanager
def refused(error, message):
    """The statement is refused, with a message that says what to do."""
    with pytest.raises(error) as raised:
        yield
    diagnosis = raised.value.diag
    assert message in diagnosis.message_primary
    assert diagnosis.message_detail and diagnosis.message_hint


def looks_restored(database):
    """The dump's indexes answer, each from the method and the class it was dumped with."""
    with connected(database) as connection:
        methods = connection.execute(
            """SELECT count(*) FILTER (WHERE amname = 'ivfflat'), count(*) FILTER (WHERE amname = 'hnsw'), count(*)
               FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
               WHERE indrelid = 'public.items'::regclass AND indisvalid"""
        ).fetchone()
        assert methods == (7, 2, 11)
        connection.execute("SET enable_seqscan = off")
        for index, order in {
            "items_ip": "embedding <#> '[1,1,1]'",
            "items_cosine": "embedding <=> '[4,5,6]'",
            "items_half_ip": "half <#> '[1,1,1]'",
            "items_hash": "hash <~> B'11110000'",
        }.items():
            plan = connection.execute(f"EXPLAIN SELECT id FROM items ORDER BY {order} LIMIT 1").fetchall()
            assert f"Index Scan using {index} " in str(plan)
            assert connection.execute(f"SELECT id FROM items ORDER BY {order} LIMIT 1").fetchone() == (2,)
        assert connection.execute("SELECT nearest('[1,1,1.1]')").fetchone() == (3,)


def test_it_is_the_pgvector_whose_sql_we_speak(new_database):
    with new_database(schema=None) as name, connected(name) as connection:
        connection.execute('CREATE EXTENSION IF NOT EXISTS "vector"')
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        version = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        assert version == ("0.8.7",)
        comment = connection.execute("SELECT comment FROM pg_available_extensions WHERE name = 'vector'").fetchone()[0]
        assert "QuartzDB" in comment


def test_a_database_dumped_from_pgvector_restores_and_dumps_again(new_database, psql, pg_dump):
    with new_database(schema=None) as first, new_database(schema=None) as second:
        psql(first, DUMP)
        looks_restored(first)
        script = pg_dump(first)
        assert "CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;" in script
        assert "USING ivfflat (embedding public.vector_cosine_ops) WITH (lists='1')" in script
        for member in ("FUNCTION public.l2_distance", "OPERATOR CLASS", "ACCESS METHOD", "TYPE"):
            assert f"CREATE {member}" not in script
        psql(second, script)
        looks_restored(second)
        assert pg_dump(second) == script


@pytest.mark.parametrize("schema", ["public", "extensions", 'Mixed "Case"'])
def test_beside_quartzdb_it_is_only_ivfflat_and_both_dump_and_restore(new_database, psql, pg_dump, schema):
    quoted = '"' + schema.replace('"', '""') + '"'
    with new_database(schema=None) as first, new_database(schema=None) as second:
        with connected(first) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
            connection.execute(f"CREATE EXTENSION quartzdb SCHEMA {quoted}")
            connection.execute("CREATE EXTENSION vector SCHEMA public")
            members = connection.execute(
                """SELECT count(*) FILTER (WHERE classid = 'pg_type'::regclass), count(*) FILTER (WHERE classid = 'pg_opclass'::regclass)
                   FROM pg_depend JOIN pg_extension e ON e.oid = refobjid AND refclassid = 'pg_extension'::regclass
                   WHERE deptype = 'e' AND extname = 'vector'"""
            ).fetchone()
            assert members == (0, 7)
            assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
            connection.execute(f"SET search_path = public, {quoted}")
            connection.execute("CREATE TABLE items (id int, embedding vector(3))")
            connection.execute("INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[4,5,6]')")
            connection.execute("CREATE INDEX items_idx ON items USING ivfflat (embedding) WITH (lists = 7)")
        script = pg_dump(first)
        psql(second, script)
        assert pg_dump(second) == script
        with connected(second) as connection:
            connection.execute(f"SET search_path = public, {quoted}")
            connection.execute("SET enable_seqscan = off")
            assert connection.execute("SELECT id FROM items ORDER BY embedding <-> '[4,4,4]' LIMIT 1").fetchone() == (2,)
            with pytest.raises(errors.DependentObjectsStillExist):
                connection.execute("DROP EXTENSION quartzdb")
            connection.execute("DROP TABLE items")
            connection.execute("DROP EXTENSION vector")
            connection.execute("SELECT '[1]'::vector")
            connection.execute("CREATE EXTENSION vector")
            connection.execute("DROP EXTENSION quartzdb CASCADE")
            assert connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'").fetchone() == (0,)


def test_it_moves_to_another_schema(new_database, psql):
    with new_database(schema=None) as name:
        psql(name, DUMP)
        with connected(name) as connection:
            connection.execute("CREATE SCHEMA elsewhere")
            connection.execute("ALTER EXTENSION vector SET SCHEMA elsewhere")
            connection.execute("SET search_path = public, elsewhere")
            connection.execute("REINDEX TABLE items")
        with connected(name) as connection:
            connection.execute("SET search_path = public, elsewhere")
            assert connection.execute("SELECT id FROM items ORDER BY embedding <-> '[4,4,4]' LIMIT 1").fetchone() == (2,)


def test_the_owner_of_a_database_may_create_it(new_database):
    with new_database(schema=None) as name, connected(name) as connection:
        connection.execute("CREATE ROLE drop_in_owner")
        try:
            connection.execute(f"ALTER DATABASE {name} OWNER TO drop_in_owner")
            connection.execute("GRANT ALL ON SCHEMA public TO drop_in_owner")
            connection.execute("SET SESSION AUTHORIZATION drop_in_owner")
            connection.execute("CREATE EXTENSION vector")
            connection.execute("CREATE TABLE items (v vector(3))")
            connection.execute("CREATE INDEX ON items USING ivfflat (v)")
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM hnsw_check('items_v_idx')")
        finally:
            connection.execute("RESET SESSION AUTHORIZATION")
            connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
            connection.execute("REASSIGN OWNED BY drop_in_owner TO CURRENT_USER")
            connection.execute("DROP OWNED BY drop_in_owner")
            connection.execute("DROP ROLE drop_in_owner")


def test_quartzdb_is_refused_where_vector_is(new_database):
    with new_database(schema=None) as name, connected(name) as connection:
        connection.execute("CREATE EXTENSION vector")
        with refused(errors.DuplicateObject, 'QuartzDB is in this database already, as extension "vector"'):
            connection.execute("CREATE EXTENSION quartzdb")
        # Members of pgvector say in the catalog that they are in another library.
        connection.execute(
            """UPDATE pg_proc SET probin = '$libdir/vector' FROM pg_depend
               WHERE objid = pg_proc.oid AND deptype = 'e' AND probin = '$libdir/quartzdb'"""
        )
        with refused(errors.DuplicateObject, "pgvector is in this database"):
            connection.execute("CREATE EXTENSION quartzdb")
        assert connection.execute("SELECT extname FROM pg_extension WHERE extname = 'quartzdb'").fetchone() is None


def test_it_is_refused_where_pgvector_is_installed(new_database, program):
    where = subprocess.run([program("pg_config"), "--pkglibdir"], check=True, capture_output=True, text=True).stdout.strip()
    library = Path(where) / "vector.so"
    with new_database(schema=None) as name, connected(name) as connection:
        library.write_bytes(b"")
        try:
            with refused(errors.ObjectNotInPrerequisiteState, "where pgvector is installed"):
                connection.execute("CREATE EXTENSION vector")
            connection.execute("CREATE EXTENSION quartzdb")
            with refused(errors.ObjectNotInPrerequisiteState, "where pgvector is installed"):
                connection.execute("CREATE EXTENSION vector")
        finally:
            library.unlink()
        connection.execute("CREATE EXTENSION vector")
