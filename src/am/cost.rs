//! What the planner is told about a scan.

use super::index::Index;
use crate::hnsw::{DESCENT_BEAM, UPPER_BEAM};
use crate::settings;
use crate::storage::{NodeKind, USUAL_ROWS, usual_visits};
use pgrx::{pg_guard, pg_sys};

/// Share of a heap page's cost that a visit costs in arithmetic, in multiples of `cpu_operator_cost`: some thirty estimates
/// at once and one distance.
const OPERATORS_PER_VISIT: f64 = 8.0;

#[pg_guard]
#[allow(clippy::too_many_arguments)] // PostgreSQL's signature
pub unsafe extern "C-unwind" fn amcostestimate(
    root: *mut pg_sys::PlannerInfo,
    path: *mut pg_sys::IndexPath,
    loop_count: f64,
    startup_cost: *mut pg_sys::Cost,
    total_cost: *mut pg_sys::Cost,
    selectivity: *mut pg_sys::Selectivity,
    correlation: *mut f64,
    pages: *mut f64,
) {
    // SAFETY: the planner's structures are valid during the call, and the outputs are valid places.
    unsafe {
        if (*path).indexorderbys.is_null() {
            // Without an order there is nothing this index can do.
            *startup_cost = f64::INFINITY;
            *total_cost = f64::INFINITY;
            *selectivity = 0.0;
            *correlation = 0.0;
            *pages = 0.0;
            #[cfg(feature = "pg18")]
            {
                (*path).path.disabled_nodes = 2;
            }
            return;
        }

        let mut costs = pg_sys::GenericCosts::default();
        pg_sys::genericcostestimate(root, path, loop_count, &mut costs);

        let info = &*(*path).indexinfo;
        let index = pg_sys::index_open(info.indexoid, pg_sys::NoLock as _);
        let meta = Index::new(index).meta();
        pg_sys::index_close(index, pg_sys::NoLock as _);

        let (mut random_page_cost, mut seq_page_cost) = (0.0, 0.0);
        pg_sys::get_tablespace_page_costs(info.reltablespace, &mut random_page_cost, &mut seq_page_cost);

        // As many rows as the query reads, if none of them can be filtered out.
        let limit = (*root).limit_tuples;
        let is_limited = limit > 0.0 && (*info.rel).baserestrictinfo.is_null();
        let rows = if is_limited { limit as usize } else { USUAL_ROWS };
        let ef_search = settings::EF_SEARCH.get() as usize;
        let width = match meta.kind {
            NodeKind::Fused => usual_visits(ef_search, rows),
            NodeKind::Plain => ef_search,
        };
        let visits = visits(info.tuples, meta.m as f64, width as f64);
        let ratio = if info.tuples > 0.0 { (visits / info.tuples).min(1.0) } else { 1.0 };
        // Every visit reads a page, or several if a node takes several; none is read twice.
        let pages_per_node = (f64::from(info.pages) / info.tuples.max(1.0)).max(1.0);
        let visited_pages = (visits * pages_per_node).min(f64::from(info.pages));
        let heap_pages = f64::from((*info.rel).pages);
        let arithmetic =
            visits * (pg_sys::cpu_index_tuple_cost + OPERATORS_PER_VISIT * pg_sys::cpu_operator_cost);
        // The larger the part of the index that is read, the more pages lie side by side: bitmap scans are charged so.
        let part = (visited_pages / f64::from(info.pages).max(1.0)).sqrt();
        let page_cost = random_page_cost - (random_page_cost - seq_page_cost) * part;
        let mut reading = visited_pages * page_cost;
        if ratio < 0.5 {
            // A sequential scan's estimate leaves out the vectors that are stored out of line. It would win against the index
            // for no other reason, so the index is not charged for more than the table's own pages either.
            reading = reading.min(heap_pages * seq_page_cost);
        }

        *startup_cost = arithmetic + reading;
        *total_cost = costs.indexTotalCost.max(*startup_cost);
        *selectivity = costs.indexSelectivity;
        *correlation = costs.indexCorrelation;
        *pages = costs.numIndexPages;
    }
}

/// Nodes a scan visits until its first row: a few on each upper level, as many as its beam is wide on the base level. One of
/// `ivfflat` goes on from there, and every further row costs its share of the whole index, which is what the total says.
fn visits(nodes: f64, m: f64, width: f64) -> f64 {
    let levels = if nodes > 1.0 { (nodes.ln() / m.ln()).floor() } else { 0.0 };
    let above = (levels - 1.0).max(0.0) * UPPER_BEAM as f64;
    levels.min(1.0) * DESCENT_BEAM as f64 + above + width
}
