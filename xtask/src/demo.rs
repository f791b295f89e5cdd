//! `cargo xtask demo`: semantic search over real data, answered by PostgreSQL on the reader's own machine.

pub mod data;

use crate::cluster::{Cluster, Plan};
use crate::extension::{self, Writer};
use crate::packages::{self, Needs};
use crate::postgres::{Postgres, Purpose};
use crate::process;
use crate::server_user::ServerUser;
use crate::testing;
use crate::workspace;
use anyhow::{Context, Result};
use data::{Program, Query, Vector};
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};
use postgres::{Client, Statement};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DATABASE: &str = "demo";
/// How many programs are asked for; recall is counted over these.
const WANTED: i64 = 10;
/// How many of them are shown.
const SHOWN_HITS: usize = 3;
/// Line numbers of the queries worth reading; `--all` shows the others too.
const SHOWN: [usize; 12] = [2, 5, 7, 12, 16, 19, 23, 37, 41, 46, 58, 60];

/// Arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Show all 60 queries instead of a selection
    #[arg(long)]
    all: bool,
    /// Stop the server an earlier demo left running, and remove its data
    #[arg(long)]
    stop: bool,
    /// The pg_config of the PostgreSQL to show it on [default: $PG_CONFIG, else the newest one found]
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
}

/// One query's answer.
struct Answer {
    hits: Vec<Hit>,
    took: Duration,
}

struct Hit {
    id: i32,
    name: String,
    summary: String,
    distance: f64,
}

/// Runs the demo, or ends it.
pub fn run(options: &Options) -> Result<()> {
    if options.stop {
        return stop(options.pg_config.as_deref());
    }
    let source = packages::ensure(options.pg_config.as_deref(), Needs::default())?;
    let state = workspace::state_dir(&ServerUser::choose()?)?;
    let place = place(&state);
    if let Some(earlier) = Cluster::kept_at(&place, &source)? {
        println!("Replacing the demo that is there");
        end(earlier, &place)?;
    }

    let postgres = prepare(&source, &state)?;
    println!("Starting a server of its own, {}", postgres.version);
    let cluster = Plan::new("demo").setting("shared_buffers", "128MB").start(&postgres)?;
    cluster.create_database(DATABASE)?;
    let mut client = cluster.connect(DATABASE)?;
    client.batch_execute("CREATE EXTENSION quartzdb")?;

    let programs = data::programs()?;
    let queries = data::queries()?;
    let loading = load(&mut client, &programs, &queries)?;
    let exact = answer_all(&mut client, &queries)?;
    let building = build_index(&mut client)?;
    let answers = answer_all(&mut client, &queries)?;

    let shown = |number: &usize| options.all || SHOWN.contains(number);
    for (number, (query, answer)) in (1..).zip(queries.iter().zip(&answers)) {
        if shown(&number) {
            print_answer(&query.text, answer);
        }
    }
    let count = thousands(programs.len());
    println!("\n{count} programs loaded in {}, indexed in {}", seconds(loading), seconds(building));
    for (search, answers) in [("exact", &exact), ("HNSW ", &answers)] {
        println!(
            "{} queries, {search}: {} median, {} 95th percentile",
            queries.len(),
            milliseconds(quantile(answers, 0.5)),
            milliseconds(quantile(answers, 0.95))
        );
    }
    println!("recall@{WANTED} of the index: {:.3}", recall(&answers, &exact));
    print_how_to_go_on(&cluster);
    drop(client);
    cluster.keep(&place)?;
    Ok(())
}

/// Where the link to the running demo's cluster is.
fn place(state_dir: &Path) -> PathBuf {
    state_dir.join("demo")
}

fn stop(pg_config: Option<&Path>) -> Result<()> {
    let place = place(&workspace::state_dir(&ServerUser::choose()?)?);
    let earlier = match Postgres::find(pg_config)? {
        Some(postgres) => Cluster::kept_at(&place, &postgres)?,
        None => None,
    };
    match earlier {
        Some(earlier) => {
            end(earlier, &place)?;
            println!("The demo's server is stopped and its data removed.");
        }
        None => println!("There is no demo to stop."),
    }
    Ok(())
}

fn end(cluster: Cluster, place: &Path) -> Result<()> {
    cluster.remove().context("could not end the earlier demo")?;
    fs::remove_file(place).with_context(|| format!("could not remove {}", place.display()))
}

/// The release build, installed into a private copy of its own: what tests install later leaves the demo alone.
fn prepare(source: &Postgres, state: &Path) -> Result<Postgres> {
    let _alone = testing::alone(state)?;
    let build = source.private_copy(state, Purpose::Build)?;
    let built = extension::build(&build, &extension::Options { release: true, ..Default::default() })?;
    let postgres = source.private_copy(state, Purpose::Demo)?;
    extension::install(&built, &postgres, Writer::Ourselves)?;
    Ok(postgres)
}

/// Creates and fills the tables; how long the programs took.
fn load(client: &mut Client, programs: &[Program], queries: &[Query]) -> Result<Duration> {
    client.batch_execute(
        "CREATE TABLE packages (
             id int PRIMARY KEY, name text, section text, installed_kb int, summary text, embedding vector(384));
         CREATE TABLE queries (id int PRIMARY KEY, query text, embedding vector(384))",
    )?;
    let vector = client.prepare("SELECT NULL::vector")?.columns()[0].type_().clone();

    println!("Loading {} programs with their embeddings", thousands(programs.len()));
    let start = Instant::now();
    let columns = [Type::INT4, Type::TEXT, Type::TEXT, Type::INT4, Type::TEXT, vector.clone()];
    let rows = programs.iter().map(|p| -> [&(dyn ToSql + Sync); 6] {
        [&p.id, &p.name, &p.section, &p.installed_kb, &p.summary, &p.embedding]
    });
    copy(client, "packages", &columns, rows)?;
    let took = start.elapsed();

    let rows = queries.iter().map(|q| -> [&(dyn ToSql + Sync); 3] { [&q.id, &q.text, &q.embedding] });
    copy(client, "queries", &[Type::INT4, Type::TEXT, vector], rows)?;
    client.batch_execute("VACUUM ANALYZE packages")?;
    Ok(took)
}

/// Creates the index; how long it took.
fn build_index(client: &mut Client) -> Result<Duration> {
    println!("Building the index");
    let start = Instant::now();
    client.batch_execute("CREATE INDEX ON packages USING hnsw (embedding vector_cosine_ops)")?;
    Ok(start.elapsed())
}

/// The share of the exact answers that the index found.
fn recall(answers: &[Answer], exact: &[Answer]) -> f64 {
    let found = |(answer, exact): (&Answer, &Answer)| {
        exact.hits.iter().filter(|hit| answer.hits.iter().any(|other| other.id == hit.id)).count()
    };
    let wanted: usize = exact.iter().map(|answer| answer.hits.len()).sum();
    answers.iter().zip(exact).map(found).sum::<usize>() as f64 / wanted.max(1) as f64
}

/// Fills a table through binary COPY.
fn copy<'a, const N: usize>(
    client: &mut Client,
    table: &str,
    columns: &[Type],
    rows: impl Iterator<Item = [&'a (dyn ToSql + Sync); N]>,
) -> Result<()> {
    let writer = client.copy_in(&format!("COPY {table} FROM STDIN (FORMAT binary)"))?;
    let mut writer = BinaryCopyInWriter::new(writer, columns);
    for row in rows {
        writer.write(&row)?;
    }
    writer.finish()?;
    Ok(())
}

/// Asks all queries, one after the other, over one connection.
fn answer_all(client: &mut Client, queries: &[Query]) -> Result<Vec<Answer>> {
    let nearest = client.prepare(
        "SELECT id, name, summary, embedding <=> $1 AS distance
         FROM packages ORDER BY embedding <=> $1 LIMIT $2",
    )?;
    // Not counted: the first one fills caches.
    answer(client, &nearest, &queries[0].embedding)?;
    queries.iter().map(|query| answer(client, &nearest, &query.embedding)).collect()
}

fn answer(client: &mut Client, nearest: &Statement, query: &Vector) -> Result<Answer> {
    let start = Instant::now();
    let rows = client.query(nearest, &[query, &WANTED])?;
    let took = start.elapsed();
    let hits = rows.iter().map(|row| Hit {
        id: row.get(0),
        name: row.get(1),
        summary: row.get(2),
        distance: row.get(3),
    });
    Ok(Answer { hits: hits.collect(), took })
}

fn print_answer(query: &str, answer: &Answer) {
    println!("\n{query:<66} {:>8}", milliseconds(answer.took));
    for Hit { name, summary, distance, .. } in answer.hits.iter().take(SHOWN_HITS) {
        println!("  {distance:.3}  {name:<22} {summary}");
    }
}

fn print_how_to_go_on(cluster: &Cluster) {
    let psql = match process::on_path("psql") {
        Some(_) => "psql".to_owned(),
        None => cluster.postgres().bin("psql").display().to_string(),
    };
    println!(
        "\nThe server is still running. To go on:\n\
         \n  {psql} -h {} -p {} -U {} {DATABASE}\n\
         \nand there, for example, programs like gimp:\n\
         \n  SELECT name, summary FROM packages\
         \n  ORDER BY embedding <=> (SELECT embedding FROM packages WHERE name = 'gimp') LIMIT 5;\n\
         \n(The table queries holds the 60 questions.) To stop the server and remove its data:\n\
         \n  cargo xtask demo --stop",
        cluster.socket_dir().display(),
        crate::cluster::PORT,
        crate::cluster::SUPERUSER,
    );
}

/// The time within which this share of the answers came.
fn quantile(answers: &[Answer], share: f64) -> Duration {
    let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
    times.sort();
    let place = (share * times.len() as f64).ceil() as usize;
    times.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// 7344 -> 7,344
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let answer = |ms| Answer { hits: Vec::new(), took: Duration::from_millis(ms) };
        let answers: Vec<Answer> = (1..=20).rev().map(answer).collect();
        assert_eq!(quantile(&answers, 0.5), Duration::from_millis(10));
        assert_eq!(quantile(&answers, 0.95), Duration::from_millis(19));
    }

    #[test]
    fn numbers_get_their_commas() {
        assert_eq!([thousands(60), thousands(7344), thousands(1_000_000)], ["60", "7,344", "1,000,000"]);
    }
}
