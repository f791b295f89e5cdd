//! From the index's distance to bounds of the SQL operator's result.
//!
//! A scan computes the operator's result of a row only where other rows' bounds overlap its own. So they are bounds of what
//! the operator *computes*, in `f32`, not of the truth. The analysis proves some, and those in use are narrower: see
//! the last section.
//!
//! # Analysis
//!
//! u = 2^-24; gamma(n) = n u / (1 - n u), the usual bound of n successive roundings (Higham, *Accuracy and
//! Stability*, 3.1). x and q: the vectors of the table and the query (divided by their true lengths for the
//! cosine), x~ and q~: the same in the frame, x^: as decoded.
//!
//! 1. **The frame.** |q~ - P q| <= rho |q| with rho from [`Rotation::error`](super::Rotation::error), plus 2u
//!    for the normalisation (one rounding per coordinate, one in `f64` before). Likewise x. Coordinates below
//!    2^-126 may lose up to 2^-150 each in the eight multiplications; additions lose nothing. Amplified by
//!    the unscaled transform that is less than `tiny` = d 2^-146 in length. Hence with reach = |q~| + |x^| +
//!    error >= |q~| + |x~|: `| |q~-x~| - |q-x| | <= rho' reach + 2 tiny` and
//!    `|<q~,x~> - <q,x>| <= 2.1 rho' |q~| (|x^|+error) + tiny reach`, where rho' = 1.01 rho turns lengths in
//!    the frame into true ones.
//! 2. **The code.** ||q~-x^| - |q~-x~|| <= error; |<q~,x^> - <q~,x~>| <= |q~| error.
//! 3. **The index's sum.** `dot_f32_u8` adds d products in at least eight chains, which a tree or a chain
//!    then adds up: no term goes through more than d/8 + 32 roundings, so the sum errs by at most gamma(d/8 +
//!    32) sum |q~_i| c_i <= gamma(..) |q~| |c|. Products of codes and denormals are exact or rounded as
//!    usual. The rest is `f64` and errs by a few d 2^-53, relative to the square of |q~| + sqrt(d) |lo| +
//!    step |c| (inner product: relative to |q~| times the rest).
//! 4. **The operator.** Whatever the order of additions, no term goes through more than d + 2 roundings.
//!    Squares and products may lose 2^-150 each by underflow.
//!    * L2: a relative error of gamma(d+3) of the sum of squares, half of that of its root, downwards also
//!      sqrt(d 2^-149). Overflow gives +infinity, above any lower bound; so there is no upper bound
//!      unless the sum is well below 2^128.
//!    * Inner product: gamma(d+3) |q| |x| + d 2^-149. Every partial sum is at most |q| |x| (1 + gamma); if
//!      that could reach 2^127, the result may be an infinity of either sign or NaN, and there are no bounds.
//!    * Cosine: the dot product errs by gamma |q||x|, each of the squared lengths by gamma relatively: 2.2
//!      gamma together, and d 2^-48 for underflow, provided both lengths are [`Magnitude::Ordinary`]. Else no
//!      bounds. Clamped to [0, 2].
//!
//! # Likely bounds
//!
//! Whether a row's place is certain enough to spare a look at the row need not be proven. The code's error is the
//! rounding of coordinates that a random rotation made, so its direction has nothing to do with the query's: its part along
//! the way from x^ to q has a standard deviation of error / sqrt(d), and six of them are exceeded by one in five hundred
//! million. Likewise rounding errors of long sums are not all of one sign; sixteen roundoffs are more than was ever seen of ours (a
//! test looks). The operator may be another library's, which may add one term after the other: roundings of up to a
//! third of a roundoff each (uniformly distributed, of a sum that grows), d of them at random, are a standard deviation of
//! sqrt(d) / 3, and six of them are 2 sqrt(d).
//!
//! For unit vectors of 384 dimensions everything but `error` adds up to about 6e-5, a hundredth of a typical
//! `error`.

use super::sq8::{Decoded, Query, Sq8};
use super::{Frame, Magnitude};
use crate::metric::{LARGEST_SUM, Metric, ROUNDOFF, UNDERFLOW, gamma};

/// A row's place in the order as far as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Distance to the stored vector, in the frame's geometry: what the search orders by. Never NaN.
    pub distance: f32,
    /// The SQL operator's result is not below this, but for one time in a hundred million or so. At least 0 for L2 and cosine.
    pub lower: f64,
    /// Nor above this. Infinite if nothing is known, and then the result may be NaN.
    pub upper: f64,
}

/// The constants of the analysis above.
pub(super) struct Slack {
    /// rho'.
    frame: f64,
    /// `tiny`.
    tiny: f64,
    /// gamma(d/8 + 32), of the index's sum.
    index: f64,
    /// Relative error of the `f64` arithmetic around it.
    double: f64,
    /// gamma(d + 3), of the operator's sums.
    operator: f64,
    /// d 2^-149.
    underflow: f64,
    underflow_root: f64,
    /// d 2^-48.
    cosine_underflow: f64,
    dimensions_root: f64,
    /// How much of a code's error can lie along the one direction that matters: all of it, if it has to be proven.
    error: f64,
}

impl Slack {
    /// No result lies outside.
    fn proven(frame: &Frame) -> Self {
        let d = frame.dimensions() as f64;
        let normalisation = if frame.metric.normalises() { 2.0 * ROUNDOFF } else { 0.0 };
        Self {
            frame: 1.01 * (frame.rotation.error() + normalisation),
            tiny: d * UNDERFLOW * 8.0,
            index: gamma(d / 8.0 + 32.0),
            double: (d + 64.0) * f64::EPSILON * 4.0,
            operator: gamma(d + 3.0),
            underflow: d * UNDERFLOW,
            underflow_root: (d * UNDERFLOW).sqrt(),
            cosine_underflow: d / (1u64 << 48) as f64,
            dimensions_root: d.sqrt(),
            error: 1.0,
        }
    }

    /// Hardly any does.
    pub(super) fn likely(frame: &Frame) -> Self {
        let d = frame.dimensions() as f64;
        let proven = Self::proven(frame);
        let chance = |proven: f64| proven.min(CHANCE_ROUNDOFFS * ROUNDOFF);
        Self {
            frame: chance(proven.frame),
            index: chance(proven.index),
            operator: proven.operator.min(CHANCE_ROUNDOFFS.max(2.0 * d.sqrt()) * ROUNDOFF),
            error: (CHANCE_DEVIATIONS / d.sqrt()).min(1.0),
            ..proven
        }
    }
}

/// See the last section of the analysis.
const CHANCE_DEVIATIONS: f64 = 6.0;
const CHANCE_ROUNDOFFS: f64 = 16.0;

/// Bounds from what is known of a stored vector, whose distance is known.
pub(super) fn measure(query: &Query, stored: Sq8<'_>, decoded: Decoded, distance: f32) -> Measured {
    let nothing = match query.metric {
        Metric::InnerProduct => (f64::NEG_INFINITY, f64::INFINITY),
        _ => (0.0, f64::INFINITY),
    };
    let (lower, upper) = bounds(query, stored, decoded).unwrap_or(nothing);
    Measured { distance, lower, upper }
}

/// The interval, or `None` if nothing can be said.
fn bounds(query: &Query, stored: Sq8<'_>, decoded: Decoded) -> Option<(f64, f64)> {
    let slack = &query.slack;
    let Decoded { dot, norm_squared, error: longest } = decoded;
    // What the error can do along one direction.
    let error = longest * slack.error;
    let code_norm = f64::from(stored.header.step) * f64::from(stored.header.code_norm_squared).sqrt();
    let reach = slack.dimensions_root * f64::from(stored.header.lo.abs()) + code_norm;
    let norm = norm_squared.max(0.0).sqrt() + 1e-7 * reach + longest;
    // Twice, as a fine code adds a sum of its own, of less length.
    let dot_error = query.norm * (2.0 * slack.index * code_norm + slack.double * reach);

    let (lower, upper) = match query.metric {
        Metric::InnerProduct => {
            let product = query.norm * norm;
            let beyond = dot_error
                + query.norm * error
                + (2.1 * slack.frame + 1.01 * slack.operator) * product
                + slack.tiny * (query.norm + norm)
                + slack.underflow;
            (-dot - beyond, -dot + beyond)
        }
        // For unit vectors the length between them says more than their inner product: its error is the smaller, the
        // nearer they are.
        _ => {
            let squared = query.norm_squared - 2.0 * dot + norm_squared;
            if !squared.is_finite() {
                return None;
            }
            let sum_error = 2.0 * dot_error + slack.double * (query.norm_squared + reach * reach);
            // An error at right angles to the way between them lengthens it by its square.
            let beyond = error.max(longest * longest / squared.max(longest * longest).sqrt())
                + slack.frame * (query.norm + norm)
                + 2.0 * slack.tiny;
            let lower = ((squared - sum_error).max(0.0).sqrt() - beyond).max(0.0);
            let upper = (squared + sum_error).max(0.0).sqrt() + beyond;
            (lower, upper)
        }
    };
    if !(lower.is_finite() && upper.is_finite()) {
        return None;
    }
    match query.metric {
        Metric::L2 => {
            let lower = (lower * (1.0 - slack.operator) - slack.underflow_root).max(0.0);
            let upper = upper * (1.0 + slack.operator) + slack.underflow_root;
            Some((lower, if upper * upper < LARGEST_SUM { upper } else { f64::INFINITY }))
        }
        Metric::Cosine => {
            let rounding = 2.2 * slack.operator + slack.cosine_underflow;
            let (lower, upper) = (lower * lower / 2.0 - rounding, upper * upper / 2.0 + rounding);
            (query.magnitude == Magnitude::Ordinary).then_some((lower.max(0.0), upper.min(2.0)))
        }
        Metric::InnerProduct => (query.norm * norm < LARGEST_SUM).then_some((lower, upper)),
        Metric::L1 | Metric::Hamming | Metric::Jaccard => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantizer::sq8;
    use crate::quantizer::testing::{add, gaussian, naive_dot};
    use proptest::prelude::*;

    const METRICS: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

    /// Without and with a fine code.
    fn measured(frame: &Frame, slack: Slack, query: &[f32], row: &[f32]) -> [Measured; 2] {
        let (mut vector, mut codes) = (vec![0.0; row.len()], vec![0; row.len()]);
        let magnitude = frame.apply(row, &mut vector);
        let header = sq8::encode(&vector, magnitude, frame.length(), &mut codes);
        let mut fine = vec![0; sq8::fine_bytes(row.len())];
        let fine_header = sq8::encode_fine(&vector, header, &codes, &mut fine);
        let (mut query, stored) = (Query::new(frame, query), Sq8 { header, codes: &codes });
        query.slack = slack;
        let fine = sq8::Fine { header: sq8::FineHeader::from_bytes(&fine_header.to_bytes()), codes: &fine };
        [query.measure(stored, None), query.measure(stored, Some(fine))]
    }

    /// The operator with sums in order of the coordinates: the least accurate of the allowed ones.
    fn sequential(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
        let sum = |term: fn(f32, f32) -> f32| {
            f64::from(a.iter().zip(b).fold(0.0, |sum, (&a, &b)| sum + term(a, b)))
        };
        match metric {
            Metric::L2 => sum(|a, b| (a - b) * (a - b)).sqrt(),
            Metric::InnerProduct => -sum(|a, b| a * b),
            _ => 1.0 - (sum(|a, b| a * b) / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt()).clamp(-1.0, 1.0),
        }
    }

    /// Fails if an operator's result lies outside the bounds. PostgreSQL sorts NaN above all numbers.
    fn check(metric: Metric, query: &[f32], row: &[f32]) {
        let frame = Frame::new(metric, query.len(), 11).unwrap();
        for m in measured(&frame, Slack::likely(&frame), query, row) {
            assert!(!m.distance.is_nan() && m.lower <= m.upper, "{metric:?} {m:?}");
        }
        for m in measured(&frame, Slack::proven(&frame), query, row) {
            check_measured(metric, query, row, m);
        }
    }

    fn check_measured(metric: Metric, query: &[f32], row: &[f32], m: Measured) {
        assert!(!m.distance.is_nan() && !m.lower.is_nan() && m.lower <= m.upper, "{metric:?} {m:?}");
        assert!(metric == Metric::InnerProduct || m.lower >= 0.0);
        for exact in
            [metric.distance(query, row), metric.distance(row, query), sequential(metric, query, row)]
        {
            assert!(exact.is_nan() || m.lower <= exact, "{metric:?} {m:?} {exact}");
            assert!(
                exact <= m.upper || (exact.is_nan() && m.upper == f64::INFINITY),
                "{metric:?} {m:?} {exact}"
            );
        }
    }

    /// Vectors with everything that floats have to offer.
    fn hostile(d: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f32>> {
        let value = prop_oneof![
            4 => -1f32..1.0,
            2 => -1e3f32..1e3,
            2 => Just(0.0f32),
            1 => Just(f32::MAX),
            1 => Just(-3e38f32),
            1 => Just(1e-45f32),
            1 => -1e-38f32..1e-38,
            1 => Just(1e19f32),
            1 => Just(-1e-22f32),
            1 => Just(16_777_216.0f32),
        ];
        prop::collection::vec(value, d)
    }

    proptest! {
        #[test]
        fn bounds_hold_for_hostile_vectors(
            (q, x) in (1usize..80).prop_flat_map(|d| (hostile(d), hostile(d))),
        ) {
            for metric in METRICS {
                check(metric, &q, &x);
                check(metric, &q, &q);
            }
        }

        #[test]
        fn bounds_hold_across_scales(
            d in 1usize..300, seed: u64, q_exponent in -149i32..128, x_exponent in -149i32..128,
            mix in 0f32..1.5,
        ) {
            let scaled = |v: &[f32], exponent: i32| -> Vec<f32> {
                let times = |x: f32| (f64::from(x) * 2f64.powi(exponent)) as f32;
                v.iter().map(|&x| times(x).clamp(-f32::MAX, f32::MAX)).collect()
            };
            let x = gaussian(d, seed);
            let q = add(&x, mix * mix, &gaussian(d, !seed));
            for metric in METRICS {
                check(metric, &scaled(&q, q_exponent), &scaled(&x, x_exponent));
                check(metric, &scaled(&q, q_exponent), &scaled(&x, q_exponent));
            }
        }

        #[test]
        fn bounds_hold_far_from_the_origin(
            d in 1usize..300, seed: u64, offset in -1e6f32..1e6, exponent in -40i32..1,
        ) {
            let spread = 2f32.powi(exponent);
            let at = |seed| gaussian(d, seed).iter().map(|x| x * spread + offset).collect::<Vec<_>>();
            for metric in METRICS {
                check(metric, &at(seed), &at(!seed));
            }
        }
    }

    #[test]
    fn bounds_hold_for_neighbouring_and_equal_vectors_of_many_dimensions() {
        for d in [1, 2, 3, 768, 2000, 16_000] {
            let x = gaussian(d, 5);
            let positive: Vec<f32> = x.iter().map(|x| x.abs()).collect();
            for metric in METRICS {
                for mix in [0.0, 1e-7, 1e-3, 1.0] {
                    check(metric, &add(&x, mix, &gaussian(d, 6)), &x);
                    check(metric, &add(&positive, mix, &gaussian(d, 6)), &positive);
                }
            }
        }
    }

    #[test]
    fn likely_bounds_are_narrow_and_hold() {
        // How much narrower a fine code makes them is less where sums are long, as its own part is so small.
        let cases = [(300, 700, 0.15), (784, 700, 0.15), (1536, 700, 0.15), (16_000, 20, 0.35)];
        for ((d, rows, fine), metric) in
            cases.into_iter().flat_map(|case| METRICS.map(|metric| (case, metric)))
        {
            let frame = Frame::new(metric, d, 5).unwrap();
            let (mut proven, mut likely) = ([0.0; 2], [0.0; 2]);
            for seed in 0..rows {
                let offset = (seed % 3) as f32;
                let x: Vec<f32> = gaussian(d, seed).iter().map(|x| x + offset).collect();
                let q = add(&x, [0.05, 0.3, 1.0][seed as usize % 3], &gaussian(d, !seed));
                let exact = [metric.distance(&q, &x), sequential(metric, &q, &x)];
                for (way, m) in measured(&frame, Slack::likely(&frame), &q, &x).into_iter().enumerate() {
                    assert!(
                        exact.iter().all(|exact| m.lower <= *exact && *exact <= m.upper),
                        "{metric:?} {d} {way}: {m:?} {exact:?}"
                    );
                    likely[way] += m.upper - m.lower;
                }
                for (way, m) in measured(&frame, Slack::proven(&frame), &q, &x).into_iter().enumerate() {
                    proven[way] += m.upper - m.lower;
                }
            }
            assert!(likely[0] < 0.5 * proven[0], "{metric:?} {d}: {likely:?} {proven:?}");
            assert!(likely[1] < fine * likely[0], "{metric:?} {d}: {likely:?} {proven:?}");
        }
    }

    #[test]
    fn beyond_the_codes_own_error_the_slack_is_small() {
        for (d, limit) in [(16, 1e-4), (384, 1e-4), (1536, 5e-4)] {
            let unit = |seed| {
                let x = gaussian(d, seed);
                let norm = naive_dot(&x, &x).sqrt() as f32;
                x.iter().map(|x| x / norm).collect::<Vec<_>>()
            };
            let (q, x) = (unit(1), unit(2));
            for metric in METRICS {
                let frame = Frame::new(metric, d, 3).unwrap();
                let (mut vector, mut codes) = (vec![0.0; d], vec![0; d]);
                let magnitude = frame.apply(&x, &mut vector);
                let error = f64::from(sq8::encode(&vector, magnitude, frame.length(), &mut codes).error);
                let [m, _] = measured(&frame, Slack::proven(&frame), &q, &x);
                let exact = metric.distance(&q, &x);
                let by_code = match metric {
                    Metric::Cosine => error * (2.0 * exact).sqrt(),
                    _ => error,
                };
                assert!(m.upper - m.lower <= 2.0 * (by_code + limit), "{metric:?} {d} {m:?} {by_code}");
                assert!(m.upper - m.lower >= 2.0 * by_code);
            }
        }
    }
}
