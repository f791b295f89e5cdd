//! Estimated distances to a node's neighbours, from their codes alone.
//!
//! Both estimators compute `own + f_add + f_rescale <x, y>` for each neighbour, or `own f_add + f_rescale <x, y>` with inner
//! products, `own` being the distance between y and the node that holds the groups. They differ in what y is: [`Estimator`] holds a query, reduced to
//! signed 4-bit integers; [`InsertEstimator`] a stored vector, with its 8-bit codes as they are.

use super::layout::{Bits, GROUP, GroupLayout, Groups};
use super::sq8::Sq8;
use super::sum;
use crate::kernels::{self, Arranged, Below, Own, QueryQ4, StoredU8};
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

    /// Hands the neighbours whose estimates are at most `bound` to `below`, in order of their slots.
    ///
    /// Estimates are in the geometry of the factors: L2 squared, or negative inner product. `own` is the query's
    /// distance to the node, as [`Query::distance`](super::Query::distance) gives it. They are never NaN unless
    /// `own` is; where the factors overflow, they are `own`.
    #[inline]
    pub fn estimate(&self, groups: Groups<'_>, own: f32, bound: f32, below: Below<'_>) {
        let own = self.geometry.own(own);
        match &self.form {
            &Form::Integers { ref vector, step, centre } => {
                kernels::estimate_q4(groups, QueryQ4 { vector, step, centre }, own, bound, below);
            }
            Form::Floats { vector, centre } => {
                let (start, factor) = own.start();
                let mut bound = bound;
                for group in groups.iter() {
                    let codes = group.codes.chunks_exact(vector.len());
                    for (lane, codes) in codes.enumerate().take(group.links) {
                        let (add, rescale) = group.factors(lane);
                        let product = kernels::dot_f32_u8(vector, codes) - centre;
                        let estimate = start + (factor * add + rescale * product);
                        let estimate = if estimate.is_nan() { own.distance() } else { estimate };
                        if estimate <= bound {
                            bound = below(group.first + lane, estimate);
                        }
                    }
                }
            }
        }
    }
}

impl Geometry {
    /// How estimates start from the distance between a vector and a node.
    fn own<F>(self, distance: F) -> Own<F> {
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

/// A stored vector's estimates: what insertion asks for. Keeps its memory from one vector to the next.
pub struct InsertEstimator {
    layout: GroupLayout,
    geometry: Geometry,
    lo: f64,
    step: f64,
    /// h times the sum of the coordinates.
    centre: f64,
    norm_squared: f64,
    /// Nothing at 8 bits, where codes are compared byte by byte.
    arranged: Arranged,
    /// Empty at fewer than 8 bits.
    codes: Vec<u8>,
    estimates: Vec<[f32; GROUP]>,
}

impl InsertEstimator {
    /// For groups whose factors were made for `geometry`, and for no vector yet.
    pub fn new(layout: GroupLayout, geometry: Geometry) -> Self {
        let bytes = if layout.bits() == Bits::Eight { layout.dimensions() } else { 0 };
        Self {
            layout,
            geometry,
            lo: 0.0,
            step: 0.0,
            centre: 0.0,
            norm_squared: 0.0,
            arranged: Arranged::default(),
            codes: vec![0; bytes],
            estimates: Vec::new(),
        }
    }

    /// Takes another vector.
    pub fn prepare(&mut self, vector: Sq8<'_>) {
        debug_assert_eq!(self.layout.dimensions(), vector.dimensions());
        (self.lo, self.step) = (f64::from(vector.header.lo), f64::from(vector.header.step));
        self.centre = f64::from(self.layout.bits().centre()) * vector.sum();
        self.norm_squared = vector.norm_squared();
        if self.layout.bits() == Bits::Eight {
            self.codes.copy_from_slice(vector.codes);
        } else {
            kernels::arrange_u8(vector.codes, &mut self.arranged);
        }
    }

    /// Estimates of the distances between this vector and a node's neighbours; `own` is this vector's
    /// distance to the node ([`Sq8::distance`]). Squared lengths are cut off at 0.
    pub fn score(&mut self, groups: Groups<'_>, own: f32) -> &mut [f32] {
        let least = match self.geometry {
            Geometry::L2Squared => 0.0,
            Geometry::NegativeInnerProduct => f64::NEG_INFINITY,
        };
        let own = self.geometry.own(f64::from(own));
        self.estimates.resize(groups.links.div_ceil(GROUP), [0.0; GROUP]);
        if self.layout.bits() == Bits::Eight {
            self.score_bytes(groups, own, least);
        } else {
            let Self { ref arranged, lo, step, centre, .. } = *self;
            let vector = StoredU8 { vector: arranged, lo, step, centre };
            kernels::estimate_u8(groups, vector, own, least, &mut self.estimates);
        }
        &mut self.estimates.as_flattened_mut()[..groups.links]
    }

    /// The distances between this vector's **own** neighbours and itself, if it is the node that holds the
    /// groups. Not estimates: `|b - v^|^2` or `-<b, v^>` up to rounding, b being the neighbour
    /// as it was when encoded.
    pub fn own_distances(&mut self, groups: Groups<'_>) -> &[f32] {
        let own = match self.geometry {
            Geometry::L2Squared => 0.0,
            Geometry::NegativeInnerProduct => -self.norm_squared as f32,
        };
        self.score(groups, own)
    }

    fn score_bytes(&mut self, groups: Groups<'_>, own: Own<f64>, least: f64) {
        let (start, factor) = own.start();
        for (group, estimates) in groups.iter().zip(&mut self.estimates) {
            let codes = group.codes.chunks_exact(self.codes.len());
            for ((lane, codes), out) in codes.enumerate().zip(estimates).take(group.links) {
                let (add, rescale) = group.factors(lane);
                let product = self.lo * kernels::sum_u8(codes) as f64
                    + self.step * kernels::dot_u8(codes, &self.codes) as f64
                    - self.centre;
                let estimate = start + factor * f64::from(add) + f64::from(rescale) * product;
                let estimate = if estimate.is_nan() { own.distance() } else { estimate };
                *out = (if estimate < least { least } else { estimate }) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::quantizer::testing::{add, gaussian, naive_dot, naive_l2_squared};
    use crate::quantizer::{Encoder, Frame, Length, Magnitude, Query, sq8};
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
    }

    impl Node {
        fn new(d: usize, bits: Bits, geometry: Geometry, seed: u64, spread: f32) -> Self {
            let layout = GroupLayout::new(d, bits);
            let vector = gaussian(d, seed);
            let mut codes = vec![0; d];
            let header = sq8::encode(&vector, Magnitude::Ordinary, Length::Any, &mut codes);
            let mut node =
                Self { layout, header, codes, neighbours: Vec::new(), group: vec![0xAA; layout.bytes()] };
            let mut encoder = Encoder::new(layout, geometry);
            let decoded = node.decoded();
            for lane in 0..GROUP {
                let neighbour = add(&vector, spread, &gaussian(d, seed ^ (lane as u64 + 1) << 32));
                let encoded = encoder.encode(&neighbour, &decoded);
                layout.write_lane(&mut node.group, lane, encoded.code, encoded.factors);
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
            let bits = self.layout.bits().count();
            let value = |i: usize| match bits {
                8 => f32::from(code[i]),
                _ => (0..bits)
                    .map(|p| {
                        f32::from(code[p * 8 * self.layout.words() + i / 8] >> (i % 8) & 1) * (1 << p) as f32
                    })
                    .sum(),
            };
            (0..self.codes.len()).map(|i| value(i) - self.layout.bits().centre()).collect()
        }
    }

    fn scores(estimator: &Estimator, groups: Groups<'_>, own: f32) -> Vec<f32> {
        let mut scores = Vec::new();
        estimator.estimate(groups, own, f32::INFINITY, &mut |slot, estimate| {
            assert_eq!(slot, scores.len());
            scores.push(estimate);
            f32::INFINITY
        });
        scores
    }

    fn inserting(layout: GroupLayout, geometry: Geometry, stored: Sq8<'_>) -> InsertEstimator {
        let mut estimator = InsertEstimator::new(layout, geometry);
        estimator.prepare(stored);
        estimator
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
        fn a_nodes_own_distances_are_exact(
            d in 1usize..400, bits in 0usize..4, seed: u64, spread in 0.01f32..2.0,
        ) {
            for geometry in GEOMETRIES {
                let node = Node::new(d, ALL[bits], geometry, seed, spread);
                let mut estimator = inserting(node.layout, geometry, node.stored());
                let seen = estimator.own_distances(node.groups());
                let u = node.decoded();
                for (neighbour, &seen) in node.neighbours.iter().zip(seen) {
                    let expected = exact(geometry, neighbour, &u);
                    let r = naive_l2_squared(neighbour, &u).sqrt();
                    let size = naive_dot(&u, &u).sqrt() * (r + naive_dot(&u, &u).sqrt()) + r * r;
                    let error = (f64::from(seen) - expected).abs();
                    prop_assert!(error <= 3e-6 * size, "{seen} {expected} {size}");
                }
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
                let mut seen = scores(&Estimator::new(layout, frame.geometry(), query.vector()), groups, own);
                let mut insert = inserting(layout, frame.geometry(), stored);
                seen.extend_from_slice(insert.score(groups, own));
                seen.extend_from_slice(insert.own_distances(groups));
                prop_assert!(seen.len() == 24 && seen.iter().all(|x| !x.is_nan()), "{:?}", seen);
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
