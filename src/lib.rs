//! QuartzDB.
pgrx::pg_module_magic!(name, version);

pub mod hnsw;
