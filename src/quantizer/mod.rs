//! Vector to code, code to estimate.
//!
//! | file | what |
//! |---|---|
//! | `rotation.rs` | the random rotation under which all of this works |
//! | `sq8.rs` | a node's own vector in 8 bits per dimension, and a query's distance to it |
//! | `bounds.rs` | between which values the SQL operator's result then lies: the error analysis |
//! | `rabitq.rs` | a neighbour's code and factors |
//! | `layout.rs` | eight neighbours interleaved |
//! | `estimator.rs` | a query's estimated distances to eight neighbours at once |
//!
//! # Notation
//!
//! All vectors are rotated (and normalised before that, if the metric is the cosine); see [`Frame`]. d is the
//! number of dimensions, b the number of bits per dimension of a neighbour's code.
//!
//! * q: a query, in `f32`. u: a node. v: a neighbour of u. u^: u as its page holds it, 8 bits per dimension.
//! * r: the neighbour's residual, `v - u^` for L2 and `v - alpha u^` with `alpha = <u^, v> / |u^|^2` for the inner
//!   product: there, what is left of v beside its projection. **About u^, not u**: what the page holds is what the
//!   estimate starts from.
//! * c: the code of r, d integers of b bits. x = c - h, h = (2^b - 1) / 2: the same, centred; x points
//!   roughly where r does. For b = 1, c_i = [r_i > 0] and x_i = +-1/2.
//!
//! # The estimate
//!
//! RaBitQ's (Gao and Long, SIGMOD 2024) observation: under a random rotation the error of x's direction is
//! itself in a random direction, so for any y
//!
//! ```text
//! <r, y>  ~  f <x, y>,     f = |r|^2 / <x, r>
//! ```
//!
//! without bias, with a standard deviation of about `|r| |y| sqrt(1/cos^2(x, r) - 1) / sqrt(d - 1)` (for b =
//! 1 the root is 0.75). What depends on the node alone goes into two factors per neighbour, and what depends on the
//! query alone is prepared once (SymphonyQG; Gou et al., SIGMOD 2025), which leaves one integer product of codes.
//!
//! For L2, y = q - u^. For the inner product r is at right angles to u^, so <r, q> = <r, y> for every y = q - beta u^, and
//! the shortest of them errs least: beta = <q, u^> / |u^|^2. Against y = q - u^ and r = v - u^ this takes `|r| |y|` from
//! `4 sin(a/2) sin(b/2)` to `sin a sin b` for unit vectors, a and b being the angles of u^ with v and q: to three
//! quarters at 60 degrees. With vectors of different lengths it gains more, since the length of the projection is no part
//! of the error.
//!
//! ```text
//! L2:  |q-v|^2 ~ |q-u^|^2 + f_add + f_rescale <x, q>     f_add = |r|^2 + 2 f <x, u^>             f_rescale = -2 f
//! IP:  -<q,v>  ~ -<q,u^> f_add    + f_rescale <x, q>     f_add = alpha - f <x, u^> / |u^|^2      f_rescale = -f
//!      <x, q>  = <c, q> - h sum q_i
//! ```
//!
//! At q = u^ the estimate would be exact for any code: |u^-v|^2, or -<u^,v>. A neighbour with r = 0 gets f = 0. One with a residual
//! that `f32` cannot hold is taken to lie where u does.

#![forbid(unsafe_code)]

mod bounds;
pub mod estimator;
pub mod layout;
pub mod rabitq;
pub mod rotation;
pub mod sq8;

#[cfg(test)]
mod testing;

pub use bounds::Measured;
pub use estimator::Estimator;
pub use layout::{Bits, Estimates, GROUP, GroupLayout, Groups, MAX_ESTIMATES};
pub use rabitq::{Encoder, Factors, Neighbour};
pub use rotation::Rotation;
pub use sq8::{Fine, FineHeader, Query, Sq8};

use crate::kernels;
use crate::metric::{Geometry, Metric, ORDINARY};

/// The coordinates an index computes in: normalised if the metric wants it, then rotated.
pub struct Frame {
    metric: Metric,
    geometry: Geometry,
    rotation: Rotation,
}

/// Whether a vector's own length lets the operator's `f32` arithmetic be trusted to a few roundoffs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magnitude {
    /// It does.
    Ordinary,
    /// The operator may overflow or underflow: its result says little about the true distance, and nothing
    /// can be said of the result.
    Extreme,
}

/// How long the vectors of a frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// As they are.
    Any,
    /// They are normalised, and their codes are to decode to vectors of length one as well: an inner product with a vector
    /// that is a little too long is as much too large, while its angle may be right.
    One,
}

impl Frame {
    /// The frame of an index; `None` if the metric is not estimable.
    pub fn new(metric: Metric, dimensions: usize, seed: u64) -> Option<Self> {
        let geometry = metric.geometry()?;
        Some(Self { metric, geometry, rotation: Rotation::new(dimensions, seed) })
    }

    /// The metric whose operator the index serves.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// What codes and estimates compute in its place.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Coordinates of a vector.
    pub fn dimensions(&self) -> usize {
        self.rotation.dimensions()
    }

    /// How long its vectors are.
    pub fn length(&self) -> Length {
        if self.metric.normalises() { Length::One } else { Length::Any }
    }

    /// Brings a vector into the frame: once per inserted row, once per query. A zero vector stays zero.
    pub fn apply(&self, source: &[f32], out: &mut [f32]) -> Magnitude {
        out.copy_from_slice(source);
        let mut magnitude = Magnitude::Ordinary;
        if self.metric.normalises() {
            magnitude = normalise(out);
        }
        self.rotation.apply_in_place(out);
        magnitude
    }
}

/// The sum of a vector's coordinates, in as many chains as hide an addition's latency.
fn sum(vector: &[f32]) -> f64 {
    let (chunks, rest) = vector.as_chunks::<8>();
    let mut sums = [0.0f64; 8];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(x);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x)).sum::<f64>()
}

/// Scales to length one; each coordinate is rounded once. A zero vector stays zero.
fn normalise(vector: &mut [f32]) -> Magnitude {
    let norm_squared = kernels::norm_squared(vector);
    if norm_squared > 0.0 {
        let inverse = 1.0 / norm_squared.sqrt();
        for x in vector {
            *x = (f64::from(*x) * inverse) as f32;
        }
    }
    if ORDINARY.contains(&norm_squared) { Magnitude::Ordinary } else { Magnitude::Extreme }
}
