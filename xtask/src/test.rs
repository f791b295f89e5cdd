//! `cargo xtask test`: every check there is, one after the other, with a verdict at the end.

use crate::cluster::{Cluster, Plan};
use crate::packages::{self, Needs};
use crate::pgrx::Surroundings;
use crate::postgres::{Postgres, Purpose};
use crate::process;
use crate::python;
use crate::server_user::ServerUser;
use crate::tally::Tally;
use crate::testing;
use crate::workspace;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The pg_config of the PostgreSQL to test with [default: $PG_CONFIG, else the newest one found]
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
    /// Only these steps
    #[arg(long, value_name = "STEP", value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// With one step: its own arguments (a test's name for cargo, regress, rust; anything for pytest, node)
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The steps, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The code is formatted
    Fmt,
    /// clippy has no objections
    Clippy,
    /// cargo test: pure code, `#[pg_test]`, layering
    Cargo,
    /// Whole servers: recall, crashes, standbys, concurrency
    Server,
    /// Whole servers that have pgvector: the extension quartzdb_pgvector
    Beside,
    /// SQL scripts against expected output, through PostgreSQL's pg_regress
    Regress,
    /// Python clients, through pytest
    Compat,
    /// What of the benchmark needs no server, through pytest
    Bench,
    /// LangChain's vector stores, through pytest; only when named
    Langchain,
    /// Clients for node; only when named
    Node,
    /// Clients written in Rust; only when named
    Rust,
}

impl Step {
    /// Whether it runs only when named, as what it needs takes a while to install or compile.
    fn is_extra(self) -> bool {
        matches!(self, Self::Langchain | Self::Node | Self::Rust)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Fmt => "Formatting (cargo fmt)",
            Self::Clippy => "Lints (cargo clippy)",
            Self::Cargo => "Unit and #[pg_test] tests (cargo test)",
            Self::Server => "Whole-server tests (cargo test --test server)",
            Self::Beside => "Beside pgvector (cargo test --test server)",
            Self::Regress => "SQL regression tests (pg_regress)",
            Self::Compat => "Client tests (pytest)",
            Self::Bench => "Tests of the benchmark (pytest)",
            Self::Langchain => "LangChain (pytest)",
            Self::Node => "Clients for node (node:test)",
            Self::Rust => "Clients in Rust (cargo test)",
        }
    }
}

/// What is tested beside pgvector: the tests of just that, and of the others those of order and of every class's recall.
const BESIDE: [&str; 6] =
    ["beside::", "order::", "sentence_embeddings", "half_precision_rows", "bit_strings", "sparse_rows"];

/// What all steps work with.
struct Checks {
    build: Postgres,
    source: Postgres,
    servers: ServerUser,
    state: PathBuf,
    arguments: Vec<String>,
    /// Whether the steps were asked for by name, so that none may be left out.
    is_named: bool,
}

/// Runs the steps and prints the verdict. Failing tests are no error of ours: they are in the exit code.
pub fn run(options: &Options) -> Result<ExitCode> {
    let wanted = |step: &Step| match options.only.as_slice() {
        [] => !step.is_extra(),
        only => only.contains(step),
    };
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(wanted).collect();
    if steps.len() != 1 && !options.arguments.is_empty() {
        bail!("arguments after -- are for one step: say which, with --only");
    }
    let needs = Needs {
        pg_regress: steps.contains(&Step::Regress),
        python: [Step::Compat, Step::Bench, Step::Langchain].iter().any(|step| steps.contains(step)),
        node: steps.contains(&Step::Node),
        ..Needs::default()
    };
    let source = packages::ensure(options.pg_config.as_deref(), needs)?;
    let servers = ServerUser::choose()?;
    let state = workspace::state_dir(&servers)?;
    let build = {
        let _alone = testing::alone(&state)?;
        source.private_copy(&state, Purpose::Build)?
    };
    println!("Testing with {}", source.version);
    let is_named = !options.only.is_empty();
    let context = Checks { build, source, servers, state, arguments: options.arguments.clone(), is_named };

    let mut total = Tally::default();
    let mut verdicts = Vec::new();
    for step in steps {
        println!("\n== {}", step.title());
        let start = Instant::now();
        let mut tally = Tally::default();
        let result = context.step(step, &mut tally);
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
            tally.count_failure();
        }
        total.add(&tally);
        verdicts.push((step, result.is_ok(), tally, start.elapsed().as_secs_f64()));
    }

    println!("\n== Summary ({})", context.source.version);
    for (step, passed, counts, seconds) in &verdicts {
        let verdict = match passed {
            true if counts.is_left_out() => "LEFT OUT",
            true => "ok",
            false => "FAILED",
        };
        let counts = if counts.is_empty() { String::new() } else { counts.to_string() };
        println!("{verdict:<8} {:<55} {seconds:>6.1} s  {counts}", step.title());
    }
    println!("{total}");
    Ok(if verdicts.iter().all(|(_, passed, ..)| *passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what a shell needs so that plain cargo commands (and editors started from it) build the extension.
pub fn print_environment(pg_config: Option<&Path>) -> Result<()> {
    let source = packages::ensure(pg_config, Needs::default())?;
    let build = source.private_copy(&workspace::state_dir(&ServerUser::choose()?)?, Purpose::Build)?;
    println!("export PGRX_PG_CONFIG_PATH='{}'", build.pg_config.display());
    println!("export CARGO_PGRX='{}'", std::env::current_exe()?.display());
    Ok(())
}

impl Checks {
    fn step(&self, step: Step, tally: &mut Tally) -> Result<()> {
        match step {
            Step::Fmt => self.fmt(),
            Step::Clippy => self.clippy(),
            Step::Cargo => self.cargo_test(tally),
            Step::Server => self.server_test(tally),
            Step::Beside => self.beside(tally),
            Step::Regress => self.regress(tally),
            Step::Compat => self.compat(tally),
            Step::Bench => self.bench(tally),
            Step::Langchain => self.langchain(tally),
            Step::Node => self.node(tally),
            Step::Rust => self.rust(tally),
        }
    }

    fn fmt(&self) -> Result<()> {
        process::run(workspace::cargo().args(["fmt", "--all", "--check"]))?;
        process::run(workspace::cargo().args(["fmt", "--check", "--manifest-path", RUST_CLIENTS]))
    }

    /// A cargo command on the extension, with the feature of our PostgreSQL.
    fn cargo(&self, command: &str) -> Command {
        let mut cargo = workspace::cargo();
        cargo.args([command, "--package", "quartzdb", "--no-default-features", "--features"]);
        cargo.arg(self.build.feature()).env("PGRX_PG_CONFIG_PATH", &self.build.pg_config);
        cargo
    }

    fn clippy(&self) -> Result<()> {
        let strict = ["--all-targets", "--", "-D", "warnings"];
        process::run(self.cargo("clippy").args(strict))?;
        process::run(self.cargo("clippy").args(["--test", "server", "--", "-D", "warnings"]))?;
        process::run(workspace::cargo().args(["clippy", "--package", "xtask"]).args(strict))
    }

    fn cargo_test(&self, tally: &mut Tally) -> Result<()> {
        let test = testing::prepare(&self.source)?;
        let surroundings = Surroundings::new(&self.build, &self.servers, &self.state)?;
        let mut cargo = self.cargo("test");
        surroundings.surround(&mut cargo).env(testing::PREPARED, &test.pg_config);
        let extension = tally.watch(cargo.arg("--no-fail-fast").args(&self.arguments));
        if !self.arguments.is_empty() {
            return extension;
        }
        let own = tally.watch(
            workspace::cargo().args(["test", "--package", "xtask"]).env(testing::PREPARED, &test.pg_config),
        );
        extension.and(own)
    }

    fn server_test(&self, tally: &mut Tally) -> Result<()> {
        let test = testing::prepare(&self.source)?;
        // The arguments are for the test program: a test's name, or --nocapture.
        tally.watch(self.server_tests(&test).args(&self.arguments))
    }

    /// The program of whole-server tests on this PostgreSQL; arguments are its own.
    fn server_tests(&self, test: &Postgres) -> Command {
        let mut cargo = self.cargo("test");
        cargo.args(["--test", "server"]).env(testing::PREPARED, &test.pg_config).arg("--");
        cargo
    }

    /// What is tested beside pgvector only, and what must hold there too.
    fn beside(&self, tally: &mut Tally) -> Result<()> {
        let with_pgvector = match testing::with_pgvector(&self.source) {
            Ok(found) => found,
            Err(why) if !self.is_named => {
                println!("No PostgreSQL with pgvector is to be had here: {why:#}");
                tally.leave_out();
                return Ok(());
            }
            Err(why) => return Err(why),
        };
        let test = testing::prepare_beside_pgvector(&self.source, &with_pgvector)?;
        let mut command = self.server_tests(&test);
        command.env("QUARTZDB_EXTENSION", "quartzdb_pgvector").arg("--include-ignored");
        match self.arguments.is_empty() {
            true => command.args(BESIDE),
            false => command.args(&self.arguments),
        };
        tally.watch(&mut command)
    }

    /// A running server with the extension available, for tests that come from outside.
    fn server(&self, label: &str) -> Result<Cluster> {
        let test = testing::prepare(&self.source)?;
        Plan::new(label).without_fsync().start(&test)
    }

    fn regress(&self, tally: &mut Tally) -> Result<()> {
        let input = workspace::root().join("tests/pg_regress");
        let tests = regress_arguments(&input, &self.arguments)?;
        let output = workspace::target_dir().join("quartzdb/pg_regress");
        fs::create_dir_all(&output)?;
        let diffs = output.join("regression.diffs");
        if diffs.exists() {
            fs::remove_file(&diffs)?;
        }
        let cluster = self.server("pg_regress")?;
        let pg_regress = self.build.pg_regress().context("pg_regress has gone")?;
        let mut command = Command::new(pg_regress);
        process::with_neutral_environment(&mut command);
        let directory = |name: &str, path: &Path| format!("--{name}={}", path.display());
        command.arg(directory("bindir", &self.build.bindir)).arg(directory("host", cluster.socket_dir()));
        command.args([
            format!("--port={}", crate::cluster::PORT),
            format!("--user={}", crate::cluster::SUPERUSER),
        ]);
        command.arg(directory("inputdir", &input)).arg(directory("outputdir", &output));
        if self.build.major >= 16 {
            command.arg(directory("expecteddir", &input));
        }
        command.args(["--dbname=contrib_regression", "--load-extension=quartzdb"]).args(tests);
        let result = tally.watch(command.current_dir(&output));
        if result.is_err() {
            println!("{}", fs::read_to_string(&diffs).unwrap_or_default());
        }
        result
    }

    fn compat(&self, tally: &mut Tally) -> Result<()> {
        let tests = clients_dir();
        let mut pytest = self.pytest("python", &tests.join("requirements.txt"))?;
        self.watch_client("compat", pytest.arg("--ignore=langchain-postgres").current_dir(tests), tally)
    }

    fn langchain(&self, tally: &mut Tally) -> Result<()> {
        let tests = clients_dir();
        let mut pytest = self.pytest("langchain", &tests.join("langchain-postgres/requirements.txt"))?;
        // With the fixtures of the other client tests.
        pytest.args(["--rootdir=.", "langchain-postgres"]).current_dir(tests);
        self.watch_client("langchain", &mut pytest, tally)
    }

    fn node(&self, tally: &mut Tally) -> Result<()> {
        let tests = clients_dir().join("node");
        // npm installs beside the list of packages, and node looks beside the program.
        let dir = workspace::target_dir().join("quartzdb/node");
        fs::create_dir_all(&dir)?;
        for file in ["package.json", "package-lock.json", "clients.mjs"] {
            fs::copy(tests.join(file), dir.join(file))?;
        }
        let quiet = ["ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
        process::output(Command::new("npm").args(quiet).current_dir(&dir))
            .context("could not install the packages of tests/compat/node")?;
        let mut node = Command::new("node");
        process::with_neutral_environment(&mut node);
        node.arg("--test-reporter=tap").args(&self.arguments).arg("clients.mjs").current_dir(dir);
        self.watch_client("node", &mut node, tally)
    }

    fn rust(&self, tally: &mut Tally) -> Result<()> {
        let mut cargo = workspace::cargo();
        process::with_neutral_environment(&mut cargo);
        cargo
            .args(["test", "--locked", "--no-fail-fast", "--manifest-path", RUST_CLIENTS])
            .args(&self.arguments);
        self.watch_client("rust", &mut cargo, tally)
    }

    /// Runs tests which are clients of a new server, with what tells them where it is. Its database `postgres`
    /// has the drop-in, for tests that make no extension.
    fn watch_client(&self, label: &str, tests: &mut Command, tally: &mut Tally) -> Result<()> {
        let cluster = self.server(label)?;
        cluster.psql("postgres", "CREATE EXTENSION vector")?;
        tests.envs(cluster.client_environment());
        tests.env("PG_BINDIR", &cluster.postgres().bindir).env("QUARTZDB_EXTENSION", "quartzdb");
        tally.watch(tests)
    }

    fn bench(&self, tally: &mut Tally) -> Result<()> {
        let mut pytest = self.pytest("python", &clients_dir().join("requirements.txt"))?;
        tally.watch(pytest.arg("ann").current_dir(workspace::root().join("benches")))
    }

    /// pytest of the virtual environment of that name, with these packages there.
    fn pytest(&self, environment: &str, requirements: &Path) -> Result<Command> {
        let mut pytest = Command::new(python::environment(environment, requirements)?);
        process::with_neutral_environment(&mut pytest);
        // Nothing is written into the checkout.
        pytest.env("PYTHONDONTWRITEBYTECODE", "1");
        pytest.args(["-m", "pytest", "-p", "no:cacheprovider"]).args(&self.arguments);
        Ok(pytest)
    }
}

/// The package of the clients written in Rust, from the root of the checkout.
const RUST_CLIENTS: &str = "tests/compat/rust/Cargo.toml";

fn clients_dir() -> PathBuf {
    workspace::root().join("tests/compat")
}

/// What to tell pg_regress to run: the schedule, which must name every script there is; or the named tests, after the
/// script the others rely on.
fn regress_arguments(input: &Path, named: &[String]) -> Result<Vec<String>> {
    const PREPARATION: &str = "setup";
    if !named.is_empty() {
        return Ok([&[PREPARATION.to_owned()], named].concat());
    }
    let schedule = input.join("schedule");
    let text =
        fs::read_to_string(&schedule).with_context(|| format!("could not read {}", schedule.display()))?;
    let lists = text.lines().filter_map(|line| line.strip_prefix("test:"));
    let scheduled: Vec<&str> = lists.flat_map(str::split_whitespace).collect();
    for entry in fs::read_dir(input.join("sql"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|found| found == "sql") && !scheduled.contains(&name.as_ref()) {
            bail!("tests/pg_regress/schedule does not name {name}: the test would never run");
        }
    }
    Ok(vec![format!("--schedule={}", schedule.display())])
}
