//! Arithmetic of two dense vectors, and the comparison operators of all types. (The distances are in `fmgr`.)

use super::checks::{check_dimensions, check_overflow};
use super::varlena::{Dense, DenseElement, Layout, NewDense};
use crate::error::raise_message;
use pgrx::PgSqlErrorCode::{ERRCODE_DATA_EXCEPTION, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE};
use std::cmp::Ordering;

/// Element by element, computed in `f32`; an ERROR if the lengths differ. The results are still to be checked.
fn compute<E: DenseElement>(a: &[E], b: &[E], operation: impl Fn(f32, f32) -> f32) -> NewDense<E> {
    if a.len() != b.len() {
        raise_message(ERRCODE_DATA_EXCEPTION, Dense::<E>::different_lengths(a.len(), b.len()));
    }
    let mut result = NewDense::zeroed(a.len());
    for (slot, (x, y)) in result.elements_mut().iter_mut().zip(a.iter().zip(b)) {
        *slot = E::from_f32(operation(x.to_f32(), y.to_f32()));
    }
    result
}

/// Sum or difference, element by element; an ERROR if a result is infinite.
pub fn combine<E: DenseElement>(a: &[E], b: &[E], operation: impl Fn(f32, f32) -> f32) -> NewDense<E> {
    let mut result = compute(a, b, operation);
    result.elements_mut().iter().for_each(|x| check_overflow(x.to_f32()));
    result
}

/// Element by element; an ERROR also if a product is zero and none of its factors is. The first such element decides.
pub fn multiply<E: DenseElement>(a: &[E], b: &[E]) -> NewDense<E> {
    let mut result = compute(a, b, |x, y| x * y);
    for (product, (x, y)) in result.elements_mut().iter().zip(a.iter().zip(b)) {
        check_overflow(product.to_f32());
        if product.to_f32() == 0.0 && x.to_f32() != 0.0 && y.to_f32() != 0.0 {
            raise_message(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow");
        }
    }
    result
}

/// The elements of `a`, then those of `b`.
pub fn concatenate<E: DenseElement>(a: &[E], b: &[E]) -> NewDense<E> {
    check_dimensions::<Dense<E>>(a.len() + b.len());
    let mut result = NewDense::zeroed(a.len() + b.len());
    let (head, tail) = result.elements_mut().split_at_mut(a.len());
    head.copy_from_slice(a);
    tail.copy_from_slice(b);
    result
}

/// Element by element, then the shorter first, as core compares arrays.
pub fn compare<E: DenseElement>(a: &[E], b: &[E]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(x, y)| x.to_f32().partial_cmp(&y.to_f32()).unwrap_or(Ordering::Equal)) // elements are finite: none is NaN
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// Declares the functions of the comparison operators and of the btree operator class, from the function that compares
/// what two arguments hold.
macro_rules! comparison_functions {
    (
        $Argument:ident, $compare:expr;
        $lt:ident, $le:ident, $eq:ident, $ne:ident, $ge:ident, $gt:ident, $cmp:ident
    ) => {
        #[pg_extern(sql = false)]
        fn $lt(a: $Argument<'_>, b: $Argument<'_>) -> bool {
            $compare(a.view(), b.view()).is_lt()
        }

        #[pg_extern(sql = false)]
        fn $le(a: $Argument<'_>, b: $Argument<'_>) -> bool {
            $compare(a.view(), b.view()).is_le()
        }

        #[pg_extern(sql = false)]
        fn $eq(a: $Argument<'_>, b: $Argument<'_>) -> bool {
            $compare(a.view(), b.view()).is_eq()
        }

        #[pg_extern(sql = false)]
        fn $ne(a: $Argument<'_>, b: $Argument<'_>) -> bool {
            $compare(a.view(), b.view()).is_ne()
        }

        #[pg_extern(sql = false)]
        fn $ge(a: $Argument<'_>, b: $Argument<'_>) -> bool {
            $compare(a.view(), b.view()).is_ge()
        }

        #[pg_extern(sql = false)]
        fn $gt(a: $Argument<'_>, b: $Argument<'_>) -> bool {
            $compare(a.view(), b.view()).is_gt()
        }

        #[pg_extern(sql = false)]
        fn $cmp(a: $Argument<'_>, b: $Argument<'_>) -> i32 {
            $compare(a.view(), b.view()) as i32
        }
    };
}
pub(super) use comparison_functions;
