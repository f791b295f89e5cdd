//! The graph on pages. `README.md` beside this file draws the pages and states the locks, the WAL records and every
//! legal crash state.
//!
//! Everything but `buffers` is pure: the same code fills shared buffers and a build's private memory.

#[cfg(not(feature = "pg15"))] pub mod lab;
mod fused;
mod graph;
mod kind;
mod memory;
mod meta;
mod node;
mod page;
mod plain;
mod store;
mod tid;
mod tuples;
mod writer;
