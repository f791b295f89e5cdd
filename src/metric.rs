//! The distances an index can order by: the SQL operator's exact value, and what an index may assume about
//! it.

use crate::kernels::sparse::{self, Sparse};
use crate::kernels::{self, Element};

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
