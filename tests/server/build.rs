//! CREATE INDEX: with little memory, watched, rolled back, and beside other statements.

use crate::harness::*;
use anyhow::{Context, ensure};
use postgres::Client;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

const CREATE: &str = "CREATE INDEX points_hnsw ON points USING hnsw (v vector_l2_ops)";

/// The number of rows a scan for everything finds, in a table of at most a thousand.
fn found(client: &mut Client) -> Result<i64> {
    client.batch_execute("SET hnsw.ef_search = 1000")?;
    count(
        client,
        "SELECT count(*) FROM (SELECT FROM points ORDER BY v <-> (SELECT v FROM points LIMIT 1)) AS found",
    )
}

#[test]
fn a_build_that_outgrows_its_memory_says_so() -> Result {
    let database = Database::new("build_memory")?;
    let (mut client, notices) = database.listening_client()?;
    create_table(&mut client, "points", &Random::new(41).vectors(5000, 32))?;
    let mut needs = Vec::new();
    for (workers, memory) in [(0, "1MB"), (0, "2MB"), (2, "1500kB"), (1, "3073kB")] {
        client.batch_execute(&format!("ALTER TABLE points SET (parallel_workers = {workers})"))?;
        set(&mut client, "maintenance_work_mem", memory)?;
        client.batch_execute(CREATE)?;
        let notices: Vec<_> = notices.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let [notice] = notices.as_slice() else { anyhow::bail!("{memory}: notices {notices:?}") };
        println!("{workers} workers, {memory}: {}", notice.message());
        let after =
            notice.message().strip_prefix("hnsw graph no longer fits into maintenance_work_mem after ");
        let after = after.and_then(|rest| rest.strip_suffix(" tuples")).context("another notice")?;
        let after: usize = after.parse()?;
        ensure!(after < 5000, "it fitted until the end");
        let needed = notice.detail().and_then(|detail| {
            detail
                .strip_prefix("Building will take significantly more time. The whole graph would take about ")
        });
        let needed = needed.and_then(|rest| rest.strip_suffix(" MB.")).context("another detail")?;
        needs.push(needed.parse::<usize>()?);
        ensure!(notice.hint() == Some("Increase maintenance_work_mem to speed up builds."), "{notice:?}");
        check_index(&mut client, "points_hnsw")?;
        let exam = Exam::new(&mut client, "points", "<->", Random::new(42).vectors(20, 32), 10)?;
        set(&mut client, "hnsw.ef_search", 200)?;
        exam.expect(&mut client, memory, 0.97)?;
        client.batch_execute("DROP INDEX points_hnsw")?;
    }
    // What it said would have been enough is, give or take a fifth, and not for nothing.
    let index_megabytes = {
        let most = needs.iter().max().context("no notice")?;
        set(&mut client, "maintenance_work_mem", format!("{}MB", most * 6 / 5 + 1))?;
        client.batch_execute(CREATE)?;
        count(&mut client, "SELECT pg_relation_size('points_hnsw') >> 20")?
    };
    let notices = notices.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(notices.is_empty(), "{needs:?} MB: {notices:?}");
    ensure!(needs.iter().all(|&need| need as i64 <= 2 * index_megabytes + 1), "{needs:?}, {index_megabytes}");
    Ok(())
}

#[test]
fn a_build_with_enough_memory_is_silent() -> Result {
    let database = Database::new("build_silent")?;
    let (mut client, notices) = database.listening_client()?;
    create_table(&mut client, "points", &Random::new(43).vectors(1000, 32))?;
    client.batch_execute(CREATE)?;
    let notices = notices.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(notices.is_empty(), "{notices:?}");
    Ok(())
}

#[test]
fn any_number_of_workers_indexes_every_row() -> Result {
    let database = Database::new("build_workers")?;
    let mut client = database.client()?;
    create_table(&mut client, "points", &Random::new(44).vectors(900, 5))?;
    client.batch_execute("INSERT INTO points SELECT -i, NULL FROM generate_series(1, 50) i")?;
    for most in [0, 1, 8] {
        set(&mut client, "max_parallel_maintenance_workers", most)?;
        for workers in [
            "RESET (parallel_workers)",
            "SET (parallel_workers = 0)",
            "SET (parallel_workers = 1)",
            "SET (parallel_workers = 9)",
        ] {
            client.batch_execute(&format!("ALTER TABLE points {workers}; {CREATE}"))?;
            let found = found(&mut client)?;
            ensure!(found == 900, "at most {most} workers, {workers}: {found} rows found");
            check_index(&mut client, "points_hnsw")?;
            let tuples: f32 =
                client.query_one("SELECT reltuples FROM pg_class WHERE relname = 'points_hnsw'", &[])?.get(0);
            ensure!(tuples == 900.0, "the index says that it has {tuples} rows");
            client.batch_execute("DROP INDEX points_hnsw")?;
        }
    }
    Ok(())
}

#[test]
fn progress_shows_phases_and_rows() -> Result {
    let database = Database::new("build_progress")?;
    let mut client = database.client()?;
    const ROWS: i64 = 20_000;
    create_table(&mut client, "points", &Random::new(45).vectors(ROWS as usize, 48))?;
    let mut seen: Vec<(String, i64, i64, i64)> = Vec::new();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result {
        let build = scope.spawn(|| -> Result {
            let built = database.client().and_then(|mut client| Ok(client.batch_execute(CREATE)?));
            is_over.store(true, Ordering::Release);
            built
        });
        while !is_over.load(Ordering::Acquire) {
            let progress = client.query_opt(
                "SELECT phase, tuples_done, blocks_done, blocks_total FROM pg_stat_progress_create_index
                 WHERE datname = current_database()",
                &[],
            )?;
            seen.extend(progress.map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))));
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
        build.join().map_err(|_| anyhow::anyhow!("the build panicked"))?
    })?;
    let mut phases: Vec<&str> = seen.iter().map(|(phase, ..)| phase.as_str()).collect();
    phases.dedup();
    println!("{phases:?}");
    ensure!(phases.contains(&"building index: loading tuples"), "{phases:?}");
    let tuples: Vec<i64> = seen.iter().map(|(_, tuples, ..)| *tuples).collect();
    ensure!(tuples.is_sorted() && tuples.iter().all(|done| (0..=ROWS).contains(done)), "{tuples:?}");
    let between = tuples.iter().filter(|done| (1..ROWS).contains(*done)).count();
    ensure!(between > 3, "the count of rows jumped: {tuples:?}");
    ensure!(seen.iter().all(|(.., done, total)| done <= total), "more blocks than there are");
    ensure!(seen.iter().any(|(.., total)| *total > 0), "the number of blocks is unknown");
    Ok(())
}

#[test]
fn a_build_rolled_back_leaves_nothing() -> Result {
    let database = Database::new("build_rollback")?;
    let mut client = database.client()?;
    create_table(&mut client, "points", &Random::new(46).vectors(500, 10))?;
    let files = "SELECT count(*) FROM pg_ls_dir('base/' || (SELECT oid FROM pg_database WHERE datname = current_database())) f";
    client.batch_execute("CHECKPOINT")?;
    let before = count(&mut client, files)?;
    for _ in 0..3 {
        let mut transaction = client.transaction()?;
        transaction.batch_execute(CREATE)?;
        transaction.batch_execute("INSERT INTO points SELECT id + 500, v FROM points WHERE id < 10")?;
        let found: i64 = transaction
            .query_one("SELECT count(*) FROM (SELECT FROM points ORDER BY v <-> (SELECT v FROM points LIMIT 1)) AS f", &[])?
            .get(0);
        ensure!(found >= 40, "{found} rows within the transaction");
        transaction.rollback()?;
    }
    let left = count(&mut client, "SELECT count(*) FROM pg_class WHERE relname = 'points_hnsw'")?;
    // Emptied files stay until the next checkpoint.
    client.batch_execute("CHECKPOINT")?;
    let after = count(&mut client, files)?;
    ensure!(left == 0 && after == before, "{left} indexes left, {} files", after - before);

    // A savepoint's index goes, the transaction's stays.
    let mut transaction = client.transaction()?;
    transaction.batch_execute("SAVEPOINT a")?;
    transaction.batch_execute(CREATE)?;
    transaction.batch_execute("ROLLBACK TO a")?;
    transaction.batch_execute(CREATE)?;
    transaction.commit()?;
    ensure!(found(&mut client)? == 500, "rows are missing");
    check_index(&mut client, "points_hnsw")
}

#[test]
fn concurrent_builds_miss_no_row() -> Result {
    let database = Database::new("build_concurrently")?;
    let mut client = database.client()?;
    create_table(&mut client, "points", &Random::new(47).vectors(400, 8))?;
    let is_over = AtomicBool::new(false);
    let inserted = std::thread::scope(|scope| -> Result<i32> {
        let writer = scope.spawn(|| -> Result<i32> {
            let mut client = database.client()?;
            let mut random = Random::new(48);
            let mut next = 400;
            // Rows come, change and go while the indexes are built.
            while !is_over.load(Ordering::Acquire) && next < 900 {
                client.execute("INSERT INTO points VALUES ($1, $2)", &[&next, &random.vector(8)])?;
                client
                    .execute("UPDATE points SET v = $2 WHERE id = $1", &[&(next - 7), &random.vector(8)])?;
                next += 1;
            }
            Ok(next)
        });
        let build = || -> Result {
            let mut client = database.client()?;
            client.batch_execute(
                "CREATE INDEX CONCURRENTLY points_hnsw ON points USING hnsw (v vector_l2_ops)",
            )?;
            client.batch_execute("REINDEX INDEX CONCURRENTLY points_hnsw")?;
            client.batch_execute("REINDEX INDEX CONCURRENTLY points_hnsw")?;
            Ok(())
        };
        let built = build();
        is_over.store(true, Ordering::Release);
        let inserted = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?;
        built.and(inserted)
    })?;
    client.batch_execute("VACUUM points")?;
    let found = found(&mut client)?;
    ensure!(found == i64::from(inserted), "{found} of {inserted} rows found");
    let nearest = by_index(&mut client, "points", "<->", &Random::new(49).vector(8), 1000)?;
    ensure!(nearest.ids.len() == inserted as usize, "rows are missing, or came twice");
    check_index(&mut client, "points_hnsw")
}
