//! What the tests of this module share.

use super::layout::GroupLayout;
use super::rotation::splitmix64;

/// Standard normal coordinates, the same for the same seed.
pub fn gaussian(dimensions: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || ((splitmix64(&mut state) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (0..dimensions)
        .map(|_| ((-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()) as f32)
        .collect()
}

/// `a + scale * b`.
pub fn add(a: &[f32], scale: f32, b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + scale * b).collect()
}

pub fn naive_dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

pub fn naive_l2_squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

/// The level of each coordinate in a code as a lane holds it.
pub fn levels(layout: GroupLayout, code: &[u8]) -> Vec<f32> {
    let bits = layout.bits().count();
    let level = |i: usize| match bits {
        8 => f32::from(code[i]),
        _ => (0..bits)
            .map(|p| f32::from(code[p * 8 * layout.words() + i / 8] >> (i % 8) & 1) * (1 << p) as f32)
            .sum(),
    };
    (0..layout.dimensions()).map(level).collect()
}
