//! Every available set against `scalar.rs`, and `scalar.rs` against plain definitions in wide arithmetic: at every
//! length up to 300 and some large ones, at every alignment for bytes, and on hostile values.

use super::{
    Arranged, Estimates, GROUP, Groups, Kernels, MAX_CODES, MAX_ESTIMATES, MAX_WORDS, Own, QueryQ4, active,
    available, scalar,
};
use half::f16;

/// Every length at which some main loop, remainder or tail begins or ends, and more.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=300).chain([383, 384, 511, 768, 1000, 1536, 4097, 15_999, 16_000])
}

/// A fixed stream of pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [-1, 1).
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    fn floats(&mut self, n: usize, mut value: impl FnMut(&mut Random) -> f32) -> Vec<f32> {
        (0..n).map(|_| value(self)).collect()
    }
}

type Distribution = fn(&mut Random) -> f32;

/// Values that have broken distance kernels before.
const DISTRIBUTIONS: [(&str, Distribution); 6] = [
    ("unit", Random::unit),
    ("small integers", |r| (r.next() % 17) as f32 - 8.0),
    ("denormals", |r| f32::from_bits((r.next() as u32) & 0x807f_ffff)),
    ("signed zeros", |r| if r.next() & 1 == 0 { 0.0 } else { -0.0 }),
    ("huge next to tiny", |r| r.unit() * [1e-30, 1.0, 1e15][(r.next() % 3) as usize]),
    ("overflowing", |r| r.unit() * 3e38),
];

/// `got` is a sum in `f32` of `n` terms whose exact sum is `exact` and whose absolute values add up to `magnitude`.
#[track_caller]
fn assert_f32_sum(got: f32, exact: f64, magnitude: f64, n: usize, context: &str) {
    if magnitude < 3e38 {
        // Each of at most n + 2 roundings is relative to at most `magnitude`, or loses a piece of a denormal.
        let slack = (n + 2) as f64 * (magnitude * f64::from(f32::EPSILON) + f64::from(f32::from_bits(1)));
        assert!((f64::from(got) - exact).abs() <= slack, "{context}: {got}, exactly {exact}");
    } else if exact == magnitude && exact > 4e38 {
        assert_eq!(got, f32::INFINITY, "{context}: a sum without cancellation overflows to infinity");
    }
}

fn for_all_pairs(mut check: impl FnMut(&Kernels, &[f32], &[f32], &str)) {
    let mut random = Random(1);
    for (name, value) in DISTRIBUTIONS {
        for n in lengths() {
            let a = random.floats(n, value);
            let b = random.floats(n, value);
            for set in available() {
                check(set, &a, &b, &format!("{}, {name}, length {n}", set.name()));
            }
        }
    }
}

fn pairs<'a>(a: &'a [f32], b: &'a [f32]) -> impl Iterator<Item = (f64, f64)> + 'a {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)))
}

#[test]
fn float_sums_are_right_at_every_length_and_for_hostile_values() {
    for_all_pairs(|set, a, b, context| {
        let n = a.len();
        let sum = |term: fn(f64, f64) -> f64| pairs(a, b).map(|(a, b)| term(a, b)).sum::<f64>();
        let check = |got, term: fn(f64, f64) -> f64, absolute: fn(f64, f64) -> f64| {
            assert_f32_sum(got, sum(term), sum(absolute), n, context);
        };
        let square = |a: f64, b: f64| (a - b) * (a - b);
        // Rounding the difference is relative to the operands' difference, so the squares bound the error.
        check(set.l2_squared(a, b), square, square);
        check(set.l1(a, b), |a, b| (a - b).abs(), |a, b| (a - b).abs());
        check(set.dot(a, b), |a, b| a * b, |a, b| (a * b).abs());
        let (ab, aa, bb) = set.dot_and_norms(a, b);
        check(ab, |a, b| a * b, |a, b| (a * b).abs());
        check(aa, |a, _| a * a, |a, _| a * a);
        check(bb, |_, b| b * b, |_, b| b * b);
        let norm = sum(|a, _| a * a);
        assert!((set.norm_squared(a) - norm).abs() <= norm * 1e-12, "{context}");
    });
}

#[test]
fn float_sums_of_small_integers_are_exact() {
    let mut random = Random(2);
    for n in lengths() {
        let a = random.floats(n, |r| (r.next() % 9) as f32 - 4.0);
        let b = random.floats(n, |r| (r.next() % 9) as f32 - 4.0);
        for set in available() {
            assert_eq!(set.l2_squared(&a, &b), scalar::l2_squared(&a, &b), "{} {n}", set.name());
            assert_eq!(set.dot(&a, &b), scalar::dot(&a, &b), "{} {n}", set.name());
            assert_eq!(set.l1(&a, &b), scalar::l1(&a, &b), "{} {n}", set.name());
            assert_eq!(set.dot_and_norms(&a, &b), scalar::dot_and_norms(&a, &b), "{} {n}", set.name());
            assert_eq!(set.norm_squared(&a), scalar::norm_squared(&a), "{} {n}", set.name());
        }
    }
}

#[test]
fn infinities_and_nan_travel_like_in_plain_arithmetic() {
    for n in [1, 7, 8, 9, 16, 17, 33, 64, 65, 100, 300] {
        for at in 0..n {
            for (x, y) in [
                (f32::INFINITY, 1.0),
                (f32::INFINITY, f32::INFINITY),
                (f32::INFINITY, f32::NEG_INFINITY),
                (f32::NEG_INFINITY, 0.0),
                (f32::NAN, 1.0),
            ] {
                let (mut a, mut b) = (vec![1.0; n], vec![2.0; n]);
                (a[at], b[at]) = (x, y);
                let same = |got: f32, want: f32| assert!(got == want || got.is_nan() && want.is_nan());
                for set in available() {
                    same(set.l2_squared(&a, &b), scalar::l2_squared(&a, &b));
                    same(set.dot(&a, &b), scalar::dot(&a, &b));
                    same(set.l1(&a, &b), scalar::l1(&a, &b));
                    let (got, want) = (set.dot_and_norms(&a, &b), scalar::dot_and_norms(&a, &b));
                    same(got.0, want.0);
                    same(got.1, want.1);
                    same(got.2, want.2);
                    same(set.norm_squared(&a) as f32, scalar::norm_squared(&a) as f32);
                }
            }
        }
    }
}

fn halves(x: &[f32]) -> Vec<f16> {
    x.iter().map(|&x| f16::from_f32(x)).collect()
}

#[test]
fn every_half_is_widened_to_its_value() {
    let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let want: Vec<f32> = all.iter().map(|x| x.to_f32_const()).collect();
    for set in available() {
        for (at, n) in [(0, all.len()), (1, 15), (3, 16), (5, 17), (7, 40)] {
            let mut got = vec![7.0; n];
            set.widen_f16(&all[at..at + n], &mut got);
            assert_eq!(bit_patterns(&got), bit_patterns(&want[at..at + n]), "{}", set.name());
        }
    }
}

#[test]
fn sums_of_halves_are_those_of_their_values() {
    for_all_pairs(|set, a, b, context| {
        // Halves beyond their range are infinite, which a test of its own covers.
        let scale = |x: &[f32]| x.iter().map(|x| x.clamp(-6e4, 6e4)).collect::<Vec<_>>();
        let (a16, b16) = (halves(&scale(a)), halves(&scale(b)));
        let widened = |x: &[f16]| x.iter().map(|x| x.to_f32()).collect::<Vec<_>>();
        let (a, b) = (widened(&a16), widened(&b16));
        let check = |got, term: fn(f64, f64) -> f64, absolute: fn(f64, f64) -> f64| {
            let sum = |term: fn(f64, f64) -> f64| pairs(&a, &b).map(|(a, b)| term(a, b)).sum::<f64>();
            assert_f32_sum(got, sum(term), sum(absolute), a.len(), context);
        };
        let square = |a: f64, b: f64| (a - b) * (a - b);
        check(set.l2_squared_f16(&a16, &b16), square, square);
        check(set.l1_f16(&a16, &b16), |a, b| (a - b).abs(), |a, b| (a - b).abs());
        check(set.dot_f16(&a16, &b16), |a, b| a * b, |a, b| (a * b).abs());
        let (ab, aa, bb) = set.dot_and_norms_f16(&a16, &b16);
        check(ab, |a, b| a * b, |a, b| (a * b).abs());
        check(aa, |a, _| a * a, |a, _| a * a);
        check(bb, |_, b| b * b, |_, b| b * b);
        let norm = pairs(&a, &b).map(|(a, _)| a * a).sum::<f64>();
        assert!((set.norm_squared_f16(&a16) - norm).abs() <= norm * 1e-12, "{context}");
    });
}

#[test]
fn sums_of_small_integers_as_halves_are_exact() {
    let mut random = Random(11);
    for n in lengths() {
        let a = random.floats(n, |r| (r.next() % 9) as f32 - 4.0);
        let b = random.floats(n, |r| (r.next() % 9) as f32 - 4.0);
        let (a16, b16) = (halves(&a), halves(&b));
        for set in available() {
            assert_eq!(set.l2_squared_f16(&a16, &b16), scalar::l2_squared(&a, &b), "{} {n}", set.name());
            assert_eq!(set.dot_f16(&a16, &b16), scalar::dot(&a, &b), "{} {n}", set.name());
            assert_eq!(set.l1_f16(&a16, &b16), scalar::l1(&a, &b), "{} {n}", set.name());
            assert_eq!(
                set.dot_and_norms_f16(&a16, &b16),
                scalar::dot_and_norms(&a, &b),
                "{} {n}",
                set.name()
            );
            assert_eq!(set.norm_squared_f16(&a16), scalar::norm_squared(&a), "{} {n}", set.name());
        }
    }
}

#[test]
fn bits_are_counted_at_every_length_and_alignment() {
    let mut random = Random(12);
    let (a, b) = (random.bytes(16_000 + 64), random.bytes(16_000 + 64));
    let full = vec![255u8; 16_000];
    let check = |a: &[u8], b: &[u8]| {
        let count = |f: fn(u8, u8) -> u8| {
            a.iter().zip(b).map(|(&a, &b)| u64::from(f(a, b).count_ones())).sum::<u64>()
        };
        for set in available() {
            assert_eq!(set.hamming(a, b), count(|a, b| a ^ b), "{}, length {}", set.name(), a.len());
            let counts = (count(|a, b| a & b), count(|a, b| a | b));
            assert_eq!(set.jaccard_counts(a, b), counts, "{}, length {}", set.name(), a.len());
        }
    };
    for n in lengths() {
        check(&a[..n], &b[..n]);
        check(&full[..n], &vec![0; n]);
        check(&full[..n], &full[..n]);
    }
    for at in 0..64 {
        check(&a[at..at + 200], &b[63 - at..263 - at]);
    }
}

/// A release build ignores the excess of the longer slice; a debug build refuses it.
#[cfg(not(debug_assertions))]
#[test]
fn lengths_that_differ_are_cut_to_the_shorter() {
    let (a, b) = ([1.0f32; 100], [2.0f32; 70]);
    for set in available() {
        assert_eq!(set.l2_squared(&a, &b), 70.0);
        assert_eq!(set.dot(&b, &a), 140.0);
        assert_eq!(set.l1(&a, &b), 70.0);
        assert_eq!(set.dot_and_norms(&a, &b), (140.0, 70.0, 280.0));
        assert_eq!(set.dot_f32_u8(&b, &[1; 100]), 140.0);
        assert_eq!(set.dot_u8(&[1; 100], &[3; 70]), 210);

        let mut words = [!0];
        set.sign_code(&b, &a, 1.0, &mut words);
        assert_eq!(words, [!0]);
        let (mut codes, mut floats) = ([9; 70], [9.0; 70]);
        set.quantize_u8(&a, 0.0, 1.0, &mut codes);
        set.decode_u8(&[1; 100], 1.0, 1.0, &mut floats);
        assert_eq!((codes, floats), ([1; 70], [2.0; 70]));
        set.scale_by(&mut floats, &a);
        set.givens_halves(&mut floats, &mut [2.0; 3]);
        assert_eq!(floats[2..4], [4.0 * std::f32::consts::FRAC_1_SQRT_2, 2.0]);
    }
}

#[test]
fn every_set_is_found_by_its_name() {
    assert!(available().any(|set| set.name() == "scalar"));
    for set in available() {
        assert_eq!(Kernels::by_name(set.name()).map(Kernels::name), Some(set.name()));
    }
    assert!(Kernels::by_name("mmx").is_none());
    assert_eq!(active().name(), available().next().map_or("", Kernels::name));
}

#[test]
fn integer_sums_are_exact_at_every_length_and_alignment() {
    let mut random = Random(3);
    let (a, b) = (random.bytes(16_000 + 64), random.bytes(16_000 + 64));
    let extreme = vec![255u8; MAX_CODES];
    let check = |a: &[u8], b: &[u8]| {
        let dot: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a) * u64::from(b)).sum();
        let sum: u64 = a.iter().map(|&a| u64::from(a)).sum();
        for set in available() {
            assert_eq!(set.dot_u8(a, b), dot, "{}, length {}", set.name(), a.len());
            assert_eq!(set.sum_u8(a), sum, "{}, length {}", set.name(), a.len());
        }
    };
    for n in lengths() {
        check(&a[..n], &b[..n]);
        check(&extreme[..n], &extreme[..n]);
        check(&extreme[..n], &a[..n]);
    }
    for at in 0..64 {
        check(&a[at..at + 200], &b[63 - at..263 - at]);
    }
    check(&extreme, &extreme);
    check(&extreme, &vec![0; MAX_CODES]);
}

#[test]
fn a_query_times_codes_is_right_at_every_length_and_alignment() {
    let mut random = Random(4);
    let codes = random.bytes(16_000 + 64);
    for (name, value) in DISTRIBUTIONS {
        for n in lengths() {
            let query = random.floats(n, value);
            let codes = &codes[n % 64..][..n];
            let terms = || query.iter().zip(codes).map(|(&q, &c)| f64::from(q) * f64::from(c));
            for set in available() {
                let context = format!("{}, {name}, length {n}", set.name());
                let got = set.dot_f32_u8(&query, codes);
                assert_f32_sum(got, terms().sum(), terms().map(f64::abs).sum(), n, &context);
                if name == "small integers" {
                    assert_eq!(got, scalar::dot_f32_u8(&query, codes), "{context}");
                }
            }
        }
    }
}

#[test]
fn four_bit_products_take_low_halves_first() {
    let mut random = Random(41);
    let bytes = random.bytes(8_000 + 64);
    for n in lengths() {
        let query = random.floats(n, Random::unit);
        let half = n.div_ceil(2);
        let codes = &bytes[n % 64..][..half];
        let code = |i: usize| if i < half { codes[i] & 15 } else { codes[i - half] >> 4 };
        let terms = || (0..n).map(|i| f64::from(query[i]) * f64::from(code(i)));
        for set in available() {
            let context = format!("{}, length {n}", set.name());
            let got = set.dot_f32_u4(&query, codes);
            assert_f32_sum(got, terms().sum(), terms().map(f64::abs).sum(), n, &context);
        }
    }
}

/// A node's neighbours: a code each, and the factors.
struct Node {
    codes: Vec<Vec<u8>>,
    factors: Vec<(f32, f32)>,
    bits: usize,
    words: usize,
}

/// Bytes between a node's groups, per lane.
const GAP: usize = 6;

impl Node {
    /// With factors that make all estimates integers.
    fn new(random: &mut Random, d: usize, bits: usize, slots: usize, extreme: bool) -> Self {
        let mask = (1u8 << bits) - 1;
        let mut code = || random.bytes(d).iter().map(|c| if extreme { mask } else { c & mask }).collect();
        let codes = (0..slots).map(|_| code()).collect();
        let mut factor = || (random.next() % 64) as f32 - 32.0;
        let factors = (0..slots).map(|_| (factor(), factor() / 8.0)).collect();
        Self { codes, factors, bits, words: d.div_ceil(64) }
    }

    /// The groups, word by word, straight from the definition.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (codes, factors) in self.codes.chunks(GROUP).zip(self.factors.chunks(GROUP)) {
            let (start, lanes) = (bytes.len(), codes.len());
            bytes.resize(start + lanes * self.bits * self.words * 8, 0);
            for (l, code) in codes.iter().enumerate() {
                for (i, &c) in code.iter().enumerate() {
                    for p in (0..self.bits).filter(|p| c >> p & 1 != 0) {
                        let word = ((p * self.words + i / 64) * lanes + l) * 8;
                        bytes[start + word + i % 64 / 8] |= 1 << (i % 8);
                    }
                }
            }
            bytes.extend(factors.iter().flat_map(|f| f.0.to_le_bytes()));
            bytes.extend(factors.iter().flat_map(|f| f.1.to_le_bytes()));
            bytes.resize(bytes.len() + lanes * GAP, 0xa5);
        }
        bytes
    }

    fn groups<'a>(&self, bytes: &'a [u8], links: usize) -> Groups<'a> {
        Groups { bytes, lane_bytes: 8 * self.bits * self.words, gap: GAP, slots: self.codes.len(), links }
    }

    fn dot(&self, slot: usize, vector: &dyn Fn(usize) -> f64) -> f64 {
        self.codes[slot].iter().enumerate().map(|(i, &c)| f64::from(c) * vector(i)).sum()
    }
}

fn arrange_i4(set: &Kernels, values: &[i8]) -> Arranged {
    let mut arranged = Arranged::default();
    set.arrange_i4(values, &mut arranged);
    arranged
}

fn collect_q4(
    set: &Kernels,
    groups: Groups<'_>,
    query: QueryQ4<'_>,
    own: Own,
    bound: f32,
) -> Vec<(usize, f32)> {
    // As if the estimates of a node with more neighbours had been there before.
    let mut estimates = Estimates::new();
    let full = Groups { links: groups.slots, ..groups };
    estimates.set_each(full, f32::INFINITY, |_| [f32::NEG_INFINITY; GROUP]);
    set.estimate_q4(groups, query, own, bound, &mut estimates);
    let all: Vec<_> = estimates.all().iter().copied().enumerate().collect();
    let found: Vec<_> = estimates.not_above().collect();
    assert!(all.iter().copied().filter(|&(_, estimate)| estimate <= bound).eq(found.iter().copied()));
    found
}

#[test]
fn estimates_are_those_of_the_formula_for_every_number_of_lanes() {
    // From one group to as many as there can be, in pairs and not.
    const SLOTS: [usize; 13] = [20, 23, 24, 28, 32, 34, 40, 47, 64, 65, 70, 250, MAX_ESTIMATES];
    let mut random = Random(5);
    // The longest vector of one word less than there may be, and the longest.
    let long = [384, 768, 784, 1536, 4000, 16_000, 64 * (MAX_WORDS - 1), 64 * MAX_WORDS];
    for (round, d) in (1usize..=130).chain(131..=200).chain(long).enumerate() {
        for bits in [1, 2, 4] {
            let extreme = d % 5 == 0;
            let slots = match round + bits {
                some if some % 2 == 0 && d < 1000 => SLOTS[some / 2 % SLOTS.len()],
                some => 1 + some % 19,
            };
            let node = Node::new(&mut random, d, bits, slots, extreme);
            // Most often many, sometimes few.
            let links = if round % 3 == 0 { 1 + d % slots } else { slots - d % slots.min(11) };
            let signed: Vec<i8> =
                random.bytes(d).iter().map(|q| if extreme { -8 } else { (q % 16) as i8 - 8 }).collect();

            // The page may put the node anywhere, and ends with it.
            let at = d % 64;
            let page = [vec![0xa5; at], node.bytes()].concat();
            let groups = node.groups(&page[at..], links);

            let is_scaled = d % 2 == 0;
            let own = if is_scaled { Own::Times(100.0) } else { Own::Plus(100.0) };
            let want: Vec<(usize, f32)> = (0..links)
                .map(|slot| {
                    let product = 0.5 * (node.dot(slot, &|i| f64::from(signed[i])) as f32 - 3.0);
                    let (add, rescale) = node.factors[slot];
                    let estimate = if is_scaled {
                        0.0 + (100.0 * add + rescale * product)
                    } else {
                        100.0 + (add + rescale * product)
                    };
                    (slot, estimate)
                })
                .collect();
            let median = want[links / 2].1;
            for set in available() {
                let context = format!("{}, d = {d}, {bits} bits, {links} of {slots}", set.name());
                let vector = arrange_i4(set, &signed);
                let query = QueryQ4 { vector: &vector, step: 0.5, centre: 3.0 };
                assert_eq!(collect_q4(set, groups, query, own, f32::INFINITY), want, "{context}");
                let some = collect_q4(set, groups, query, own, median);
                let below: Vec<_> = want.iter().copied().filter(|found| found.1 <= median).collect();
                assert_eq!(some, below, "{context}");
            }
        }
    }
}

#[test]
fn estimates_that_are_not_numbers_are_the_nodes_own_distance() {
    let mut node = Node::new(&mut Random(12), 64, 1, 3, true);
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    node.factors = vec![(nan, 1.0), (inf, -inf), (0.0, 0.0)];
    let bytes = node.bytes();
    let groups = node.groups(&bytes, 3);
    for set in available() {
        let vector = arrange_i4(set, &[1; 64]);
        let query = QueryQ4 { vector: &vector, step: 1.0, centre: -9.0 };
        let found = collect_q4(set, groups, query, Own::Plus(4.0), 4.0);
        assert_eq!(found, [(0, 4.0), (1, 4.0), (2, 4.0)], "{}", set.name());
    }
}

#[test]
fn planes_hold_the_bits_of_the_codes_and_zeros_after_them() {
    let mut random = Random(6);
    for n in lengths() {
        let (words, at) = (n.div_ceil(64), n % 7);
        let codes = &random.bytes(n + at)[at..];
        for bits in 1..=8 {
            let mut want = vec![0u64; bits * words];
            for (i, c) in codes.iter().enumerate() {
                for j in 0..bits {
                    want[j * words + i / 64] |= u64::from(c >> j & 1) << (i % 64);
                }
            }
            for set in available() {
                let mut planes = vec![!0; bits * words];
                set.pack_planes(codes, bits, &mut planes);
                assert_eq!(planes, want, "{}, length {n}, {bits} bits", set.name());
            }
        }
    }
}

#[test]
fn a_sign_code_has_a_bit_for_each_positive_residual_and_sums_to_match() {
    for_all_pairs(|set, target, origin, context| {
        let n = target.len();
        let mut words = vec![!0; n.div_ceil(64)];
        let scale = [1.0, 0.0, -0.3][n % 3];
        let sums = set.sign_code(target, origin, scale, &mut words);
        let bit = |i: usize| words[i / 64] >> (i % 64) & 1 != 0;
        assert!((0..n).all(|i| bit(i) == (target[i] - scale * origin[i] > 0.0)), "{context}");
        assert!((n..words.len() * 64).all(|i| !bit(i)), "{context}: bits past the end");

        let check = |got, terms: &dyn Fn(usize) -> f64| {
            let (exact, magnitude) = ((0..n).map(terms).sum(), (0..n).map(|i| terms(i).abs()).sum());
            assert_f32_sum(got, exact, magnitude, n, context);
        };
        let r = |i: usize| f64::from(target[i]) - f64::from(scale * origin[i]);
        check(sums.norm_squared, &|i| r(i) * r(i));
        check(sums.abs_sum, &|i| r(i).abs());
        check(sums.origin_sum, &|i| if bit(i) { f64::from(origin[i]) } else { 0.0 });
        check(sums.origin_total, &|i| f64::from(origin[i]));
    });
}

#[test]
fn the_least_and_greatest_elements_are_found_wherever_they_are() {
    let mut random = Random(7);
    for n in lengths() {
        let x = random.floats(n, Random::unit);
        let want = x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)));
        for set in available() {
            assert_eq!(set.min_max(&x), want, "{}, length {n}", set.name());
            for at in 0..n.min(300) {
                let mut x = x.clone();
                x[at] = -2.0;
                assert_eq!(set.min_max(&x).0, -2.0, "{}, length {n}, at {at}", set.name());
                x[at] = 2.0;
                assert_eq!(set.min_max(&x).1, 2.0, "{}, length {n}, at {at}", set.name());
            }
        }
    }
}

#[test]
fn codes_are_rounded_to_even_and_cut_to_a_byte() {
    let x =
        [-1e38, -1.0, -0.5, -0.0, 0.5, 1.5, 2.5, 254.5, 254.51, 255.5, 300.0, 1e38, f32::INFINITY, f32::NAN];
    let want = [0, 0, 0, 0, 0, 2, 2, 254, 255, 255, 255, 255, 255, 0];
    for set in available() {
        let mut codes = [7; 14];
        set.quantize_u8(&x, 0.0, 1.0, &mut codes);
        assert_eq!(codes, want, "{}", set.name());
    }
}

#[test]
fn elementwise_kernels_agree_bit_for_bit() {
    let mut random = Random(8);
    for (name, value) in DISTRIBUTIONS {
        for n in lengths() {
            let (x, s) = (random.floats(n, value), random.floats(n, value));
            let (lo, hi) = scalar::min_max(&x);
            let codes = &random.bytes(n + 64)[n % 64..][..n];
            let run = |set: &Kernels| {
                let mut quantised = vec![7; n + 1];
                set.quantize_u8(&x, lo, 255.0 / (hi - lo), &mut quantised[1..]);
                let mut decoded = vec![7.0; n];
                set.decode_u8(codes, lo, (hi - lo) / 255.0, &mut decoded);
                let mut scaled = x.clone();
                set.scale_by(&mut scaled, &s);
                let (mut low, mut high) = (x.clone(), s.clone());
                set.givens_halves(&mut low, &mut high);
                let wide: Vec<u16> = codes.iter().map(|&code| u16::from(code) << 4 | 5).collect();
                let residual = set.residual_squared(&x, &wide, f64::from(lo), f64::from(hi - lo) / 4080.0);
                let residual = if residual.is_nan() { u64::MAX } else { residual.to_bits() };
                (quantised, residual, [decoded, scaled, low, high].map(|x| bit_patterns(&x)))
            };
            let want = run(&scalar::KERNELS);
            for set in available() {
                assert_eq!(run(set), want, "{}, {name}, length {n}", set.name());
            }
        }
    }
}

/// Bits, with one pattern for every NaN: which one arithmetic makes is left open.
fn bit_patterns(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect()
}

#[test]
fn the_hadamard_transform_agrees_bit_for_bit_with_its_definition_by_stages() {
    let mut random = Random(9);
    for (name, value) in DISTRIBUTIONS {
        for log in 0..=14 {
            let x = random.floats(1 << log, value);
            let mut want = x.clone();
            for stride in (0..log).map(|s| 1usize << s) {
                for i in (0..want.len()).filter(|i| i & stride == 0) {
                    (want[i], want[i + stride]) = (want[i] + want[i + stride], want[i] - want[i + stride]);
                }
            }
            for set in available() {
                let mut got = x.clone();
                set.hadamard(&mut got);
                assert_eq!(bit_patterns(&got), bit_patterns(&want), "{}, {name}, 2^{log}", set.name());
            }
        }
    }
}

#[test]
fn the_hadamard_transform_is_its_own_inverse_up_to_the_length() {
    for set in available() {
        let x = Random(10).floats(1024, |r| (r.next() % 9) as f32);
        let mut twice = x.clone();
        set.hadamard(&mut twice);
        set.hadamard(&mut twice);
        assert!(twice.iter().zip(&x).all(|(&t, &x)| t == 1024.0 * x));
    }
}

#[test]
fn a_hadamard_transform_of_no_power_of_two_panics() {
    for set in available() {
        for n in [0, 3, 48, 768] {
            let transform = || set.hadamard(&mut vec![1.0; n]);
            assert!(std::panic::catch_unwind(transform).is_err(), "{}, length {n}", set.name());
        }
    }
}

#[test]
fn groups_that_are_too_short_panic_instead_of_reading_on() {
    for set in available() {
        for (bytes, links) in [(8 * 16 - 1, 8), (8 * 22 + 15, 9), (0, 1)] {
            let bytes = vec![0; bytes];
            let groups = Groups { bytes: &bytes, lane_bytes: 8, gap: 6, slots: 9, links };
            let vector = arrange_i4(set, &[0; 64]);
            let query = QueryQ4 { vector: &vector, step: 0.0, centre: 0.0 };
            let score = || collect_q4(set, groups, query, Own::Plus(0.0), 0.0);
            assert!(std::panic::catch_unwind(score).is_err(), "{}, {links}", set.name());
        }
        assert!(std::panic::catch_unwind(|| set.pack_planes(&[1; 65], 4, &mut [0; 7])).is_err());
    }
}
