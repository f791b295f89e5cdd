//! PostgreSQL's side of the access method: what it can do, and its callbacks. Each turns raw pointers into an [`Index`] and
//! slices, and makes one call into the file of its phase.

use super::heap::{HeapScan, RowLookup, heap_tid_of, item_pointer_of};
use super::index::Index;
use super::method::Method;
use super::scan::State;
use super::{build, cost, insert, options, plan, vacuum};
use crate::error;
use crate::storage::{PageStore, Row};
use pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
use pgrx::{PgMemoryContexts, pg_guard, pg_sys};
use std::ffi::{c_char, c_int, c_void};

/// `hnswhandler(internal)`.
///
/// # Safety
/// To be called by Postgres's function manager.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn hnswhandler_wrapper(_call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    allocated(routine_of(Method::of_graph()))
}

/// `ivfflathandler(internal)`.
///
/// # Safety
/// To be called by Postgres's function manager.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn ivfflathandler_wrapper(_call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    allocated(routine_of(Method::Ivfflat))
}

fn allocated(routine: pg_sys::IndexAmRoutine) -> pg_sys::Datum {
    // SAFETY: palloc0 gives zeroed memory of that size, and all fields may be zero.
    let place: *mut pg_sys::IndexAmRoutine =
        unsafe { pg_sys::palloc0(size_of::<pg_sys::IndexAmRoutine>()).cast() };
    // SAFETY: just allocated.
    unsafe { *place = routine };
    pg_sys::Datum::from(place)
}

/// Tells the function manager that the function follows the V1 convention.
#[unsafe(no_mangle)]
#[doc(hidden)]
pub extern "C" fn pg_finfo_hnswhandler_wrapper() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

#[unsafe(no_mangle)]
#[doc(hidden)]
pub extern "C" fn pg_finfo_ivfflathandler_wrapper() -> &'static pg_sys::Pg_finfo_record {
    pg_finfo_hnswhandler_wrapper()
}

/// What pgvector's operator classes have for the last support function: there it describes the type to the index. Here the
/// distance function does, so it has nothing to tell.
macro_rules! type_support {
    ($($name:ident $finfo:ident),*) => {$(
        /// # Safety
        /// To be called by Postgres's function manager.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: the function manager passes a valid call.
            unsafe { (*call).isnull = true };
            pg_sys::Datum::null()
        }

        #[unsafe(no_mangle)]
        #[doc(hidden)]
        pub extern "C" fn $finfo() -> &'static pg_sys::Pg_finfo_record {
            pg_finfo_hnswhandler_wrapper()
        }
    )*};
}

type_support! {
    hnsw_halfvec_support_wrapper pg_finfo_hnsw_halfvec_support_wrapper,
    hnsw_bit_support_wrapper pg_finfo_hnsw_bit_support_wrapper,
    hnsw_sparsevec_support_wrapper pg_finfo_hnsw_sparsevec_support_wrapper,
    ivfflat_halfvec_support_wrapper pg_finfo_ivfflat_halfvec_support_wrapper,
    ivfflat_bit_support_wrapper pg_finfo_ivfflat_bit_support_wrapper
}

fn routine_of(method: Method) -> pg_sys::IndexAmRoutine {
    pg_sys::IndexAmRoutine {
        type_: pg_sys::NodeTag::T_IndexAmRoutine,
        amsupport: method.support_functions(),
        amcanorderbyop: true,
        amoptionalkey: true,
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        amcanbuildparallel: true,
        amparallelvacuumoptions: pg_sys::VACUUM_OPTION_PARALLEL_BULKDEL as u8,
        amkeytype: pg_sys::InvalidOid,
        ambuild: Some(ambuild),
        ambuildempty: Some(ambuildempty),
        aminsert: Some(aminsert),
        ambulkdelete: Some(ambulkdelete),
        amvacuumcleanup: Some(amvacuumcleanup),
        amcostestimate: Some(cost::amcostestimate),
        amoptions: Some(match method {
            Method::Hnsw | Method::Quartz => options::amoptions,
            Method::Ivfflat => options::list_amoptions,
        }),
        ambuildphasename: Some(ambuildphasename),
        amvalidate: Some(amvalidate),
        ambeginscan: Some(ambeginscan),
        amrescan: Some(amrescan),
        amgettuple: Some(amgettuple),
        amendscan: Some(amendscan),
        ..Default::default()
    }
}

/// Operator classes are checked when an index is built, where the error can name the index.
#[pg_guard]
unsafe extern "C-unwind" fn amvalidate(_class: pg_sys::Oid) -> bool {
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn ambuildphasename(phase: i64) -> *mut c_char {
    build::phase_name(phase).map_or(std::ptr::null_mut(), |name| name.as_ptr().cast_mut())
}

#[pg_guard]
unsafe extern "C-unwind" fn ambuild(
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
) -> *mut pg_sys::IndexBuildResult {
    // SAFETY: both relations are open, `info` is the index's, and the index is new and empty.
    let counts = unsafe { build::build(&Index::new(index), HeapScan::new(heap, index, info)) };
    // SAFETY: palloc0 gives zeroed memory of that size.
    unsafe {
        let result: *mut pg_sys::IndexBuildResult =
            pg_sys::palloc0(size_of::<pg_sys::IndexBuildResult>()).cast();
        (*result).heap_tuples = counts.heap_tuples;
        (*result).index_tuples = counts.index_tuples as f64;
        result
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ambuildempty(index: pg_sys::Relation) {
    // SAFETY: the relation is open.
    build::build_empty(&unsafe { Index::new(index) });
}

/// NULL is not indexed. Uniqueness is never asked for.
#[pg_guard]
#[allow(clippy::too_many_arguments)] // PostgreSQL's signature
unsafe extern "C-unwind" fn aminsert(
    index: pg_sys::Relation,
    values: *mut pg_sys::Datum,
    is_null: *mut bool,
    heap_tid: pg_sys::ItemPointer,
    _heap: pg_sys::Relation,
    _check_unique: pg_sys::IndexUniqueCheck::Type,
    _index_unchanged: bool,
    _info: *mut pg_sys::IndexInfo,
) -> bool {
    // SAFETY: the index has one column, of its class's type; its value and the row's address are valid during the call.
    unsafe {
        if !*is_null {
            let index = Index::new(index);
            let meta = index.meta();
            let mut value = Vec::new();
            index.column().row(*values, meta.dimensions, &mut value);
            insert::insert_value(&index, &meta, Row { value: &value, tid: heap_tid_of(heap_tid) });
        }
    }
    false
}

/// What a scan keeps between calls.
struct ScanState {
    search: State,
    /// Set when the first row has to be looked at.
    rows: Option<RowLookup>,
    /// What the scan was begun in, and ends with if not before.
    memory: pg_sys::MemoryContext,
}

impl ScanState {
    /// Lets go of the table's pages.
    ///
    /// # Safety
    /// `scan` is the one whose state this is.
    unsafe fn stop_looking(&mut self, scan: pg_sys::IndexScanDesc) {
        if let Some(rows) = self.rows.take() {
            // SAFETY: passed on to the caller.
            unsafe { rows.end(scan) }
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ambeginscan(
    index: pg_sys::Relation,
    keys: c_int,
    order_bys: c_int,
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
        let state = ScanState {
            search: State::new(Index::new(index)),
            rows: None,
            memory: pg_sys::CurrentMemoryContext,
        };
        (*scan).opaque = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(state).cast();
        scan
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn amrescan(
    scan: pg_sys::IndexScanDesc,
    keys: pg_sys::ScanKey,
    key_count: c_int,
    order_bys: pg_sys::ScanKey,
    order_by_count: c_int,
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
        state.search.reset();
        state.stop_looking(scan);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn amgettuple(
    scan: pg_sys::IndexScanDesc,
    _direction: pg_sys::ScanDirection::Type,
) -> bool {
    // SAFETY: the scan is one of ours and was rescanned.
    let state = unsafe { state_of(scan) };
    if !state.search.is_begun() {
        // SAFETY: as above. The operator's right-hand argument is of the column's type.
        unsafe {
            check_scan(scan);
            count_scan(scan);
            let order_by = &*(*scan).orderByData;
            let is_null = order_by.sk_flags & pg_sys::SK_ISNULL as i32 != 0;
            let index = Index::new((*scan).indexRelation);
            let meta = index.meta();
            let query = (!is_null).then(|| index.column().query(order_by.sk_argument, meta.dimensions));
            state.search.begin(meta, query, plan::wanted_rows(order_by));
        }
    }
    let ScanState { search, rows, memory } = state;
    // SAFETY: a scan that is fetched from is of a table, by a snapshot, and outlived by the memory that it was begun in.
    let row = search
        .next(|tid| unsafe { rows.get_or_insert_with(|| RowLookup::new(scan, *memory)).distance(scan, tid) });
    let Some(row) = row else {
        // SAFETY: its own state.
        unsafe { state.stop_looking(scan) };
        return false;
    };
    // SAFETY: the arrays were made by `ambeginscan` for at least one key.
    unsafe {
        (*scan).xs_heaptid = item_pointer_of(row.tid);
        (*scan).xs_recheck = false;
        (*scan).xs_recheckorderby = false;
        *(*scan).xs_orderbyvals = pg_sys::Datum::from(row.distance.to_bits());
        *(*scan).xs_orderbynulls = row.is_null;
    }
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn amendscan(scan: pg_sys::IndexScanDesc) {
    // SAFETY: the scan is one of ours. What is left of the state is dropped with its memory context.
    unsafe {
        let state = state_of(scan);
        state.search.end();
        state.stop_looking(scan);
    }
}

/// # Safety
/// `scan` was made by `ambeginscan` and has not outlived its memory context.
unsafe fn state_of<'a>(scan: pg_sys::IndexScanDesc) -> &'a mut ScanState {
    // SAFETY: passed on to the caller; PostgreSQL calls one function at a time.
    unsafe { &mut *(*scan).opaque.cast::<ScanState>() }
}

/// # Safety
/// `scan` is a valid scan.
unsafe fn check_scan(scan: pg_sys::IndexScanDesc) {
    // SAFETY: passed on to the caller.
    let (order_bys, snapshot, index) =
        unsafe { ((*scan).numberOfOrderBys, (*scan).xs_snapshot, Index::new((*scan).indexRelation)) };
    let method = index.method();
    if order_bys == 0 {
        error::raise_message(ERRCODE_INTERNAL_ERROR, format!("cannot scan {method} index without order"));
    }
    // A row's address may be given to another row before the scan fetches it: no pin keeps vacuum away. A row that came
    // after the snapshot is invisible to it, so only a snapshot of that sort is safe.
    // SAFETY: a scan that is fetched from has a snapshot.
    let kind = unsafe { (*snapshot).snapshot_type };
    if kind != pg_sys::SnapshotType::SNAPSHOT_MVCC && kind != pg_sys::SnapshotType::SNAPSHOT_HISTORIC_MVCC {
        error::raise_message(
            ERRCODE_INTERNAL_ERROR,
            format!("non-MVCC snapshots are not supported with {method}"),
        );
    }
}

/// Counts the scan in the statistics.
///
/// # Safety
/// `scan` is a valid scan.
unsafe fn count_scan(scan: pg_sys::IndexScanDesc) {
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

#[pg_guard]
unsafe extern "C-unwind" fn ambulkdelete(
    info: *mut pg_sys::IndexVacuumInfo,
    stats: *mut pg_sys::IndexBulkDeleteResult,
    callback: pg_sys::IndexBulkDeleteCallback,
    state: *mut c_void,
) -> *mut pg_sys::IndexBulkDeleteResult {
    // SAFETY: the index is open, and the callback takes the address of a row and the state it came with.
    let (index, mut is_dead) = unsafe {
        let is_dead = move |tid| {
            let mut tid = item_pointer_of(tid);
            callback.is_some_and(|callback| callback(&mut tid, state))
        };
        (Index::new((*info).index), is_dead)
    };
    let done = vacuum::bulk_delete(&index, &mut is_dead);
    // SAFETY: palloc0 gives zeroed memory of that size, all of which is a valid value; statistics from before are ours.
    unsafe {
        let stats = if stats.is_null() {
            pg_sys::palloc0(size_of::<pg_sys::IndexBulkDeleteResult>()).cast()
        } else {
            stats
        };
        let result: &mut pg_sys::IndexBulkDeleteResult = &mut *stats;
        result.num_pages = done.pages;
        // A vacuum of many dead rows comes here several times, and each time sees all that are left.
        result.num_index_tuples = done.rows_left as f64;
        result.tuples_removed += done.rows_removed as f64;
        stats
    }
}

/// Nothing is left to do after the deletions; without any, statistics stay as they are.
#[pg_guard]
unsafe extern "C-unwind" fn amvacuumcleanup(
    info: *mut pg_sys::IndexVacuumInfo,
    stats: *mut pg_sys::IndexBulkDeleteResult,
) -> *mut pg_sys::IndexBulkDeleteResult {
    // SAFETY: the index is open, and the statistics are null or what `ambulkdelete` returned.
    unsafe {
        if !(*info).analyze_only
            && let Some(stats) = stats.as_mut()
        {
            stats.num_pages = Index::new((*info).index).pages.blocks();
        }
    }
    stats
}
