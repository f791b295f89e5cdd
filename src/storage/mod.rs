//! The graph on pages. `README.md` beside this file draws the pages and states the locks, the WAL records and every
//! legal crash state.
//!
//! Everything but `buffers` is pure: the same code fills shared buffers and a build's private memory.

mod buffers;
mod check;
mod fused;
mod graph;
mod items;
mod kind;
mod memory;
mod mend;
mod meta;
mod node;
mod page;
mod plain;
mod reach;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tid;
mod tuples;
mod vacuum;
pub mod value;
mod writer;

pub use buffers::Buffers;
pub use check::{Finding, Report, Severity, Statistics, check};
pub use fused::{FusedKind, USUAL_ROWS, usual_visits};
pub use graph::{Found, Reader, Scan};
pub use kind::{Kind, Row, View};
pub use memory::MemoryPages;
pub use meta::{META_BLOCK, Meta, NodeKind, NotReadable};
pub use page::{PAGE_SIZE, Page, PageKind};
pub use plain::PlainKind;
pub use reach::{Linked, link_unreachable};
pub use store::{Error, PageStore, Result};
pub use tid::{HeapTid, IndexTid};
pub use tuples::read_tuple;
pub use vacuum::{Cleaned, Removed, clean_up, remove_rows};
pub use value::ValueType;
pub use writer::{InsertPlanner, Outcome, insert};
