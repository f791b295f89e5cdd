//! Every available set against `scalar.rs`, and `scalar.rs` against plain definitions in wide arithmetic: at every
//! length up to 300 and some large ones, at every alignment for bytes, and on hostile values.

use super::{Kernels, available, scalar};

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
    }
}

#[test]
fn every_set_is_found_by_its_name() {
    assert!(available().any(|set| set.name() == "scalar"));
    for set in available() {
        assert_eq!(Kernels::by_name(set.name()).map(Kernels::name), Some(set.name()));
    }
    assert!(Kernels::by_name("mmx").is_none());
    assert_eq!(super::active().name(), available().next().map_or("", Kernels::name));
}
