//! The planner's choice, where vectors are long.

use crate::harness::*;
use anyhow::ensure;
use postgres::Client;

fn plan(client: &mut Client, query: &str) -> Result<String> {
    let lines = client.query(&format!("EXPLAIN {query}"), &[])?;
    Ok(lines.iter().map(|line| line.get::<_, String>(0) + "\n").collect())
}

#[test]
fn a_few_of_the_nearest_are_looked_up_in_the_index() -> Result {
    let database = Database::new("plans")?;
    let mut client = database.client()?;
    client.batch_execute("SET enable_seqscan = on")?;
    for (dimensions, rows) in [(384, 2000), (1536, 2000), (3, 20_000)] {
        create_table(&mut client, "wide", &Random::new(31).vectors(rows, dimensions))?;
        client.batch_execute("CREATE INDEX ON wide USING hnsw (v vector_l2_ops); ANALYZE wide")?;
        let zeros = vec!["0"; dimensions].join(",");
        let query = format!("SELECT id FROM wide ORDER BY v <-> '[{zeros}]' LIMIT 10");
        let plan = plan(&mut client, &query)?;
        ensure!(plan.contains("Index Scan"), "{dimensions} dimensions, {rows} rows:\n{plan}");
        client.batch_execute("DROP TABLE wide")?;
    }
    Ok(())
}

#[test]
fn all_the_rows_within_a_distance_are_looked_up_in_the_table() -> Result {
    let database = Database::new("plans_distance")?;
    let mut client = database.client()?;
    client.batch_execute("SET enable_seqscan = on")?;
    create_table(&mut client, "wide", &Random::new(32).vectors(6000, 16))?;
    client.batch_execute("CREATE INDEX ON wide USING hnsw (v vector_l2_ops); ANALYZE wide")?;
    let zeros = vec!["0"; 16].join(",");
    let within = format!("v <-> '[{zeros}]' < 1");
    let order = format!("ORDER BY v <-> '[{zeros}]'");
    let limited = plan(&mut client, &format!("SELECT id FROM wide WHERE {within} {order} LIMIT 10"))?;
    ensure!(limited.contains("Index Scan"), "{limited}");
    for query in
        [format!("SELECT id FROM wide WHERE {within}"), format!("SELECT id FROM wide WHERE {within} {order}")]
    {
        let plan = plan(&mut client, &query)?;
        ensure!(plan.contains("Seq Scan"), "{query}\n{plan}");
    }
    Ok(())
}
