//! Removing rows, and the nodes that are left without one, while others search and insert.
//!
//! 1. [`remove_rows`] removes dead rows page by page. A node without rows becomes *dead*, in the same change: it still
//!    helps to navigate, but nobody finds it, adds a row to it or links to it. Then its upper tuples are marked dead.
//! 2. [`clean_up`] waits for the insertions under way, which may have planned links to nodes that died meanwhile.
//!    After that no link to a dead tuple can come into being, so the following is done once for each list.
//! 3. A dead entry point is replaced by the highest live node; each list with links to dead tuples gets new ones.
//! 4. A sweep makes sure that no such link is left, and live nodes to which no path leads any longer get one.
//! 5. The dead tuples are removed, for their places to be used again. A link's code describes what was at its address
//!    when it was written, which is why no place is given away while a link to it exists.
//!
//! # Legal states
//!
//! Each change of a page (or of the few pages of one change) is atomic and leaves a graph that can be searched,
//! inserted into and vacuumed. A crash or an interruption between any two leaves, beyond what an insertion can leave
//! (links back or an entry point's rise that are missing, pieces that belong to no node, a node without its upper
//! tuples):
//!
//! * dead nodes that are not yet repaired around: the next vacuum finds them by their mark and does what is left to do;
//! * a dead node whose upper tuples, live by their mark, are still linked to: the next vacuum follows their `below`;
//! * a dead entry point: searches start at it as at any other node that only helps to navigate;
//! * an empty meta page's entry point while nodes without rows exist: nothing can be found, and there is nothing to find;
//! * dead tuples whose `below` or whose links lead nowhere, or to a new node in a removed one's place: no live tuple and
//!   no entry point leads to them, so nobody comes by; the next vacuum removes them;
//! * pieces of a removed node: the next vacuum removes them, as it does those an insertion left.
//!
//! A search that holds the address of a removed tuple finds nothing there, or another node, whose distance it then learns.
//!
//! # Memory
//!
//! 8 bytes per page and a bit per item for each set: dead items, pieces that may belong to nobody, and, while paths are
//! looked for, items reached and items waiting. While pages are swept for the first time, 20 bytes per tuple above the
//! base level, and 8 per piece of a large tuple. And 16 bytes for each node to which no path leads.

use super::items::{Items, Marks, expect_nodes, for_each_block, for_each_tuple, unreadable};
use super::kind::{Kind, View};
use super::mend::{Mender, Patient};
use super::meta::{META_BLOCK, Meta};
use super::node::{Header, HeaderMut, PIECE};
use super::page::Page;
use super::reach::{Linked, link_others};
use super::store::{Error, PageStore, Result};
use super::tid::{HeapTid, IndexTid};
use crate::hnsw::EntryPoint;

/// How many sweeps may find links to dead tuples. The first one does; the others would mean that insertions were not
/// waited for.
const SWEEPS: usize = 10;

/// What the first sweep removed, and what it learned for the others.
#[derive(Debug)]
pub struct Removed {
    pub rows_left: u64,
    pub rows_removed: u64,
    items: Items,
    dead: Marks,
    /// Pieces to which no tuple referred; insertions may be under way with some of them.
    stray: Marks,
    highest: Option<EntryPoint<IndexTid>>,
}

impl Removed {
    /// Whether [`clean_up`] has something to do.
    pub fn has_remains(&self) -> bool {
        self.dead.count() + self.stray.count() > 0
    }

    fn is_dead(&self, tid: IndexTid) -> bool {
        self.items.number(tid).is_some_and(|number| self.dead.contains(number))
    }

    /// Says that a tuple refers to a piece.
    fn claim(&mut self, piece: IndexTid) {
        if let Some(number) = self.items.number(piece) {
            self.stray.clear(number);
        }
    }

    fn raise(&mut self, id: IndexTid, level: u8) {
        if self.highest.is_none_or(|highest| highest.level < level) {
            self.highest = Some(EntryPoint { id, level });
        }
    }
}

/// What [`clean_up`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Lists that got new links.
    pub repaired: u64,
    pub linked: Linked,
    /// Tuples removed.
    pub removed: u64,
}

/// Removes the rows for which `is_dead` says so, handing it every row once, and marks nodes dead that have none left.
pub fn remove_rows<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    is_dead: &mut dyn FnMut(HeapTid) -> bool,
) -> Result<Removed> {
    let mut removed = Removed {
        rows_left: 0,
        rows_removed: 0,
        items: Items::new(),
        dead: Marks::default(),
        stray: Marks::default(),
        highest: None,
    };
    let mut seen = Seen::default();
    for_each_block(store, |block| {
        let dying = removed.look_at_page(&*store.read(block)?, block, kind, is_dead, &mut seen)?;
        if dying.is_empty() { Ok(()) } else { removed.remove_from_page(store, block, kind, &dying) }
    })?;
    seen.pieces.into_iter().for_each(|piece| removed.claim(piece));
    removed.mark_uppers(store, kind, seen.uppers)?;
    Ok(removed)
}

/// Removes a row, or only what is left of a node without one.
struct Dying {
    offset: u16,
    row: Option<HeapTid>,
}

/// What can be judged only when all pages were seen.
#[derive(Default)]
struct Seen {
    uppers: Vec<Upper>,
    /// Pieces to which tuples refer.
    pieces: Vec<IndexTid>,
}

/// A tuple above the base level.
struct Upper {
    tid: IndexTid,
    below: IndexTid,
    level: u8,
}

impl Removed {
    /// Decides under a share lock, so that pages where nothing is to be removed are neither written nor logged.
    fn look_at_page<K: Kind>(
        &mut self,
        page: &Page,
        block: u32,
        kind: &K,
        is_dead: &mut dyn FnMut(HeapTid) -> bool,
        seen: &mut Seen,
    ) -> Result<Vec<Dying>> {
        let mut dying = Vec::new();
        self.items.add_page(page);
        if page.is_new() {
            return Ok(dying);
        }
        expect_nodes(block, page)?;
        for offset in page.offsets() {
            let tid = IndexTid { block, offset };
            let (Some(item), Some(number)) = (page.item(offset), self.items.number(tid)) else { continue };
            if item.first() == Some(&PIECE) {
                self.stray.set(number);
                continue;
            }
            let header = Header::read(item, kind.node_kind()).ok_or(unreadable(tid))?;
            seen.pieces.extend((0..header.pieces()).map(|index| header.piece(index)));
            let (before, level) = (dying.len(), header.level());
            dying.extend(
                header.heap_tids().filter(|&row| is_dead(row)).map(|row| Dying { offset, row: Some(row) }),
            );
            let left = header.heap_tid_count() - (dying.len() - before);
            self.rows_left += left as u64;
            if header.is_dead() {
                self.dead.set(number);
            } else if let Some(below) = header.below() {
                seen.uppers.push(Upper { tid, below, level });
            } else if left > 0 {
                self.raise(tid, 0);
            } else if header.heap_tid_count() == 0 {
                dying.push(Dying { offset, row: None });
            }
        }
        Ok(dying)
    }

    fn remove_from_page<S: PageStore, K: Kind>(
        &mut self,
        store: &S,
        block: u32,
        kind: &K,
        dying: &[Dying],
    ) -> Result<()> {
        let done = store.change(&[block], |pages| {
            let (mut rows, mut dead) = (0, Vec::new());
            // Rows that were added since the look at this page stay.
            for group in dying.chunk_by(|one, other| one.offset == other.offset) {
                let offset = group[0].offset;
                let Some(item) = pages[0].item_mut(offset) else { continue };
                let has_pieces = match Header::read(item, kind.node_kind()) {
                    Some(header) if header.level() == 0 => header.pieces() > 0,
                    _ => continue,
                };
                let mut header = HeaderMut(&mut *item);
                rows += header.remove_heap_tids(|row| group.iter().any(|dying| dying.row == Some(row)));
                if header.heap_tid_count() == 0 {
                    header.set_dead();
                    dead.push(offset);
                }
                if has_pieces {
                    header.count_change();
                }
            }
            Ok(Some((rows, dead)))
        })?;
        let (rows, dead) = done.unwrap_or_default();
        self.rows_removed += rows as u64;
        for offset in dead {
            self.mark_dead(IndexTid { block, offset });
        }
        Ok(())
    }

    fn mark_dead(&mut self, tid: IndexTid) {
        if let Some(number) = self.items.number(tid) {
            self.dead.set(number);
        }
    }

    /// Marks the dead nodes' tuples above the base level: those which stand above a dead one.
    fn mark_uppers<S: PageStore, K: Kind>(
        &mut self,
        store: &S,
        kind: &K,
        mut uppers: Vec<Upper>,
    ) -> Result<()> {
        uppers.sort_unstable_by_key(|upper| upper.level);
        uppers.retain(|&Upper { tid, below, level }| {
            let is_dead = self.is_dead(below);
            if is_dead {
                self.mark_dead(tid)
            } else {
                self.raise(tid, level)
            }
            is_dead
        });
        uppers.sort_unstable_by_key(|upper| upper.tid);
        for on_page in uppers.chunk_by(|one, other| one.tid.block == other.tid.block) {
            store.check_interrupts()?;
            store.change(&[on_page[0].tid.block], |pages| {
                for upper in on_page {
                    let Some(item) = pages[0].item_mut(upper.tid.offset) else { continue };
                    if Header::read(item, kind.node_kind()).is_some_and(|header| header.level() > 0) {
                        let has_pieces = Header::read(item, kind.node_kind()).is_some_and(|h| h.pieces() > 0);
                        let mut header = HeaderMut(item);
                        header.set_dead();
                        if has_pieces {
                            header.count_change();
                        }
                    }
                }
                Ok(Some(()))
            })?;
        }
        Ok(())
    }
}

/// Takes the dead nodes out of the graph and removes them.
///
/// `barrier` waits until every insertion that has begun by then has ended. `freed` is told of pages that have room for
/// new nodes now, and how many bytes.
pub fn clean_up<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    removed: &mut Removed,
    barrier: &mut dyn FnMut() -> Result<()>,
    freed: &mut dyn FnMut(u32, usize),
) -> Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    if !removed.has_remains() {
        return Ok(cleaned);
    }
    let mut mender = Mender::new(store, kind)?;
    barrier()?;
    settle_entry_point(store, removed)?;
    for _ in 0..SWEEPS {
        // Insertions that still knew the dead entry point may have put nodes above the new one.
        barrier()?;
        let repaired = repair(&mut mender, removed)?;
        settle_entry_point(store, removed)?;
        cleaned.repaired += repaired;
        if repaired == 0 {
            if kind.forces_ways_in() {
                cleaned.linked = link_others(&mut mender, &removed.items)?;
            }
            cleaned.removed = free(store, kind, removed, freed)?;
            return Ok(cleaned);
        }
    }
    let at = IndexTid { block: META_BLOCK, offset: 0 };
    Err(Error::Corrupt { at, what: "links to removed rows do not vanish" })
}

/// Makes the highest live node the entry point if the present one is dead, or lower.
fn settle_entry_point<S: PageStore>(store: &S, removed: &Removed) -> Result<()> {
    let settled = |entry: Option<EntryPoint<IndexTid>>| {
        let live = entry.filter(|entry| !removed.is_dead(entry.id));
        match (live, removed.highest) {
            (Some(live), Some(highest)) if live.level >= highest.level => Some(live),
            (live, highest) => highest.or(live),
        }
    };
    let entry = Meta::expect(&*store.read(META_BLOCK)?)?.entry_point;
    if settled(entry) != entry {
        store.change(&[META_BLOCK], |pages| {
            let mut meta = Meta::expect(pages[0])?;
            meta.entry_point = settled(meta.entry_point);
            meta.write(pages[0]);
            Ok(Some(()))
        })?;
    }
    Ok(())
}

/// Gives new links to every live tuple that is linked to a dead one, and returns how many there were.
fn repair<S: PageStore, K: Kind>(mender: &mut Mender<'_, S, K>, removed: &mut Removed) -> Result<u64> {
    let (store, kind) = (mender.store, mender.kind);
    let mut repaired = 0;
    for_each_block(store, |block| {
        let mut patients = Vec::new();
        for_each_tuple(store, kind, block, |tid, tuple| {
            let header = tuple.header();
            (0..header.pieces()).for_each(|index| removed.claim(header.piece(index)));
            if header.is_dead() {
                return;
            }
            removed.raise(tid, header.level());
            if tuple.neighbours().any(|neighbour| removed.is_dead(neighbour)) {
                patients.push(Patient::of(kind, tid, tuple));
            }
        })?;
        for patient in patients {
            store.check_interrupts()?;
            mender.repair(&patient)?;
            repaired += 1;
        }
        Ok(())
    })?;
    Ok(repaired)
}

/// Removes the dead tuples and the stray pieces, and returns the number of tuples.
fn free<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    removed: &Removed,
    freed: &mut dyn FnMut(u32, usize),
) -> Result<u64> {
    let Removed { items, dead, stray, .. } = removed;
    let mut tuples = 0;
    for block in items.blocks() {
        let dead: Vec<u16> = items.with(dead, true, block).map(|tid| tid.offset).collect();
        let stray: Vec<u16> = items.with(stray, true, block).map(|tid| tid.offset).collect();
        if dead.is_empty() && stray.is_empty() {
            continue;
        }
        store.check_interrupts()?;
        let mut pieces = Vec::new();
        let free = store.change(&[block], |pages| {
            let page = &mut *pages[0];
            for &offset in &dead {
                let header = page.item(offset).and_then(|item| Header::read(item, kind.node_kind()));
                let Some(header) = header.filter(|header| header.is_dead()) else { continue };
                pieces.extend((0..header.pieces()).map(|index| header.piece(index)));
                page.remove_item(offset);
                tuples += 1;
            }
            stray.iter().for_each(|&offset| remove_piece(page, offset));
            Ok(Some(page.free_space()))
        })?;
        free.into_iter().for_each(|free| freed(block, free));
        for piece in pieces {
            let free = store.change(&[piece.block], |pages| {
                remove_piece(pages[0], piece.offset);
                Ok(Some(pages[0].free_space()))
            })?;
            free.into_iter().for_each(|free| freed(piece.block, free));
        }
    }
    Ok(tuples)
}

fn remove_piece(page: &mut Page, offset: u16) {
    if page.item(offset).is_some_and(|item| item.first() == Some(&PIECE)) {
        page.remove_item(offset);
    }
}
