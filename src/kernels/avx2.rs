//! AVX2 with FMA: 8 floats at a time, tails by masked loads.
//!
//! Invariant: all functions here are compiled for the features that `available` detects, and nothing else calls
//! them. Inside such functions only loads and stores are unsafe; the helpers at the top contain them all.

use super::Kernels;
use std::arch::x86_64::*;

pub(super) static KERNELS: Kernels =
    Kernels { name: "avx2", available, l2_squared, dot, l1, dot_and_norms, norm_squared };

fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("popcnt")
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(x: &[f32; 8]) -> __m256 {
    // SAFETY: 8 floats are readable; the instruction needs no alignment.
    unsafe { _mm256_loadu_ps(x.as_ptr()) }
}

/// The first 8 floats, zeros where there are none.
#[inline]
#[target_feature(enable = "avx2")]
fn load_tail(x: &[f32]) -> __m256 {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(x.len().min(8) as i32), lanes);
    // SAFETY: lanes past the end are masked off, and those are not read.
    unsafe { _mm256_maskload_ps(x.as_ptr(), mask) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce_add(x: __m256) -> f32 {
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
}

/// Folds `step` over both slices in four independent chains (the latency of one step is about four times its
/// throughput) and adds up the lanes. `step` must leave the sum alone where both inputs are zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum(a: &[f32], b: &[f32], step: impl Fn(__m256, __m256, __m256) -> __m256) -> f32 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<8>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<8>();
    let (a_quads, a_chunks) = a_chunks.as_chunks::<4>();
    let (b_quads, b_chunks) = b_chunks.as_chunks::<4>();

    let mut sums = [_mm256_setzero_ps(); 4];
    for (a, b) in a_quads.iter().zip(b_quads) {
        sums[0] = step(sums[0], load(&a[0]), load(&b[0]));
        sums[1] = step(sums[1], load(&a[1]), load(&b[1]));
        sums[2] = step(sums[2], load(&a[2]), load(&b[2]));
        sums[3] = step(sums[3], load(&a[3]), load(&b[3]));
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_chunks).zip(b_chunks) {
        *sum = step(*sum, load(a), load(b));
    }
    if !a_rest.is_empty() {
        sums[3] = step(sums[3], load_tail(a_rest), load_tail(b_rest));
    }
    reduce_add(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])))
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |sum, a, b| {
        let d = _mm256_sub_ps(a, b);
        _mm256_fmadd_ps(d, d, sum)
    })
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |sum, a, b| _mm256_fmadd_ps(a, b, sum))
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn l1(a: &[f32], b: &[f32]) -> f32 {
    let sign = _mm256_set1_ps(-0.0);
    sum(a, b, |sum, a, b| _mm256_add_ps(sum, _mm256_andnot_ps(sign, _mm256_sub_ps(a, b))))
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn dot_and_norms(a: &[f32], b: &[f32]) -> (f32, f32, f32) {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<8>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<8>();
    let (a_pairs, a_chunks) = a_chunks.as_chunks::<2>();
    let (b_pairs, b_chunks) = b_chunks.as_chunks::<2>();

    // Two chains for each of the three sums.
    let zero = [_mm256_setzero_ps(); 3];
    let step = |[ab, aa, bb]: [__m256; 3], a, b| {
        [_mm256_fmadd_ps(a, b, ab), _mm256_fmadd_ps(a, a, aa), _mm256_fmadd_ps(b, b, bb)]
    };
    let (mut even, mut odd) = (zero, zero);
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        even = step(even, load(&a[0]), load(&b[0]));
        odd = step(odd, load(&a[1]), load(&b[1]));
    }
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        even = step(even, load(a), load(b));
    }
    if !a_rest.is_empty() {
        odd = step(odd, load_tail(a_rest), load_tail(b_rest));
    }
    let [ab, aa, bb] = [0, 1, 2].map(|i| reduce_add(_mm256_add_ps(even[i], odd[i])));
    (ab, aa, bb)
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn norm_squared(a: &[f32]) -> f64 {
    // The square of an f32 is exact in f64, so the fused step rounds as often as a plain one: once.
    let step = |[low, high]: [__m256d; 2], x| {
        let l = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
        let h = _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x));
        [_mm256_fmadd_pd(l, l, low), _mm256_fmadd_pd(h, h, high)]
    };
    let (chunks, rest) = a.as_chunks::<8>();
    let (pairs, chunks) = chunks.as_chunks::<2>();
    let (mut even, mut odd) = ([_mm256_setzero_pd(); 2], [_mm256_setzero_pd(); 2]);
    for pair in pairs {
        even = step(even, load(&pair[0]));
        odd = step(odd, load(&pair[1]));
    }
    for chunk in chunks {
        even = step(even, load(chunk));
    }
    odd = step(odd, load_tail(rest));
    let sum = _mm256_add_pd(_mm256_add_pd(even[0], even[1]), _mm256_add_pd(odd[0], odd[1]));
    let sum = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd::<1>(sum));
    _mm_cvtsd_f64(_mm_add_sd(sum, _mm_unpackhi_pd(sum, sum)))
}
