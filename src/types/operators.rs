//! Arithmetic and comparison of two vectors. (The distances are in `fmgr`.)

use super::varlena::{NewVector, Vector};
use super::vector::{check_dimensions, check_overflow, raise_different_dimensions};
use crate::error::raise_message;
use pgrx::PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
use pgrx::pg_extern;
use std::cmp::Ordering;

/// The elements of both; an ERROR unless there are equally many.
#[inline]
fn same_dimensions<'a>(a: &'a Vector<'_>, b: &'a Vector<'_>) -> (&'a [f32], &'a [f32]) {
    let (a, b) = (a.elements(), b.elements());
    if a.len() != b.len() {
        raise_different_dimensions(a.len(), b.len());
    }
    (a, b)
}

/// Element by element; an ERROR if a result is infinite.
fn combine(a: &Vector<'_>, b: &Vector<'_>, operation: impl Fn(f32, f32) -> f32) -> NewVector {
    let (a, b) = same_dimensions(a, b);
    let mut result = NewVector::zeroed(a.len());
    for (slot, (&x, &y)) in result.elements_mut().iter_mut().zip(a.iter().zip(b)) {
        *slot = operation(x, y);
    }
    check_overflow(result.elements_mut());
    result
}

#[pg_extern(sql = false)]
fn vector_add(a: Vector<'_>, b: Vector<'_>) -> NewVector {
    combine(&a, &b, |x, y| x + y)
}

#[pg_extern(sql = false)]
fn vector_sub(a: Vector<'_>, b: Vector<'_>) -> NewVector {
    combine(&a, &b, |x, y| x - y)
}

#[pg_extern(sql = false)]
fn vector_mul(a: Vector<'_>, b: Vector<'_>) -> NewVector {
    let mut product = combine(&a, &b, |x, y| x * y);
    let factors = a.elements().iter().zip(b.elements());
    if product.elements_mut().iter().zip(factors).any(|(&p, (&x, &y))| p == 0.0 && x != 0.0 && y != 0.0) {
        raise_message(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow");
    }
    product
}

#[pg_extern(sql = false)]
fn vector_concat(a: Vector<'_>, b: Vector<'_>) -> NewVector {
    let (a, b) = (a.elements(), b.elements());
    check_dimensions(a.len() + b.len());
    let mut result = NewVector::zeroed(a.len() + b.len());
    let (head, tail) = result.elements_mut().split_at_mut(a.len());
    head.copy_from_slice(a);
    tail.copy_from_slice(b);
    result
}

/// Element by element, then the shorter first, as core compares arrays.
fn compare(a: &Vector<'_>, b: &Vector<'_>) -> Ordering {
    let (a, b) = (a.elements(), b.elements());
    a.iter()
        .zip(b)
        .map(|(x, y)| x.partial_cmp(y).unwrap_or(Ordering::Equal)) // elements are finite: none is NaN
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

#[pg_extern(sql = false)]
fn vector_lt(a: Vector<'_>, b: Vector<'_>) -> bool {
    compare(&a, &b).is_lt()
}

#[pg_extern(sql = false)]
fn vector_le(a: Vector<'_>, b: Vector<'_>) -> bool {
    compare(&a, &b).is_le()
}

#[pg_extern(sql = false)]
fn vector_eq(a: Vector<'_>, b: Vector<'_>) -> bool {
    compare(&a, &b).is_eq()
}

#[pg_extern(sql = false)]
fn vector_ne(a: Vector<'_>, b: Vector<'_>) -> bool {
    compare(&a, &b).is_ne()
}

#[pg_extern(sql = false)]
fn vector_ge(a: Vector<'_>, b: Vector<'_>) -> bool {
    compare(&a, &b).is_ge()
}

#[pg_extern(sql = false)]
fn vector_gt(a: Vector<'_>, b: Vector<'_>) -> bool {
    compare(&a, &b).is_gt()
}

#[pg_extern(sql = false)]
fn vector_cmp(a: Vector<'_>, b: Vector<'_>) -> i32 {
    compare(&a, &b) as i32
}
