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
//! A vector that is compared with codes is [`Arranged`] as the instructions want it. In bit planes, the planes' words side by
//! side: `[w][j]` is word w of plane j. Its product with a code is then a weighted sum of popcounts: `sum over p, j of 2^p
//! weight_j popcount(code_p & vector_j)`. (RaBitQ, section 3.3.) Or as tables of what four dimensions can add up to, looked
//! up by four bits of a code. (Andre, Kermarrec and Le Scouarnec, Cache Locality is Not Enough, VLDB 2015.)

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
    /// Lanes that hold a neighbour; of a group of a node at least one.
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
            let rest = &bytes[first * (lane_bytes + 8 + gap)..];
            let (codes, factors) = rest[..lanes * (lane_bytes + 8)].split_at(lanes * lane_bytes);
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

    /// What a function of a lane says of those that hold a neighbour, 0 of the others.
    #[inline(always)]
    pub fn each(&self, of: impl Fn(usize) -> f32) -> [f32; GROUP] {
        std::array::from_fn(|lane| if lane < self.links { of(lane) } else { 0.0 })
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

/// Planes of a signed 4-bit integer.
pub(super) const PLANES: usize = 4;

/// A vector of small integers, arranged to be compared with codes. A set of kernels reads what that set arranged.
#[derive(Clone, Debug, Default)]
pub struct Arranged {
    /// Of 64 dimensions each.
    words: usize,
    /// What is added to the sum of what was looked up, to get `sum i c`.
    offset: i32,
    numbers: Vec<u64>,
    /// Where in `numbers` it begins: at a line of the cache.
    start: usize,
}

impl Arranged {
    /// Its words: that many rows has a plane of the codes.
    pub fn words(&self) -> usize {
        self.words
    }

    /// As planes of weight 1, 2, 4 and -8.
    #[inline]
    pub(super) fn planes(&self) -> &[[u64; PLANES]] {
        self.numbers().as_chunks().0
    }

    #[inline]
    pub(super) fn offset(&self) -> i32 {
        self.offset
    }

    #[inline]
    pub(super) fn numbers(&self) -> &[u64] {
        &self.numbers[self.start..]
    }

    /// Takes another vector of so many dimensions, which `size` numbers are to represent.
    pub(super) fn reset(&mut self, dimensions: usize, size: usize, offset: i32) -> &mut [u64] {
        /// Numbers of a line.
        const LINE: usize = 8;
        self.words = dimensions.div_ceil(64);
        self.offset = offset;
        self.numbers.resize(size + LINE - 1, 0);
        self.start = self.numbers.as_ptr().align_offset(8 * LINE).min(LINE - 1);
        self.numbers.truncate(self.start + size);
        &mut self.numbers[self.start..]
    }

    /// Arranges numbers in planes; `pack` is [`pack_planes`](super::pack_planes).
    pub(super) fn set_planes(&mut self, values: &[u8], pack: impl Fn(&[u8], usize, &mut [u64])) {
        let planes = self.reset(values.len(), PLANES * values.len().div_ceil(64), 0);
        values
            .chunks(64)
            .zip(planes.chunks_exact_mut(PLANES))
            .for_each(|(values, words)| pack(values, PLANES, words));
    }
}

/// A query reduced to signed 4-bit integers `i`: it is about `step i`.
#[derive(Clone, Copy, Debug)]
pub struct QueryQ4<'a> {
    /// As [`arrange_i4`](super::arrange_i4) makes it.
    pub vector: &'a Arranged,
    pub step: f32,
    /// What is subtracted from `sum i c` to centre the code.
    pub centre: f32,
}

/// The distance between a vector and the node that holds the groups, from which the estimates to its neighbours start.
#[derive(Clone, Copy, Debug)]
pub enum Own {
    /// An estimate is this and `f_add`: codes are of what a neighbour has beyond the node's vector.
    Plus(f32),
    /// An estimate is this times `f_add`: codes are of what a neighbour has beyond its projection on the node's vector.
    Times(f32),
}

impl Own {
    /// The distance itself.
    #[inline(always)]
    pub fn distance(self) -> f32 {
        match self {
            Own::Plus(distance) | Own::Times(distance) => distance,
        }
    }

    /// `(a, b)` such that `a + b f_add` is what an estimate starts from.
    #[inline(always)]
    pub fn start(self) -> (f32, f32) {
        match self {
            Own::Plus(distance) => (distance, 1.0),
            Own::Times(distance) => (0.0, distance),
        }
    }
}

/// The most words of a plane, hence of a vector that is compared with codes: 16,256 dimensions. Sums of products of longer ones
/// would not fit 16 bits.
pub const MAX_WORDS: usize = 254;

/// The most neighbours of a node of which there are estimates.
pub const MAX_ESTIMATES: usize = 256;

/// Estimated distances to the neighbours of a node. Keeps its memory from one node to the next.
#[derive(Clone, Debug, Default)]
pub struct Estimates {
    /// Of an even number of groups or more: anything where there is no neighbour.
    lanes: Vec<[f32; GROUP]>,
    links: usize,
    /// A bit for each neighbour, whose estimate is not above the bound.
    not_above: [u64; MAX_ESTIMATES / 64],
}

impl Estimates {
    /// Of no neighbours.
    pub fn new() -> Self {
        Self::default()
    }

    /// The estimates, in the order of the slots.
    pub fn all(&self) -> &[f32] {
        &self.lanes.as_flattened()[..self.links]
    }

    /// The same, to be changed; which of them are not above the bound does not change with them.
    pub fn all_mut(&mut self) -> &mut [f32] {
        &mut self.lanes.as_flattened_mut()[..self.links]
    }

    /// Slots, in order, with the estimates that are not above the bound.
    #[inline(always)]
    pub fn not_above(&self) -> impl Iterator<Item = (usize, f32)> {
        let estimates = self.all();
        let mut words = self.not_above[..self.links.div_ceil(64)].iter();
        let (mut bits, mut next) = (0, 0);
        std::iter::from_fn(move || {
            while bits == 0 {
                bits = *words.next()?;
                next += 64;
            }
            let slot = next - 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            Some((slot, *estimates.get(slot)?))
        })
    }

    /// Starts over, for so many neighbours.
    #[inline(always)]
    pub(super) fn reset(&mut self, links: usize) {
        debug_assert!(links <= MAX_ESTIMATES);
        self.links = links.min(MAX_ESTIMATES);
        self.not_above = [0; MAX_ESTIMATES / 64];
        let groups = links.div_ceil(2 * GROUP) * 2;
        if self.lanes.len() < groups {
            self.lanes.resize(groups, [0.0; GROUP]);
        }
    }

    /// Where the estimates of group `i` go, with a mask of those that are not above the bound.
    #[inline(always)]
    pub(super) fn set(&mut self, i: usize, mask: u8) -> &mut [f32; GROUP] {
        let lanes = self.links.saturating_sub(GROUP * i).min(GROUP);
        let mask = u64::from(mask) & ((1 << lanes) - 1);
        if let Some(bits) = self.not_above.get_mut(i / (64 / GROUP)) {
            *bits |= mask << (GROUP * (i % (64 / GROUP)));
        }
        &mut self.lanes[i]
    }

    /// Estimates, in place of these, one group after the other.
    pub fn set_each(
        &mut self,
        groups: Groups<'_>,
        bound: f32,
        mut estimate: impl FnMut(&Group<'_>) -> [f32; GROUP],
    ) {
        self.reset(groups.links.min(groups.slots));
        for (i, group) in groups.iter().enumerate() {
            let estimates = estimate(&group);
            let mask = (0..GROUP).map(|lane| u8::from(estimates[lane] <= bound) << lane).sum();
            *self.set(i, mask) = estimates;
        }
    }

    /// Takes another node's estimates, but not which of them were not above its bound.
    pub fn copy(&mut self, other: &Self) {
        self.reset(other.links);
        self.all_mut().copy_from_slice(other.all());
    }
}
