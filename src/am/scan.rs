//! Scans: `ORDER BY column <-> query`.
//!
//! A row is handed out with a lower bound of its distance, in ascending order, and PostgreSQL is asked to compute the
//! distance itself from the row it fetches anyway (`xs_recheckorderby`) and to put the rows into order. Rows that no
//! other row's bounds overlap are in their place already and spared that.

use super::index::{Index, Nodes, check_dimensions, with_nodes};
use super::insert::item_pointer_of;
use crate::error;
use crate::hnsw::{Limits, Mode, Search};
use crate::settings::{self, IterativeScan};
use crate::storage::{Found, HeapTid, IndexTid, Kind, Meta, Reader, Scan};
use crate::types::Vector;
use pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
use pgrx::{PgMemoryContexts, pg_guard, pg_sys};
use std::collections::VecDeque;

/// What a scan keeps between calls. Dropped with the memory context that the scan was begun in.
struct State {
    index: Index,
    /// Set by the first call for a row.
    search: Option<Begun>,
    rows: VecDeque<Row>,
    /// Working memory, kept for a rescan.
    spare: Option<Search<IndexTid, Found>>,
}

/// A search that was begun.
struct Begun {
    meta: Meta,
    nodes: Nodes,
    query: Vec<f32>,
    search: Search<IndexTid, Found>,
    /// The query is NULL, and so are all distances.
    is_null: bool,
    /// The largest lower bound handed out: what `strict_order` may not fall behind.
    reached: f64,
}

/// A row to hand out.
#[derive(Clone, Copy)]
struct Row {
    tid: HeapTid,
    lower: f64,
    /// Another row's bounds overlap, so only the distance itself can tell which one comes first.
    recheck: bool,
}

#[pg_guard]
pub unsafe extern "C-unwind" fn ambeginscan(
    index: pg_sys::Relation,
    keys: std::ffi::c_int,
    order_bys: std::ffi::c_int,
) -> pg_sys::IndexScanDesc {
    // SAFETY: the index stays open for the scan; the arrays have one element per ORDER BY key, and memory as well as state
    // live in the memory context the scan is begun in.
    unsafe {
        let scan = pg_sys::RelationGetIndexScan(index, keys, order_bys);
        if order_bys > 0 {
            let count = order_bys as usize;
            (*scan).xs_orderbyvals = pg_sys::palloc0(count * size_of::<pg_sys::Datum>()).cast();
            (*scan).xs_orderbynulls = pg_sys::palloc0(count).cast();
        }
        let state = State { index: Index::new(index), search: None, rows: VecDeque::new(), spare: None };
        (*scan).opaque = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(state).cast();
        scan
    }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn amrescan(
    scan: pg_sys::IndexScanDesc,
    keys: pg_sys::ScanKey,
    key_count: std::ffi::c_int,
    order_bys: pg_sys::ScanKey,
    order_by_count: std::ffi::c_int,
) {
    // SAFETY: the scan is one of ours; the arrays have the lengths given, which are those it was begun with.
    unsafe {
        if !keys.is_null() && (*scan).numberOfKeys > 0 {
            std::ptr::copy(keys, (*scan).keyData, key_count as usize);
        }
        if !order_bys.is_null() && (*scan).numberOfOrderBys > 0 {
            std::ptr::copy(order_bys, (*scan).orderByData, order_by_count as usize);
        }
        let state = state_of(scan);
        state.rows.clear();
        state.spare = state.search.take().map(|begun| begun.search).or(state.spare.take());
    }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn amgettuple(
    scan: pg_sys::IndexScanDesc,
    _direction: pg_sys::ScanDirection::Type,
) -> bool {
    // SAFETY: the scan is one of ours and was rescanned.
    let state = unsafe { state_of(scan) };
    if state.search.is_none() {
        // SAFETY: as above.
        unsafe { check_scan(scan) };
        count_scan(scan);
        // SAFETY: as above.
        let order_by = unsafe { &*(*scan).orderByData };
        state.begin(order_by);
    }
    while state.rows.is_empty() {
        if !state.resume() {
            return false;
        }
    }
    let Some(row) = state.rows.pop_front() else { return false };
    let is_null = state.search.as_ref().is_some_and(|begun| begun.is_null);
    // SAFETY: the arrays were made by `ambeginscan` for at least one key.
    unsafe {
        (*scan).xs_heaptid = item_pointer_of(row.tid);
        (*scan).xs_recheck = false;
        (*scan).xs_recheckorderby = row.recheck && !is_null;
        *(*scan).xs_orderbyvals = pg_sys::Datum::from(row.lower.to_bits());
        *(*scan).xs_orderbynulls = is_null;
    }
    true
}

#[pg_guard]
pub unsafe extern "C-unwind" fn amendscan(scan: pg_sys::IndexScanDesc) {
    // SAFETY: the scan is one of ours. What is left of the state is dropped with its memory context.
    let state = unsafe { state_of(scan) };
    state.rows = VecDeque::new();
    state.search = None;
    state.spare = None;
}

/// # Safety
/// `scan` was made by `ambeginscan` and has not outlived its memory context.
unsafe fn state_of<'a>(scan: pg_sys::IndexScanDesc) -> &'a mut State {
    // SAFETY: passed on to the caller; PostgreSQL calls one function at a time.
    unsafe { &mut *(*scan).opaque.cast::<State>() }
}

/// # Safety
/// `scan` is a valid scan.
unsafe fn check_scan(scan: pg_sys::IndexScanDesc) {
    // SAFETY: passed on to the caller.
    let (order_bys, snapshot) = unsafe { ((*scan).numberOfOrderBys, (*scan).xs_snapshot) };
    if order_bys == 0 {
        error::raise_message(ERRCODE_INTERNAL_ERROR, "cannot scan hnsw index without order");
    }
    // A row's address may be given to another row before the scan fetches it: no pin keeps vacuum away. A row that came
    // after the snapshot is invisible to it, so only a snapshot of that sort is safe.
    // SAFETY: a scan that is fetched from has a snapshot.
    let kind = unsafe { (*snapshot).snapshot_type };
    if kind != pg_sys::SnapshotType::SNAPSHOT_MVCC && kind != pg_sys::SnapshotType::SNAPSHOT_HISTORIC_MVCC {
        error::raise_message(ERRCODE_INTERNAL_ERROR, "non-MVCC snapshots are not supported with hnsw");
    }
}

/// Counts the scan in the statistics.
fn count_scan(scan: pg_sys::IndexScanDesc) {
    // SAFETY: the scan's index is open; its statistics entry, if there is one, is this session's.
    unsafe {
        let relation = (*scan).indexRelation;
        #[cfg(not(feature = "pg14"))]
        if (*relation).pgstat_info.is_null() && (*relation).pgstat_enabled {
            pg_sys::pgstat_assoc_relation(relation);
        }
        if let Some(statistics) = (*relation).pgstat_info.as_mut() {
            #[cfg(any(feature = "pg14", feature = "pg15"))]
            {
                statistics.t_counts.t_numscans += 1;
            }
            #[cfg(not(any(feature = "pg14", feature = "pg15")))]
            {
                statistics.counts.numscans += 1;
            }
        }
        #[cfg(feature = "pg18")]
        if let Some(instrument) = (*scan).instrument.as_mut() {
            instrument.nsearches += 1;
        }
    }
}

impl State {
    /// Runs the search up to its first batch.
    fn begin(&mut self, order_by: &pg_sys::ScanKeyData) {
        let meta = self.index.meta();
        let is_null = order_by.sk_flags & pg_sys::SK_ISNULL as i32 != 0;
        let query = if is_null {
            vec![0.0; meta.dimensions]
        } else {
            // SAFETY: the operator's right-hand argument is a vector, and not null.
            let vector = unsafe { Vector::from_datum(order_by.sk_argument) };
            if meta.entry_point.is_some() {
                check_dimensions(&vector, &meta);
            }
            vector.elements().to_vec()
        };
        let nodes = self.index.nodes(&meta);
        let search = self.spare.take().unwrap_or_default();
        let mut begun = Begun { meta, nodes, query, search, is_null, reached: f64::NEG_INFINITY };
        if begun.meta.entry_point.is_some() {
            let ef = settings::EF_SEARCH.get() as usize;
            let mode = match settings::ITERATIVE_SCAN.get() {
                IterativeScan::off => Mode::Once,
                _ => Mode::Resumable,
            };
            with_nodes!(&begun.nodes, kind => {
                let mut reader = Reader::new(&self.index.pages, kind, kind.query(&begun.query), Scan);
                self.index.expect(begun.search.begin(&mut reader, ef, mode));
            });
            begun.hand_out(&mut self.rows);
        }
        self.search = Some(begun);
    }

    /// Runs the search up to its next batch; false at its end.
    fn resume(&mut self) -> bool {
        let Some(begun) = self.search.as_mut() else { return false };
        if settings::ITERATIVE_SCAN.get() == IterativeScan::off || begun.meta.entry_point.is_none() {
            return false;
        }
        let ef = settings::EF_SEARCH.get() as usize;
        // SAFETY: a setting, read in the session's only thread.
        let work_mem = unsafe { pg_sys::work_mem } as f64 * 1024.0;
        let limits = Limits {
            visits: settings::MAX_SCAN_TUPLES.get() as u64,
            bytes: (work_mem * settings::SCAN_MEM_MULTIPLIER.get()) as usize,
        };
        let more = with_nodes!(&begun.nodes, kind => {
            let mut reader = Reader::new(&self.index.pages, kind, kind.query(&begun.query), Scan);
            self.index.expect(begun.search.resume(&mut reader, ef, limits))
        });
        if more {
            begun.hand_out(&mut self.rows);
        }
        more
    }
}

impl Begun {
    /// Moves the rows of a batch into `rows`, in the order of their lower bounds.
    fn hand_out(&mut self, rows: &mut VecDeque<Row>) {
        let mut found: Vec<Found> = std::iter::from_fn(|| self.search.next_hit()).map(|hit| hit.payload).collect();
        found.sort_by(|one, other| one.measured.lower.total_cmp(&other.measured.lower));
        if settings::ITERATIVE_SCAN.get() == IterativeScan::strict_order {
            // What comes too late to be handed out in order is lost, as with pgvector.
            found.retain(|found| found.measured.lower >= self.reached);
        }
        let mut highest_before = f64::NEG_INFINITY;
        for (index, here) in found.iter().enumerate() {
            let next_lower = found.get(index + 1).map_or(f64::INFINITY, |next| next.measured.lower);
            let is_apart = highest_before <= here.measured.lower && here.measured.upper <= next_lower;
            let is_exact = here.measured.lower == here.measured.upper;
            // The last row of a batch may still meet one of the next batch.
            let recheck = !(is_exact || (is_apart && index + 1 < found.len()));
            rows.extend(here.rows().map(|tid| Row { tid, lower: here.measured.lower, recheck }));
            highest_before = highest_before.max(here.measured.upper);
            self.reached = self.reached.max(here.measured.lower);
        }
    }
}
