//! The distance functions as Postgres calls them.
//!
//! A sequential scan calls one of these per row, and a general-purpose wrapper (which must catch panics, convert every
//! argument and watch for Postgres errors) costs as much as the distance itself at a few hundred dimensions. So these
//! are written against the calling convention directly: [`call`] holds nothing that needs dropping, which makes it
//! legal for a Postgres error to jump over it, and everything that may raise a Rust panic is behind a guarded function.

use super::varlena::{HEADER_SIZE, VectorHeader, raise_damaged_vector, size_from_length_word};
use super::vector::raise_different_dimensions;
use crate::kernels;
use crate::metric::Metric;
use pgrx::{pg_guard, pg_sys};
use std::slice;

mod unguarded {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        /// Core's function, without the guard that `pg_sys` puts around it.
        pub fn pg_detoast_datum(datum: *mut pg_sys::varlena) -> *mut pg_sys::varlena;
    }
}

/// Declares a V1 function of two vectors of the same number of dimensions, which returns `double precision`.
macro_rules! distance_function {
    ($(#[$doc:meta])* $name:ident, $finfo:ident, $distance:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// To be called by Postgres's function manager, with two non-null `vector` arguments.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: passed on to the caller.
            unsafe { call(fcinfo, $distance) }
        }

        /// Tells the function manager that the function follows the V1 convention.
        #[unsafe(no_mangle)]
        #[doc(hidden)]
        pub extern "C" fn $finfo() -> &'static pg_sys::Pg_finfo_record {
            const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &V1
        }
    };
}

/// Evaluates `distance` on the two vectors of a call. A de-toasted copy is left to the caller's memory context, which the
/// executor empties with every row.
///
/// # Safety
/// As for the functions that [`distance_function`] declares. `distance` neither panics nor calls Postgres.
#[inline(always)]
unsafe fn call(fcinfo: pg_sys::FunctionCallInfo, distance: impl Fn(&[f32], &[f32]) -> f64) -> pg_sys::Datum {
    // SAFETY: the caller passes two non-null arguments, which stay valid during the call.
    unsafe {
        let arguments = (*fcinfo).args.as_slice(2);
        let a = elements(arguments[0].value);
        let b = elements(arguments[1].value);
        if a.len() != b.len() {
            raise_mismatch(a.len(), b.len());
        }
        pg_sys::Datum::from(distance(a, b).to_bits())
    }
}

/// The elements of a `vector` datum, de-toasted where it must be.
///
/// # Safety
/// `datum` is a non-null `vector` that outlives the result.
#[inline(always)]
unsafe fn elements<'a>(datum: pg_sys::Datum) -> &'a [f32] {
    let mut start = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: a non-null varlena datum; the size is compared with the number of dimensions before elements are read.
    unsafe {
        let is_inline = pgrx::varatt_is_4b_u(start);
        if !is_inline {
            start = unguarded::pg_detoast_datum(start);
        }
        let size = size_from_length_word(start.cast::<u32>().read());
        if is_inline {
            prefetch_before(start.cast(), size);
        }
        let header = start.cast::<VectorHeader>();
        let dimensions = if size < HEADER_SIZE { 0 } else { usize::from((*header).dimensions) };
        if dimensions == 0 || size != HEADER_SIZE + 4 * dimensions {
            raise_damaged(size, dimensions);
        }
        slice::from_raw_parts(header.add(1).cast(), dimensions)
    }
}

/// Asks for the memory before `start`: a heap page fills from its end, so a scan finds its next row there.
#[inline(always)]
fn prefetch_before(start: *const u8, size: usize) {
    let length = (size + 64).min(2048);
    kernels::prefetch_range(start.wrapping_sub(length), length);
}

#[cold]
#[inline(never)]
#[pg_guard]
unsafe extern "C-unwind" fn raise_mismatch(a: usize, b: usize) {
    raise_different_dimensions(a, b);
}

#[cold]
#[inline(never)]
#[pg_guard]
unsafe extern "C-unwind" fn raise_damaged(size: usize, dimensions: usize) {
    raise_damaged_vector(size, dimensions);
}

distance_function!(
    /// Euclidean distance.
    l2_distance_wrapper,
    pg_finfo_l2_distance_wrapper,
    |a, b| f64::from(kernels::l2_squared(a, b)).sqrt()
);

distance_function!(
    /// The square of the Euclidean distance.
    vector_l2_squared_distance_wrapper,
    pg_finfo_vector_l2_squared_distance_wrapper,
    |a, b| f64::from(kernels::l2_squared(a, b))
);

distance_function!(
    /// Inner product.
    inner_product_wrapper,
    pg_finfo_inner_product_wrapper,
    |a, b| f64::from(kernels::dot(a, b))
);

distance_function!(
    /// Negative inner product: the smaller, the nearer.
    vector_negative_inner_product_wrapper,
    pg_finfo_vector_negative_inner_product_wrapper,
    |a, b| -f64::from(kernels::dot(a, b))
);

distance_function!(
    /// One minus the cosine of the angle; NaN if a vector is zero.
    cosine_distance_wrapper,
    pg_finfo_cosine_distance_wrapper,
    |a, b| {
        let (dot, a_squared, b_squared) = kernels::dot_and_norms(a, b);
        let similarity = f64::from(dot) / (f64::from(a_squared) * f64::from(b_squared)).sqrt();
        // Rounding may push the quotient out of its range.
        1.0 - similarity.clamp(-1.0, 1.0)
    }
);

distance_function!(
    /// Taxicab distance.
    l1_distance_wrapper,
    pg_finfo_l1_distance_wrapper,
    |a, b| f64::from(kernels::l1(a, b))
);

distance_function!(
    /// The angle between two unit vectors as a fraction of a half turn.
    vector_spherical_distance_wrapper,
    pg_finfo_vector_spherical_distance_wrapper,
    |a, b| f64::from(kernels::dot(a, b)).clamp(-1.0, 1.0).acos() / std::f64::consts::PI
);

/// The metric of an operator class whose first support function is at `address`, and which has a second one if it
/// `normalises`; `None` if it is no distance that an index knows.
pub fn metric_of_support(address: usize, normalises: bool) -> Option<Metric> {
    let is = |function: unsafe extern "C-unwind" fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum| {
        address == function as usize
    };
    if is(vector_l2_squared_distance_wrapper) {
        Some(Metric::L2)
    } else if is(vector_negative_inner_product_wrapper) {
        Some(if normalises { Metric::Cosine } else { Metric::InnerProduct })
    } else if is(l1_distance_wrapper) {
        Some(Metric::L1)
    } else {
        None
    }
}
