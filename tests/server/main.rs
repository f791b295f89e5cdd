//! Tests that need a whole PostgreSQL: to fill, to query by many clients at once, to crash.
//!
//!     cargo xtask test --only server                       # all
//!     cargo xtask test --only server -- crash              # one module; --nocapture shows what was measured
//!     QUARTZDB_TEST_SECONDS=60 cargo xtask test --only server -- concurrency
//!
//! One module for each risk. Against pgvector, whose figures are the floors here, the same tests run with
//! `QUARTZDB_TEST_PG_CONFIG=(a PostgreSQL that has it) QUARTZDB_EXTENSION=vector cargo test --test server`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

mod beside;
mod build;
mod cancel;
mod classes;
mod concurrency;
mod crash;
mod iterative;
mod order;
mod plans;
mod recall;
mod standby;
mod vacuum;
