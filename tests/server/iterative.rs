//! Scans that go on until a filter is content.

use crate::harness::*;
use anyhow::ensure;
use postgres::Client;

const ROWS: usize = 20_000;

/// Points with a column `kind` that is 0 in one row of `every`.
fn create_points(client: &mut Client, dimensions: usize, every: usize) -> Result {
    create_table(client, "points", &Random::new(21).vectors(ROWS, dimensions))?;
    run(
        client,
        &format!(
            "ALTER TABLE points ADD kind int; UPDATE points SET kind = (id * 7919::bigint) % {every}; VACUUM FULL points; ANALYZE points"
        ),
    )?;
    Ok(())
}

/// The filtered rows that a scan brings, and the share of the right ones among them.
fn filtered_recall(client: &mut Client, operator: &str, filter: &str, wanted: i64) -> Result<f64> {
    let query = format!("SELECT v {operator} $1 FROM points WHERE {filter}");
    let (mut found, mut expected) = (0, 0);
    for vector in Random::new(22).vectors(20, 3) {
        let exact =
            client.query(&format!("{query} ORDER BY (v {operator} $1) + 0 LIMIT $2"), &[&vector, &wanted])?;
        let bound: f64 = exact[exact.len() - 1].get(0);
        let rows =
            client.query(&format!("{query} ORDER BY v {operator} $1 LIMIT $2"), &[&vector, &wanted])?;
        found += rows.iter().filter(|row| row.get::<_, f64>(0) <= bound).count();
        expected += exact.len();
    }
    Ok(found as f64 / expected as f64)
}

#[test]
fn a_filter_finds_what_it_looks_for() -> Result {
    let database = Database::new("iterative_recall")?;
    let mut client = database.client()?;
    create_points(&mut client, 3, 500)?;
    let mut findings = Findings::default();
    for (operator, class) in [METRICS[0], METRICS[2]] {
        client.batch_execute(&format!("CREATE INDEX ON points USING hnsw (v {class})"))?;
        for mode in ["strict_order", "relaxed_order"] {
            set(&mut client, "hnsw.iterative_scan", mode)?;
            for filter in ["kind % 50 = 0", "kind = 0"] {
                let recall = filtered_recall(&mut client, operator, filter, 20)?;
                println!("{operator}, {mode}, {filter}: recall {recall:.4}");
                if recall < 0.99 {
                    findings.add(Err(anyhow::anyhow!("{operator}, {mode}, {filter}: recall {recall}")));
                }
            }
        }
    }
    findings.result()
}

#[test]
fn the_limit_on_visits_counts_visited_rows() -> Result {
    let database = Database::new("iterative_limit")?;
    let mut client = database.client()?;
    create_points(&mut client, 3, 2000)?;
    client.batch_execute(
        "CREATE INDEX ON points USING hnsw (v vector_l2_ops);
         SET hnsw.iterative_scan = relaxed_order; SET hnsw.scan_mem_multiplier = 4",
    )?;
    let queries = Random::new(23).vectors(20, 3);
    let mut average = |visits: usize| -> Result<f64> {
        set(&mut client, "hnsw.max_scan_tuples", visits)?;
        let mut found = 0;
        for query in &queries {
            found += client
                .query("SELECT id FROM points WHERE kind = 0 ORDER BY v <-> $1 LIMIT 11", &[query])?
                .len();
        }
        Ok(found as f64 / queries.len() as f64)
    };
    ensure!(average(ROWS)? == 10.0, "a limit as high as the table is no limit");
    for visits in [6000, 10_000, 14_000] {
        let (found, expected) = (average(visits)?, visits as f64 / 2000.0);
        println!("{visits} visits: {found} rows on average");
        ensure!((found - expected).abs() <= 2.0, "{visits} visits: {found} rows, not {expected}");
    }
    Ok(())
}

#[test]
fn the_limit_on_memory_ends_a_scan_without_an_error() -> Result {
    let database = Database::new("iterative_memory")?;
    let mut client = database.client()?;
    create_points(&mut client, 3, 2000)?;
    client.batch_execute(
        "CREATE INDEX ON points USING hnsw (v vector_l2_ops);
         SET hnsw.iterative_scan = relaxed_order; SET hnsw.max_scan_tuples = 1000000",
    )?;
    let query = Random::new(24).vector(3);
    let mut found = |work_mem: &str, multiplier: i32| -> Result<usize> {
        set(&mut client, "work_mem", work_mem)?;
        set(&mut client, "hnsw.scan_mem_multiplier", multiplier)?;
        Ok(client.query("SELECT id FROM points WHERE kind = 0 ORDER BY v <-> $1", &[&query])?.len())
    };
    let (little, more) = (found("64kB", 1)?, found("64kB", 1000)?);
    println!("{little} rows with 64 kB, {more} with a thousand times as much");
    ensure!(little < 10 && more == 10, "{little} rows with 64 kB, {more} with a thousand times as much");
    Ok(())
}

#[test]
fn strict_order_is_kept_over_a_whole_table() -> Result {
    let database = Database::new("iterative_order")?;
    let mut client = database.client()?;
    create_table(&mut client, "points", &Random::new(25).vectors(3000, 24))?;
    for (operator, class) in METRICS {
        client.batch_execute(&format!("CREATE INDEX ON points USING hnsw (v {class})"))?;
        let query = Random::new(26).vector(24);
        set(&mut client, "hnsw.iterative_scan", "strict_order")?;
        // by_index checks the order
        let strict = by_index(&mut client, "points", operator, &query, 3000)?;
        println!("{operator}: {} rows in strict order", strict.ids.len());
        ensure!(strict.ids.len() > 1000, "{operator}: only {} rows in strict order", strict.ids.len());
        set(&mut client, "hnsw.iterative_scan", "relaxed_order")?;
        // Enough for everything that can be reached.
        set(&mut client, "hnsw.scan_mem_multiplier", 100)?;
        let relaxed = client.query(&format!("SELECT id FROM points ORDER BY v {operator} $1"), &[&query])?;
        let ids: std::collections::HashSet<i32> = relaxed.iter().map(|row| row.get(0)).collect();
        ensure!(ids.len() == relaxed.len(), "{operator}: rows came twice");
        // By inner product, rows that are nobody's nearest are hard to reach in any such graph.
        println!("{operator}: {} rows in relaxed order", ids.len());
        ensure!(ids.len() >= 2990 || operator == "<#>", "{operator}: {} rows in relaxed order", ids.len());
    }
    Ok(())
}
