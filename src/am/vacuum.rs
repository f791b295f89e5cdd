//! Vacuum: rows that are gone leave the index, and their nodes the graph.

use super::index::{Index, with_nodes};
use crate::storage::{HeapTid, Kind, PageStore, clean_up, remove_rows};

/// What a vacuum did, for PostgreSQL's statistics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub pages: u32,
    pub rows_left: u64,
    pub rows_removed: u64,
}

/// Removes the rows for which `is_dead` says so, and everything that is left of nodes without rows.
pub fn bulk_delete(index: &Index, is_dead: &mut dyn FnMut(HeapTid) -> bool) -> Stats {
    let nodes = index.nodes(&index.meta());
    with_nodes!(&nodes, kind => bulk_delete_from(index, kind, is_dead))
}

fn bulk_delete_from<K: Kind>(index: &Index, kind: &K, is_dead: &mut dyn FnMut(HeapTid) -> bool) -> Stats {
    let pages = &index.pages;
    let mut removed = index.expect(remove_rows(pages, kind, is_dead));
    let (rows_left, rows_removed) = (removed.rows_left, removed.rows_removed);
    let mut barrier = || {
        pages.wait_for_insertions();
        Ok(())
    };
    let mut freed = |block, free| pages.record_free_space(block, free);
    let cleaned = index.expect(clean_up(pages, kind, &mut removed, &mut barrier, &mut freed));
    if cleaned.removed > 0 {
        pages.update_free_space_map();
    }
    Stats { pages: pages.blocks(), rows_left, rows_removed }
}
