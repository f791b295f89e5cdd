//! The distance functions as Postgres calls them.
//!
//! A sequential scan calls one of these per row, and a general-purpose wrapper (which must catch panics, convert every
//! argument and watch for Postgres errors) costs as much as the distance itself at a few hundred dimensions. So these
//! are written against the calling convention directly: [`call`] holds nothing that needs dropping, which makes it
//! legal for a Postgres error to jump over it, and everything that may raise a Rust panic is behind a guarded function.

use super::varlena::{BitLayout, Dense, Layout, SparseLayout, raise_damaged, size_from_length_word};
use crate::error::raise_message;
use crate::kernels::{self, Element, sparse};
use crate::metric::Metric;
use half::f16;
use pgrx::PgSqlErrorCode::ERRCODE_DATA_EXCEPTION;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::pgrx_extern_c_guard;
use std::ptr::NonNull;

mod unguarded {
    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        /// Core's function, without the guard that `pg_sys` puts around it.
        pub fn pg_detoast_datum(datum: *mut pg_sys::varlena) -> *mut pg_sys::varlena;
    }
}

/// Declares a V1 function of two values with the layout `L` and of the same length, which returns `double precision`. As with
/// pgrx's functions, `_wrapper` is added to the name in the library.
macro_rules! distance_function {
    ($(#[$doc:meta])* $name:ident, $L:ty, $distance:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// To be called by Postgres's function manager, with two non-null arguments of the type.
        #[unsafe(export_name = concat!(stringify!($name), "_wrapper"))]
        pub unsafe extern "C-unwind" fn $name(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: passed on to the caller.
            unsafe { call::<$L>(fcinfo, $distance) }
        }

        const _: () = {
            /// Tells the function manager that the function follows the V1 convention.
            #[unsafe(export_name = concat!("pg_finfo_", stringify!($name), "_wrapper"))]
            extern "C" fn finfo() -> &'static pg_sys::Pg_finfo_record {
                const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
                &V1
            }
        };
    };
}

/// Evaluates `distance` on the two values of a call. A de-toasted copy is left to the caller's memory context, which the
/// executor empties with every row.
///
/// # Safety
/// As for the functions that [`distance_function`] declares. `distance` neither panics nor calls Postgres.
#[inline(always)]
unsafe fn call<L: Layout>(
    fcinfo: pg_sys::FunctionCallInfo,
    distance: impl for<'a> Fn(L::View<'a>, L::View<'a>) -> f64,
) -> pg_sys::Datum {
    // SAFETY: the caller passes two non-null arguments, which stay valid during the call.
    unsafe {
        let arguments = (*fcinfo).args.as_slice(2);
        let a = view::<L>(arguments[0].value);
        let b = view::<L>(arguments[1].value);
        if L::length(a) != L::length(b) {
            raise_mismatch::<L>(L::length(a), L::length(b));
        }
        pg_sys::Datum::from(distance(a, b).to_bits())
    }
}

/// What a datum holds, de-toasted where it must be.
///
/// # Safety
/// `datum` is a non-null datum with the layout `L` that outlives the result.
#[inline(always)]
unsafe fn view<'a, L: Layout>(datum: pg_sys::Datum) -> L::View<'a> {
    let mut start = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: a non-null varlena datum, four-byte aligned; its size is compared with its header before more is read.
    unsafe {
        let is_inline = pgrx::varatt_is_4b_u(start);
        if !is_inline {
            start = unguarded::pg_detoast_datum(start);
        }
        let size = size_from_length_word(start.cast::<u32>().read());
        if is_inline {
            prefetch_before(start.cast(), size);
        }
        let start = NonNull::new_unchecked(start.cast());
        if !L::is_whole(start, size) {
            raise_not_whole::<L>(start, size);
        }
        L::view(start)
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
fn raise_mismatch<L: Layout>(a: usize, b: usize) -> ! {
    // SAFETY: nothing between here and Postgres needs dropping.
    unsafe { pgrx_extern_c_guard(|| raise_message(ERRCODE_DATA_EXCEPTION, L::different_lengths(a, b))) }
}

/// # Safety
/// As for [`Layout::is_whole`].
#[cold]
#[inline(never)]
unsafe fn raise_not_whole<L: Layout>(start: NonNull<u8>, size: usize) -> ! {
    // SAFETY: passed on to the caller; nothing between here and Postgres needs dropping.
    unsafe { pgrx_extern_c_guard(|| raise_damaged::<L>(start, size)) }
}

/// Declares the distance functions of a dense type.
macro_rules! dense_distances {
    (
        $Element:ty;
        $l2:ident, $l2_squared:ident, $inner_product:ident, $negative_inner_product:ident, $cosine:ident, $l1:ident, $spherical:ident
    ) => {
        distance_function!(
            /// Euclidean distance.
            $l2, Dense<$Element>, |a, b| Metric::L2.distance(a, b)
        );
        distance_function!(
            /// The square of the Euclidean distance.
            $l2_squared, Dense<$Element>, |a, b| f64::from(<$Element>::l2_squared(a, b))
        );
        distance_function!(
            /// Inner product.
            $inner_product, Dense<$Element>, |a, b| f64::from(<$Element>::dot(a, b))
        );
        distance_function!(
            /// Negative inner product: the smaller, the nearer.
            $negative_inner_product, Dense<$Element>, |a, b| Metric::InnerProduct.distance(a, b)
        );
        distance_function!(
            /// One minus the cosine of the angle; NaN if a vector is zero.
            $cosine, Dense<$Element>, |a, b| Metric::Cosine.distance(a, b)
        );
        distance_function!(
            /// Taxicab distance.
            $l1, Dense<$Element>, |a, b| Metric::L1.distance(a, b)
        );
        distance_function!(
            /// The angle between two unit vectors as a fraction of a half turn.
            $spherical,
            Dense<$Element>,
            |a, b| f64::from(<$Element>::dot(a, b)).clamp(-1.0, 1.0).acos() / std::f64::consts::PI
        );
    };
}

dense_distances! {
    f32;
    l2_distance, vector_l2_squared_distance, inner_product, vector_negative_inner_product, cosine_distance, l1_distance,
    vector_spherical_distance
}

dense_distances! {
    f16;
    halfvec_l2_distance, halfvec_l2_squared_distance, halfvec_inner_product, halfvec_negative_inner_product,
    halfvec_cosine_distance, halfvec_l1_distance, halfvec_spherical_distance
}

distance_function!(
    /// Euclidean distance.
    sparsevec_l2_distance,
    SparseLayout,
    |a, b| Metric::L2.sparse_distance(a.elements, b.elements)
);

distance_function!(
    /// The square of the Euclidean distance.
    sparsevec_l2_squared_distance,
    SparseLayout,
    |a, b| f64::from(sparse::l2_squared(a.elements, b.elements))
);

distance_function!(
    /// Inner product.
    sparsevec_inner_product,
    SparseLayout,
    |a, b| f64::from(sparse::dot(a.elements, b.elements))
);

distance_function!(
    /// Negative inner product: the smaller, the nearer.
    sparsevec_negative_inner_product,
    SparseLayout,
    |a, b| Metric::InnerProduct.sparse_distance(a.elements, b.elements)
);

distance_function!(
    /// One minus the cosine of the angle; NaN if a vector is zero.
    sparsevec_cosine_distance,
    SparseLayout,
    |a, b| Metric::Cosine.sparse_distance(a.elements, b.elements)
);

distance_function!(
    /// Taxicab distance.
    sparsevec_l1_distance,
    SparseLayout,
    |a, b| Metric::L1.sparse_distance(a.elements, b.elements)
);

distance_function!(
    /// Number of bits in which two bit strings differ.
    hamming_distance,
    BitLayout,
    |(_, a), (_, b)| Metric::Hamming.bit_distance(a, b)
);

distance_function!(
    /// One minus the share of the bits set in both among those set in either; 1 if none is set in both.
    jaccard_distance,
    BitLayout,
    |(_, a), (_, b)| Metric::Jaccard.bit_distance(a, b)
);

/// A type of which an index can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexedType {
    Vector,
    HalfVector,
    Bits,
    SparseVector,
}

/// The type and the metric of an operator class whose first support function is at `address`, and which has a second one if
/// it `normalises`; `None` if it is no distance that an index knows.
pub fn class_of_support(address: usize, normalises: bool) -> Option<(IndexedType, Metric)> {
    type Function = unsafe extern "C-unwind" fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum;
    use IndexedType::*;
    let known: [(Function, IndexedType, Metric); 11] = [
        (vector_l2_squared_distance, Vector, Metric::L2),
        (vector_negative_inner_product, Vector, Metric::InnerProduct),
        (l1_distance, Vector, Metric::L1),
        (halfvec_l2_squared_distance, HalfVector, Metric::L2),
        (halfvec_negative_inner_product, HalfVector, Metric::InnerProduct),
        (halfvec_l1_distance, HalfVector, Metric::L1),
        (sparsevec_l2_squared_distance, SparseVector, Metric::L2),
        (sparsevec_negative_inner_product, SparseVector, Metric::InnerProduct),
        (sparsevec_l1_distance, SparseVector, Metric::L1),
        (hamming_distance, Bits, Metric::Hamming),
        (jaccard_distance, Bits, Metric::Jaccard),
    ];
    let &(_, indexed, metric) = known.iter().find(|(function, ..)| address == *function as usize)?;
    Some(match metric {
        Metric::InnerProduct if normalises => (indexed, Metric::Cosine),
        metric => (indexed, metric),
    })
}
