//! The type `halfvec`: half-precision numbers, which take half the room. Computed with in single precision.

use super::array::Array;
use super::checks::{check_typmod, read_typmod};
use super::dense::dense_functions;
use super::operators::comparison_functions;
use super::varlena::{
    Dense, HalfVector, Message, NewBits, NewBytes, NewCString, NewHalfVector, NewVector, Vector,
};
use super::{aggregates, dense, operators};
use half::f16;
use pgrx::{pg_extern, pg_sys};
use std::ffi::CStr;

dense_functions! {
    type HalfVector, NewHalfVector, f16;
    input halfvec_in; output halfvec_out; receive halfvec_recv; send halfvec_send;
    typmod halfvec_typmod_in; coerce halfvec; from_array array_to_halfvec; to_array halfvec_to_float4;
    dimensions halfvec_vector_dims; norm halfvec_l2_norm; normalize halfvec_l2_normalize;
    quantize halfvec_binary_quantize; part halfvec_subvector;
    add halfvec_add; subtract halfvec_sub; multiply halfvec_mul; concatenate halfvec_concat;
    accumulate halfvec_accum; average halfvec_avg;
}

comparison_functions! {
    HalfVector, operators::compare;
    halfvec_lt, halfvec_le, halfvec_eq, halfvec_ne, halfvec_ge, halfvec_gt, halfvec_cmp
}

#[pg_extern(sql = false)]
fn vector_to_halfvec(vector: Vector<'_>, typmod: i32, _explicit: bool) -> NewHalfVector {
    dense::narrow(&vector, typmod)
}

#[pg_extern(sql = false)]
fn halfvec_to_vector(vector: HalfVector<'_>, typmod: i32, _explicit: bool) -> NewVector {
    dense::widen(&vector, typmod)
}
