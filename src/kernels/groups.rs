//! Groups of codes: a node's neighbours as the scoring kernels read them.
//!
//! The codes of 8 neighbours stand interleaved by 64-bit little-endian words, so that one 64-byte load holds the same
//! word of all eight. Of a code with `bits` bits per dimension (1, 2 or 4), bit p of all dimensions makes plane p, of
//! `words = ceil(d / 64)` words; word w of plane p of neighbour l stands at byte `((p * words + w) * 8 + l) * 8`:
//!
//! ```text
//!  plane 0, word 0      plane 0, word 1            plane 1, word 0
//! |n0|n1|n2|...|n7|    |n0|n1|n2|...|n7|   ...    |n0|n1|n2|...|n7|   ...
//! ```
//!
//! Behind the codes stand the neighbours' factors, `f_add` (f32) of all lanes, then `f_rescale` of all lanes. A node's
//! groups follow each other; the last may have fewer lanes, and its rows are as much shorter.
//!
//! A vector that is compared with codes stands in bit planes as well, the planes' words side by side: `[w][j]` is word w
//! of plane j. Its product with a code is a weighted sum of popcounts: `sum over p, j of 2^p weight_j popcount(code_p &
//! vector_j)`. (RaBitQ, section 3.3.)

/// Lanes of a full group.
pub const GROUP: usize = 8;

/// The groups of one node.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// From the first group's first byte on.
    pub bytes: &'a [u8],
    /// Bytes of one lane's code.
    pub lane_bytes: usize,
    /// Bytes per lane which follow a group's factors and are not the kernels' business.
    pub gap: usize,
    /// Lanes of all groups together.
    pub slots: usize,
    /// The lanes, from the first, that hold a neighbour.
    pub links: usize,
}

/// One group, cut into its parts.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The first lane's slot in the node.
    pub first: usize,
    /// Lanes it has.
    pub lanes: usize,
    /// Lanes that hold a neighbour; at least one.
    pub links: usize,
    pub codes: &'a [u8],
    pub add: &'a [u8],
    pub rescale: &'a [u8],
}

impl<'a> Groups<'a> {
    /// The groups that hold neighbours. Panics at one that lies outside the bytes.
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = Group<'a>> {
        let Self { bytes, lane_bytes, gap, slots, links } = self;
        (0..links.min(slots)).step_by(GROUP).map(move |first| {
            let lanes = (slots - first).min(GROUP);
            let bytes = &bytes[first * (lane_bytes + 8 + gap)..][..lanes * (lane_bytes + 8)];
            let (codes, factors) = bytes.split_at(lanes * lane_bytes);
            let (add, rescale) = factors.split_at(lanes * 4);
            Group { first, lanes, links: (links - first).min(lanes), codes, add, rescale }
        })
    }
}

impl<'a> Group<'a> {
    /// `(f_add, f_rescale)` of a lane.
    #[inline(always)]
    pub fn factors(&self, lane: usize) -> (f32, f32) {
        let at = |bytes: &[u8]| f32::from_le_bytes(bytes.as_chunks::<4>().0[lane]);
        (at(self.add), at(self.rescale))
    }

    /// The planes of codes of `words` words, each as rows of one word per lane, with the plane's number.
    #[inline(always)]
    pub(super) fn planes(&self, words: usize) -> impl Iterator<Item = (usize, &'a [u8])> {
        // Not `chunks_exact`, which divides.
        let (mut rest, size) = (self.codes, words * self.lanes * 8);
        let mut next = move || {
            let (plane, others) = rest.split_at_checked(size)?;
            rest = others;
            Some(plane)
        };
        (0..).map_while(move |p| Some((p, next()?)))
    }
}

/// A query reduced to signed 4-bit integers `i`: it is about `step i`.
#[derive(Clone, Copy, Debug)]
pub struct QueryQ4<'a> {
    /// Planes of weight 1, 2, 4 and -8, as [`pack_planes_i4`](super::pack_planes_i4) makes them.
    pub planes: &'a [[u64; 4]],
    pub step: f32,
    /// What is subtracted from `sum i c` to centre the code.
    pub centre: f32,
}

/// A stored vector of 8-bit codes `c`: it is `lo + step c`.
#[derive(Clone, Copy, Debug)]
pub struct StoredU8<'a> {
    /// Planes of weight 1, 2, ... 128, as [`pack_planes_u8`](super::pack_planes_u8) makes them.
    pub planes: &'a [[u64; 8]],
    pub lo: f64,
    pub step: f64,
    /// What is subtracted from its product with a code to centre the code.
    pub centre: f64,
}

/// The distance between a vector and the node that holds the groups, from which the estimates to its neighbours start.
#[derive(Clone, Copy, Debug)]
pub enum Own<F> {
    /// An estimate is this and `f_add`: codes are of what a neighbour has beyond the node's vector.
    Plus(F),
    /// An estimate is this times `f_add`: codes are of what a neighbour has beyond its projection on the node's vector.
    Times(F),
}

impl<F: Copy + From<u8>> Own<F> {
    /// The distance itself.
    #[inline(always)]
    pub fn distance(self) -> F {
        match self {
            Own::Plus(distance) | Own::Times(distance) => distance,
        }
    }

    /// `(a, b)` such that `a + b f_add` is what an estimate starts from.
    #[inline(always)]
    pub fn start(self) -> (F, F) {
        match self {
            Own::Plus(distance) => (distance, F::from(1)),
            Own::Times(distance) => (F::from(0), distance),
        }
    }
}

/// Takes a slot and its estimate, and returns the bound from then on.
pub type Below<'a> = &'a mut dyn FnMut(usize, f32) -> f32;

/// Hands on the lanes of a group that `mask` names; returns the bound from then on.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
#[inline(always)]
pub(super) fn hand_on(
    first: usize,
    mut mask: u32,
    estimates: &[f32; GROUP],
    bound: f32,
    below: Below<'_>,
) -> f32 {
    let mut bound = bound;
    while mask != 0 {
        let lane = mask.trailing_zeros() as usize % GROUP;
        mask &= mask - 1;
        if estimates[lane] <= bound {
            bound = below(first + lane, estimates[lane]);
        }
    }
    bound
}
