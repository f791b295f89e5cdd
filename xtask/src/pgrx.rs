//! What pgrx's test framework expects of `cargo pgrx`: before the first `#[pg_test]` it calls
//! `$CARGO_PGRX pgrx install --test --pg-config P ...` and leaves building and installing to it.

use crate::extension::{self, Options, Writer};
use crate::postgres::Postgres;
use crate::process;
use crate::server_user::{self, ServerUser};
use anyhow::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo pgrx`'s subcommands, as far as pgrx-tests calls them.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Build and install the extension with its test functions
    Install(Install),
}

/// The arguments pgrx-tests passes. Some say nothing to us, but must be accepted.
#[derive(Debug, clap::Args)]
pub struct Install {
    #[arg(long)]
    test: bool,
    #[arg(long)]
    sudo: bool,
    #[arg(long)]
    release: bool,
    #[arg(long)]
    pg_config: PathBuf,
    #[arg(long, default_value = "")]
    features: String,
    #[arg(long)]
    no_default_features: bool,
}

impl Subcommand {
    /// Does what `cargo pgrx` would do.
    pub fn run(self) -> Result<()> {
        let Self::Install(install) = self;
        let postgres = Postgres::at(&install.pg_config)?;
        let named =
            install.features.split([' ', ',']).filter(|name| !name.is_empty() && *name != postgres.feature());
        let options = Options {
            release: install.release,
            features: named.map(str::to_owned).collect(),
            ..Options::default()
        };
        let built = extension::build(&postgres, &options)?;
        extension::install(&built, &postgres, Writer::Ourselves)?;
        Ok(())
    }
}

/// The surroundings of one `cargo test` with `#[pg_test]`s. Dropped, its data directory is removed.
#[derive(Debug)]
pub struct Surroundings {
    data: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Surroundings {
    /// For tests that build against and run on this (private) PostgreSQL.
    pub fn new(build: &Postgres, servers: &ServerUser, state_dir: &Path) -> Result<Self> {
        // The framework puts its socket beside the data, so the path must be short.
        let data = servers.short_dir()?;
        let mut variables = vec![
            ("PGRX_PG_CONFIG_PATH", build.pg_config.to_string_lossy().into_owned()),
            ("CARGO_PGRX", std::env::current_exe()?.to_string_lossy().into_owned()),
            ("CARGO_PGRX_TEST_PGDATA", data.to_string_lossy().into_owned()),
            ("USER", server_user::own_name()?),
        ];
        if let ServerUser::Other { name, .. } = servers {
            variables.push(("CARGO_PGRX_TEST_RUNAS", name.clone()));
            let path = std::env::var("PATH").unwrap_or_default();
            let stand_in = sudo_stand_in(state_dir)?;
            variables.push(("PATH", format!("{}:{path}", stand_in.display())));
        }
        Ok(Self { data, variables })
    }

    /// Sets the command's environment.
    pub fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        process::with_neutral_environment(command).envs(self.variables.iter().cloned())
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        // Nobody's loss if it stays: it is in /tmp.
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// pgrx-tests changes user through `sudo`, which root may not have, and need not.
fn sudo_stand_in(state_dir: &Path) -> Result<PathBuf> {
    const SCRIPT: &str = "#!/bin/sh\n\
        # Stands in for sudo while root runs pgrx's tests: `sudo -u USER [NAME=VALUE..] COMMAND..`\n\
        cd /\n\
        if [ \"$1\" = -u ]; then user=$2; shift 2; exec runuser -u \"$user\" -- env \"$@\"; fi\n\
        exec \"$@\"\n";
    let dir = state_dir.join("sudo");
    crate::workspace::make_dir(&dir)?;
    let script = dir.join("sudo");
    fs::write(&script, SCRIPT)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}
