//! Whole tuples, wherever their pieces are: read, changed, added, removed.

use super::node::{Header, HeaderMut, PIECE, PIECE_HEADER, changes_of};
use super::page::{MAX_ITEM_SIZE, Page};
use super::store::{Error, MAX_CHANGED_PAGES, PageStore, Result};
use super::tid::IndexTid;

/// How often a change to a tuple of several pieces starts again because another change came in between.
const ATTEMPTS: usize = 100;

/// Calls `read` with a tuple's bytes while its page is locked; `None` if there is no item of that address.
///
/// `scratch` is where a tuple of several pieces is put together.
#[inline]
pub fn read_tuple<S: PageStore, R>(
    store: &S,
    tid: IndexTid,
    scratch: &mut Vec<u8>,
    read: impl FnOnce(&[u8]) -> Result<R>,
) -> Result<Option<R>> {
    let page = store.read(tid.block)?;
    let Some(first) = page.item(tid.offset) else { return Ok(None) };
    match pieces_of(first) {
        Pieces::NoNode => Ok(None),
        Pieces::None => read(first).map(Some),
        Pieces::Some(pieces) => {
            gather(store, tid, first, &pieces, scratch)?;
            read(scratch).map(Some)
        }
    }
}

/// Calls `change` with a tuple's bytes, and makes what it did visible and durable at once if it returns `Some`.
///
/// `None` also if there is no item of that address. `change` may be called more than once.
pub fn change_tuple<S: PageStore, R>(
    store: &S,
    tid: IndexTid,
    mut change: impl FnMut(&mut [u8]) -> Result<Option<R>>,
) -> Result<Option<R>> {
    // Whether a tuple has several pieces never changes.
    let mut has_pieces = false;
    let changed = store.change(&[tid.block], |pages| {
        let Some(tuple) = item_mut(pages, 0, tid.offset) else { return Ok(None) };
        match pieces_of(tuple) {
            Pieces::NoNode => Ok(None),
            Pieces::None => change(tuple),
            Pieces::Some(_) => {
                has_pieces = true;
                Ok(None)
            }
        }
    })?;
    if !has_pieces {
        return Ok(changed);
    }
    let mut scratch = Vec::new();
    for _ in 0..ATTEMPTS {
        let pieces = {
            let page = store.read(tid.block)?;
            let Some(first) = page.item(tid.offset) else { return Ok(None) };
            let Pieces::Some(pieces) = pieces_of(first) else { return Ok(None) };
            gather(store, tid, first, &pieces, &mut scratch)?;
            pieces
        };
        let before = scratch.clone();
        let Some(result) = change(&mut scratch)? else { return Ok(None) };
        HeaderMut(&mut scratch).count_change();
        if write_pieces(store, tid, &pieces, &before, &scratch)? {
            return Ok(Some(result));
        }
    }
    Err(Error::Corrupt { at: tid, what: "a node of several pieces changes all the time" })
}

/// Adds a tuple. `fill` gets its zeroed bytes and the addresses of its further pieces.
pub fn add_tuple<S: PageStore>(
    store: &S,
    size: usize,
    pieces: usize,
    fill: impl FnOnce(&mut [u8], &[IndexTid]) -> Result<()>,
) -> Result<IndexTid> {
    if pieces == 0 {
        return store.place(size, |block, page| {
            let (tid, tuple) = new_item(block, page, size)?;
            fill(tuple, &[])?;
            Ok(tid)
        });
    }
    // The first piece is written last: until then nothing refers to the others. Their places are taken first, empty, since
    // the tuple holds their addresses.
    let lengths =
        |index: usize| (size - share_start(index + 1)).min(MAX_ITEM_SIZE - PIECE_HEADER) + PIECE_HEADER;
    let mut places = Vec::with_capacity(pieces);
    for index in 0..pieces {
        places.push(store.place(lengths(index), |block, page| {
            let (tid, piece) = new_item(block, page, lengths(index))?;
            piece[0] = PIECE;
            piece[2..4].copy_from_slice(&(index as u16).to_le_bytes());
            Ok(tid)
        })?);
    }
    let mut tuple = vec![0; size];
    fill(&mut tuple, &places)?;
    for (index, place) in places.iter().enumerate() {
        store.change(&[place.block], |pages| {
            let piece = item_mut(pages, 0, place.offset).ok_or(vanished(*place))?;
            piece[PIECE_HEADER..]
                .copy_from_slice(&tuple[share_start(index + 1)..][..lengths(index) - PIECE_HEADER]);
            Ok(Some(()))
        })?;
    }
    store.place(MAX_ITEM_SIZE, |block, page| {
        let (tid, first) = new_item(block, page, MAX_ITEM_SIZE)?;
        first.copy_from_slice(&tuple[..MAX_ITEM_SIZE]);
        Ok(tid)
    })
}

enum Pieces {
    NoNode,
    None,
    Some(Vec<IndexTid>),
}

/// What the first item of a tuple says of further ones.
#[inline]
fn pieces_of(first: &[u8]) -> Pieces {
    use super::meta::NodeKind::{Fused, Plain};
    match Header::read(first, Fused).or_else(|| Header::read(first, Plain)) {
        None => Pieces::NoNode,
        Some(header) if header.pieces() == 0 => Pieces::None,
        Some(header) => Pieces::Some((0..header.pieces()).map(|index| header.piece(index)).collect()),
    }
}

/// Where the share of item `index` begins in the tuple, the first item having index 0.
fn share_start(index: usize) -> usize {
    if index == 0 { 0 } else { MAX_ITEM_SIZE + (index - 1) * (MAX_ITEM_SIZE - PIECE_HEADER) }
}

/// Puts a tuple together in `scratch` while its first page is held.
fn gather<S: PageStore>(
    store: &S,
    tid: IndexTid,
    first: &[u8],
    pieces: &[IndexTid],
    scratch: &mut Vec<u8>,
) -> Result<()> {
    scratch.clear();
    scratch.extend_from_slice(first);
    for piece in pieces {
        if piece.block == tid.block {
            return Err(Error::Corrupt {
                at: tid,
                what: "a node refers to its own page as its continuation",
            });
        }
        let page = store.read(piece.block)?;
        match page.item(piece.offset) {
            Some(item) if item.len() > PIECE_HEADER && item[0] == PIECE => {
                scratch.extend_from_slice(&item[PIECE_HEADER..]);
            }
            _ => return Err(vanished(*piece)),
        }
    }
    Ok(())
}

/// Writes those pieces that differ; false if the tuple was changed since it was read.
fn write_pieces<S: PageStore>(
    store: &S,
    tid: IndexTid,
    pieces: &[IndexTid],
    before: &[u8],
    after: &[u8],
) -> Result<bool> {
    let share = |index: usize| share_start(index)..share_start(index + 1).min(after.len());
    let changed: Vec<usize> =
        (1..=pieces.len()).filter(|&index| before.get(share(index)) != after.get(share(index))).collect();
    // A change that touches more pages than a record holds is written in several, the first item last: in between, a
    // crash leaves codes that do not match their addresses, which cost a search a detour.
    let (earlier, last) = changed.split_at(changed.len().saturating_sub(MAX_CHANGED_PAGES - 1));
    let write = |indexes: &[usize], with_first: bool| {
        let mut blocks: Vec<u32> = vec![tid.block];
        blocks.extend(indexes.iter().map(|&index| pieces[index - 1].block));
        blocks.dedup();
        store.change(&blocks, |pages| {
            let first = item_mut(pages, 0, tid.offset).ok_or(vanished(tid))?;
            let unchanged = changes_of(first) == changes_of(before);
            if !unchanged {
                return Ok(None);
            }
            if with_first {
                first.copy_from_slice(&after[..first.len()]);
            }
            for &index in indexes {
                let piece = pieces[index - 1];
                let page = blocks.iter().position(|&block| block == piece.block).ok_or(vanished(piece))?;
                let item = item_mut(pages, page, piece.offset).ok_or(vanished(piece))?;
                item[PIECE_HEADER..].copy_from_slice(&after[share(index)]);
            }
            Ok(Some(()))
        })
    };
    for chunk in earlier.chunks(MAX_CHANGED_PAGES - 1) {
        if write(chunk, false)?.is_none() {
            return Ok(false);
        }
    }
    Ok(write(last, true)?.is_some())
}

fn new_item(block: u32, page: &mut Page, length: usize) -> Result<(IndexTid, &mut [u8])> {
    let full =
        Error::Corrupt { at: IndexTid { block, offset: 0 }, what: "a page has less room than it said" };
    let Some(offset) = page.add_item(length) else { return Err(full) };
    match page.item_mut(offset) {
        Some(item) => Ok((IndexTid { block, offset }, item)),
        None => Err(full),
    }
}

fn item_mut<'a>(pages: &'a mut [&mut Page], index: usize, offset: u16) -> Option<&'a mut [u8]> {
    pages.get_mut(index).and_then(|page| page.item_mut(offset))
}

fn vanished(at: IndexTid) -> Error {
    Error::Corrupt { at, what: "a piece of a node is not where the node says" }
}
