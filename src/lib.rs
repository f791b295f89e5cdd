//! QuartzDB: vector search for PostgreSQL. `src/README.md` is the map of this crate.

pub mod kernels;
pub mod metric;
pub mod quantizer;

mod error;
mod types;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/vector.sql", bootstrap);
