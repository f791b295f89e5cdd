//! The access methods `hnsw`, `ivfflat` and, beside pgvector, `quartz`: PostgreSQL's callbacks, one file per phase.

mod build;
mod column;
mod cost;
mod handler;
mod heap;
pub(crate) mod index;
mod insert;
mod memory;
mod method;
mod options;
mod plan;
mod scan;
mod vacuum;

pub(crate) use index::{Index, with_nodes};
pub use options::define as define_options;
pub use plan::look_at_plans;
