//! The type `vector`: text and binary form, type modifier, casts, and functions of one vector.

use super::array::Array;
use super::text::{self, ParseError};
use super::varlena::{Message, NewBits, NewBytes, NewCString, NewVector, Vector};
use crate::error::{raise, raise_message, report};
use crate::kernels;
use pgrx::PgSqlErrorCode::*;
use pgrx::pg_extern;
use std::ffi::CStr;

/// An ERROR unless a vector may have that many dimensions.
pub(super) fn check_dimensions(dimensions: usize) {
    if dimensions < 1 {
        raise_message(ERRCODE_DATA_EXCEPTION, "vector must have at least 1 dimension");
    }
    if dimensions > NewVector::MAX_DIMENSIONS {
        raise_message(ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_many_dimensions());
    }
}

fn too_many_dimensions() -> String {
    format!("vector cannot have more than {} dimensions", NewVector::MAX_DIMENSIONS)
}

/// An ERROR unless the dimensions are those the type modifier asks for; -1 asks for none.
fn check_typmod(dimensions: usize, typmod: i32) {
    if typmod != -1 {
        check_expected(typmod as usize, dimensions);
    }
}

/// An ERROR unless `actual` is the expected number of dimensions.
pub fn check_expected(expected: usize, actual: usize) {
    if expected != actual {
        raise_message(ERRCODE_DATA_EXCEPTION, format!("expected {expected} dimensions, not {actual}"));
    }
}

/// The error of a function of two vectors.
#[cold]
pub(super) fn raise_different_dimensions(a: usize, b: usize) -> ! {
    raise_message(ERRCODE_DATA_EXCEPTION, format!("different vector dimensions {a} and {b}"));
}

/// An ERROR if an element is not a finite number.
pub(super) fn check_elements(elements: &[f32]) {
    if let Some(element) = elements.iter().find(|x| !x.is_finite()) {
        raise_message(ERRCODE_DATA_EXCEPTION, not_finite(element.is_nan()));
    }
}

fn not_finite(is_nan: bool) -> &'static str {
    if is_nan { "NaN not allowed in vector" } else { "infinite value not allowed in vector" }
}

#[pg_extern(sql = false)]
fn vector_in(literal: &CStr, _type: pgrx::pg_sys::Oid, typmod: i32) -> NewVector {
    let literal = literal.to_bytes();
    let elements = text::parse_dense(literal, NewVector::MAX_DIMENSIONS)
        .unwrap_or_else(|problem| raise_parse_error(literal, problem));
    check_typmod(elements.len(), typmod);
    NewVector::from_elements(elements.into_iter())
}

#[cold]
fn raise_parse_error(literal: &[u8], problem: ParseError<'_>) -> ! {
    let syntax = || {
        let literal = String::from_utf8_lossy(literal);
        report(
            ERRCODE_INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type vector: \"{literal}\""),
        )
    };
    raise(match problem {
        ParseError::NoOpeningBracket => syntax().set_detail("Vector contents must start with \"[\"."),
        ParseError::Syntax => syntax(),
        ParseError::TrailingJunk => syntax().set_detail("Junk after closing right brace."),
        ParseError::Empty => report(ERRCODE_DATA_EXCEPTION, "vector must have at least 1 dimension"),
        ParseError::TooMany => report(ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_many_dimensions()),
        ParseError::OutOfRange(number) => report(
            ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{}\" is out of range for type vector", String::from_utf8_lossy(number)),
        ),
        ParseError::NotANumber => report(ERRCODE_DATA_EXCEPTION, not_finite(true)),
        ParseError::Infinite => report(ERRCODE_DATA_EXCEPTION, not_finite(false)),
    })
}

#[pg_extern(sql = false)]
fn vector_out(vector: Vector<'_>) -> NewCString {
    NewCString::bracketed(vector.elements())
}

#[pg_extern(sql = false)]
fn vector_typmod_in(modifiers: Array) -> i32 {
    let &[dimensions] = modifiers.typmods() else {
        raise_message(ERRCODE_INVALID_PARAMETER_VALUE, "invalid type modifier");
    };
    if dimensions < 1 {
        raise_message(ERRCODE_INVALID_PARAMETER_VALUE, "dimensions for type vector must be at least 1");
    }
    if dimensions as usize > NewVector::MAX_DIMENSIONS {
        raise_message(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("dimensions for type vector cannot exceed {}", NewVector::MAX_DIMENSIONS),
        );
    }
    dimensions
}

#[pg_extern(sql = false)]
fn vector_recv(mut message: Message, _type: pgrx::pg_sys::Oid, typmod: i32) -> NewVector {
    let dimensions = message.read_i16().max(0) as usize;
    let unused = message.read_i16();
    check_dimensions(dimensions);
    check_typmod(dimensions, typmod);
    if unused != 0 {
        raise_message(ERRCODE_DATA_EXCEPTION, format!("expected unused to be 0, not {unused}"));
    }
    let elements: Vec<f32> = message.available_f32s(dimensions).collect();
    check_elements(&elements);
    if elements.len() < dimensions {
        message.raise_insufficient();
    }
    NewVector::from_elements(elements.into_iter())
}

#[pg_extern(sql = false)]
fn vector_send(vector: Vector<'_>) -> NewBytes {
    let [d1, d0] = (vector.dimensions() as u16).to_be_bytes();
    let [u1, u0] = vector.unused().to_be_bytes();
    NewBytes::concat(&[d1, d0, u1, u0], vector.elements().iter().map(|x| x.to_be_bytes()))
}

/// The cast from `vector` to `vector(n)`. Casts get a third argument, whether they are explicit, which changes nothing.
#[pg_extern(sql = false)]
fn vector<'a>(vector: Vector<'a>, typmod: i32, _explicit: bool) -> Vector<'a> {
    check_typmod(vector.dimensions(), typmod);
    vector
}

#[pg_extern(sql = false)]
fn array_to_vector(array: Array, typmod: i32, _explicit: bool) -> NewVector {
    if array.array_dimensions() > 1 {
        raise_message(ERRCODE_DATA_EXCEPTION, "array must be 1-D");
    }
    if array.contains_nulls() {
        raise_message(ERRCODE_NULL_VALUE_NOT_ALLOWED, "array must not contain nulls");
    }
    check_dimensions(array.len());
    check_typmod(array.len(), typmod);
    let Some(elements) = array.to_f32s() else {
        raise_message(ERRCODE_DATA_EXCEPTION, "unsupported array type");
    };
    check_elements(&elements);
    NewVector::from_elements(elements.into_iter())
}

#[pg_extern(sql = false)]
fn vector_to_float4(vector: Vector<'_>, _typmod: i32, _explicit: bool) -> Array {
    Array::from_f32s(vector.elements().iter().copied())
}

#[pg_extern(sql = false)]
fn vector_dims(vector: Vector<'_>) -> i32 {
    vector.dimensions() as i32
}

#[pg_extern(sql = false)]
fn vector_norm(vector: Vector<'_>) -> f64 {
    kernels::norm_squared(vector.elements()).sqrt()
}

#[pg_extern(sql = false)]
fn l2_normalize(vector: Vector<'_>) -> NewVector {
    let norm = kernels::norm_squared(vector.elements()).sqrt();
    let mut result = NewVector::zeroed(vector.dimensions());
    if norm > 0.0 {
        for (normalized, &x) in result.elements_mut().iter_mut().zip(vector.elements()) {
            *normalized = (f64::from(x) / norm) as f32;
        }
        check_overflow(result.elements_mut());
    }
    result
}

/// Core's overflow error if a computed element is infinite.
pub(super) fn check_overflow(elements: &[f32]) {
    if elements.iter().any(|x| x.is_infinite()) {
        raise_message(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
    }
}

#[pg_extern(sql = false)]
fn binary_quantize(vector: Vector<'_>) -> NewBits {
    NewBits::from_bits(vector.elements().iter().map(|&x| x > 0.0))
}

/// The elements from the `start`-th (counted from one) on, `count` of them, as far as the vector has such elements.
#[pg_extern(sql = false)]
fn subvector(vector: Vector<'_>, start: i32, count: i32) -> NewVector {
    let elements = vector.elements();
    let end = (i64::from(start) + i64::from(count.max(0))).clamp(1, elements.len() as i64 + 1) as usize;
    let start = i64::from(start).clamp(1, end as i64) as usize;
    check_dimensions(end - start);
    NewVector::from_elements(elements[start - 1..end - 1].iter().copied())
}
