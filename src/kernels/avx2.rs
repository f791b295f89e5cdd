//! AVX2 with FMA: 8 floats at a time, tails by masked loads.
//!
//! Invariant: all functions here are compiled for the features that `available` detects, and nothing else calls
//! them. Inside such functions only loads and stores are unsafe; the helpers at the top contain them all.

use super::{
    Arranged, Estimates, GROUP, Groups, Kernels, MAX_WORDS, Own, QueryQ4, ResidualSums, bytes_of, padded,
    scalar,
};
use half::f16;
use std::arch::x86_64::*;

pub(super) const KERNELS: Kernels = Kernels {
    name: "avx2",
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

fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
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

/// 8 half-precision numbers, widened.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn load_f16(x: &[f16; 8]) -> __m256 {
    // SAFETY: 8 numbers of 16 bits are readable; the instruction needs no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(x.as_ptr().cast()) })
}

/// The first 8 half-precision numbers, widened, zeros where there are none.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn load_f16_tail(x: &[f16]) -> __m256 {
    load_f16(&padded(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(x: &mut [f32; 8], value: __m256) {
    // SAFETY: 8 floats are writable; the instruction needs no alignment.
    unsafe { _mm256_storeu_ps(x.as_mut_ptr(), value) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(x: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes are readable; the instruction needs no alignment.
    unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
}

/// A mask of the last `count` bytes of 32.
#[inline]
#[target_feature(enable = "avx2")]
fn last_bytes(count: usize) -> __m256i {
    #[rustfmt::skip]
    let from_last = _mm256_setr_epi8(
        32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
        16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1,
    );
    _mm256_cmpgt_epi8(_mm256_set1_epi8(count as i8 + 1), from_last)
}

/// 8 codes as floats.
#[inline]
#[target_feature(enable = "avx2")]
fn load_codes(codes: &[u8; 8]) -> __m256 {
    let bytes = _mm_cvtsi64_si128(i64::from_le_bytes(*codes));
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce_add(x: __m256) -> f32 {
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce_add_i32(x: __m256i) -> i32 {
    let x = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
    let x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
    _mm_cvtsi128_si32(x) + _mm_extract_epi32::<1>(x)
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce_add_u64(x: __m256i) -> u64 {
    let x = _mm_add_epi64(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
    (_mm_cvtsi128_si64(x) + _mm_extract_epi64::<1>(x)) as u64
}

/// Folds `step` over both slices in four independent chains (the latency of one step is about four times its
/// throughput) and adds up the lanes. `step` must leave the sum alone where both inputs are zero.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum<T>(
    a: &[T],
    b: &[T],
    read: impl Fn(&[T; 8]) -> __m256,
    read_tail: impl Fn(&[T]) -> __m256,
    step: impl Fn(__m256, __m256, __m256) -> __m256,
) -> f32 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<8>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<8>();
    let (a_quads, a_chunks) = a_chunks.as_chunks::<4>();
    let (b_quads, b_chunks) = b_chunks.as_chunks::<4>();

    let mut sums = [_mm256_setzero_ps(); 4];
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
    reduce_add(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])))
}

/// `sum + (a - b)^2`
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_squared_difference(sum: __m256, a: __m256, b: __m256) -> __m256 {
    let d = _mm256_sub_ps(a, b);
    _mm256_fmadd_ps(d, d, sum)
}

/// `sum + |a - b|`
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_difference(sum: __m256, a: __m256, b: __m256) -> __m256 {
    _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0), _mm256_sub_ps(a, b)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot_and_norms_of<T>(
    a: &[T],
    b: &[T],
    read: impl Fn(&[T; 8]) -> __m256,
    read_tail: impl Fn(&[T]) -> __m256,
) -> (f32, f32, f32) {
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
        even = step(even, read(&a[0]), read(&b[0]));
        odd = step(odd, read(&a[1]), read(&b[1]));
    }
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        even = step(even, read(a), read(b));
    }
    if !a_rest.is_empty() {
        odd = step(odd, read_tail(a_rest), read_tail(b_rest));
    }
    let [ab, aa, bb] = [0, 1, 2].map(|i| reduce_add(_mm256_add_ps(even[i], odd[i])));
    (ab, aa, bb)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn norm_squared_of<T>(a: &[T], read: impl Fn(&[T; 8]) -> __m256, read_tail: impl Fn(&[T]) -> __m256) -> f64 {
    // The square of a number is exact in f64, so the fused step rounds as often as a plain one: once.
    let step = |[low, high]: [__m256d; 2], x| {
        let l = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
        let h = _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x));
        [_mm256_fmadd_pd(l, l, low), _mm256_fmadd_pd(h, h, high)]
    };
    let (chunks, rest) = a.as_chunks::<8>();
    let (pairs, chunks) = chunks.as_chunks::<2>();
    let (mut even, mut odd) = ([_mm256_setzero_pd(); 2], [_mm256_setzero_pd(); 2]);
    for pair in pairs {
        even = step(even, read(&pair[0]));
        odd = step(odd, read(&pair[1]));
    }
    for chunk in chunks {
        even = step(even, read(chunk));
    }
    odd = step(odd, read_tail(rest));
    let sum = _mm256_add_pd(_mm256_add_pd(even[0], even[1]), _mm256_add_pd(odd[0], odd[1]));
    let sum = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd::<1>(sum));
    _mm_cvtsd_f64(_mm_add_sd(sum, _mm_unpackhi_pd(sum, sum)))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x| load(x), |x| load_tail(x), |sum, a, b| add_squared_difference(sum, a, b))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x| load(x), |x| load_tail(x), |sum, a, b| _mm256_fmadd_ps(a, b, sum))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn l1(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x| load(x), |x| load_tail(x), |sum, a, b| add_difference(sum, a, b))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_and_norms(a: &[f32], b: &[f32]) -> (f32, f32, f32) {
    dot_and_norms_of(a, b, |x| load(x), |x| load_tail(x))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn norm_squared(a: &[f32]) -> f64 {
    norm_squared_of(a, |x| load(x), |x| load_tail(x))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn l2_squared_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x| load_f16(x), |x| load_f16_tail(x), |sum, a, b| add_squared_difference(sum, a, b))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x| load_f16(x), |x| load_f16_tail(x), |sum, a, b| _mm256_fmadd_ps(a, b, sum))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn l1_f16(a: &[f16], b: &[f16]) -> f32 {
    sum(a, b, |x| load_f16(x), |x| load_f16_tail(x), |sum, a, b| add_difference(sum, a, b))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_and_norms_f16(a: &[f16], b: &[f16]) -> (f32, f32, f32) {
    dot_and_norms_of(a, b, |x| load_f16(x), |x| load_f16_tail(x))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn norm_squared_f16(a: &[f16]) -> f64 {
    norm_squared_of(a, |x| load_f16(x), |x| load_f16_tail(x))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn widen_f16(x: &[f16], out: &mut [f32]) {
    let n = x.len().min(out.len());
    let (x_chunks, x_rest) = x[..n].as_chunks::<8>();
    let (out_chunks, out_rest) = out[..n].as_chunks_mut::<8>();
    for (x, out) in x_chunks.iter().zip(out_chunks) {
        store(out, load_f16(x));
    }
    scalar::widen_f16(x_rest, out_rest);
}

/// The number of set bits in each of the four words. By table lookup (Mula), a nibble at a time.
#[inline]
#[target_feature(enable = "avx2")]
fn popcount(x: __m256i) -> __m256i {
    #[rustfmt::skip]
    let popcount = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let nibble = _mm256_set1_epi8(0x0f);
    let low = _mm256_shuffle_epi8(popcount, _mm256_and_si256(x, nibble));
    let high = _mm256_shuffle_epi8(popcount, _mm256_and_si256(_mm256_srli_epi16::<4>(x), nibble));
    _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256())
}

#[target_feature(enable = "avx2")]
fn hamming(a: &[u8], b: &[u8]) -> u64 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<32>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<32>();

    let step = |sum, a, b| _mm256_add_epi64(sum, popcount(_mm256_xor_si256(a, b)));
    let mut sum = _mm256_setzero_si256();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sum = step(sum, load_bytes(a), load_bytes(b));
    }
    if !a_rest.is_empty() {
        sum = step(sum, load_bytes(&padded(a_rest)), load_bytes(&padded(b_rest)));
    }
    reduce_add_u64(sum)
}

#[target_feature(enable = "avx2")]
fn jaccard_counts(a: &[u8], b: &[u8]) -> (u64, u64) {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<32>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<32>();

    let step = |[both, either]: [__m256i; 2], a, b| {
        [
            _mm256_add_epi64(both, popcount(_mm256_and_si256(a, b))),
            _mm256_add_epi64(either, popcount(_mm256_or_si256(a, b))),
        ]
    };
    let mut sums = [_mm256_setzero_si256(); 2];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sums = step(sums, load_bytes(a), load_bytes(b));
    }
    if !a_rest.is_empty() {
        sums = step(sums, load_bytes(&padded(a_rest)), load_bytes(&padded(b_rest)));
    }
    (reduce_add_u64(sums[0]), reduce_add_u64(sums[1]))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_f32_u8(query: &[f32], codes: &[u8]) -> f32 {
    let n = query.len().min(codes.len());
    let (q_chunks, q_rest) = query[..n].as_chunks::<8>();
    let (c_chunks, c_rest) = codes[..n].as_chunks::<8>();
    let (q_quads, q_chunks) = q_chunks.as_chunks::<4>();
    let (c_quads, c_chunks) = c_chunks.as_chunks::<4>();

    let mut sums = [_mm256_setzero_ps(); 4];
    for (q, c) in q_quads.iter().zip(c_quads) {
        sums[0] = _mm256_fmadd_ps(load(&q[0]), load_codes(&c[0]), sums[0]);
        sums[1] = _mm256_fmadd_ps(load(&q[1]), load_codes(&c[1]), sums[1]);
        sums[2] = _mm256_fmadd_ps(load(&q[2]), load_codes(&c[2]), sums[2]);
        sums[3] = _mm256_fmadd_ps(load(&q[3]), load_codes(&c[3]), sums[3]);
    }
    for ((sum, q), c) in sums.iter_mut().zip(q_chunks).zip(c_chunks) {
        *sum = _mm256_fmadd_ps(load(q), load_codes(c), *sum);
    }
    if !q_rest.is_empty() {
        sums[3] = _mm256_fmadd_ps(load_tail(q_rest), load_codes(&padded(c_rest)), sums[3]);
    }
    reduce_add(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])))
}

#[target_feature(enable = "avx2")]
fn dot_u8(a: &[u8], b: &[u8]) -> u64 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<32>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<32>();

    // Products of bytes, widened to 16 bits by interleaving with zeros, fit 17 bits summed in pairs. (VPMADDUBSW
    // would saturate.)
    let zero = _mm256_setzero_si256();
    let step = |[low, high]: [__m256i; 2], a, b| {
        let l = _mm256_madd_epi16(_mm256_unpacklo_epi8(a, zero), _mm256_unpacklo_epi8(b, zero));
        let h = _mm256_madd_epi16(_mm256_unpackhi_epi8(a, zero), _mm256_unpackhi_epi8(b, zero));
        [_mm256_add_epi32(low, l), _mm256_add_epi32(high, h)]
    };
    let mut sums = [zero; 2];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sums = step(sums, load_bytes(a), load_bytes(b));
    }
    let mut rest = 0;
    if !a_rest.is_empty() {
        if let (Some(a), Some(b)) = (a[..n].last_chunk(), b[..n].last_chunk()) {
            // Less what the last whole chunk had.
            let a = _mm256_and_si256(load_bytes(a), last_bytes(a_rest.len()));
            sums = step(sums, a, load_bytes(b));
        } else {
            rest = scalar::dot_u8(a_rest, b_rest);
        }
    }
    reduce_add_i32(_mm256_add_epi32(sums[0], sums[1])) as u64 + rest
}

#[target_feature(enable = "avx2")]
fn sum_u8(codes: &[u8]) -> u64 {
    let zero = _mm256_setzero_si256();
    let (chunks, rest) = codes.as_chunks::<32>();
    let mut sum = _mm256_sad_epu8(load_bytes(&padded(rest)), zero);
    for chunk in chunks {
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(load_bytes(chunk), zero));
    }
    // A sum of MAX_CODES bytes fits the low halves of the 64-bit lanes.
    reduce_add_i32(sum) as u64
}

/// `f_add` and `f_rescale` of so many lanes, which begin there; anything for lanes that are not there.
#[inline]
#[target_feature(enable = "avx2")]
fn load_factors(factors: &[u8], lanes: usize) -> (__m256, __m256) {
    assert!(factors.len() >= 8 * lanes, "a group without its factors");
    let load = |floats: &[u8]| {
        _mm256_castsi256_ps(match floats.first_chunk() {
            Some(floats) => load_bytes(floats),
            None => load_bytes(&padded(floats)),
        })
    };
    (load(factors), load(&factors[4 * lanes..]))
}

/// What four dimensions of a vector can add up to, 16 bytes, looked up by four bits of a code.
///
/// A register has such a table of a word and of the next one. The four registers: of the low and the high half of a byte of
/// the words, and of the byte after it. A pair of words takes four of these.
type Tables = [[u64; 4]; 4];

/// The tables of 16 bytes of each of two words, less their least entries, so that none is negative.
#[inline]
#[target_feature(enable = "avx2")]
fn tables_of(bytes: __m256i) -> [__m256i; 4] {
    /// Where a shuffle is to put zero.
    const NONE: i8 = -1;
    let pattern = |x: [i8; 16]| {
        // SAFETY: 16 bytes are readable; the instruction needs no alignment.
        _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(x.as_ptr().cast()) })
    };
    // Of four bytes a, b, c and d, first 0, a, b, a + b, and 0, c, d, c + d.
    let some = |byte: usize, bit: usize| {
        std::array::from_fn(|i| if i >> bit & 1 == 1 { (i & !3 | byte) as i8 } else { NONE })
    };
    let all = |byte: usize| std::array::from_fn(|i| (i & !3 | byte) as i8);
    let negative = _mm256_min_epi8(bytes, _mm256_setzero_si256());
    let pair = |low: usize| {
        let sums = |x, first, second| {
            let (first, second) =
                (_mm256_shuffle_epi8(x, pattern(first)), _mm256_shuffle_epi8(x, pattern(second)));
            _mm256_add_epi8(first, second)
        };
        _mm256_sub_epi8(sums(bytes, some(low, 0), some(low + 1, 1)), sums(negative, all(low), all(low + 1)))
    };
    let (low, high) = (pair(0), pair(2));
    let table = |j: usize| {
        let of_low = pattern(std::array::from_fn(|i| (4 * j + i % 4) as i8));
        let of_high = pattern(std::array::from_fn(|i| (4 * j + i / 4) as i8));
        _mm256_add_epi8(_mm256_shuffle_epi8(low, of_low), _mm256_shuffle_epi8(high, of_high))
    };
    [table(0), table(1), table(2), table(3)]
}

#[target_feature(enable = "avx2")]
fn arrange_i4(values: &[i8], arranged: &mut Arranged) {
    let offset = values.iter().map(|&value| i32::from(value).min(0)).sum();
    let numbers = bytes_of(values);
    let tables = arranged.reset(numbers.len(), numbers.len().div_ceil(128) * 64, offset);
    for (i, tables) in tables.as_chunks_mut::<4>().0.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (pair, sixteen) = (i / 4, i % 4);
        let chunk = |word: usize| {
            let numbers = numbers.get((2 * pair + word) * 64 + 16 * sixteen..).unwrap_or_default();
            numbers.first_chunk().copied().unwrap_or_else(|| padded(numbers))
        };
        for (to, table) in tables.iter_mut().zip(tables_of(load_halves(&chunk(0), &chunk(1)))) {
            // SAFETY: 32 bytes are writable; the instruction needs no alignment.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), table) };
        }
    }
}

/// Two halves of a register.
#[inline]
#[target_feature(enable = "avx2")]
fn load_halves(first: &[u8; 16], second: &[u8; 16]) -> __m256i {
    // SAFETY: 16 bytes are readable in both places; the instruction needs no alignment.
    unsafe { _mm256_loadu2_m128i(second.as_ptr().cast(), first.as_ptr().cast()) }
}

/// Two rows of a group, a word of each of its eight lanes: two lanes to a register, the other row in the second half.
type Rows = [__m256i; 4];

#[inline]
#[target_feature(enable = "avx2")]
fn load_rows(first: &[u8; 64], second: &[u8; 64]) -> Rows {
    let (first, second) = (first.as_chunks::<16>().0, second.as_chunks::<16>().0);
    let lanes = |i: usize| load_halves(&first[i], &second[i]);
    [lanes(0), lanes(1), lanes(2), lanes(3)]
}

/// A plane of the codes of a group with any number of lanes.
#[derive(Clone, Copy)]
struct Plane<'a> {
    /// From its first row to the end of the node's groups.
    bytes: &'a [u8],
    /// Bytes of a row.
    row: usize,
    words: usize,
}

impl Plane<'_> {
    /// Where row i begins, or the last one if there are not as many.
    #[inline(always)]
    fn start(&self, i: usize) -> usize {
        i.min(self.words - 1) * self.row
    }

    /// Whether 64 bytes can be read from the beginning of each of its rows: where lanes are missing, of what stands behind.
    #[inline(always)]
    fn has_whole_rows(&self) -> bool {
        self.bytes.len() >= self.start(self.words) + 64
    }

    /// Rows i and i + 1; anything for lanes that are missing.
    ///
    /// # Safety
    /// The plane [has whole rows](Self::has_whole_rows).
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn whole_rows(&self, i: usize) -> Rows {
        // SAFETY: a row begins where the last one does at the latest, which has as many bytes.
        let row = |i| unsafe { &*self.bytes.as_ptr().add(self.start(i)).cast() };
        load_rows(row(i), row(i + 1))
    }

    /// Rows i and i + 1; zeros for lanes that are missing.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn masked_rows(&self, i: usize) -> Rows {
        let lanes = _mm_set1_epi64x(self.row as i64 / 8);
        let load = |i: usize, pair: usize| {
            let row = &self.bytes[self.start(i)..][..self.row];
            let mask = _mm_cmpgt_epi64(lanes, _mm_set_epi64x(2 * pair as i64 + 1, 2 * pair as i64));
            // SAFETY: the row is readable; lanes past its end are masked off, and those are not read.
            unsafe { _mm_maskload_epi64(row.as_ptr().wrapping_add(16 * pair).cast(), mask) }
        };
        let lanes = |pair| _mm256_set_m128i(load(i + 1, pair), load(i, pair));
        [lanes(0), lanes(1), lanes(2), lanes(3)]
    }
}

/// Rows of two groups in another order: register i holds byte i of all 16 words, of lanes 0, 4, 2, 6, 1, 5, 3 and 7, the two groups'
/// bytes side by side. The second half is of the second rows.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([a01, a23, a45, a67]: Rows, [b01, b23, b45, b67]: Rows) -> [__m256i; 8] {
    let (l0, l1) = (_mm256_unpacklo_epi8(a01, b01), _mm256_unpackhi_epi8(a01, b01));
    let (l2, l3) = (_mm256_unpacklo_epi8(a23, b23), _mm256_unpackhi_epi8(a23, b23));
    let (l4, l5) = (_mm256_unpacklo_epi8(a45, b45), _mm256_unpackhi_epi8(a45, b45));
    let (l6, l7) = (_mm256_unpacklo_epi8(a67, b67), _mm256_unpackhi_epi8(a67, b67));
    // Of eight bytes, the first four and the last four.
    let four = |l0, l2, l4, l6| {
        let (low04, high04) = (_mm256_unpacklo_epi16(l0, l4), _mm256_unpackhi_epi16(l0, l4));
        let (low26, high26) = (_mm256_unpacklo_epi16(l2, l6), _mm256_unpackhi_epi16(l2, l6));
        [
            _mm256_unpacklo_epi32(low04, low26),
            _mm256_unpackhi_epi32(low04, low26),
            _mm256_unpacklo_epi32(high04, high26),
            _mm256_unpackhi_epi32(high04, high26),
        ]
    };
    let ([e0, e1, e2, e3], [o0, o1, o2, o3]) = (four(l0, l2, l4, l6), four(l1, l3, l5, l7));
    [
        _mm256_unpacklo_epi64(e0, o0),
        _mm256_unpackhi_epi64(e0, o0),
        _mm256_unpacklo_epi64(e1, o1),
        _mm256_unpackhi_epi64(e1, o1),
        _mm256_unpacklo_epi64(e2, o2),
        _mm256_unpackhi_epi64(e2, o2),
        _mm256_unpacklo_epi64(e3, o3),
        _mm256_unpackhi_epi64(e3, o3),
    ]
}

/// What the tables have for two registers of [`transpose`]: up to 128 a byte.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up(even: __m256i, odd: __m256i, tables: &Tables) -> __m256i {
    let nibble = _mm256_set1_epi8(0x0f);
    let entry = |table: &[u64; 4], index| {
        // SAFETY: 32 bytes are readable; the instruction needs no alignment.
        _mm256_shuffle_epi8(unsafe { _mm256_loadu_si256(table.as_ptr().cast()) }, index)
    };
    let low = |bytes| _mm256_and_si256(bytes, nibble);
    let high = |bytes| _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
    let even = _mm256_add_epi8(entry(&tables[0], low(even)), entry(&tables[1], high(even)));
    let odd = _mm256_add_epi8(entry(&tables[2], low(odd)), entry(&tables[3], high(odd)));
    _mm256_add_epi8(even, odd)
}

/// Sums of two groups' lanes, in 16 bits and in the order of [`transpose`]: of the first group, to which 256 times the
/// second's have been added, and of the second.
type Sums = [__m256i; 2];

/// Adds bytes that stand as [`transpose`] leaves them.
#[inline]
#[target_feature(enable = "avx2")]
fn add_bytes(sums: Sums, bytes: __m256i) -> Sums {
    [_mm256_add_epi16(sums[0], bytes), _mm256_add_epi16(sums[1], _mm256_srli_epi16::<8>(bytes))]
}

/// The two groups' sums, each in order.
#[inline]
#[target_feature(enable = "avx2")]
fn totals([both, second]: Sums) -> [__m256i; 2] {
    let in_order = |sums| {
        let halves = (_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sums = _mm256_add_epi32(_mm256_cvtepu16_epi32(halves.0), _mm256_cvtepu16_epi32(halves.1));
        _mm256_permutevar8x32_epi32(sums, _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7))
    };
    [in_order(_mm256_sub_epi16(both, _mm256_slli_epi16::<8>(second))), in_order(second)]
}

/// Adds what the tables of a pair of words have for two groups' rows.
#[inline]
#[target_feature(enable = "avx2")]
fn add_products(sums: Sums, a: Rows, b: Rows, tables: &[Tables; 4]) -> Sums {
    let bytes = transpose(a, b);
    let sums = add_bytes(sums, look_up(bytes[0], bytes[1], &tables[0]));
    let sums = add_bytes(sums, look_up(bytes[2], bytes[3], &tables[1]));
    let sums = add_bytes(sums, look_up(bytes[4], bytes[5], &tables[2]));
    add_bytes(sums, look_up(bytes[6], bytes[7], &tables[3]))
}

// A lane adds up 16 entries of tables for a pair of words, each the sum of four numbers' sizes, which are 8 at the most.
const _: () = assert!(MAX_WORDS.div_ceil(2) * 16 * 4 * 8 <= u16::MAX as usize);

/// What looking up planes of two whole groups' codes adds up to for each lane.
///
/// The codes are brought into an order in which the same byte of all lanes meets the same table. Popcounts, for which
/// they could stand as they are, take several times as many instructions, as there is none for them.
#[inline]
#[target_feature(enable = "avx2")]
fn products(a: &[[u8; 64]], b: &[[u8; 64]], tables: &[[Tables; 4]]) -> [__m256i; 2] {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<2>(), b.as_chunks::<2>());
    let mut sums = [_mm256_setzero_si256(); 2];
    for ((a, b), tables) in a.iter().zip(b).zip(tables) {
        sums = add_products(sums, load_rows(&a[0], &a[1]), load_rows(&b[0], &b[1]), tables);
    }
    // Where there is no second word, its tables are zero.
    if let (Some(a), Some(b), Some(tables)) = (a_rest.first(), b_rest.first(), tables.last()) {
        sums = add_products(sums, load_rows(a, a), load_rows(b, b), tables);
    }
    totals(sums)
}

/// The same, of planes of groups with any number of lanes; a plane without partner is its own, for nothing.
#[inline]
#[target_feature(enable = "avx2")]
fn products_of_any(a: Plane<'_>, b: Option<Plane<'_>>, tables: &[[Tables; 4]]) -> [__m256i; 2] {
    let is_alone = b.is_none();
    let b = b.unwrap_or(a);
    if !(a.has_whole_rows() & b.has_whole_rows()) {
        products_of(tables, |i| [a.masked_rows(i), b.masked_rows(i)])
    } else if is_alone {
        // SAFETY: the plane has whole rows.
        products_of(tables, |i| unsafe { [a.whole_rows(i); 2] })
    } else {
        // SAFETY: both planes have whole rows.
        products_of(tables, |i| unsafe { [a.whole_rows(i), b.whole_rows(i)] })
    }
}

/// The same, of rows that are loaded by the first one's number.
#[inline]
#[target_feature(enable = "avx2")]
fn products_of(tables: &[[Tables; 4]], load: impl Fn(usize) -> [Rows; 2]) -> [__m256i; 2] {
    let (mut sums, mut word) = ([_mm256_setzero_si256(); 2], 0);
    for tables in tables {
        let [a, b] = load(word);
        sums = add_products(sums, a, b, tables);
        word += 2;
    }
    totals(sums)
}

/// How estimates follow from products and factors, for registers of eight lanes.
struct Formula {
    start: __m256,
    factor: __m256,
    own: __m256,
    step: __m256,
    centre: __m256,
    bound: __m256,
    offset: __m256i,
}

impl Formula {
    /// Adds the products of plane `p` to the scores.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(&self, scores: [__m256i; 2], products: [__m256i; 2], p: i32) -> [__m256i; 2] {
        let p = _mm_cvtsi32_si128(p);
        let shifted = |products| _mm256_sll_epi32(_mm256_add_epi32(products, self.offset), p);
        [_mm256_add_epi32(scores[0], shifted(products[0])), _mm256_add_epi32(scores[1], shifted(products[1]))]
    }

    /// Writes the estimates of group `i` of the node, which has so many lanes and factors from there on.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn write(&self, scores: __m256i, factors: &[u8], lanes: usize, estimates: &mut Estimates, i: usize) {
        let (add, rescale) = load_factors(factors, lanes);
        let products = _mm256_mul_ps(self.step, _mm256_sub_ps(_mm256_cvtepi32_ps(scores), self.centre));
        let rescaled = _mm256_mul_ps(rescale, products);
        let added = _mm256_mul_ps(self.factor, add);
        let sum = _mm256_add_ps(self.start, _mm256_add_ps(added, rescaled));
        let sum = _mm256_blendv_ps(sum, self.own, _mm256_cmp_ps::<_CMP_UNORD_Q>(sum, sum));
        let mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(sum, self.bound));
        store(estimates.set(i, mask as u8), sum);
    }
}

#[target_feature(enable = "avx2")]
fn estimate_q4(groups: Groups<'_>, query: QueryQ4<'_>, own: Own, bound: f32, estimates: &mut Estimates) {
    let (start, factor) = own.start();
    let formula = Formula {
        start: _mm256_set1_ps(start),
        factor: _mm256_set1_ps(factor),
        own: _mm256_set1_ps(own.distance()),
        step: _mm256_set1_ps(query.step),
        centre: _mm256_set1_ps(query.centre),
        bound: _mm256_set1_ps(bound),
        offset: _mm256_set1_epi32(query.vector.offset()),
    };
    let words = query.vector.words();
    assert!((1..=MAX_WORDS).contains(&words), "a vector of {words} words");
    let tables = query.vector.numbers().as_chunks::<4>().0.as_chunks::<4>().0.as_chunks::<4>().0;
    let Groups { bytes, lane_bytes, gap, slots, links } = groups;
    let links = links.min(slots);
    estimates.reset(links);
    // Of a whole group.
    let (codes, size) = (GROUP * lane_bytes, GROUP * (lane_bytes + 8 + gap));
    let (mut rest, mut first) = (bytes, 0);
    while first < links && first + 2 * GROUP <= slots {
        let (pair, others) = rest.split_at(2 * size);
        let (a, b) = pair.split_at(size);
        let (mut a_rows, mut b_rows) = (a[..codes].as_chunks().0, b[..codes].as_chunks().0);
        let (mut scores, mut p) = ([_mm256_setzero_si256(); 2], 0);
        while let (Some((a, a_others)), Some((b, b_others))) =
            (a_rows.split_at_checked(words), b_rows.split_at_checked(words))
        {
            scores = formula.add(scores, products(a, b, tables), p);
            (a_rows, b_rows, p) = (a_others, b_others, p + 1);
        }
        formula.write(scores[0], &a[codes..], GROUP, estimates, first / GROUP);
        formula.write(scores[1], &b[codes..], GROUP, estimates, first / GROUP + 1);
        (rest, first) = (others, first + 2 * GROUP);
    }
    if first < links {
        let groups = Groups { bytes: rest, slots: slots - first, links: links - first, ..groups };
        estimate_rest(groups, words, tables, &formula, estimates, first / GROUP);
    }
}

/// The same of the last groups, up to two, of which one at least has fewer lanes or no partner; `first` is the number of the first.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn estimate_rest<'a>(
    Groups { bytes, lane_bytes, gap, slots, links }: Groups<'a>,
    words: usize,
    tables: &[[Tables; 4]],
    formula: &Formula,
    estimates: &mut Estimates,
    first: usize,
) {
    let lanes = (slots.min(GROUP), slots.saturating_sub(GROUP));
    let second = (links > GROUP).then(|| &bytes[GROUP * (lane_bytes + 8 + gap)..]);
    let (mut scores, mut p, mut word) = ([_mm256_setzero_si256(); 2], 0, 0);
    while word < lane_bytes / 8 {
        let plane = |bytes: &'a [u8], lanes: usize| Plane {
            bytes: &bytes[word * 8 * lanes..],
            row: 8 * lanes,
            words,
        };
        let second = second.map(|second| plane(second, lanes.1));
        scores = formula.add(scores, products_of_any(plane(bytes, lanes.0), second, tables), p);
        (p, word) = (p + 1, word + words);
    }
    formula.write(scores[0], &bytes[lanes.0 * lane_bytes..], lanes.0, estimates, first);
    if let Some(second) = second {
        formula.write(scores[1], &second[lanes.1 * lane_bytes..], lanes.1, estimates, first + 1);
    }
}

#[target_feature(enable = "avx2")]
fn pack_planes(codes: &[u8], bits: usize, planes: &mut [u64]) {
    let words = codes.len().div_ceil(64);
    let align = _mm_cvtsi32_si128(8 - bits.min(8) as i32);
    for (w, chunk) in codes.chunks(64).enumerate() {
        let bytes = padded::<u8, 64>(chunk);
        // Move the highest plane to the bytes' top bits, where MOVMSKB reads; then double for each lower one. What
        // crosses into the next byte's low bits never climbs to its top.
        let mut halves = [0, 1].map(|i| _mm256_sll_epi16(load_bytes(&bytes.as_chunks::<32>().0[i]), align));
        for j in (0..bits).rev() {
            let [low, high] = halves.map(|x| u64::from(_mm256_movemask_epi8(x) as u32));
            planes[j * words + w] = low | high << 32;
            halves = halves.map(|x| _mm256_add_epi8(x, x));
        }
    }
}

/// One step of [`sign_code`]: adds to the four sums and returns the bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sign_step(sums: &mut [__m256; 4], target: &[f32; 8], origin: &[f32; 8], scale: f32) -> u64 {
    let origin = load(origin);
    // Two roundings, as in every set: a fused step would give other bits.
    let r = _mm256_sub_ps(load(target), _mm256_mul_ps(_mm256_set1_ps(scale), origin));
    let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(r, _mm256_setzero_ps());
    sums[0] = _mm256_fmadd_ps(r, r, sums[0]);
    sums[1] = _mm256_add_ps(sums[1], _mm256_andnot_ps(_mm256_set1_ps(-0.0), r));
    sums[2] = _mm256_add_ps(sums[2], _mm256_and_ps(positive, origin));
    sums[3] = _mm256_add_ps(sums[3], origin);
    u64::from(_mm256_movemask_ps(positive) as u8)
}

/// Up to 64 dimensions of [`sign_code`], by eights, alternating between two sets of sums.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sign_word(sums: &mut [[__m256; 4]; 2], target: &[[f32; 8]], origin: &[[f32; 8]], scale: f32) -> u64 {
    let mut word = 0;
    for (i, (target, origin)) in target.iter().zip(origin).enumerate() {
        word |= sign_step(&mut sums[i % 2], target, origin, scale) << (8 * i);
    }
    word
}

#[target_feature(enable = "avx2,fma,f16c")]
fn sign_code(target: &[f32], origin: &[f32], scale: f32, words_out: &mut [u64]) -> ResidualSums {
    let n = target.len().min(origin.len());
    let (t_chunks, t_rest) = target[..n].as_chunks::<64>();
    let (o_chunks, o_rest) = origin[..n].as_chunks::<64>();

    let mut sums = [[_mm256_setzero_ps(); 4]; 2];
    for ((target, origin), word) in t_chunks.iter().zip(o_chunks).zip(&mut *words_out) {
        *word = sign_word(&mut sums, target.as_chunks().0, origin.as_chunks().0, scale);
    }
    if !t_rest.is_empty()
        && let Some(word) = words_out.get_mut(t_chunks.len())
    {
        let ((t_eights, t_rest), (o_eights, o_rest)) = (t_rest.as_chunks::<8>(), o_rest.as_chunks::<8>());
        *word = sign_word(&mut sums, t_eights, o_eights, scale);
        if !t_rest.is_empty() {
            let last = sign_step(&mut sums[0], &padded(t_rest), &padded(o_rest), scale);
            *word |= last << (8 * t_eights.len());
        }
    }
    let [norm_squared, abs_sum, origin_sum, origin_total] =
        [0, 1, 2, 3].map(|i| reduce_add(_mm256_add_ps(sums[0][i], sums[1][i])));
    ResidualSums { norm_squared, abs_sum, origin_sum, origin_total }
}

#[target_feature(enable = "avx2")]
fn min_max(x: &[f32]) -> (f32, f32) {
    scalar::min_max(x)
}

#[target_feature(enable = "avx2")]
fn quantize_u8(x: &[f32], lo: f32, inv_step: f32, codes_out: &mut [u8]) {
    scalar::quantize_u8(x, lo, inv_step, codes_out);
}

#[target_feature(enable = "avx2")]
fn dot_f32_u4(query: &[f32], codes: &[u8]) -> f32 {
    scalar::dot_f32_u4(query, codes)
}

#[target_feature(enable = "avx2")]
fn decode_u8(codes: &[u8], lo: f32, step: f32, out: &mut [f32]) {
    scalar::decode_u8(codes, lo, step, out);
}

#[target_feature(enable = "avx2")]
fn residual_squared(x: &[f32], codes: &[u16], lo: f64, step: f64) -> f64 {
    scalar::residual_squared(x, codes, lo, step)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn hadamard(x: &mut [f32]) {
    if x.len() >= 64 {
        for block in x.as_chunks_mut::<64>().0 {
            hadamard_64(block);
        }
        scalar::hadamard_from(x, 64);
    } else {
        scalar::hadamard_from(x, 1);
    }
}

/// The stages of strides 1, 2 and 4, inside a register. A butterfly is the register with its partners swapped, plus
/// the register with the upper partners negated; the product with 1 or -1 is exact, so this rounds like a plain
/// addition.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn hadamard_8(x: __m256) -> __m256 {
    const SIGNS: [[f32; 8]; 3] = [
        [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0],
        [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0],
        [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0],
    ];
    let x = _mm256_fmadd_ps(x, load(&SIGNS[0]), _mm256_permute_ps::<0b10_11_00_01>(x));
    let x = _mm256_fmadd_ps(x, load(&SIGNS[1]), _mm256_permute_ps::<0b01_00_11_10>(x));
    _mm256_fmadd_ps(x, load(&SIGNS[2]), _mm256_permute2f128_ps::<0x01>(x, x))
}

/// One stage of stride S registers. Every index is a constant once unrolled, which keeps `x` in registers.
#[inline]
#[target_feature(enable = "avx2")]
fn butterflies<const S: usize>(x: &mut [__m256; 8]) {
    for k in 0..4 {
        let i = k / S * (2 * S) + k % S;
        (x[i], x[i + S]) = (_mm256_add_ps(x[i], x[i + S]), _mm256_sub_ps(x[i], x[i + S]));
    }
}

/// The first six stages: three inside the registers, three between them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn hadamard_64(block: &mut [f32; 64]) {
    let chunks = block.as_chunks_mut::<8>().0;
    let mut x: [__m256; 8] = std::array::from_fn(|i| hadamard_8(load(&chunks[i])));
    butterflies::<1>(&mut x);
    butterflies::<2>(&mut x);
    butterflies::<4>(&mut x);
    for (chunk, x) in chunks.iter_mut().zip(x) {
        store(chunk, x);
    }
}

#[target_feature(enable = "avx2")]
fn scale_by(x: &mut [f32], s: &[f32]) {
    scalar::scale_by(x, s);
}

#[target_feature(enable = "avx2")]
fn givens_halves(lo: &mut [f32], hi: &mut [f32]) {
    scalar::givens_halves(lo, hi);
}
