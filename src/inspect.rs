//! SQL functions that look into an index: `hnsw_check` and `hnsw_statistics`.

use crate::am::{Index, with_nodes};
use crate::storage::{Kind, Report, Severity, check};
use pgrx::iter::TableIterator;
use pgrx::{name, pg_extern, pg_sys};

/// Most findings that are described; the rest are counted.
const MAX_FINDINGS: usize = 1000;

/// What is wrong with an index, or merely worth knowing; no row if it is sound. The table can be read but not changed
/// meanwhile.
#[pg_extern(sql = false)]
fn hnsw_check(
    index: pg_sys::Oid,
) -> TableIterator<
    'static,
    (name!(severity, String), name!(block, i64), name!(item, i32), name!(problem, String)),
> {
    let report = report(index, MAX_FINDINGS);
    let unnamed = report.errors + report.notes - report.findings.len() as u64;
    let rest = (unnamed > 0).then(|| ("note".to_string(), 0, 0, format!("{unnamed} further findings")));
    let findings = report.findings.into_iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Note => "note",
        };
        (severity.to_string(), i64::from(finding.at.block), i32::from(finding.at.offset), finding.text)
    });
    TableIterator::new(findings.chain(rest))
}

/// What an index consists of.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // the columns of a result, declared once
fn hnsw_statistics(
    index: pg_sys::Oid,
) -> TableIterator<
    'static,
    (
        name!(pages, i64),
        name!(live_rows, i64),
        name!(unreachable_rows, i64),
        name!(tuples_per_level, Vec<i64>),
        name!(dead_tuples, i64),
        name!(average_links, f64),
        name!(free_bytes, i64),
    ),
> {
    let report = report(index, 0);
    let statistics = &report.statistics;
    TableIterator::once((
        i64::from(statistics.pages),
        statistics.rows as i64,
        statistics.unreachable_rows as i64,
        statistics.levels.iter().map(|&tuples| tuples as i64).collect(),
        statistics.dead as i64,
        report.average_degree(),
        statistics.free_bytes as i64,
    ))
}

fn report(index: pg_sys::Oid, limit: usize) -> Report {
    fn check_nodes<K: Kind>(index: &Index, kind: &K, limit: usize) -> Report {
        index.expect(check(&index.pages, kind, limit))
    }
    Index::with_writers_kept_out(index, |index| {
        let nodes = index.nodes(&index.meta());
        with_nodes!(&nodes, kind => check_nodes(index, kind, limit))
    })
}
