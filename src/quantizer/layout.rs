//! Eight neighbours' codes and factors, interleaved for the scoring kernels. A node's last group may hold fewer: then the
//! lanes it lacks take no room.
//!
//! A group stores, unaligned and little endian:
//!
//! ```text
//! units of codes   unit 0 of lanes 0..7 | unit 1 of lanes 0..7 | ...
//! f_add            f32 of lanes 0..7
//! f_rescale        f32 of lanes 0..7
//! ```
//!
//! For 1, 2 and 4 bits a unit is a 64-bit word: word `p * words + w` of a lane holds bit p of the codes of
//! dimensions 64 w .. 64 w + 63, lowest first; bits past d are zero. One 64-byte load thus holds the same
//! word of all eight lanes, and a kernel adds up eight popcounts at once. For 8 bits there is one unit per
//! lane, d bytes: its codes, which the byte kernels score lane by lane.
//!
//! Writing one lane leaves the others' bytes alone.

use super::rabitq::Factors;
pub use crate::kernels::{Estimates, GROUP, Groups, MAX_ESTIMATES};

/// Bits per dimension of a neighbour's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Bits {
    One = 1,
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Bits {
    /// The width of `bits` bits, as a meta page or an option names it; `None` if there is no such width.
    pub fn from_count(bits: u8) -> Option<Self> {
        [Bits::One, Bits::Two, Bits::Four, Bits::Eight].into_iter().find(|&b| b as u8 == bits)
    }

    /// The width to use where nothing else is asked for.
    ///
    /// Root mean square error of the estimates among a node's neighbours, in standard deviations of their
    /// true distances (uniform random vectors / sentence embeddings projected to d dimensions), the query in
    /// 4 bits (as it is, for 8):
    ///
    /// | d | 1 bit | 2 bits | 4 bits | 8 bits |
    /// |---|---|---|---|---|
    /// | 3 | .58 / .48 | .43 / .28 | .40 / .24 | .001 / .002 |
    /// | 16 | .84 / .76 | .43 / .37 | .24 / .18 | .005 / .004 |
    /// | 64 | 1.03 / .64 | .55 / .32 | .32 / .14 | .007 / .005 |
    /// | 100 | 1.14 / .57 | .59 / .29 | .34 / .12 | .009 / .004 |
    /// | 384 | 1.23 / .30 | .67 / .16 | .37 / .07 | .011 / .003 |
    ///
    /// Up to 64 dimensions whole words make 2 bits cost at least 16 bytes and 4 bits 32, so there 8 bits (d
    /// bytes) are both small and as good as exact. Above, by recall of searches: 2 bits restore at 100
    /// dimensions what 1 bit loses, and 1 bit is enough from 384; the threshold between is not settled.
    pub fn for_dimensions(dimensions: usize) -> Self {
        match dimensions {
            0..=64 => Bits::Eight,
            65..300 => Bits::Two,
            _ => Bits::One,
        }
    }

    /// Bits per dimension.
    pub fn count(self) -> usize {
        self as usize
    }

    /// h of the notation: what is subtracted from a code to centre it.
    pub fn centre(self) -> f32 {
        ((1u32 << self.count()) - 1) as f32 / 2.0
    }
}

/// Where things are in a group of `dimensions`-dimensional codes. Groups are slices of [`bytes`](Self::bytes)
/// bytes; shorter ones panic, so who reads a page checks its sizes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLayout {
    dimensions: usize,
    bits: Bits,
    lanes: usize,
}

impl GroupLayout {
    /// The layout for codes of `dimensions` (at least 1) coordinates.
    pub fn new(dimensions: usize, bits: Bits) -> Self {
        Self { dimensions, bits, lanes: GROUP }
    }

    /// The same for a group of fewer neighbours, which is as much smaller: the last one of a node.
    pub fn with_lanes(self, lanes: usize) -> Self {
        debug_assert!((1..=GROUP).contains(&lanes));
        Self { lanes, ..self }
    }

    /// Neighbours of the group.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Coordinates of a code.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Bits per coordinate.
    pub fn bits(&self) -> Bits {
        self.bits
    }

    /// 64-bit words per plane of one lane.
    pub fn words(&self) -> usize {
        self.dimensions.div_ceil(64)
    }

    /// Bytes of one lane's code.
    pub fn lane_bytes(&self) -> usize {
        self.unit() * self.units()
    }

    /// Bytes of a group's codes, before the factors.
    pub fn code_bytes(&self) -> usize {
        self.lanes * self.lane_bytes()
    }

    /// Bytes of a group: codes and factors.
    pub fn bytes(&self) -> usize {
        self.code_bytes() + self.lanes * size_of::<Factors>()
    }

    fn unit(&self) -> usize {
        if self.bits == Bits::Eight { self.dimensions } else { 8 }
    }

    fn units(&self) -> usize {
        if self.bits == Bits::Eight { 1 } else { self.words() * self.bits.count() }
    }

    /// Writes one neighbour: `code` has [`lane_bytes`](Self::lane_bytes) bytes, unit after unit.
    pub fn write_lane(&self, group: &mut [u8], lane: usize, code: &[u8], factors: Factors) {
        debug_assert!(lane < self.lanes && code.len() == self.lane_bytes());
        if self.bits == Bits::Eight {
            group[lane * code.len()..][..code.len()].copy_from_slice(code);
        } else {
            let (words, _) = group[..self.code_bytes()].as_chunks_mut::<8>();
            for (i, &word) in code.as_chunks::<8>().0.iter().enumerate() {
                words[i * self.lanes + lane] = word;
            }
        }
        let [add, rescale] = self.factor_offsets(lane);
        group[add..add + 4].copy_from_slice(&factors.add.to_le_bytes());
        group[rescale..rescale + 4].copy_from_slice(&factors.rescale.to_le_bytes());
    }

    /// Reads one neighbour's code as [`write_lane`](Self::write_lane) takes it.
    pub fn read_lane(&self, group: &[u8], lane: usize, code: &mut [u8]) -> Factors {
        debug_assert!(lane < self.lanes && code.len() == self.lane_bytes());
        let units = group[..self.code_bytes()].chunks_exact(self.unit()).skip(lane).step_by(self.lanes);
        for (unit, target) in units.zip(code.chunks_exact_mut(self.unit())) {
            target.copy_from_slice(unit);
        }
        let [add, rescale] = self.factor_offsets(lane).map(|at| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&group[at..at + 4]);
            f32::from_le_bytes(bytes)
        });
        Factors { add, rescale }
    }

    /// A node's groups: they have `slots` lanes together, of which the first `links` hold a neighbour, and behind the
    /// factors of each group stand `gap` bytes per lane of something else.
    #[inline]
    pub fn groups<'a>(&self, bytes: &'a [u8], gap: usize, slots: usize, links: usize) -> Groups<'a> {
        Groups { bytes, lane_bytes: self.lane_bytes(), gap, slots, links }
    }

    fn factor_offsets(&self, lane: usize) -> [usize; 2] {
        let add = self.code_bytes() + 4 * lane;
        [add, add + 4 * self.lanes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Bits; 4] = [Bits::One, Bits::Two, Bits::Four, Bits::Eight];

    #[test]
    fn sizes_are_those_of_the_design() {
        assert_eq!(GroupLayout::new(768, Bits::One).bytes(), 8 * (96 + 8));
        assert_eq!(GroupLayout::new(100, Bits::Two).bytes(), 8 * (2 * 16 + 8));
        assert_eq!(GroupLayout::new(3, Bits::Eight).bytes(), 8 * (3 + 8));
    }

    #[test]
    fn words_of_a_lane_stand_eight_words_apart() {
        let layout = GroupLayout::new(128, Bits::One);
        let mut group = vec![0; layout.bytes()];
        let code: Vec<u8> = (1..=16).collect();
        layout.write_lane(&mut group, 3, &code, Factors { add: 1.0, rescale: 2.0 });
        assert_eq!(group[24..32], code[..8]);
        assert_eq!(group[64 + 24..64 + 32], code[8..]);
        assert_eq!(group[128 + 12..128 + 16], 1.0f32.to_le_bytes());
        assert_eq!(group[128 + 32 + 12..128 + 32 + 16], 2.0f32.to_le_bytes());
    }

    proptest! {
        #[test]
        fn a_lane_is_read_back_and_the_others_are_left_alone(
            d in 1usize..200, bits in 0usize..4, (lanes, lane) in (1usize..=GROUP).prop_flat_map(|n| (Just(n), 0..n)),
            fill: u8, add: f32, rescale: f32,
        ) {
            let layout = GroupLayout::new(d, ALL[bits]).with_lanes(lanes);
            let mut group: Vec<u8> = (0..layout.bytes()).map(|i| i as u8 ^ fill).collect();
            let before = group.clone();
            let code: Vec<u8> = (0..layout.lane_bytes()).map(|i| !(i as u8) ^ fill.rotate_left(3)).collect();
            layout.write_lane(&mut group, lane, &code, Factors { add, rescale });
            let mut seen = vec![0; layout.lane_bytes()];
            for other in 0..lanes {
                let factors = layout.read_lane(&group, other, &mut seen);
                if other == lane {
                    prop_assert_eq!(&seen, &code);
                    prop_assert_eq!(factors.add.to_bits(), add.to_bits());
                    prop_assert_eq!(factors.rescale.to_bits(), rescale.to_bits());
                } else {
                    let mut expected = vec![0; layout.lane_bytes()];
                    let kept = layout.read_lane(&before, other, &mut expected);
                    prop_assert_eq!(&seen, &expected);
                    prop_assert_eq!(factors.add.to_bits(), kept.add.to_bits());
                    prop_assert_eq!(factors.rescale.to_bits(), kept.rescale.to_bits());
                }
            }
        }
    }
}
