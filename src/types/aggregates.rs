//! `avg`: its state is a `double precision[]` of the row count followed by one sum per dimension; `{0}` is the state
//! before the first row, when the number of dimensions is not known yet. (`sum` is plain addition.)

use super::array::Array;
use super::checks::{check_dimensions, check_expected, check_finite, raise_overflow};
use super::dense::convert;
use super::varlena::{Dense, DenseElement, NewDense};
use crate::error::raise_message;
use pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
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
        raise_overflow();
    }
    sum
}

/// The state with one more row.
pub fn accumulate<E: DenseElement>(
    mut state: Array,
    elements: &[E],
    function: &str,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Array {
    let (count, sums) = state_parts(&state, function);
    let values = elements.iter().map(|x| f64::from(x.to_f32()));
    if sums.is_empty() {
        return Array::from_f64s([count + 1.0].into_iter().chain(values));
    }
    check_expected(sums.len(), elements.len());
    // The state of a running aggregate is ours to change, which saves an allocation and a copy per row.
    if let Some([count, sums @ ..]) = state.as_aggregate_state(fcinfo) {
        *count += 1.0;
        for (sum, x) in sums.iter_mut().zip(values) {
            *sum = check_sum(*sum + x);
        }
        return state;
    }
    let (count, sums) = state_parts(&state, function);
    let added = sums.iter().zip(values).map(|(sum, x)| check_sum(sum + x));
    Array::from_f64s([count + 1.0].into_iter().chain(added))
}

/// The state of two sets of rows; of every dense type, as states do not depend on it.
#[pg_extern(sql = false)]
fn vector_combine(a: Array, b: Array) -> Array {
    let (a_count, a_sums) = state_parts(&a, "vector_combine");
    let (b_count, b_sums) = state_parts(&b, "vector_combine");
    let check_dimensions = check_dimensions::<Dense<f32>>;
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

/// The average of a state's rows; none of no rows.
pub fn average<E: DenseElement>(state: &Array, function: &str) -> Option<NewDense<E>> {
    let (count, sums) = state_parts(state, function);
    if count == 0.0 {
        return None;
    }
    check_dimensions::<Dense<E>>(sums.len());
    Some(NewDense::from_elements(sums.iter().map(|sum| {
        let element: E = convert((sum / count) as f32);
        check_finite::<Dense<E>>(element.to_f32());
        element
    })))
}
