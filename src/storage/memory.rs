//! Pages in private memory: what a build fills before it writes them out, and the bed of the storage layer's tests.

use super::page::{Page, PageKind};
use super::store::{Error, PageStore, Result};
use super::tid::IndexTid;
use crate::kernels::{self, HUGE_PAGE, HugeArray, Prefetch};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Pages are allocated in chunks of so many: what fits a huge page.
const CHUNK: usize = HUGE_PAGE / size_of::<Slot>();

/// Room that is not worth remembering.
const SMALLEST_TUPLE: usize = 64;

type Chunk = HugeArray<Slot, CHUNK>;

/// A page, made when nodes are about to be written to it, which brings it to the cache, and its lock. What is looked at first, the
/// lock, whether there is a page, and the page's header and first line pointers, shares a line of the cache.
#[repr(align(64))]
struct Slot(RwLock<Option<Page>>);

/// The page of a slot; if there was none, an empty one of this kind.
#[inline]
fn made(page: &mut Option<Page>, kind: PageKind) -> &mut Page {
    /// Apart, as it needs a page's size of the stack.
    #[cold]
    #[inline(never)]
    fn make(page: &mut Option<Page>, kind: PageKind) -> &mut Page {
        page.insert(Page::new(kind))
    }
    match page {
        Some(page) => page,
        None => make(page, kind),
    }
}

/// The chunk of a page, and its place there.
#[inline]
fn place_of(block: u32) -> (usize, usize) {
    (block as usize / CHUNK, block as usize % CHUNK)
}

/// A chunk without pages; `None` if there is no memory for it.
fn new_chunk() -> Option<Chunk> {
    HugeArray::new(|| Slot(RwLock::new(None)))
}

/// Pages that many threads read and change at once.
///
/// A page never moves, so taking one needs no lock but its own. Each thread that adds nodes fills a page of its own.
pub struct MemoryPages {
    chunks: Box<[OnceLock<Option<Chunk>>]>,
    used: AtomicU32,
    limit: u32,
    /// For each item size, pages with room for another such item. A thread takes one out while it fills it.
    open: Mutex<BTreeMap<usize, Vec<u32>>>,
    /// Pages where nodes were removed, by their free bytes.
    freed: Mutex<BTreeSet<(usize, u32)>>,
    cancelled: AtomicBool,
}

impl MemoryPages {
    /// An empty store of at most `limit` pages; block 0 exists and is an empty meta page.
    pub fn new(limit: u32) -> Self {
        let chunks = place_of(limit).0 + 1;
        let store = Self {
            chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
            used: AtomicU32::new(0),
            limit: limit.max(1),
            open: Mutex::new(BTreeMap::new()),
            freed: Mutex::new(BTreeSet::new()),
            cancelled: AtomicBool::new(false),
        };
        let _ = store.extend(PageKind::Meta);
        store
    }

    /// Makes every further visit or insertion end with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Bytes of the pages in use.
    pub fn bytes(&self) -> usize {
        self.blocks() as usize * size_of::<Page>()
    }

    /// Says that nodes were removed from a page, which has so many free bytes now.
    pub fn reuse(&self, block: u32, free: usize) {
        self.freed_pages().insert((free, block));
    }

    /// A page where nodes were removed, with room for an item of `length` bytes, as far as is known.
    fn page_to_reuse(&self, length: usize) -> Option<u32> {
        let mut freed = self.freed_pages();
        let fitting = freed.range((length, 0)..).next().copied()?;
        freed.remove(&fitting);
        Some(fitting.1)
    }

    fn extend(&self, kind: PageKind) -> Result<u32> {
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            (used < self.limit).then_some(used + 1)
        });
        let block = taken.map_err(|_| Error::OutOfMemory)?;
        made(&mut *self.write(block)?, kind);
        Ok(block)
    }

    fn open_pages(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<u32>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn freed_pages(&self) -> MutexGuard<'_, BTreeSet<(usize, u32)>> {
        self.freed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn slot(&self, block: u32) -> Result<&Slot> {
        let missing = Error::Corrupt { at: IndexTid { block, offset: 0 }, what: "there is no such page" };
        let (chunk, index) = place_of(block);
        let Some(chunk) = self.chunks.get(chunk) else { return Err(missing) };
        if block >= self.used.load(Ordering::Acquire) {
            return Err(missing);
        }
        let chunk = chunk.get_or_init(new_chunk).as_ref().ok_or(Error::OutOfMemory)?;
        chunk.get(index).ok_or(missing)
    }

    #[inline]
    fn write(&self, block: u32) -> Result<RwLockWriteGuard<'_, Option<Page>>> {
        Ok(self.slot(block)?.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where a page is, if it exists. For hints.
    #[inline]
    fn probable_slot(&self, block: u32) -> Option<&Slot> {
        let (chunk, index) = place_of(block);
        self.chunks.get(chunk)?.get()?.as_ref()?.get(index)
    }
}

/// A page locked against changes.
pub struct MemoryPage<'a>(RwLockReadGuard<'a, Option<Page>>);

impl Deref for MemoryPage<'_> {
    type Target = Page;

    #[inline]
    fn deref(&self) -> &Page {
        self.0.as_ref().unwrap_or(&Page::NEW)
    }
}

impl PageStore for MemoryPages {
    type ReadGuard<'a> = MemoryPage<'a>;

    #[inline]
    fn read(&self, block: u32) -> Result<MemoryPage<'_>> {
        Ok(MemoryPage(self.slot(block)?.0.read().unwrap_or_else(PoisonError::into_inner)))
    }

    #[inline]
    fn prefetch(&self, tid: IndexTid, size: usize) -> Prefetch {
        let Some(slot) = self.probable_slot(tid.block) else { return Prefetch::NOTHING };
        let slot = std::ptr::from_ref(slot).cast::<u8>();
        kernels::prefetch_range(slot, 1);
        // The page begins a few bytes behind its slot, on the same line of the cache.
        match Page::probable_extent(tid.offset, size) {
            Some((start, length)) => Prefetch::new(slot.wrapping_add(start), length),
            None => Prefetch::NOTHING,
        }
    }

    fn announce(&self, _tid: IndexTid) {
        // All pages are here.
    }

    fn change<R>(
        &self,
        blocks: &[u32],
        change: impl FnOnce(&mut [&mut Page]) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        if let &[block] = blocks {
            return change(&mut [made(&mut *self.write(block)?, PageKind::Nodes)]);
        }
        let mut guards = Vec::with_capacity(blocks.len());
        for &block in blocks {
            guards.push(self.write(block)?);
        }
        let mut pages: Vec<&mut Page> = guards.iter_mut().map(|guard| made(guard, PageKind::Nodes)).collect();
        change(&mut pages)
    }

    fn place<R>(&self, length: usize, fill: impl FnOnce(u32, &mut Page) -> Result<R>) -> Result<R> {
        let mut was_freed = false;
        let (block, mut guard) = loop {
            let open = self.open_pages().get_mut(&length).and_then(Vec::pop);
            let Some(block) = open.or_else(|| {
                was_freed = true;
                self.page_to_reuse(length)
            }) else {
                let block = self.extend(PageKind::Nodes)?;
                break (block, self.write(block)?);
            };
            let mut guard = self.write(block)?;
            // A page can be known twice, and have been filled by who knew it first.
            if made(&mut guard, PageKind::Nodes).has_room(length) {
                break (block, guard);
            }
        };
        let page = made(&mut guard, PageKind::Nodes);
        let result = fill(block, page)?;
        let (has_room, free) = (page.has_room(length), page.free_space());
        drop(guard);
        if has_room {
            self.open_pages().entry(length).or_default().push(block);
        } else if was_freed && free >= SMALLEST_TUPLE {
            self.freed_pages().insert((free, block));
        }
        Ok(result)
    }

    fn blocks(&self) -> u32 {
        self.used.load(Ordering::Acquire)
    }

    fn check_interrupts(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::page::PAGE_SIZE;

    #[test]
    fn all_but_the_page_stands_before_it_on_the_line_where_it_begins() {
        let pages = MemoryPages::new(1);
        let slot = pages.slot(0).expect("the meta page");
        let page = std::ptr::from_ref(&*pages.read(0).expect("the meta page")).addr();
        let before = page - std::ptr::from_ref(slot).addr();
        assert_eq!(before + PAGE_SIZE, size_of::<RwLock<Option<Page>>>());
        // The page's header, and the pointers of two nodes.
        assert!(before + 24 + 2 * 4 <= 64, "{before}");
    }
}
