//! The reference: these functions define each kernel's result.
//!
//! They are also what every CPU without an own set runs. Sums therefore run over `LANES` independent accumulators,
//! which LLVM maps to vector registers; it may not reorder float additions by itself.

use super::element::widen;
use super::groups::PLANES;
use super::{Arranged, Estimates, GROUP, Groups, Kernels, Own, QueryQ4, ResidualSums, bytes_of, padded};
use half::f16;
use std::f32::consts::FRAC_1_SQRT_2;

pub(super) const KERNELS: Kernels = Kernels {
    name: "scalar",
    available: || true,
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

/// Accumulators of a sum: four 128-bit registers of `f32`, enough to hide the latency of an addition.
const LANES: usize = 16;

/// `sum term(a_i, b_i)`.
#[inline(always)]
fn sum<A: Copy, B: Copy>(a: &[A], b: &[B], term: impl Fn(A, B) -> f32) -> f32 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for i in 0..LANES {
            sums[i] += term(a[i], b[i]);
        }
    }
    // The rest is added apart, and the accumulators one after the other: LLVM keeps `sums` in vector registers only
    // while all their uses are this plain.
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| term(a, b)).sum();
    sums.iter().sum::<f32>() + rest
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
    sum_of_squares(a, f64::from)
}

/// `sum value(a_i)^2`.
#[inline(always)]
fn sum_of_squares<A: Copy>(a: &[A], value: impl Fn(A) -> f64) -> f64 {
    let (chunks, rest) = a.as_chunks::<8>();
    let square = |x| value(x) * value(x);
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for i in 0..8 {
            sums[i] += square(chunk[i]);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| square(x)).sum::<f64>()
}

/// A term of a sum of half-precision numbers.
#[inline(always)]
fn widened(term: impl Fn(f32, f32) -> f32) -> impl Fn(f16, f16) -> f32 {
    move |a, b| term(widen(a), widen(b))
}

pub(super) fn l2_squared_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, widened(|a, b| (a - b) * (a - b)))
}

pub(super) fn dot_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, widened(|a, b| a * b))
}

pub(super) fn l1_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, widened(|a, b| (a - b).abs()))
}

pub(super) fn dot_and_norms_f16(a: &[f16], b: &[f16]) -> (f32, f32, f32) {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    (dot_f16(a, b), dot_f16(a, a), dot_f16(b, b))
}

pub(super) fn norm_squared_f16(a: &[f16]) -> f64 {
    sum_of_squares(a, |x| f64::from(widen(x)))
}

pub(super) fn widen_f16(x: &[f16], out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = widen(*x);
    }
}

/// Calls `each` with the words of two bit strings, the last one filled up with zeros.
#[inline(always)]
fn for_each_word(a: &[u8], b: &[u8], mut each: impl FnMut(u64, u64)) {
    let n = a.len().min(b.len());
    let (a_words, a_rest) = a[..n].as_chunks::<8>();
    let (b_words, b_rest) = b[..n].as_chunks::<8>();
    for (&a, &b) in a_words.iter().zip(b_words) {
        each(u64::from_ne_bytes(a), u64::from_ne_bytes(b));
    }
    each(u64::from_ne_bytes(padded(a_rest)), u64::from_ne_bytes(padded(b_rest)));
}

pub(super) fn hamming(a: &[u8], b: &[u8]) -> u64 {
    let mut sum = 0;
    for_each_word(a, b, |a, b| sum += u64::from((a ^ b).count_ones()));
    sum
}

pub(super) fn jaccard_counts(a: &[u8], b: &[u8]) -> (u64, u64) {
    let (mut both, mut either) = (0, 0);
    for_each_word(a, b, |a, b| {
        both += u64::from((a & b).count_ones());
        either += u64::from((a | b).count_ones());
    });
    (both, either)
}

pub(super) fn dot_f32_u8(query: &[f32], codes: &[u8]) -> f32 {
    sum(query, codes, |q, c| q * f32::from(c))
}

pub(super) fn dot_u8(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| u32::from(a) * u32::from(b)).sum::<u32>().into()
}

pub(super) fn sum_u8(codes: &[u8]) -> u64 {
    codes.iter().map(|&c| u32::from(c)).sum::<u32>().into()
}

/// For each plane of a vector and each lane, the popcount of the bits they share.
#[inline(always)]
fn plane_counts(codes: &[u8], lanes: usize, vector: &[[u64; PLANES]]) -> [[u32; GROUP]; PLANES] {
    let mut counts = [[0; GROUP]; PLANES];
    for (row, words) in codes.chunks_exact(8 * lanes).zip(vector) {
        for (counts, word) in counts.iter_mut().zip(words) {
            for (count, &code) in counts.iter_mut().zip(row.as_chunks::<8>().0) {
                *count += (u64::from_le_bytes(code) & word).count_ones();
            }
        }
    }
    counts
}

pub(super) fn estimate_q4(
    groups: Groups<'_>,
    query: QueryQ4<'_>,
    own: Own,
    bound: f32,
    estimates: &mut Estimates,
) {
    let (start, factor) = own.start();
    estimates.set_each(groups, bound, |group| {
        let mut scores = [0; GROUP];
        for (p, codes) in group.planes(query.vector.words()) {
            let n = plane_counts(codes, group.lanes, query.vector.planes())
                .map(|counts| counts.map(|n| n as i32));
            for (l, score) in scores.iter_mut().enumerate() {
                *score += (n[0][l] + 2 * n[1][l] + 4 * n[2][l] - 8 * n[3][l]) << p;
            }
        }
        group.each(|lane| {
            let (add, rescale) = group.factors(lane);
            let product = query.step * (scores[lane] as f32 - query.centre);
            let estimate = start + (factor * add + rescale * product);
            if estimate.is_nan() { own.distance() } else { estimate }
        })
    });
}

/// Bit j of each of 64 bytes, the first byte's lowest.
#[inline(always)]
fn plane_word(bytes: &[u8; 64], j: usize) -> u64 {
    let mut word = 0;
    for (k, &eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        // One multiplication moves bit 8i of the eight to bit 56 + i; no two partial products meet.
        let lowest = (u64::from_le_bytes(eight) >> j) & 0x0101_0101_0101_0101;
        word |= (lowest.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * k);
    }
    word
}

pub(super) fn arrange_i4(values: &[i8], arranged: &mut Arranged) {
    arranged.set_planes(bytes_of(values), pack_planes);
}

pub(super) fn pack_planes(codes: &[u8], bits: usize, planes: &mut [u64]) {
    let words = codes.len().div_ceil(64);
    for (w, chunk) in codes.chunks(64).enumerate() {
        let bytes = padded(chunk);
        for j in 0..bits {
            planes[j * words + w] = plane_word(&bytes, j);
        }
    }
}

pub(super) fn sign_code(target: &[f32], origin: &[f32], scale: f32, words_out: &mut [u64]) -> ResidualSums {
    let n = target.len().min(origin.len()).min(64 * words_out.len());
    let (target, origin) = (&target[..n], &origin[..n]);
    for ((target, origin), word) in target.chunks(64).zip(origin.chunks(64)).zip(words_out) {
        let mut positive = [0; 64];
        for ((positive, &t), &o) in positive.iter_mut().zip(target).zip(origin) {
            *positive = u8::from(t - scale * o > 0.0);
        }
        *word = plane_word(&positive, 0);
    }
    // Passes over data in the first cache level, each of which LLVM can vectorise.
    ResidualSums {
        norm_squared: sum(target, origin, |t, o| (t - scale * o) * (t - scale * o)),
        abs_sum: sum(target, origin, |t, o| (t - scale * o).abs()),
        origin_sum: sum(target, origin, |t, o| if t - scale * o > 0.0 { o } else { 0.0 }),
        origin_total: sum(origin, origin, |o, _| o),
    }
}

// What follows works element by element, so every set takes its result from these bodies: inlined into a function
// of a wider set, they are compiled for it.

#[inline(always)]
pub(super) fn min_max(x: &[f32]) -> (f32, f32) {
    // As integers that order like the floats (negative ones have their magnitude flipped), because LLVM vectorises
    // a minimum of integers.
    let flip = |bits: i32| bits ^ ((bits >> 31) & i32::MAX);
    let float = |key: i32| f32::from_bits(flip(key) as u32);
    let (mut low, mut high) =
        (flip(f32::INFINITY.to_bits() as i32), flip(f32::NEG_INFINITY.to_bits() as i32));
    for &x in x {
        let key = flip(x.to_bits() as i32);
        low = low.min(key);
        high = high.max(key);
    }
    (float(low), float(high))
}

#[inline(always)]
pub(super) fn quantize_u8(x: &[f32], lo: f32, inv_step: f32, codes_out: &mut [u8]) {
    /// 2^23: added to a float below it, it leaves the integer nearest to it in the low bits (ties to even).
    const ROUND: f32 = 8_388_608.0;
    for (code, &x) in codes_out.iter_mut().zip(x) {
        let v = (x - lo) * inv_step;
        let v = if v > 0.0 { v } else { 0.0 };
        let v = if v < 255.0 { v } else { 255.0 };
        *code = (v + ROUND).to_bits() as u8;
    }
}

#[inline(always)]
pub(super) fn dot_f32_u4(query: &[f32], codes: &[u8]) -> f32 {
    let half = query.len().div_ceil(2).min(codes.len());
    let codes = &codes[..half];
    let (low, high) = query.split_at(half);
    let high = &high[..high.len().min(half)];
    sum_lanes(low, codes, |code| code & 15) + sum_lanes(high, codes, |code| code >> 4)
}

/// `sum query_i part(codes_i)`, over as many as both have.
#[inline(always)]
fn sum_lanes(query: &[f32], codes: &[u8], part: impl Fn(u8) -> u8) -> f32 {
    let (q_chunks, q_rest) = query.as_chunks::<LANES>();
    let (c_chunks, c_rest) = codes.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (q, c) in q_chunks.iter().zip(c_chunks) {
        for i in 0..LANES {
            sums[i] += q[i] * f32::from(part(c[i]));
        }
    }
    let rest = q_rest.iter().zip(c_chunks.get(q_chunks.len()).map_or(c_rest, |chunk| &chunk[..]));
    sums.iter().sum::<f32>() + rest.map(|(q, &c)| q * f32::from(part(c))).sum::<f32>()
}

#[inline(always)]
pub(super) fn decode_u8(codes: &[u8], lo: f32, step: f32, out: &mut [f32]) {
    for (out, &code) in out.iter_mut().zip(codes) {
        *out = lo + step * f32::from(code);
    }
}

#[inline(always)]
pub(super) fn residual_squared(x: &[f32], codes: &[u16], lo: f64, step: f64) -> f64 {
    let square = |x: f32, code: u16| {
        let residual = f64::from(x) - (lo + step * f64::from(code));
        residual * residual
    };
    let n = x.len().min(codes.len());
    let ((x, x_rest), (codes, codes_rest)) = (x[..n].as_chunks::<8>(), codes[..n].as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, codes) in x.iter().zip(codes) {
        for i in 0..8 {
            sums[i] += square(x[i], codes[i]);
        }
    }
    let rest: f64 = x_rest.iter().zip(codes_rest).map(|(&x, &code)| square(x, code)).sum();
    sums.iter().sum::<f64>() + rest
}

pub(super) fn hadamard(x: &mut [f32]) {
    hadamard_from(x, 1);
}

/// The stages of the transform with strides from `stride` on, two at a time.
#[inline(always)]
pub(super) fn hadamard_from(x: &mut [f32], mut stride: usize) {
    assert!(x.len().is_power_of_two());
    while 2 * stride < x.len() {
        for block in x.chunks_exact_mut(4 * stride) {
            let (ab, cd) = block.split_at_mut(2 * stride);
            let (a, b) = ab.split_at_mut(stride);
            let (c, d) = cd.split_at_mut(stride);
            for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                let (p, q, r, s) = (*a + *b, *a - *b, *c + *d, *c - *d);
                (*a, *b, *c, *d) = (p + r, q + s, p - r, q - s);
            }
        }
        stride *= 4;
    }
    if stride < x.len() {
        let (a, b) = x.split_at_mut(stride);
        for (a, b) in a.iter_mut().zip(b) {
            (*a, *b) = (*a + *b, *a - *b);
        }
    }
}

#[inline(always)]
pub(super) fn scale_by(x: &mut [f32], s: &[f32]) {
    for (x, &s) in x.iter_mut().zip(s) {
        *x *= s;
    }
}

#[inline(always)]
pub(super) fn givens_halves(lo: &mut [f32], hi: &mut [f32]) {
    for (lo, hi) in lo.iter_mut().zip(hi) {
        (*lo, *hi) = ((*lo + *hi) * FRAC_1_SQRT_2, (*lo - *hi) * FRAC_1_SQRT_2);
    }
}
