//! What the tests share: servers and databases, vectors drawn from a seed, and the comparison with exact search.

use anyhow::{Context, bail, ensure};
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::error::{DbError, SqlState};
use postgres::types::private::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use xtask::cluster::{Cluster, PORT, Plan, SUPERUSER};
pub use xtask::demo::data::Vector;
use xtask::process;

pub type Result<T = ()> = anyhow::Result<T>;

/// The operators of vector's classes, with the classes.
pub const METRICS: [(&str, &str); 4] = [
    ("<->", "vector_l2_ops"),
    ("<#>", "vector_ip_ops"),
    ("<=>", "vector_cosine_ops"),
    ("<+>", "vector_l1_ops"),
];

/// The extension under test: `quartzdb`, unless told otherwise, so that pgvector itself can be asked.
pub fn extension() -> String {
    std::env::var("QUARTZDB_EXTENSION").unwrap_or_else(|_| "quartzdb".to_owned())
}

/// The access method under test. Settings are named after it too.
pub fn method() -> &'static str {
    if extension() == "quartzdb_pgvector" { "quartz" } else { "hnsw" }
}

/// Whether pgvector is asked.
pub fn is_pgvector() -> bool {
    extension() == "vector"
}

/// How long tests that have no end of their own go on: 20 seconds, or what QUARTZDB_TEST_SECONDS says.
pub fn duration() -> Duration {
    let told = std::env::var("QUARTZDB_TEST_SECONDS").ok().and_then(|told| told.parse().ok());
    Duration::from_secs(told.unwrap_or(20))
}

/// A running server, with whatever databases the tests make.
pub struct Server {
    pub cluster: Cluster,
}

impl Server {
    /// One that several tests share, each with a database of its own. It goes when the last of them has ended.
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start(&Self::plan("server").without_fsync())?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// What the servers of all tests have in common.
    pub fn plan(label: &str) -> Plan {
        Plan::new(label)
            .setting("shared_buffers", "256MB")
            .setting("max_wal_size", "4GB")
            .setting("max_connections", "60")
            .setting("autovacuum", "off")
            .setting("jit", "off")
    }

    /// A server that loses nothing acknowledged. fsync matters to machines that crash, not to servers.
    pub fn logging_plan(label: &str) -> Plan {
        Self::plan(label)
            .setting("fsync", "off")
            // Replay compares each page with an image of it: what was not logged, or is replayed otherwise, stops recovery.
            .setting("wal_consistency_checking", "generic")
    }

    /// One of its own, for a test that does things to the whole of it.
    pub fn start(plan: &Plan) -> Result<Self> {
        Ok(Self { cluster: plan.start(&xtask::testing::postgres()?)? })
    }

    /// A standby of this server, fed by streaming.
    pub fn follow(&self, label: &str) -> Result<Self> {
        let standby = Self { cluster: Self::plan(label).create(&xtask::testing::postgres()?)? };
        let data = standby.cluster.data_dir();
        std::fs::remove_dir_all(&data)?;
        let mut backup = self.cluster.server_command("pg_basebackup");
        backup.arg("-D").arg(&data).args(["-R", "-X", "stream", "-c", "fast"]);
        process::output(&mut backup).context("no base backup")?;
        let sockets = standby.cluster.socket_dir().to_string_lossy().into_owned();
        standby.cluster.append_setting("unix_socket_directories", &sockets)?;
        standby.cluster.append_setting("hot_standby_feedback", "on")?;
        standby.cluster.start()?;
        Ok(standby)
    }

    /// Makes a database with the extension in it.
    pub fn create_database(&self, name: &str) -> Result {
        self.cluster.create_database(name)?;
        self.client(name)?.batch_execute(&format!("CREATE EXTENSION {} CASCADE", extension()))?;
        Ok(())
    }

    /// How to connect to a database. A session uses the index wherever it can.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.cluster.socket_dir()).port(PORT).user(SUPERUSER).dbname(database);
        config.options("-c enable_seqscan=off");
        config
    }

    pub fn client(&self, database: &str) -> Result<Client> {
        self.config(database).connect(NoTls).with_context(|| format!("could not connect to {database}"))
    }

    /// An error if the server's log tells of what must never happen.
    pub fn check_log(&self) -> Result {
        let log = std::fs::read_to_string(self.cluster.log_file())?;
        let never = ["PANIC:", "was terminated by signal", "wrong order", "panicked", "could not read block"];
        let found: Vec<&str> =
            log.lines().filter(|line| never.iter().any(|never| line.contains(never))).collect();
        ensure!(found.is_empty(), "the server's log says:\n{}", found.join("\n"));
        Ok(())
    }
}

/// Waits until the standby has replayed what the primary has written.
pub fn catch_up(primary: &mut Client, standby: &mut Client) -> Result {
    let written: String = primary.query_one("SELECT pg_current_wal_lsn()::text", &[])?.get(0);
    wait_for("replay", || {
        let query = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        Ok(standby.query_one(query, &[&written])?.get(0))
    })
}

/// A database of one test.
pub struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    pub fn new(name: &str) -> Result<Self> {
        Self::on(Server::shared()?, name)
    }

    /// On a server where no other test runs. A transaction anywhere on a server may keep vacuum from removing rows.
    pub fn alone(name: &str) -> Result<Self> {
        let server = Server::start(&Server::plan(name).without_fsync())?;
        Self::on(Arc::new(server), name)
    }

    fn on(server: Arc<Server>, name: &str) -> Result<Self> {
        server.create_database(name)?;
        Ok(Self { server, name: name.to_owned() })
    }

    pub fn client(&self) -> Result<Client> {
        self.server.client(&self.name)
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn cluster(&self) -> &Cluster {
        &self.server.cluster
    }

    /// A connection that keeps the notices it gets.
    pub fn listening_client(&self) -> Result<(Client, Arc<Mutex<Vec<DbError>>>)> {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&notices);
        let mut config = self.server.config(&self.name);
        config.notice_callback(move |notice| {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
        });
        Ok((config.connect(NoTls)?, notices))
    }

    /// Runs `work` in as many threads, each with a connection and its number.
    pub fn in_threads<T: Send>(
        &self,
        threads: usize,
        work: impl Fn(&mut Client, usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        in_threads(&self.server, &self.name, threads, work)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Err(error) = self.server.check_log()
        {
            panic!("{error}");
        }
    }
}

/// Runs `work` in as many threads, each with a connection and its number.
pub fn in_threads<T: Send>(
    server: &Server,
    database: &str,
    threads: usize,
    work: impl Fn(&mut Client, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let run = |number| scope.spawn(move || work(&mut server.client(database)?, number));
        let threads: Vec<_> = (0..threads).map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
            .collect()
    })
}

/// Numbers that look random and are the same in every run: SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// From 0 to 1, without 1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// A point of the unit cube.
    pub fn vector(&mut self, dimensions: usize) -> Vector {
        Vector((0..dimensions).map(|_| self.unit()).collect())
    }

    pub fn vectors(&mut self, count: usize, dimensions: usize) -> Vec<Vector> {
        (0..count).map(|_| self.vector(dimensions)).collect()
    }

    /// Puts the elements into another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        (1..all.len()).rev().for_each(|i| all.swap(i, self.below(i + 1)));
    }
}

/// A value of any type in its text form.
#[derive(Debug)]
pub struct Text(pub String);

impl ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Creates a table `(id int, v vector)` and fills it; ids count from 0.
pub fn create_table(client: &mut Client, table: &str, vectors: &[Vector]) -> Result {
    let dimensions = vectors.first().context("a table of no vectors has no dimensions")?.0.len();
    client.batch_execute(&format!("CREATE TABLE {table} (id int, v vector({dimensions}))"))?;
    copy(client, table, 0, vectors)?;
    client.batch_execute(&format!("ANALYZE {table}"))?;
    Ok(())
}

/// Adds rows through binary COPY; ids count from `first`.
pub fn copy(client: &mut Client, table: &str, first: i32, vectors: &[Vector]) -> Result {
    let vector = client.prepare("SELECT NULL::vector")?.columns()[0].type_().clone();
    let writer = client.copy_in(&format!("COPY {table} (id, v) FROM STDIN (FORMAT binary)"))?;
    let mut writer = BinaryCopyInWriter::new(writer, &[Type::INT4, vector]);
    for (id, vector) in (first..).zip(vectors) {
        writer.write(&[&id, vector])?;
    }
    writer.finish()?;
    Ok(())
}

/// The rows a search brought, in its order.
pub struct Nearest {
    pub ids: Vec<i32>,
    pub distances: Vec<f64>,
}

impl Nearest {
    /// An error if a row came twice, or before a nearer one.
    pub fn check(&self) -> Result {
        let mut ids = self.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        ensure!(ids.len() == self.ids.len(), "rows came twice: {:?}", self.ids);
        // pgvector orders by distances computed another way than the operator's, and so by others in their last digits.
        let tolerance = if is_pgvector() { 1e-5 } else { 0.0 };
        // As PostgreSQL orders them: what is no number comes last.
        let falls = |pair: &&[f64]| {
            let least = pair[0] - tolerance * pair[0].abs().max(1.0);
            pair[1] < least || pair[0].is_nan() && !pair[1].is_nan()
        };
        match self.distances.windows(2).find(falls) {
            Some(pair) => bail!("a row at {} came before one at {}: {:?}", pair[0], pair[1], self.distances),
            None => Ok(()),
        }
    }
}

/// The rows nearest by the index, in the order in which they came, which has been checked.
pub fn by_index(
    client: &mut Client,
    table: &str,
    operator: &str,
    query: &(dyn ToSql + Sync),
    limit: i64,
) -> Result<Nearest> {
    let rows = client.query(
        &format!("SELECT id, v {operator} $1 FROM {table} ORDER BY v {operator} $1 LIMIT $2"),
        &[query, &limit],
    )?;
    let nearest = Nearest {
        ids: rows.iter().map(|row| row.get(0)).collect(),
        distances: rows.iter().map(|row| row.get(1)).collect(),
    };
    nearest.check()?;
    Ok(nearest)
}

/// Queries with the truth about them.
pub struct Exam<Q = Vector> {
    table: String,
    operator: String,
    wanted: usize,
    /// With each query, the distance of the last row that belongs into its answer.
    questions: Vec<(Q, f64)>,
}

impl<Q: ToSql + Sync> Exam<Q> {
    /// Finds the truth by looking at all rows.
    pub fn new(
        client: &mut Client,
        table: &str,
        operator: &str,
        queries: Vec<Q>,
        wanted: usize,
    ) -> Result<Self> {
        let exact =
            format!("SELECT v {operator} $1 FROM {table} ORDER BY (v {operator} $1) + 0 LIMIT 1 OFFSET $2");
        let last = wanted as i64 - 1;
        let questions = queries
            .into_iter()
            .map(|query| {
                let bound = client.query_one(&exact, &[&query, &last])?.get(0);
                Ok((query, bound))
            })
            .collect::<Result<_>>()?;
        let exam = Self { table: table.to_owned(), operator: operator.to_owned(), wanted, questions };
        let plan = client.query(
            &format!("EXPLAIN SELECT id FROM {table} ORDER BY v {operator} $1 LIMIT {wanted}"),
            &[&exam.questions[0].0],
        );
        // A server answers EXPLAIN of a parameter with a plan for any value.
        let plan: String = plan?.iter().map(|row| row.get::<_, String>(0)).collect();
        ensure!(plan.contains("Index Scan"), "not by the index: {plan}");
        Ok(exam)
    }

    /// The share of the rows that belong into the answers which the index finds.
    pub fn recall(&self, client: &mut Client) -> Result<f64> {
        let mut found = 0;
        for (query, bound) in &self.questions {
            let nearest = by_index(client, &self.table, &self.operator, query, self.wanted as i64)?;
            found += nearest.distances.iter().filter(|distance| *distance <= bound).count();
        }
        Ok(found as f64 / (self.questions.len() * self.wanted) as f64)
    }

    /// An error if recall is lower than this.
    pub fn expect(&self, client: &mut Client, what: &str, floor: f64) -> Result {
        let recall = self.recall(client)?;
        println!("{}, {what}: recall {recall:.4}, at least {floor}", self.operator);
        ensure!(recall >= floor, "{}, {what}: recall {recall:.4} is below {floor}", self.operator);
        Ok(())
    }
}

/// Collects what does not hold, so that a test tells all of it and not only the first.
#[derive(Default)]
pub struct Findings(Vec<String>);

impl Findings {
    pub fn add(&mut self, result: Result) {
        self.0.extend(result.err().map(|error| format!("{error:#}")));
    }

    /// An error if something did not hold.
    pub fn result(self) -> Result {
        ensure!(self.0.is_empty(), "{}", self.0.join("\n"));
        Ok(())
    }
}

/// An error if the index's own check finds one. Mere notes are counted and printed. The check is ours: pgvector has none.
pub fn check_index(client: &mut Client, index: &str) -> Result {
    if is_pgvector() {
        return Ok(());
    }
    let check = format!(
        "SELECT severity, problem, count(*), min(format('block %s, item %s', block, \"offset\"))
         FROM hnsw_check('{index}') GROUP BY severity, problem"
    );
    let mut findings = Findings::default();
    for row in client.query(&check, &[])? {
        let (severity, problem, times, place): (&str, &str, i64, &str) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let text = format!("{index}: {severity}: {problem} ({times} times, one at {place})");
        match severity {
            "note" => println!("{text}"),
            _ => findings.add(Err(anyhow::Error::msg(text))),
        }
    }
    findings.result()
}

/// Sets a parameter for the session. Those of the access method are called `hnsw.` whatever its name.
pub fn set(client: &mut Client, name: &str, value: impl std::fmt::Display) -> Result {
    let name = name.replace("hnsw.", &format!("{}.", method()));
    Ok(client.batch_execute(&format!("SET {name} = '{value}'"))?)
}

/// Runs statements one after the other, each in a transaction of its own, as VACUUM wants it.
pub fn run(client: &mut Client, statements: &str) -> Result {
    statements.split(';').try_for_each(|statement| Ok(client.batch_execute(statement)?))
}

/// A number that a query returns.
pub fn count(client: &mut Client, query: &str) -> Result<i64> {
    Ok(client.query_one(query, &[])?.get(0))
}

/// An error unless the statement failed with this code.
pub fn expect_error<T>(result: std::result::Result<T, postgres::Error>, code: &SqlState) -> Result {
    match result {
        Ok(_) => bail!("there was no error, but {code:?} was expected"),
        Err(error) if error.code() == Some(code) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("another error than {code:?}")),
    }
}

/// Waits until the condition holds, a minute at the most.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition()? {
        ensure!(Instant::now() < deadline, "{what} did not happen within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
