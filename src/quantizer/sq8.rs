//! A node's own vector: one byte per dimension, with an offset and a step of its own (FAISS's SQ8, per
//! vector).
//!
//! Coordinate i is `x^_i = lo + step * c_i`, in real arithmetic: this, not some rounding of it, is what the
//! header's `error` and the distances here speak of. Besides lo and step the header keeps the two integer
//! sums that every distance needs, so that the length of x^ is known exactly and a distance costs one pass
//! over the codes.
//!
//! Distances and bounds are computed in `f64` from the kernels' sums; the only rounding that matters is the
//! `f32` sum of `dot_f32_u8`. Between two stored vectors even that is an integer.

use super::bounds::{self, Measured, Slack};
use super::{Frame, Length, Magnitude, sum};
use crate::kernels;
use crate::metric::{Geometry, Metric};

/// What a node keeps of its own vector besides the codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// Value of code 0.
    pub lo: f32,
    /// Distance between two codes' values; 0 if all coordinates are (nearly) equal.
    pub step: f32,
    /// At least `|x - x^|`, x being the vector as rotated in `f32`. Infinite where nothing is known: the
    /// vector is too large for `f32`, or [`Magnitude::Extreme`].
    pub error: f32,
    /// Sum of the codes. d is at most 16,000, so it fits.
    pub code_sum: u32,
    /// Sum of the codes' squares: at most 16,000 * 255^2 < 2^30.
    pub code_norm_squared: u32,
}

impl Header {
    /// Size on a page, unaligned: the five fields in order, little endian.
    pub const BYTES: usize = 20;

    /// The header as a page holds it.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let words = [
            self.lo.to_bits(),
            self.step.to_bits(),
            self.error.to_bits(),
            self.code_sum,
            self.code_norm_squared,
        ];
        let mut bytes = [0; Self::BYTES];
        for (slot, word) in bytes.chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Any bytes give a header; from a damaged page, a wrong
    /// one.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |i: usize| u32::from_le_bytes(words[i]);
        Self {
            lo: f32::from_bits(word(0)),
            step: f32::from_bits(word(1)),
            error: f32::from_bits(word(2)),
            code_sum: word(3),
            code_norm_squared: word(4),
        }
    }
}

/// A stored vector, borrowed from its page.
#[derive(Clone, Copy, Debug)]
pub struct Sq8<'a> {
    /// Offset, step, error and sums.
    pub header: Header,
    /// One per dimension.
    pub codes: &'a [u8],
}

/// Four more bits per dimension of a stored vector, for those who are to be told how far it is from a query as exactly as
/// may be: scans. The coarse code cuts a coordinate to a step, the fine one says in which sixteenth of the step it lies,
/// so that
///
/// ```text
/// x^^_i = lo + step (c_i + (n_i - 7.5) / 16)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fine<'a> {
    pub header: FineHeader,
    /// Two in a byte, as [`dot_f32_u4`](kernels::dot_f32_u4) takes them.
    pub codes: &'a [u8],
}

/// What a node keeps of its fine vector besides the codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FineHeader {
    /// `|x^^|^2`, up to rounding to `f64`.
    pub norm_squared: f64,
    /// At least `|x - x^^|`; infinite where nothing is known.
    pub error: f32,
}

impl FineHeader {
    /// Size on a page, unaligned: the two fields in order, little endian.
    pub const BYTES: usize = 12;

    /// The header as a page holds it.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.norm_squared.to_le_bytes());
        bytes[8..].copy_from_slice(&self.error.to_le_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let ([n0, n1, n2, n3, n4, n5, n6, n7], [e0, e1, e2, e3]) = {
            let (norm, error) = bytes.split_at(8);
            let (mut n, mut e) = ([0; 8], [0; 4]);
            n.copy_from_slice(norm);
            e.copy_from_slice(error);
            (n, e)
        };
        Self {
            norm_squared: f64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            error: f32::from_le_bytes([e0, e1, e2, e3]),
        }
    }
}

/// Bytes of the fine codes of so many dimensions.
pub fn fine_bytes(dimensions: usize) -> usize {
    dimensions.div_ceil(2)
}

/// Encodes what `header` and `codes`, which [`encode`] made of it, leave of a vector.
pub fn encode_fine(vector: &[f32], header: Header, codes: &[u8], fine: &mut [u8]) -> FineHeader {
    debug_assert!(vector.len() == codes.len() && fine.len() == fine_bytes(vector.len()));
    let mut rest = vec![0.0; vector.len()];
    kernels::decode_u8(codes, header.lo, header.step, &mut rest);
    rest.iter_mut().zip(vector).for_each(|(rest, x)| *rest = x - *rest);
    let sixteenth = header.step / 16.0;
    let mut sixteenths = vec![0; vector.len()];
    // Rounded to the nearest of the sixteenths' middles; a coordinate beyond its step takes the outermost.
    if (1.0 / sixteenth).is_finite() {
        kernels::quantize_u8(&rest, -7.5 * sixteenth, 1.0 / sixteenth, &mut sixteenths);
    }
    sixteenths.iter_mut().for_each(|n| *n = (*n).min(15));
    let (low, high) = sixteenths.split_at(fine.len());
    fine.copy_from_slice(low);
    fine.iter_mut().zip(high).for_each(|(byte, high)| *byte |= high << 4);

    let both: Vec<u16> =
        codes.iter().zip(&sixteenths).map(|(&c, &n)| u16::from(c) << 4 | u16::from(n)).collect();
    let sixteenth = f64::from(header.step) / 16.0;
    let lo = f64::from(header.lo) - 7.5 * sixteenth;
    let sum: u64 = both.iter().map(|&n| u64::from(n)).sum();
    let sum_of_squares: u64 = both.iter().map(|&n| u64::from(u32::from(n) * u32::from(n))).sum();
    let terms = Terms::new(vector.len(), (lo, sixteenth), sum as f64, sum_of_squares as f64);
    let norm_squared = terms.dot(&terms, sum_of_squares as f64);
    // Where the coarse code knows nothing, neither does this one.
    let error = match header.error.is_finite() {
        true => distance_to_decoded(vector, &both, lo, sixteenth),
        false => f32::INFINITY,
    };
    FineHeader { norm_squared, error }
}

/// The length of the difference of two fine vectors whose headers and coarse codes are equal, rounded up.
pub fn fine_difference(header: Header, one: &[u8], other: &[u8]) -> f32 {
    let square = |a: u8, b: u8| i64::from(a.abs_diff(b)).pow(2);
    let pairs = one.iter().zip(other);
    let sum: i64 = pairs.map(|(&a, &b)| square(a & 15, b & 15) + square(a >> 4, b >> 4)).sum();
    (f64::from(header.step) / 16.0 * (sum as f64).sqrt()) as f32 * (1.0 + f32::EPSILON)
}

/// Ranges below this are not resolved: a finer step's inverse would overflow.
const SMALLEST_RANGE: f64 = 1e-35;

/// Encodes a vector of a [`Frame`]; `magnitude` and `length` are what the frame said of it. Works for any input: a
/// vector which does not fit `f32` once rotated (NaN or infinities) becomes the origin with infinite error, which
/// every bound respects.
pub fn encode(vector: &[f32], magnitude: Magnitude, length: Length, codes: &mut [u8]) -> Header {
    debug_assert_eq!(vector.len(), codes.len());
    if !kernels::norm_squared(vector).is_finite() {
        codes.fill(0);
        return Header { lo: 0.0, step: 0.0, error: f32::INFINITY, code_sum: 0, code_norm_squared: 0 };
    }
    let (lo, hi) = kernels::min_max(vector);
    let range = f64::from(hi) - f64::from(lo);
    let (lo, step) = if range < SMALLEST_RANGE {
        codes.fill(0);
        (((f64::from(lo) + f64::from(hi)) / 2.0) as f32, 0.0)
    } else {
        let step = (range / 255.0) as f32;
        kernels::quantize_u8(vector, lo, 1.0 / step, codes);
        (lo, step)
    };
    let (code_sum, code_norm_squared) = (kernels::sum_u8(codes) as u32, kernels::dot_u8(codes, codes) as u32);
    let mut header = Header { lo, step, error: f32::INFINITY, code_sum, code_norm_squared };
    if length == Length::One {
        let decoded = Sq8 { header, codes }.norm_squared().sqrt();
        if decoded > 0.5 {
            header.lo = (f64::from(lo) / decoded) as f32;
            header.step = (f64::from(step) / decoded) as f32;
        }
    }
    let Header { lo, step, .. } = header;
    header.error = match magnitude {
        Magnitude::Ordinary => {
            let codes: Vec<u16> = codes.iter().map(|&code| code.into()).collect();
            distance_to_decoded(vector, &codes, lo.into(), step.into())
        }
        Magnitude::Extreme => f32::INFINITY,
    };
    header
}

/// The distance of a vector from what its codes say, `lo + step codes_i`, rounded up.
fn distance_to_decoded(vector: &[f32], codes: &[u16], lo: f64, step: f64) -> f32 {
    (kernels::residual_squared(vector, codes, lo, step).sqrt() as f32).next_up()
}

impl Sq8<'_> {
    /// Coordinates of the vector.
    pub fn dimensions(&self) -> usize {
        self.codes.len()
    }

    /// Writes x^, rounded to `f32`.
    pub fn decode(&self, out: &mut [f32]) {
        kernels::decode_u8(self.codes, self.header.lo, self.header.step, out);
    }

    /// `|x^|^2`, up to `f64` rounding.
    pub fn norm_squared(&self) -> f64 {
        self.terms().dot(&self.terms(), f64::from(self.header.code_norm_squared))
    }

    /// The vector's distance to itself.
    pub fn distance_to_itself(&self, geometry: Geometry) -> f32 {
        match geometry {
            Geometry::L2Squared => 0.0,
            Geometry::NegativeInnerProduct => -self.norm_squared() as f32,
        }
    }

    /// `<x^, y^>`, up to `f64` rounding.
    pub fn dot(&self, other: &Sq8<'_>) -> f64 {
        self.terms().dot(&other.terms(), kernels::dot_u8(self.codes, other.codes) as f64)
    }

    /// `|x^ - y^|^2`, up to `f64` rounding (of the codes' lengths, not of the offsets'). Never negative.
    pub fn l2_squared(&self, other: &Sq8<'_>) -> f64 {
        self.terms().l2_squared(&other.terms(), kernels::dot_u8(self.codes, other.codes) as f64)
    }

    /// The distance between two stored vectors in `geometry`, as insertion compares them. Overflows to an
    /// infinity.
    pub fn distance(&self, other: &Sq8<'_>, geometry: Geometry) -> f32 {
        distance((&self.terms(), self.codes), (&other.terms(), other.codes), geometry)
    }

    /// The header's part in distances.
    pub fn terms(&self) -> Terms {
        let Header { code_sum, code_norm_squared, .. } = self.header;
        Terms::new(self.codes.len(), self.scale(), code_sum.into(), code_norm_squared.into())
    }

    fn scale(&self) -> (f64, f64) {
        (f64::from(self.header.lo), f64::from(self.header.step))
    }
}

/// What a header says, as distances between stored vectors want it: of `step c` the sum and the squared length. Computed once
/// for a vector that is compared with many.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    dimensions: f64,
    lo: f64,
    step: f64,
    sum: f64,
    norm_squared: f64,
}

impl Terms {
    /// Of codes with an offset and a step, which have this sum and this squared length.
    fn new(dimensions: usize, (lo, step): (f64, f64), code_sum: f64, code_norm_squared: f64) -> Self {
        Self {
            dimensions: dimensions as f64,
            lo,
            step,
            sum: step * code_sum,
            norm_squared: step * step * code_norm_squared,
        }
    }

    /// `<x^, y^>` from the product of the codes.
    fn dot(&self, other: &Terms, product: f64) -> f64 {
        self.dimensions * self.lo * other.lo
            + self.lo * other.sum
            + other.lo * self.sum
            + self.step * other.step * product
    }

    /// `|x^ - y^|^2` from the product of the codes.
    fn l2_squared(&self, other: &Terms, product: f64) -> f64 {
        let offset = self.lo - other.lo;
        let sum = self.dimensions * offset * offset
            + 2.0 * offset * (self.sum - other.sum)
            + self.norm_squared
            + other.norm_squared
            - 2.0 * self.step * other.step * product;
        sum.max(0.0)
    }
}

/// [`Sq8::distance`] of two vectors' terms and codes.
pub fn distance(one: (&Terms, &[u8]), other: (&Terms, &[u8]), geometry: Geometry) -> f32 {
    let product = kernels::dot_u8(one.1, other.1) as f64;
    match geometry {
        Geometry::L2Squared => one.0.l2_squared(other.0, product) as f32,
        Geometry::NegativeInnerProduct => -one.0.dot(other.0, product) as f32,
    }
}

/// What bounds start from: a stored vector as decoded, coarsely or finely.
#[derive(Clone, Copy)]
pub(super) struct Decoded {
    /// Its inner product with the query, before rounding to `f32`.
    pub dot: f64,
    /// Its length, squared.
    pub norm_squared: f64,
    /// At least how far it is from the vector itself.
    pub error: f64,
}

/// A query prepared for distances to stored vectors.
pub struct Query {
    pub(super) geometry: Geometry,
    pub(super) metric: Metric,
    pub(super) magnitude: Magnitude,
    pub(super) slack: Slack,
    vector: Vec<f32>,
    pub(super) norm_squared: f64,
    pub(super) norm: f64,
    /// Sum of the coordinates.
    sum: f64,
}

impl Query {
    /// Prepares a query, given as SQL has it.
    pub fn new(frame: &Frame, source: &[f32]) -> Self {
        let mut vector = vec![0.0; frame.dimensions()];
        let magnitude = frame.apply(source, &mut vector);
        Self::of_stored(frame, vector, magnitude)
    }

    /// Prepares a vector which is in the frame already, such as a stored one.
    pub fn of_stored(frame: &Frame, vector: Vec<f32>, magnitude: Magnitude) -> Self {
        let norm_squared = kernels::norm_squared(&vector);
        Self {
            geometry: frame.geometry(),
            metric: frame.metric(),
            magnitude,
            slack: Slack::likely(frame),
            norm_squared,
            norm: norm_squared.sqrt(),
            sum: sum(&vector),
            vector,
        }
    }

    /// What the frame said of the vector.
    pub fn magnitude(&self) -> Magnitude {
        self.magnitude
    }

    /// The query's coordinates in the frame.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The distance to a stored vector in the frame's geometry. Infinite where `f32` cannot hold it or the
    /// query does not fit `f32`; never NaN (as long as the header is what `encode` made).
    pub fn distance(&self, stored: Sq8<'_>) -> f32 {
        self.distance_of(stored, self.dot(stored))
    }

    /// The distance, and between which values the SQL operator's result lies: more narrowly if there is a fine code.
    pub fn measure(&self, stored: Sq8<'_>, fine: Option<Fine<'_>>) -> Measured {
        let dot = self.dot(stored);
        let distance = self.distance_of(stored, dot);
        let Some(Fine { header: FineHeader { norm_squared, error }, codes }) = fine else {
            let error = f64::from(stored.header.error);
            return bounds::measure(
                self,
                stored,
                Decoded { dot, norm_squared: stored.norm_squared(), error },
                distance,
            );
        };
        let sixteenths = f64::from(kernels::dot_f32_u4(&self.vector, codes)) - 7.5 * self.sum;
        let dot = dot + f64::from(stored.header.step) / 16.0 * sixteenths;
        bounds::measure(self, stored, Decoded { dot, norm_squared, error: f64::from(error) }, distance)
    }

    /// `<q, x^>` before rounding to `f32`; distance and bounds start from it.
    fn dot(&self, stored: Sq8<'_>) -> f64 {
        let (lo, step) = stored.scale();
        lo * self.sum + step * f64::from(kernels::dot_f32_u8(&self.vector, stored.codes))
    }

    fn distance_of(&self, stored: Sq8<'_>, dot: f64) -> f32 {
        let distance = match self.geometry {
            // A maximum with NaN would be 0.
            Geometry::L2Squared => {
                let squared = (self.norm_squared - 2.0 * dot + stored.norm_squared()) as f32;
                if squared < 0.0 { 0.0 } else { squared }
            }
            Geometry::NegativeInnerProduct => -dot as f32,
        };
        if distance.is_nan() { f32::INFINITY } else { distance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantizer::testing::{add, gaussian, naive_dot, naive_l2_squared};
    use proptest::prelude::*;

    /// x^ in double precision.
    fn decoded(stored: Sq8<'_>) -> Vec<f64> {
        let (lo, step) = stored.scale();
        stored.codes.iter().map(|&c| lo + step * f64::from(c)).collect()
    }

    #[test]
    fn a_constant_vector_is_exact() {
        let mut codes = [7; 5];
        let header = encode(&[-2.5; 5], Magnitude::Ordinary, Length::Any, &mut codes);
        assert_eq!((header.lo, header.step, codes), (-2.5, 0.0, [0; 5]));
        let stored = Sq8 { header, codes: &codes };
        assert_eq!(stored.norm_squared(), 31.25);
        assert!(header.error < 1e-40);
    }

    #[test]
    fn a_vector_that_does_not_fit_is_the_origin_with_infinite_error() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut codes = [1; 3];
            let header = encode(&[1.0, bad, -bad], Magnitude::Ordinary, Length::Any, &mut codes);
            assert_eq!((header.error, codes), (f32::INFINITY, [0; 3]));
        }
    }

    #[test]
    fn the_error_of_gaussian_data_is_under_one_percent() {
        let vector = gaussian(384, 1);
        let mut codes = vec![0; 384];
        let header = encode(&vector, Magnitude::Ordinary, Length::Any, &mut codes);
        assert!(f64::from(header.error) < 0.01 * naive_dot(&vector, &vector).sqrt());
    }

    #[test]
    fn vectors_of_length_one_decode_to_vectors_of_length_one() {
        for d in [2, 3, 10, 384, 1536] {
            let mut vector = gaussian(d, 3);
            let norm = naive_dot(&vector, &vector).sqrt() as f32;
            vector.iter_mut().for_each(|x| *x /= norm);
            let mut codes = vec![0; d];
            let header = encode(&vector, Magnitude::Ordinary, Length::One, &mut codes);
            assert!((Sq8 { header, codes: &codes }.norm_squared() - 1.0).abs() < 1e-6, "{d}");
        }
    }

    #[test]
    fn the_header_survives_its_bytes() {
        let header =
            Header { lo: -1.5, step: 1e-30, error: f32::INFINITY, code_sum: 7, code_norm_squared: u32::MAX };
        assert_eq!(Header::from_bytes(&header.to_bytes()), header);
        assert_eq!(header.to_bytes()[..4], (-1.5f32).to_le_bytes());
    }

    proptest! {
        #[test]
        fn header_sums_and_distances_are_those_of_the_decoded_vectors(
            d in 1usize..300, seed: u64, offset in -3f32..3.0, exponent in -30i32..30,
        ) {
            let scale = 2f32.powi(exponent);
            let make = |seed| gaussian(d, seed).iter().map(|x| (x + offset) * scale).collect::<Vec<_>>();
            let (x, y) = (make(seed), make(!seed));
            let (mut x_codes, mut y_codes) = (vec![0; d], vec![0; d]);
            let x_header = encode(&x, Magnitude::Ordinary, Length::Any, &mut x_codes);
            let y_header = encode(&y, Magnitude::Ordinary, Length::Any, &mut y_codes);
            let a = Sq8 { header: x_header, codes: &x_codes };
            let b = Sq8 { header: y_header, codes: &y_codes };
            let (da, db) = (decoded(a), decoded(b));
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (aa, bb, ab) = (dot(&da, &da), dot(&db, &db), dot(&da, &db));
            let size = aa + bb;
            let error = x.iter().zip(&da).map(|(&x, a)| (f64::from(x) - a).powi(2)).sum::<f64>().sqrt();
            prop_assert!(f64::from(x_header.error) >= error);
            prop_assert!(f64::from(x_header.error) <= error * (1.0 + 1e-6) + 1e-44);
            prop_assert!((a.norm_squared() - aa).abs() <= 1e-11 * aa);
            prop_assert!((a.dot(&b) - ab).abs() <= 1e-11 * size);
            prop_assert!((a.l2_squared(&b) - (aa + bb - 2.0 * ab)).abs() <= 1e-11 * size);
            prop_assert!(a.l2_squared(&a) <= 1e-11 * size);
            for geometry in [Geometry::L2Squared, Geometry::NegativeInnerProduct] {
                // Equal vectors tie.
                prop_assert_eq!(a.distance(&a, geometry), a.distance_to_itself(geometry));
            }
            let mut out = vec![0.0; d];
            a.decode(&mut out);
            prop_assert!(out.iter().zip(&da).all(|(o, a)| (f64::from(*o) - a).abs() <= 1e-6 * aa.sqrt()));
        }

        #[test]
        fn distances_of_queries_are_those_to_the_decoded_vector(
            d in 1usize..300, seed: u64, mix in 0f32..2.0,
        ) {
            let x = gaussian(d, seed);
            let q = add(&x, mix, &gaussian(d, !seed));
            for metric in [Metric::L2, Metric::InnerProduct] {
                let frame = Frame::new(metric, d, 1).unwrap();
                let query = Query::new(&frame, &q);
                let (mut rotated, mut codes, mut decoded) = (vec![0.0; d], vec![0; d], vec![0.0; d]);
                let magnitude = frame.apply(&x, &mut rotated);
                let header = encode(&rotated, magnitude, Length::Any, &mut codes);
                let stored = Sq8 { header, codes: &codes };
                stored.decode(&mut decoded);
                let expected = match metric {
                    Metric::L2 => naive_l2_squared(query.vector(), &decoded),
                    _ => -naive_dot(query.vector(), &decoded),
                };
                let size = naive_dot(&q, &q) + naive_dot(&x, &x);
                prop_assert!((f64::from(query.distance(stored)) - expected).abs() <= 1e-5 * size);
            }
        }
    }
}
