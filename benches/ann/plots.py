"""The pictures, as SVG."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from . import figures

COLOURS = {
    "quartzdb": "#7b2d8b",
    "pgvector": "#2b6cb0",
    "pgvectorscale": "#d97706",
    "vectorchord": "#15803d",
    "hnswlib": "#6b7280",
    "faiss": "#a8a29e",
}
LIBRARIES = ("hnswlib", "faiss")
#: Beyond this, a thousand queries tell no difference.
NEAREST_TO_ONE = 0.9995

plt.rcParams.update(
    {
        "svg.hashsalt": "quartzdb",
        "figure.figsize": (7.5, 4.5),
        "figure.constrained_layout.use": True,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "figure.facecolor": "white",
    }
)


def save(figure, path):
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def recall_against_rate(records, titles, path, name):
    """Up and to the right is better. The band is the spread of the rounds."""
    figure, axes = plt.subplots()
    for engine, title in titles.items():
        got = [r for r in records if r["kind"] == "query" and r["engine"] == engine]
        by_setting = {}
        for record in got:
            by_setting.setdefault(record["setting"], []).append(record)
        if not by_setting:
            continue
        points = sorted((min(of[0]["recall_10"], NEAREST_TO_ONE), *spread([r["qps"] for r in of])) for of in by_setting.values())
        recall, middle, low, high = map(np.array, zip(*points))
        style = {"linestyle": "--", "marker": ".", "linewidth": 1} if engine in LIBRARIES else {"marker": "o"}
        label = f"{title} (library, no server)" if engine in LIBRARIES else title
        axes.plot(recall, middle, color=COLOURS[engine], label=label, **style)
        axes.fill_between(recall, low, high, color=COLOURS[engine], alpha=0.15, linewidth=0)
    stretch = lambda recall: -np.log10(np.maximum(1 - np.asarray(recall), 1e-4))
    axes.set_xscale("function", functions=(stretch, lambda shown: 1 - 10.0 ** -np.asarray(shown)))
    axes.set_xticks([0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999], ["0.7", "0.8", "0.9", ".95", ".98", ".99", ".995", ".999"])
    axes.minorticks_off()
    axes.set_yscale("log")
    axes.set(xlabel="recall@10", ylabel="queries per second, one client", title=name)
    axes.legend()
    save(figure, path)


def spread(values):
    return figures.median(values), min(values), max(values)


def bars(run, titles, what, path):
    """For each data set, the engines' builds (seconds and CPU seconds) or index sizes."""
    names = list(dict.fromkeys(r["dataset"] for r in run if r["kind"] == "build"))
    fields = {"build": [("seconds", 1, "elapsed"), ("cpu_seconds", 1, "CPU")], "size": [("index_bytes", 1e-6, "index")]}[what]
    figure, all_axes = plt.subplots(1, len(names), figsize=(max(7.5, 3.75 * len(names)), 3), squeeze=False)
    for axes, name in zip(all_axes[0], names):
        got = [r for r in run if r["kind"] == "build" and r["dataset"] == name and r.get(fields[0][0]) is not None]
        engines = [engine for engine in titles if any(r["engine"] == engine for r in got)][::-1]
        height = 0.8 / len(fields)
        for place, (field, factor, label) in enumerate(fields):
            values = [[r[field] * factor for r in got if r["engine"] == engine] for engine in engines]
            middle, low, high = map(np.array, zip(*map(spread, values)))
            axes.barh(
                np.arange(len(engines)) - place * height,
                middle,
                height * 0.9,
                xerr=(middle - low, high - middle),
                color=[COLOURS[engine] for engine in engines],
                alpha=1 - 0.5 * place,
                error_kw={"linewidth": 0.8},
            )
        axes.set_yticks(np.arange(len(engines)) - height * (len(fields) - 1) / 2, [titles[engine] for engine in engines])
        axes.grid(axis="y", visible=False)
        axes.set(title=name, xlabel={"build": "seconds (pale: CPU)", "size": "index, MB"}[what])
    save(figure, path)


def growth(run, titles, path):
    """Costs against the number of rows; a line for each engine and number of dimensions."""
    panels = [
        ("query, p50 at ef_search 100 (ms)", "query", lambda r: r["p50"] * 1e3, 100),
        ("query, server CPU at ef_search 100 (ms)", "query", lambda r: r["cpu_seconds"] * 1e3, 100),
        ("query, index pages at ef_search 100", "query", lambda r: r["index_buffers"], 100),
        ("build, CPU (µs per row)", "build", lambda r: r["cpu_seconds"] * 1e6 / r["rows"], None),
    ]
    figure, all_axes = plt.subplots(2, 2, figsize=(10, 7.5))
    records = [r for r in run if "dataset" in r]
    for axes, (title, kind, value, width) in zip(all_axes.flat, panels):
        top = 0
        for engine in titles:
            for dimensions, style in zip(sorted({r["dimensions"] for r in records}), ("-", "--", ":")):
                got = {}
                for r in records:
                    if (r["kind"], r["engine"], r["dimensions"], r.get("width")) == (kind, engine, dimensions, width):
                        got.setdefault(r["rows"], []).append(value(r))
                if got:
                    rows = sorted(got)
                    middle, low, high = zip(*(spread(got[n]) for n in rows))
                    axes.plot(rows, middle, style, marker="o", color=COLOURS[engine], label=f"{titles[engine]}, {dimensions}")
                    axes.fill_between(rows, low, high, color=COLOURS[engine], alpha=0.15, linewidth=0)
                    top = max(top, *middle)
        axes.set_xscale("log")
        # A busy minute must not hide the lines in its band.
        axes.set_ylim(0, 1.2 * top)
        axes.set(xlabel="rows", title=title)
    all_axes[0, 0].legend(title="engine, dimensions")
    save(figure, path)
