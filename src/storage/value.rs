//! Values as rows bring them and as plain nodes keep them: runs of bytes, so that everything between the SQL types and the
//! distances passes them on without knowing what they are.
//!
//! | [`ValueType`] | bytes |
//! |---|---|
//! | `Floats` | d single-precision numbers |
//! | `Halves` | d half-precision numbers |
//! | `Bits` | d bits, the first one in the highest bit of the first byte; bits past the last one are zero |
//! | `Sparse` | of n numbers that are not zero the indices (i32, counted from zero, ascending), then the numbers (f32) |
//!
//! Numbers are little endian.

use crate::kernels::Element;
use crate::kernels::sparse::Sparse;
use crate::metric::Metric;
use half::f16;
use std::borrow::Cow;
use zerocopy::{FromBytes, Immutable};

/// What an index's values consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ValueType {
    Floats = 1,
    Halves = 2,
    Bits = 3,
    Sparse = 4,
}

impl ValueType {
    /// The value from which a NULL's distances are searched, which nobody gets to see: all zeros.
    pub fn zero(self, dimensions: usize) -> Vec<u8> {
        let size = match self {
            ValueType::Floats => Floats::SIZE * dimensions,
            ValueType::Halves => Halves::SIZE * dimensions,
            ValueType::Bits => dimensions.div_ceil(8),
            ValueType::Sparse => 0,
        };
        vec![0; size]
    }
}

/// What plain nodes do with values of one type.
pub trait PlainValue {
    const TYPE: ValueType;

    /// Whether these bytes can be a value of so many dimensions. [`distance`](Self::distance) takes any that can.
    fn is_value(dimensions: usize, bytes: &[u8]) -> bool;

    /// What the operator of the metric returns for these two.
    fn distance(metric: Metric, a: &[u8], b: &[u8]) -> f64;

    /// Between which values the result lies of an operator that adds up in another order than [`distance`](Self::distance),
    /// whose result is `ours`: see [`Metric::in_any_order`].
    fn in_any_order(metric: Metric, a: &[u8], b: &[u8], ours: f64) -> (f64, f64);

    /// Whether the value has distances: a zero vector has no cosine.
    fn is_indexable(metric: Metric, value: &[u8]) -> bool;
}

/// A number that values consist of.
pub trait Number: Element + FromBytes + Immutable {
    const SIZE: usize = size_of::<Self>();
    const TYPE: ValueType;

    /// The number in the first `SIZE` bytes.
    fn from_le(bytes: &[u8]) -> Self;

    fn append_to(self, bytes: &mut Vec<u8>);
}

impl Number for f32 {
    const TYPE: ValueType = ValueType::Floats;

    fn from_le(bytes: &[u8]) -> Self {
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn append_to(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }
}

impl Number for f16 {
    const TYPE: ValueType = ValueType::Halves;

    fn from_le(bytes: &[u8]) -> Self {
        f16::from_le_bytes([bytes[0], bytes[1]])
    }

    fn append_to(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }
}

/// Appends numbers to a value.
pub fn append<N: Number>(numbers: &[N], bytes: &mut Vec<u8>) {
    bytes.reserve(N::SIZE * numbers.len());
    numbers.iter().for_each(|number| number.append_to(bytes));
}

/// Appends a sparse vector's elements to a value.
pub fn append_sparse(elements: Sparse<'_>, bytes: &mut Vec<u8>) {
    elements.indices.iter().for_each(|index| bytes.extend_from_slice(&index.to_le_bytes()));
    append(elements.values, bytes);
}

/// The words of a value: where they lie, if the machine can read them there, or else a copy.
#[inline]
fn words<T: FromBytes + Immutable + Clone>(bytes: &[u8], from_le: impl Fn(&[u8]) -> T) -> Cow<'_, [T]> {
    match <[T]>::ref_from_bytes(bytes) {
        Ok(words) if cfg!(target_endian = "little") => Cow::Borrowed(words),
        _ => Cow::Owned(bytes.chunks_exact(size_of::<T>()).map(from_le).collect()),
    }
}

/// A value's numbers.
#[inline]
pub fn numbers<N: Number>(bytes: &[u8]) -> Cow<'_, [N]> {
    words(bytes, N::from_le)
}

/// Dense vectors.
pub struct Dense<N>(std::marker::PhantomData<N>);

/// The values of `vector`.
pub type Floats = Dense<f32>;

/// The values of `halfvec`.
pub type Halves = Dense<f16>;

impl<N: Number> Dense<N> {
    const SIZE: usize = N::SIZE;
}

impl<N: Number> PlainValue for Dense<N> {
    const TYPE: ValueType = N::TYPE;

    #[inline]
    fn is_value(dimensions: usize, bytes: &[u8]) -> bool {
        bytes.len() == Self::SIZE * dimensions
    }

    #[inline]
    fn distance(metric: Metric, a: &[u8], b: &[u8]) -> f64 {
        metric.distance::<N>(&numbers(a), &numbers(b))
    }

    fn in_any_order(metric: Metric, a: &[u8], b: &[u8], ours: f64) -> (f64, f64) {
        let norm_squared = |value| N::norm_squared(&numbers(value));
        metric.in_any_order(ours, a.len() / Self::SIZE, || (norm_squared(a), norm_squared(b)))
    }

    fn is_indexable(metric: Metric, value: &[u8]) -> bool {
        !metric.normalises() || N::norm_squared(&numbers(value)) > 0.0
    }
}

/// The values of `bit`.
pub struct Bits;

impl PlainValue for Bits {
    const TYPE: ValueType = ValueType::Bits;

    #[inline]
    fn is_value(dimensions: usize, bytes: &[u8]) -> bool {
        bytes.len() == dimensions.div_ceil(8)
    }

    #[inline]
    fn distance(metric: Metric, a: &[u8], b: &[u8]) -> f64 {
        metric.bit_distance(a, b)
    }

    fn in_any_order(metric: Metric, _a: &[u8], _b: &[u8], ours: f64) -> (f64, f64) {
        metric.in_any_order(ours, 0, || (0.0, 0.0))
    }

    fn is_indexable(_metric: Metric, _value: &[u8]) -> bool {
        true
    }
}

/// The values of `sparsevec`.
pub struct SparseElements;

impl PlainValue for SparseElements {
    const TYPE: ValueType = ValueType::Sparse;

    #[inline]
    fn is_value(_dimensions: usize, bytes: &[u8]) -> bool {
        bytes.len().is_multiple_of(8)
    }

    #[inline]
    fn distance(metric: Metric, a: &[u8], b: &[u8]) -> f64 {
        with_sparse(a, |a| with_sparse(b, |b| metric.sparse_distance(a, b)))
    }

    fn in_any_order(metric: Metric, a: &[u8], b: &[u8], ours: f64) -> (f64, f64) {
        let terms = (a.len() + b.len()) / 8;
        metric.in_any_order(ours, terms, || (sparse_norm_squared(a), sparse_norm_squared(b)))
    }

    fn is_indexable(metric: Metric, value: &[u8]) -> bool {
        !metric.normalises() || sparse_norm_squared(value) > 0.0
    }
}

fn sparse_norm_squared(value: &[u8]) -> f64 {
    with_sparse(value, |elements| crate::kernels::norm_squared(elements.values))
}

fn with_sparse<R>(bytes: &[u8], look: impl FnOnce(Sparse<'_>) -> R) -> R {
    let (indices, values) = bytes.split_at(bytes.len() / 8 * 4);
    let from_le = |bytes: &[u8]| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    look(Sparse { indices: &words(indices, from_le), values: &numbers(values) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value behind `shift` bytes, so that its words lie at every alignment.
    fn shifted(value: &[u8], shift: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; shift];
        bytes.extend_from_slice(value);
        bytes
    }

    fn distance_at_any_alignment<V: PlainValue>(metric: Metric, a: &[u8], b: &[u8]) -> f64 {
        let distance = V::distance(metric, a, b);
        for shift in 0..8 {
            let (a, b) = (shifted(a, shift), shifted(b, 7 - shift));
            assert_eq!(V::distance(metric, &a[shift..], &b[7 - shift..]), distance);
        }
        distance
    }

    #[test]
    fn distances_are_the_operators_wherever_the_bytes_lie() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        append(&[1.0f32, 2.0, 3.0], &mut a);
        append(&[4.0f32, 6.0, 3.0], &mut b);
        assert!(Floats::is_value(3, &a) && !Floats::is_value(2, &a) && !Halves::is_value(3, &a));
        assert_eq!(distance_at_any_alignment::<Floats>(Metric::L1, &a, &b), 7.0);
        assert_eq!(distance_at_any_alignment::<Floats>(Metric::L2, &a, &b), 5.0);

        let half = |x: &[f32]| {
            let mut bytes = Vec::new();
            append(&x.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>(), &mut bytes);
            bytes
        };
        let (a, b) = (half(&[65504.0, 0.5, f32::powi(2.0, -24)]), half(&[-65504.0, 0.25, 0.0]));
        assert!(Halves::is_value(3, &a) && !Halves::is_value(4, &a));
        assert_eq!(distance_at_any_alignment::<Halves>(Metric::L1, &a, &b), 131_008.25);

        let (a, b) = ([0b1010_1010, 0b1100_0000], [0b1110_1011, 0b0100_0000]);
        assert!(Bits::is_value(10, &a) && Bits::is_value(16, &a) && !Bits::is_value(17, &a));
        assert_eq!(distance_at_any_alignment::<Bits>(Metric::Hamming, &a, &b), 3.0);
        assert_eq!(distance_at_any_alignment::<Bits>(Metric::Jaccard, &a, &b), 1.0 - 5.0 / 8.0);

        let sparse = |indices: &[i32], values: &[f32]| {
            let mut bytes = Vec::new();
            append_sparse(Sparse { indices, values }, &mut bytes);
            bytes
        };
        let (a, b) = (sparse(&[0, 7], &[1.0, 2.0]), sparse(&[3, 7, 999_999_999], &[2.0, 4.0, 1.0]));
        assert!(SparseElements::is_value(8, &a) && !SparseElements::is_value(8, &a[1..]));
        assert_eq!(distance_at_any_alignment::<SparseElements>(Metric::L1, &a, &b), 6.0);
        assert_eq!(distance_at_any_alignment::<SparseElements>(Metric::InnerProduct, &a, &b), -8.0);
        assert_eq!(distance_at_any_alignment::<SparseElements>(Metric::L2, &a, &[]), 5f64.sqrt());
    }

    #[test]
    fn zero_vectors_have_no_cosine() {
        for (metric, is_indexable) in [(Metric::Cosine, false), (Metric::L2, true)] {
            assert_eq!(Floats::is_indexable(metric, &ValueType::Floats.zero(3)), is_indexable);
            assert_eq!(Halves::is_indexable(metric, &ValueType::Halves.zero(3)), is_indexable);
            assert_eq!(SparseElements::is_indexable(metric, &ValueType::Sparse.zero(3)), is_indexable);
        }
        assert!(Bits::is_indexable(Metric::Jaccard, &ValueType::Bits.zero(9)));
    }
}
