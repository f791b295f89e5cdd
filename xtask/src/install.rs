//! `cargo xtask install`: the extension into the user's own PostgreSQL.

use crate::extension::{self, DROP_IN, Writer};
use crate::packages::{self, Needs};
use crate::pgvector;
use crate::postgres::{Postgres, Purpose};
use crate::server_user::ServerUser;
use crate::testing;
use crate::workspace;
use anyhow::Result;
use std::path::PathBuf;

/// Arguments of `cargo xtask install`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The pg_config of the PostgreSQL to install into [default: $PG_CONFIG, else the newest one found]
    #[arg(long, value_name = "PATH")]
    pg_config: Option<PathBuf>,
    /// Also install QuartzDB as extension "vector", in the place of pgvector, which must not be there
    #[arg(long)]
    drop_in: bool,
}

/// Builds the release library and installs it.
pub fn run(options: &Options) -> Result<()> {
    let postgres = packages::ensure(options.pg_config.as_deref(), Needs::default())?;
    let writer = extension::writer_for(&postgres)?;
    if options.drop_in {
        pgvector::refuse(&postgres)?;
    }
    println!("Installing into {} ({})", postgres.version, postgres.pg_config.display());
    let against = for_building(&postgres).unwrap_or_else(|_| postgres.clone());
    // One that was installed before goes with this library, or it might name functions the library no longer has.
    let drop_in = options.drop_in || extension::is_installed(&postgres, DROP_IN);
    let also = if drop_in { vec![DROP_IN] } else { Vec::new() };
    let how = extension::Options { release: true, also, ..Default::default() };
    let built = extension::build(&against, &how)?;
    if writer == Writer::Sudo {
        println!("The directories below are not ours to write: sudo does it, and may ask for your password");
    }
    for file in extension::install(&built, &postgres, writer)? {
        println!("  {}", file.display());
    }
    let name = if options.drop_in { DROP_IN } else { "quartzdb" };
    println!("\nNow, in the database that shall have it:\n\n  CREATE EXTENSION {name};");
    Ok(())
}

/// The private copy other commands build against: what the demo has built need not be built again.
fn for_building(postgres: &Postgres) -> Result<Postgres> {
    let state = workspace::state_dir(&ServerUser::choose()?)?;
    let _alone = testing::alone(&state)?;
    postgres.private_copy(&state, Purpose::Build)
}
