//! Installed PostgreSQLs: finding one, and making a private, writable copy of it.
//!
//! Tests and the demo install the extension. To leave the system's directories alone they do so in a copy. PostgreSQL
//! finds its files relative to its programs, so a copy that keeps the layout works wherever it lies.

use crate::process;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// The PostgreSQL majors the extension supports, newest first.
pub const SUPPORTED: [u16; 5] = [18, 17, 16, 15, 14];

/// One installed PostgreSQL, as its `pg_config` describes it.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// Its `pg_config`.
    pub pg_config: PathBuf,
    /// For example `PostgreSQL 15.20 (Debian 15.20-0+deb12u1)`.
    pub version: String,
    /// For example 15.
    pub major: u16,
    /// Directory of `postgres`, `initdb`, `psql`.
    pub bindir: PathBuf,
    /// `$libdir` of extensions.
    pub pkglibdir: PathBuf,
    /// Parent of `extension/`.
    pub sharedir: PathBuf,
    includedir: PathBuf,
    includedir_server: PathBuf,
}

/// What a private copy is for. Each purpose has a copy of its own, so that a build installed for one never turns up in
/// another's running server.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Compiling, and `#[pg_test]`: the extension with its test functions.
    Build,
    /// Regression, whole-server and client tests: the extension as users get it.
    Test,
    /// The demo: the release build.
    Demo,
    /// The benchmark: the release build beside whatever else the source has.
    Bench,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
            Self::Demo => "demo",
            Self::Bench => "bench",
        }
    }
}

impl Postgres {
    /// The PostgreSQL that this `pg_config` belongs to.
    pub fn at(pg_config: &Path) -> Result<Self> {
        let shown = process::output(Command::new(pg_config).env_remove("LD_LIBRARY_PATH"))?;
        let values: HashMap<&str, &str> = shown.lines().filter_map(|line| line.split_once(" = ")).collect();
        let get = |key: &str| {
            let value = values.get(key).filter(|value| value.starts_with('/') || key == "VERSION");
            value.with_context(|| format!("{} does not know {key}: is it PostgreSQL's?", pg_config.display()))
        };
        let version = (*get("VERSION")?).to_owned();
        let major = major_of(&version).with_context(|| format!("cannot read the version '{version}'"))?;
        if !SUPPORTED.contains(&major) {
            let (oldest, newest) = (SUPPORTED[SUPPORTED.len() - 1], SUPPORTED[0]);
            bail!("{version} is not supported; QuartzDB works with PostgreSQL {oldest} to {newest}");
        }
        Ok(Self {
            pg_config: pg_config.to_owned(),
            major,
            bindir: get("BINDIR")?.into(),
            pkglibdir: get("PKGLIBDIR")?.into(),
            sharedir: get("SHAREDIR")?.into(),
            includedir: get("INCLUDEDIR")?.into(),
            includedir_server: get("INCLUDEDIR-SERVER")?.into(),
            version,
        })
    }

    /// For tests: one of which there need be no program, with its directories in this one.
    #[cfg(test)]
    pub(crate) fn of_directories(dir: &Path) -> Self {
        Self {
            pg_config: dir.join("bin/pg_config"),
            version: "PostgreSQL 15".to_owned(),
            major: 15,
            bindir: dir.join("bin"),
            pkglibdir: dir.join("lib"),
            sharedir: dir.join("share"),
            includedir: dir.join("include"),
            includedir_server: dir.join("include/server"),
        }
    }

    /// The one the caller or `PG_CONFIG` names, else the newest supported one in Debian's layout that can be built
    /// against, else the one on `PATH` under the same condition.
    pub fn find(named: Option<&Path>) -> Result<Option<Self>> {
        let from_environment = std::env::var_os("PG_CONFIG").map(PathBuf::from);
        if let Some(pg_config) = named.map(Path::to_owned).or(from_environment) {
            let pg_config = if pg_config.components().count() == 1 {
                process::on_path(&pg_config.to_string_lossy()).unwrap_or(pg_config)
            } else {
                std::path::absolute(&pg_config)?
            };
            let found =
                Self::at(&pg_config).with_context(|| format!("cannot use {}", pg_config.display()))?;
            found.check_complete()?;
            return Ok(Some(found));
        }
        let debian = |major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin/pg_config"));
        let candidates = SUPPORTED.into_iter().map(debian).chain(process::on_path("pg_config"));
        let usable = |pg_config: PathBuf| {
            let found = pg_config.is_file().then(|| Self::at(&pg_config).ok()).flatten()?;
            found.check_complete().is_ok().then_some(found)
        };
        Ok(candidates.filter_map(usable).next())
    }

    /// An error unless both the server and the headers to build extensions with are there.
    pub fn check_complete(&self) -> Result<()> {
        if !self.bin("initdb").is_file() || !self.bin("postgres").is_file() {
            bail!("{} has no server in {}", self.version, self.bindir.display());
        }
        if !self.includedir_server.join("postgres.h").is_file() {
            bail!(
                "{} lacks the server headers ({}); on Debian they are in postgresql-server-dev-{}",
                self.version,
                self.includedir_server.display(),
                self.major
            );
        }
        Ok(())
    }

    /// The path of one of its programs.
    pub fn bin(&self, program: &str) -> PathBuf {
        self.bindir.join(program)
    }

    /// The path of an extension's library.
    pub fn library(&self, name: &str) -> PathBuf {
        let suffix = if cfg!(target_os = "macos") && self.major >= 16 { ".dylib" } else { ".so" };
        self.pkglibdir.join(format!("{name}{suffix}"))
    }

    /// `pg_regress`, if this installation brings it.
    pub fn pg_regress(&self) -> Option<PathBuf> {
        Some(self.pkglibdir.join("pgxs/src/test/regress/pg_regress")).filter(|path| path.is_file())
    }

    /// The cargo feature of this major.
    pub fn feature(&self) -> String {
        format!("pg{}", self.major)
    }

    /// The private copy for this purpose, made or refreshed where needed. Its path never changes, so a build against
    /// it stays valid.
    pub fn private_copy(&self, state_dir: &Path, purpose: Purpose) -> Result<Self> {
        let copy = state_dir.join(self.feature()).join(purpose.name());
        let prefix = self.common_prefix()?;
        let in_copy = |path: &Path| path.strip_prefix(&prefix).map(|rest| copy.join(rest));
        let pg_config = in_copy(&self.bin("pg_config"))?;
        let fingerprint = self.fingerprint();
        let note = copy.join(".copied-from");
        if fs::read_to_string(&note).is_ok_and(|noted| noted == fingerprint) {
            return Self::at(&pg_config);
        }

        workspace::make_dir(&state_dir.join(self.feature()))?;
        if copy.exists() {
            fs::remove_dir_all(&copy).with_context(|| format!("could not remove {}", copy.display()))?;
        }
        for dir in [&self.bindir, &self.pkglibdir, &self.sharedir] {
            let to = in_copy(dir)?;
            make_parents(&copy, &to)?;
            process::run(Command::new("cp").arg("-R").arg("-p").arg("-P").arg(dir).arg(&to))
                .with_context(|| format!("could not copy {} to {}", dir.display(), to.display()))?;
        }
        let headers = match self.includedir_server.starts_with(&self.includedir) {
            true => &self.includedir,
            false => &self.includedir_server,
        };
        let link = in_copy(headers)?;
        make_parents(&copy, &link)?;
        symlink(headers, &link).with_context(|| format!("could not link {}", link.display()))?;

        let made = Self::at(&pg_config)?;
        if [&made.bindir, &made.pkglibdir, &made.sharedir].iter().any(|dir| !dir.starts_with(&copy)) {
            bail!(
                "{} cannot be copied: its programs look for their files in fixed places. Name another with \
                 --pg-config, for example your distribution's own",
                self.version
            );
        }
        made.check_complete()?;
        fs::write(&note, fingerprint)?;
        Ok(made)
    }

    /// The directory below which all of this installation lies.
    fn common_prefix(&self) -> Result<PathBuf> {
        let dirs = [&self.bindir, &self.pkglibdir, &self.sharedir, &self.includedir_server];
        let prefix = self.bindir.ancestors().find(|prefix| dirs.iter().all(|dir| dir.starts_with(prefix)));
        prefix.map(Path::to_owned).context("an installation without a common directory")
    }

    /// Changes when the installation does: another version, or files added to or replaced in it.
    fn fingerprint(&self) -> String {
        let mut text = format!("{}\n", self.version);
        let parts = [
            self.bindir.clone(),
            self.bin("postgres"),
            self.pkglibdir.clone(),
            self.sharedir.join("extension"),
            self.includedir_server.join("postgres.h"),
        ];
        for path in parts {
            let modified = path.metadata().and_then(|found| found.modified()).ok();
            let seconds = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|t| t.as_secs());
            text.push_str(&format!("{} {}\n", path.display(), seconds.unwrap_or(0)));
        }
        text
    }
}

/// Creates the directories between `top` (included) and `path` (excluded), open to all readers.
fn make_parents(top: &Path, path: &Path) -> Result<()> {
    let mut between: Vec<_> = path.ancestors().skip(1).take_while(|dir| dir.starts_with(top)).collect();
    between.reverse();
    between.into_iter().try_for_each(workspace::make_dir)
}

/// `PostgreSQL 15.20 (Debian ..)`, `PostgreSQL 19beta1` -> 15, 19.
fn major_of(version: &str) -> Option<u16> {
    let number = version.split_whitespace().nth(1)?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_is_read_from_releases_betas_and_distributions_versions() {
        assert_eq!(major_of("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)"), Some(15));
        assert_eq!(major_of("PostgreSQL 18beta2"), Some(18));
        assert_eq!(major_of("PostgreSQL 17devel"), Some(17));
        assert_eq!(major_of("EnterpriseDB"), None);
    }
}
