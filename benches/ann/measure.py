"""The measures, one after the other. Engines take turns block by block, so that a machine's moods meet them all alike."""

import json
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from . import clients, datasets, figures, server
from .contestants import WANTED, InMemory, InServer
from .server import Connection, Control, counters, encode, int4

#: The width at which figures are compared that are not compared at equal recall.
WIDTH = 100


@dataclass(frozen=True)
class Profile:
    """How much is measured."""

    datasets: tuple[str, ...]
    builds: int = 1
    rounds: int = 3
    queries: int = 1000
    exact_queries: int = 20
    client_seconds: float = 2.0
    client_rounds: int = 1
    client_widths: tuple[int, ...] = (WIDTH,)
    cold_queries: int = 30
    inserts: int = 1000
    churn: bool = True
    size_dimensions: tuple[int, ...] = ()
    size_rows: int = 2000
    engines: tuple[str, ...] = ()


PROFILES = {
    "quick": Profile(
        datasets=("demo",),
        queries=300,
        client_seconds=1.0,
        client_widths=(40, 100),
        inserts=200,
        size_dimensions=(768, 1536),
        size_rows=500,
    ),
    "standard": Profile(
        datasets=("fashion-mnist", "demo"),
        builds=3,
        rounds=5,
        exact_queries=40,
        client_seconds=3.0,
        client_rounds=3,
        client_widths=(40, 100, 200),
        inserts=2000,
        size_dimensions=(768, 1536),
        size_rows=4000,
    ),
    "scale": Profile(
        datasets=(
            "synthetic:10000x128",
            "synthetic:30000x128",
            "synthetic:100000x128",
            "synthetic:300000x128",
            "synthetic:1000000x128",
            "synthetic:10000x768",
            "synthetic:50000x768",
            "synthetic:200000x768",
        ),
        exact_queries=10,
        churn=False,
        engines=("quartzdb", "pgvector", "pgvectorscale", "vectorchord"),
    ),
}


class Records:
    """One JSON object a line: what was measured, nothing derived."""

    def __init__(self, path):
        self.file = open(path, "w")

    def write(self, kind, **values):
        def plain(value):
            return value.item() if isinstance(value, np.generic) else str(value)

        self.file.write(json.dumps({"kind": kind, **values}, default=plain) + "\n")
        self.file.flush()


def quantiles(times):
    return {f"p{percent}": figures.quantile(times, percent / 100) for percent in (50, 95, 99)}


class Race:
    """All measures of one data set."""

    def __init__(self, dataset, engines, profile, records, observer, cache, say, client_count):
        self.dataset, self.profile, self.records = dataset, profile, records
        self.observer, self.cache, self.say, self.client_count = observer, cache, say, client_count
        self.all = [InServer(engine, dataset, observer) if engine.in_server else InMemory(engine, dataset) for engine in engines]
        #: Of the engines' settings, as measured by one client.
        self.recalls = {}
        self.servers = [one for one in self.all if one.engine.in_server]
        self.indexed = [one for one in self.servers if one.engine.has_index]

    def write(self, kind, one, **values):
        common = {"dataset": self.dataset.name, "rows": self.dataset.rows, "dimensions": self.dataset.dimensions}
        self.records.write(kind, **common, metric=self.dataset.metric, engine=one.name, **values)

    def run(self):
        try:
            self.load_and_build()
            self.truth = datasets.truth(self.dataset, self.cache)
            self.queries()
            self.long_answers()
            self.many_clients()
            # Before anything restarts the server: a shutdown is a checkpoint, after which WAL is another.
            self.inserts()
            self.cold()
            if self.profile.churn:
                self.churn()
        finally:
            for one in self.all:
                one.drop()

    def turns(self, number, ones):
        """The engines in another order each time."""
        shift = number % max(len(ones), 1)
        return ones[shift:] + ones[:shift]

    def load_and_build(self):
        for one in self.all:
            self.say(f"{self.dataset.name}: loading into {one.name}")
            self.write("engine", one, **one.create())
        for number in range(self.profile.builds):
            for one in self.turns(number, self.all):
                # A library is only a yardstick, and slow to build in Python's presence: once is enough.
                if number and not one.engine.in_server:
                    continue
                built = one.build()
                if built:
                    self.say(f"{self.dataset.name}: {one.name} built in {built['seconds']:.1f} s")
                    self.write("build", one, round=number, **built)

    def recall(self, found, k, truth=None):
        truth = truth or self.truth
        return figures.recall(truth.distances_of(self.dataset.base, found[:, :k]), truth.bounds(k))

    def summary(self, block, truth=None):
        """The figures of a block of queries."""
        count = len(block.times)
        truth = truth or self.truth
        far = truth.distances_of(self.dataset.base, block.found)
        values = {
            "queries": count,
            "recall_1": figures.recall(far[:, :1], truth.bounds(1)[:count]),
            "recall_10": figures.recall(far[:, :10], truth.bounds(10)[:count]),
            "qps": count / block.times.sum(),
            **quantiles(block.times),
        }
        if block.spent:
            values |= {
                "cpu_seconds": block.cpu_seconds / count,
                "index_buffers": block.spent.index / count,
                "table_buffers": block.spent.table / count,
            }
        return values

    def queries(self):
        """One client, everything in memory."""
        for one in self.all:
            one.connect()
            one.warm()
        for number in range(self.profile.rounds):
            self.say(f"{self.dataset.name}: queries, round {number + 1} of {self.profile.rounds}")
            curves = [[(one, setting) for setting in self.settings(one)] for one in self.turns(number, self.all)]
            for turn in zip_longest(*curves):
                for one, setting in filter(None, turn):
                    summary = self.summary(one.ask(setting, self.asked(one)))
                    self.recalls[one.name, setting.label] = summary["recall_10"]
                    self.write("query", one, round=number, setting=setting.label, width=setting.width, **summary)

    def settings(self, one):
        return one.engine.settings(self.dataset.rows)

    def asked(self, one):
        return self.dataset.queries[: self.profile.queries if one.engine.has_index else self.profile.exact_queries]

    def at_width(self, one, *wanted):
        """The engine's settings of these widths; of an engine that has none, those which reach a high recall first."""
        settings = self.settings(one)
        if settings[0].width is not None:
            return [setting for setting in settings if setting.width in wanted]
        targets = (0.99,) if len(wanted) == 1 else (0.95, 0.99, 0.998)
        reaching = [[s for s in settings if self.recalls[one.name, s.label] >= target] for target in targets]
        chosen = [(found or settings[-1:])[0] for found in reaching]
        return [setting for setting in settings if setting in chosen]

    def long_answers(self):
        """Recall of a hundred rows."""
        for one in self.all:
            if not one.engine.has_index:
                continue
            for setting in self.at_width(one, 100, 200, 400):
                block = one.ask(setting, self.asked(one), datasets.TRUTH)
                recall = figures.recall(
                    self.truth.distances_of(self.dataset.base, block.found), self.truth.bounds(datasets.TRUTH)[: len(block.found)]
                )
                self.write(
                    "query 100",
                    one,
                    setting=setting.label,
                    width=setting.width,
                    recall_100=recall,
                    p50=figures.quantile(block.times, 0.5),
                )

    def many_clients(self):
        """Throughput, all cores busy."""
        self.say(f"{self.dataset.name}: {self.client_count} clients")
        for number in range(self.profile.client_rounds):
            for turn in zip_longest(*(self.at_width(one, *self.profile.client_widths) for one in self.indexed)):
                pairs = [(one, setting) for one, setting in zip(self.indexed, turn) if setting]
                for one, setting in self.turns(number, pairs):
                    parameters = [[vector] for vector in encode(self.asked(one))]
                    statements = (*one.session, *setting.statements)
                    rate, times = clients.together(
                        self.client_count,
                        one.engine.database,
                        statements,
                        one.query(WANTED),
                        parameters,
                        self.profile.client_seconds,
                    )
                    self.write(
                        "clients",
                        one,
                        round=number,
                        setting=setting.label,
                        width=setting.width,
                        clients=self.client_count,
                        recall_10=self.recalls[one.name, setting.label],
                        qps=rate,
                        **quantiles(times),
                    )

    def cold(self):
        """Single queries with nothing of the data in shared buffers or the system's cache.

        From PostgreSQL 18 on, both are emptied before each query. Before that only once, after a restart with hardly any
        shared buffers, so that later queries find some of what earlier ones have read.
        """
        self.say(f"{self.dataset.name}: cold cache")
        control = Control()
        usual = self.observer.value("SELECT current_setting('shared_buffers')")
        self.restart(control, shared_buffers="16MB")
        for one in self.indexed:
            setting = self.at_width(one, WIDTH)[0]
            # What a session reads from the catalogs first is nobody's index.
            one.connect()
            one.ask(setting, self.dataset.queries[-1:])
            oid = self.observer.value(f"SELECT oid FROM pg_database WHERE datname = '{one.engine.database}'")
            can_evict = one.can_evict()
            queries = self.dataset.queries[: self.profile.cold_queries]
            for part in np.array_split(queries, len(queries) if can_evict else 1):
                if can_evict:
                    one.evict()
                kept = control.drop_from_cache(oid)
                block = one.ask(setting, part)
                for time in block.times:
                    self.write(
                        "cold",
                        one,
                        setting=setting.label,
                        width=setting.width,
                        evicted=can_evict,
                        kept_in_cache=kept,
                        seconds=float(time),
                        index_read=block.spent.index_read / len(part),
                        table_read=block.spent.table_read / len(part),
                    )
        self.restart(control, shared_buffers=usual)
        for one in self.servers:
            one.connect()
            one.warm()

    def restart(self, control, **settings):
        for one in self.servers:
            one.close()
        self.observer.close()
        control.restart(**settings)
        fresh = Connection("postgres")
        self.observer.pg, self.observer.pid = fresh.pg, fresh.pid
        for one in self.servers:
            one.inside = Connection(one.engine.database)

    def inserts(self):
        """Single rows, each a transaction. The last part comes right after a checkpoint, when each page changed first
        goes into the WAL as a whole."""
        self.say(f"{self.dataset.name}: inserts")
        rows = self.dataset.extra[: self.profile.inserts]
        parts = np.array_split(np.arange(len(rows)), 4)
        for number, part in enumerate(parts):
            after_checkpoint = number == len(parts) - 1
            if after_checkpoint:
                self.observer.run("CHECKPOINT")
            for one in self.turns(number, self.indexed):
                ids = (int4(self.dataset.rows + place) for place in part)
                parameters = [list(pair) for pair in zip(ids, encode(rows[part]))]
                before, cpu = counters(one.connection, one.inside), server.cpu_seconds(one.connection.pid)
                times, _ = one.connection.timed("insert", parameters)
                cpu = server.cpu_seconds(one.connection.pid) - cpu
                spent, count = counters(one.connection, one.inside) - before, len(times)
                self.write(
                    "insert",
                    one,
                    round=number,
                    after_checkpoint=after_checkpoint,
                    inserts=count,
                    rate=count / times.sum(),
                    p99=figures.quantile(times, 0.99),
                    cpu_seconds=cpu / count,
                    index_buffers=spent.index / count,
                    wal_bytes=spent.wal / count,
                )

    def churn(self):
        """Three of four rows deleted, vacuum, and what recall is left; then the same rows in a fresh index."""
        truth = None
        for one in self.indexed:
            self.say(f"{self.dataset.name}: churn, {one.name}")
            one.inside.run(f"DELETE FROM items WHERE id >= {self.dataset.rows} OR (hashint4(id) & 3) <> 0")
            with one.making() as effort:
                one.maker.run("VACUUM (INDEX_CLEANUP ON, PARALLEL 0) items")
            if truth is None:
                alive = np.array([int(row[0]) for row in one.inside.run("SELECT id FROM items ORDER BY id")])
                truth = datasets.truth(self.dataset, self.cache, alive)
            settings = self.at_width(one, 40, WIDTH)
            vacuumed = [self.summary(one.ask(setting, self.asked(one)), truth) for setting in settings]
            with one.making() as rebuilding:
                one.maker.run("REINDEX INDEX items_v")
            fresh = [self.summary(one.ask(setting, self.asked(one)), truth) for setting in settings]
            for setting, was, is_ in zip(settings, vacuumed, fresh):
                self.write(
                    "churn",
                    one,
                    setting=setting.label,
                    width=setting.width,
                    left=len(alive),
                    recall_vacuumed=was["recall_10"],
                    recall_fresh=is_["recall_10"],
                    buffers_vacuumed=was["index_buffers"],
                    buffers_fresh=is_["index_buffers"],
                )
            self.write("vacuum", one, left=len(alive), rebuild_seconds=rebuilding.seconds, **one.cost(effort))


def sizes(engines, profile, records, observer, say):
    """Index size and build memory per row at common widths of embeddings."""
    for dimensions in profile.size_dimensions:
        dataset = datasets.synthetic(profile.size_rows, dimensions)
        for engine in engines:
            if not (engine.in_server and engine.has_index):
                continue
            say(f"size at {dimensions} dimensions: {engine.name}")
            one = InServer(engine, dataset, observer)
            try:
                one.create()
                built = one.build()
                records.write("size", engine=one.name, rows=dataset.rows, dimensions=dimensions, **built)
            finally:
                one.drop()
