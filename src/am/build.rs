//! Building: the insertion code on pages in private memory, by several threads, and one pass that writes the pages out.
//!
//! The leader scans the table and hands batches of rows to a pool of threads. The threads touch nothing but those rows and
//! pages: they never call PostgreSQL, and block all signals, so that PostgreSQL's handlers run in the leader alone. If
//! the leader is cancelled or meets an error, the pages are marked cancelled, the threads stop at their next visit, and
//! the error goes on its way when the last of them has.
//!
//! When the pages exceed `maintenance_work_mem`, they are written out as they are and the remaining rows go through the
//! ordinary insertion path.

use super::heap::{HeapScan, report_progress, scanned_share, with_signals_blocked};
use super::index::{Index, with_nodes};
use super::insert::level_of;
use super::memory::maintenance_work_mem;
use super::method::Method;
use crate::error;
use crate::hnsw::Params;
use crate::storage::{
    Buffers, Error, HeapTid, InsertPlanner, Kind, META_BLOCK, MemoryPages, Meta, PAGE_SIZE, Page, PageKind,
    PageStore, Row, insert, link_unreachable,
};
use pgrx::PgSqlErrorCode::*;
use pgrx::{PgLogLevel, pg_sys};
use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Rows that are handed to a thread at once.
const BATCH_ROWS: usize = 64;

/// Bytes of values that are handed to a thread at once, about.
const BATCH_BYTES: usize = 256 * 1024;

/// Batches that may wait for each thread before the leader takes one itself.
const WAITING_BATCHES: usize = 4;

/// Pages beyond the limit that insertions under way may still take.
const HEADROOM_PAGES: u32 = 4096;

const PHASE_INITIALISE: i64 = 1;
const PHASE_LOAD: i64 = 2;
const PHASE_LINK: i64 = 3;
const PHASE_WRITE: i64 = 4;

/// What a phase of the progress report is called.
pub fn phase_name(phase: i64) -> Option<&'static CStr> {
    match phase {
        PHASE_INITIALISE => Some(c"initializing"),
        PHASE_LOAD => Some(c"loading tuples"),
        PHASE_LINK => Some(c"linking unreachable tuples"),
        PHASE_WRITE => Some(c"writing pages"),
        _ => None,
    }
}

/// Rows of the table, and of the index.
pub struct Counts {
    pub heap_tuples: f64,
    pub index_tuples: usize,
}

/// Builds a new index from the rows of its table.
pub fn build(index: &Index, scan: HeapScan) -> Counts {
    let meta = new_meta(index);
    if index.method() == Method::Ivfflat {
        notify_of_method(index);
    }
    let nodes = index.nodes(&meta);
    with_nodes!(&nodes, kind => build_with(index, &meta, kind, scan))
}

/// Says that there will be no lists.
fn notify_of_method(index: &Index) {
    error::report(
        ERRCODE_SUCCESSFUL_COMPLETION,
        format!("ivfflat index \"{}\" is built as an hnsw graph", index.name()),
    )
    .set_detail(
        "QuartzDB makes no inverted lists. Their number only says how many rows a scan returns at the most.",
    )
    .set_hint("Use hnsw: it needs no number of lists, and lets you choose m and ef_construction.")
    .report(PgLogLevel::NOTICE);
}

/// Writes the empty index that an unlogged one becomes after a crash.
pub fn build_empty(index: &Index) {
    let mut page = Page::boxed(PageKind::Meta);
    new_meta(index).write(&mut page);
    index.pages.write_init_fork(&page);
}

/// The meta page of the index to be built; an ERROR if it cannot be.
fn new_meta(index: &Index) -> Meta {
    let column = index.column();
    if index.column_type() == pg_sys::VARBITOID {
        error::raise_message(
            ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("type not supported for {} index", index.method()),
        );
    }
    let Some(dimensions) = index.column_dimensions() else {
        error::raise_message(ERRCODE_INVALID_PARAMETER_VALUE, "column does not have dimensions");
    };
    column.check_dimensions(dimensions, index.method());
    let params = index.options();
    if params.ef_construction / 2 < params.m {
        error::raise_message(
            ERRCODE_INVALID_PARAMETER_VALUE,
            "ef_construction must be greater than or equal to 2 * m",
        );
    }
    Meta::new(column.metric, column.value_type(), dimensions, params)
}

fn build_with<'a, K: Kind + Sync>(index: &'a Index, meta: &Meta, kind: &'a K, scan: HeapScan) -> Counts {
    report_progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, PHASE_INITIALISE);
    let limit = (maintenance_work_mem() / PAGE_SIZE).max(2) as u32;
    let pages = MemoryPages::new(limit.saturating_add(HEADROOM_PAGES));
    index.expect(pages.change(&[META_BLOCK], |pages| {
        meta.write(pages[0]);
        Ok(Some(()))
    }));
    let params = index.params(meta);
    let work = Arc::new(Work {
        pages,
        kind,
        params,
        limit,
        rows: AtomicUsize::new(0),
        problem: Mutex::new(None),
        planners: Mutex::new(Vec::new()),
    });
    let shared = Arc::downgrade(&work);
    // Until the pages are written out.
    let mut work = Some(work);
    let mut rest = Rest { index, kind, params, planner: InsertPlanner::new(), rows: 0 };

    report_progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, PHASE_LOAD);
    report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_TOTAL, scan.expected_rows() as i64);
    let helpers = scan.helpers();
    let pool = (helpers > 0).then(|| pool_of(helpers));
    let mut batch = Batch::default();

    let scan_with = |spawn: &Spawn<'a, '_, K>| {
        // The scope of the threads, which this is in, is left only when none works any longer, be it with a result or with an error.
        let _cancel = CancelOnPanic(shared);
        let full = |work: &Arc<Work<'a, K>>, batch: Batch| {
            if let Some(batch) = spawn(work, batch) {
                work.run(batch);
            }
            work.raise_problem(index);
            let rows = work.rows.load(Ordering::Relaxed);
            report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, rows as i64);
        };
        let heap_tuples = scan.run(index.column(), meta.dimensions, &mut |row| {
            let Some(working) = &work else {
                rest.insert(row);
                report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, rest.rows as i64);
                return;
            };
            batch.push(row);
            if batch.is_full() {
                full(working, std::mem::take(&mut batch));
            }
            if working.is_over_limit() {
                full(working, std::mem::take(&mut batch));
                while Arc::strong_count(working) > 1 {
                    std::thread::yield_now();
                }
                working.raise_problem(index);
                working.notify_of_limit(index);
                if let Some(work) = work.take() {
                    rest.write_out(work);
                }
            }
        });
        if let Some(work) = &work {
            full(work, batch);
        }
        heap_tuples
    };
    let heap_tuples = match &pool {
        None => scan_with(&|_, batch| Some(batch)),
        Some(pool) => pool.in_place_scope(|scope| {
            scan_with(&|work, batch| {
                // Each batch that waits or is worked on holds the work.
                if Arc::strong_count(work) > helpers * WAITING_BATCHES {
                    return Some(batch);
                }
                let work = work.clone();
                scope.spawn(move |_| work.run(batch));
                None
            })
        }),
    };
    if let Some(work) = work {
        work.raise_problem(index);
        if kind.forces_ways_in() {
            report_progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, PHASE_LINK);
            work.link_unreachable(index);
        }
        report_progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, PHASE_WRITE);
        rest.write_out(work);
    }
    report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, rest.rows as i64);
    Counts { heap_tuples, index_tuples: rest.rows }
}

/// A pool of threads which PostgreSQL's signals do not reach.
fn pool_of(threads: usize) -> rayon::ThreadPool {
    let pool = with_signals_blocked(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("hnsw build {i}"))
            .build()
    });
    pool.unwrap_or_else(|problem| {
        error::raise_message(ERRCODE_INSUFFICIENT_RESOURCES, format!("could not start threads: {problem}"))
    })
}

/// Stops the threads when an error passes by.
struct CancelOnPanic<'a, K: Kind>(Weak<Work<'a, K>>);

impl<K: Kind> Drop for CancelOnPanic<'_, K> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(work) = self.0.upgrade()
        {
            work.pages.cancel();
        }
    }
}

/// Rows on their way to a thread.
#[derive(Default)]
struct Batch {
    tids: Vec<HeapTid>,
    /// The values one after the other, and where each ends.
    values: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    fn push(&mut self, row: Row<'_>) {
        self.tids.push(row.tid);
        self.values.extend_from_slice(row.value);
        self.ends.push(self.values.len());
    }

    fn is_full(&self) -> bool {
        self.tids.len() >= BATCH_ROWS || self.values.len() >= BATCH_BYTES
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let values = starts.zip(&self.ends).map(|(start, &end)| &self.values[start..end]);
        self.tids.iter().zip(values).map(|(&tid, value)| Row { value, tid })
    }
}

/// What the threads share.
struct Work<'a, K: Kind> {
    pages: MemoryPages,
    /// Those that no thread uses now, with the memory they had.
    planners: Mutex<Vec<InsertPlanner<K>>>,
    kind: &'a K,
    params: Params,
    limit: u32,
    rows: AtomicUsize,
    problem: Mutex<Option<Error>>,
}

impl<K: Kind> Work<'_, K> {
    fn is_over_limit(&self) -> bool {
        self.pages.blocks() > self.limit
    }

    /// Inserts a batch; stops at the first problem, which is kept for the leader.
    fn run(&self, batch: Batch) {
        let mut planner = self.planners().pop().unwrap_or_default();
        for row in batch.rows() {
            let level = level_of(self.params, row.tid);
            match insert(&self.pages, self.kind, self.params, &mut planner, level, row) {
                Ok(crate::storage::Outcome::Indexed) => {
                    self.rows.fetch_add(1, Ordering::Relaxed);
                }
                Ok(crate::storage::Outcome::NotIndexable) => (),
                Err(problem) => {
                    self.pages.cancel();
                    let mut first = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
                    if !matches!(problem, Error::Cancelled) || first.is_none() {
                        first.get_or_insert(problem);
                    }
                    return;
                }
            }
        }
        self.planners().push(planner);
    }

    fn planners(&self) -> MutexGuard<'_, Vec<InsertPlanner<K>>> {
        self.planners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises what a thread met, if it met something.
    fn raise_problem(&self, index: &Index) {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(problem) = problem {
            index.expect::<()>(Err(problem));
        }
    }

    /// Says that the pages take more memory than they may.
    fn notify_of_limit(&self, index: &Index) {
        let rows = self.rows.load(Ordering::Relaxed);
        let mut detail = "Building will take significantly more time.".to_string();
        if let Some(share) = scanned_share() {
            let megabytes = f64::from(self.pages.blocks()) / share * PAGE_SIZE as f64 / f64::from(1 << 20);
            detail += &format!(" The whole graph would take about {:.0} MB.", megabytes.ceil());
        }
        error::report(
            ERRCODE_SUCCESSFUL_COMPLETION,
            format!("{} graph no longer fits into maintenance_work_mem after {rows} tuples", index.method()),
        )
        .set_detail(detail)
        .set_hint("Increase maintenance_work_mem to speed up builds.")
        .report(PgLogLevel::NOTICE);
    }

    /// Gives a way in to the nodes that insertions after them left without one.
    fn link_unreachable(self: &Arc<Self>, index: &Index)
    where
        K: Sync,
    {
        let linked = std::thread::scope(|scope| {
            let _cancel = CancelOnPanic(Arc::downgrade(self));
            // The work is a thread's, so that the leader can look out for interrupts.
            let thread = with_signals_blocked(|| scope.spawn(|| link_unreachable(&self.pages, self.kind)));
            while !thread.is_finished() {
                pgrx::check_for_interrupts!();
                std::thread::sleep(Duration::from_millis(1));
            }
            thread.join()
        });
        match linked {
            Ok(linked) => drop(index.expect(linked)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Hands a batch to a thread, or gives it back if enough are waiting.
type Spawn<'a, 'b, K> = dyn Fn(&Arc<Work<'a, K>>, Batch) -> Option<Batch> + 'b;

/// The end of a build: pages written out, and rows inserted after that.
struct Rest<'a, K: Kind> {
    index: &'a Index,
    kind: &'a K,
    params: Params,
    planner: InsertPlanner<K>,
    /// In the index.
    rows: usize,
}

impl<K: Kind> Rest<'_, K> {
    /// Writes out the pages of work that no thread has a part in any longer, and frees their memory.
    fn write_out(&mut self, work: Arc<Work<'_, K>>) {
        let Some(Work { pages, rows, .. }) = Arc::into_inner(work) else {
            error::raise_message(
                ERRCODE_INTERNAL_ERROR,
                "a thread still works on the pages to be written out",
            );
        };
        let blocks = pages.blocks();
        for first in (0..blocks).step_by(Buffers::ADDED_AT_ONCE) {
            pgrx::check_for_interrupts!();
            let some = first..blocks.min(first + Buffers::ADDED_AT_ONCE as u32);
            let some: Result<Vec<_>, Error> = some.map(|block| pages.read(block)).collect();
            self.index.pages.append_unlogged(&self.index.expect(some));
        }
        // Before the log, which takes as much of the system's memory.
        drop(pages);
        self.index.pages.log_all_pages_if_logged();
        self.rows += rows.into_inner();
    }

    fn insert(&mut self, row: Row<'_>) {
        let level = level_of(self.params, row.tid);
        let outcome = insert(&self.index.pages, self.kind, self.params, &mut self.planner, level, row);
        if self.index.expect(outcome) == crate::storage::Outcome::Indexed {
            self.rows += 1;
        }
    }
}
