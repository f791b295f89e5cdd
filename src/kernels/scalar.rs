//! The reference: these functions define each kernel's result.
//!
//! They are also what every CPU without an own set runs. Sums therefore run over `LANES` independent accumulators,
//! which LLVM maps to vector registers; it may not reorder float additions by itself.

use super::Kernels;

pub(super) static KERNELS: Kernels =
    Kernels { name: "scalar", available: || true, l2_squared, dot, l1, dot_and_norms, norm_squared };

/// Accumulators of a sum: four 128-bit registers of `f32`, enough to hide the latency of an addition.
const LANES: usize = 16;

/// `sum term(a_i, b_i)`.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(a, b);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += term(a, b);
    }
    total(sums)
}

/// The sum of the accumulators, added in a tree so that LLVM can fold register by register.
#[inline(always)]
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut n = LANES / 2;
    while n > 0 {
        for i in 0..n {
            sums[i] += sums[i + n];
        }
        n /= 2;
    }
    sums[0]
}

pub(super) fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| (a - b) * (a - b))
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| a * b)
}

pub(super) fn l1(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| (a - b).abs())
}

pub(super) fn dot_and_norms(a: &[f32], b: &[f32]) -> (f32, f32, f32) {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    // Three passes over data in the first cache level: 3 x 16 accumulators would not fit the registers.
    (dot(a, b), dot(a, a), dot(b, b))
}

pub(super) fn norm_squared(a: &[f32]) -> f64 {
    let (chunks, rest) = a.as_chunks::<8>();
    let mut sums = [0.0f64; 8];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        *sum += f64::from(x) * f64::from(x);
    }
    sums.iter().sum()
}
