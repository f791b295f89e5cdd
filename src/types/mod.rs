//! The SQL types: input, output, casts, functions, operators and aggregates.
//!
//! `varlena`, `array` and `fmgr` deal with datums and the calling convention; everything else here is safe code on slices.
//! What `vector` and `halfvec` share is written once over their elements, in `dense`, `operators`, `aggregates` and `fmgr`;
//! `vector` and `halfvec` only declare it. The SQL that declares these functions is hand-written in `sql/`.

mod aggregates;
mod array;
mod checks;
mod dense;
mod fmgr;
mod halfvec;
mod operators;
mod sparsevec;
pub mod text;
mod varlena;
mod vector;

pub use checks::check_expected;
pub use fmgr::{IndexedType, class_of_support};
pub use varlena::{BitString, HalfVector, SparseVector, Vector, attribute_type, attribute_typmod};
