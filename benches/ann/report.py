"""From records to tables: benchmarks-results.md, the README's summary, and (through plots.py) the pictures."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from . import figures

US, PEER = "quartzdb", "pgvector"
LIBRARIES = ("hnswlib", "faiss")
#: Engines that look at all rows stand in the columns of those whose operators they use.
EXACT = {"exact": US, "pgvector-exact": PEER}
#: The order of columns, and how engines are called.
TITLES = {
    "quartzdb": "QuartzDB",
    "pgvector": "pgvector",
    "pgvectorscale": "pgvectorscale",
    "vectorchord": "VectorChord",
    "hnswlib": "hnswlib",
    "faiss": "Faiss HNSW",
}
#: For a hundred million rows.
FAR = 100_000_000
BEGIN = "<!-- written by cargo xtask bench --publish: begin -->"
END = "<!-- written by cargo xtask bench --publish: end -->"

Series = dict[str, list[float]]


@dataclass(frozen=True)
class Measure:
    """A row of a table: for each engine, one figure a round."""

    title: str
    values: Callable[[list[dict]], Series]
    #: Whether more is better; None where engines are not to be compared by it.
    more_is_better: bool | None = False
    #: Shares are compared by their difference.
    is_share: bool = False
    in_readme: bool = False


def series(records, kind, value, **where):
    """For each engine, the value of each matching record, by round."""
    out = {}
    for record in sorted(records, key=lambda record: record.get("round", 0)):
        if record["kind"] == kind and all(record.get(name) == wanted for name, wanted in where.items()):
            got = value(record) if callable(value) else record.get(value)
            if got is not None:
                out.setdefault(record["engine"], []).append(got)
    return out


def at_recall(wanted, value, kind="query"):
    """The figure at this recall, interpolated on each round's curve. `value` must be a rate: more is better."""

    def values(records):
        curves = {}
        for record in records:
            if record["kind"] == kind and "recall_10" in record and value(record):
                key = (record["engine"], record["round"])
                curves.setdefault(key, []).append((record["recall_10"], value(record)))
        out = {}
        for (engine, _), points in sorted(curves.items(), key=lambda item: item[0][1]):
            rate = figures.rate_at(points, wanted)
            if rate is not None and len(points) > 1:
                out.setdefault(engine, []).append(rate)
        return out

    return values


def inverse(values):
    return lambda records: {engine: [1 / v for v in got] for engine, got in values(records).items()}


def of(kind, value, **where):
    return lambda records: series(records, kind, value, **where)


def scaled(name, factor):
    return lambda record: None if record.get(name) is None else record[name] * factor


def per_row(name, factor=1):
    return lambda record: None if record.get(name) is None else record[name] * factor / record["rows"]


def without_index(values):
    return lambda records: {EXACT[engine]: got for engine, got in values(records).items() if engine in EXACT}


def query_rate(record):
    return record["qps"]


def cpu_rate(record):
    return 1 / record["cpu_seconds"] if record.get("cpu_seconds") else None


def measures(clients):
    """All rows of a data set's table, in order."""
    ms, mb = 1e3, 1e-6
    row = Measure
    return [
        *(row(f"recall@10 at ef_search {w}", of("query", "recall_10", width=w), True, True, w != 200) for w in (40, 100, 200)),
        row("recall@1 at ef_search 100", of("query", "recall_1", width=100), True, True),
        *(row(f"recall@100 at ef_search {w}", of("query 100", "recall_100", width=w), True, True) for w in (100, 200, 400)),
        row("queries/s at recall@10 0.95, 1 client", at_recall(0.95, query_rate), True),
        row("queries/s at recall@10 0.99, 1 client", at_recall(0.99, query_rate), True, in_readme=True),
        row("server CPU at recall@10 0.99 (ms)", inverse(at_recall(0.99, lambda r: (cpu_rate(r) or 0) / ms)), in_readme=True),
        *(
            row(f"{p} at ef_search 100 (ms)", of("query", scaled(p, ms), width=100), in_readme=p == "p50")
            for p in ("p50", "p95", "p99")
        ),
        row("server CPU at ef_search 100 (ms)", of("query", scaled("cpu_seconds", ms), width=100)),
        row("without an index: p50 (ms)", without_index(of("query", scaled("p50", ms))), in_readme=True),
        row("index pages at ef_search 100", of("query", "index_buffers", width=100), in_readme=True),
        row("table pages at ef_search 100", of("query", "table_buffers", width=100)),
        *(
            row(f"queries/s at ef_search {w}, {clients} clients", of("clients", "qps", width=w), True, in_readme=w == 100)
            for w in (40, 100, 200)
        ),
        row(f"queries/s at recall@10 0.99, {clients} clients", at_recall(0.99, query_rate, "clients"), True),
        *(
            row(f"{p} at ef_search 100 (ms), {clients} clients", of("clients", scaled(p, ms), width=100))
            for p in ("p50", "p95", "p99")
        ),
        row("cold: ten rows (ms)", of("cold", scaled("seconds", ms)), in_readme=True),
        row("cold: index pages read", of("cold", "index_read"), in_readme=True),
        row("cold: table pages read", of("cold", "table_read")),
        row("build (s)", of("build", "seconds"), in_readme=True),
        row("build, CPU (s)", of("build", "cpu_seconds"), in_readme=True),
        row("build, memory (MB)", of("build", scaled("memory_bytes", mb)), in_readme=True),
        row("build, memory (bytes/row)", of("build", per_row("memory_bytes")), None),
        row("build, WAL (MB)", of("build", scaled("wal_bytes", mb))),
        row("index (MB)", of("build", scaled("index_bytes", mb)), in_readme=True),
        row("rows inserted/s", of("insert", "rate", after_checkpoint=False), True, in_readme=True),
        row("insert, CPU (ms)", of("insert", scaled("cpu_seconds", ms), after_checkpoint=False)),
        row("insert, index pages", of("insert", "index_buffers", after_checkpoint=False), in_readme=True),
        row("insert, WAL (kB)", of("insert", scaled("wal_bytes", 1e-3), after_checkpoint=False)),
        row("insert right after a checkpoint, WAL (kB)", of("insert", scaled("wal_bytes", 1e-3), after_checkpoint=True)),
        row("vacuum after deleting 75 % (s)", of("vacuum", "seconds"), in_readme=True),
        row("vacuum, CPU (s)", of("vacuum", "cpu_seconds")),
        row("vacuum, WAL (MB)", of("vacuum", scaled("wal_bytes", mb))),
        *(
            row(f"recall@10 at ef_search {w} after that", of("churn", "recall_vacuumed", width=w), True, True, w == 100)
            for w in (40, 100)
        ),
        *(
            row(f"recall@10 at ef_search {w}, index built anew", of("churn", "recall_fresh", width=w), True, True)
            for w in (40, 100)
        ),
    ]


# What is written


def write(out, readme=None):
    """Writes everything from the records in `out`; the paths written."""
    runs = [read(path) for path in sorted(out.glob("benchmarks-*.jsonl"))]
    runs = [run for run in runs if len(run) > 1]
    if not runs:
        raise SystemExit(f"no records in {out}")
    pictures, parts = [], [HEAD]
    for run in sorted(runs, key=lambda run: ["standard", "quick", "scale"].index(run[0]["profile"])):
        text, drawn = profile_part(run, out)
        parts.append(text)
        pictures += drawn
    results = out / "benchmarks-results.md"
    results.write_text("\n".join(parts))
    paths = [results, *pictures]
    if readme:
        insert(readme, summary(runs, out))
        paths.append(readme)
    return paths


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


HEAD = """# Benchmark results

Written by `cargo xtask bench`; [benchmarks.md](benchmarks.md) says how to run it, what each figure means and how engines are configured.
A figure is the median of its rounds, with the least and the greatest in brackets. *Advantage* is QuartzDB against pgvector, round by round:
2 is twice as good whichever way is good, below 1 pgvector is ahead. Absolute figures are this machine's, advantages should be yours, too.
"""


def profile_part(run, out):
    # Here, as the library it needs is a large one and not everyone draws.
    from . import plots

    info = run[0]
    parts = [f"## Profile {info['profile']}\n", conditions(run)]
    pictures = []
    for name in in_order(record["dataset"] for record in run if "dataset" in record):
        records = [record for record in run if record.get("dataset") == name]
        first = records[0]
        parts.append(f"\n### {name}\n\n{first['rows']:,} rows of {first['dimensions']} dimensions, {first['metric']}.\n")
        picture = out / f"benchmark-recall-{slug(name)}.svg"
        if info["profile"] != "scale":
            plots.recall_against_rate(records, TITLES, picture, name)
            pictures.append(picture)
            parts.append(f"![Recall against queries per second]({picture.name})\n")
        parts.append(table(records))
        parts.append(peers_ahead(records))
    kinds = {record["kind"] for record in run}
    if info["profile"] != "scale" and "build" in kinds:
        for what in ("build", "size"):
            picture = out / f"benchmark-{what}{'' if info['profile'] == 'standard' else '-' + info['profile']}.svg"
            plots.bars(run, TITLES, what, picture)
            pictures.append(picture)
            parts.append(f"![{what}]({picture.name})")
    if "size" in kinds:
        parts.append("\n### Size by dimensions\n\n" + sizes(run))
    if info["profile"] == "scale":
        picture = out / "benchmark-growth.svg"
        plots.growth(run, TITLES, picture)
        pictures.append(picture)
        parts.append(f"\n### Growth\n\n![Cost against table size]({picture.name})\n\n" + growth(run))
    return "\n".join(parts) + "\n", pictures


def conditions(run):
    info = run[0]
    versions = in_order(f"{TITLES[r['engine']]} {r['version']}" for r in run if r["kind"] == "engine" and r["engine"] in TITLES)
    notices = in_order(f"{TITLES[record['engine']]}: {notice}" for record in run for notice in record.get("notices", []))
    text = (
        f"{info['date']}, commit {info['commit']}; PostgreSQL {info['server']}, shared_buffers {info['shared_buffers']}; "
        f"{', '.join(versions)}; {info['processor']}, {info['cores']} cores"
        f"{', ' + info['simd'] if info['simd'] else ''}, {info['memory_gb']} GB, Linux {info['kernel']}; load before the run {info['load']}."
    )
    return text + "".join(f"\n\nThe server said: {notice}" for notice in notices)


def table(records):
    """Measures down, engines across."""
    rows, engines = [], set()
    for measure in measures(client_count(records)):
        got = measure.values(records)
        if set(got) - {*EXACT, *LIBRARIES}:
            rows.append((measure, got))
            engines |= set(got)
    engines |= {record["engine"] for record in records if record["kind"] == "query"}
    columns = [engine for engine in TITLES if engine in engines]
    lines = [line(["", *(TITLES[engine] for engine in columns), "advantage"]), line(["---", *["---:"] * (len(columns) + 1)])]
    for measure, got in rows:
        lines.append(
            line([measure.title, *(cell(got.get(engine), measure.is_share) for engine in columns), advantage(measure, got)])
        )
    return "\n".join(lines) + "\n"


def advantage(measure, got):
    ratios = advantages(measure, got)
    return cell(ratios) if ratios else ""


def advantages(measure, got, peer=PEER):
    """Round by round, how many times better QuartzDB is."""
    if measure.more_is_better is None or measure.is_share or US not in got or peer not in got:
        return []
    ours, theirs = got[US], got[peer]
    return figures.ratios(ours, theirs) if measure.more_is_better else figures.ratios(theirs, ours)


def peers_ahead(records):
    """What the peers do better, in words."""
    lines = []
    for peer in ("pgvector", "pgvectorscale", "vectorchord"):
        behind = []
        for measure in measures(client_count(records)):
            got = measure.values(records)
            if US not in got or peer not in got:
                continue
            ours, theirs = figures.median(got[US]), figures.median(got[peer])
            ratios = advantages(measure, got, peer)
            # A spread that contains 1 shows nothing.
            is_behind = ratios and max(ratios) < 1 and figures.median(ratios) < 0.98
            if is_behind or (measure.is_share and ours < theirs - 0.002):
                behind.append(f"{measure.title}: {number(theirs, measure.is_share)} against {number(ours, measure.is_share)}")
        if behind:
            lines.append(f"**{TITLES[peer]} is ahead in** " + "; ".join(behind) + ".\n")
    return "\n".join(lines)


def sizes(run):
    got = [record for record in run if record["kind"] == "size"]
    engines = [engine for engine in TITLES if any(record["engine"] == engine for record in got)]
    lines = [
        line(["dimensions", *(f"{TITLES[e]}: {what}, bytes/row" for e in engines for what in ("index", "build memory"))]),
        line(["---:"] * (1 + 2 * len(engines))),
    ]
    for dimensions in in_order(record["dimensions"] for record in got):
        row = [f"{dimensions:,}"]
        for engine in engines:
            of_engine = [r for r in got if r["engine"] == engine and r["dimensions"] == dimensions]
            row += [number(r[what] / r["rows"]) for r in of_engine for what in ("index_bytes", "memory_bytes")]
        lines.append(line(row))
    return "\n".join(lines) + "\n"


GROWTH = [
    ("p50 at ef_search 100 (ms)", of("query", scaled("p50", 1e3), width=100)),
    ("server CPU at ef_search 100 (ms)", of("query", scaled("cpu_seconds", 1e3), width=100)),
    ("index pages at ef_search 100", of("query", "index_buffers", width=100)),
    ("cold: index pages read", of("cold", "index_read", width=100)),
    ("recall@10 at ef_search 100", of("query", "recall_10", width=100)),
    ("server CPU at recall@10 0.95 (ms)", inverse(at_recall(0.95, lambda r: (cpu_rate(r) or 0) / 1e3))),
    ("build, CPU (µs/row)", of("build", per_row("cpu_seconds", 1e6))),
    ("build, memory (bytes/row)", of("build", per_row("memory_bytes"))),
    ("index (bytes/row)", of("build", per_row("index_bytes"))),
    ("insert, index pages", of("insert", "index_buffers", after_checkpoint=False)),
    ("insert, CPU (µs)", of("insert", scaled("cpu_seconds", 1e6), after_checkpoint=False)),
]


def growth(run):
    """How figures grow with the table, and where the straight line over the logarithm of the rows leads."""
    lines = []
    for dimensions in in_order(record["dimensions"] for record in run if "dataset" in record):
        records = [r for r in run if r.get("dimensions") == dimensions and "dataset" in r]
        rows = sorted({r["rows"] for r in records})
        lines += [f"\n{dimensions} dimensions; *x10*: what ten times the rows add; the last column: where that leads.\n"]
        lines += [line(["", *(f"{n:,}" for n in rows), "x10", f"{FAR:,}"]), line(["---", *["---:"] * (len(rows) + 2)])]
        for title, values in GROWTH:
            for engine in TITLES:
                points = [(n, values([r for r in records if r["rows"] == n]).get(engine)) for n in rows]
                known = [(n, figures.median(got)) for n, got in points if got]
                if not known:
                    continue
                is_share = title.startswith("recall")
                cells = [number(figures.median(got), is_share) if got else "" for _, got in points]
                ends = ["", ""]
                sizes_, medians = zip(*known)
                far = figures.predicted(sizes_, medians, FAR) if len(known) > 2 else 0
                # A line that leads below nothing says that it is none.
                if far > 0:
                    ends = [f"{figures.growth(sizes_, medians)[0]:+.3g}", number(min(far, 1.0) if is_share else far, is_share)]
                lines.append(line([f"{title}, {TITLES[engine]}", *cells, *ends]))
    return "\n".join(lines) + "\n"


def summary(runs, out):
    """What the README shows."""
    run = next((run for run in runs if run[0]["profile"] == "standard"), runs[0])
    parts = [
        conditions(run).split("\n")[0] + " Median of the rounds; *advantage* is QuartzDB against pgvector with its spread.\n"
    ]
    names = in_order(record["dataset"] for record in run if "dataset" in record)
    for name in names:
        records = [record for record in run if record.get("dataset") == name]
        parts.append(f"![{name}: recall against queries per second]({out.name}/benchmark-recall-{slug(name)}.svg)\n")
        parts.append(f"**{name}**, {records[0]['rows']:,} x {records[0]['dimensions']}\n")
        lines = [line(["", "QuartzDB", "pgvector", "advantage"]), line(["---", "---:", "---:", "---:"])]
        for measure in measures(client_count(records)):
            got = measure.values(records)
            if measure.in_readme and US in got and PEER in got:
                medians = [number(figures.median(got[engine]), measure.is_share) for engine in (US, PEER)]
                lines.append(line([measure.title, *medians, advantage(measure, got)]))
        parts.append("\n".join(lines) + "\n")
        parts.append(peers_ahead(records))
    parts.append(f"All figures: [{out.name}/benchmarks-results.md]({out.name}/benchmarks-results.md).")
    return "\n".join(parts)


def insert(readme, text):
    """Replaces what stands between the marks."""
    old = readme.read_text()
    begin, end = old.find(BEGIN), old.find(END)
    if begin < 0 or end < begin:
        raise SystemExit(f"{readme} has no place marked for the summary:\n{BEGIN}\n{END}")
    readme.write_text(old[: begin + len(BEGIN)] + "\n" + text.rstrip() + "\n" + old[end:])


# Small things


def client_count(records):
    return next((record["clients"] for record in records if record["kind"] == "clients"), "N")


def in_order(values):
    return list(dict.fromkeys(values))


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def line(cells):
    return "| " + " | ".join(cells) + " |"


def cell(values, is_share=False):
    """Median and spread."""
    if not values:
        return ""
    shown = number(figures.median(values), is_share)
    low, high = number(min(values), is_share), number(max(values), is_share)
    return shown if low == high else f"{shown} ({low}–{high})"


def number(value, is_share=False):
    """Three significant digits, thousands with commas; shares to the fourth place."""
    if is_share:
        return f"{value:.4f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
