"""What every client test needs: a database with the extension, and the way to it.

The server is the one libpq's variables name (PGHOST, PGPORT, PGUSER; PGDATABASE is where databases
are created from). QUARTZDB_EXTENSION is the extension under test, `quartzdb` unless told, so that
the same tests run against pgvector itself (`vector`). PG_BINDIR is where pg_dump and psql lie,
if not on the PATH.
"""

import itertools
import os
import shutil
import subprocess
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

_database_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def new_database():
    """Makes a database with the extension in a given schema; dropped when the context ends."""
    extension = os.environ.get("QUARTZDB_EXTENSION", "quartzdb")

    @contextmanager
    def make(schema="public"):
        name = f"quartzdb_compat_{os.getpid()}_{next(_database_numbers)}"
        with psycopg.connect(autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            try:
                if schema is not None:
                    with psycopg.connect(dbname=name, autocommit=True) as connection:
                        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
                        connection.execute(
                            sql.SQL("CREATE EXTENSION {} SCHEMA {}").format(sql.Identifier(extension), sql.Identifier(schema))
                        )
                yield name
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    return make


@pytest.fixture(scope="session")
def database(new_database):
    with new_database() as name:
        yield name


@pytest.fixture
def connection(database):
    with psycopg.connect(dbname=database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def program():
    """The path of a PostgreSQL client program."""

    def find(name):
        path = shutil.which(name, path=os.environ.get("PG_BINDIR"))
        assert path, f"{name} is in neither PG_BINDIR nor PATH"
        return path

    return find


@pytest.fixture(scope="session")
def psql(program):
    """Runs a script in a database, up to the first error, which is the test's."""

    def psql(database, script):
        command = [program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database]
        subprocess.run(command, check=True, input=script, text=True, stdout=subprocess.DEVNULL)

    return psql


@pytest.fixture(scope="session")
def pg_dump(program):
    """The script that pg_dump writes of a database."""

    def pg_dump(database, *options):
        script = subprocess.run(
            [program("pg_dump"), "--no-owner", *options, database], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        # newer minor versions frame the script with a random key
        return "".join(line for line in script.splitlines(True) if not line.startswith(("\\restrict", "\\unrestrict")))

    return pg_dump
