//! What both clients are asked for: three rows and their exact distances, and values that are easily got wrong.

use half::f16;
use pgvector::{Bit, HalfVector, SparseVector, Vector};

pub const ROWS: [(i32, [f32; 3]); 3] = [(1, [1.0, 1.0, 1.0]), (2, [2.0, 2.0, 2.0]), (3, [1.0, 1.0, 2.0])];
pub const QUERY: [f32; 3] = ROWS[0].1;

/// Operator, its operator class without the type's name, and the rows by distance and number.
pub type Nearest = (&'static str, &'static str, [(i32, f64); 3]);

pub fn nearest() -> [Nearest; 4] {
    [
        ("<->", "l2", [(1, 0.0), (3, 1.0), (2, 3f64.sqrt())]),
        ("<#>", "ip", [(2, -6.0), (3, -4.0), (1, -3.0)]),
        ("<=>", "cosine", [(1, 0.0), (2, 0.0), (3, 0.05719095841793653)]),
        ("<+>", "l1", [(1, 0.0), (3, 1.0), (2, 3.0)]),
    ]
}

/// The same for `bit`, to the query 101.
pub fn nearest_bits() -> [Nearest; 2] {
    [
        ("<~>", "hamming", [(1, 0.0), (2, 1.0), (3, 2.0)]),
        ("<%>", "jaccard", [(1, 0.0), (2, 1.0 - 2.0 / 3.0), (3, 1.0)]),
    ]
}

pub fn bits() -> [(i32, Bit); 3] {
    [(1, "101"), (2, "111"), (3, "000")]
        .map(|(id, text)| (id, Bit::new(&text.chars().map(|digit| digit == '1').collect::<Vec<_>>())))
}

pub fn vectors() -> Vec<Vector> {
    let many: Vec<f32> = (0..16_000u16).map(|i| f32::from(i % 7)).collect();
    let few = vec![1.0, -2.5, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1), 0.1, 0.0];
    vec![Vector::from(few), Vector::from(many)]
}

pub fn halves() -> Vec<HalfVector> {
    let few = [1.0, -2.5, 0.1, 1.0 / 3.0, 0.0].map(f16::from_f32).to_vec();
    let ends = vec![f16::MAX, f16::MIN, f16::MIN_POSITIVE, f16::from_bits(1)];
    vec![HalfVector::from(few), HalfVector::from(ends)]
}

pub fn sparse() -> Vec<SparseVector> {
    let one = std::collections::HashMap::from([(999_999_999, 1e6)]);
    vec![
        SparseVector::from_dense(&[1.0, 0.0, -2.5, f32::from_bits(1)]),
        SparseVector::from_map(&one, 1_000_000_000),
    ]
}

/// By distance, then number: the order of `nearest`, whatever order rows at equal distances came in.
pub fn sorted(mut rows: Vec<(i32, f64)>) -> Vec<(i32, f64)> {
    rows.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    rows
}
