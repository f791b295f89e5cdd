//! The order of results, and values made to break it.

use crate::harness::*;
use anyhow::ensure;
use postgres::Client;

/// Elements that arithmetic in single precision stumbles over.
const HOSTILE: [f32; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::MAX,
    f32::MIN,
    1e38,
    -1e38,
    1e19,
    1.9e19,
    f32::MIN_POSITIVE,
    1e-40,
    f32::from_bits(1),
    1e-20,
    f32::EPSILON,
    16_777_216.0,
];

/// Vectors with such elements: one kind throughout, a single one among ordinary ones, or all of them mixed.
fn hostile_vector(random: &mut Random, dimensions: usize) -> Vector {
    let hostile = |random: &mut Random| HOSTILE[random.below(HOSTILE.len())];
    let mut elements = match random.below(5) {
        0 => vec![hostile(random); dimensions],
        1 => (0..dimensions).map(|_| hostile(random)).collect(),
        2 => {
            let mut ordinary = random.vector(dimensions).0;
            ordinary[random.below(dimensions)] = hostile(random);
            ordinary
        }
        3 => {
            let scale = hostile(random);
            random.vector(dimensions).0.iter().map(|x| (x - 0.5) * scale).collect()
        }
        _ => random.vector(dimensions).0,
    };
    elements.iter_mut().for_each(|x| *x = x.clamp(f32::MIN, f32::MAX));
    Vector(elements)
}

/// Rows must come in order, with the distances that a scan of the table finds.
fn examine_order(client: &mut Client, operator: &str, query: &Vector) -> Result {
    let table = "hostile";
    let nearest = by_index(client, table, operator, query, 1000)?;
    let exact = client.query(
        &format!("SELECT id, v {operator} $1 FROM {table} ORDER BY (v {operator} $1) + 0, id"),
        &[query],
    )?;
    let exact: std::collections::HashMap<i32, f64> =
        exact.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (id, distance) in nearest.ids.iter().zip(&nearest.distances) {
        ensure!(
            exact.get(id).is_some_and(|exact| exact.total_cmp(distance).is_eq()),
            "row {id} came with distance {distance}, but has {:?}",
            exact.get(id)
        );
    }
    // Among rows at infinite distances the graph loses some. Few of those at ordinary distances may go with them (with
    // pgvector, one in six does).
    let ordinary =
        "SELECT id FROM hostile WHERE (SELECT max(abs(x)) FROM unnest(v::real[]) x) BETWEEN 1e-10 AND 1e10";
    let ordinary: Vec<i32> = client.query(ordinary, &[])?.iter().map(|row| row.get(0)).collect();
    let lost = ordinary.iter().filter(|id| !nearest.ids.contains(id)).count();
    ensure!(lost * 5 <= ordinary.len(), "{lost} of {} ordinary rows are missing", ordinary.len());
    Ok(())
}

/// Fills a table with hostile vectors, half of them after indexes were built, and asks each index for hostile queries.
pub fn examine_hostile(
    client: &mut Client,
    random: &mut Random,
    dimensions: usize,
    rows: usize,
    queries: usize,
) -> Result<Findings> {
    let method = method();
    let mut findings = Findings::default();
    set(client, "hnsw.ef_search", 1000)?;
    let vectors: Vec<Vector> = (0..rows).map(|_| hostile_vector(random, dimensions)).collect();
    create_table(client, "hostile", &vectors[..rows / 2])?;
    for (number, (_, class)) in METRICS.iter().enumerate() {
        client
            .batch_execute(&format!("CREATE INDEX hostile_{number} ON hostile USING {method} (v {class})"))?;
    }
    copy(client, "hostile", rows as i32 / 2, &vectors[rows / 2..])?;
    let queries = (0..queries).map(|_| hostile_vector(random, dimensions)).collect::<Vec<_>>();
    for (operator, _) in METRICS {
        for query in queries.iter().chain(&vectors[..3]) {
            if is_pgvector() {
                // It loses rows and order where distances are infinite or no numbers, but answers.
                client.query(&format!("SELECT id FROM hostile ORDER BY v {operator} $1"), &[query])?;
                continue;
            }
            findings.add(examine_order(client, operator, query).map_err(|error| {
                error.context(format!(
                    "{dimensions} dimensions, {operator}, {:?}...",
                    &query.0[..dimensions.min(4)]
                ))
            }));
        }
    }
    for number in 0..METRICS.len() {
        findings.add(check_index(client, &format!("hostile_{number}")));
    }
    client.batch_execute("DROP TABLE hostile")?;
    Ok(findings)
}

#[test]
fn no_value_brings_rows_into_disorder() -> Result {
    let database = Database::new("order_hostile")?;
    let mut client = database.client()?;
    let mut random = Random::new(11);
    let mut findings = Findings::default();
    for dimensions in [1, 2, 3, 8, 33, 64, 128, 300, 385, 784] {
        findings.add(examine_hostile(&mut client, &mut random, dimensions, 120, 15)?.result());
    }
    findings.result()
}

#[test]
fn nearly_equal_rows_come_in_order() -> Result {
    let method = method();
    let database = Database::new("order_close")?;
    let mut client = database.client()?;
    let mut random = Random::new(12);
    for (dimensions, scale) in [(3, 1e-3), (128, 1e-4), (400, 1e-6), (768, 1e-5)] {
        let centre = random.vector(dimensions);
        let near = |random: &mut Random| {
            Vector(centre.0.iter().map(|x| x + (random.unit() - 0.5) * scale).collect())
        };
        let vectors: Vec<Vector> = (0..500).map(|_| near(&mut random)).collect();
        create_table(&mut client, "close", &vectors)?;
        for (operator, class) in METRICS {
            client.batch_execute(&format!("CREATE INDEX ON close USING {method} (v {class})"))?;
            for ef_search in [1, 10, 40, 200] {
                set(&mut client, "hnsw.ef_search", ef_search)?;
                for _ in 0..10 {
                    let query = near(&mut random);
                    // by_index checks the order
                    let nearest = by_index(&mut client, "close", operator, &query, 1000)?;
                    ensure!(
                        nearest.ids.len() >= ef_search.min(500) || is_pgvector(),
                        "{} rows",
                        nearest.ids.len()
                    );
                }
            }
        }
        client.batch_execute("DROP TABLE close")?;
    }
    Ok(())
}

#[test]
fn rows_fetched_one_by_one_come_in_the_order_of_all_at_once() -> Result {
    let method = method();
    let database = Database::new("order_cursor")?;
    let mut client = database.client()?;
    let mut random = Random::new(13);
    create_table(&mut client, "points", &random.vectors(2000, 20))?;
    for (operator, class) in METRICS {
        client.batch_execute(&format!("CREATE INDEX ON points USING {method} (v {class})"))?;
        let query = random.vector(20);
        let mut transaction = client.transaction()?;
        transaction.batch_execute("SET LOCAL enable_seqscan = off")?;
        let all = format!("SELECT id FROM points ORDER BY v {operator} $1");
        let at_once: Vec<i32> = transaction.query(&all, &[&query])?.iter().map(|row| row.get(0)).collect();
        let portal = transaction.bind(&all, &[&query])?;
        let mut ids: Vec<i32> = Vec::new();
        while let [row] = transaction.query_portal(&portal, 1)?.as_slice() {
            ids.push(row.get(0));
        }
        drop(transaction);
        ensure!(ids == at_once && ids.len() == 40, "{ids:?} one by one, {at_once:?} at once");
        // A search is as wide for each of these.
        let ten = by_index(&mut client, "points", operator, &query, 10)?;
        for limit in [1, 2, 3, 9] {
            let some = by_index(&mut client, "points", operator, &query, limit)?;
            ensure!(some.ids == ten.ids[..limit as usize], "other rows with LIMIT {limit}");
        }
    }
    Ok(())
}
