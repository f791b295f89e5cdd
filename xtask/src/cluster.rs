//! A throw-away PostgreSQL cluster: made in a moment, reached through a socket in a private directory only, stopped
//! and removed when dropped.
//!
//! Data and log lie in a directory of the cluster's own below the state directory. That directory holds a file which
//! stays locked as long as the owning process lives, whatever kills it: an unlocked one belongs to a dead run, and the
//! next run removes it together with the server that may still use it.

use crate::postgres::Postgres;
use crate::process;
use crate::server_user::{self, ServerUser};
use crate::workspace;
use anyhow::{Context, Result, bail};
use postgres::{Client, NoTls};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The database superuser of every cluster, whoever runs it.
pub const SUPERUSER: &str = "postgres";
/// The port in the socket's name. No TCP port is opened.
pub const PORT: u16 = 5432;

/// The file in a cluster's directory which is locked as long as the cluster's owner lives. None: it has no owner.
const LOCK: &str = "lock";

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Disconnect everyone, write everything.
    Fast,
    /// As in a crash: no shutdown checkpoint, recovery at the next start.
    Immediate,
}

/// What a new cluster is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    label: String,
    settings: Vec<(String, String)>,
    initdb: Vec<String>,
}

/// A cluster, running or stopped.
#[derive(Debug)]
pub struct Cluster {
    postgres: Postgres,
    servers: ServerUser,
    label: String,
    /// The cluster's own directory: data, log, lock, link to the socket directory.
    home: PathBuf,
    sockets: PathBuf,
    kept_log: PathBuf,
    /// Locked while we live; `None` once the cluster is meant to outlive us.
    owner: Option<File>,
}

impl Plan {
    /// A cluster with this name in file names and messages.
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), settings: Vec::new(), initdb: Vec::new() }
    }

    /// Adds a line to `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For tests without crashes of the machine: no waiting for the disk.
    pub fn without_fsync(self) -> Self {
        self.setting("fsync", "off").setting("synchronous_commit", "off").setting("full_page_writes", "off")
    }

    /// Adds an argument for `initdb`, for example `--data-checksums`.
    pub fn initdb_argument(mut self, argument: &str) -> Self {
        self.initdb.push(argument.to_owned());
        self
    }

    /// Makes the cluster and starts it. Clusters that dead runs left behind are removed first.
    pub fn start(&self, postgres: &Postgres) -> Result<Cluster> {
        let cluster = self.create(postgres)?;
        cluster.start()?;
        Ok(cluster)
    }

    /// Makes the cluster without starting it.
    pub fn create(&self, postgres: &Postgres) -> Result<Cluster> {
        let servers = ServerUser::choose()?;
        let state = workspace::state_dir(&servers)?;
        let clusters = state.join("clusters");
        workspace::make_dir(&clusters)?;
        remove_stale(&clusters, postgres, &servers)?;

        let home = tempfile::Builder::new().prefix(&format!("{}-", self.label)).tempdir_in(&clusters)?.keep();
        // Locked before it gets its name, or another process could take it for a dead one's.
        let owner = File::create(home.join("lock.new"))?;
        owner.lock()?;
        fs::rename(home.join("lock.new"), home.join(LOCK))?;
        let sockets = servers.short_dir()?;
        std::os::unix::fs::symlink(&sockets, home.join("sockets"))?;
        servers.own(&home)?;
        let logs = state.join("logs");
        workspace::make_dir(&logs)?;
        let cluster = Cluster {
            postgres: postgres.clone(),
            servers,
            label: self.label.clone(),
            kept_log: logs.join(format!("{}.log", self.label)),
            home,
            sockets,
            owner: Some(owner),
        };
        cluster.init(self)?;
        Ok(cluster)
    }
}

impl Cluster {
    fn init(&self, plan: &Plan) -> Result<()> {
        let data = self.data_dir();
        let mut initdb = self.server_command("initdb");
        initdb.arg("-D").arg(&data).args(["-U", SUPERUSER, "--auth=trust", "--no-sync"]);
        initdb.args(["-E", "UTF8", "--locale=C"]).args(&plan.initdb);
        process::output(&mut initdb).context("could not make a database cluster")?;

        let quoted = |value: &str| format!("'{}'", value.replace('\'', "''"));
        let mut lines = String::from("\n# by xtask\nlisten_addresses = ''\n");
        lines += &format!("port = {PORT}\n");
        lines += &format!("unix_socket_directories = {}\n", quoted(&self.sockets.to_string_lossy()));
        lines += "log_line_prefix = '%m [%p] %q%a '\n";
        for (name, value) in &plan.settings {
            lines += &format!("{name} = {}\n", quoted(value));
        }
        let path = data.join("postgresql.conf");
        let conf = fs::read_to_string(&path)?;
        fs::write(&path, conf + &lines)?;
        Ok(())
    }

    /// Starts the stopped server and waits until it answers.
    pub fn start(&self) -> Result<()> {
        let mut pg_ctl = self.pg_ctl("start");
        pg_ctl.args(["--wait", "--timeout=120"]).arg("-l").arg(self.log_file());
        // Not `output()`: the server inherits a pipe and would keep it open.
        let silent = std::process::Stdio::null;
        let status = pg_ctl.stdin(silent()).stdout(silent()).stderr(silent()).status();
        let status = status.with_context(|| format!("could not start `{}`", process::shown(&pg_ctl)))?;
        if !status.success() {
            bail!("PostgreSQL did not start; the end of its log:\n{}", self.log_tail(25));
        }
        Ok(())
    }

    /// Stops the running server.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        process::output(self.pg_ctl("stop").args(["--wait", "--timeout=120", "-m", mode]))?;
        Ok(())
    }

    /// Stops and starts the server.
    pub fn restart(&self, how: Stop) -> Result<()> {
        self.stop(how)?;
        self.start()
    }

    /// Kills the server and all its processes with signal 9, as a power failure would, and waits until they are gone.
    pub fn kill(&self) -> Result<()> {
        let Some(postmaster) = self.postmaster() else {
            bail!("the server of {} is not running", self.label)
        };
        // Stopped first, it cannot start another child between our look and the kill.
        signal("-STOP", &[postmaster])?;
        let family = [vec![postmaster], children(postmaster)].concat();
        signal("-KILL", &family)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while family.iter().any(|pid| is_alive(*pid)) {
            if Instant::now() > deadline {
                bail!("the killed server of {} does not go away", self.label);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if stat(postmaster).is_some() {
            // A container whose first process does not reap the dead: by its locks, the next server would take the
            // killed one for alive.
            fs::remove_file(self.data_dir().join("postmaster.pid"))?;
            fs::remove_file(self.sockets.join(format!(".s.PGSQL.{PORT}.lock")))?;
        }
        Ok(())
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.postmaster().is_some()
    }

    /// Process id of the running server.
    pub fn postmaster(&self) -> Option<u32> {
        running_postmaster(&self.data_dir())
    }

    /// A connection to this database as superuser.
    pub fn connect(&self, database: &str) -> Result<Client> {
        let mut config = postgres::Config::new();
        config.host_path(&self.sockets).port(PORT).user(SUPERUSER).dbname(database).application_name("xtask");
        config
            .connect(NoTls)
            .with_context(|| format!("could not connect to database {database} of {}", self.label))
    }

    /// Creates a database.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.connect("postgres")?.batch_execute(&format!("CREATE DATABASE \"{name}\""))?;
        Ok(())
    }

    /// One of PostgreSQL's client programs (`psql`, `pg_dump`, `pg_basebackup`), run as ourselves and set to connect to
    /// this cluster.
    pub fn client_program(&self, program: &str) -> Command {
        let mut command = Command::new(self.postgres.bin(program));
        process::with_neutral_environment(&mut command).envs(self.client_environment());
        command
    }

    /// One of PostgreSQL's programs that work on data directories (`pg_basebackup`, `pg_checksums`), run as the user
    /// who owns them.
    pub fn server_command(&self, program: &str) -> Command {
        let mut command = self.servers.command(self.postgres.bin(program));
        command.envs(self.client_environment());
        command
    }

    /// The variables that make any client connect here.
    pub fn client_environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", self.sockets.to_string_lossy().into_owned()),
            ("PGPORT", PORT.to_string()),
            ("PGUSER", SUPERUSER.to_owned()),
            ("PGDATABASE", "postgres".to_owned()),
        ]
    }

    /// The command that does something to this server (`restart`, `stop`), for programs that are not ours.
    pub fn control(&self) -> Vec<String> {
        let mut pg_ctl = self.server_command("pg_ctl");
        pg_ctl.arg("-D").arg(self.data_dir()).arg("-l").arg(self.log_file());
        let words = std::iter::once(pg_ctl.get_program()).chain(pg_ctl.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// Runs SQL through psql, stopping at the first error, and returns the unaligned, tuples-only output.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.client_program("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        process::output(&mut psql)
    }

    /// Appends a setting to `postgresql.conf`; it counts after a restart or reload.
    pub fn append_setting(&self, name: &str, value: &str) -> Result<()> {
        let path = self.data_dir().join("postgresql.conf");
        let conf = fs::read_to_string(&path)?;
        fs::write(&path, format!("{conf}{name} = '{}'\n", value.replace('\'', "''")))?;
        Ok(())
    }

    /// The PostgreSQL it runs.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The cluster's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The directory of the server's socket: the "host" to connect to.
    pub fn socket_dir(&self) -> &Path {
        &self.sockets
    }

    /// The server's log. After the cluster is gone it is in `logs/` of the state directory.
    pub fn log_file(&self) -> PathBuf {
        self.home.join("log")
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Lets the cluster outlive this process, to be found again by way of a link at `place`.
    pub fn keep(mut self, place: &Path) -> Result<Self> {
        std::os::unix::fs::symlink(&self.home, place)
            .with_context(|| format!("could not link {}", place.display()))?;
        fs::remove_file(self.home.join(LOCK))?;
        self.owner = None;
        Ok(self)
    }

    /// The cluster that an earlier run kept at `place`, if there is one.
    pub fn kept_at(place: &Path, postgres: &Postgres) -> Result<Option<Self>> {
        let Ok(home) = fs::read_link(place) else { return Ok(None) };
        let servers = ServerUser::choose()?;
        let label = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Some(Self {
            kept_log: workspace::state_dir(&servers)?.join("logs").join(format!("{label}.log")),
            sockets: sockets_of(&home),
            postgres: postgres.clone(),
            servers,
            label,
            home,
            owner: None,
        }))
    }

    /// Stops the server and removes everything but the log.
    pub fn remove(mut self) -> Result<()> {
        self.owner = None;
        self.clear()
    }

    fn clear(&self) -> Result<()> {
        if self.is_running() && self.stop(Stop::Immediate).is_err() {
            self.kill()?;
        }
        if self.log_file().is_file() {
            fs::rename(self.log_file(), &self.kept_log)?;
        }
        for dir in [&self.sockets, &self.home] {
            if dir.exists() {
                fs::remove_dir_all(dir).with_context(|| format!("could not remove {}", dir.display()))?;
            }
        }
        Ok(())
    }

    fn pg_ctl(&self, action: impl AsRef<OsStr>) -> Command {
        let mut command = self.server_command("pg_ctl");
        command.arg(action).arg("-D").arg(self.data_dir());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.owner.is_some()
            && let Err(error) = self.clear()
        {
            eprintln!("could not clean up cluster {}: {error:#}", self.label);
        }
    }
}

/// The socket directory a cluster's home links to. The server's user may write there, and what is found will be
/// removed (perhaps by root), so only a name we would have given counts.
fn sockets_of(home: &Path) -> PathBuf {
    let link = home.join("sockets");
    let linked = fs::read_link(&link).ok();
    linked.filter(|path| server_user::is_short_dir(path)).unwrap_or(link)
}

/// Removes the clusters whose owners are dead.
fn remove_stale(clusters: &Path, postgres: &Postgres, servers: &ServerUser) -> Result<()> {
    for entry in fs::read_dir(clusters)? {
        let home = entry?.path();
        let Ok(lock) = File::open(home.join(LOCK)) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        let label = home.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cluster = Cluster {
            postgres: postgres.clone(),
            servers: servers.clone(),
            kept_log: clusters.with_file_name("logs").join("abandoned.log"),
            sockets: sockets_of(&home),
            label,
            home,
            owner: None,
        };
        cluster.clear().with_context(|| {
            format!("could not remove the cluster {} of an earlier, killed run", cluster.home.display())
        })?;
    }
    Ok(())
}

/// The process that serves this data directory, according to the directory and to the system.
fn running_postmaster(data: &Path) -> Option<u32> {
    let noted = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = noted.lines().next()?.trim().parse().ok()?;
    // The number may by now be another process's.
    let runs_here = fs::read_link(format!("/proc/{pid}/cwd"))
        .is_ok_and(|cwd| fs::canonicalize(data).is_ok_and(|data| data == cwd));
    runs_here.then_some(pid)
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// State and parent of a process, from Linux's `/proc`.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything, so read on after the last one.
    let mut rest = stat[stat.rfind(')')? + 1..].split_whitespace();
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

fn signal(signal: &str, pids: &[u32]) -> Result<()> {
    let mut kill = Command::new("kill");
    kill.arg(signal).args(pids.iter().map(u32::to_string));
    // One of them may be gone already, which `kill` calls a failure.
    kill.output().context("could not run `kill`")?;
    Ok(())
}
