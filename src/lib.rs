//! QuartzDB: vector search for PostgreSQL. `src/README.md` is the map of this crate.

pub mod hnsw;
pub mod kernels;
pub mod metric;
pub mod quantizer;
pub mod storage;

mod am;
mod error;
mod inspect;
mod settings;
mod types;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/vector.sql", bootstrap);
pgrx::extension_sql_file!("../sql/hnsw.sql", requires = ["vector"]);

/// Called by PostgreSQL when it loads the library.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::define();
    am::define_options();
}
