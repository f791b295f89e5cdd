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
//! on the base level of an index of fine vectors:
//!   12                     own vector: length squared (f64) and error (f32) with the fine codes
//!   ceil(d / 2)            own vector: fine codes, dimension i in the low half of byte i, or in the high half of byte i - size
//! per group of 8 slots (the last may be smaller):
//!   lanes x code bytes     neighbours' codes, interleaved word by word
//!   lanes x 4, lanes x 4   f_add, f_rescale
//!   lanes x 6              addresses of the neighbours' tuples on this level
//!   lanes x 2              the neighbours' excesses: how much farther from the node they are than itself (bfloat16)
//! ```
//!
//! Searches have no use for an excess. It tells a node that is offered a new link how far its neighbours are, which their codes
//! would only tell by a product with the node's vector. Eight bits of it are enough, as it is compared with estimates.

use super::{Header, HeaderMut, header_size, pieces_for, tid_at};
use crate::hnsw::Flags;
use crate::quantizer::{Bits, Factors, Fine, FineHeader, GROUP, GroupLayout, Groups, Neighbour, Sq8, sq8};
use crate::storage::meta::NodeKind;
use crate::storage::page::{MAX_ITEM_SIZE, item_size_for};
use crate::storage::tid::{IndexTid, TID_SIZE};
use half::bf16;

/// Bytes of an excess.
const EXCESS_SIZE: usize = size_of::<bf16>();

/// Where everything is in the tuples of one level of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    level_is_base: bool,
    group: GroupLayout,
    slots: usize,
    pieces: usize,
    /// Where the parts are, and where the tuple ends: asked for with every neighbour, so not computed anew.
    flags: usize,
    vector: usize,
    fine: usize,
    groups: usize,
    /// Bytes of a slot: code, factors, address and excess.
    slot: usize,
    size: usize,
}

/// What a level and an index decide about the layout of tuples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub level_is_base: bool,
    pub dimensions: usize,
    /// Bits per dimension of a neighbour's code.
    pub bits: Bits,
    /// Whether nodes keep fine codes of their own vectors, on the base level.
    pub has_fine: bool,
}

impl Layout {
    /// The layout of tuples of this shape with room for `slots` links.
    pub fn new(shape: Shape, slots: usize) -> Self {
        let Shape { level_is_base, dimensions, bits, has_fine } = shape;
        let has_fine = has_fine && level_is_base;
        let group = GroupLayout::new(dimensions, bits);
        let with_pieces = |pieces| {
            let flags = header_size(if level_is_base { 0 } else { 1 }, pieces);
            let vector = flags + 8 * slots.div_ceil(64);
            let fine = vector + sq8::Header::BYTES + dimensions;
            let groups = fine + if has_fine { FineHeader::BYTES + sq8::fine_bytes(dimensions) } else { 0 };
            let slot = group.lane_bytes() + size_of::<Factors>() + TID_SIZE + EXCESS_SIZE;
            let size = groups + slots * slot;
            Self { level_is_base, group, slots, pieces, flags, vector, fine, groups, slot, size }
        };
        with_pieces(pieces_for(with_pieces(0).size))
    }

    /// The number of slots near `target` with which whole tuples fill pages best.
    ///
    /// At most three tenths less or a quarter more than `target`, and such that no more than a quarter of the page is left, if
    /// that can be; if no whole number of tuples fits a page that way, `target`. No more than the target begins a group that it
    /// does not fill, where kernels take as long for two lanes as for eight. Above the base level no tuple has a page to itself if
    /// two fit with a third less.
    pub fn slots_for(shape: Shape, target: usize) -> usize {
        let fits = |least: usize, count: usize| {
            let size = |slots| Self::new(shape, slots).size();
            let range = least..=target + target / 4;
            let most = range.rev().find(|&slots| size(slots) <= item_size_for(count))?;
            let slots = match shape.bits {
                Bits::Eight => most,
                _ => most.min(target.next_multiple_of(GROUP).max(most / GROUP * GROUP)),
            };
            Some((4 * size(slots) < 3 * item_size_for(count), most.abs_diff(target), slots))
        };
        if !shape.level_is_base
            && let Some((.., slots)) = fits(target - target / 3, 2).filter(|&(.., slots)| slots < target)
        {
            return slots;
        }
        let least = target - target * 3 / 10;
        let fits = |count| fits(least, count);
        (1..=MAX_ITEM_SIZE / 64).filter_map(fits).min().map_or(target, |(.., slots)| slots)
    }

    /// The base level's shape, with fine codes unless fewer tuples would then fit a page.
    pub fn base_shape(dimensions: usize, bits: Bits, target: usize) -> Shape {
        let shape = |has_fine| Shape { level_is_base: true, dimensions, bits, has_fine };
        let room = |shape| {
            let layout = Self::new(shape, Self::slots_for(shape, target));
            (MAX_ITEM_SIZE / layout.size(), std::cmp::Reverse(layout.pieces))
        };
        shape(room(shape(true)) >= room(shape(false)))
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
        self.size
    }

    /// The group that begins with slot `first`.
    #[inline]
    fn group(&self, first: usize) -> GroupAt {
        let layout = self.group.with_lanes((self.slots - first).min(GROUP));
        let start = self.groups + first * self.slot;
        let addresses = start + layout.bytes();
        GroupAt { layout, start, addresses, excesses: addresses + layout.lanes() * TID_SIZE }
    }
}

/// A group's layout, and where it and its parts are in the tuple.
struct GroupAt {
    layout: GroupLayout,
    start: usize,
    addresses: usize,
    excesses: usize,
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
        (tuple.len() == layout.size
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
        let at = self.layout.vector;
        let mut header = [0; sq8::Header::BYTES];
        header.copy_from_slice(&self.tuple[at..at + sq8::Header::BYTES]);
        let codes = &self.tuple[at + sq8::Header::BYTES..][..self.layout.dimensions()];
        Sq8 { header: sq8::Header::from_bytes(&header), codes }
    }

    /// The fine code of the node's own vector, where there is one.
    #[inline]
    pub fn fine(&self) -> Option<Fine<'a>> {
        let bytes = &self.tuple[self.layout.fine..self.layout.groups];
        let (header, codes) = bytes.split_first_chunk()?;
        Some(Fine { header: FineHeader::from_bytes(header), codes })
    }

    pub fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        let at = self.layout.flags;
        for (word, bytes) in flags.0.iter_mut().zip(self.tuple[at..self.layout.vector].chunks_exact(8)) {
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
        group.groups(&self.tuple[self.layout.groups..], TID_SIZE + EXCESS_SIZE, slots, self.links)
    }

    /// The address of the neighbour in a slot in use.
    #[inline]
    pub fn address(&self, slot: usize) -> IndexTid {
        let Layout { slots, groups, slot: slot_size, .. } = *self.layout;
        let first = slot / GROUP * GROUP;
        let addresses =
            groups + first * slot_size + (slots - first).min(GROUP) * (slot_size - TID_SIZE - EXCESS_SIZE);
        IndexTid::from_bytes(tid_at(self.tuple, addresses + slot % GROUP * TID_SIZE))
    }

    /// Reads one link; its code, as many bytes as a lane has, is put into `code`.
    pub fn link<'c>(&self, slot: usize, code: &'c mut [u8]) -> Neighbour<'c> {
        let group = self.layout.group(slot / GROUP * GROUP);
        let lane = slot % GROUP;
        let factors = group.layout.read_lane(&self.tuple[group.start..group.addresses], lane, code);
        let excess = self.tuple[group.excesses..].as_chunks().0[lane];
        Neighbour { code, factors, excess: bf16::from_le_bytes(excess).to_f32() }
    }

    /// Puts the neighbours' distances in place of what `to` has; `own` is the node's distance to itself.
    pub fn distances_into(&self, own: f32, to: &mut Vec<f32>) {
        to.clear();
        for first in (0..self.links).step_by(GROUP) {
            let group = self.layout.group(first);
            let links = group.layout.lanes().min(self.links - first);
            let (excesses, _) = self.tuple[group.excesses..][..links * EXCESS_SIZE].as_chunks();
            // A bfloat16 is the upper half of the number it stands for.
            let wide = |bytes: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
            to.extend(excesses.iter().map(|bytes| own + wide(bytes)));
        }
    }

    /// Puts the neighbours' addresses in place of what `to` has.
    pub fn neighbours_into(&self, to: &mut Vec<IndexTid>) {
        to.clear();
        for first in (0..self.links).step_by(GROUP) {
            let group = self.layout.group(first);
            let links = group.layout.lanes().min(self.links - first);
            let (addresses, _) = self.tuple[group.addresses..][..links * TID_SIZE].as_chunks();
            to.extend(addresses.iter().map(|&bytes| IndexTid::from_bytes(bytes)));
        }
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
        let at = self.layout.vector;
        let (header, codes) = self.tuple[at..self.layout.fine].split_at_mut(sq8::Header::BYTES);
        header.copy_from_slice(&vector.header.to_bytes());
        codes.copy_from_slice(vector.codes);
    }

    /// Writes the fine code of the node's own vector, where there is room for one.
    pub fn set_fine(&mut self, fine: Fine<'_>) {
        let bytes = &mut self.tuple[self.layout.fine..self.layout.groups];
        if let Some((header, codes)) = bytes.split_first_chunk_mut() {
            *header = fine.header.to_bytes();
            codes.copy_from_slice(fine.codes);
        }
    }

    pub fn set_flags(&mut self, flags: &Flags) {
        let at = self.layout.flags;
        for (word, bytes) in flags.0.iter().zip(self.tuple[at..self.layout.vector].chunks_exact_mut(8)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Writes a neighbour into a slot, the first free one or one in use.
    pub fn set_link(&mut self, slot: usize, neighbour: IndexTid, code: Neighbour<'_>) {
        let group = self.layout.group(slot / GROUP * GROUP);
        let lane = slot % GROUP;
        let codes = &mut self.tuple[group.start..group.addresses];
        group.layout.write_lane(codes, lane, code.code, code.factors);
        let at = group.addresses + lane * TID_SIZE;
        self.tuple[at..at + TID_SIZE].copy_from_slice(&neighbour.to_bytes());
        let at = group.excesses + lane * EXCESS_SIZE;
        self.tuple[at..at + EXCESS_SIZE].copy_from_slice(&bf16::from_f32(code.excess).to_le_bytes());
        if slot >= Header(self.tuple).links() {
            self.header().set_links(slot + 1);
        }
    }

    /// Forgets all links.
    pub fn clear_links(&mut self) {
        self.header().set_links(0);
        let groups = self.layout.groups;
        self.tuple[groups..].fill(0);
        self.set_flags(&Flags::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_design() {
        let shape =
            |dimensions, has_fine| Shape { level_is_base: true, dimensions, bits: Bits::One, has_fine };
        let cases = [
            (384, false, 32, 3),
            (768, false, 28, 2),
            (768, true, 25, 2),
            (1536, false, 31, 1),
            (1536, true, 27, 1),
        ];
        for (dimensions, has_fine, slots, per_page) in cases {
            let found = Layout::slots_for(shape(dimensions, has_fine), 32);
            assert_eq!(found, slots, "{dimensions}");
            assert!(Layout::new(shape(dimensions, has_fine), found).size() <= item_size_for(per_page));
        }
        // A group that the target began is filled, and no other is begun.
        assert_eq!(Layout::slots_for(shape(960, false), 20), 22);
        assert_eq!(Layout::slots_for(shape(1536, true), 16), 16);
        assert_eq!(Layout::slots_for(Shape { bits: Bits::Eight, ..shape(32, false) }, 24), 25);
        // Where a tuple takes several pages, the target stands.
        assert_eq!(Layout::slots_for(shape(16_000, false), 32), 32);
        assert_eq!(Layout::new(shape(16_000, false), 32).pieces(), 9);
        let upper = |dimensions| Shape { level_is_base: false, ..shape(dimensions, true) };
        assert_eq!(Layout::slots_for(upper(1536), 16), 11);
        assert_eq!(Layout::slots_for(upper(384), 16), 14);
        // Two to a page, with fine codes as without; and where they do not fit with them, without.
        assert_eq!(Layout::slots_for(shape(784, true), 32), 23);
        for (dimensions, has_fine) in
            [(512, false), (768, true), (784, true), (832, false), (900, true), (1536, true)]
        {
            assert_eq!(
                Layout::base_shape(dimensions, Bits::One, 32),
                shape(dimensions, has_fine),
                "{dimensions}"
            );
        }
    }

    #[test]
    fn links_are_read_back_in_groups() {
        let shape = Shape { level_is_base: true, dimensions: 100, bits: Bits::Two, has_fine: false };
        let layout = Layout::new(shape, 13);
        let mut tuple = vec![0; layout.size()];
        let mut node = FusedMut { layout: &layout, tuple: &mut tuple };
        node.header().initialise(NodeKind::Fused, 0, None, &[]);
        let code = vec![0x5a; layout.group_layout().lane_bytes()];
        let tid = |slot: u32| IndexTid { block: slot, offset: 1 };
        for slot in 0..13 {
            let factors = Factors { add: slot as f32, rescale: -1.0 };
            node.set_link(
                slot,
                tid(slot as u32),
                Neighbour { code: &code, factors, excess: 0.5 * slot as f32 },
            );
        }
        let mut flags = Flags::default();
        flags.set(12, true);
        node.set_flags(&flags);
        let node = Fused::read(&layout, &tuple).expect("a node");
        let neighbours: Vec<_> = (0..13).map(tid).collect();
        assert_eq!(node.neighbours().collect::<Vec<_>>(), neighbours);
        let mut copied = vec![tid(99)];
        node.neighbours_into(&mut copied);
        assert_eq!(copied, neighbours);
        let mut distances = vec![99.0];
        node.distances_into(-1.0, &mut distances);
        assert_eq!(distances, (0..13).map(|slot| 0.5 * slot as f32 - 1.0).collect::<Vec<_>>());
        assert_eq!(node.link(9, &mut vec![0; code.len()]).excess, 4.5);
        assert_eq!(node.flags(), flags);
        let groups: Vec<_> = node.groups().iter().collect();
        assert_eq!((groups.len(), groups[1].links), (2, 5));
        assert!((0..5).all(|lane| groups[1].factors(lane) == (lane as f32 + 8.0, -1.0)));
        assert!(Fused::read(&layout, &tuple[1..]).is_none());
    }
}
