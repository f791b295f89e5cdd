//! `cargo xtask`: see `cargo xtask --help`.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::{bench, demo, install, pgrx, test};

/// Builds, installs, tests and shows QuartzDB.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// See semantic search over real data, answered by PostgreSQL
    Demo(demo::Options),
    /// Run all tests
    Test(test::Options),
    /// Measure against pgvector and others, and draw the result
    Bench(bench::Options),
    /// Install the extension into your PostgreSQL
    Install(install::Options),
    /// Print the variables with which plain cargo commands build the extension: eval "$(cargo xtask env)"
    Env {
        /// The pg_config of the PostgreSQL to build for
        #[arg(long, value_name = "PATH")]
        pg_config: Option<PathBuf>,
    },
    /// What pgrx's tests call instead of cargo-pgrx
    #[command(subcommand, hide = true)]
    Pgrx(pgrx::Subcommand),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Test(options) => return test::run(&options),
        Command::Demo(options) => demo::run(&options)?,
        Command::Bench(options) => bench::run(&options)?,
        Command::Install(options) => install::run(&options)?,
        Command::Env { pg_config } => test::print_environment(pg_config.as_deref())?,
        Command::Pgrx(command) => command.run()?,
    }
    Ok(ExitCode::SUCCESS)
}
