//! Statements that are cancelled, and sessions that are terminated, at whatever they are doing.

use crate::harness::*;
use anyhow::ensure;
use postgres::Client;
use postgres::error::SqlState;

const CREATE: &str = "CREATE INDEX points_hnsw ON points USING hnsw (v vector_l2_ops)";

fn create_points(client: &mut Client, rows: usize, dimensions: usize) -> Result {
    create_table(client, "points", &Random::new(51).vectors(rows, dimensions))
}

/// Runs a statement with a time limit that it cannot keep.
fn expect_timeout(client: &mut Client, milliseconds: u32, statement: &str) -> Result {
    set(client, "statement_timeout", milliseconds)?;
    let result = client.batch_execute(statement);
    set(client, "statement_timeout", 0)?;
    expect_error(result, &SqlState::QUERY_CANCELED)
}

#[test]
fn a_cancelled_build_leaves_nothing() -> Result {
    let database = Database::new("cancel_build")?;
    let mut client = database.client()?;
    create_points(&mut client, 20_000, 100)?;
    client.batch_execute("SET client_min_messages = warning")?;
    for settings in [
        "SET max_parallel_maintenance_workers = 0",
        "SET max_parallel_maintenance_workers = 2",
        "SET maintenance_work_mem = '1MB'",
    ] {
        client.batch_execute(settings)?;
        for milliseconds in [1, 50, 200] {
            expect_timeout(&mut client, milliseconds, CREATE)?;
            let left = count(&mut client, "SELECT count(*) FROM pg_class WHERE relname = 'points_hnsw'")?;
            ensure!(left == 0, "{settings}: the index is there");
        }
    }
    // The session is as good as new.
    client.batch_execute("RESET ALL; SET enable_seqscan = off; DROP TABLE points")?;
    create_points(&mut client, 1000, 100)?;
    client.batch_execute(CREATE)?;
    set(&mut client, "hnsw.ef_search", 1000)?;
    let nearest = by_index(&mut client, "points", "<->", &Random::new(52).vector(100), 1000)?;
    ensure!(nearest.ids.len() == 1000, "{} rows", nearest.ids.len());
    check_index(&mut client, "points_hnsw")
}

#[test]
fn a_terminated_build_leaves_nothing() -> Result {
    let database = Database::new("cancel_terminate")?;
    let mut client = database.client()?;
    create_points(&mut client, 20_000, 100)?;
    for workers in [0, 2] {
        std::thread::scope(|scope| -> Result {
            let build = scope.spawn(|| -> Result {
                let mut client = database.client()?;
                set(&mut client, "max_parallel_maintenance_workers", workers)?;
                let built = client.batch_execute(CREATE);
                // The reason may come, or only the end of the connection.
                let Err(error) = built else { anyhow::bail!("the build ended too early") };
                ensure!(error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN), "{error}");
                Ok(())
            });
            wait_for("the build", || {
                let terminated = client.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index
                     WHERE datname = current_database() AND tuples_done > 500",
                    &[],
                )?;
                Ok(!terminated.is_empty())
            })?;
            build.join().map_err(|_| anyhow::anyhow!("the build panicked"))?
        })?;
        let left = count(&mut client, "SELECT count(*) FROM pg_class WHERE relname = 'points_hnsw'")?;
        ensure!(left == 0, "{workers} workers: the index is there");
    }
    Ok(())
}

#[test]
fn a_cancelled_concurrent_build_can_be_dropped() -> Result {
    let database = Database::new("cancel_concurrently")?;
    let mut client = database.client()?;
    create_points(&mut client, 20_000, 50)?;
    expect_timeout(
        &mut client,
        100,
        "CREATE INDEX CONCURRENTLY points_hnsw ON points USING hnsw (v vector_l2_ops)",
    )?;
    client.batch_execute(
        "INSERT INTO points SELECT id, v FROM points LIMIT 3; DELETE FROM points WHERE id > 300",
    )?;
    run(&mut client, "VACUUM points; DROP INDEX points_hnsw")?;
    client.batch_execute(CREATE)?;
    check_index(&mut client, "points_hnsw")
}

#[test]
fn a_cancelled_scan_does_no_harm() -> Result {
    let database = Database::new("cancel_scan")?;
    let mut client = database.client()?;
    create_points(&mut client, 10_000, 100)?;
    client.batch_execute(CREATE)?;
    // A scan that goes on for seconds, because nothing passes the filter.
    client.batch_execute("SET hnsw.iterative_scan = relaxed_order; SET hnsw.max_scan_tuples = 2147483647; SET hnsw.scan_mem_multiplier = 1000")?;
    let endless = "SELECT (SELECT id FROM points WHERE id < -g ORDER BY v <-> (SELECT v FROM points WHERE id = g) LIMIT 1) FROM generate_series(1, 1000) g";
    for milliseconds in [1, 5, 20, 100, 300] {
        expect_timeout(&mut client, milliseconds, endless)?;
        client.batch_execute("RESET hnsw.iterative_scan")?;
        let nearest = by_index(&mut client, "points", "<->", &Random::new(53).vector(100), 10)?;
        ensure!(nearest.ids.len() == 10, "{} rows", nearest.ids.len());
        client.batch_execute("SET hnsw.iterative_scan = relaxed_order")?;
    }
    Ok(())
}

#[test]
fn cancelled_writes_leave_a_sound_index() -> Result {
    let database = Database::new("cancel_writes")?;
    let mut client = database.client()?;
    create_points(&mut client, 2000, 40)?;
    client.batch_execute(CREATE)?;
    for milliseconds in [3, 10, 30, 100, 200] {
        let endless = "INSERT INTO points SELECT p.id + 10000, p.v + q.v FROM points p, points q";
        expect_timeout(&mut client, milliseconds, endless)?;
        check_index(&mut client, "points_hnsw")?;
    }
    let exam = Exam::new(&mut client, "points", "<->", Random::new(54).vectors(20, 40), 10)?;
    set(&mut client, "hnsw.ef_search", 400)?;
    exam.expect(&mut client, "after cancelled inserts", 0.95)?;

    // Vacuum, at what they left and at what is deleted now. Sooner or later it gets through.
    client.batch_execute("DELETE FROM points WHERE id % 3 = 0")?;
    let mut milliseconds = 1;
    loop {
        set(&mut client, "statement_timeout", milliseconds)?;
        let vacuumed = client.batch_execute("VACUUM points");
        set(&mut client, "statement_timeout", 0)?;
        check_index(&mut client, "points_hnsw")?;
        match vacuumed {
            Ok(()) => break,
            Err(error) => ensure!(error.code() == Some(&SqlState::QUERY_CANCELED), "{error}"),
        }
        milliseconds *= 2;
    }
    println!("vacuumed within {milliseconds} ms");
    let exam = Exam::new(&mut client, "points", "<->", Random::new(54).vectors(20, 40), 10)?;
    exam.expect(&mut client, "after vacuum", 0.97)?;
    run(&mut client, "SET hnsw.ef_search = 1000; DELETE FROM points WHERE id >= 900; VACUUM points")?;
    let nearest = by_index(&mut client, "points", "<->", &Random::new(55).vector(40), 1000)?;
    ensure!(nearest.ids.len() == 600, "{} rows", nearest.ids.len());
    check_index(&mut client, "points_hnsw")
}
