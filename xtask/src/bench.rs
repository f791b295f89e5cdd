//! `cargo xtask bench`: QuartzDB side by side with what a user would pick instead.
//!
//! This half prepares: a PostgreSQL with pgvector, the release build of QuartzDB beside it, a throw-away server, Python's
//! packages. The half that measures and draws is `benches/ann`.

mod debian;

use crate::cluster::{Cluster, Plan};
use crate::extension::{self, Writer};
use crate::packages::{self, Needs};
use crate::postgres::{Postgres, Purpose};
use crate::process;
use crate::python;
use crate::server_user::ServerUser;
use crate::testing;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How much is measured
    #[arg(long, value_enum, default_value_t = Profile::Standard)]
    profile: Profile,
    /// Data instead of the profile's: demo, fashion-mnist, synthetic:ROWSxDIMENSIONS[xINTRINSIC], or a path to
    /// a directory or file in HDF5 (ann-benchmarks), fvecs or npy form (may be given more than once)
    #[arg(long, value_name = "NAME|PATH")]
    dataset: Vec<String>,
    /// Data besides the profile's
    #[arg(long, value_name = "NAME|PATH")]
    data: Vec<String>,
    /// Engines instead of all there are: quartzdb, pgvector, pgvectorscale, vectorchord, exact, pgvector-exact,
    /// hnswlib, faiss (may be given more than once)
    #[arg(long, value_name = "NAME")]
    engine: Vec<String>,
    /// The pg_config of the PostgreSQL to measure on, with pgvector or others installed
    /// [default: Debian's PostgreSQL 18 with pgvector, unpacked privately]
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
    /// Where records, tables and pictures go [default: bench/PROFILE in xtask's directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write to docs/, and the summary into README.md
    #[arg(long, conflicts_with = "out")]
    publish: bool,
    /// Measure nothing: draw anew what the records say
    #[arg(long)]
    report_only: bool,
    /// More arguments for the harness: see `-- --help`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Profile {
    /// A few minutes: the demo's data, to see that all of it works
    Quick,
    /// Below an hour: Fashion-MNIST and the demo's data, every measure
    Standard,
    /// Hours: growth from 10,000 to 1,000,000 rows
    Scale,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Scale => "scale",
        }
    }
}

/// Data sets that have names.
const NAMED: [&str; 2] = ["demo", "fashion-mnist"];

/// Measures and draws.
pub fn run(options: &Options) -> Result<()> {
    let needs = Needs {
        python: true,
        python_headers: true,
        fashion_mnist: options.wants_fashion_mnist(),
        unpacking: options.pg_config.is_none() && !options.report_only,
        ..Needs::default()
    };
    packages::ensure_tools(needs)?;
    let state = workspace::state_dir(&ServerUser::choose()?)?;
    let python = python::environment("bench-python", &harness().join("requirements.txt"))?;
    let out = options.out_dir(&state)?;
    if options.report_only {
        return process::run(options.harness(&python, &out, &state).arg("--report-only"));
    }

    // Two at once would measure each other, and one might replace the programs that the other one runs.
    let _alone = testing::locked(&state.join("measuring.lock"))?;
    let source = match &options.pg_config {
        Some(pg_config) => packages::ensure(Some(pg_config), needs)?,
        None => packages::ensure(Some(&debian::pg_config(&state)?), needs)?,
    };
    if source.major < 15 {
        bail!(
            "{} does not tell what a session has read in time; the benchmark needs 15 or newer",
            source.version
        );
    }
    let postgres = prepare(&source, &state)?;
    println!("Measuring on {}", postgres.version);
    let cluster = plan(&postgres)?.start(&postgres)?;
    let mut command = options.harness(&python, &out, &state);
    command.envs(cluster.client_environment()).envs(server_environment(&cluster));
    process::run(&mut command)
}

impl Options {
    /// Whether what will be measured includes Fashion-MNIST.
    fn wants_fashion_mnist(&self) -> bool {
        let of_profile = self.dataset.is_empty() && self.profile == Profile::Standard;
        let named = self.dataset.iter().chain(&self.data).any(|name| name == "fashion-mnist");
        !self.report_only && (of_profile || named)
    }

    fn out_dir(&self, state: &Path) -> Result<PathBuf> {
        let out = match &self.out {
            Some(out) => std::path::absolute(out)?,
            None if self.publish => workspace::root().join("docs"),
            None => state.join("bench").join(self.profile.name()),
        };
        workspace::make_dir(&out)?;
        Ok(out)
    }

    /// The harness's command line.
    fn harness(&self, python: &Path, out: &Path, state: &Path) -> Command {
        let mut command = Command::new(python);
        process::with_neutral_environment(&mut command);
        command.args(["-m", "ann", "--profile", self.profile.name()]);
        for (flag, values) in [("--dataset", &self.dataset), ("--data", &self.data)] {
            values.iter().for_each(|value| _ = command.arg(flag).arg(absolute(value)));
        }
        self.engine.iter().for_each(|engine| _ = command.arg("--engine").arg(engine));
        command.arg("--out").arg(out).arg("--cache").arg(state.join("bench/cache"));
        if self.publish {
            command.arg("--readme").arg(workspace::root().join("README.md"));
        }
        let mut describe = Command::new("git");
        describe.args(["describe", "--always", "--dirty"]).current_dir(workspace::root());
        let commit = process::output(&mut describe);
        command.env("QUARTZDB_BENCH_COMMIT", commit.unwrap_or_default().trim());
        // Nothing is written into the checkout.
        command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(workspace::root().join("benches"));
        command.args(&self.arguments);
        command
    }
}

/// Where the measuring half lies.
fn harness() -> PathBuf {
    workspace::root().join("benches/ann")
}

/// A data set's name as it is, a path made absolute: the harness runs in another directory.
fn absolute(value: &str) -> PathBuf {
    let is_name = NAMED.contains(&value) || value.starts_with("synthetic:");
    let path = if is_name { None } else { fs::canonicalize(value).ok() };
    path.unwrap_or_else(|| value.into())
}

/// The release build beside whatever else is installed, in a private copy.
fn prepare(source: &Postgres, state: &Path) -> Result<Postgres> {
    let _alone = testing::alone(state)?;
    let build = source.private_copy(state, Purpose::Build)?;
    let built = extension::build(&build, &extension::Options { release: true, ..Default::default() })?;
    let postgres = source.private_copy(state, Purpose::Bench)?;
    extension::install(&built, &postgres, Writer::Ourselves)?;
    Ok(postgres)
}

/// A server that holds everything in memory and does nothing by itself. It never waits for the disk, as engines would
/// wait for the same bytes at different times; WAL is written and counted in full.
fn plan(postgres: &Postgres) -> Result<Plan> {
    let cores = std::thread::available_parallelism()?.get();
    let shared_buffers = (memory_bytes()? / 4).clamp(256 << 20, 8 << 30) >> 20;
    let mut plan = Plan::new("bench")
        .setting("shared_buffers", &format!("{shared_buffers}MB"))
        .setting("fsync", "off")
        .setting("synchronous_commit", "off")
        .setting("max_wal_size", "32GB")
        .setting("checkpoint_timeout", "1d")
        .setting("autovacuum", "off")
        .setting("jit", "off")
        .setting("max_connections", "100")
        .setting("max_parallel_workers_per_gather", "0")
        // The one who builds works too.
        .setting("max_parallel_maintenance_workers", &(cores - 1).max(1).to_string());
    let preloaded: Vec<&str> = ["vchord"]
        .into_iter()
        .filter(|name| postgres.sharedir.join(format!("extension/{name}.control")).is_file())
        .collect();
    if !preloaded.is_empty() {
        plan = plan.setting("shared_preload_libraries", &preloaded.join(","));
    }
    Ok(plan)
}

/// The machine's memory, from Linux's `/proc`.
fn memory_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("could not read /proc/meminfo")?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kilobytes: u64 =
        total.trim().trim_end_matches(" kB").parse().context("no MemTotal in /proc/meminfo")?;
    Ok(kilobytes << 10)
}

/// What the harness needs to restart the server and to drop its files from the system's cache: one word a line.
fn server_environment(cluster: &Cluster) -> [(&'static str, String); 2] {
    [
        ("QUARTZDB_BENCH_PG_CTL", cluster.control().join("\n")),
        ("QUARTZDB_BENCH_PGDATA", cluster.data_dir().to_string_lossy().into_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        Line::parse_from(std::iter::once("bench").chain(line.split_whitespace())).options
    }

    #[test]
    fn data_sets_names_stay_names_and_paths_become_absolute() {
        assert_eq!(absolute("demo"), Path::new("demo"));
        assert_eq!(absolute("synthetic:10x2"), Path::new("synthetic:10x2"));
        assert!(absolute("src").is_absolute());
        assert_eq!(absolute("no/such/file.hdf5"), Path::new("no/such/file.hdf5"));
    }

    #[test]
    fn fashion_mnist_is_wanted_only_where_it_is_measured() {
        for wanted in ["", "--data x", "--profile quick --dataset fashion-mnist"] {
            assert!(options(wanted).wants_fashion_mnist(), "{wanted}");
        }
        for unwanted in ["--profile quick", "--dataset demo", "--report-only"] {
            assert!(!options(unwanted).wants_fashion_mnist(), "{unwanted}");
        }
    }
}
