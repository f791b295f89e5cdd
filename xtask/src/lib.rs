//! The repository's own tool: builds the extension, installs it into a private PostgreSQL, tests and shows it.
//!
//! `main.rs` is the command line. Whole-server tests use this library too, for [throw-away clusters](cluster).

pub mod bench;
pub mod cluster;
pub mod demo;
pub mod extension;
pub mod install;
pub mod packages;
pub mod pgrx;
pub mod pgvector;
pub mod postgres;
pub mod process;
pub mod python;
pub mod server_user;
pub mod tally;
pub mod test;
pub mod testing;
pub mod workspace;
