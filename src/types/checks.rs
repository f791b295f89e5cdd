//! What is checked of every vector, in the words that all types share.

use super::array::Array;
use super::text::ParseError;
use super::varlena::{Dimensional, NewSparseVector};
use crate::error::{raise, raise_message, report};
use pgrx::PgSqlErrorCode::*;

/// An ERROR unless a `T` may have that many dimensions.
pub fn check_dimensions<T: Dimensional>(dimensions: usize) {
    if dimensions < 1 {
        raise_message(ERRCODE_DATA_EXCEPTION, no_dimensions::<T>());
    }
    if dimensions > T::MAX_DIMENSIONS {
        raise_message(ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_many_dimensions::<T>());
    }
}

fn no_dimensions<T: Dimensional>() -> String {
    format!("{} must have at least 1 dimension", T::TYPE)
}

fn too_many_dimensions<T: Dimensional>() -> String {
    format!("{} cannot have more than {} dimensions", T::TYPE, T::MAX_DIMENSIONS)
}

/// An ERROR unless the dimensions are those the type modifier asks for; -1 asks for none.
pub fn check_typmod(dimensions: usize, typmod: i32) {
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

/// An ERROR if an element is not a finite number.
pub fn check_finite<T: Dimensional>(element: f32) {
    if !element.is_finite() {
        raise_message(ERRCODE_DATA_EXCEPTION, not_finite::<T>(element.is_nan()));
    }
}

fn not_finite<T: Dimensional>(is_nan: bool) -> String {
    format!("{} not allowed in {}", if is_nan { "NaN" } else { "infinite value" }, T::TYPE)
}

/// An ERROR if a finite number lies beyond the range of the elements; `number` is its text.
#[cold]
pub fn raise_out_of_range<T: Dimensional>(number: &str) -> ! {
    raise_message(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, out_of_range::<T>(number));
}

fn out_of_range<T: Dimensional>(number: &str) -> String {
    format!("\"{number}\" is out of range for type {}", T::TYPE)
}

/// Core's overflow error if a computed element is infinite.
pub fn check_overflow(element: f32) {
    if element.is_infinite() {
        raise_overflow();
    }
}

/// Core's error of a result beyond the range of its type.
#[cold]
pub fn raise_overflow() -> ! {
    raise_message(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
}

/// An ERROR unless a sparse vector may have that many elements which are not zero.
pub fn check_count(count: usize) {
    if count > NewSparseVector::MAX_ELEMENTS {
        raise_message(ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_many_elements());
    }
}

fn too_many_elements() -> String {
    format!("sparsevec cannot have more than {} non-zero elements", NewSparseVector::MAX_ELEMENTS)
}

/// The type modifier in a declaration: the number of dimensions.
pub fn read_typmod<T: Dimensional>(modifiers: &Array) -> i32 {
    let &[dimensions] = modifiers.typmods() else {
        raise_message(ERRCODE_INVALID_PARAMETER_VALUE, "invalid type modifier");
    };
    let name = T::TYPE;
    if dimensions < 1 {
        raise_message(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("dimensions for type {name} must be at least 1"),
        );
    }
    if dimensions as usize > T::MAX_DIMENSIONS {
        raise_message(
            ERRCODE_INVALID_PARAMETER_VALUE,
            format!("dimensions for type {name} cannot exceed {}", T::MAX_DIMENSIONS),
        );
    }
    dimensions
}

/// The elements of an array that is cast to a `T`, rounded to `f32`; not yet checked to be finite.
pub fn array_elements<T: Dimensional>(array: &Array, typmod: i32) -> Vec<f32> {
    if array.array_dimensions() > 1 {
        raise_message(ERRCODE_DATA_EXCEPTION, "array must be 1-D");
    }
    if array.contains_nulls() {
        raise_message(ERRCODE_NULL_VALUE_NOT_ALLOWED, "array must not contain nulls");
    }
    check_dimensions::<T>(array.len());
    check_typmod(array.len(), typmod);
    match array.to_f32s() {
        Some(elements) => elements,
        None => raise_message(ERRCODE_DATA_EXCEPTION, "unsupported array type"),
    }
}

/// An ERROR unless the field of the binary form that is kept for later is zero.
pub fn check_unused(unused: i32) {
    if unused != 0 {
        raise_message(ERRCODE_DATA_EXCEPTION, format!("expected unused to be 0, not {unused}"));
    }
}

/// The error of a literal that is no `T`.
#[cold]
pub fn raise_parse_error<T: Dimensional>(literal: &[u8], problem: ParseError<'_>) -> ! {
    let syntax = || {
        let (name, literal) = (T::TYPE, String::from_utf8_lossy(literal));
        report(
            ERRCODE_INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type {name}: \"{literal}\""),
        )
    };
    raise(match problem {
        ParseError::NoOpeningBracket(bracket) => {
            syntax().set_detail(format!("Vector contents must start with \"{bracket}\"."))
        }
        ParseError::Syntax => syntax(),
        ParseError::TrailingJunk => syntax().set_detail("Junk after closing right brace."),
        ParseError::NoDimensions => syntax().set_detail("Unexpected end of input."),
        ParseError::JunkAfterDimensions => syntax().set_detail("Junk after closing."),
        ParseError::Empty => report(ERRCODE_DATA_EXCEPTION, no_dimensions::<T>()),
        ParseError::TooMany => report(ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_many_dimensions::<T>()),
        ParseError::TooManyElements => report(ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_many_elements()),
        ParseError::OutOfRange(number) => {
            report(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, out_of_range::<T>(&String::from_utf8_lossy(number)))
        }
        ParseError::NotANumber => report(ERRCODE_DATA_EXCEPTION, not_finite::<T>(true)),
        ParseError::Infinite => report(ERRCODE_DATA_EXCEPTION, not_finite::<T>(false)),
    })
}
