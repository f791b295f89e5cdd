//! The bytes of a node's tuple, of either kind: what comes before the kind's own part.
//!
//! ```text
//! offset  size  field
//!      0     1  kind (1 fused, 2 plain; 3 is no node but a piece of a larger one)
//!      1     1  level
//!      2     1  number of heap TIDs (base level)
//!      3     1  state: bit 0 dead (no row is left and none will be added)
//!      4     2  number of links
//!      6     2  number of further pieces
//!      8     6  the same node's tuple one level down (above the base level)
//!     14     2  length of the payload for filters; 0 in this version
//!     16     4  number of changes, counted so that a change to several pieces notices another one in between
//!     20  6x10  heap TIDs (base level only)
//!   then 6 x n  addresses of the further pieces
//!              the kind's own part
//! ```
//!
//! A tuple larger than a page continues in *pieces*, items of their own which begin with eight bytes (kind 3, zero, and
//! the piece's number in the last two of the first four) and are read only through the tuple's first item. All the rest of
//! the code sees one run of bytes.

pub mod fused;
pub mod plain;

use super::meta::NodeKind;
use super::page::MAX_ITEM_SIZE;
use super::tid::{HeapTid, IndexTid, TID_SIZE};

/// Rows with one and the same vector which share a node; pgvector's number, on which its tests depend.
pub const MAX_HEAP_TIDS: usize = 10;

/// What is at `tuple[0]` of a further piece.
pub const PIECE: u8 = 3;

/// Bytes in front of a further piece's share of the tuple.
pub const PIECE_HEADER: usize = 8;

const FIXED: usize = 20;

/// Bytes before the part which depends on the kind, `pieces` being the number of further pieces.
pub fn header_size(level: u8, pieces: usize) -> usize {
    FIXED + if level == 0 { MAX_HEAP_TIDS * TID_SIZE } else { 0 } + pieces * TID_SIZE
}

/// How many further pieces a tuple takes of which all but the pieces' addresses are `size` bytes.
pub fn pieces_for(size: usize) -> usize {
    let mut pieces = 0;
    while size + pieces * TID_SIZE > MAX_ITEM_SIZE + pieces * (MAX_ITEM_SIZE - PIECE_HEADER) {
        pieces += 1;
    }
    pieces
}

/// The common part of a tuple, read.
#[derive(Clone, Copy)]
pub struct Header<'a>(&'a [u8]);

impl<'a> Header<'a> {
    /// The header of a tuple of `kind`; `None` if these bytes are none.
    #[inline]
    pub fn read(tuple: &'a [u8], kind: NodeKind) -> Option<Self> {
        let header = Header(tuple);
        (tuple.len() >= FIXED
            && tuple[0] == kind as u8
            && tuple.len() >= header_size(header.level(), header.pieces())
            && header.heap_tid_count() <= MAX_HEAP_TIDS)
            .then_some(header)
    }

    pub fn level(self) -> u8 {
        self.0[1]
    }

    pub fn heap_tid_count(self) -> usize {
        usize::from(self.0[2])
    }

    pub fn is_dead(self) -> bool {
        self.0[3] & 1 == 1
    }

    /// Number of links.
    pub fn links(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[4], self.0[5]]))
    }

    /// Number of further pieces.
    pub fn pieces(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[6], self.0[7]]))
    }

    pub fn below(self) -> Option<IndexTid> {
        let below = IndexTid::from_bytes(tid_at(self.0, 8));
        (self.level() > 0 && !below.is_none()).then_some(below)
    }

    pub fn heap_tids(self) -> impl Iterator<Item = HeapTid> + use<'a> {
        let count = if self.level() == 0 { self.heap_tid_count() } else { 0 };
        (0..count).map(move |i| HeapTid::from_bytes(tid_at(self.0, FIXED + i * TID_SIZE)))
    }

    /// Address of a further piece, counted from 0.
    pub fn piece(self, index: usize) -> IndexTid {
        IndexTid::from_bytes(tid_at(self.0, header_size(self.level(), index)))
    }
}

/// How often a tuple was changed, as far as that is counted: only if it has several pieces.
pub fn changes_of(tuple: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*tuple.get(16..)?.first_chunk()?))
}

/// The common part of a tuple that [`Header::read`] accepts, to be changed.
pub struct HeaderMut<'a>(pub &'a mut [u8]);

impl HeaderMut<'_> {
    /// Writes the header of a new tuple into zeroed bytes.
    pub fn initialise(&mut self, kind: NodeKind, level: u8, below: Option<IndexTid>, pieces: &[IndexTid]) {
        self.0[0] = kind as u8;
        self.0[1] = level;
        self.0[6..8].copy_from_slice(&(pieces.len() as u16).to_le_bytes());
        self.0[8..14].copy_from_slice(&below.unwrap_or(IndexTid::NONE).to_bytes());
        for (index, piece) in pieces.iter().enumerate() {
            let at = header_size(level, index);
            self.0[at..at + TID_SIZE].copy_from_slice(&piece.to_bytes());
        }
    }

    /// Adds a row. False, and nothing is changed, if the node is full or dead.
    pub fn add_heap_tid(&mut self, tid: HeapTid) -> bool {
        let header = Header(self.0);
        let count = header.heap_tid_count();
        if header.level() > 0 || header.is_dead() || count >= MAX_HEAP_TIDS {
            return false;
        }
        let at = FIXED + count * TID_SIZE;
        self.0[at..at + TID_SIZE].copy_from_slice(&tid.to_bytes());
        self.0[2] = count as u8 + 1;
        true
    }

    /// Removes the rows for which `is_removed` says so, and returns how many.
    pub fn remove_heap_tids(&mut self, mut is_removed: impl FnMut(HeapTid) -> bool) -> usize {
        let before = Header(self.0).heap_tid_count();
        let mut kept = 0;
        for index in 0..before {
            let bytes = tid_at(self.0, FIXED + index * TID_SIZE);
            if !is_removed(HeapTid::from_bytes(bytes)) {
                let at = FIXED + kept * TID_SIZE;
                self.0[at..at + TID_SIZE].copy_from_slice(&bytes);
                kept += 1;
            }
        }
        self.0[FIXED + kept * TID_SIZE..FIXED + before * TID_SIZE].fill(0);
        self.0[2] = kept as u8;
        before - kept
    }

    pub fn heap_tid_count(&self) -> usize {
        Header(self.0).heap_tid_count()
    }

    pub fn set_dead(&mut self) {
        self.0[3] |= 1;
    }

    pub fn set_links(&mut self, links: usize) {
        self.0[4..6].copy_from_slice(&(links as u16).to_le_bytes());
    }

    pub fn count_change(&mut self) {
        let changes = changes_of(self.0).unwrap_or(0).wrapping_add(1);
        self.0[16..20].copy_from_slice(&changes.to_le_bytes());
    }
}

/// Six bytes of a slice that holds them.
#[inline]
fn tid_at(bytes: &[u8], at: usize) -> [u8; TID_SIZE] {
    let mut tid = [0; TID_SIZE];
    tid.copy_from_slice(&bytes[at..at + TID_SIZE]);
    tid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuple_takes_as_many_pieces_as_it_needs() {
        assert_eq!(pieces_for(MAX_ITEM_SIZE), 0);
        assert_eq!(pieces_for(MAX_ITEM_SIZE + 1), 1);
        assert_eq!(pieces_for(2 * MAX_ITEM_SIZE - PIECE_HEADER - TID_SIZE), 1);
        assert_eq!(pieces_for(2 * MAX_ITEM_SIZE - PIECE_HEADER - TID_SIZE + 1), 2);
    }

    #[test]
    fn rows_come_and_go() {
        let mut bytes = vec![0; header_size(0, 0)];
        let mut header = HeaderMut(&mut bytes);
        header.initialise(NodeKind::Plain, 0, None, &[]);
        let tid = |i: u16| HeapTid { block: 7, offset: i + 1 };
        assert!((0..10).all(|i| header.add_heap_tid(tid(i))));
        assert!(!header.add_heap_tid(tid(10)));
        assert_eq!(header.remove_heap_tids(|t| t.offset % 2 == 0), 5);
        let rows: Vec<_> = Header(header.0).heap_tids().map(|t| t.offset).collect();
        assert_eq!(rows, [1, 3, 5, 7, 9]);
        assert_eq!(header.remove_heap_tids(|_| true), 5);
        header.set_dead();
        assert!(!header.add_heap_tid(tid(1)));
    }
}
