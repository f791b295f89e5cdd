//! The graph on pages as a whole: what is inserted, removed and vacuumed, by many at once, is found or gone.

use super::testing::*;
use super::*;
use crate::hnsw::Params;
use crate::metric::Metric;

const PARAMS: Params = Params { m: 8, ef_construction: 40 };

fn all(bed: &Bed) -> Vec<usize> {
    (0..bed.rows.len()).collect()
}

#[test]
fn smoke() {
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::L1] {
        for d in [12, 100] {
            let (rows, queries) = clustered(2000, d, 1);
            let bed = Bed::new(metric, PARAMS, rows);
            with_kind!(bed.meta, kind => {
                let rows = all(&bed);
                bed.fill(kind, &rows);
                let report = bed.check(kind, &rows);
                let r0 = bed.recall(kind, &queries, &rows, 40);
                println!("{metric:?} {d} {:?} recall {r0}", report.statistics);
                let linked = link_unreachable(&bed.pages, kind).unwrap();
                let report = bed.check(kind, &rows);
                println!("   {linked:?} unreachable {}, recall {}", report.statistics.unreachable, bed.recall(kind, &queries, &rows, 40));
                let left = sample(2000, 0.25, 3);
                let (removed, cleaned) = bed.vacuum(kind, |row| !left.contains(&row));
                println!("   {cleaned:?} {}", removed.rows_removed);
                let report = bed.check(kind, &left);
                let fresh = Bed::new(metric, PARAMS, bed.rows.clone());
                fresh.fill(kind, &left);
                println!("   {:?} recall {} fresh {}", report.statistics, bed.recall(kind, &queries, &left, 40), fresh.recall(kind, &queries, &left, 40));
            })
        }
    }
}
