//! QuartzDB: vector search for PostgreSQL. `src/README.md` is the map of this crate.

pub mod hnsw;
pub mod kernels;
pub mod metric;
pub mod quantizer;
pub mod storage;

mod error;
mod types;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/vector.sql", bootstrap);
