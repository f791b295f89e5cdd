//! For whole-server tests: the PostgreSQL with the extension installed, as `cargo xtask test` prepared it, or prepared
//! now if the test was started by hand.

use crate::debian;
use crate::extension::{self, DROP_IN, Options, Writer};
use crate::packages::{self, Needs};
use crate::pgvector;
use crate::postgres::{Postgres, Purpose};
use crate::server_user::ServerUser;
use crate::workspace;
use anyhow::Result;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Names the `pg_config` of a PostgreSQL that has the extension installed.
pub const PREPARED: &str = "QUARTZDB_TEST_PG_CONFIG";

/// The PostgreSQL to make [clusters](crate::cluster::Plan) from.
pub fn postgres() -> Result<Postgres> {
    static READY: std::sync::OnceLock<std::result::Result<Postgres, String>> = std::sync::OnceLock::new();
    let ready = READY.get_or_init(|| {
        let found = match std::env::var_os(PREPARED).map(PathBuf::from) {
            Some(pg_config) => Postgres::at(&pg_config),
            None => packages::ensure(None, Needs::default()).and_then(|source| prepare(&source)),
        };
        found.map_err(|error| format!("{error:#}"))
    });
    ready.clone().map_err(anyhow::Error::msg)
}

/// Builds the extension as users get it (but unoptimised), with the drop-in, and installs it into the private copy for
/// tests. A pgvector that the source has is not in that copy, as the drop-in would refuse to be beside it.
pub fn prepare(source: &Postgres) -> Result<Postgres> {
    let state = workspace::state_dir(&ServerUser::choose()?)?;
    let _alone = alone(&state)?;
    let build = source.private_copy(&state, Purpose::Build)?;
    let test = source.private_copy(&state, Purpose::Test)?;
    let built = extension::build(&build, &Options { also: vec![DROP_IN], ..Options::default() })?;
    pgvector::files(&test)?.iter().try_for_each(std::fs::remove_file)?;
    extension::install(&built, &test, Writer::Ourselves)?;
    Ok(test)
}

/// A PostgreSQL with pgvector: this one if it has it, else Debian's. An error where neither is to be had.
pub fn with_pgvector(source: &Postgres) -> Result<Postgres> {
    if source.has_pgvector() {
        return Ok(source.clone());
    }
    packages::ensure_tools(Needs { unpacking: true, ..Needs::default() })?;
    Postgres::at(&debian::pg_config(&workspace::state_dir(&ServerUser::choose()?)?)?)
}

/// [`prepare`] beside pgvector, in a copy of what [`with_pgvector`] found.
pub fn prepare_beside_pgvector(source: &Postgres, with_pgvector: &Postgres) -> Result<Postgres> {
    let state = workspace::state_dir(&ServerUser::choose()?)?;
    let _alone = alone(&state)?;
    // Of one major there is one copy to build against.
    let headers = if source.major == with_pgvector.major { source } else { with_pgvector };
    let build = headers.private_copy(&state, Purpose::Build)?;
    let test = with_pgvector.private_copy(&state, Purpose::Beside)?;
    let built = extension::build(&build, &Options::default())?;
    extension::install(&built, &test, Writer::Ourselves)?;
    println!("Beside pgvector on {}", test.version);
    Ok(test)
}

/// Waits until no other xtask is preparing anything in this checkout.
pub fn alone(state_dir: &Path) -> Result<File> {
    locked(&state_dir.join("preparing.lock"))
}

/// Waits until nobody else has this file locked, and locks it until the result is dropped.
pub fn locked(path: &Path) -> Result<File> {
    let lock = File::create(path)?;
    lock.lock()?;
    Ok(lock)
}
