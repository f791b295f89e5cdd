//! The table under an index: the scan that feeds a build, rows that a search of the index looks at, addresses of rows, progress.

use super::column::Column;
use crate::storage::{HeapTid, Row};
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::{PgMemoryContexts, pg_guard, pg_sys};

/// A row's address from PostgreSQL's form of it.
///
/// # Safety
/// `tid` points to a valid item pointer.
pub unsafe fn heap_tid_of(tid: pg_sys::ItemPointer) -> HeapTid {
    // SAFETY: passed on to the caller.
    let pg_sys::ItemPointerData { ip_blkid, ip_posid } = unsafe { *tid };
    HeapTid { block: u32::from(ip_blkid.bi_hi) << 16 | u32::from(ip_blkid.bi_lo), offset: ip_posid }
}

/// PostgreSQL's form of a row's address.
pub fn item_pointer_of(tid: HeapTid) -> pg_sys::ItemPointerData {
    pg_sys::ItemPointerData {
        ip_blkid: pg_sys::BlockIdData { bi_hi: (tid.block >> 16) as u16, bi_lo: tid.block as u16 },
        ip_posid: tid.offset,
    }
}

/// The scan of the table that feeds a build.
pub struct HeapScan {
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    /// For de-toasted values; emptied with every row.
    row_context: PgMemoryContexts,
}

impl HeapScan {
    /// # Safety
    /// The relations are open, and `info` belongs to the index.
    pub unsafe fn new(heap: pg_sys::Relation, index: pg_sys::Relation, info: *mut pg_sys::IndexInfo) -> Self {
        Self { heap, index, info, row_context: PgMemoryContexts::new("hnsw build row") }
    }

    /// Calls `row` for every row whose column is not NULL, and returns the number of rows of the table. `dimensions` is how
    /// many every value has.
    pub fn run(mut self, column: Column, dimensions: usize, row: &mut dyn FnMut(Row<'_>)) -> f64 {
        let mut call = Call { row, column, dimensions, value: Vec::new(), context: &mut self.row_context };
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
    pub fn expected_rows(&self) -> f64 {
        // SAFETY: an open relation has a pg_class row.
        f64::from(unsafe { (*(*self.heap).rd_rel).reltuples }).max(0.0)
    }

    /// Threads that may help the leader.
    pub fn helpers(&self) -> usize {
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
    column: Column,
    dimensions: usize,
    value: Vec<u8>,
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
        let Call { row, column, dimensions, value, context } = &mut *state.cast::<Call<'_>>();
        let (datum, tid) = (*values, heap_tid_of(tid));
        context.switch_to(|_| {
            column.row(datum, *dimensions, value);
            row(Row { value, tid });
        });
        context.reset();
    }
}

/// Looks at rows of the table that a scan of its index came upon.
///
/// After an error PostgreSQL lets go of its pins and its memory.
pub struct RowLookup {
    fetch: *mut pg_sys::IndexFetchTableData,
    slot: *mut pg_sys::TupleTableSlot,
    info: *mut pg_sys::IndexInfo,
    /// Evaluates the expression that an index may be on. Its memory holds all of this.
    state: *mut pg_sys::EState,
    /// The state's, with memory for de-toasted values, which is emptied with every row.
    context: *mut pg_sys::ExprContext,
}

impl RowLookup {
    /// # Safety
    /// `scan` is a scan of a table by an index on one column and by a snapshot, and `memory` outlives this value.
    pub unsafe fn new(scan: pg_sys::IndexScanDesc, memory: pg_sys::MemoryContext) -> Self {
        // SAFETY: the scan's relations are open, and a table's access method has all of its functions.
        unsafe {
            let state = PgMemoryContexts::For(memory).switch_to(|_| pg_sys::CreateExecutorState());
            PgMemoryContexts::For((*state).es_query_cxt).switch_to(|_| {
                let heap = (*scan).heapRelation;
                let begin = (*(*heap).rd_tableam).index_fetch_begin;
                Self {
                    fetch: begin.map_or(std::ptr::null_mut(), |begin| pg_guard_ffi_boundary(|| begin(heap))),
                    slot: pg_sys::table_slot_create(heap, std::ptr::null_mut()),
                    info: pg_sys::BuildIndexInfo((*scan).indexRelation),
                    state,
                    context: pg_sys::MakePerTupleExprContext(state),
                }
            })
        }
    }

    /// The operator's result for a row; `None` if the scan's snapshot does not see the row. NULL counts as infinitely far.
    ///
    /// # Safety
    /// `scan` is the one this was made for.
    pub unsafe fn distance(&mut self, scan: pg_sys::IndexScanDesc, tid: HeapTid) -> Option<f64> {
        // Many rows may be looked at before the executor sees one.
        pgrx::check_for_interrupts!();
        // SAFETY: the table's access method gets what it made. The key has the operator's function, of the indexed type and the
        // argument's, which returns a float8.
        unsafe {
            let fetch = (*(*(*scan).heapRelation).rd_tableam).index_fetch_tuple?;
            // It is set to where the row's version is.
            let mut tid = item_pointer_of(tid);
            let (mut has_more, mut is_dead) = (false, false);
            let is_seen = pg_guard_ffi_boundary(|| {
                fetch(self.fetch, &mut tid, (*scan).xs_snapshot, self.slot, &mut has_more, &mut is_dead)
            });
            if !is_seen {
                return None;
            }
            let (key, memory) = ((*scan).orderByData, (*self.context).ecxt_per_tuple_memory);
            (*self.context).ecxt_scantuple = self.slot;
            let distance = PgMemoryContexts::For(memory).switch_to(|_| {
                let (mut value, mut is_null) = (pg_sys::Datum::null(), true);
                pg_sys::FormIndexDatum(self.info, self.slot, self.state, &mut value, &mut is_null);
                if is_null {
                    return f64::INFINITY;
                }
                let function = &mut (*key).sk_func;
                let distance =
                    pg_sys::FunctionCall2Coll(function, pg_sys::InvalidOid, value, (*key).sk_argument);
                f64::from_bits(distance.value() as u64)
            });
            pg_sys::MemoryContextReset(memory);
            Some(distance)
        }
    }

    /// Lets go of the table.
    ///
    /// # Safety
    /// `scan` is the one this was made for.
    pub unsafe fn end(self, scan: pg_sys::IndexScanDesc) {
        // SAFETY: made by `new`, and not used any longer.
        unsafe {
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            if let Some(end) = (*(*(*scan).heapRelation).rd_tableam).index_fetch_end {
                pg_guard_ffi_boundary(|| end(self.fetch));
            }
            pg_sys::FreeExecutorState(self.state);
        }
    }
}

/// Runs `start` with all signals blocked, which the threads it starts inherit.
pub fn with_signals_blocked<R>(start: impl FnOnce() -> R) -> R {
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

/// The share of the table's blocks that the scan has got to, by PostgreSQL's own report of its progress; `None` where it
/// does not report.
pub fn scanned_share() -> Option<f64> {
    // SAFETY: this session's entry, which nobody else writes to.
    let entry = unsafe { pg_sys::MyBEEntry.as_ref() }?;
    let blocks = |parameter: u32| entry.st_progress_param[parameter as usize] as f64;
    let (done, total) =
        (blocks(pg_sys::PROGRESS_SCAN_BLOCKS_DONE), blocks(pg_sys::PROGRESS_SCAN_BLOCKS_TOTAL));
    (done > 0.0 && done <= total).then(|| done / total)
}

/// Reports the progress of CREATE INDEX.
pub fn report_progress(parameter: u32, value: i64) {
    // SAFETY: a parameter of CREATE INDEX's progress report.
    unsafe { pg_sys::pgstat_progress_update_param(parameter as i32, value) }
}
