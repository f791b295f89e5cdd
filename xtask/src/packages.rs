//! What has to be on the machine, and installing what is missing where that can be done: on Debian and its kin.

use crate::postgres::{Postgres, SUPPORTED};
use crate::process;
use crate::server_user::{self, ServerUser};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a command needs besides a compiler, libclang and a PostgreSQL to build against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// PostgreSQL's own regression test driver.
    pub pg_regress: bool,
    /// Python with virtual environments.
    pub python: bool,
    /// node with npm.
    pub node: bool,
    /// What the benchmark's Python packages without a binary form are compiled with.
    pub python_headers: bool,
    /// The data set Fashion-MNIST.
    pub fashion_mnist: bool,
    /// What unpacks and adapts another release's packages, and the user whom they would bring.
    pub unpacking: bool,
}

/// Where Debian's package puts Fashion-MNIST.
pub const FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// Something that is not there: how a person calls it, and what brings it.
struct Missing {
    what: String,
    source: Source,
}

/// Debian's packages that bring something.
enum Source {
    Packages(Vec<String>),
    /// Server and headers of a PostgreSQL; which one depends on what the distribution has.
    Postgres,
}

/// Installs what is missing, and returns the PostgreSQL to work with.
pub fn ensure(named: Option<&Path>, needs: Needs) -> Result<Postgres> {
    ensure_none(|| missing(named, needs))?;
    Postgres::find(named)?.context("no PostgreSQL found")
}

/// Installs what is missing besides a PostgreSQL.
pub fn ensure_tools(needs: Needs) -> Result<()> {
    ensure_none(|| Ok(missing_tools(needs)))
}

fn ensure_none(missing: impl Fn() -> Result<Vec<Missing>>) -> Result<()> {
    let before = missing()?;
    if !before.is_empty() {
        install(&before)?;
        let still: Vec<_> = missing()?.into_iter().map(|missing| missing.what).collect();
        if !still.is_empty() {
            bail!("even after installing packages there is no {}", still.join(", no "));
        }
    }
    Ok(())
}

fn missing(named: Option<&Path>, needs: Needs) -> Result<Vec<Missing>> {
    let mut missing = missing_tools(needs);
    let postgres = Postgres::find(named)?;
    if let Some(postgres) = postgres.as_ref().filter(|found| needs.pg_regress && found.pg_regress().is_none())
    {
        let what = format!("pg_regress of PostgreSQL {}", postgres.major);
        // Debian and the PostgreSQL project's own archive put it into different ones.
        let packages = ["client", "server-dev"].map(|part| format!("postgresql-{part}-{}", postgres.major));
        missing.push(Missing { what, source: Source::Packages(packages.to_vec()) });
    }
    if postgres.is_none() {
        let what = format!("{} with server headers", wanted_postgres());
        missing.push(Missing { what, source: Source::Postgres });
    }
    Ok(missing)
}

fn missing_tools(needs: Needs) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut lacks = |what: &str, packages: &[&str]| {
        let source = Source::Packages(packages.iter().map(|&name| name.to_owned()).collect());
        missing.push(Missing { what: what.to_owned(), source });
    };
    if !process::succeeds(Command::new("cc").args(["-E", "-include", "stdio.h", "-x", "c", "/dev/null"])) {
        lacks("C compiler with the C library's headers", &["gcc", "libc6-dev"]);
    }
    if !has_libclang() {
        lacks("libclang (to read PostgreSQL's headers)", &["libclang-dev"]);
    }
    let has_venv = || process::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]));
    if needs.python && !has_venv() {
        lacks("Python 3 with venv", &["python3", "python3-venv"]);
    }
    if needs.node && ["node", "npm"].iter().any(|program| process::on_path(program).is_none()) {
        lacks("node with npm", &["nodejs", "npm"]);
    }
    if needs.python_headers && !has_python_headers() {
        lacks("C++ compiler with Python's headers", &["g++", "python3-dev"]);
    }
    if needs.fashion_mnist && !Path::new(FASHION_MNIST).is_dir() {
        lacks("the data set Fashion-MNIST", &["dataset-fashion-mnist"]);
    }
    if needs.unpacking {
        if process::on_path("patchelf").is_none() {
            lacks("patchelf (to run another release's programs here)", &["patchelf"]);
        }
        if server_user::is_root().unwrap_or(false) && ServerUser::choose().is_err() {
            lacks("user postgres, to run servers for root", &["postgresql-common"]);
        }
    }
    missing
}

fn has_python_headers() -> bool {
    const HEADER: &str = "import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path('include') + '/Python.h'))";
    process::on_path("g++").is_some() && process::succeeds(Command::new("python3").args(["-c", HEADER]))
}

fn wanted_postgres() -> String {
    format!("PostgreSQL {} to {}", SUPPORTED[SUPPORTED.len() - 1], SUPPORTED[0])
}

/// Whether bindgen will find a libclang, with the compiler's own headers beside it.
fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let llvm = versions
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("llvm")));
    let mut libraries: Vec<PathBuf> = llvm.map(|path| path.join("lib")).collect();
    libraries.extend(["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from));
    let has_library = libraries.iter().any(|dir| {
        let mut files = fs::read_dir(dir).into_iter().flatten().flatten();
        files.any(|file| file.file_name().to_string_lossy().starts_with("libclang.so"))
    });
    has_library || process::on_path("llvm-config").is_some()
}

fn install(missing: &[Missing]) -> Result<()> {
    let named: Vec<_> = missing.iter().map(|missing| missing.what.as_str()).collect();
    eprintln!("Missing: {}", named.join("; "));
    if process::on_path("apt-get").is_none() {
        bail!(
            "this is not a Debian-like system, so please install these yourself, then try again:\n  {}\n\
             (all that is ever needed: {} with its server headers [-devel or -server-dev package], libclang, \
             a C compiler, and for the tests pg_regress, python3 with venv and node with npm). A PostgreSQL outside the usual \
             places is named with --pg-config PATH",
            named.join("\n  "),
            wanted_postgres()
        );
    }
    if !server_user::is_root()? && process::on_path("sudo").is_none() {
        let packages = packages_for(missing, "postgresql postgresql-server-dev-all".to_owned());
        bail!(
            "installing packages takes root, and there is no sudo. As root:\n  \
             apt-get update && apt-get install -y --no-install-recommends {}\nthen try again",
            packages.join(" ")
        );
    }
    run_apt(&["update"])?;
    let mut postgres = String::new();
    if missing.iter().any(|missing| matches!(missing.source, Source::Postgres)) {
        let major = postgres_to_install()?;
        postgres = format!("postgresql-{major} postgresql-server-dev-{major}");
        eprintln!(
            "(PostgreSQL's package makes a database cluster of its own; QuartzDB neither needs nor touches it.)"
        );
    }
    let packages = packages_for(missing, postgres).join(" ");
    let install = ["install", "-y", "--no-install-recommends"].into_iter();
    run_apt(&install.chain(packages.split(' ')).collect::<Vec<_>>())
}

/// Debian's packages for all of it; `postgres` are those of PostgreSQL.
fn packages_for(missing: &[Missing], postgres: String) -> Vec<String> {
    let packages = missing.iter().flat_map(|missing| match &missing.source {
        Source::Packages(packages) => packages.clone(),
        Source::Postgres => vec![postgres.clone()],
    });
    packages.collect()
}

/// The major to take: that of a server which lacks only its headers, else the distribution's own.
fn postgres_to_install() -> Result<u16> {
    let has_server = |major: &u16| Path::new(&format!("/usr/lib/postgresql/{major}/bin/postgres")).is_file();
    if let Some(major) = SUPPORTED.into_iter().find(has_server) {
        return Ok(major);
    }
    // The package `postgresql` depends on the server of the distribution's version.
    let shown = process::output(Command::new("apt-cache").args(["depends", "postgresql"]))?;
    let dependencies = shown.lines().filter_map(|line| line.trim().strip_prefix("Depends: postgresql-"));
    let majors: Vec<u16> = dependencies.filter_map(|version| version.parse().ok()).collect();
    match majors.iter().find(|major| SUPPORTED.contains(major)) {
        Some(major) => Ok(*major),
        None => bail!(
            "this distribution's PostgreSQL is not among the supported versions ({}); install one of them with its \
             server headers (see the PostgreSQL project's own package archive), then try again",
            wanted_postgres()
        ),
    }
}

/// Runs apt-get as root, without questions; what it says is shown if it fails.
fn run_apt(arguments: &[&str]) -> Result<()> {
    let mut command = if server_user::is_root()? {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]).args(arguments);
    eprintln!("+ {}", process::shown(&command));
    process::output(&mut command)?;
    Ok(())
}
