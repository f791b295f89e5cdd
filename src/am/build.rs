//! Building: the insertion code on pages in private memory, by several threads, and one pass that writes the pages out.
//!
//! The leader scans the table and hands batches of rows to a pool of threads. The threads touch nothing but those rows and
//! pages: they never call PostgreSQL, and block all signals, so that PostgreSQL's handlers run in the leader alone. If
//! the leader is cancelled or meets an error, the pages are marked cancelled, the threads stop at their next visit, and
//! the error goes on its way when the last of them has.
//!
//! When the pages exceed `maintenance_work_mem`, they are written out as they are and the remaining rows go through the
//! ordinary insertion path.

use super::index::{Index, with_nodes};
use super::insert::{heap_tid_of, level_of};
use super::options;
use crate::error;
use crate::hnsw::Params;
use crate::storage::{
    Error, HeapTid, InsertPlanner, Kind, META_BLOCK, MemoryPages, Meta, PAGE_SIZE, Page, PageKind, PageStore,
    Row, insert,
};
use crate::types::Vector;
use pgrx::PgSqlErrorCode::*;
use pgrx::{PgLogLevel, PgMemoryContexts, pg_guard, pg_sys};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows that are handed to a thread at once.
const BATCH_ROWS: usize = 64;

/// Floats that are handed to a thread at once, at the most.
const BATCH_FLOATS: usize = 64 * 1024;

/// Batches that may wait for each thread before the leader takes one itself.
const WAITING_BATCHES: usize = 4;

/// Pages beyond the limit that insertions under way may still take.
const HEADROOM_PAGES: u32 = 4096;

const PHASE_INITIALISE: i64 = 1;
const PHASE_LOAD: i64 = 2;
const PHASE_LINK: i64 = 3;
const PHASE_WRITE: i64 = 4;

#[pg_guard]
pub unsafe extern "C-unwind" fn ambuildphasename(phase: i64) -> *mut std::ffi::c_char {
    let name = match phase {
        PHASE_INITIALISE => c"initializing",
        PHASE_LOAD => c"loading tuples",
        PHASE_LINK => c"linking unreachable tuples",
        PHASE_WRITE => c"writing pages",
        _ => return std::ptr::null_mut(),
    };
    name.as_ptr().cast_mut()
}

#[pg_guard]
pub unsafe extern "C-unwind" fn ambuild(
    heap: pg_sys::Relation,
    index_relation: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
) -> *mut pg_sys::IndexBuildResult {
    // SAFETY: both relations are open, and the index is new and empty.
    let (index, result) = unsafe {
        let result: *mut pg_sys::IndexBuildResult = pg_sys::palloc0(size_of::<pg_sys::IndexBuildResult>()).cast();
        (Index::new(index_relation), result)
    };
    let meta = check(&index);
    let nodes = index.nodes(&meta);
    let counts = with_nodes!(&nodes, kind => {
        // SAFETY: as above.
        let scan = unsafe { HeapScan::new(heap, index_relation, info) };
        build(&index, &meta, kind, scan)
    });
    // SAFETY: allocated above.
    unsafe {
        (*result).heap_tuples = counts.heap_tuples;
        (*result).index_tuples = counts.index_tuples as f64;
    }
    result
}

/// Writes the empty index that an unlogged one becomes after a crash.
#[pg_guard]
pub unsafe extern "C-unwind" fn ambuildempty(index_relation: pg_sys::Relation) {
    // SAFETY: the relation is open.
    let index = unsafe { Index::new(index_relation) };
    let mut page = Page::boxed(PageKind::Meta);
    check(&index).write(&mut page);
    index.pages.write_init_fork(&page);
}

/// The meta page of the index to be built; an ERROR if it cannot be.
fn check(index: &Index) -> Meta {
    let metric = index.metric();
    let Some(dimensions) = index.column_dimensions() else {
        error::raise_message(ERRCODE_INVALID_PARAMETER_VALUE, "column does not have dimensions");
    };
    // SAFETY: the relation is open.
    let params = unsafe { options::params(index.relation) };
    if params.ef_construction / 2 < params.m {
        error::raise_message(
            ERRCODE_INVALID_PARAMETER_VALUE,
            "ef_construction must be greater than or equal to 2 * m",
        );
    }
    Meta::new(metric, dimensions, params)
}

/// The scan of the table that feeds a build.
struct HeapScan {
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    /// For de-toasted values; emptied with every row.
    row_context: PgMemoryContexts,
}

impl HeapScan {
    /// # Safety
    /// The relations are open, and `info` belongs to the index.
    unsafe fn new(heap: pg_sys::Relation, index: pg_sys::Relation, info: *mut pg_sys::IndexInfo) -> Self {
        Self { heap, index, info, row_context: PgMemoryContexts::new("hnsw build row") }
    }

    /// Calls `row` for every row with a vector, and returns the number of rows of the table.
    fn run(mut self, row: &mut dyn FnMut(Row<'_>)) -> f64 {
        let mut call = Call { row, context: &mut self.row_context };
        // SAFETY: the callback gets `call` back, which outlives the scan.
        unsafe {
            pg_sys::table_index_build_scan(
                self.heap,
                self.index,
                self.info,
                true,
                true,
                Some(for_each_row),
                (&raw mut call).cast(),
                std::ptr::null_mut(),
            )
        }
    }

    /// Rows the table is expected to have.
    fn expected_rows(&self) -> f64 {
        // SAFETY: an open relation has a pg_class row.
        f64::from(unsafe { (*(*self.heap).rd_rel).reltuples }).max(0.0)
    }

    /// Threads that may help the leader.
    fn helpers(&self) -> usize {
        // SAFETY: settings, and the options of an open table, which are those of a heap.
        unsafe {
            let most = pg_sys::max_parallel_maintenance_workers.max(0) as usize;
            let options = (*self.heap).rd_options.cast::<pg_sys::StdRdOptions>();
            match options.as_ref().map_or(-1, |options| options.parallel_workers) {
                workers if workers >= 0 => most.min(workers as usize),
                _ => most,
            }
        }
    }
}

struct Call<'a> {
    row: &'a mut dyn FnMut(Row<'_>),
    context: &'a mut PgMemoryContexts,
}

#[pg_guard]
unsafe extern "C-unwind" fn for_each_row(
    _index: pg_sys::Relation,
    tid: pg_sys::ItemPointer,
    values: *mut pg_sys::Datum,
    is_null: *mut bool,
    _alive: bool,
    state: *mut std::ffi::c_void,
) {
    // SAFETY: `state` is what `HeapScan::run` passed; one column; the values are valid during the call.
    unsafe {
        if *is_null {
            return;
        }
        let Call { row, context } = &mut *state.cast::<Call<'_>>();
        let (value, tid) = (*values, heap_tid_of(tid));
        context.switch_to(|_| {
            let vector = Vector::from_datum(value);
            row(Row { vector: vector.elements(), tid });
        });
        context.reset();
    }
}

/// Rows of the table, and of the index.
struct Counts {
    heap_tuples: f64,
    index_tuples: usize,
}

fn build<K: Kind + Sync>(index: &Index, meta: &Meta, kind: &K, scan: HeapScan) -> Counts
where
    K::Own: Send,
{
    report_progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, PHASE_INITIALISE);
    // SAFETY: a setting, read in the session's only thread.
    let limit = (unsafe { pg_sys::maintenance_work_mem } as usize * 1024 / PAGE_SIZE).max(2) as u32;
    let pages = MemoryPages::new(limit.saturating_add(HEADROOM_PAGES));
    index.expect(pages.change(&[META_BLOCK], |pages| {
        meta.write(pages[0]);
        Ok(Some(()))
    }));
    let params = index.params(meta);
    let work = Work { pages: &pages, kind, params, limit, rows: AtomicUsize::new(0), problem: Mutex::new(None) };

    report_progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, PHASE_LOAD);
    report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_TOTAL, scan.expected_rows() as i64);
    let helpers = scan.helpers();
    let pool = (helpers > 0).then(|| pool_of(helpers));
    let waiting = AtomicUsize::new(0);
    let mut batch = Batch::default();
    let mut rest = Rest { index, kind, params, is_flushed: false, rows: 0 };

    let heap_tuples = {
        // The scope is left only when no thread works any longer, be it with a result or with an error.
        let scan_with = |spawn: &dyn Fn(Batch) -> Option<Batch>, drain: &dyn Fn()| {
            let _cancel = CancelOnPanic(&pages);
            let full = |batch: Batch| {
                if let Some(batch) = spawn(batch) {
                    work.run(batch);
                }
                work.raise_problem(index);
                report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, work.rows.load(Ordering::Relaxed) as i64);
            };
            let heap_tuples = scan.run(&mut |row| {
                if rest.is_flushed {
                    rest.insert(row);
                    report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, rest.rows as i64);
                    return;
                }
                batch.push(row);
                if batch.is_full() {
                    full(std::mem::take(&mut batch));
                }
                if work.is_over_limit() {
                    full(std::mem::take(&mut batch));
                    drain();
                    work.raise_problem(index);
                    rest.flush(&work);
                }
            });
            full(std::mem::take(&mut batch));
            heap_tuples
        };
        match &pool {
            None => scan_with(&Some, &|| ()),
            Some(pool) => pool.in_place_scope(|scope| {
                let spawn = |batch: Batch| {
                    if waiting.load(Ordering::Relaxed) >= helpers * WAITING_BATCHES {
                        return Some(batch);
                    }
                    waiting.fetch_add(1, Ordering::Relaxed);
                    let (work, waiting) = (&work, &waiting);
                    scope.spawn(move |_| {
                        work.run(batch);
                        waiting.fetch_sub(1, Ordering::Relaxed);
                    });
                    None
                };
                let drain = || {
                    while waiting.load(Ordering::Acquire) > 0 {
                        std::thread::yield_now();
                    }
                };
                scan_with(&spawn, &drain)
            }),
        }
    };
    work.raise_problem(index);
    if !rest.is_flushed {
        report_progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, PHASE_WRITE);
        rest.write_out(&pages);
    }
    report_progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, (work.rows.load(Ordering::Relaxed) + rest.rows) as i64);
    Counts { heap_tuples, index_tuples: work.rows.load(Ordering::Relaxed) + rest.rows }
}

/// A pool of threads which PostgreSQL's signals do not reach.
fn pool_of(threads: usize) -> rayon::ThreadPool {
    let pool = with_signals_blocked(|| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("hnsw build {i}")).build()
    });
    pool.unwrap_or_else(|problem| {
        error::raise_message(ERRCODE_INSUFFICIENT_RESOURCES, format!("could not start threads: {problem}"))
    })
}

/// Runs `start` with all signals blocked, which the threads it starts inherit.
fn with_signals_blocked<R>(start: impl FnOnce() -> R) -> R {
    // SAFETY: the sets are initialised before they are used, and the mask is put back.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}

/// Stops the threads when an error passes by.
struct CancelOnPanic<'a>(&'a MemoryPages);

impl Drop for CancelOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}

/// Rows on their way to a thread.
#[derive(Default)]
struct Batch {
    tids: Vec<HeapTid>,
    floats: Vec<f32>,
}

impl Batch {
    fn push(&mut self, row: Row<'_>) {
        self.tids.push(row.tid);
        self.floats.extend_from_slice(row.vector);
    }

    fn is_full(&self) -> bool {
        self.tids.len() >= BATCH_ROWS || self.floats.len() >= BATCH_FLOATS
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let dimensions = (self.floats.len() / self.tids.len().max(1)).max(1);
        self.tids.iter().zip(self.floats.chunks_exact(dimensions)).map(|(&tid, vector)| Row { vector, tid })
    }
}

/// What the threads share.
struct Work<'a, K> {
    pages: &'a MemoryPages,
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
        let mut planner = InsertPlanner::<K>::new();
        for row in batch.rows() {
            let level = level_of(self.params, row.tid);
            match insert(self.pages, self.kind, self.params, &mut planner, level, row) {
                Ok(crate::storage::Outcome::Indexed) => {
                    self.rows.fetch_add(1, Ordering::Relaxed);
                }
                Ok(crate::storage::Outcome::NotIndexable) => (),
                Err(problem) => {
                    self.pages.cancel();
                    let mut first = self.problem.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if !matches!(problem, Error::Cancelled) || first.is_none() {
                        first.get_or_insert(problem);
                    }
                    return;
                }
            }
        }
    }

    /// Raises what a thread met, if it met something.
    fn raise_problem(&self, index: &Index) {
        let problem = self.problem.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(problem) = problem {
            index.expect::<()>(Err(problem));
        }
    }
}

/// The end of a build: pages written out, and rows inserted after that.
struct Rest<'a, K> {
    index: &'a Index,
    kind: &'a K,
    params: Params,
    is_flushed: bool,
    rows: usize,
}

impl<K: Kind> Rest<'_, K> {
    /// Goes on without private memory.
    fn flush(&mut self, work: &Work<'_, K>) {
        let rows = work.rows.load(Ordering::Relaxed);
        error::report(
            ERRCODE_SUCCESSFUL_COMPLETION,
            format!("hnsw graph no longer fits into maintenance_work_mem after {rows} tuples"),
        )
        .set_detail("Building will take significantly more time.")
        .set_hint("Increase maintenance_work_mem to speed up builds.")
        .report(PgLogLevel::NOTICE);
        self.write_out(work.pages);
        self.is_flushed = true;
    }

    fn write_out(&self, pages: &MemoryPages) {
        for block in 0..pages.blocks() {
            pgrx::check_for_interrupts!();
            let page = self.index.expect(pages.read(block));
            self.index.pages.append_unlogged(&page);
        }
        self.index.pages.log_all_pages_if_logged();
    }

    fn insert(&mut self, row: Row<'_>) {
        let level = level_of(self.params, row.tid);
        let planner = &mut InsertPlanner::<K>::new();
        let outcome = insert(&self.index.pages, self.kind, self.params, planner, level, row);
        if self.index.expect(outcome) == crate::storage::Outcome::Indexed {
            self.rows += 1;
        }
    }
}

fn report_progress(parameter: u32, value: i64) {
    // SAFETY: a parameter of CREATE INDEX's progress report.
    unsafe { pg_sys::pgstat_progress_update_param(parameter as i32, value) }
}
