"""Data sets: vectors to store, vectors to ask for, vectors to add later, and the exact answers."""

import gzip
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")

#: How many exact neighbours are known of each query.
TRUTH = 100
#: At most so many queries are asked, so that a block takes seconds.
MOST_QUERIES = 1000


@dataclass
class Dataset:
    name: str
    metric: str  # "l2" or "cosine"
    base: np.ndarray
    queries: np.ndarray
    #: Rows inserted after the build, of the same kind as the others but not among them.
    extra: np.ndarray

    @property
    def rows(self):
        return len(self.base)

    @property
    def dimensions(self):
        return self.base.shape[1]


def load(spec):
    """The data set that this name or path stands for."""
    if spec == "demo":
        return demo()
    if spec == "fashion-mnist":
        return fashion_mnist()
    if spec.startswith("synthetic:"):
        return synthetic(*parse_synthetic(spec))
    path = Path(spec)
    if path.is_dir():
        return from_directory(path)
    if path.suffix in (".hdf5", ".h5"):
        return from_hdf5(path)
    raise SystemExit(f"no data set {spec}: neither demo, fashion-mnist, synthetic:ROWSxDIMENSIONS nor a path")


def demo():
    """The repository's own 7,344 sentence embeddings. Its 60 questions are few, so every 30th program is held out and
    asked for as well."""
    base = read_npy(REPOSITORY / "demo/embeddings.f16.npy")
    questions = read_npy(REPOSITORY / "demo/queries.f16.npy")
    held_out = np.arange(len(base)) % 30 == 29
    extra = base[held_out]
    return Dataset("demo", "cosine", base[~held_out], np.concatenate([questions, extra]), extra)


def fashion_mnist():
    """70,000 pictures of 28 x 28 pixels, as Debian packages them."""
    base = read_idx(FASHION_MNIST / "train-images-idx3-ubyte.gz")
    test = read_idx(FASHION_MNIST / "t10k-images-idx3-ubyte.gz")
    return Dataset("fashion-mnist", "l2", base, test[:MOST_QUERIES], test[MOST_QUERIES:])


def parse_synthetic(spec):
    """`synthetic:ROWSxDIMENSIONS` or `synthetic:ROWSxDIMENSIONSxINTRINSIC`."""
    try:
        numbers = [int(number) for number in spec.split(":", 1)[1].replace("_", "").split("x")]
        rows, dimensions, intrinsic = numbers if len(numbers) == 3 else (*numbers, 16)
    except ValueError:
        raise SystemExit(f"{spec}: expected synthetic:ROWSxDIMENSIONS or synthetic:ROWSxDIMENSIONSxINTRINSIC") from None
    return rows, dimensions, intrinsic


def synthetic(rows, dimensions, intrinsic=16, seed=1):
    """Vectors on a curved surface with `intrinsic` dimensions, the same in every run. The rows of a smaller set are the
    first rows of a larger one, and its queries are the same, so sizes can be compared.

    A random point of the surface's space goes through random cosines (random Fourier features), so that distances between
    near points are those on the surface, and far ones all look alike, as with embeddings. The frequencies are low enough
    for the measured intrinsic dimension of 50,000 rows to be about the one asked for.
    """
    waves = np.random.default_rng([seed, 0])
    frequencies = (waves.standard_normal((intrinsic, dimensions)) * 0.3).astype(np.float32)
    phases = waves.uniform(0, 2 * np.pi, dimensions).astype(np.float32)

    def draw(count, part):
        made = np.empty((count, dimensions), dtype=np.float32)
        size = 10_000
        for number, start in enumerate(range(0, count, size)):
            points = np.random.default_rng([seed, part, number]).standard_normal((size, intrinsic), dtype=np.float32)
            chunk = made[start : start + size]
            np.cos(points[: len(chunk)] @ frequencies + phases, out=chunk)
        return made

    name = f"synthetic {rows:,} x {dimensions}, {intrinsic} intrinsic"
    return Dataset(name, "l2", draw(rows, 1), draw(MOST_QUERIES, 2), draw(4000, 3))


def from_hdf5(path):
    """The form of ann-benchmarks: train, test, and the distance as an attribute."""
    import h5py

    with h5py.File(path, "r") as file:
        metrics = {"euclidean": "l2", "angular": "cosine"}
        distance = file.attrs.get("distance", "euclidean")
        if distance not in metrics:
            raise SystemExit(f"{path}: distance {distance} is not among {', '.join(metrics)}")
        base, queries = np.asarray(file["train"], np.float32), np.asarray(file["test"], np.float32)
    return split(path.stem, metrics[distance], base, queries)


def from_directory(path):
    """A directory with one file of base vectors and one of queries, in npy or fvecs form: `base*.npy` and `query*.npy`,
    or `*base.fvecs` and `*query.fvecs`."""
    for suffix, read in [(".npy", read_npy), (".fvecs", read_fvecs)]:
        found = sorted(path.glob(f"*{suffix}"))
        base = [file for file in found if "base" in file.name]
        queries = [file for file in found if "query" in file.name or "queries" in file.name]
        if base and queries:
            vectors = read(base[0])
            lengths = np.linalg.norm(vectors[:1000].astype(np.float64), axis=1)
            # Vectors of length 1 are embeddings, made to be compared by their direction.
            metric = "cosine" if np.allclose(lengths, 1, atol=1e-2) else "l2"
            return split(path.name, metric, vectors, read(queries[0]))
    raise SystemExit(f"{path} has neither base*.npy and query*.npy nor *base.fvecs and *query.fvecs")


def split(name, metric, base, queries):
    """Queries beyond those asked are rows to add later; if there are too few, those asked serve for it, too."""
    extra = queries[MOST_QUERIES:]
    return Dataset(name, metric, base, queries[:MOST_QUERIES], extra if len(extra) >= 200 else queries[:MOST_QUERIES])


def read_npy(path):
    return np.ascontiguousarray(np.load(path), dtype=np.float32)


def read_fvecs(path):
    """Each vector: its number of dimensions as int32, then that many float32, all little-endian."""
    words = np.fromfile(path, dtype="<i4")
    if not len(words) or words[0] <= 0 or len(words) % (words[0] + 1):
        raise SystemExit(f"{path} is not in fvecs form")
    rows = words.reshape(-1, words[0] + 1)
    if (rows[:, 0] != words[0]).any():
        raise SystemExit(f"{path}: vectors differ in their number of dimensions")
    return np.ascontiguousarray(rows[:, 1:]).view("<f4")


def read_idx(path):
    """MNIST's form: pictures of bytes, each a row of its pixels."""
    with gzip.open(path) as file:
        magic, count, height, width = struct.unpack(">IIII", file.read(16))
        if magic != 0x803:
            raise SystemExit(f"{path} holds no pictures in idx form")
        pixels = np.frombuffer(file.read(), dtype=np.uint8)
    return pixels.reshape(count, height * width).astype(np.float32)


@dataclass
class Truth:
    """Exact answers by looking at all rows, distances in double precision."""

    metric: str
    queries: np.ndarray
    #: Row numbers of the nearest, and how far they are.
    ids: np.ndarray
    distances: np.ndarray

    def bounds(self, k):
        """The distance of the last row that belongs into an answer of k."""
        return self.distances[:, k - 1]

    def distances_of(self, base, found):
        """How far the found rows are; infinite for those that do not exist (-1)."""
        out = np.full(found.shape, np.inf)
        for query, ids in enumerate(found):
            there = ids >= 0
            out[query, there] = distances(self.metric, self.queries[query], base[ids[there]])
        return out


def distances(metric, query, rows):
    query, rows = query.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        return ((rows - query) ** 2).sum(axis=1)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    return 1 - rows @ query / np.where(lengths == 0, 1, lengths)


def truth(dataset, cache, alive=None):
    """The exact answers, from the cache if they are there. `alive`: among these row numbers only."""
    key = hashlib.blake2b(digest_size=12)
    for part in (dataset.base, dataset.queries, *([] if alive is None else [alive])):
        key.update(str(part.shape).encode())
        key.update(np.ascontiguousarray(part).data)
    key.update(dataset.metric.encode())
    path = cache / f"truth-{key.hexdigest()}.npz"
    if path.is_file():
        kept = np.load(path)
        ids, nearest = kept["ids"], kept["distances"]
    else:
        ids, nearest = exact(dataset, alive)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(path, ids=ids, distances=nearest)
    return Truth(dataset.metric, dataset.queries, ids, nearest)


def exact(dataset, alive=None):
    """Candidates in single precision, more than wanted, then ordered in double precision, ties by row number."""
    import faiss

    base = dataset.base if alive is None else dataset.base[alive]
    wanted = min(TRUTH, len(base))
    unit = unit_length if dataset.metric == "cosine" else (lambda vectors: vectors)
    flat = faiss.IndexFlatL2(base.shape[1])
    flat.add(unit(base))
    candidates = flat.search(unit(dataset.queries), min(wanted + 50, len(base)))[1]
    ids, nearest = [], []
    for query, rows in zip(dataset.queries, candidates):
        far = distances(dataset.metric, query, base[rows])
        order = np.lexsort((rows, far))[:wanted]
        ids.append(rows[order])
        nearest.append(far[order])
    ids = np.array(ids)
    return (ids if alive is None else alive[ids]), np.array(nearest)


def unit_length(vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
