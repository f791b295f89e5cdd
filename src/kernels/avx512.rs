//! AVX-512: 16 floats at a time, tails by masked loads.
//!
//! Invariant: all functions here are compiled for the features that `available` detects, and nothing else calls
//! them. Inside such functions only loads and stores are unsafe; the helpers at the top contain them all.

use super::groups::PLANES;
use super::{
    Arranged, Estimates, GROUP, Groups, Kernels, Own, QueryQ4, ResidualSums, bytes_of, padded, scalar,
};
use half::f16;
use std::arch::x86_64::*;

pub(super) const KERNELS: Kernels = Kernels {
    name: "avx512",
    available,
    l2_squared,
    dot,
    l1,
    dot_and_norms,
    norm_squared,
    l2_squared_f16,
    dot_f16,
    l1_f16,
    dot_and_norms_f16,
    norm_squared_f16,
    widen_f16,
    hamming,
    jaccard_counts,
    dot_f32_u8,
    dot_f32_u4,
    dot_u8,
    sum_u8,
    estimate_q4,
    arrange_i4,
    pack_planes,
    sign_code,
    min_max,
    quantize_u8,
    decode_u8,
    residual_squared,
    hadamard,
    scale_by,
    givens_halves,
};

pub(super) const WITH_VNNI: Kernels = Kernels {
    name: "avx512vnni",
    available: || available() && is_x86_feature_detected!("avx512vnni"),
    dot_u8: dot_u8_vnni,
    ..KERNELS
};

fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq")
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(x: &[f32; 16]) -> __m512 {
    // SAFETY: 16 floats are readable; the instruction needs no alignment.
    unsafe { _mm512_loadu_ps(x.as_ptr()) }
}

/// The first 16 floats, zeros where there are none.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_tail(x: &[f32]) -> __m512 {
    // SAFETY: lanes past the end are masked off, and those are not read.
    unsafe { _mm512_maskz_loadu_ps(tail_mask(x.len()), x.as_ptr()) }
}

/// 16 half-precision numbers, widened.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_f16(x: &[f16; 16]) -> __m512 {
    // SAFETY: 16 numbers of 16 bits are readable; the instruction needs no alignment.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(x.as_ptr().cast()) })
}

/// The first 16 half-precision numbers, widened, zeros where there are none.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_f16_tail(x: &[f16]) -> __m512 {
    // SAFETY: lanes past the end are masked off, and those are not read.
    _mm512_cvtph_ps(unsafe { _mm256_maskz_loadu_epi16(tail_mask(x.len()), x.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(x: &mut [f32; 16], value: __m512) {
    // SAFETY: 16 floats are writable; the instruction needs no alignment.
    unsafe { _mm512_storeu_ps(x.as_mut_ptr(), value) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(x: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are readable; the instruction needs no alignment.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

/// The first 64 bytes, zeros where there are none.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_bytes_tail(x: &[u8]) -> __m512i {
    let mask = if x.len() >= 64 { !0 } else { (1 << x.len()) - 1 };
    // SAFETY: bytes past the end are masked off, and those are not read.
    unsafe { _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast()) }
}

/// 16 codes as floats.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_codes(codes: &[u8; 16]) -> __m512 {
    // SAFETY: 16 bytes are readable; the instruction needs no alignment.
    let bytes = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
}

/// The lowest `n` of 16 bits.
#[inline]
fn tail_mask(n: usize) -> __mmask16 {
    if n >= 16 { !0 } else { (1 << n) - 1 }
}

/// Folds `step` over both slices in four independent chains (the latency of one step is about four times its
/// throughput) and adds up the lanes. `step` must leave the sum alone where both inputs are zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn sum<T>(
    a: &[T],
    b: &[T],
    read: impl Fn(&[T; 16]) -> __m512,
    read_tail: impl Fn(&[T]) -> __m512,
    step: impl Fn(__m512, __m512, __m512) -> __m512,
) -> f32 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<16>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<16>();
    let (a_quads, a_chunks) = a_chunks.as_chunks::<4>();
    let (b_quads, b_chunks) = b_chunks.as_chunks::<4>();

    let mut sums = [_mm512_setzero_ps(); 4];
    for (a, b) in a_quads.iter().zip(b_quads) {
        sums[0] = step(sums[0], read(&a[0]), read(&b[0]));
        sums[1] = step(sums[1], read(&a[1]), read(&b[1]));
        sums[2] = step(sums[2], read(&a[2]), read(&b[2]));
        sums[3] = step(sums[3], read(&a[3]), read(&b[3]));
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_chunks).zip(b_chunks) {
        *sum = step(*sum, read(a), read(b));
    }
    if !a_rest.is_empty() {
        sums[3] = step(sums[3], read_tail(a_rest), read_tail(b_rest));
    }
    _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])))
}

/// `sum + (a - b)^2`
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn add_squared_difference(sum: __m512, a: __m512, b: __m512) -> __m512 {
    let d = _mm512_sub_ps(a, b);
    _mm512_fmadd_ps(d, d, sum)
}

/// `sum + |a - b|`
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn add_difference(sum: __m512, a: __m512, b: __m512) -> __m512 {
    _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(a, b)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn dot_and_norms_of<T>(
    a: &[T],
    b: &[T],
    read: impl Fn(&[T; 16]) -> __m512,
    read_tail: impl Fn(&[T]) -> __m512,
) -> (f32, f32, f32) {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<16>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<16>();
    let (a_pairs, a_chunks) = a_chunks.as_chunks::<2>();
    let (b_pairs, b_chunks) = b_chunks.as_chunks::<2>();

    // Two chains for each of the three sums.
    let zero = [_mm512_setzero_ps(); 3];
    let step = |[ab, aa, bb]: [__m512; 3], a, b| {
        [_mm512_fmadd_ps(a, b, ab), _mm512_fmadd_ps(a, a, aa), _mm512_fmadd_ps(b, b, bb)]
    };
    let (mut even, mut odd) = (zero, zero);
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        even = step(even, read(&a[0]), read(&b[0]));
        odd = step(odd, read(&a[1]), read(&b[1]));
    }
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        even = step(even, read(a), read(b));
    }
    if !a_rest.is_empty() {
        odd = step(odd, read_tail(a_rest), read_tail(b_rest));
    }
    let [ab, aa, bb] = [0, 1, 2].map(|i| _mm512_reduce_add_ps(_mm512_add_ps(even[i], odd[i])));
    (ab, aa, bb)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn norm_squared_of<T>(a: &[T], read: impl Fn(&[T; 16]) -> __m512, read_tail: impl Fn(&[T]) -> __m512) -> f64 {
    // The square of a number is exact in f64, so the fused step rounds as often as a plain one: once.
    let step = |[low, high]: [__m512d; 2], x| {
        let l = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
        let h = _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x));
        [_mm512_fmadd_pd(l, l, low), _mm512_fmadd_pd(h, h, high)]
    };
    let (chunks, rest) = a.as_chunks::<16>();
    let (pairs, chunks) = chunks.as_chunks::<2>();
    let (mut even, mut odd) = ([_mm512_setzero_pd(); 2], [_mm512_setzero_pd(); 2]);
    for pair in pairs {
        even = step(even, read(&pair[0]));
        odd = step(odd, read(&pair[1]));
    }
    for chunk in chunks {
        even = step(even, read(chunk));
    }
    odd = step(odd, read_tail(rest));
    _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(even[0], even[1]), _mm512_add_pd(odd[0], odd[1])))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x| load(x), |x| load_tail(x), |sum, a, b| add_squared_difference(sum, a, b))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x| load(x), |x| load_tail(x), |sum, a, b| _mm512_fmadd_ps(a, b, sum))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn l1(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x| load(x), |x| load_tail(x), |sum, a, b| add_difference(sum, a, b))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn dot_and_norms(a: &[f32], b: &[f32]) -> (f32, f32, f32) {
    dot_and_norms_of(a, b, |x| load(x), |x| load_tail(x))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn norm_squared(a: &[f32]) -> f64 {
    norm_squared_of(a, |x| load(x), |x| load_tail(x))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn l2_squared_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x| load_f16(x), |x| load_f16_tail(x), |sum, a, b| add_squared_difference(sum, a, b))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn dot_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x| load_f16(x), |x| load_f16_tail(x), |sum, a, b| _mm512_fmadd_ps(a, b, sum))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn l1_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x| load_f16(x), |x| load_f16_tail(x), |sum, a, b| add_difference(sum, a, b))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn dot_and_norms_f16(a: &[f16], b: &[f16]) -> (f32, f32, f32) {
    dot_and_norms_of(a, b, |x| load_f16(x), |x| load_f16_tail(x))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn norm_squared_f16(a: &[f16]) -> f64 {
    norm_squared_of(a, |x| load_f16(x), |x| load_f16_tail(x))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn widen_f16(x: &[f16], out: &mut [f32]) {
    let n = x.len().min(out.len());
    let (x_chunks, x_rest) = x[..n].as_chunks::<16>();
    let (out_chunks, out_rest) = out[..n].as_chunks_mut::<16>();
    for (x, out) in x_chunks.iter().zip(out_chunks) {
        store(out, load_f16(x));
    }
    scalar::widen_f16(x_rest, out_rest);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
fn hamming(a: &[u8], b: &[u8]) -> u64 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<64>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<64>();

    let step = |sum, a, b| _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, b)));
    let mut sum = step(_mm512_setzero_si512(), load_bytes_tail(a_rest), load_bytes_tail(b_rest));
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sum = step(sum, load_bytes(a), load_bytes(b));
    }
    _mm512_reduce_add_epi64(sum) as u64
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
fn jaccard_counts(a: &[u8], b: &[u8]) -> (u64, u64) {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<64>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<64>();

    let step = |[both, either]: [__m512i; 2], a, b| {
        [
            _mm512_add_epi64(both, _mm512_popcnt_epi64(_mm512_and_si512(a, b))),
            _mm512_add_epi64(either, _mm512_popcnt_epi64(_mm512_or_si512(a, b))),
        ]
    };
    let mut sums = step([_mm512_setzero_si512(); 2], load_bytes_tail(a_rest), load_bytes_tail(b_rest));
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sums = step(sums, load_bytes(a), load_bytes(b));
    }
    let [both, either] = sums.map(|sum| _mm512_reduce_add_epi64(sum) as u64);
    (both, either)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn dot_f32_u8(query: &[f32], codes: &[u8]) -> f32 {
    let n = query.len().min(codes.len());
    let (q_chunks, q_rest) = query[..n].as_chunks::<16>();
    let (c_chunks, c_rest) = codes[..n].as_chunks::<16>();
    let (q_quads, q_chunks) = q_chunks.as_chunks::<4>();
    let (c_quads, c_chunks) = c_chunks.as_chunks::<4>();

    let mut sums = [_mm512_setzero_ps(); 4];
    for (q, c) in q_quads.iter().zip(c_quads) {
        sums[0] = _mm512_fmadd_ps(load(&q[0]), load_codes(&c[0]), sums[0]);
        sums[1] = _mm512_fmadd_ps(load(&q[1]), load_codes(&c[1]), sums[1]);
        sums[2] = _mm512_fmadd_ps(load(&q[2]), load_codes(&c[2]), sums[2]);
        sums[3] = _mm512_fmadd_ps(load(&q[3]), load_codes(&c[3]), sums[3]);
    }
    for ((sum, q), c) in sums.iter_mut().zip(q_chunks).zip(c_chunks) {
        *sum = _mm512_fmadd_ps(load(q), load_codes(c), *sum);
    }
    if !q_rest.is_empty() {
        sums[3] = _mm512_fmadd_ps(load_tail(q_rest), load_codes(&padded(c_rest)), sums[3]);
    }
    _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])))
}

#[target_feature(enable = "avx512f,avx512bw")]
fn dot_u8(a: &[u8], b: &[u8]) -> u64 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<64>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<64>();

    // Products of bytes, widened to 16 bits by interleaving with zeros, fit 17 bits summed in pairs.
    let zero = _mm512_setzero_si512();
    let step = |[low, high]: [__m512i; 2], a, b| {
        let l = _mm512_madd_epi16(_mm512_unpacklo_epi8(a, zero), _mm512_unpacklo_epi8(b, zero));
        let h = _mm512_madd_epi16(_mm512_unpackhi_epi8(a, zero), _mm512_unpackhi_epi8(b, zero));
        [_mm512_add_epi32(low, l), _mm512_add_epi32(high, h)]
    };
    let mut sums = [zero; 2];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sums = step(sums, load_bytes(a), load_bytes(b));
    }
    sums = step(sums, load_bytes_tail(a_rest), load_bytes_tail(b_rest));
    _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1])) as u64
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dot_u8_vnni(a: &[u8], b: &[u8]) -> u64 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<64>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<64>();
    let (a_pairs, a_chunks) = a_chunks.as_chunks::<2>();
    let (b_pairs, b_chunks) = b_chunks.as_chunks::<2>();

    // VPDPBUSD multiplies unsigned by signed bytes. Flipping the top bit of b gives b - 128 as a signed byte, so
    // sum a b = sum a (b - 128) + 128 sum a.
    let flip = _mm512_set1_epi8(-128);
    let ones = _mm512_set1_epi8(1);
    let step = |[products, bytes]: [__m512i; 2], a, b| {
        let signed = _mm512_xor_si512(b, flip);
        [_mm512_dpbusd_epi32(products, a, signed), _mm512_dpbusd_epi32(bytes, a, ones)]
    };
    let zero = _mm512_setzero_si512();
    let (mut even, mut odd) = ([zero; 2], [zero; 2]);
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        even = step(even, load_bytes(&a[0]), load_bytes(&b[0]));
        odd = step(odd, load_bytes(&a[1]), load_bytes(&b[1]));
    }
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        even = step(even, load_bytes(a), load_bytes(b));
    }
    if !a_rest.is_empty() {
        odd = step(odd, load_bytes_tail(a_rest), load_bytes_tail(b_rest));
    }
    let [products, bytes] = [0, 1].map(|i| _mm512_add_epi32(even[i], odd[i]));
    _mm512_reduce_add_epi32(_mm512_add_epi32(products, _mm512_slli_epi32::<7>(bytes))) as u64
}

#[target_feature(enable = "avx512f,avx512bw")]
fn sum_u8(codes: &[u8]) -> u64 {
    let zero = _mm512_setzero_si512();
    let (chunks, rest) = codes.as_chunks::<64>();
    let mut sum = _mm512_sad_epu8(load_bytes_tail(rest), zero);
    for chunk in chunks {
        sum = _mm512_add_epi64(sum, _mm512_sad_epu8(load_bytes(chunk), zero));
    }
    _mm512_reduce_add_epi64(sum) as u64
}

/// The first 8 floats of a group's factors, zeros where there are none.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn load_factors(x: &[u8]) -> __m256 {
    let mask = tail_mask(x.len() / 4) as __mmask8;
    // SAFETY: lanes past the end are masked off, and those are not read.
    unsafe { _mm256_maskz_loadu_ps(mask, x.as_ptr().cast()) }
}

/// For each plane of a vector, the popcounts of the bits it shares with each lane.
///
/// One load per word; per plane a broadcasting AND, VPOPCNTQ and an addition, the chains being independent. No
/// cheaper way was found: a carry-save adder costs as much as the popcount and addition it replaces, and masked
/// additions of query bytes (64 at a time, the code as mask) took twice the time.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
fn plane_counts(codes: &[u8], lanes: usize, vector: &[[u64; PLANES]]) -> [__m512i; PLANES] {
    let step = |counts: &mut [__m512i; PLANES], code, words: &[u64; PLANES]| {
        for j in 0..PLANES {
            let common = _mm512_and_si512(code, _mm512_set1_epi64(words[j] as i64));
            counts[j] = _mm512_add_epi64(counts[j], _mm512_popcnt_epi64(common));
        }
    };
    let mut counts = [_mm512_setzero_si512(); PLANES];
    if lanes == GROUP {
        for (row, words) in codes.as_chunks::<64>().0.iter().zip(vector) {
            step(&mut counts, load_bytes(row), words);
        }
    } else {
        for (row, words) in codes.chunks_exact(8 * lanes).zip(vector) {
            step(&mut counts, load_bytes_tail(row), words);
        }
    }
    counts
}

/// `x << n` in each of the 8 lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn shift_left(x: __m512i, n: usize) -> __m512i {
    _mm512_sll_epi64(x, _mm_cvtsi64_si128(n as i64))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
fn estimate_q4(groups: Groups<'_>, query: QueryQ4<'_>, own: Own, bound: f32, estimates: &mut Estimates) {
    let (start, factor) = own.start();
    let (start, factor, own) =
        (_mm256_set1_ps(start), _mm256_set1_ps(factor), _mm256_set1_ps(own.distance()));
    let (step, centre, bound) =
        (_mm256_set1_ps(query.step), _mm256_set1_ps(query.centre), _mm256_set1_ps(bound));
    estimates.reset(groups.links.min(groups.slots));
    for (i, group) in groups.iter().enumerate() {
        let mut scores = _mm512_setzero_si512();
        for (p, codes) in group.planes(query.vector.words()) {
            let n = plane_counts(codes, group.lanes, query.vector.planes());
            let positive = _mm512_add_epi64(n[0], _mm512_add_epi64(shift_left(n[1], 1), shift_left(n[2], 2)));
            let sum = _mm512_sub_epi64(positive, shift_left(n[3], 3));
            scores = _mm512_add_epi64(scores, shift_left(sum, p));
        }
        let products = _mm256_mul_ps(step, _mm256_sub_ps(_mm512_cvtepi64_ps(scores), centre));
        let rescaled = _mm256_mul_ps(load_factors(group.rescale), products);
        let added = _mm256_mul_ps(factor, load_factors(group.add));
        let sum = _mm256_add_ps(start, _mm256_add_ps(added, rescaled));
        let nan = _mm256_cmp_ps_mask::<_CMP_UNORD_Q>(sum, sum);
        let sum = _mm256_mask_mov_ps(sum, nan, own);
        let mask = _mm256_cmp_ps_mask::<_CMP_LE_OQ>(sum, bound);
        let lanes = estimates.set(i, mask);
        // SAFETY: `lanes` has the 32 bytes that are written; the instruction needs no alignment.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn arrange_i4(values: &[i8], arranged: &mut Arranged) {
    arranged.set_planes(bytes_of(values), |values, bits, planes| pack_planes(values, bits, planes));
}

#[target_feature(enable = "avx512f,avx512bw")]
fn pack_planes(codes: &[u8], bits: usize, planes: &mut [u64]) {
    let (chunks, rest) = codes.as_chunks::<64>();
    let words = codes.len().div_ceil(64);
    for j in 0..bits {
        let bit = _mm512_set1_epi8(1i8.wrapping_shl(j as u32));
        let plane = &mut planes[j * words..][..words];
        for (word, chunk) in plane.iter_mut().zip(chunks) {
            *word = _mm512_test_epi8_mask(load_bytes(chunk), bit);
        }
        if !rest.is_empty() {
            plane[chunks.len()] = _mm512_test_epi8_mask(load_bytes_tail(rest), bit);
        }
    }
}

/// One step of [`sign_code`]: adds to the four sums and returns the bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn sign_step(sums: &mut [__m512; 4], target: &[f32; 16], origin: &[f32; 16], scale: f32) -> u64 {
    let origin = load(origin);
    // Two roundings, as in every set: a fused step would give other bits.
    let r = _mm512_sub_ps(load(target), _mm512_mul_ps(_mm512_set1_ps(scale), origin));
    let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(r, _mm512_setzero_ps());
    sums[0] = _mm512_fmadd_ps(r, r, sums[0]);
    sums[1] = _mm512_add_ps(sums[1], _mm512_abs_ps(r));
    sums[2] = _mm512_mask_add_ps(sums[2], positive, sums[2], origin);
    sums[3] = _mm512_add_ps(sums[3], origin);
    u64::from(positive)
}

/// 64 dimensions of [`sign_code`], alternating between two sets of sums.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn sign_word(sums: &mut [[__m512; 4]; 2], target: &[f32; 64], origin: &[f32; 64], scale: f32) -> u64 {
    let (t, o) = (target.as_chunks::<16>().0, origin.as_chunks::<16>().0);
    let mut word = 0;
    for i in 0..4 {
        word |= sign_step(&mut sums[i % 2], &t[i], &o[i], scale) << (16 * i);
    }
    word
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn sign_code(target: &[f32], origin: &[f32], scale: f32, words_out: &mut [u64]) -> ResidualSums {
    let n = target.len().min(origin.len());
    let (t_chunks, t_rest) = target[..n].as_chunks::<64>();
    let (o_chunks, o_rest) = origin[..n].as_chunks::<64>();

    let mut sums = [[_mm512_setzero_ps(); 4]; 2];
    for ((target, origin), word) in t_chunks.iter().zip(o_chunks).zip(&mut *words_out) {
        *word = sign_word(&mut sums, target, origin, scale);
    }
    if !t_rest.is_empty()
        && let Some(word) = words_out.get_mut(t_chunks.len())
    {
        *word = sign_word(&mut sums, &padded(t_rest), &padded(o_rest), scale);
    }
    let [norm_squared, abs_sum, origin_sum, origin_total] =
        [0, 1, 2, 3].map(|i| _mm512_reduce_add_ps(_mm512_add_ps(sums[0][i], sums[1][i])));
    ResidualSums { norm_squared, abs_sum, origin_sum, origin_total }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn min_max(x: &[f32]) -> (f32, f32) {
    scalar::min_max(x)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn quantize_u8(x: &[f32], lo: f32, inv_step: f32, codes_out: &mut [u8]) {
    scalar::quantize_u8(x, lo, inv_step, codes_out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn dot_f32_u4(query: &[f32], codes: &[u8]) -> f32 {
    scalar::dot_f32_u4(query, codes)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn decode_u8(codes: &[u8], lo: f32, step: f32, out: &mut [f32]) {
    scalar::decode_u8(codes, lo, step, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn residual_squared(x: &[f32], codes: &[u16], lo: f64, step: f64) -> f64 {
    scalar::residual_squared(x, codes, lo, step)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn hadamard(x: &mut [f32]) {
    match x.len() {
        0..16 => {}
        16 => hadamard_registers::<1>(x),
        32 => hadamard_registers::<2>(x),
        64 => hadamard_registers::<4>(x),
        128 => hadamard_registers::<8>(x),
        _ => hadamard_registers::<16>(x),
    }
    scalar::hadamard_from(x, if x.len() < 16 { 1 } else { 256.min(x.len()) });
}

/// The stages of strides 1, 2, 4 and 8, inside a register. A butterfly is the register with its partners swapped,
/// plus the register with the upper partners negated; the product with 1 or -1 is exact, so this rounds like a
/// plain addition.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn hadamard_16(x: __m512) -> __m512 {
    const SIGNS: [[f32; 16]; 4] = {
        let mut signs = [[1.0; 16]; 4];
        let mut i = 0;
        while i < 64 {
            if (i % 16) & (1 << (i / 16)) != 0 {
                signs[i / 16][i % 16] = -1.0;
            }
            i += 1;
        }
        signs
    };
    let x = _mm512_fmadd_ps(x, load(&SIGNS[0]), _mm512_permute_ps::<0b10_11_00_01>(x));
    let x = _mm512_fmadd_ps(x, load(&SIGNS[1]), _mm512_permute_ps::<0b01_00_11_10>(x));
    let x = _mm512_fmadd_ps(x, load(&SIGNS[2]), _mm512_shuffle_f32x4::<0b10_11_00_01>(x, x));
    _mm512_fmadd_ps(x, load(&SIGNS[3]), _mm512_shuffle_f32x4::<0b01_00_11_10>(x, x))
}

/// The stages with strides below `16 R`, on each block of R registers: four inside the registers, the others between
/// them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn hadamard_registers<const R: usize>(x: &mut [f32]) {
    for block in x.as_chunks_mut::<16>().0.as_chunks_mut::<R>().0 {
        let mut x = [_mm512_setzero_ps(); R];
        for i in 0..R {
            x[i] = hadamard_16(load(&block[i]));
        }
        butterflies::<R, 1>(&mut x);
        butterflies::<R, 2>(&mut x);
        butterflies::<R, 4>(&mut x);
        butterflies::<R, 8>(&mut x);
        for i in 0..R {
            store(&mut block[i], x[i]);
        }
    }
}

/// The stage of stride S registers, if there are that many. Once unrolled, every index is a constant, which keeps
/// `x` in registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn butterflies<const R: usize, const S: usize>(x: &mut [__m512; R]) {
    if S < R {
        for k in 0..R / 2 {
            let i = k / S * (2 * S) + k % S;
            (x[i], x[i + S]) = (_mm512_add_ps(x[i], x[i + S]), _mm512_sub_ps(x[i], x[i + S]));
        }
    }
}

#[target_feature(enable = "avx512f")]
fn scale_by(x: &mut [f32], s: &[f32]) {
    scalar::scale_by(x, s);
}

#[target_feature(enable = "avx512f")]
fn givens_halves(lo: &mut [f32], hi: &mut [f32]) {
    scalar::givens_halves(lo, hi);
}
