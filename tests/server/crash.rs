//! Servers killed at work. After recovery the index must be sound and answer as the table does.

use crate::harness::*;
use anyhow::{Context, ensure};
use postgres::Client;
use std::sync::Mutex;
use std::time::Duration;
use xtask::cluster::Stop;

const DIMENSIONS: usize = 30;
const CREATE: &str = "CREATE INDEX points_hnsw ON points USING hnsw (v vector_l2_ops)";

fn start(label: &str) -> Result<Server> {
    let plan = Server::logging_plan(label).setting("max_prepared_transactions", "5");
    let server = Server::start(&plan)?;
    server.create_database("crash")?;
    Ok(server)
}

fn client(server: &Server) -> Result<Client> {
    server.client("crash")
}

fn kill_and_start(server: &Server) -> Result {
    server.cluster.kill()?;
    server.cluster.start().context("no recovery")
}

/// Every row must be its own nearest, and nothing must be found that is not there.
fn examine(client: &mut Client) -> Result {
    check_index(client, "points_hnsw")?;
    let table = client.query("SELECT id, v::real[] FROM points ORDER BY id", &[])?;
    let step = (table.len() / 200).max(1);
    let mut lost = 0;
    for row in table.iter().step_by(step) {
        let (id, vector): (i32, Vec<f32>) = (row.get(0), row.get(1));
        let nearest = by_index(client, "points", "<->", &Vector(vector), 1)?;
        lost += usize::from(nearest.ids != [id]);
    }
    let looked_at = table.iter().step_by(step).count();
    println!("{} rows; {lost} of {looked_at} not found", table.len());
    // As many as the approximation may miss.
    ensure!(lost * 100 <= looked_at, "{lost} of {looked_at} rows not found");
    let exam = Exam::new(client, "points", "<->", Random::new(99).vectors(20, DIMENSIONS), 10)?;
    set(client, "hnsw.ef_search", 200)?;
    exam.expect(client, "after recovery", 0.97)
}

#[test]
fn a_crash_during_a_build_leaves_no_index_and_all_rows() -> Result {
    let server = start("crash-build")?;
    let mut observer = client(&server)?;
    create_table(&mut observer, "points", &Random::new(91).vectors(20_000, DIMENSIONS))?;
    for rows in [100, 10_000] {
        std::thread::scope(|scope| -> Result {
            let build = scope.spawn(|| client(&server)?.batch_execute(CREATE).map_err(anyhow::Error::from));
            wait_for("the build", || {
                let done =
                    observer.query_opt("SELECT tuples_done FROM pg_stat_progress_create_index", &[])?;
                Ok(done.is_some_and(|row| row.get::<_, i64>(0) >= rows))
            })?;
            server.cluster.kill()?;
            let built = build.join().map_err(|_| anyhow::anyhow!("the build panicked"))?;
            ensure!(built.is_err(), "the build ended too early");
            Ok(())
        })?;
        server.cluster.start()?;
        observer = client(&server)?;
        let left = count(&mut observer, "SELECT count(*) FROM pg_class WHERE relname = 'points_hnsw'")?;
        ensure!(left == 0 && count(&mut observer, "SELECT count(*) FROM points")? == 20_000, "not as before");
    }
    observer.batch_execute("DELETE FROM points WHERE id >= 4000")?;
    observer.batch_execute(CREATE)?;
    // And a crash just after one.
    kill_and_start(&server)?;
    examine(&mut client(&server)?)?;
    server.check_log()
}

#[test]
fn a_crash_during_insertions_loses_no_acknowledged_row() -> Result {
    let server = start("crash-insert")?;
    let mut first = client(&server)?;
    create_table(&mut first, "points", &Random::new(92).vectors(100, DIMENSIONS))?;
    first.batch_execute(CREATE)?;
    const CLIENTS: usize = 4;
    let acknowledged: Mutex<Vec<i32>> = Mutex::new((0..100).collect());
    for round in 0..4 {
        std::thread::scope(|scope| -> Result {
            let inserters = scope.spawn(|| {
                in_threads(&server, "crash", CLIENTS, |client, number| {
                    let mut random = Random::new((9300 + round * 10 + number) as u64);
                    for step in 1.. {
                        let id = ((round + 1) * 1_000_000 + step * CLIENTS + number) as i32;
                        // The crash ends it.
                        if client
                            .execute("INSERT INTO points VALUES ($1, $2)", &[&id, &random.vector(DIMENSIONS)])
                            .is_err()
                        {
                            break;
                        }
                        acknowledged.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(id);
                    }
                    Ok(())
                })
            });
            std::thread::sleep(Duration::from_millis(400 + 150 * round as u64));
            if round == 2 {
                client(&server)?.batch_execute("CHECKPOINT")?;
            }
            server.cluster.kill()?;
            inserters.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            Ok(())
        })?;
        server.cluster.start()?;
        let mut client = client(&server)?;
        let table: Vec<i32> =
            client.query("SELECT id FROM points", &[])?.iter().map(|row| row.get(0)).collect();
        let there: std::collections::HashSet<i32> = table.into_iter().collect();
        let acknowledged = acknowledged.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        let lost: Vec<&i32> = acknowledged.iter().filter(|id| !there.contains(id)).collect();
        ensure!(lost.is_empty(), "round {round}: lost {lost:?}");
        examine(&mut client)?;
    }
    server.check_log()
}

#[test]
fn a_crash_during_a_vacuum_brings_no_dead_row_back() -> Result {
    let server = start("crash-vacuum")?;
    let mut first = client(&server)?;
    create_table(&mut first, "points", &Random::new(94).vectors(4000, DIMENSIONS))?;
    first.batch_execute(CREATE)?;
    let mut next = 4000;
    for (round, milliseconds) in [2, 10, 40, 100, 250].into_iter().enumerate() {
        let mut writer = client(&server)?;
        writer.batch_execute(&format!("DELETE FROM points WHERE id % 4 = {}", round % 4))?;
        if round % 2 == 1 {
            writer.batch_execute("CHECKPOINT")?;
        }
        std::thread::scope(|scope| -> Result {
            let vacuum =
                scope.spawn(|| client(&server)?.batch_execute("VACUUM points").map_err(anyhow::Error::from));
            std::thread::sleep(Duration::from_millis(milliseconds));
            server.cluster.kill()?;
            let ended = vacuum.join().map_err(|_| anyhow::anyhow!("the vacuum panicked"))?;
            println!(
                "killed after {milliseconds} ms: vacuum {}",
                if ended.is_ok() { "had ended" } else { "was at work" }
            );
            Ok(())
        })?;
        server.cluster.start()?;
        let mut client = client(&server)?;
        examine(&mut client)?;
        client.batch_execute("VACUUM points")?;
        check_index(&mut client, "points_hnsw")?;
        copy(&mut client, "points", next, &Random::new(9500 + round as u64).vectors(1000, DIMENSIONS))?;
        next += 1000;
        examine(&mut client)?;
    }
    server.check_log()
}

#[test]
fn a_crash_during_everything_is_recovered_from() -> Result {
    let server = start("crash-mixed")?;
    let mut first = client(&server)?;
    create_table(&mut first, "points", &Random::new(96).vectors(1500, DIMENSIONS))?;
    first.batch_execute(CREATE)?;
    for round in 0..3 {
        std::thread::scope(|scope| -> Result {
            let clients = scope.spawn(|| {
                in_threads(&server, "crash", 4, |client, number| {
                    let mut random = Random::new((9700 + round * 10 + number) as u64);
                    for step in 0.. {
                        let id = (10_000 + round * 100_000 + step * 4 + number) as i32;
                        let worked = match number {
                            0 => client.batch_execute("VACUUM points"),
                            1 => client
                                .execute("DELETE FROM points WHERE id % 2000 = $1 % 2000", &[&(step as i32)])
                                .map(|_| ()),
                            _ => client
                                .execute(
                                    "INSERT INTO points VALUES ($1, $2)",
                                    &[&id, &random.vector(DIMENSIONS)],
                                )
                                .map(|_| ()),
                        };
                        if worked.is_err() {
                            break;
                        }
                    }
                    Ok(())
                })
            });
            std::thread::sleep(Duration::from_millis(900));
            server.cluster.kill()?;
            clients.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            Ok(())
        })?;
        server.cluster.start()?;
        examine(&mut client(&server)?)?;
    }
    server.check_log()
}

#[test]
fn prepared_transactions_outlive_a_crash() -> Result {
    let server = start("crash-prepared")?;
    let mut first = client(&server)?;
    create_table(&mut first, "points", &Random::new(98).vectors(300, DIMENSIONS))?;
    first.batch_execute(CREATE)?;
    first.batch_execute("BEGIN; DELETE FROM points WHERE id < 50")?;
    copy(&mut first, "points", 1000, &Random::new(981).vectors(100, DIMENSIONS))?;
    first.batch_execute("PREPARE TRANSACTION 'kept'; BEGIN")?;
    copy(&mut first, "points", 2000, &Random::new(982).vectors(100, DIMENSIONS))?;
    first.batch_execute("PREPARE TRANSACTION 'dropped'")?;
    kill_and_start(&server)?;
    let mut second = client(&server)?;
    set(&mut second, "hnsw.ef_search", 1000)?;
    let ids = |client: &mut Client| -> Result<(i64, i64)> {
        let nearest = by_index(client, "points", "<->", &Random::new(983).vector(DIMENSIONS), 1000)?;
        Ok((nearest.ids.len() as i64, count(client, "SELECT count(*) FROM points")?))
    };
    ensure!(ids(&mut second)? == (300, 300), "{:?} before the commit", ids(&mut second)?);
    second.batch_execute("COMMIT PREPARED 'kept'")?;
    second.batch_execute("ROLLBACK PREPARED 'dropped'")?;
    ensure!(ids(&mut second)? == (350, 350), "{:?} after the commit", ids(&mut second)?);
    second.batch_execute("VACUUM points")?;
    server.cluster.restart(Stop::Immediate)?;
    let mut third = client(&server)?;
    set(&mut third, "hnsw.ef_search", 1000)?;
    ensure!(ids(&mut third)? == (350, 350), "{:?} after a vacuum and a crash", ids(&mut third)?);
    examine(&mut third)?;
    server.check_log()
}

#[test]
fn an_unlogged_index_is_empty_after_a_crash_and_full_after_a_restart() -> Result {
    let server = start("crash-unlogged")?;
    let mut client = client(&server)?;
    client.batch_execute(&format!(
        "CREATE UNLOGGED TABLE points (id int, v vector({DIMENSIONS}));
         CREATE UNLOGGED TABLE unborn (id int, v vector(3));
         CREATE INDEX unborn_hnsw ON unborn USING hnsw (v vector_cosine_ops)"
    ))?;
    copy(&mut client, "points", 0, &Random::new(97).vectors(500, DIMENSIONS))?;
    client.batch_execute(CREATE)?;
    server.cluster.restart(Stop::Fast)?;
    client = self::client(&server)?;
    examine(&mut client)?;
    kill_and_start(&server)?;
    client = self::client(&server)?;
    let nearest = by_index(&mut client, "points", "<->", &Random::new(971).vector(DIMENSIONS), 10)?;
    ensure!(nearest.ids.is_empty(), "rows from before the crash: {:?}", nearest.ids);
    check_index(&mut client, "points_hnsw")?;
    copy(&mut client, "points", 0, &Random::new(972).vectors(500, DIMENSIONS))?;
    examine(&mut client)?;
    client.batch_execute("INSERT INTO unborn VALUES (1, '[1,2,3]')")?;
    ensure!(
        by_index(&mut client, "unborn", "<=>", &Vector(vec![1.0, 2.0, 3.0]), 1)?.ids == [1],
        "the row is not found"
    );
    server.check_log()
}
