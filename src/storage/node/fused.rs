//! The fused node: its own vector in 8 bits per dimension, and of each neighbour an address, two factors and a code, so
//! that one visit scores the whole neighbourhood.
//!
//! After the [common header](super):
//!
//! ```text
//! size                     field
//! 8 x ceil(slots / 64)     flags, one bit per slot: another link hides this one
//! 20                       own vector: lo, step, error (f32), code sum, sum of the codes' squares (u32)
//! d                        own vector: codes
//! per group of 8 slots (the last may be smaller):
//!   lanes x code bytes     neighbours' codes, interleaved word by word
//!   lanes x 4, lanes x 4   f_add, f_rescale
//!   lanes x 6              addresses of the neighbours' tuples on this level
//! ```

use super::{Header, HeaderMut, header_size, pieces_for, tid_at};
use crate::hnsw::Flags;
use crate::quantizer::{Bits, Factors, GROUP, GroupLayout, Groups, Neighbour, Sq8, sq8};
use crate::storage::meta::NodeKind;
use crate::storage::page::{MAX_ITEM_SIZE, item_size_for};
use crate::storage::tid::{IndexTid, TID_SIZE};

/// Where everything is in the tuples of one level of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    level_is_base: bool,
    group: GroupLayout,
    slots: usize,
    pieces: usize,
}

impl Layout {
    /// The layout of tuples of level 0 (`level_is_base`) or above, with room for `slots` links.
    pub fn new(level_is_base: bool, dimensions: usize, bits: Bits, slots: usize) -> Self {
        let mut layout = Self { level_is_base, group: GroupLayout::new(dimensions, bits), slots, pieces: 0 };
        layout.pieces = pieces_for(layout.size());
        layout
    }

    /// The number of slots near `target` with which whole tuples fill pages best.
    ///
    /// At most a quarter more or less than `target`; if no whole number of tuples fits a page that way, `target`.
    pub fn slots_for(level_is_base: bool, dimensions: usize, bits: Bits, target: usize) -> usize {
        let range = target - target / 4..=target + target / 4;
        let fits = |count: usize| {
            let slots = range.clone().rev().find(|&slots| {
                Self::new(level_is_base, dimensions, bits, slots).size() <= item_size_for(count)
            })?;
            Some(slots)
        };
        let distance = |slots: &usize| slots.abs_diff(target);
        (1..=MAX_ITEM_SIZE / 64).filter_map(fits).min_by_key(distance).unwrap_or(target)
    }

    pub fn dimensions(&self) -> usize {
        self.group.dimensions()
    }

    /// Most links of a tuple.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Number of further pieces of a tuple.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// Layout of the groups' codes and factors.
    pub fn group_layout(&self) -> GroupLayout {
        self.group
    }

    /// Size of a tuple.
    pub fn size(&self) -> usize {
        self.groups() + self.slots * (self.group.lane_bytes() + 8 + TID_SIZE)
    }

    fn flags(&self) -> usize {
        header_size(if self.level_is_base { 0 } else { 1 }, self.pieces)
    }

    fn vector(&self) -> usize {
        self.flags() + 8 * self.slots.div_ceil(64)
    }

    fn groups(&self) -> usize {
        self.vector() + sq8::Header::BYTES + self.dimensions()
    }

    /// Layout of the group that begins with slot `first`, and where it and its addresses are.
    #[inline]
    fn group(&self, first: usize) -> (GroupLayout, usize, usize) {
        let layout = self.group.with_lanes((self.slots - first).min(GROUP));
        let start = self.groups() + first * (self.group.lane_bytes() + 8 + TID_SIZE);
        (layout, start, start + layout.bytes())
    }
}

/// A fused tuple, read.
#[derive(Clone, Copy)]
pub struct Fused<'a> {
    layout: &'a Layout,
    tuple: &'a [u8],
    links: usize,
}

impl<'a> Fused<'a> {
    /// Reads a tuple; `None` if these bytes are none of this layout.
    #[inline]
    pub fn read(layout: &'a Layout, tuple: &'a [u8]) -> Option<Self> {
        let header = Header::read(tuple, NodeKind::Fused)?;
        let links = header.links();
        (tuple.len() == layout.size()
            && (header.level() == 0) == layout.level_is_base
            && header.pieces() == layout.pieces
            && links <= layout.slots)
            .then_some(Self { layout, tuple, links })
    }

    pub fn header(&self) -> Header<'a> {
        Header(self.tuple)
    }

    /// The node's own vector.
    #[inline]
    pub fn vector(&self) -> Sq8<'a> {
        let at = self.layout.vector();
        let mut header = [0; sq8::Header::BYTES];
        header.copy_from_slice(&self.tuple[at..at + sq8::Header::BYTES]);
        let codes = &self.tuple[at + sq8::Header::BYTES..][..self.layout.dimensions()];
        Sq8 { header: sq8::Header::from_bytes(&header), codes }
    }

    pub fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        let at = self.layout.flags();
        for (word, bytes) in flags.0.iter_mut().zip(self.tuple[at..self.layout.vector()].chunks_exact(8)) {
            let mut word_bytes = [0; 8];
            word_bytes.copy_from_slice(bytes);
            *word = u64::from_le_bytes(word_bytes);
        }
        flags
    }

    /// The neighbours' codes and factors.
    #[inline]
    pub fn groups(&self) -> Groups<'a> {
        let Layout { group, slots, .. } = *self.layout;
        group.groups(&self.tuple[self.layout.groups()..], TID_SIZE, slots, self.links)
    }

    /// The address of the neighbour in a slot in use.
    #[inline]
    pub fn address(&self, slot: usize) -> IndexTid {
        let (_, _, addresses) = self.layout.group(slot / GROUP * GROUP);
        IndexTid::from_bytes(tid_at(self.tuple, addresses + slot % GROUP * TID_SIZE))
    }

    /// Reads one link's code, as many bytes as a lane has, and its factors.
    pub fn link(&self, slot: usize, code: &mut [u8]) -> Factors {
        let (group, start, addresses) = self.layout.group(slot / GROUP * GROUP);
        group.read_lane(&self.tuple[start..addresses], slot % GROUP, code)
    }

    /// The neighbours' addresses.
    pub fn neighbours(&self) -> impl Iterator<Item = IndexTid> + use<'a> {
        let this = *self;
        (0..self.links).map(move |slot| this.address(slot))
    }
}

/// A tuple that [`Fused::read`] accepts, to be changed.
pub struct FusedMut<'a> {
    pub layout: &'a Layout,
    pub tuple: &'a mut [u8],
}

impl FusedMut<'_> {
    pub fn header(&mut self) -> HeaderMut<'_> {
        HeaderMut(self.tuple)
    }

    /// Writes the node's own vector.
    pub fn set_vector(&mut self, vector: Sq8<'_>) {
        let at = self.layout.vector();
        let (header, codes) = self.tuple[at..self.layout.groups()].split_at_mut(sq8::Header::BYTES);
        header.copy_from_slice(&vector.header.to_bytes());
        codes.copy_from_slice(vector.codes);
    }

    pub fn set_flags(&mut self, flags: &Flags) {
        let at = self.layout.flags();
        for (word, bytes) in flags.0.iter().zip(self.tuple[at..self.layout.vector()].chunks_exact_mut(8)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Writes a neighbour into a slot, the first free one or one in use.
    pub fn set_link(&mut self, slot: usize, neighbour: IndexTid, code: Neighbour<'_>) {
        let (group, start, addresses) = self.layout.group(slot / GROUP * GROUP);
        let lane = slot % GROUP;
        group.write_lane(&mut self.tuple[start..addresses], lane, code.code, code.factors);
        let at = addresses + lane * TID_SIZE;
        self.tuple[at..at + TID_SIZE].copy_from_slice(&neighbour.to_bytes());
        if slot >= Header(self.tuple).links() {
            self.header().set_links(slot + 1);
        }
    }

    /// Forgets all links.
    pub fn clear_links(&mut self) {
        self.header().set_links(0);
        let groups = self.layout.groups();
        self.tuple[groups..].fill(0);
        self.set_flags(&Flags::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_design() {
        for (dimensions, slots, per_page) in [(384, 35, 3), (768, 29, 2), (1536, 31, 1)] {
            let found = Layout::slots_for(true, dimensions, Bits::One, 32);
            assert_eq!(found, slots, "{dimensions}");
            assert!(Layout::new(true, dimensions, Bits::One, found).size() <= item_size_for(per_page));
        }
        // Where a tuple takes several pages, the target stands.
        assert_eq!(Layout::slots_for(true, 16_000, Bits::One, 32), 32);
        assert_eq!(Layout::new(true, 16_000, Bits::One, 32).pieces(), 9);
    }

    #[test]
    fn links_are_read_back_in_groups() {
        let layout = Layout::new(true, 100, Bits::Two, 13);
        let mut tuple = vec![0; layout.size()];
        let mut node = FusedMut { layout: &layout, tuple: &mut tuple };
        node.header().initialise(NodeKind::Fused, 0, None, &[]);
        let code = vec![0x5a; layout.group_layout().lane_bytes()];
        let tid = |slot: u32| IndexTid { block: slot, offset: 1 };
        for slot in 0..13 {
            let factors = Factors { add: slot as f32, rescale: -1.0 };
            node.set_link(slot, tid(slot as u32), Neighbour { code: &code, factors });
        }
        let mut flags = Flags::default();
        flags.set(12, true);
        node.set_flags(&flags);
        let node = Fused::read(&layout, &tuple).expect("a node");
        assert_eq!(node.neighbours().collect::<Vec<_>>(), (0..13).map(tid).collect::<Vec<_>>());
        assert_eq!(node.flags(), flags);
        let groups: Vec<_> = node.groups().iter().collect();
        assert_eq!((groups.len(), groups[1].links), (2, 5));
        assert!((0..5).all(|lane| groups[1].factors(lane) == (lane as f32 + 8.0, -1.0)));
        assert!(Fused::read(&layout, &tuple[1..]).is_none());
    }
}
