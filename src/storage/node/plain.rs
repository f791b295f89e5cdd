//! The plain node: its own value as it is, and its neighbours' addresses. Scoring a neighbour means reading it.
//!
//! After the [common header](super):
//!
//! ```text
//! size        field
//! 4 x d       own value (f32)
//! 6 x slots   addresses of the neighbours' tuples on this level
//! ```

use super::{Header, HeaderMut, header_size, pieces_for, tid_at};
use crate::storage::meta::NodeKind;
use crate::storage::tid::{IndexTid, TID_SIZE};

/// Where everything is in the tuples of one level of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    level_is_base: bool,
    dimensions: usize,
    slots: usize,
    pieces: usize,
}

impl Layout {
    /// The layout of tuples of level 0 (`level_is_base`) or above, with room for `slots` links.
    pub fn new(level_is_base: bool, dimensions: usize, slots: usize) -> Self {
        let mut layout = Self { level_is_base, dimensions, slots, pieces: 0 };
        layout.pieces = pieces_for(layout.size());
        layout
    }

    /// Most links of a tuple.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Number of further pieces of a tuple.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// Size of a tuple.
    pub fn size(&self) -> usize {
        self.addresses() + self.slots * TID_SIZE
    }

    fn value(&self) -> usize {
        header_size(if self.level_is_base { 0 } else { 1 }, self.pieces)
    }

    fn addresses(&self) -> usize {
        self.value() + 4 * self.dimensions
    }
}

/// A plain tuple, read.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    layout: &'a Layout,
    tuple: &'a [u8],
    links: usize,
}

impl<'a> Plain<'a> {
    /// Reads a tuple; `None` if these bytes are none of this layout.
    pub fn read(layout: &'a Layout, tuple: &'a [u8]) -> Option<Self> {
        let header = Header::read(tuple, NodeKind::Plain)?;
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

    /// Copies the node's own value into `out`.
    pub fn value(&self, out: &mut Vec<f32>) {
        let bytes = &self.tuple[self.layout.value()..self.layout.addresses()];
        out.clear();
        out.extend(bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)));
    }

    /// The neighbours' addresses.
    pub fn neighbours(&self) -> impl Iterator<Item = IndexTid> + use<'a> {
        let (tuple, start) = (self.tuple, self.layout.addresses());
        (0..self.links).map(move |slot| IndexTid::from_bytes(tid_at(tuple, start + slot * TID_SIZE)))
    }
}

/// A tuple that [`Plain::read`] accepts, to be changed.
pub struct PlainMut<'a> {
    pub layout: &'a Layout,
    pub tuple: &'a mut [u8],
}

impl PlainMut<'_> {
    pub fn header(&mut self) -> HeaderMut<'_> {
        HeaderMut(self.tuple)
    }

    /// Writes the node's own value.
    pub fn set_value(&mut self, value: &[f32]) {
        let bytes = &mut self.tuple[self.layout.value()..self.layout.addresses()];
        for (slot, x) in bytes.chunks_exact_mut(4).zip(value) {
            slot.copy_from_slice(&x.to_le_bytes());
        }
    }

    /// Writes all links; as many as there are slots for.
    pub fn set_links(&mut self, neighbours: impl Iterator<Item = IndexTid>) {
        let start = self.layout.addresses();
        self.tuple[start..].fill(0);
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

    #[test]
    fn value_and_links_are_read_back() {
        let layout = Layout::new(false, 3, 4);
        let mut tuple = vec![0; layout.size()];
        let below = IndexTid { block: 9, offset: 2 };
        let mut node = PlainMut { layout: &layout, tuple: &mut tuple };
        node.header().initialise(NodeKind::Plain, 2, Some(below), &[]);
        node.set_value(&[1.0, -2.0, 3.5]);
        let links = [1, 2, 3].map(|block| IndexTid { block, offset: 1 });
        node.set_links(links.into_iter());
        let node = Plain::read(&layout, &tuple).expect("a node");
        let mut value = Vec::new();
        node.value(&mut value);
        assert_eq!(value, [1.0, -2.0, 3.5]);
        assert_eq!(node.neighbours().collect::<Vec<_>>(), links);
        assert_eq!((node.header().level(), node.header().below()), (2, Some(below)));
    }
}
