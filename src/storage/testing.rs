//! A graph on pages in memory for tests: rows that come and go, recall against all of them.

use super::value::{Bits, Floats, Halves, PlainValue, SparseElements, append, append_sparse};
use super::*;
use crate::hnsw::memory::Random;
use crate::hnsw::{Mode, Params, Search};
use crate::kernels::Prefetch;
use crate::kernels::sparse::Sparse;
use crate::metric::Metric;
use crate::quantizer::Frame;
use half::f16;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

/// Runs `$body` with `$kind` being the kind of nodes that `$meta` says.
macro_rules! with_kind {
    ($meta:expr, $kind:ident => $body:expr) => {
        match ($meta.kind, $meta.value) {
            (NodeKind::Fused, _) => {
                let $kind = &crate::storage::testing::fused(&$meta);
                $body
            }
            (NodeKind::Plain, ValueType::Floats) => {
                let $kind = &crate::storage::testing::plain::<crate::storage::value::Floats>(&$meta);
                $body
            }
            (NodeKind::Plain, ValueType::Halves) => {
                let $kind = &crate::storage::testing::plain::<crate::storage::value::Halves>(&$meta);
                $body
            }
            (NodeKind::Plain, ValueType::Bits) => {
                let $kind = &crate::storage::testing::plain::<crate::storage::value::Bits>(&$meta);
                $body
            }
            (NodeKind::Plain, ValueType::Sparse) => {
                let $kind = &crate::storage::testing::plain::<crate::storage::value::SparseElements>(&$meta);
                $body
            }
        }
    };
}
pub(crate) use with_kind;

pub fn fused(meta: &Meta) -> FusedKind {
    let frame = Frame::new(meta.metric, meta.dimensions, meta.seed).expect("an estimable metric");
    FusedKind::new(meta, Arc::new(frame)).expect("a sound meta page")
}

pub fn plain<V: PlainValue>(meta: &Meta) -> PlainKind<V> {
    PlainKind::new(meta).expect("a sound meta page")
}

/// What values consist of, and how they are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Space {
    pub value: ValueType,
    pub metric: Metric,
}

impl From<Metric> for Space {
    fn from(metric: Metric) -> Self {
        Self { value: ValueType::Floats, metric }
    }
}

pub const fn space(value: ValueType, metric: Metric) -> Space {
    Space { value, metric }
}

impl Space {
    /// The value made of a test's numbers: rounded to halves, as bits where they are positive, or without those that are small.
    pub fn value_of(self, numbers: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.value {
            ValueType::Floats => append(numbers, &mut bytes),
            ValueType::Halves => {
                append(&numbers.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>(), &mut bytes)
            }
            ValueType::Bits => bytes.extend(numbers.chunks(8).map(|eight| {
                eight.iter().enumerate().fold(0, |byte, (bit, x)| byte | u8::from(*x > 0.0) << (7 - bit))
            })),
            ValueType::Sparse => {
                let (indices, values): (Vec<i32>, Vec<f32>) =
                    (0..).zip(numbers).filter(|(_, x)| x.abs() > 0.5).unzip();
                append_sparse(Sparse { indices: &indices, values: &values }, &mut bytes);
            }
        }
        bytes
    }

    /// What the operator returns for two such values.
    pub fn distance(self, a: &[u8], b: &[u8]) -> f64 {
        match self.value {
            ValueType::Floats => Floats::distance(self.metric, a, b),
            ValueType::Halves => Halves::distance(self.metric, a, b),
            ValueType::Bits => Bits::distance(self.metric, a, b),
            ValueType::Sparse => SparseElements::distance(self.metric, a, b),
        }
    }
}

/// An index, and the rows that may be in it: row i of `rows` has the heap TID (i, 1).
pub struct Bed {
    pub pages: MemoryPages,
    pub meta: Meta,
    /// What the values are made of.
    pub rows: Vec<Vec<f32>>,
    space: Space,
    params: Params,
    /// Held by insertions, so that vacuum can wait for them.
    insertions: RwLock<()>,
}

impl Bed {
    pub fn new(space: impl Into<Space>, params: Params, rows: Vec<Vec<f32>>) -> Self {
        let space = space.into();
        let meta = Meta::new(space.metric, space.value, rows[0].len(), params);
        let pages = MemoryPages::new(1 << 20);
        pages
            .change(&[META_BLOCK], |pages| {
                meta.write(pages[0]);
                Ok(Some(()))
            })
            .expect("a meta page");
        Self { pages, meta, rows, space, params, insertions: RwLock::new(()) }
    }

    fn value(&self, row: usize) -> Vec<u8> {
        self.space.value_of(&self.rows[row])
    }

    pub fn insert<K: Kind>(&self, kind: &K, planner: &mut InsertPlanner<K>, row: usize) {
        self.insert_into(&self.pages, kind, planner, row).expect("a sound graph");
    }

    pub fn insert_into<S: PageStore, K: Kind>(
        &self,
        store: &S,
        kind: &K,
        planner: &mut InsertPlanner<K>,
        row: usize,
    ) -> Result<()> {
        let level = self.params.level(Random::new(row as u64).uniform());
        let tid = HeapTid { block: row as u32, offset: 1 };
        let _insertion = self.insertions.read().expect("no panic");
        insert(store, kind, self.params, planner, level, Row { value: &self.value(row), tid })?;
        Ok(())
    }

    /// Inserts rows with two threads.
    pub fn fill<K: Kind + Sync>(&self, kind: &K, rows: &[usize]) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut planner = InsertPlanner::<K>::new();
                    while let Some(&row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.insert(kind, &mut planner, row);
                    }
                });
            }
        });
    }

    /// Vacuums away the rows for which `is_dead` says so.
    pub fn vacuum<K: Kind>(&self, kind: &K, is_dead: impl Fn(usize) -> bool) -> (Removed, Cleaned) {
        self.vacuum_in(&self.pages, kind, is_dead).expect("a sound graph")
    }

    pub fn vacuum_in<S: PageStore, K: Kind>(
        &self,
        store: &S,
        kind: &K,
        is_dead: impl Fn(usize) -> bool,
    ) -> Result<(Removed, Cleaned)> {
        let mut removed = remove_rows(store, kind, &mut |tid| is_dead(tid.block as usize))?;
        let mut barrier = || {
            drop(self.insertions.write().expect("no panic"));
            Ok(())
        };
        let cleaned = clean_up(store, kind, &mut removed, &mut barrier, &mut |block, free| {
            self.pages.reuse(block, free)
        })?;
        Ok((removed, cleaned))
    }

    /// Checks the index, and that it holds these rows.
    pub fn check<K: Kind>(&self, kind: &K, rows: &[usize]) -> Report {
        let report = check(&self.pages, kind, 20).expect("a readable index");
        assert_eq!(report.errors, 0, "{report:#?}");
        let mut found = Vec::new();
        remove_rows(&self.pages, kind, &mut |tid| {
            found.push(tid.block as usize);
            false
        })
        .expect("a sound graph");
        found.sort();
        let mut expected = rows.to_vec();
        expected.sort();
        assert_eq!(found, expected);
        report
    }

    /// Checks also that vacuum has nothing left to do, and that all rows can be reached which are to be.
    pub fn check_clean<K: Kind>(&self, kind: &K, rows: &[usize]) -> Report {
        let report = self.check(kind, rows);
        // With inner products a row may be nobody's neighbour.
        let allowed = if kind.forces_ways_in() { 0 } else { report.statistics.unreachable };
        assert_eq!(report.notes, allowed, "{report:#?}");
        assert_eq!(report.statistics.rows, rows.len() as u64);
        assert_eq!((report.statistics.dead, report.statistics.links_to_dead), (0, 0));
        report
    }

    /// A scan's search, of which nothing was handed out.
    fn searched<K: Kind>(&self, kind: &K, query: &[u8], ef: usize) -> Search<IndexTid, Found> {
        let mut reader = Reader::new(&self.pages, kind, kind.query(query), Scan);
        let mut search = Search::new();
        search.begin(&mut reader, kind.beam(ef, USUAL_ROWS), ef, Mode::Once).expect("a sound graph");
        search
    }

    /// The rows that a scan finds, after it put them in order.
    pub fn search<K: Kind>(&self, kind: &K, query: &[f32], ef: usize) -> Vec<usize> {
        let query = &self.space.value_of(query);
        let mut search = self.searched(kind, query, ef);
        let mut rows: Vec<(f64, usize)> = Vec::new();
        while let Some(hit) = search.next_hit() {
            for tid in hit.payload.rows() {
                let row = tid.block as usize;
                let distance = self.space.distance(query, &self.value(row));
                let measured = hit.payload.measured;
                assert!(distance.is_nan() || measured.lower <= distance && distance <= measured.upper);
                rows.push((distance, row));
            }
        }
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// How many nodes of the base level a scan's search visits, and whether it ends early.
    pub fn visits<K: Kind>(&self, kind: &K, query: &[f32], ef: usize) -> (u64, bool) {
        let search = self.searched(kind, &self.space.value_of(query), ef);
        (search.visits(), search.leaves_a_tail())
    }

    /// The part of the ten nearest of `rows` that scans find, on average.
    pub fn recall<K: Kind>(&self, kind: &K, queries: &[Vec<f32>], rows: &[usize], ef: usize) -> f64 {
        let mut hits = 0;
        for query in queries {
            let value = self.space.value_of(query);
            let distance = |row: usize| self.space.distance(&value, &self.value(row));
            let mut all: Vec<f64> = rows.iter().map(|&row| distance(row)).collect();
            let (_, tenth, _) = all.select_nth_unstable_by(9, f64::total_cmp);
            let found = self.search(kind, query, ef);
            hits += found.iter().take(10).filter(|&&row| distance(row) <= *tenth).count();
        }
        hits as f64 / (10 * queries.len()) as f64
    }
}

/// Every other row or so: those for which a random number drawn for each is below `part`.
pub fn sample(rows: usize, part: f64, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    (0..rows).filter(|_| random.uniform() <= part).collect()
}

/// Vectors in clusters, in random order, and queries from the same clusters.
pub fn clustered(count: usize, dimensions: usize, seed: u64) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut random = Random::new(seed);
    let mut near = |centre: &[f32], spread: f32| -> Vec<f32> {
        centre.iter().map(|x| x + spread * random.normal()).collect()
    };
    let centres: Vec<Vec<f32>> = (0..25).map(|_| near(&vec![0.0; dimensions], 1.0)).collect();
    let mut rows: Vec<Vec<f32>> = (0..count).map(|row| near(&centres[row % 25], 0.5)).collect();
    let queries = (0..100).map(|row| near(&centres[row % 25], 0.5)).collect();
    random.shuffle(&mut rows);
    (rows, queries)
}

/// The demo's embeddings: the first `count` rows, and the queries.
pub fn embeddings(count: usize) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut rows = read_npy("embeddings.f16.npy");
    rows.truncate(count);
    (rows, read_npy("queries.f16.npy"))
}

/// Reads float16 rows of 384 from a NumPy file.
fn read_npy(name: &str) -> Vec<Vec<f32>> {
    let path = format!("{}/demo/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).expect("the demo's data");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let half = |pair: &[u8]| {
        let bits = u16::from_le_bytes([pair[0], pair[1]]);
        let magnitude = match (bits >> 10 & 31, bits & 1023) {
            (0, fraction) => f32::from(fraction) / 2f32.powi(24),
            (exponent, fraction) => {
                (1.0 + f32::from(fraction) / 1024.0) * 2f32.powi(i32::from(exponent) - 15)
            }
        };
        if bits >> 15 == 1 { -magnitude } else { magnitude }
    };
    let values: Vec<f32> = bytes[10 + header..].chunks_exact(2).map(half).collect();
    values.chunks_exact(384).map(<[f32]>::to_vec).collect()
}

/// A store which fails at one of its changes, as if the server crashed or the user cancelled there.
pub struct Failing<'a> {
    pages: &'a MemoryPages,
    changes_left: Cell<usize>,
}

impl<'a> Failing<'a> {
    pub fn after(changes: usize, pages: &'a MemoryPages) -> Self {
        Self { pages, changes_left: Cell::new(changes) }
    }

    fn count(&self) -> Result<()> {
        let left = self.changes_left.get().checked_sub(1).ok_or(Error::Cancelled)?;
        self.changes_left.set(left);
        Ok(())
    }
}

impl PageStore for Failing<'_> {
    type ReadGuard<'b>
        = <MemoryPages as PageStore>::ReadGuard<'b>
    where
        Self: 'b;

    fn read(&self, block: u32) -> Result<Self::ReadGuard<'_>> {
        self.pages.read(block)
    }

    fn prefetch(&self, _tid: IndexTid, _size: usize) -> Prefetch {
        Prefetch::NOTHING
    }

    fn announce(&self, _tid: IndexTid) {}

    fn change<R>(
        &self,
        blocks: &[u32],
        change: impl FnOnce(&mut [&mut Page]) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        self.count()?;
        self.pages.change(blocks, change)
    }

    fn place<R>(&self, length: usize, fill: impl FnOnce(u32, &mut Page) -> Result<R>) -> Result<R> {
        self.count()?;
        self.pages.place(length, fill)
    }

    fn blocks(&self) -> u32 {
        self.pages.blocks()
    }

    fn check_interrupts(&self) -> Result<()> {
        self.pages.check_interrupts()
    }
}

pub fn planner_for<K: Kind>(_kind: &K) -> InsertPlanner<K> {
    InsertPlanner::<K>::new()
}
