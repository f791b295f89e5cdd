//! One row into an existing index.

use super::index::{Index, with_nodes};
use crate::hnsw::Params;
use crate::storage::{HeapTid, InsertPlanner, Kind, Meta, Row, insert};

/// Adds a row. A zero vector is not indexed for the cosine.
pub fn insert_value(index: &Index, meta: &Meta, row: Row<'_>) {
    let nodes = index.nodes(meta);
    let params = index.params(meta);
    let level = level_of(params, row.tid);
    index.pages.as_insertion(|| with_nodes!(&nodes, kind => insert_row(index, kind, params, level, row)));
}

fn insert_row<K: Kind>(index: &Index, kind: &K, params: Params, level: u8, row: Row<'_>) {
    let mut planner = InsertPlanner::<K>::new();
    index.expect(insert(&index.pages, kind, params, &mut planner, level, row));
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
