//! The random rotation: an orthogonal transform under which every vector looks alike to a quantiser.
//!
//! The rotation is H. W. Kac's walk taken in large steps, as in RaBitQ's library: four rounds of
//!
//! 1. random signs on all coordinates,
//! 2. a Walsh-Hadamard transform of the first `T` coordinates (rounds 0 and 2) or of the last `T` (rounds 1
//!    and 3), `T` being the largest power of two up to d,
//! 3. unless d is a power of two, the Givens step `(a, b) -> ((a + b), (a - b)) / sqrt 2` between the first
//!    and the last floor(d/2) coordinates.
//!
//! Cost O(d log d), no padding, no stored matrix. Each step is orthogonal, so distances and inner products
//! survive up to rounding; [`Rotation::error`] bounds that.
//!
//! **Part of the on-disk format.** Codes are only comparable under the same rotation, so for a given seed it
//! must never change: signs come from splitmix64 as written here, and a test pins some of them.

use crate::kernels;
use crate::metric::ROUNDOFF;

const ROUNDS: usize = 4;

/// A fixed orthogonal transform of vectors with `dimensions` coordinates, defined by a seed.
pub struct Rotation {
    dimensions: usize,
    /// Coordinates one Hadamard transform covers, `T`.
    span: usize,
    /// Per round and coordinate: the sign, times `1 / sqrt T` where that round's transform follows.
    signs: Vec<f32>,
}

impl Rotation {
    /// The rotation that `seed` stands for. `dimensions` is at least 1.
    pub fn new(dimensions: usize, seed: u64) -> Self {
        debug_assert!(dimensions > 0);
        let span = 1 << dimensions.max(1).ilog2();
        let scale = (1.0 / (span as f64).sqrt()) as f32;
        let mut state = seed;
        let mut signs = Vec::with_capacity(ROUNDS * dimensions);
        for round in 0..ROUNDS {
            let transformed = transformed(round, dimensions, span);
            let mut bits = 0;
            for i in 0..dimensions {
                if i % 64 == 0 {
                    bits = splitmix64(&mut state);
                }
                let magnitude = if transformed.contains(&i) { scale } else { 1.0 };
                signs.push(if bits >> (i % 64) & 1 == 1 { -magnitude } else { magnitude });
            }
        }
        Self { dimensions, span, signs }
    }

    /// Coordinates of a vector, rotated or not.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Writes `source`, rotated, to `out`. Both have `dimensions` coordinates. Sums beyond the range of `f32`
    /// leave infinities or NaN in `out`, never finite wrong values.
    pub fn apply(&self, source: &[f32], out: &mut [f32]) {
        out.copy_from_slice(source);
        self.apply_in_place(out);
    }

    /// As [`apply`](Self::apply), from and to `vector`.
    pub fn apply_in_place(&self, vector: &mut [f32]) {
        debug_assert_eq!(vector.len(), self.dimensions);
        for (round, signs) in self.signs.chunks_exact(self.dimensions).enumerate() {
            kernels::scale_by(vector, signs);
            kernels::hadamard(&mut vector[transformed(round, self.dimensions, self.span)]);
            if self.span != self.dimensions {
                let (lo, hi) = vector.split_at_mut(self.dimensions / 2);
                let middle = hi.len() - lo.len();
                kernels::givens_halves(lo, &mut hi[middle..]);
            }
        }
    }

    /// A bound of `|fl(P x) - P x| / |x|`, overflow and underflow aside: each rounded operation of a step
    /// moves the vector by at most one unit roundoff of its length, and the steps keep lengths. A round adds
    /// `log2 T` times, multiplies by a rounded constant, and in the Givens step adds and multiplies by a
    /// rounded constant again: at most `log2 T + 6` roundoffs.
    pub fn error(&self) -> f64 {
        let roundoffs = ROUNDS as f64 * f64::from(self.span.ilog2() + 6);
        roundoffs * ROUNDOFF * 1.01
    }
}

/// The coordinates that a round's Hadamard transform covers.
fn transformed(round: usize, dimensions: usize, span: usize) -> std::ops::Range<usize> {
    if round.is_multiple_of(2) { 0..span } else { dimensions - span..dimensions }
}

/// splitmix64 (Steele, Lea and Flood, OOPSLA 2014). Bit `i % 64` of draw `i / 64` of a round, set, negates
/// coordinate `i`; every round starts with a fresh draw.
pub fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantizer::testing::{gaussian, naive_dot};
    use proptest::prelude::*;

    fn rotated(rotation: &Rotation, source: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; source.len()];
        rotation.apply(source, &mut out);
        out
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The reference implementation's first outputs for seed 1234567.
        let mut state = 1_234_567;
        let draws: Vec<u64> = (0..3).map(|_| splitmix64(&mut state)).collect();
        assert_eq!(draws, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn the_rotation_of_a_seed_never_changes() {
        // Coordinates 0, d/2 and d - 1, from a second implementation in double precision.
        let pinned = [
            (3, [-1.166_053_4, -0.743_718_44, 1.757_043_6]),
            (64, [0.414_062_5, -0.906_25, 0.558_593_75]),
            (100, [-3.870_605_5, -2.332_519_5, 3.660_644_5]),
        ];
        for (dimensions, expected) in pinned {
            let source: Vec<f32> = (0..dimensions).map(|i| (i % 7) as f32 - 2.0).collect();
            let out = rotated(&Rotation::new(dimensions, 42), &source);
            let seen = [out[0], out[dimensions / 2], out[dimensions - 1]];
            for (seen, expected) in seen.iter().zip(expected) {
                assert!((seen - expected).abs() < 1e-5, "{dimensions}: {seen} {expected}");
            }
        }
    }

    #[test]
    fn one_coordinate_keeps_its_magnitude() {
        assert_eq!(rotated(&Rotation::new(1, 7), &[3.5])[0].abs(), 3.5);
    }

    #[test]
    fn a_unit_vector_spreads_over_all_coordinates() {
        for dimensions in [100, 384, 768, 1000] {
            let mut source = vec![0.0; dimensions];
            source[dimensions / 3] = 1.0;
            let out = rotated(&Rotation::new(dimensions, 1), &source);
            let largest = out.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            assert!(largest < 8.0 / (dimensions as f32).sqrt(), "{dimensions}: {largest}");
        }
    }

    #[test]
    fn rounding_stays_within_the_stated_error() {
        for dimensions in [3, 100, 384, 1000, 1536, 16_000] {
            let rotation = Rotation::new(dimensions, 3);
            let (a, b) = (gaussian(dimensions, 1), gaussian(dimensions, 2));
            let (ra, rb) = (rotated(&rotation, &a), rotated(&rotation, &b));
            let (aa, bb) = (naive_dot(&a, &a), naive_dot(&b, &b));
            assert!((naive_dot(&ra, &ra).sqrt() - aa.sqrt()).abs() <= rotation.error() * aa.sqrt());
            let shift = (naive_dot(&ra, &rb) - naive_dot(&a, &b)).abs();
            assert!(shift <= 2.1 * rotation.error() * (aa * bb).sqrt(), "{dimensions}: {shift}");
        }
    }

    #[test]
    fn overflow_is_never_mistaken_for_a_value() {
        let source = vec![3e38; 96];
        let out = rotated(&Rotation::new(96, 5), &source);
        assert!(
            out.iter().any(|x| !x.is_finite())
                || (kernels::norm_squared(&out) / 96.0 / 9e76 - 1.0).abs() < 1e-4
        );
    }

    proptest! {
        #[test]
        fn lengths_and_inner_products_survive(dimensions in 1usize..600, seed: u64) {
            let rotation = Rotation::new(dimensions, seed);
            let (a, b) = (gaussian(dimensions, seed ^ 1), gaussian(dimensions, seed ^ 2));
            let (ra, rb) = (rotated(&rotation, &a), rotated(&rotation, &b));
            let (aa, bb) = (naive_dot(&a, &a), naive_dot(&b, &b));
            prop_assert!((naive_dot(&ra, &ra) - aa).abs() <= 1e-5 * aa);
            prop_assert!((naive_dot(&ra, &rb) - naive_dot(&a, &b)).abs() <= 1e-5 * (aa * bb).sqrt());
        }
    }
}
