//! The SQL types: input, output, casts, functions, operators and aggregates.
//!
//! `varlena`, `array` and `fmgr` deal with datums and the calling convention; everything else here is safe code on slices. The SQL that
//! declares these functions is hand-written in `sql/`.

mod aggregates;
mod array;
mod fmgr;
mod operators;
pub mod text;
mod varlena;
mod vector;

pub use fmgr::metric_of_support;
pub use varlena::{Vector, attribute_typmod};
pub use vector::check_expected;
