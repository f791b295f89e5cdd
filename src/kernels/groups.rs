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
    /// From the codes to the end of the groups' bytes: what may be read behind a part that is shorter than a register.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    pub(super) rest: &'a [u8],
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
            Group { first, lanes, links: (links - first).min(lanes), codes, add, rescale, rest }
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

/// Lanes of which estimates are handed on at once: of eight groups. Which of them are below a bound, and how many, is hardly
/// ever foretold, so all are estimated first.
pub const ESTIMATES: usize = 64;

/// Estimates of some slots.
#[derive(Clone, Copy, Debug)]
pub struct Estimates<'a> {
    /// The first lane's slot.
    first: usize,
    lanes: &'a [f32; ESTIMATES],
    below: u64,
}

impl Estimates<'_> {
    /// Slots, in order, with the estimates that are not above the bound.
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = (usize, f32)> {
        let Self { first, lanes, mut below } = self;
        std::iter::from_fn(move || {
            let lane = below.trailing_zeros() as usize;
            let estimate = *lanes.get(lane)?;
            below &= below - 1;
            Some((first + lane, estimate))
        })
    }
}

/// Takes estimates, and returns the bound from then on.
pub type Below<'a> = &'a mut dyn FnMut(Estimates<'_>) -> f32;

/// Estimates that are to be handed on.
pub(crate) struct Ahead {
    lanes: [f32; ESTIMATES],
    /// Groups it has.
    count: usize,
    /// A bit for each lane.
    below: u64,
    /// The first group's first slot.
    first: usize,
}

impl Ahead {
    #[inline(always)]
    pub fn new() -> Self {
        Self { lanes: [0.0; ESTIMATES], count: 0, below: 0, first: 0 }
    }

    /// Whether there is no room for another group.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.count == ESTIMATES / GROUP
    }

    /// Adds a group: `mask` names the lanes that are not above the bound, as it is now. Returns where their estimates go.
    #[inline(always)]
    pub fn add(&mut self, mask: u32) -> &mut [f32; GROUP] {
        let at = self.count % (ESTIMATES / GROUP);
        self.below |= u64::from(mask) << (GROUP * at);
        self.count = at + 1;
        &mut self.lanes.as_chunks_mut().0[at]
    }

    /// Adds a group of so many links, whose estimates are computed one by one.
    pub fn add_each(&mut self, links: usize, bound: f32, estimate: impl Fn(usize) -> f32) {
        let estimates: [f32; GROUP] =
            std::array::from_fn(|lane| if lane < links { estimate(lane) } else { f32::INFINITY });
        let below = |lane: usize| u32::from(lane < links && estimates[lane] <= bound) << lane;
        *self.add((0..GROUP).map(below).sum()) = estimates;
    }

    /// Hands on what it has; returns the bound from then on.
    #[inline(always)]
    pub fn hand_on(&mut self, bound: f32, below: Below<'_>) -> f32 {
        let estimates = Estimates { first: self.first, lanes: &self.lanes, below: self.below };
        let bound = if self.below == 0 { bound } else { below(estimates) };
        self.first += GROUP * self.count;
        (self.count, self.below) = (0, 0);
        bound
    }
}
