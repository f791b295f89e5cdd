//! `aminsert`: one row into an existing index.

use super::index::{Index, check_dimensions, with_nodes};
use crate::hnsw::Params;
use crate::storage::{HeapTid, InsertPlanner, Kind, Row, insert};
use crate::types::Vector;
use pgrx::{pg_guard, pg_sys};

/// Adds a row's vector; NULL, and a zero vector for the cosine, are not indexed. Uniqueness is never asked for.
#[pg_guard]
pub unsafe extern "C-unwind" fn aminsert(
    index: pg_sys::Relation,
    values: *mut pg_sys::Datum,
    is_null: *mut bool,
    heap_tid: pg_sys::ItemPointer,
    _heap: pg_sys::Relation,
    _check_unique: pg_sys::IndexUniqueCheck::Type,
    _index_unchanged: bool,
    _info: *mut pg_sys::IndexInfo,
) -> bool {
    // SAFETY: one column; the index and the row's address are valid during the call.
    let (index, value, tid) = unsafe {
        if *is_null {
            return false;
        }
        (Index::new(index), *values, heap_tid_of(heap_tid))
    };
    // SAFETY: the column is a vector, and not null.
    let vector = unsafe { Vector::from_datum(value) };
    let meta = index.meta();
    check_dimensions(&vector, &meta);
    let nodes = index.nodes(&meta);
    let params = index.params(&meta);
    let row = Row { vector: vector.elements(), tid };
    let level = level_of(params, tid);
    index.pages.as_insertion(|| {
        with_nodes!(&nodes, kind => insert_row(&index, kind, params, level, row))
    });
    false
}

fn insert_row<K: Kind>(index: &Index, kind: &K, params: Params, level: u8, row: Row<'_>) {
    let mut planner = InsertPlanner::<K>::new();
    index.expect(insert(&index.pages, kind, params, &mut planner, level, row));
}

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

/// The level of a row's node, drawn from a generator that the row's address seeds: builds repeat exactly.
pub fn level_of(params: Params, tid: HeapTid) -> u8 {
    // SplitMix64's output function (Steele, Lea and Flood, 2014).
    let mut bits = (u64::from(tid.block) << 16 | u64::from(tid.offset)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    params.level(((bits >> 11) as f64 + 1.0) / (1u64 << 53) as f64)
}
