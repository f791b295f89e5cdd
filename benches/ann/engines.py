"""What is measured: extensions of PostgreSQL, looking at all rows, and libraries that hold everything in memory.

An engine is built from a data set, and then asked with settings that trade time for recall. Each peer gets the
settings that its documentation recommends; docs/benchmarks.md says which.
"""

import math
import os
import resource
import time
from dataclasses import dataclass

import numpy as np

from .server import own_memory

#: How widely HNSW indexes search.
WIDTHS = [10, 20, 40, 64, 100, 200, 400]
OPERATORS = {"l2": "<->", "cosine": "<=>"}
CLASSES = {"l2": "vector_l2_ops", "cosine": "vector_cosine_ops"}


@dataclass(frozen=True)
class Setting:
    """One point on an engine's curve."""

    #: For people, and to tell points apart.
    label: str
    #: What pgvector calls `hnsw.ef_search`, for engines that have it.
    width: int | None = None
    #: What the session is told.
    statements: tuple[str, ...] = ()
    #: What a library is told.
    value: int = 0


def widths(prefix="hnsw.ef_search"):
    return [Setting(f"ef_search={w}", w, (f"SET {prefix} = {w}",)) for w in WIDTHS]


class ServerEngine:
    """An extension with its index. Each gets a database of its own: the peers' names collide."""

    in_server = True
    extension = "vector"
    has_index = True
    #: What every session is told.
    session: tuple[str, ...] = ("SET enable_seqscan = off",)

    @property
    def database(self):
        return "bench_" + self.name.replace("-", "_")

    def is_there(self, observer):
        wanted = ", ".join(f"'{name}'" for name in self.extensions)
        found = observer.value(f"SELECT count(*) FROM pg_available_extensions WHERE name IN ({wanted})")
        return int(found) == len(self.extensions)

    @property
    def extensions(self):
        return [self.extension]

    def version(self, connection):
        return connection.value(f"SELECT extversion FROM pg_extension WHERE extname = '{self.extensions[-1]}'")

    def index(self, dataset):
        """The statement that builds the index."""
        return f"CREATE INDEX items_v ON items USING hnsw (v {CLASSES[dataset.metric]})"

    def settings(self, rows):
        return widths()


class QuartzDB(ServerEngine):
    name = "quartzdb"
    extension = "quartzdb"


class Pgvector(ServerEngine):
    """m = 16 and ef_construction = 64 are its defaults."""

    name = "pgvector"


class Pgvectorscale(ServerEngine):
    """Its build is serial unless the table was analysed, and its recall is set by how many rows it looks at again."""

    name = "pgvectorscale"
    extensions = ["vector", "vectorscale"]

    def index(self, dataset):
        return f"CREATE INDEX items_v ON items USING diskann (v {CLASSES[dataset.metric]})"

    def settings(self, rows):
        pairs = [(25, 25), (50, 50), (100, 50), (100, 100), (100, 200), (200, 200), (200, 400), (400, 400), (400, 800)]
        return [
            Setting(
                f"list={size},rescore={again}",
                None,
                (f"SET diskann.query_search_list_size = {size}", f"SET diskann.query_rescore = {again}"),
            )
            for size, again in pairs
        ]


class VectorChord(ServerEngine):
    """Residual quantisation, and lists by its table: rows / 500 between 128,000 and 2,000,000 rows. Below that the table
    says none; the square root was measured to be better and is taken."""

    name = "vectorchord"
    extensions = ["vector", "vchord"]

    def lists(self, rows):
        return rows // 500 if rows >= 128_000 else max(1, math.isqrt(rows))

    def index(self, dataset):
        options = [
            "residual_quantization = true",
            "[build.internal]",
            f"lists = [{self.lists(dataset.rows)}]",
            f"spherical_centroids = {'true' if dataset.metric == 'cosine' else 'false'}",
            f"build_threads = {os.cpu_count()}",
        ]
        text = "\n".join(options)
        return f"CREATE INDEX items_v ON items USING vchordrq (v {CLASSES[dataset.metric]}) WITH (options = $${text}$$)"

    def settings(self, rows):
        lists = self.lists(rows)
        probes = sorted({min(lists, n) for n in (2, 4, 8, 12, 16, 24, 32, 64, 128)})
        return [Setting(f"probes={n}", None, (f"SET vchordrq.probes = '{n}'",)) for n in probes]


class Exact(ServerEngine):
    """QuartzDB's operators without an index."""

    name = "exact"
    extension = "quartzdb"
    has_index = False
    session = ("SET enable_indexscan = off",)

    def settings(self, rows):
        return [Setting("all rows")]


class PgvectorExact(Exact):
    """pgvector's operators without an index."""

    name = "pgvector-exact"
    extension = "vector"


class Library:
    """The yardstick: the same graph without a server, in single precision, one thread."""

    in_server = False
    has_index = True

    def settings(self, rows):
        return [Setting(f"ef={w}", w, (), w) for w in WIDTHS]

    def build(self, dataset):
        """Builds, and returns seconds, CPU seconds, bytes of memory."""
        before, memory = resource.getrusage(resource.RUSAGE_SELF), own_memory(os.getpid())
        start = time.perf_counter()
        self.make(dataset)
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, cpu, max(0, own_memory(os.getpid()) - memory)

    def search(self, queries, limit, setting):
        """Asks one by one: seconds of each, and the rows found."""
        times, found = np.empty(len(queries)), np.full((len(queries), limit), -1, dtype=np.int64)
        self.prepare(setting)
        for place in range(len(queries)):
            start = time.perf_counter_ns()
            ids = self.ask(queries[place : place + 1], limit)
            times[place] = time.perf_counter_ns() - start
            found[place, : len(ids)] = ids
        return times / 1e9, found


class Hnswlib(Library):
    name = "hnswlib"

    def version(self):
        import importlib.metadata

        return importlib.metadata.version("hnswlib")

    def make(self, dataset):
        import hnswlib

        self.index = hnswlib.Index("cosine" if dataset.metric == "cosine" else "l2", dataset.dimensions)
        self.index.init_index(dataset.rows, ef_construction=64, M=16, random_seed=1)
        self.index.add_items(dataset.base, num_threads=os.cpu_count())
        self.index.set_num_threads(1)

    def prepare(self, setting):
        self.index.set_ef(max(setting.value, 10))

    def ask(self, query, limit):
        return self.index.knn_query(query, limit)[0][0]


class Faiss(Library):
    name = "faiss"

    def version(self):
        import faiss

        return faiss.__version__

    def make(self, dataset):
        import faiss

        from .datasets import unit_length

        self.unit = unit_length if dataset.metric == "cosine" else (lambda vectors: vectors)
        self.index = faiss.IndexHNSWFlat(dataset.dimensions, 16)
        self.index.hnsw.efConstruction = 64
        faiss.omp_set_num_threads(os.cpu_count())
        self.index.add(self.unit(dataset.base))

    def prepare(self, setting):
        import faiss

        faiss.omp_set_num_threads(1)
        self.index.hnsw.efSearch = setting.value

    def search(self, queries, limit, setting):
        return super().search(self.unit(queries), limit, setting)

    def ask(self, query, limit):
        ids = self.index.search(query, limit)[1][0]
        return ids[ids >= 0]


ALL = {engine.name: engine for engine in (QuartzDB, Pgvector, Pgvectorscale, VectorChord, Exact, PgvectorExact, Hnswlib, Faiss)}
