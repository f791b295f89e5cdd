//! The type `vector`: single-precision numbers.

use super::array::Array;
use super::checks::{check_typmod, read_typmod};
use super::dense::dense_functions;
use super::operators::comparison_functions;
use super::varlena::{Dense, Message, NewBits, NewBytes, NewCString, NewVector, Vector};
use super::{aggregates, dense, operators};
use pgrx::{pg_extern, pg_sys};
use std::ffi::CStr;

dense_functions! {
    type Vector, NewVector, f32;
    input vector_in; output vector_out; receive vector_recv; send vector_send;
    typmod vector_typmod_in; coerce vector; from_array array_to_vector; to_array vector_to_float4;
    dimensions vector_dims; norm vector_norm; normalize l2_normalize;
    quantize binary_quantize; part subvector;
    add vector_add; subtract vector_sub; multiply vector_mul; concatenate vector_concat;
    accumulate vector_accum; average vector_avg;
}

comparison_functions! {
    Vector, operators::compare;
    vector_lt, vector_le, vector_eq, vector_ne, vector_ge, vector_gt, vector_cmp
}
