//! QuartzDB: vector search for PostgreSQL. `src/README.md` is the map of this crate.

pub mod hnsw;
pub mod kernels;
pub mod metric;
pub mod quantizer;
pub mod storage;

mod am;
mod edition;
mod error;
mod inspect;
mod settings;
mod types;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/vector.sql", bootstrap);
pgrx::extension_sql_file!("../sql/halfvec.sql", requires = ["vector"]);
pgrx::extension_sql_file!("../sql/sparsevec.sql", requires = ["halfvec"]);
pgrx::extension_sql_file!("../sql/bit.sql", requires = ["sparsevec"]);
pgrx::extension_sql_file!("../sql/hnsw.sql", requires = ["bit"]);

/// Called by PostgreSQL when it loads the library.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::define();
    am::define_options();
    am::look_at_plans();
}

#[cfg(any(test, feature = "pg_test"))]
mod pg_tests;

/// What pgrx's test framework wants to know.
#[cfg(test)]
pub mod pg_test {
    /// Called once before the tests.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the server that the tests run on.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        Vec::new()
    }
}
