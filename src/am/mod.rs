//! The access method `hnsw`: PostgreSQL's callbacks, one file per phase.

mod build;
mod cost;
mod handler;
mod index;
mod insert;
mod options;
mod scan;
mod vacuum;

pub use options::define as define_options;
