"""Engines with a data set, ready to be asked: in a database of the server, or in this process."""

from dataclasses import dataclass

import numpy as np

from . import datasets, server
from .engines import OPERATORS
from .server import Connection, Effort, counters, encode, ids_of

#: Rows wanted by a query, where nothing else is said.
WANTED = 10


@dataclass
class Block:
    """What a block of queries brought."""

    times: np.ndarray
    found: np.ndarray
    cpu_seconds: float | None = None
    spent: server.Counters | None = None


class InServer:
    """An engine with a data set in its database."""

    def __init__(self, engine, dataset, observer):
        self.engine, self.dataset, self.observer = engine, dataset, observer
        self.name = engine.name
        self.operator = OPERATORS[dataset.metric]
        # What is measured, what watches, what builds.
        self.connection = self.inside = self.maker = None

    def create(self):
        self.observer.run(f"DROP DATABASE IF EXISTS {self.engine.database} WITH (FORCE)")
        self.observer.run(f"CREATE DATABASE {self.engine.database} TEMPLATE template0")
        # Counters are those of one database, so someone there has to read them.
        self.inside = Connection(self.engine.database)
        for extension in self.engine.extensions:
            self.inside.run(f"CREATE EXTENSION {extension}")
        self.inside.run(f"CREATE TABLE items (id int, v vector({self.dataset.dimensions}))")
        self.inside.copy_rows("items", 0, self.dataset.base)
        self.inside.run("VACUUM ANALYZE items", "CHECKPOINT")
        return {"version": self.engine.version(self.inside)}

    def build(self):
        """Builds the index (anew), and returns what that took."""
        if not self.engine.has_index:
            return None
        self.inside.run("DROP INDEX IF EXISTS items_v")
        with self.making() as effort:
            self.maker.run(self.engine.index(self.dataset))
        return {
            **self.cost(effort),
            "index_bytes": int(self.inside.value("SELECT pg_relation_size('items_v')")),
            "notices": self.maker.notices,
        }

    def making(self):
        """The effort of a session with memory for a whole index."""
        if self.maker:
            self.maker.close()
            # Or the postmaster would wait for it during the effort, and its CPU time would count a second time.
            server.wait_for_end(self.maker.pid)
        self.maker = Connection(self.engine.database)
        rows, dimensions = self.dataset.rows, self.dataset.dimensions
        megabytes = 64 + rows * (4 * dimensions + 1500) * 5 // 4 // 2**20
        self.maker.run(f"SET maintenance_work_mem = '{megabytes}MB'")
        return Effort(self.maker, self.inside)

    @staticmethod
    def cost(effort):
        return {
            "seconds": effort.seconds,
            "cpu_seconds": effort.cpu_seconds,
            "wal_bytes": effort.spent.wal,
            "memory_bytes": effort.memory_bytes,
        }

    def query(self, limit):
        return f"SELECT id FROM items ORDER BY v {self.operator} $1 LIMIT {limit}"

    @property
    def session(self):
        return (*self.engine.session, "SET plan_cache_mode = force_generic_plan")

    def connect(self):
        """A fresh session, as every measure gets."""
        if self.connection:
            self.connection.close()
        self.connection = Connection(self.engine.database)
        self.connection.run(*self.session)
        for limit in (WANTED, datasets.TRUTH):
            self.connection.prepare(f"nearest {limit}", self.query(limit))
        self.connection.prepare("insert", "INSERT INTO items (id, v) VALUES ($1, $2)")

    def warm(self):
        """All pages in shared buffers, and the plan that is measured is the right one."""
        try:
            self.inside.run("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            self.inside.run("SELECT pg_prewarm(oid) FROM pg_class WHERE relname IN ('items', 'items_v')")
            self.inside.run("SELECT pg_prewarm(reltoastrelid) FROM pg_class WHERE relname = 'items' AND reltoastrelid <> 0")
        except server.ServerError:
            pass
        # Not every engine answers without settings.
        for statement in self.engine.settings(self.dataset.rows)[-1].statements:
            self.connection.run(statement)
        example = f"array_fill(0.5::real, ARRAY[{self.dataset.dimensions}])::vector"
        plan = self.connection.run(f"EXPLAIN {self.query(WANTED).replace('$1', example)}")
        if self.engine.has_index != any("items_v" in line for (line,) in plan):
            raise server.ServerError(f"{self.name} would not answer as it should:\n" + "\n".join(line for (line,) in plan))
        self.ask(self.engine.settings(self.dataset.rows)[-1], self.dataset.queries[:20])

    def can_evict(self):
        """Whether pages can be thrown out of shared buffers without a restart."""
        try:
            self.inside.run("CREATE EXTENSION IF NOT EXISTS pg_buffercache")
        except server.ServerError:
            return False
        return self.inside.value("SELECT to_regproc('pg_buffercache_evict_relation') IS NOT NULL") == "t"

    def evict(self):
        self.inside.run(
            "SELECT pg_buffercache_evict_relation(oid) FROM pg_class WHERE relname IN ('items', 'items_v')",
            """SELECT pg_buffercache_evict_relation(c) FROM pg_class t, LATERAL (
                   SELECT t.reltoastrelid::regclass UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = t.reltoastrelid) AS x(c)
               WHERE t.relname = 'items' AND t.reltoastrelid <> 0""",
        )

    def ask(self, setting, queries, limit=WANTED):
        self.connection.run(*setting.statements)
        parameters = [[vector] for vector in encode(queries)]
        before = counters(self.connection, self.inside)
        cpu = server.cpu_seconds(self.connection.pid)
        times, results = self.connection.timed(f"nearest {limit}", parameters)
        cpu = server.cpu_seconds(self.connection.pid) - cpu
        spent = counters(self.connection, self.inside) - before
        return Block(times, ids_of(results, limit), cpu, spent)

    def close(self):
        """Ends all sessions: the database is to be dropped, or the server restarted."""
        for connection in (self.connection, self.inside, self.maker):
            if connection:
                connection.close()
        self.connection = self.inside = self.maker = None

    def drop(self):
        self.close()
        self.observer.run(f"DROP DATABASE IF EXISTS {self.engine.database} WITH (FORCE)")


class InMemory:
    """A library with a data set."""

    def __init__(self, engine, dataset):
        self.engine, self.dataset, self.name = engine, dataset, engine.name

    def create(self):
        return {"version": self.engine.version()}

    def build(self):
        seconds, cpu_seconds, memory_bytes = self.engine.build(self.dataset)
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, "memory_bytes": memory_bytes}

    def connect(self):
        pass

    def warm(self):
        self.ask(self.engine.settings(self.dataset.rows)[-1], self.dataset.queries[:20])

    def ask(self, setting, queries, limit=WANTED):
        return Block(*self.engine.search(queries, limit, setting))

    def drop(self):
        self.engine.index = None
