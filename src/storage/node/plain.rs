//! The plain node: its neighbours' addresses, and its own value as it is. Scoring a neighbour means reading it.
//!
//! After the [common header](super):
//!
//! ```text
//! size        field
//! 6 x slots   addresses of the neighbours' tuples on this level
//! 0 or 2      so that the value begins at a multiple of four
//! the rest    own value
//! ```
//!
//! So tuples of one level differ in size where values do. The addresses come first in order to be in the first piece of a
//! tuple of several, whatever the value: a change of links is a change of one page.

use super::{Header, HeaderMut, header_size, pieces_for, tid_at};
use crate::storage::meta::NodeKind;
use crate::storage::tid::{IndexTid, TID_SIZE};

/// Where everything is in the tuples of one level of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    level_is_base: bool,
    slots: usize,
}

impl Layout {
    /// The layout of tuples of level 0 (`level_is_base`) or above, with room for `slots` links.
    pub fn new(level_is_base: bool, slots: usize) -> Self {
        Self { level_is_base, slots }
    }

    /// Most links of a tuple.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Size of a tuple with a value of so many bytes, and the number of its further pieces.
    pub fn size(&self, value: usize) -> (usize, usize) {
        let mut pieces = pieces_for(self.value(0) + value);
        // The addresses of the pieces may need the padding, too.
        while pieces_for(self.value(pieces) + value - pieces * TID_SIZE) > pieces {
            pieces += 1;
        }
        (self.value(pieces) + value, pieces)
    }

    #[inline]
    fn addresses(&self, pieces: usize) -> usize {
        header_size(if self.level_is_base { 0 } else { 1 }, pieces)
    }

    #[inline]
    fn value(&self, pieces: usize) -> usize {
        (self.addresses(pieces) + self.slots * TID_SIZE).next_multiple_of(4)
    }
}

/// A plain tuple, read.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    tuple: &'a [u8],
    links: usize,
    addresses: usize,
    value: usize,
}

impl<'a> Plain<'a> {
    /// Reads a tuple; `None` if these bytes are none of this layout. What they say is the value is not looked at.
    #[inline]
    pub fn read(layout: &Layout, tuple: &'a [u8]) -> Option<Self> {
        let header = Header::read(tuple, NodeKind::Plain)?;
        let (links, pieces) = (header.links(), header.pieces());
        let (addresses, value) = (layout.addresses(pieces), layout.value(pieces));
        (tuple.len() >= value
            && (header.level() == 0) == layout.level_is_base
            && layout.size(tuple.len() - value) == (tuple.len(), pieces)
            && links <= layout.slots)
            .then_some(Self { tuple, links, addresses, value })
    }

    pub fn header(&self) -> Header<'a> {
        Header(self.tuple)
    }

    /// The node's own value.
    #[inline]
    pub fn value(&self) -> &'a [u8] {
        &self.tuple[self.value..]
    }

    /// The neighbours' addresses.
    pub fn neighbours(&self) -> impl Iterator<Item = IndexTid> + use<'a> {
        let (tuple, start) = (self.tuple, self.addresses);
        (0..self.links).map(move |slot| IndexTid::from_bytes(tid_at(tuple, start + slot * TID_SIZE)))
    }
}

/// A tuple with a header of this layout, to be changed.
pub struct PlainMut<'a> {
    pub layout: &'a Layout,
    pub tuple: &'a mut [u8],
}

impl PlainMut<'_> {
    pub fn header(&mut self) -> HeaderMut<'_> {
        HeaderMut(self.tuple)
    }

    fn pieces(&self) -> usize {
        Header(self.tuple).pieces()
    }

    /// Writes the node's own value, as many bytes as the tuple was made for.
    pub fn set_value(&mut self, value: &[u8]) {
        let start = self.layout.value(self.pieces());
        self.tuple[start..].copy_from_slice(value);
    }

    /// Writes all links; as many as there are slots for.
    pub fn set_links(&mut self, neighbours: impl Iterator<Item = IndexTid>) {
        let start = self.layout.addresses(self.pieces());
        self.tuple[start..start + self.layout.slots * TID_SIZE].fill(0);
        let mut count = 0;
        for neighbour in neighbours.take(self.layout.slots) {
            let at = start + count * TID_SIZE;
            self.tuple[at..at + TID_SIZE].copy_from_slice(&neighbour.to_bytes());
            count += 1;
        }
        self.header().set_links(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::node::PIECE_HEADER;
    use crate::storage::page::MAX_ITEM_SIZE;

    #[test]
    fn value_and_links_are_read_back() {
        for length in [0, 1, 12, 8000, 8047, 8048, 30_000, 64_000] {
            let layout = Layout::new(false, 5);
            let (size, pieces) = layout.size(length);
            let mut tuple = vec![0; size];
            let below = IndexTid { block: 9, offset: 2 };
            let places: Vec<_> = (0..pieces as u32).map(|block| IndexTid { block, offset: 7 }).collect();
            let mut node = PlainMut { layout: &layout, tuple: &mut tuple };
            node.header().initialise(NodeKind::Plain, 2, Some(below), &places);
            let value: Vec<u8> = (0..length).map(|byte| byte as u8 | 1).collect();
            node.set_value(&value);
            let links = [1, 2, 3].map(|block| IndexTid { block, offset: 1 });
            node.set_links(links.into_iter());
            let node = Plain::read(&layout, &tuple).expect("a node");
            assert_eq!(node.value(), value);
            assert_eq!(node.neighbours().collect::<Vec<_>>(), links);
            assert_eq!((node.header().level(), node.header().below()), (2, Some(below)));
            assert!(Plain::read(&Layout::new(true, 5), &tuple).is_none());
            assert!(Plain::read(&layout, &tuple[..layout.value(pieces) - 1]).is_none());
        }
    }

    #[test]
    fn tuples_take_as_many_pieces_as_fill_them() {
        for layout in [Layout::new(true, 32), Layout::new(false, 5), Layout::new(true, 200)] {
            for length in 0..40_000 {
                let (size, pieces) = layout.size(length);
                let room = |pieces| MAX_ITEM_SIZE + pieces * (MAX_ITEM_SIZE - PIECE_HEADER);
                assert!(size <= room(pieces), "{length}");
                assert!(pieces == 0 || size > room(pieces - 1), "{length}");
            }
        }
    }
}
