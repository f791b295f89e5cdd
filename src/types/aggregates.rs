//! `avg(vector)`: its state is a `double precision[]` of the row count followed by one sum per dimension; `{0}` is the
//! state before the first row, when the number of dimensions is not known yet. (`sum(vector)` is plain addition.)

use super::array::Array;
use super::varlena::{NewVector, Vector};
use super::vector::{check_dimensions, check_elements, check_expected};
use crate::error::raise_message;
use pgrx::PgSqlErrorCode::{ERRCODE_INTERNAL_ERROR, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE};
use pgrx::{pg_extern, pg_sys};

/// Count and sums of a state; an ERROR naming `function` if the array is no state.
fn state_parts<'a>(state: &'a Array, function: &str) -> (f64, &'a [f64]) {
    match state.as_f64s().and_then(<[f64]>::split_first) {
        Some((&count, sums)) => (count, sums),
        None => raise_message(ERRCODE_INTERNAL_ERROR, format!("{function}: expected state array")),
    }
}

fn check_sum(sum: f64) -> f64 {
    if sum.is_infinite() {
        raise_message(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
    }
    sum
}

#[pg_extern(sql = false)]
fn vector_accum(mut state: Array, vector: Vector<'_>, fcinfo: pg_sys::FunctionCallInfo) -> Array {
    let (count, sums) = state_parts(&state, "vector_accum");
    let elements = vector.elements();
    if sums.is_empty() {
        return Array::from_f64s([count + 1.0].into_iter().chain(elements.iter().map(|&x| f64::from(x))));
    }
    check_expected(sums.len(), elements.len());
    // The state of a running aggregate is ours to change, which saves an allocation and a copy per row.
    if let Some([count, sums @ ..]) = state.as_aggregate_state(fcinfo) {
        *count += 1.0;
        for (sum, &x) in sums.iter_mut().zip(elements) {
            *sum = check_sum(*sum + f64::from(x));
        }
        return state;
    }
    let (count, sums) = state_parts(&state, "vector_accum");
    let added = sums.iter().zip(elements).map(|(sum, &x)| check_sum(sum + f64::from(x)));
    Array::from_f64s([count + 1.0].into_iter().chain(added))
}

#[pg_extern(sql = false)]
fn vector_combine(a: Array, b: Array) -> Array {
    let (a_count, a_sums) = state_parts(&a, "vector_combine");
    let (b_count, b_sums) = state_parts(&b, "vector_combine");
    let count = [a_count + b_count].into_iter();
    match (a_sums, b_sums) {
        ([], []) => Array::from_f64s(count),
        ([], sums) | (sums, []) => {
            check_dimensions(sums.len());
            Array::from_f64s(count.chain(sums.iter().copied()))
        }
        _ => {
            check_dimensions(a_sums.len());
            check_expected(a_sums.len(), b_sums.len());
            Array::from_f64s(count.chain(a_sums.iter().zip(b_sums).map(|(a, b)| check_sum(a + b))))
        }
    }
}

#[pg_extern(sql = false)]
fn vector_avg(state: Array) -> Option<NewVector> {
    let (count, sums) = state_parts(&state, "vector_avg");
    if count == 0.0 {
        return None;
    }
    check_dimensions(sums.len());
    let mut average = NewVector::from_elements(sums.iter().map(|sum| (sum / count) as f32));
    check_elements(average.elements_mut());
    Some(average)
}
