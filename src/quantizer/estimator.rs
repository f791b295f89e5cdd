//! Estimated distances to a node's neighbours, from their codes alone.
//!
//! An [`Estimator`] computes `own + f_add + f_rescale <x, q>` for each neighbour, or `own f_add + f_rescale <x, q>` with inner
//! products, `own` being the distance between the query q and the node that holds the groups. The query is reduced to signed
//! 4-bit integers, except for 8-bit codes. A query is a vector searched for, or one about to be linked.

use super::layout::{Bits, GROUP, GroupLayout, Groups};
use super::sum;
use crate::kernels::{self, Arranged, Estimates, Own, QueryQ4};
use crate::metric::Geometry;

/// A query's estimates.
pub struct Estimator {
    geometry: Geometry,
    form: Form,
}

enum Form {
    /// Integers `i`, q being about `step i`; `centre` is `h sum i`.
    Integers { vector: Arranged, step: f32, centre: f32 },
    /// The query as it is, for 8-bit codes; `centre` is `h sum q`.
    Floats { vector: Vec<f32>, centre: f32 },
}

impl Estimator {
    /// Prepares a query, given in the frame, for groups whose factors were made for `geometry`.
    pub fn new(layout: GroupLayout, geometry: Geometry, vector: &[f32]) -> Self {
        debug_assert_eq!(layout.dimensions(), vector.len());
        let h = layout.bits().centre();
        let form = if layout.bits() == Bits::Eight {
            Form::Floats { vector: vector.to_vec(), centre: (f64::from(h) * sum(vector)) as f32 }
        } else {
            let (values, step) = quantise_query(vector);
            let mut arranged = Arranged::default();
            kernels::arrange_i4(&values, &mut arranged);
            let sum: i32 = values.iter().map(|&v| i32::from(v)).sum();
            Form::Integers { vector: arranged, step, centre: h * sum as f32 }
        };
        Self { geometry, form }
    }

    /// Estimates the distances to a node's neighbours, and which of them are at most the bound.
    ///
    /// Estimates are in the geometry of the factors: L2 squared, or negative inner product. `own` is the query's
    /// distance to the node, as [`Query::distance`](super::Query::distance) gives it. They are never NaN unless
    /// `own` is; where the factors overflow, they are `own`.
    #[inline]
    pub fn estimate(&self, groups: Groups<'_>, own: f32, bound: f32, estimates: &mut Estimates) {
        let own = self.geometry.own(own);
        match &self.form {
            &Form::Integers { ref vector, step, centre } => {
                kernels::estimate_q4(groups, QueryQ4 { vector, step, centre }, own, bound, estimates);
            }
            Form::Floats { vector, centre } => {
                let (start, factor) = own.start();
                estimates.set_each(groups, bound, |group| {
                    group.each(|lane| {
                        let codes = &group.codes[lane * vector.len()..][..vector.len()];
                        let (add, rescale) = group.factors(lane);
                        let product = kernels::dot_f32_u8(vector, codes) - centre;
                        let estimate = start + (factor * add + rescale * product);
                        if estimate.is_nan() { own.distance() } else { estimate }
                    })
                });
            }
        }
    }

    /// Turns estimates that started from one distance between the query and the node into those that start from another one. They
    /// may be NaN where factors or distances overflow.
    pub fn restart(&self, groups: Groups<'_>, estimates: &mut Estimates, from: f32, to: f32) {
        let apart = to - from;
        let estimates = estimates.all_mut();
        match self.geometry {
            Geometry::L2Squared => estimates.iter_mut().for_each(|estimate| *estimate += apart),
            Geometry::NegativeInnerProduct => {
                for (group, estimates) in groups.iter().zip(estimates.chunks_mut(GROUP)) {
                    for (estimate, add) in estimates.iter_mut().zip(group.add.as_chunks().0) {
                        *estimate += apart * f32::from_le_bytes(*add);
                    }
                }
            }
        }
    }
}

impl Geometry {
    /// How estimates start from the distance between a vector and a node.
    fn own(self, distance: f32) -> Own {
        match self {
            Geometry::L2Squared => Own::Plus(distance),
            Geometry::NegativeInnerProduct => Own::Times(distance),
        }
    }
}

/// Signed 4-bit integers and their step: the range -8..=7 just covers the largest coordinate. A query that
/// does not fit `f32`, or that is (nearly) zero, becomes zero.
fn quantise_query(vector: &[f32]) -> (Vec<i8>, f32) {
    let (least, greatest) = kernels::min_max(vector);
    let step = greatest.max(-least) / 7.5;
    let inverse = 1.0 / step;
    if !(inverse.is_finite() && inverse > 0.0 && kernels::norm_squared(vector).is_finite()) {
        return (vec![0; vector.len()], 0.0);
    }
    let mut codes = vec![0; vector.len()];
    kernels::quantize_u8(vector, -8.0 * step, inverse, &mut codes);
    (codes.into_iter().map(|c| c.min(15) as i8 - 8).collect(), step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::quantizer::testing::{add, gaussian, levels, naive_dot, naive_l2_squared};
    use crate::quantizer::{Encoder, Frame, GROUP, Length, Magnitude, Query, Sq8, sq8};
    use proptest::prelude::*;

    const ALL: [Bits; 4] = [Bits::One, Bits::Two, Bits::Four, Bits::Eight];
    const GEOMETRIES: [Geometry; 2] = [Geometry::L2Squared, Geometry::NegativeInnerProduct];

    /// A node with a full group of neighbours, in the frame.
    struct Node {
        layout: GroupLayout,
        header: sq8::Header,
        codes: Vec<u8>,
        neighbours: Vec<Vec<f32>>,
        group: Vec<u8>,
        excesses: Vec<f32>,
    }

    impl Node {
        fn new(d: usize, bits: Bits, geometry: Geometry, seed: u64, spread: f32) -> Self {
            let layout = GroupLayout::new(d, bits);
            let vector = gaussian(d, seed);
            let mut codes = vec![0; d];
            let header = sq8::encode(&vector, Magnitude::Ordinary, Length::Any, &mut codes);
            let group = vec![0xAA; layout.bytes()];
            let mut node =
                Self { layout, header, codes, neighbours: Vec::new(), group, excesses: Vec::new() };
            let mut encoder = Encoder::new(layout, geometry);
            let decoded = node.decoded();
            for lane in 0..GROUP {
                let neighbour = add(&vector, spread, &gaussian(d, seed ^ (lane as u64 + 1) << 32));
                let encoded = encoder.encode(&neighbour, &decoded);
                layout.write_lane(&mut node.group, lane, encoded.code, encoded.factors);
                node.excesses.push(encoded.excess);
                node.neighbours.push(neighbour);
            }
            node
        }

        fn stored(&self) -> Sq8<'_> {
            Sq8 { header: self.header, codes: &self.codes }
        }

        fn decoded(&self) -> Vec<f32> {
            let mut out = vec![0.0; self.codes.len()];
            self.stored().decode(&mut out);
            out
        }

        fn groups(&self) -> Groups<'_> {
            self.layout.groups(&self.group, 0, GROUP, GROUP)
        }

        /// The lane's centred code.
        fn centred(&self, lane: usize) -> Vec<f32> {
            let mut code = vec![0; self.layout.lane_bytes()];
            self.layout.read_lane(&self.group, lane, &mut code);
            levels(self.layout, &code).into_iter().map(|level| level - self.layout.bits().centre()).collect()
        }
    }

    fn scores(estimator: &Estimator, groups: Groups<'_>, own: f32) -> Vec<f32> {
        let mut estimates = Estimates::new();
        estimator.estimate(groups, own, f32::INFINITY, &mut estimates);
        estimates.all().to_vec()
    }

    /// How much of the origin is taken from a vector to get its residual.
    fn scale(geometry: Geometry, vector: &[f32], origin: &[f32]) -> f64 {
        match geometry {
            Geometry::L2Squared => 1.0,
            Geometry::NegativeInnerProduct => naive_dot(vector, origin) / naive_dot(origin, origin),
        }
    }

    fn exact(geometry: Geometry, a: &[f32], b: &[f32]) -> f64 {
        match geometry {
            Geometry::L2Squared => naive_l2_squared(a, b),
            Geometry::NegativeInnerProduct => -naive_dot(a, b),
        }
    }

    proptest! {
        #[test]
        fn scores_are_those_of_the_naive_formula(
            d in 1usize..300, bits in 0usize..4, seed: u64, spread in 0.01f32..2.0,
        ) {
            for geometry in GEOMETRIES {
                let node = Node::new(d, ALL[bits], geometry, seed, spread);
                let query = gaussian(d, !seed);
                let (values, step) = quantise_query(&query);
                let reduced: Vec<f32> = match ALL[bits] {
                    Bits::Eight => query.clone(),
                    _ => values.iter().map(|&v| f32::from(v) * step).collect(),
                };
                let scores = scores(&Estimator::new(node.layout, geometry, &query), node.groups(), 3.0);
                for (lane, score) in scores.iter().enumerate() {
                    let (x, u) = (node.centred(lane), node.decoded());
                    let scale = scale(geometry, &node.neighbours[lane], &u);
                    let r: Vec<f32> = add(&node.neighbours[lane], -scale as f32, &u);
                    let rr = naive_dot(&r, &r);
                    let f = if rr > 0.0 { rr / naive_dot(&x, &r) } else { 0.0 };
                    // With u exact and q as reduced.
                    let (xq, xu) = (naive_dot(&x, &reduced), naive_dot(&x, &u));
                    let expected = match geometry {
                        Geometry::L2Squared => 3.0 + rr - 2.0 * f * (xq - xu),
                        // The part of q along u is -3 / |u|^2.
                        Geometry::NegativeInnerProduct => 3.0 * scale - f * (xq + 3.0 / naive_dot(&u, &u) * xu),
                    };
                    let lengths = naive_dot(&u, &u) + naive_dot(&query, &query);
                    let size = 3.0 + rr + f.abs() * (d as f64 * naive_dot(&x, &x) * lengths).sqrt();
                    let size = size * (1.0 + 3.0 / naive_dot(&u, &u)) * (1.0 + scale.abs());
                    let error = (f64::from(*score) - expected).abs();
                    prop_assert!(error <= 1e-5 * size, "{score} {expected} {size}");
                }
            }
        }

        #[test]
        fn a_neighbours_excess_is_that_of_the_vectors(
            d in 1usize..400, bits in 0usize..4, seed: u64, spread in 0.01f32..2.0,
        ) {
            for geometry in GEOMETRIES {
                let node = Node::new(d, ALL[bits], geometry, seed, spread);
                let u = node.decoded();
                for (neighbour, &seen) in node.neighbours.iter().zip(&node.excesses) {
                    let expected = exact(geometry, neighbour, &u) - exact(geometry, &u, &u);
                    let r = naive_l2_squared(neighbour, &u).sqrt();
                    let size = naive_dot(&u, &u).sqrt() * (r + naive_dot(&u, &u).sqrt()) + r * r;
                    let error = (f64::from(seen) - expected).abs();
                    prop_assert!(error <= 3e-6 * size, "{seen} {expected} {size}");
                }
                let same = Encoder::new(node.layout, geometry).encode(&u, &u).excess;
                prop_assert_eq!(same, 0.0);
            }
        }

        #[test]
        fn nothing_is_ever_nan(
            d in 1usize..70, bits in 0usize..4, seed: u64, bad: bool,
            scale in prop::sample::select(vec![0.0f32, 1e-45, 1e-38, 1e-20, 1e15, 1e19, 1e37]),
            other in prop::sample::select(vec![0.0f32, 1e-45, 1e-20, 1.0, 1e19, 1e37]),
        ) {
            let stretch = |seed, scale: f32| gaussian(d, seed).iter().map(|x| x * scale).collect::<Vec<_>>();
            for metric in [Metric::L2, Metric::InnerProduct] {
                let frame = Frame::new(metric, d, 1).unwrap();
                let layout = GroupLayout::new(d, ALL[bits]);
                let mut codes = vec![0; d];
                let header = sq8::encode(&stretch(seed, scale), Magnitude::Ordinary, Length::Any, &mut codes);
                let stored = Sq8 { header, codes: &codes };
                let mut origin = vec![0.0; d];
                stored.decode(&mut origin);
                let mut target = stretch(!seed, other);
                if bad {
                    target[d / 2] = f32::NAN;
                }
                let mut group = vec![0; layout.bytes()];
                let mut encoder = Encoder::new(layout, frame.geometry());
                for lane in 0..GROUP {
                    let encoded = encoder.encode(if lane % 2 == 0 { &target } else { &origin }, &origin);
                    let where_the_node_is = match frame.geometry() {
                        Geometry::L2Squared => 0.0,
                        Geometry::NegativeInnerProduct => 1.0,
                    };
                    let is_there = encoded.factors.rescale == 0.0 && encoded.factors.add == where_the_node_is;
                    // A length that is lost to underflow or overflow is no measure.
                    let is_measured = (1e-30..1e30).contains(&kernels::dot(&origin, &origin));
                    prop_assert!(lane % 2 == 0 || is_there || !is_measured, "{:?}", encoded.factors);
                    layout.write_lane(&mut group, lane, encoded.code, encoded.factors);
                }
                let query = Query::new(&frame, &stretch(seed ^ 7, other));
                let own = query.distance(stored);
                let groups = layout.groups(&group, 0, GROUP, GROUP);
                let estimator = Estimator::new(layout, frame.geometry(), query.vector());
                let all = scores(&estimator, groups, own);
                prop_assert!(all.len() == GROUP && all.iter().all(|x| !x.is_nan()), "{:?}", all);
            }
        }
    }

    #[test]
    fn estimates_may_start_from_another_distance() {
        for (bits, geometry) in ALL.into_iter().flat_map(|bits| GEOMETRIES.map(|geometry| (bits, geometry))) {
            let node = Node::new(100, bits, geometry, 3, 0.5);
            let estimator = Estimator::new(node.layout, geometry, &gaussian(100, 4));
            let mut estimates = Estimates::new();
            estimator.estimate(node.groups(), 3.0, f32::INFINITY, &mut estimates);
            estimator.restart(node.groups(), &mut estimates, 3.0, 7.5);
            let fresh = scores(&estimator, node.groups(), 7.5);
            assert_eq!(estimates.all().len(), GROUP);
            for (restarted, fresh) in estimates.all().iter().zip(&fresh) {
                assert!((restarted - fresh).abs() <= 1e-4 * fresh.abs().max(1.0), "{restarted} {fresh}");
            }
        }
    }

    /// Mean and root mean square of (estimate - truth) / (|r| |y|), over many nodes.
    fn errors(d: usize, bits: Bits, geometry: Geometry) -> (f64, f64) {
        let (mut sum, mut squares, mut n) = (0.0, 0.0, 0.0);
        for seed in 0..200 {
            let node = Node::new(d, bits, geometry, seed, 0.8);
            let (u, query) = (node.decoded(), gaussian(d, seed + 1_000_000));
            let own = exact(geometry, &query, &u) as f32;
            let scores = scores(&Estimator::new(node.layout, geometry, &query), node.groups(), own);
            for (neighbour, score) in node.neighbours.iter().zip(scores) {
                // What of a vector the code or the query has to tell.
                let rest = |v: &[f32]| {
                    let r = add(v, -scale(geometry, v, &u) as f32, &u);
                    naive_dot(&r, &r)
                };
                let unit = (rest(neighbour) * rest(&query)).sqrt();
                let error = (f64::from(score) - exact(geometry, neighbour, &query)) / unit;
                (sum, squares, n) = (sum + error, squares + error * error, n + 1.0);
            }
        }
        (sum / n, (squares / n).sqrt())
    }

    #[test]
    fn estimates_are_unbiased_and_as_accurate_as_the_paper_says() {
        for (geometry, factor) in [(Geometry::L2Squared, 2.0), (Geometry::NegativeInnerProduct, 1.0)] {
            // sqrt(1/cos^2 - 1) of the best codes of a Gaussian: 0.756, 0.366, 0.107; and some for the
            // query's 4 bits.
            for (bits, deviation) in
                [(Bits::One, 0.756), (Bits::Two, 0.366), (Bits::Four, 0.15), (Bits::Eight, 0.01)]
            {
                let d = 256;
                let (mean, rms) = errors(d, bits, geometry);
                let expected = factor * deviation / ((d - 1) as f64).sqrt();
                assert!(rms < 1.1 * expected, "{bits:?} {rms} {expected}");
                assert!(mean.abs() < 4.0 * rms / 1600f64.sqrt(), "{bits:?} {mean} {rms}");
            }
        }
    }
}
