//! A standby that follows a primary: it must give the same answers, while it follows and when it takes over.

use crate::harness::*;
use anyhow::{Context, ensure};
use postgres::Client;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const DIMENSIONS: usize = 32;

/// Both must bring the same rows in the same order.
fn compare(primary: &mut Client, standby: &mut Client, seed: u64, what: &str) -> Result {
    catch_up(primary, standby)?;
    let mut random = Random::new(seed);
    for (operator, _) in METRICS {
        for _ in 0..5 {
            let query = random.vector(DIMENSIONS);
            let here = by_index(primary, "points", operator, &query, 10)?;
            let there = by_index(standby, "points", operator, &query, 10)?;
            ensure!(
                here.ids == there.ids,
                "{what}, {operator}: {:?}, but {:?} on the standby",
                here.ids,
                there.ids
            );
        }
    }
    for number in 0..METRICS.len() {
        check_index(primary, &format!("points_{number}"))?;
    }
    Ok(())
}

#[test]
fn a_standby_answers_as_its_primary_does() -> Result {
    let primary = Server::start(&Server::logging_plan("standby-primary"))?;
    primary.create_database("followed")?;
    let mut here = primary.client("followed")?;
    create_table(&mut here, "points", &Random::new(101).vectors(1000, DIMENSIONS))?;
    // Two indexes are in the backup, two come through the stream.
    let create = |number: usize| {
        let (_, class) = METRICS[number];
        format!("CREATE INDEX points_{number} ON points USING hnsw (v {class})")
    };
    here.batch_execute(&create(0))?;
    here.batch_execute(&create(1))?;
    let standby = primary.follow("standby")?;
    here.batch_execute(&create(2))?;
    here.batch_execute(&create(3))?;
    let mut there = standby.client("followed")?;
    compare(&mut here, &mut there, 102, "at the beginning")?;

    let is_over = AtomicBool::new(false);
    let queries = AtomicUsize::new(0);
    std::thread::scope(|scope| -> Result {
        // Someone else asks the standby all the time.
        let reader = scope.spawn(|| -> Result {
            let mut client = standby.client("followed")?;
            let mut random = Random::new(103);
            while !is_over.load(Ordering::Acquire) {
                let (operator, _) = METRICS[random.below(4)];
                by_index(&mut client, "points", operator, &random.vector(DIMENSIONS), 10)?;
                queries.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let mut rounds = || -> Result {
            for round in 0..10 {
                here.batch_execute(&format!("DELETE FROM points WHERE id % 7 = {}", round % 7))?;
                compare(&mut here, &mut there, 104 + round, "after a delete")?;
                here.batch_execute("VACUUM points")?;
                compare(&mut here, &mut there, 204 + round, "after a vacuum")?;
                copy(
                    &mut here,
                    "points",
                    1000 + 100 * round as i32,
                    &Random::new(304 + round).vectors(100, DIMENSIONS),
                )?;
                compare(&mut here, &mut there, 404 + round, "after inserts")?;
                if round == 5 {
                    here.batch_execute("REINDEX TABLE points; CHECKPOINT")?;
                    compare(&mut here, &mut there, 504, "after a rebuild")?;
                }
            }
            Ok(())
        };
        let done = rounds();
        is_over.store(true, Ordering::Release);
        let read = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
        done.and(read.context("a query on the standby"))
    })?;
    println!("{} queries on the standby meanwhile", queries.load(Ordering::Relaxed));

    catch_up(&mut here, &mut there)?;
    for number in 0..METRICS.len() {
        check_index(&mut there, &format!("points_{number}"))?;
    }

    // The primary goes, the standby takes over and writes.
    primary.cluster.kill()?;
    there.batch_execute("SELECT pg_promote()")?;
    copy(&mut there, "points", 5000, &Random::new(105).vectors(200, DIMENSIONS))?;
    run(&mut there, "DELETE FROM points WHERE id % 3 = 0; VACUUM points")?;
    for (number, (operator, _)) in METRICS.iter().enumerate() {
        let exam = Exam::new(&mut there, "points", operator, Random::new(106).vectors(20, DIMENSIONS), 10)?;
        set(&mut there, "hnsw.ef_search", 200)?;
        exam.expect(&mut there, "promoted", 0.97)?;
        check_index(&mut there, &format!("points_{number}"))?;
    }
    primary.check_log()?;
    standby.check_log()
}
