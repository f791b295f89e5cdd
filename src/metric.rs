//! The distances an index can order by: the SQL operator's exact value, and what an index may assume about
//! it.

use crate::kernels::sparse::{self, Sparse};
use crate::kernels::{self, Element};

/// Unit roundoff of `f32`: a correctly rounded operation errs by at most this, relative to its result.
pub const ROUNDOFF: f64 = 1.0 / (1u64 << 24) as f64;

/// 2^-149: twice what a product may lose by underflow.
pub const UNDERFLOW: f64 = f32::from_bits(1) as f64;

/// 2^126: sums below it do not overflow `f32`, whatever their rounding.
pub const LARGEST_SUM: f64 = (1u128 << 126) as f64;

/// Squared lengths, 2^-100 to 2^120, between which a cosine's three `f32` sums neither overflow nor lose
/// digits to underflow: the product of two such lengths is at least 2^-100, d underflows of 2^-150 are
/// nothing beside it.
pub const ORDINARY: std::ops::RangeInclusive<f64> = 1.0 / (1u128 << 100) as f64..=(1u128 << 120) as f64;

/// The usual bound of so many successive roundings, relative to what is rounded (Higham, *Accuracy and Stability*, 3.1).
pub fn gamma(roundings: f64) -> f64 {
    roundings * ROUNDOFF / (1.0 - roundings * ROUNDOFF)
}

/// The distance behind an operator class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `<->`: Euclidean distance.
    L2,
    /// `<#>`: negative inner product.
    InnerProduct,
    /// `<=>`: one minus the cosine similarity.
    Cosine,
    /// `<+>`: taxicab distance.
    L1,
    /// `<~>`: number of bits that differ. Of bit strings only.
    Hamming,
    /// `<%>`: one minus the share of the bits set in both among those set in either. Of bit strings only.
    Jaccard,
}

/// What the quantiser computes with in place of an estimable [`Metric`]: each orders rows as its metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// `|a - b|^2`.
    L2Squared,
    /// `-<a, b>`.
    NegativeInnerProduct,
}

impl Metric {
    /// Whether vectors are scaled to length one before they enter the index.
    pub fn normalises(self) -> bool {
        self == Metric::Cosine
    }

    /// What to compute with on rotated (and, for the cosine, normalised) vectors; `None` if rotation does not
    /// keep the metric, so that residual codes cannot estimate it and nodes must be plain.
    ///
    /// Vectors of one length are ordered alike by both geometries. The cosine takes the inner product, whose codes, of
    /// residuals at right angles to the node's vector, are the more accurate.
    pub fn geometry(self) -> Option<Geometry> {
        match self {
            Metric::L2 => Some(Geometry::L2Squared),
            Metric::Cosine | Metric::InnerProduct => Some(Geometry::NegativeInnerProduct),
            Metric::L1 | Metric::Hamming | Metric::Jaccard => None,
        }
    }

    /// Whether fused nodes can serve the metric.
    pub fn estimable(self) -> bool {
        self.geometry().is_some()
    }

    /// What the SQL operator returns for dense vectors of equal length, pgvector's arithmetic: sums in
    /// `f32` and in any order, everything else in `f64`. Sums that overflow are infinite; a cosine with a
    /// zero vector, or with overflowed norms, is NaN, as is everything that has no operator.
    #[inline]
    pub fn distance<E: Element>(self, a: &[E], b: &[E]) -> f64 {
        match self {
            Metric::L2 => f64::from(E::l2_squared(a, b)).sqrt(),
            Metric::InnerProduct => -f64::from(E::dot(a, b)),
            Metric::Cosine => cosine_distance(E::dot_and_norms(a, b)),
            Metric::L1 => f64::from(E::l1(a, b)),
            Metric::Hamming | Metric::Jaccard => f64::NAN,
        }
    }

    /// [`Metric::distance`] of sparse vectors.
    #[inline]
    pub fn sparse_distance(self, a: Sparse<'_>, b: Sparse<'_>) -> f64 {
        match self {
            Metric::L2 => f64::from(sparse::l2_squared(a, b)).sqrt(),
            Metric::InnerProduct => -f64::from(sparse::dot(a, b)),
            Metric::Cosine => cosine_distance(sparse::dot_and_norms(a, b)),
            Metric::L1 => f64::from(sparse::l1(a, b)),
            Metric::Hamming | Metric::Jaccard => f64::NAN,
        }
    }

    /// Between which values the result of an operator lies that adds up in another order than [`distance`](Self::distance) or
    /// [`sparse_distance`](Self::sparse_distance), whose result is `ours`. The upper one is infinite if little is known; the
    /// result may be NaN then. No sum has more than `terms` terms, which are fewer than 2^18; `norms_squared` are both
    /// vectors' squared lengths.
    ///
    /// Each of the two sums errs by at most gamma(n + 3) relative to its terms' magnitudes, and 2^-150 for each product that
    /// underflows; the tenth that is added to both is for `f64`.
    pub fn in_any_order(
        self,
        ours: f64,
        terms: usize,
        norms_squared: impl FnOnce() -> (f64, f64),
    ) -> (f64, f64) {
        let n = terms as f64;
        let rounding = 2.2 * gamma(n + 3.0);
        let underflow = 1.1 * n * UNDERFLOW;
        match self {
            Metric::L2 => {
                let sum = ours * ours;
                if sum < LARGEST_SUM {
                    let beyond = rounding * sum + underflow;
                    ((sum - beyond).max(0.0).sqrt(), (sum + beyond).sqrt())
                } else {
                    (0.9 * LARGEST_SUM.sqrt(), f64::INFINITY)
                }
            }
            Metric::L1 if ours < LARGEST_SUM => (ours * (1.0 - rounding), ours * (1.0 + rounding)),
            Metric::L1 => (0.9 * LARGEST_SUM, f64::INFINITY),
            Metric::InnerProduct => {
                let (a, b) = norms_squared();
                let product = (a * b).sqrt();
                if product < LARGEST_SUM {
                    let beyond = rounding * product + underflow;
                    (ours - beyond, ours + beyond)
                } else {
                    (f64::NEG_INFINITY, f64::INFINITY)
                }
            }
            Metric::Cosine => {
                let (a, b) = norms_squared();
                if ORDINARY.contains(&a) && ORDINARY.contains(&b) {
                    // The inner product and both squared lengths, which are under a root.
                    let beyond = 2.2 * rounding + n / (1u64 << 47) as f64;
                    ((ours - beyond).max(0.0), (ours + beyond).min(2.0))
                } else {
                    (0.0, f64::INFINITY)
                }
            }
            // Counts are exact.
            Metric::Hamming | Metric::Jaccard => (ours, ours),
        }
    }

    /// [`Metric::distance`] of bit strings. Two in which no bit is set in both have the Jaccard distance 1.
    #[inline]
    pub fn bit_distance(self, a: &[u8], b: &[u8]) -> f64 {
        match self {
            Metric::Hamming => kernels::hamming(a, b) as f64,
            Metric::Jaccard => match kernels::jaccard_counts(a, b) {
                (0, _) => 1.0,
                (both, either) => 1.0 - both as f64 / either as f64,
            },
            _ => f64::NAN,
        }
    }
}

/// From the inner product and the squares of both norms.
fn cosine_distance((dot, a_squared, b_squared): (f32, f32, f32)) -> f64 {
    let similarity = f64::from(dot) / (f64::from(a_squared) * f64::from(b_squared)).sqrt();
    // Rounding may push the quotient out of its range.
    1.0 - similarity.clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::norm_squared;
    use proptest::prelude::*;

    /// Sums as others may compute them: from either end, or in lanes.
    fn in_other_orders(metric: Metric, a: &[f32], b: &[f32]) -> Vec<f64> {
        let lanes = [1, 4, 8].map(|lanes| {
            move |terms: &mut dyn Iterator<Item = f32>| {
                let mut sums = vec![0f32; lanes];
                terms.enumerate().for_each(|(i, term)| sums[i % lanes] += term);
                sums.into_iter().fold(0.0, |sum, lane| sum + lane)
            }
        });
        let mut results = Vec::new();
        for add in lanes {
            for is_reversed in [false, true] {
                let sum = |term: fn(f32, f32) -> f32| {
                    let terms = a.iter().zip(b).map(|(&a, &b)| term(a, b));
                    if is_reversed { add(&mut terms.rev()) } else { add(&mut { terms }) }
                };
                results.push(match metric {
                    Metric::L2 => f64::from(sum(|a, b| (a - b) * (a - b))).sqrt(),
                    Metric::L1 => f64::from(sum(|a, b| (a - b).abs())),
                    Metric::InnerProduct => -f64::from(sum(|a, b| a * b)),
                    _ => cosine_distance((sum(|a, b| a * b), sum(|a, _| a * a), sum(|_, b| b * b))),
                });
            }
        }
        results
    }

    fn check_orders(a: &[f32], b: &[f32]) {
        for metric in [Metric::L2, Metric::L1, Metric::InnerProduct, Metric::Cosine] {
            let ours = metric.distance(a, b);
            let (lower, upper) = metric.in_any_order(ours, a.len(), || (norm_squared(a), norm_squared(b)));
            assert!(lower <= upper, "{metric:?}: {lower} to {upper}");
            for other in in_other_orders(metric, a, b) {
                let is_within = lower <= other && other <= upper || other.is_nan() && upper == f64::INFINITY;
                assert!(is_within, "{metric:?}: {other} is not within {lower} to {upper}; {ours}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_order_of_additions_leaves_the_bounds(
            (a, b) in (1usize..200).prop_flat_map(|d| (vectors(d), vectors(d))),
            exponents in (-149i32..128, -149i32..128),
        ) {
            let scaled = |v: &[f32], exponent: i32| -> Vec<f32> {
                let times = |x: f32| (f64::from(x) * 2f64.powi(exponent)) as f32;
                v.iter().map(|&x| times(x).clamp(-f32::MAX, f32::MAX)).collect()
            };
            check_orders(&a, &b);
            check_orders(&a, &a);
            check_orders(&scaled(&a, exponents.0), &scaled(&b, exponents.1));
            check_orders(&scaled(&a, exponents.0), &scaled(&b, exponents.0));
        }
    }

    fn vectors(dimensions: usize) -> impl Strategy<Value = Vec<f32>> {
        prop_oneof![
            prop::collection::vec(-1f32..1.0, dimensions),
            prop::collection::vec(
                prop_oneof![4 => -1e3f32..1e3, 1 => any::<f32>().prop_filter("finite", |x| x.is_finite())],
                dimensions
            ),
            // One value throughout: all roundings are of one sign.
            (-1f32..1.0).prop_map(move |x| vec![x; dimensions]),
        ]
    }

    #[test]
    fn no_order_of_many_additions_leaves_the_bounds() {
        for d in [1000, 16_000] {
            let wave = |step: f32| (0..d).map(|i| (i as f32 * step).sin() + 0.1).collect::<Vec<_>>();
            check_orders(&wave(0.37), &wave(1.1));
            check_orders(&vec![0.1; d], &vec![0.7; d]);
            check_orders(&vec![1e-23; d], &vec![1.1e-23; d]);
        }
    }

    #[test]
    fn distances_of_small_vectors_are_exact() {
        let (a, b) = ([1.0, 2.0, 3.0], [4.0, 6.0, 3.0]);
        assert_eq!(Metric::L2.distance(&a, &b), 5.0);
        assert_eq!(Metric::InnerProduct.distance(&a, &b), -25.0);
        assert_eq!(Metric::L1.distance(&a, &b), 7.0);
        assert_eq!(Metric::Cosine.distance(&[1.0, 1.0], &[2.0, 0.0]), 1.0 - 2.0 / 8.0f64.sqrt());
    }

    #[test]
    fn cosine_with_a_zero_vector_is_nan() {
        assert!(Metric::Cosine.distance(&[0.0, 0.0], &[1.0, 0.0]).is_nan());
    }
}
