//! The SQL types: input, output, casts, functions, operators and aggregates.
//!
//! `varlena` and `array` turn datums into slices and back; everything else here is safe code on slices. The SQL that
//! declares these functions is hand-written in `sql/`.

mod aggregates;
mod array;
mod operators;
pub mod text;
mod varlena;
mod vector;
