//! Scans: `ORDER BY column <-> query`.
//!
//! The index knows a row's distance between bounds. Rows whose bounds no other row's overlap are in their place already. Of
//! the others the scan computes the operator's result from the row itself, which for a vector stored out of line costs more
//! than a visit, and hands them out once no row to come can be nearer.
//!
//! PostgreSQL would do that for the scan (`xs_recheckorderby`), but the rows it puts into order have no `ctid`
//! (ExecForceStoreHeapTuple in PostgreSQL 18.6): `FOR UPDATE` fails on them, and what is to be changed by `ctid` is not found.

use super::index::{Index, Nodes, with_nodes};
use super::memory::work_mem;
use super::method::rows_in_lists;
use crate::hnsw::{Beam, Limits, Mode, Search};
use crate::quantizer::Measured;
use crate::settings::{self, IterativeScan, ListScan};
use crate::storage::{Found, HeapTid, IndexTid, Kind, Meta, Reader, Scan, USUAL_ROWS};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet, VecDeque};

/// What a scan keeps between calls.
pub struct State {
    index: Index,
    /// Set by the first call for a row.
    search: Option<Begun>,
    rows: VecDeque<FoundRow>,
    /// Wait until no row to come can be nearer.
    waiting: BinaryHeap<LookedAt>,
    /// Where the rows have got to: none to come is nearer, or in relaxed order none of its batch.
    passed: f64,
    /// No row is to come.
    is_at_end: bool,
    /// Working memory, kept for a rescan.
    spare: Option<Search<IndexTid, Found>>,
}

/// Memory that a batch takes for each of its rows, about: the row itself, and places in the beam and in what was reached.
const BYTES_PER_ROW: usize = size_of::<Found>() + 128;

/// How far a scan goes, and in which order.
#[derive(Clone, Copy)]
struct Extent {
    /// Rows of the first batch.
    ef: usize,
    /// Later batches are larger.
    grows: bool,
    /// Whether there are further batches.
    order: IterativeScan,
    limits: Limits,
}

impl Extent {
    /// What the settings say now.
    ///
    /// A scan of lists returns all rows of those it probes, in order. Here it goes on until it has visited as many, and in
    /// pgvector's iterative mode, which returns one set of lists after the other, until it has visited as many as there can be.
    fn of(index: &Index) -> Self {
        let ef = settings::EF_SEARCH.get() as usize;
        let lists = index.lists();
        let (order, visits) = match (lists, settings::LIST_SCAN.get()) {
            (None, _) => (settings::ITERATIVE_SCAN.get(), settings::MAX_SCAN_TUPLES.get() as u64),
            (Some(lists), ListScan::off) => {
                let visits = rows_in_lists(index.estimated_rows(), settings::PROBES.get(), lists);
                (IterativeScan::strict_order, visits)
            }
            (Some(lists), ListScan::relaxed_order) => {
                let probes = settings::PROBES.get().max(settings::MAX_PROBES.get());
                (IterativeScan::relaxed_order, rows_in_lists(index.estimated_rows(), probes, lists))
            }
        };
        let bytes = (work_mem() as f64 * settings::SCAN_MEM_MULTIPLIER.get()) as usize;
        Self { ef, grows: lists.is_some(), order, limits: Limits { visits, bytes } }
    }

    /// Rows of the next batch, when so many nodes were visited.
    ///
    /// Strict order loses rows where batches meet, so scans of lists, which are long, have few. (Of 40,000 uniformly random
    /// rows of 96 dimensions, one of all lists returned 26,000 with batches half as large as all before, and 38,000 with
    /// batches three times as large.)
    fn batch(&self, visits: u64) -> usize {
        if !self.grows {
            return self.ef;
        }
        let left = self.limits.visits.saturating_sub(visits).min(3 * visits) as usize;
        self.ef.max(left.min(self.limits.bytes / BYTES_PER_ROW))
    }
}

/// A search that was begun.
struct Begun {
    extent: Extent,
    meta: Meta,
    nodes: Nodes,
    query: Vec<u8>,
    search: Search<IndexTid, Found>,
    /// The query is NULL, and so are all distances.
    is_null: bool,
    /// Found, but held back until the next batch.
    held: Vec<Found>,
    /// What is left to do when nearly all rows are asked for.
    second: Option<Second>,
    /// The largest lower bound handed out: what `strict_order` may not fall behind.
    reached: f64,
    /// The largest upper bound handed out: up to it, rows may wait.
    highest: f64,
}

/// A wider search that follows when more rows are asked for than the first was meant for.
///
/// Estimates err, and what they miss lies at the rim of the beam. Most scans end before they come to it.
struct Second {
    width: usize,
    /// Nodes it may hand out.
    count: usize,
    /// Nodes that the first search hands out.
    first: usize,
    /// Rows that were handed out before.
    handed_out: HashSet<HeapTid>,
}

/// Rows that the first search hands out, if the plan tells how many are read: some are dead, and some are only looked at to
/// see that they come later.
fn first_rows(wanted: Option<usize>) -> usize {
    wanted.map_or(USUAL_ROWS + 5, |rows| rows + rows / 4 + 10)
}

/// Whether more may be found after what was found.
enum Batch {
    Further,
    /// No.
    Last,
    /// No, and it came from a search that found what was handed out once more.
    Second(Second),
}

/// A row to hand out.
#[derive(Clone, Copy)]
pub struct Row {
    pub tid: HeapTid,
    /// The operator's result, or so near that the order is the same.
    pub distance: f64,
    /// The query is NULL, and so is the distance.
    pub is_null: bool,
}

/// A row of a batch.
#[derive(Clone, Copy)]
struct FoundRow {
    tid: HeapTid,
    /// Of the operator's result, as [`Measured`] has it.
    lower: f64,
    /// Another row's bounds overlap, so only the distance itself can tell which one comes first.
    is_unclear: bool,
}

/// A row whose distance was computed. The greatest one is the nearest, for a heap.
#[derive(Clone, Copy)]
struct LookedAt {
    distance: f64,
    tid: HeapTid,
}

impl Ord for LookedAt {
    fn cmp(&self, other: &Self) -> Ordering {
        // NaN comes last, as with PostgreSQL.
        let last = |distance: f64| if distance.is_nan() { f64::NAN } else { distance };
        last(other.distance).total_cmp(&last(self.distance)).then_with(|| other.tid.cmp(&self.tid))
    }
}

impl PartialOrd for LookedAt {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LookedAt {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for LookedAt {}

impl State {
    pub fn new(index: Index) -> Self {
        Self {
            index,
            search: None,
            rows: VecDeque::new(),
            waiting: BinaryHeap::new(),
            passed: f64::NEG_INFINITY,
            is_at_end: false,
            spare: None,
        }
    }

    /// Starts over, for another query.
    pub fn reset(&mut self) {
        self.rows.clear();
        self.waiting.clear();
        (self.passed, self.is_at_end) = (f64::NEG_INFINITY, false);
        self.spare = self.search.take().map(|begun| begun.search).or(self.spare.take());
    }

    /// Whether the search for the current query was begun.
    pub fn is_begun(&self) -> bool {
        self.search.is_some()
    }

    /// The next row, or `None` at the end of the scan. `look` computes a row's distance from the row itself; `None` if the scan does
    /// not see the row.
    pub fn next(&mut self, mut look: impl FnMut(HeapTid) -> Option<f64>) -> Option<Row> {
        let is_null = self.search.as_ref().is_some_and(|begun| begun.is_null);
        loop {
            let nearest = self.waiting.peek().map(|row| row.distance);
            if nearest.is_some_and(|distance| self.is_at_end || distance <= self.passed) {
                return self.waiting.pop().map(|LookedAt { distance, tid }| Row { tid, distance, is_null });
            }
            let Some(FoundRow { tid, lower, is_unclear }) = self.next_found() else {
                if self.is_at_end {
                    return None;
                }
                self.is_at_end = true;
                continue;
            };
            self.passed = lower;
            if is_unclear {
                self.waiting.extend(look(tid).map(|distance| LookedAt { distance, tid }));
            } else if nearest.is_none_or(|distance| lower < distance) {
                return Some(Row { tid, distance: lower, is_null });
            } else {
                self.waiting.push(LookedAt { distance: lower, tid });
            }
        }
    }

    /// The next row of the batches.
    fn next_found(&mut self) -> Option<FoundRow> {
        while self.rows.is_empty() {
            if self.is_at_end || !self.resume() {
                return None;
            }
        }
        self.rows.pop_front()
    }

    /// Lets go of all memory.
    pub fn end(&mut self) {
        *self = Self::new(self.index);
    }

    /// Runs the search up to its first batch. `None` is a query that is NULL: all distances are. `wanted` are the rows that the
    /// plan reads, if it is known.
    pub fn begin(&mut self, meta: Meta, query: Option<Vec<u8>>, wanted: Option<usize>) {
        let is_null = query.is_none();
        let query = query.unwrap_or_else(|| meta.value.zero(meta.dimensions));
        let nodes = self.index.nodes(&meta);
        let search = self.spare.take().unwrap_or_default();
        let mut begun = Begun {
            extent: Extent::of(&self.index),
            meta,
            nodes,
            query,
            search,
            is_null,
            held: Vec::new(),
            second: None,
            reached: f64::NEG_INFINITY,
            highest: f64::NEG_INFINITY,
        };
        if begun.meta.entry_point.is_some() {
            let Extent { ef, order, .. } = begun.extent;
            let mode = match order {
                IterativeScan::off => Mode::Once,
                _ => Mode::Resumable,
            };
            with_nodes!(&begun.nodes, kind => {
                let mut reader = Reader::new(&self.index.pages, kind, kind.query(&begun.query), Scan);
                let (rows, first) = (wanted.unwrap_or(USUAL_ROWS), first_rows(wanted));
                let (beam, widest) = (kind.beam(ef, rows), kind.beam(ef, ef).width);
                self.index.expect(begun.search.begin(&mut reader, beam, ef, mode));
                let is_all = begun.search.visits() < beam.width as u64 && !begun.search.leaves_a_tail();
                let has_more = beam.width < widest && first < ef && !is_all;
                begun.second = (has_more && mode == Mode::Once).then(|| Second {
                    width: widest,
                    count: ef,
                    first,
                    handed_out: HashSet::new(),
                });
            });
            let is_last = mode == Mode::Once && begun.second.is_none();
            begun.hand_out(&mut self.rows, if is_last { Batch::Last } else { Batch::Further });
        }
        self.search = Some(begun);
    }

    /// Runs the search up to its next batch; false at its end.
    fn resume(&mut self) -> bool {
        let Some(begun) = self.search.as_mut() else { return false };
        if let Some(second) = begun.second.take() {
            with_nodes!(&begun.nodes, kind => {
                let mut reader = Reader::new(&self.index.pages, kind, kind.query(&begun.query), Scan);
                self.index.expect(begun.search.begin(&mut reader, Beam::of(second.width), second.width, Mode::Once));
            });
            begun.hand_out(&mut self.rows, Batch::Second(second));
            return !self.rows.is_empty();
        }
        let Extent { order, limits, .. } = begun.extent;
        let ef = begun.extent.batch(begun.search.visits());
        if order == IterativeScan::off || begun.meta.entry_point.is_none() {
            return false;
        }
        let more = with_nodes!(&begun.nodes, kind => {
            let mut reader = Reader::new(&self.index.pages, kind, kind.query(&begun.query), Scan);
            self.index.expect(begun.search.resume(&mut reader, ef, limits))
        });
        let has_rows = more || !begun.held.is_empty();
        if has_rows {
            begun.hand_out(&mut self.rows, if more { Batch::Further } else { Batch::Last });
        }
        has_rows
    }
}

impl Begun {
    /// Moves rows of a batch into `rows`, in the order of their lower bounds.
    ///
    /// In strict order the farther half waits for the next batch, if there may be one: it can hold nearer rows, and what
    /// comes too late to be handed out in order is lost, as with pgvector. The same goes for the rim of the first of two searches.
    fn hand_out(&mut self, rows: &mut VecDeque<FoundRow>, batch: Batch) {
        let is_strict = self.extent.order != IterativeScan::relaxed_order;
        let mut found = std::mem::take(&mut self.held);
        let held = found.len();
        found.extend(std::iter::from_fn(|| self.search.next_hit()).map(|hit| hit.payload));
        if let Batch::Second(_) = batch {
            // Most of what was held back was found again.
            let again: HashSet<HeapTid> = found[held..].iter().flat_map(Found::rows).collect();
            let mut index = 0;
            found.retain(|found| {
                index += 1;
                index > held || !found.rows().any(|row| again.contains(&row))
            });
        }
        found.sort_by(|one, other| one.measured.lower.total_cmp(&other.measured.lower));
        if is_strict {
            found.retain(|found| found.measured.lower >= self.reached);
        }
        match batch {
            Batch::Further if let Some(second) = &self.second => {
                self.held = found.split_off(found.len().min(second.first));
            }
            Batch::Further if is_strict => self.held = found.split_off(found.len().div_ceil(2)),
            Batch::Further | Batch::Last => (),
            Batch::Second(Second { count, handed_out, .. }) => {
                found.retain(|found| !found.rows().any(|row| handed_out.contains(&row)));
                found.truncate(count);
            }
        }
        if let Some(second) = &mut self.second {
            second.count = second.count.saturating_sub(found.len());
            second.handed_out.extend(found.iter().flat_map(Found::rows));
        }
        for (index, here) in found.iter().enumerate() {
            let Measured { lower, upper, .. } = here.measured;
            // What comes after the last row is not known yet.
            let next_lower = found.get(index + 1).map_or(f64::NEG_INFINITY, |next| next.measured.lower);
            let is_apart = self.highest <= lower && upper <= next_lower;
            let is_unclear = !(self.is_null || lower == upper || is_apart);
            rows.extend(here.rows().map(|tid| FoundRow { tid, lower, is_unclear }));
            self.highest = self.highest.max(upper);
            self.reached = self.reached.max(lower);
        }
    }
}
