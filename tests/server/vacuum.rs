//! What vacuum leaves: every row that lives, none that does not, and room for new ones.

use crate::harness::*;
use anyhow::ensure;

#[test]
fn the_space_of_dead_rows_is_used_again() -> Result {
    let database = Database::alone("vacuum-space")?;
    let mut client = database.client()?;
    let points = Random::new(61).vectors(10_000, 3);
    create_table(&mut client, "points", &points)?;
    client.batch_execute("CREATE INDEX points_hnsw ON points USING hnsw (v vector_l2_ops)")?;
    let size = "SELECT pg_relation_size('points_hnsw')";
    let before = count(&mut client, size)?;
    run(&mut client, "DELETE FROM points; VACUUM points")?;
    let empty =
        count(&mut client, "SELECT count(*) FROM (SELECT FROM points ORDER BY v <-> '[1,2,3]') AS found")?;
    ensure!(empty == 0, "{empty} dead rows found");
    check_index(&mut client, "points_hnsw")?;
    copy(&mut client, "points", 0, &points)?;
    let after = count(&mut client, size)?;
    println!("{before} bytes before, {after} after");
    ensure!(after as f64 <= before as f64 * 1.02, "{before} bytes before, {after} after");
    let exam = Exam::new(&mut client, "points", "<->", Random::new(62).vectors(20, 3), 20)?;
    exam.expect(&mut client, "inserted again", 0.99)?;
    check_index(&mut client, "points_hnsw")
}

#[test]
fn the_last_row_alive_is_found() -> Result {
    let database = Database::alone("vacuum-last")?;
    let mut client = database.client()?;
    for (dimensions, survivor) in [(3, 123), (3, 2999), (70, 1500)] {
        create_table(&mut client, "points", &Random::new(63).vectors(3000, dimensions))?;
        client.batch_execute("CREATE INDEX points_hnsw ON points USING hnsw (v vector_l2_ops)")?;
        client.execute("DELETE FROM points WHERE id <> $1", &[&survivor])?;
        client.batch_execute("VACUUM points")?;
        let found = by_index(&mut client, "points", "<->", &Random::new(64).vector(dimensions), 10)?;
        ensure!(found.ids == [survivor], "{:?} instead of {survivor}", found.ids);
        check_index(&mut client, "points_hnsw")?;
        client.batch_execute("DROP TABLE points")?;
    }
    Ok(())
}

#[test]
fn rounds_of_deleting_and_inserting_lose_few_rows() -> Result {
    let database = Database::alone("vacuum-rounds")?;
    let mut client = database.client()?;
    set(&mut client, "hnsw.ef_search", 1000)?;
    // By one thread, so that the result is the same every time.
    set(&mut client, "max_parallel_maintenance_workers", 0)?;
    let mut random = Random::new(65);
    for dimensions in [2, 60, 1700] {
        create_table(&mut client, "points", &random.vectors(300, dimensions))?;
        for (number, (_, class)) in METRICS.iter().enumerate() {
            client.batch_execute(&format!("CREATE INDEX points_{number} ON points USING hnsw (v {class}) WITH (m = 4, ef_construction = 16)"))?;
        }
        let mut sizes = Vec::new();
        for round in 1..=8 {
            // Every other time most of them, and at times those that came first.
            let condition = match round % 4 {
                0 => "id % 10 <> 0".to_owned(),
                2 => format!("id < {}", round * 100),
                _ => format!("id % 3 = {}", round % 3),
            };
            run(&mut client, &format!("DELETE FROM points WHERE {condition}; VACUUM points"))?;
            copy(&mut client, "points", round * 1000, &random.vectors(100, dimensions))?;
            let alive = count(&mut client, "SELECT count(*) FROM points")?;
            for (number, (operator, _)) in METRICS.iter().enumerate() {
                let found = by_index(&mut client, "points", operator, &random.vector(dimensions), 1000)?;
                println!(
                    "{dimensions} dimensions, round {round}: {operator} finds {} of {alive}",
                    found.ids.len()
                );
                // With so few links some rows cannot be reached (pgvector loses 5 of 300 too), and by inner product all
                // those which are nobody's nearest.
                let lost = alive - found.ids.len() as i64;
                ensure!(
                    lost * 20 <= alive || *operator == "<#>",
                    "{dimensions} dimensions, round {round}: {operator} finds {} of {alive} rows",
                    found.ids.len()
                );
                check_index(&mut client, &format!("points_{number}"))?;
            }
            sizes.push(count(&mut client, "SELECT pg_relation_size('points_0')")?);
        }
        println!("{dimensions} dimensions: sizes {sizes:?}");
        client.batch_execute("DROP TABLE points")?;
    }
    Ok(())
}

#[test]
fn equal_rows_live_and_die_one_by_one() -> Result {
    let database = Database::alone("vacuum-equal")?;
    let mut client = database.client()?;
    set(&mut client, "hnsw.ef_search", 1000)?;
    client.batch_execute(
        "CREATE TABLE equal_rows (id int, v vector(3));
         CREATE INDEX equal_hnsw ON equal_rows USING hnsw (v vector_l2_ops);
         INSERT INTO equal_rows SELECT i, ARRAY[i % 5, 0, 0]::vector FROM generate_series(0, 199) i",
    )?;
    let ids = "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM (SELECT id FROM equal_rows ORDER BY v <-> '[1,0,0]') AS found";
    for step in 0..10 {
        client.execute("DELETE FROM equal_rows WHERE id % 10 = $1", &[&((step * 7) % 10)])?;
        client.batch_execute("VACUUM equal_rows")?;
        let found: Vec<i32> = client.query_one(ids, &[])?.get(0);
        let alive: Vec<i32> =
            client.query_one("SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM equal_rows", &[])?.get(0);
        ensure!(found == alive, "step {step}: {found:?} found, {alive:?} alive");
        check_index(&mut client, "equal_hnsw")?;
    }
    Ok(())
}

#[test]
fn vacuum_reports_what_it_removed() -> Result {
    let database = Database::alone("vacuum-statistics")?;
    let mut client = database.client()?;
    create_table(&mut client, "points", &Random::new(66).vectors(1000, 3))?;
    run(
        &mut client,
        "CREATE INDEX points_hnsw ON points USING hnsw (v vector_l2_ops);
         DELETE FROM points WHERE id < 400; VACUUM points",
    )?;
    let row = client.query_one("SELECT reltuples::int8, relpages::int8, pg_relation_size(oid) / 8192 FROM pg_class WHERE relname = 'points_hnsw'", &[])?;
    let (tuples, pages, real_pages): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    ensure!((tuples, pages) == (600, real_pages), "{tuples} rows and {pages} pages (there are {real_pages})");
    Ok(())
}
