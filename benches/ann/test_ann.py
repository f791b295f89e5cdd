"""What needs no server: reading data, counting recall, interpolating, writing tables. `cargo xtask test --only bench`."""

import gzip
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from ann import datasets, engines, figures, measure, report, server


def test_recall_counts_rows_at_the_last_ones_distance_as_found():
    distances = [[1.0, 2.0, 2.0], [1.0, 3.0, np.inf]]
    assert figures.recall(distances, [2.0, 3.0]) == pytest.approx(5 / 6)


def test_recall_forgives_rounding_and_nothing_more():
    assert figures.recall([[2.0000001, 2.001]], [2.0]) == 0.5


def test_a_quantile_is_a_value_that_was_measured():
    values = list(range(1, 21))
    assert [figures.quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [10, 19, 20, 20]
    assert figures.quantile([7.0], 0.5) == 7.0


def test_the_frontier_leaves_out_what_is_beaten_in_both():
    points = [(0.9, 100.0), (0.95, 50.0), (0.93, 40.0), (0.99, 20.0)]
    assert figures.frontier(points) == [(0.9, 100.0), (0.95, 50.0), (0.99, 20.0)]


def test_rates_are_interpolated_by_their_logarithm():
    points = [(0.9, 100.0), (1.0, 1.0)]
    assert figures.rate_at(points, 0.95) == pytest.approx(10)
    assert figures.rate_at(points, 1.0) == pytest.approx(1)


def test_a_rate_is_unknown_above_the_curve_and_the_fastest_below_it():
    points = [(0.9, 100.0), (0.95, 10.0)]
    assert figures.rate_at(points, 0.99) is None
    assert figures.rate_at(points, 0.8) == 100.0
    assert figures.rate_at([], 0.8) is None


def test_growth_is_per_tenfold_and_leads_on_in_a_straight_line():
    sizes, values = [10**4, 10**5, 10**6], [1.0, 1.5, 2.0]
    assert figures.growth(sizes, values)[0] == pytest.approx(0.5)
    assert figures.predicted(sizes, values, 10**8) == pytest.approx(3.0)


def test_a_process_is_gone_when_its_parent_has_waited_for_it():
    child = subprocess.Popen(["sleep", "0.1"])
    parent = threading.Timer(0.3, child.wait)
    parent.start()
    server.wait_for_end(child.pid)
    assert not Path(f"/proc/{child.pid}").exists()
    parent.join()


def test_ratios_are_taken_round_by_round():
    assert figures.ratios([2.0, 8.0, 9.0], [1.0, 2.0]) == [2.0, 4.0]


def test_fvecs_are_read(tmp_path):
    vectors = np.arange(6, dtype="<f4").reshape(2, 3)
    data = b"".join(struct.pack("<i", 3) + vector.tobytes() for vector in vectors)
    for name in ("some_base.fvecs", "some_query.fvecs"):
        (tmp_path / name).write_bytes(data)
    read = datasets.from_directory(tmp_path)
    assert (read.base == vectors).all() and read.metric == "l2"


def test_fvecs_of_different_dimensions_are_refused(tmp_path):
    path = tmp_path / "x_base.fvecs"
    path.write_bytes(struct.pack("<ifif", 1, 1.0, 2, 1.0))
    with pytest.raises(SystemExit):
        datasets.read_fvecs(path)


def test_npy_vectors_of_length_one_are_compared_by_cosine(tmp_path):
    vectors = datasets.unit_length(np.random.default_rng(1).standard_normal((300, 8)))
    np.save(tmp_path / "base.f16.npy", vectors.astype(np.float16))
    np.save(tmp_path / "query.f16.npy", vectors[:20].astype(np.float16))
    read = datasets.load(str(tmp_path))
    assert (read.metric, read.rows, len(read.queries), len(read.extra)) == ("cosine", 300, 20, 20)


def test_hdf5_says_its_distance(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "some-angular.hdf5", "w") as file:
        file["train"], file["test"] = np.ones((5, 2)), np.ones((3, 2))
        file.attrs["distance"] = "angular"
    read = datasets.load(str(tmp_path / "some-angular.hdf5"))
    assert (read.name, read.metric, read.rows) == ("some-angular", "cosine", 5)


def test_idx_pictures_become_rows(tmp_path):
    path = tmp_path / "pictures.gz"
    path.write_bytes(gzip.compress(struct.pack(">IIII", 0x803, 2, 2, 2) + bytes(range(8))))
    assert datasets.read_idx(path).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_the_demos_held_out_rows_are_not_among_the_others():
    demo = datasets.demo()
    assert demo.rows + len(demo.extra) == 7344
    assert (demo.queries[60:] == demo.extra).all()


def test_a_larger_synthetic_set_begins_with_the_smaller_one():
    small, large = datasets.synthetic(100, 8, 4), datasets.synthetic(10_100, 8, 4)
    assert (large.base[:100] == small.base).all() and (large.queries == small.queries).all()
    assert not (large.base[10_000:] == large.base[:100]).any()


def test_synthetic_sets_are_named_by_size():
    assert datasets.parse_synthetic("synthetic:1_000x128") == (1000, 128, 16)
    assert datasets.parse_synthetic("synthetic:1000x128x8") == (1000, 128, 8)
    with pytest.raises(SystemExit):
        datasets.parse_synthetic("synthetic:many")


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_the_truth_is_what_sorting_all_distances_gives(tmp_path, metric):
    pytest.importorskip("faiss")
    random = np.random.default_rng(1)
    base, queries = random.standard_normal((500, 16), np.float32), random.standard_normal((10, 16), np.float32)
    data = datasets.Dataset("random", metric, base, queries, queries)
    alive = np.arange(0, 500, 2)
    for rows in (None, alive):
        among = np.arange(500) if rows is None else rows
        for _ in ("computed", "from the cache"):
            truth = datasets.truth(data, tmp_path, rows)
            for query, ids in zip(queries, truth.ids):
                order = np.argsort(datasets.distances(metric, query, base[among]), kind="stable")
                assert (among[order[:100]] == ids).all()
        found = truth.distances_of(base, truth.ids[:, :10])
        assert figures.recall(found, truth.bounds(10)) == 1.0


def test_vectors_are_encoded_as_the_type_receives_them():
    assert server.encode(np.array([[1.0, -2.0]], dtype=np.float32)) == [b"\x00\x02\x00\x00\x3f\x80\x00\x00\xc0\x00\x00\x00"]


def test_vectorchord_gets_the_lists_its_documentation_says():
    chord = engines.VectorChord()
    assert [chord.lists(rows) for rows in (60_000, 200_000, 1_000_000)] == [244, 400, 2000]
    assert chord.settings(60_000)[0].statements == ("SET vchordrq.probes = '2'",)


def record(kind, engine, **values):
    return {"kind": kind, "engine": engine, "dataset": "d", "rows": 10, "dimensions": 2, "metric": "l2", "round": 0} | values


def test_tables_say_who_is_ahead_and_by_how_much():
    records = [
        record("build", "quartzdb", seconds=1.0, cpu_seconds=2.0),
        record("build", "pgvector", seconds=4.0, cpu_seconds=1.0),
        record("build", "quartzdb", seconds=2.0, cpu_seconds=2.0, round=1),
        record("build", "pgvector", seconds=4.0, cpu_seconds=1.0, round=1),
        record("query", "quartzdb", width=40, recall_10=0.95, qps=1.0),
        record("query", "pgvector", width=40, recall_10=0.99, qps=1.0),
    ]
    table = report.table(records)
    assert "| build (s) | 1.5 (1–2) | 4 | 3 (2–4) |" in table
    assert "| build, CPU (s) | 2 | 1 | 0.5 |" in table
    ahead = report.peers_ahead(records)
    assert "build, CPU (s): 1 against 2" in ahead and "build (s)" not in ahead
    assert "recall@10 at ef_search 40: 0.9900 against 0.9500" in ahead


def test_a_spread_around_one_puts_nobody_ahead():
    records = [
        record("build", engine, seconds=s, round=r) for r, s in enumerate((1.0, 2.0, 3.0)) for engine in ("quartzdb", "pgvector")
    ]
    records += [record("build", "quartzdb", seconds=9.0, round=3), record("build", "pgvector", seconds=1.0, round=3)]
    assert report.peers_ahead(records) == ""


def test_engines_without_a_width_are_asked_with_what_reaches_a_recall():
    chord = engines.VectorChord()
    data = datasets.synthetic(100, 4, 2)
    race = measure.Race(data, [chord], measure.PROFILES["quick"], None, None, None, print, 2)
    one = race.all[0]
    recalls = {2: 0.9, 4: 0.96, 8: 0.992, 10: 1.0}
    race.recalls = {(chord.name, f"probes={probes}"): recall for probes, recall in recalls.items()}
    assert [s.label for s in race.at_width(one, 100)] == ["probes=8"]
    assert [s.label for s in race.at_width(one, 40, 100, 200)] == ["probes=4", "probes=8", "probes=10"]


def test_looking_at_all_rows_is_compared_by_whose_operators_do_it():
    records = [
        record("query", "exact", p50=0.001, recall_10=1.0, qps=1.0),
        record("query", "pgvector-exact", p50=0.002, recall_10=1.0, qps=1.0),
    ]
    assert "| without an index: p50 (ms) | 1 | 2 | 2 |" in report.table(records)


def test_the_readme_keeps_what_stands_outside_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.insert(readme, "new")
    report.insert(readme, "newer")
    assert readme.read_text() == f"before\n{report.BEGIN}\nnewer\n{report.END}\nafter\n"
    readme.write_text("no marks")
    with pytest.raises(SystemExit):
        report.insert(readme, "new")


def test_the_readme_has_its_marks():
    text = (datasets.REPOSITORY / "README.md").read_text()
    assert text.count(report.BEGIN) == text.count(report.END) == 1


def test_numbers_are_short():
    assert [report.number(n) for n in (12345.6, 0.012345, 45.67, 0.95)] == ["12,346", "0.0123", "45.7", "0.95"]
    assert report.number(0.98765, is_share=True) == "0.9877"
