//! An index's pages in PostgreSQL's buffers: pins, content locks, generic WAL records, and where new nodes go.
//!
//! A page is pinned and locked by a guard, which lets go of both when dropped, except while an error is on its way: then
//! PostgreSQL's own clean-up releases them, and must find them as they were (it resets the count of held-off interrupts
//! first, so releasing a lock ourselves would leave that count wrong).

use super::page::{PAGE_SIZE, Page, PageKind};
use super::store::{MAX_CHANGED_PAGES, PageStore, Result};
use super::tid::IndexTid;
use crate::kernels::{self, Prefetch};
use pgrx::pg_sys;
use std::cell::{Cell, OnceCell};
use std::ops::Deref;

const _: () = assert!(PAGE_SIZE == pg_sys::BLCKSZ as usize, "QuartzDB needs a server with 8 kB pages");

/// The main fork of an index that is open and locked as its user needs it.
#[derive(Clone, Copy)]
pub struct Buffers {
    relation: pg_sys::Relation,
}

/// Calls that cannot raise an error, without the guard that `pg_sys` puts around every call.
mod unguarded {
    use pgrx::pg_sys;

    unsafe extern "C" {
        pub fn LockBuffer(buffer: pg_sys::Buffer, mode: core::ffi::c_int);
        pub fn UnlockReleaseBuffer(buffer: pg_sys::Buffer);
    }
}

/// Where this session last saw pages of indexes: a hint that spares looking a buffer up in the table that all sessions share,
/// which is half of what a page visit costs otherwise. The hint may be wrong by now: [`pg_sys::ReadRecentBuffer`] finds out.
struct RecentBuffers {
    hints: Box<[Cell<Hint>]>,
    /// Reads by hint since the last one without.
    streak: Cell<u32>,
}

/// The file is only in the hash by which a hint is found, so a hint may be another file's, too.
#[derive(Clone, Copy, Default)]
struct Hint {
    block: u32,
    /// 0: the page was in none, and was asked for.
    buffer: pg_sys::Buffer,
}

/// Every so many reads of a page go without a hint. A read by hint does not count as a use of the page when PostgreSQL looks
/// for a buffer to evict, and an index that is read all the time is not to look unused.
const LONGEST_STREAK: u32 = 7;

impl RecentBuffers {
    /// Half a megabyte per session that uses an index.
    const BITS: u32 = 16;

    fn with<R>(use_them: impl FnOnce(&Self) -> R) -> R {
        thread_local! {
            static RECENT: OnceCell<RecentBuffers> = const { OnceCell::new() };
        }
        RECENT.with(|recent| {
            use_them(recent.get_or_init(|| RecentBuffers {
                hints: vec![Cell::new(Hint::default()); 1 << Self::BITS].into_boxed_slice(),
                streak: Cell::new(0),
            }))
        })
    }

    #[inline]
    fn slot(&self, file: u32, block: u32) -> &Cell<Hint> {
        let hash = (u64::from(file) << 32 | u64::from(block)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.hints[(hash >> (64 - Self::BITS)) as usize]
    }

    #[inline]
    fn get(&self, file: u32, block: u32) -> Option<pg_sys::Buffer> {
        let hint = self.slot(file, block).get();
        (hint.block == block).then_some(hint.buffer)
    }

    #[inline]
    fn set(&self, file: u32, block: u32, buffer: pg_sys::Buffer) {
        self.slot(file, block).set(Hint { block, buffer });
    }

    /// Whether the next read may use a hint.
    #[inline]
    fn is_trusted(&self) -> bool {
        let streak = self.streak.get();
        self.streak.set(if streak == LONGEST_STREAK { 0 } else { streak + 1 });
        streak < LONGEST_STREAK
    }
}

/// A pinned and locked buffer.
struct Locked(pg_sys::Buffer);

impl Drop for Locked {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: the guard owns one pin and the lock.
            unsafe { unguarded::UnlockReleaseBuffer(self.0) }
        }
    }
}

impl Locked {
    #[inline]
    fn new(relation: pg_sys::Relation, block: u32, mode: u32) -> Self {
        let buffer = Self::pin(relation, block);
        // SAFETY: the buffer is pinned.
        unsafe { unguarded::LockBuffer(buffer, mode as core::ffi::c_int) };
        Locked(buffer)
    }

    #[inline]
    fn pin(relation: pg_sys::Relation, block: u32) -> pg_sys::Buffer {
        RecentBuffers::with(|recent| {
            // SAFETY: the relation is open; a block that does not exist is PostgreSQL's error.
            unsafe {
                let file = file_number(relation);
                if recent.is_trusted()
                    && let Some(buffer) = recent.get(file, block).filter(|&buffer| buffer > 0)
                    && pg_sys::ReadRecentBuffer(
                        locator(relation),
                        pg_sys::ForkNumber::MAIN_FORKNUM,
                        block,
                        buffer,
                    )
                {
                    count_hit(relation);
                    return buffer;
                }
                let buffer = pg_sys::ReadBuffer(relation, block);
                recent.set(file, block, buffer);
                buffer
            }
        })
    }

    #[inline]
    fn page(&self) -> *mut Page {
        // SAFETY: the arithmetic of BufferGetBlock, on a buffer that is pinned. Pages are aligned to at least 8 bytes.
        unsafe {
            if self.0 < 0 {
                (*pg_sys::LocalBufferBlockPointers.offset((-self.0 - 1) as isize)).cast()
            } else {
                pg_sys::BufferBlocks.add((self.0 as usize - 1) * PAGE_SIZE).cast()
            }
        }
    }
}

/// What names the relation's files.
///
/// # Safety
/// The relation is open.
#[cfg(any(feature = "pg14", feature = "pg15"))]
unsafe fn locator(relation: pg_sys::Relation) -> pg_sys::RelFileNode {
    // SAFETY: passed on to the caller.
    unsafe { (*relation).rd_node }
}

/// What names the relation's files.
///
/// # Safety
/// The relation is open.
#[cfg(not(any(feature = "pg14", feature = "pg15")))]
unsafe fn locator(relation: pg_sys::Relation) -> pg_sys::RelFileLocator {
    // SAFETY: passed on to the caller.
    unsafe { (*relation).rd_locator }
}

/// The number that tells the relation's main file from others', in most cases: enough for a hint.
///
/// # Safety
/// The relation is open.
unsafe fn file_number(relation: pg_sys::Relation) -> u32 {
    // SAFETY: passed on to the caller.
    let locator = unsafe { locator(relation) };
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    let number = locator.relNode;
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    let number = locator.relNumber;
    number.into()
}

/// pgstat_count_buffer_read and pgstat_count_buffer_hit, which reading by hint leaves to its caller.
///
/// # Safety
/// The relation is open.
unsafe fn count_hit(relation: pg_sys::Relation) {
    // SAFETY: passed on to the caller. The entry is there once the first read without a hint has made it.
    unsafe {
        let Some(entry) = (*relation).pgstat_info.as_mut() else { return };
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        {
            entry.t_counts.t_blocks_fetched += 1;
            entry.t_counts.t_blocks_hit += 1;
        }
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        {
            entry.counts.blocks_fetched += 1;
            entry.counts.blocks_hit += 1;
        }
    }
}

/// A page under a share lock.
pub struct SharedPage(Locked);

impl Deref for SharedPage {
    type Target = Page;

    #[inline]
    fn deref(&self) -> &Page {
        // SAFETY: pinned and locked against changes for as long as the guard lives.
        unsafe { &*self.0.page() }
    }
}

/// A generic WAL record being put together; aborted unless finished.
struct Record(*mut pg_sys::GenericXLogState);

impl Record {
    fn start(relation: pg_sys::Relation) -> Self {
        // SAFETY: the relation is open.
        Record(unsafe { pg_sys::GenericXLogStart(relation) })
    }

    /// The copy of a page on which changes are made until the record is finished.
    fn register(&mut self, buffer: &Locked, flags: u32) -> *mut Page {
        // SAFETY: the buffer is exclusively locked and registered once; at most four are.
        unsafe { pg_sys::GenericXLogRegisterBuffer(self.0, buffer.0, flags as core::ffi::c_int).cast() }
    }

    /// Applies the changes and logs them.
    fn finish(self) {
        // SAFETY: the state is live; `self` is forgotten, so it is used once.
        unsafe { pg_sys::GenericXLogFinish(self.0) };
        std::mem::forget(self);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: the state is live.
            unsafe { pg_sys::GenericXLogAbort(self.0) }
        }
    }
}

/// Width of the free space map's categories. It rounds room down and needs up; whole nodes fill pages, so what is recorded
/// is rounded up instead, and a page that turns out too full is recorded again, a step lower than it is.
const FREE_SPACE_STEP: usize = 32;

impl Buffers {
    /// In which shared buffer a page probably is. If it is in none, it is asked for, once.
    #[inline]
    fn probable_buffer(&self, block: u32) -> Option<usize> {
        let buffer = RecentBuffers::with(|recent| {
            // SAFETY: the relation is open; a block that does not exist is not read.
            unsafe {
                let file = file_number(self.relation);
                recent.get(file, block).unwrap_or_else(|| {
                    let asked =
                        pg_sys::PrefetchBuffer(self.relation, pg_sys::ForkNumber::MAIN_FORKNUM, block);
                    recent.set(file, block, asked.recent_buffer.max(0));
                    asked.recent_buffer
                })
            }
        });
        (buffer > 0).then(|| buffer as usize - 1)
    }

    /// # Safety
    /// `relation` is an open index of this access method, and stays open while this value or a copy of it is used.
    pub unsafe fn new(relation: pg_sys::Relation) -> Self {
        Self { relation }
    }

    /// Fills a page that has room, in one record.
    fn fill_existing<R>(
        &self,
        buffer: Locked,
        block: u32,
        fill: impl FnOnce(u32, &mut Page) -> Result<R>,
    ) -> Result<R> {
        // SAFETY: exclusively locked.
        let is_new = unsafe { (*buffer.page()).is_new() };
        let mut record = Record::start(self.relation);
        let page = record.register(&buffer, if is_new { pg_sys::GENERIC_XLOG_FULL_IMAGE } else { 0 });
        // SAFETY: the record's copy of the page is ours until it is finished.
        let page = unsafe { &mut *page };
        if is_new {
            page.initialise(PageKind::Nodes);
        }
        let result = fill(block, page)?;
        record.finish();
        drop(buffer);
        self.set_target_block(block);
        Ok(result)
    }

    /// Adds a page at the end and fills it, in one record.
    fn extend<R>(&self, fill: impl FnOnce(u32, &mut Page) -> Result<R>) -> Result<R> {
        let buffer = self.new_buffer();
        // SAFETY: the buffer is pinned.
        let block = unsafe { pg_sys::BufferGetBlockNumber(buffer.0) };
        let mut record = Record::start(self.relation);
        let page = record.register(&buffer, pg_sys::GENERIC_XLOG_FULL_IMAGE);
        // SAFETY: the record's copy of the page is ours until it is finished.
        let page = unsafe { &mut *page };
        page.initialise(PageKind::Nodes);
        let result = fill(block, page)?;
        let free = page.free_space();
        record.finish();
        drop(buffer);
        self.set_target_block(block);
        self.record_free_space(block, free);
        Ok(result)
    }

    #[cfg(any(feature = "pg14", feature = "pg15"))]
    fn new_buffer(&self) -> Locked {
        // SAFETY: the relation is open. The extension lock keeps others from adding the same block.
        unsafe {
            pg_sys::LockRelationForExtension(self.relation, pg_sys::ExclusiveLock as _);
            let buffer = pg_sys::ReadBuffer(self.relation, pg_sys::InvalidBlockNumber);
            unguarded::LockBuffer(buffer, pg_sys::BUFFER_LOCK_EXCLUSIVE as _);
            pg_sys::UnlockRelationForExtension(self.relation, pg_sys::ExclusiveLock as _);
            Locked(buffer)
        }
    }

    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    fn new_buffer(&self) -> Locked {
        // SAFETY: the relation is open.
        unsafe {
            let relation = pg_sys::BufferManagerRelation { rel: self.relation, ..Default::default() };
            Locked(pg_sys::ExtendBufferedRel(
                relation,
                pg_sys::ForkNumber::MAIN_FORKNUM,
                std::ptr::null_mut(),
                pg_sys::ExtendBufferedFlags::EB_LOCK_FIRST,
            ))
        }
    }

    /// The most pages that are added at once. All are locked for a moment, and a session can hold no more than 200 locks.
    pub const ADDED_AT_ONCE: usize = 64;

    /// From one to `most` new pages at the end, which nobody else adds pages to.
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    fn new_buffers(&self, _most: usize) -> Vec<Locked> {
        vec![self.new_buffer()]
    }

    /// From one to `most` new pages at the end, which nobody else adds pages to.
    ///
    /// PostgreSQL writes zeros to add few pages, but only reserves the room for many.
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    fn new_buffers(&self, most: usize) -> Vec<Locked> {
        let mut buffers = vec![0; most.min(Self::ADDED_AT_ONCE)];
        let mut added = 0;
        // SAFETY: the relation is open, and there is room for as many buffers as are asked for.
        unsafe {
            let relation = pg_sys::BufferManagerRelation { rel: self.relation, ..Default::default() };
            pg_sys::ExtendBufferedRelBy(
                relation,
                pg_sys::ForkNumber::MAIN_FORKNUM,
                std::ptr::null_mut(),
                0,
                buffers.len() as u32,
                buffers.as_mut_ptr(),
                &mut added,
            );
        }
        buffers.truncate(added as usize);
        let locked = buffers.into_iter().map(|buffer| {
            // SAFETY: the buffer is pinned.
            unsafe { unguarded::LockBuffer(buffer, pg_sys::BUFFER_LOCK_EXCLUSIVE as _) };
            Locked(buffer)
        });
        locked.collect()
    }

    /// The page this session last put a node on, where the next one goes too if it fits.
    fn target_block(&self) -> Option<u32> {
        // SAFETY: the relation is open; its storage manager's entry, if there is one, is valid until invalidations are
        // processed, which happens in neither line.
        let smgr = unsafe { (*self.relation).rd_smgr };
        if smgr.is_null() {
            return None;
        }
        // SAFETY: as above.
        let block = unsafe { (*smgr).smgr_targblock };
        (block != pg_sys::InvalidBlockNumber).then_some(block)
    }

    fn set_target_block(&self, block: u32) {
        // SAFETY: as in `target_block`.
        unsafe {
            let smgr = (*self.relation).rd_smgr;
            if !smgr.is_null() {
                (*smgr).smgr_targblock = block;
            }
        }
    }

    /// Tells the free space map how much room a page has.
    pub fn record_free_space(&self, block: u32, free: usize) {
        // SAFETY: the relation is open. The map is a hint and not logged.
        unsafe { pg_sys::RecordPageWithFreeSpace(self.relation, block, free + FREE_SPACE_STEP) }
    }

    /// Makes what was recorded of single pages known throughout the free space map.
    pub fn update_free_space_map(&self) {
        // SAFETY: the relation is open.
        unsafe { pg_sys::IndexFreeSpaceMapVacuum(self.relation) }
    }

    /// Logs all pages as they are, unless the index is not logged: the end of a build whose pages were written without a
    /// record each.
    pub fn log_all_pages_if_logged(&self) {
        if !self.needs_wal() {
            return;
        }
        // SAFETY: the relation is open and nobody else can see it yet.
        unsafe {
            let blocks = self.blocks();
            pg_sys::log_newpage_range(self.relation, pg_sys::ForkNumber::MAIN_FORKNUM, 0, blocks, true);
        }
    }

    /// RelationNeedsWAL.
    fn needs_wal(&self) -> bool {
        // SAFETY: the relation is open.
        unsafe {
            let relation = &*self.relation;
            let is_permanent = (*relation.rd_rel).relpersistence as u8 == pg_sys::RELPERSISTENCE_PERMANENT;
            #[cfg(any(feature = "pg14", feature = "pg15"))]
            let first_file = relation.rd_firstRelfilenodeSubid;
            #[cfg(not(any(feature = "pg14", feature = "pg15")))]
            let first_file = relation.rd_firstRelfilelocatorSubid;
            let is_new = relation.rd_createSubid != 0 || first_file != 0;
            is_permanent && (pg_sys::wal_level > pg_sys::WalLevel::WAL_LEVEL_MINIMAL as i32 || !is_new)
        }
    }

    /// Writes the only page of an unlogged index's init fork, which a crash resets the index to.
    pub fn write_init_fork(&self, page: &Page) {
        // SAFETY: the relation is open and its init fork empty. The page is changed and logged within a critical section,
        // as for any logged change: nothing in it can fail short of a panic.
        unsafe {
            let buffer = pg_sys::ReadBufferExtended(
                self.relation,
                pg_sys::ForkNumber::INIT_FORKNUM,
                pg_sys::InvalidBlockNumber,
                pg_sys::ReadBufferMode::RBM_NORMAL,
                std::ptr::null_mut(),
            );
            unguarded::LockBuffer(buffer, pg_sys::BUFFER_LOCK_EXCLUSIVE as _);
            let buffer = Locked(buffer);
            pg_sys::CritSectionCount += 1;
            std::ptr::copy_nonoverlapping(page, buffer.page(), 1);
            pg_sys::MarkBufferDirty(buffer.0);
            pg_sys::log_newpage_buffer(buffer.0, true);
            pg_sys::CritSectionCount -= 1;
        }
    }

    /// Appends finished pages without logging them. The relation is new and nobody else can see it yet.
    pub fn append_unlogged<P: Deref<Target = Page>>(&self, mut pages: &[P]) {
        while !pages.is_empty() {
            let buffers = self.new_buffers(pages.len());
            let (these, rest) = pages.split_at(buffers.len());
            for (buffer, page) in buffers.iter().zip(these) {
                // SAFETY: the buffer is exclusively locked, and as large as a page.
                unsafe {
                    std::ptr::copy_nonoverlapping(&raw const **page, buffer.page(), 1);
                    pg_sys::MarkBufferDirty(buffer.0);
                }
            }
            pages = rest;
        }
    }

    /// Waits until the insertions that are under way have ended. Later ones are not held up.
    pub fn wait_for_insertions(&self) {
        // SAFETY: the relation is open; the lock is released at once.
        unsafe {
            pg_sys::LockPage(self.relation, super::META_BLOCK, pg_sys::ExclusiveLock as _);
            pg_sys::UnlockPage(self.relation, super::META_BLOCK, pg_sys::ExclusiveLock as _);
        }
    }

    /// Runs an insertion such that [`wait_for_insertions`](Self::wait_for_insertions) waits for its end.
    pub fn as_insertion<R>(&self, insert: impl FnOnce() -> R) -> R {
        // SAFETY: the relation is open. An error releases the lock with the transaction's other locks.
        unsafe { pg_sys::LockPage(self.relation, super::META_BLOCK, pg_sys::ShareLock as _) };
        let result = insert();
        // SAFETY: taken above.
        unsafe { pg_sys::UnlockPage(self.relation, super::META_BLOCK, pg_sys::ShareLock as _) };
        result
    }
}

impl PageStore for Buffers {
    type ReadGuard<'a> = SharedPage;

    #[inline]
    fn read(&self, block: u32) -> Result<SharedPage> {
        Ok(SharedPage(Locked::new(self.relation, block, pg_sys::BUFFER_LOCK_SHARE)))
    }

    fn prefetch(&self, tid: IndexTid, size: usize) -> Prefetch {
        let Some(buffer) = self.probable_buffer(tid.block) else { return Prefetch::NOTHING };
        // SAFETY: the arithmetic of GetBufferDescriptor and BufferGetBlock. Neither ever moves, and the number was PostgreSQL's.
        let (descriptor, page) = unsafe {
            (pg_sys::BufferDescriptors.add(buffer), pg_sys::BufferBlocks.add(buffer * PAGE_SIZE).cast::<u8>())
        };
        kernels::prefetch_range(descriptor.cast(), 1);
        kernels::prefetch_range(page, 1);
        match Page::probable_extent(tid.offset, size) {
            Some((start, length)) => Prefetch::new(page.wrapping_add(start), length),
            None => Prefetch::NOTHING,
        }
    }

    fn announce(&self, tid: IndexTid) {
        self.probable_buffer(tid.block);
    }

    fn change<R>(
        &self,
        blocks: &[u32],
        change: impl FnOnce(&mut [&mut Page]) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        debug_assert!(blocks.len() <= MAX_CHANGED_PAGES);
        let buffers: Vec<Locked> = blocks
            .iter()
            .map(|&block| Locked::new(self.relation, block, pg_sys::BUFFER_LOCK_EXCLUSIVE))
            .collect();
        let mut record = Record::start(self.relation);
        // SAFETY: the record's copies of distinct pages are ours until it is finished.
        let mut pages: Vec<&mut Page> =
            buffers.iter().map(|buffer| unsafe { &mut *record.register(buffer, 0) }).collect();
        let result = change(&mut pages)?;
        if result.is_some() {
            record.finish();
        }
        Ok(result)
    }

    fn place<R>(&self, length: usize, fill: impl FnOnce(u32, &mut Page) -> Result<R>) -> Result<R> {
        // SAFETY: the relation is open.
        let from_map = || unsafe { pg_sys::GetPageWithFreeSpace(self.relation, length) };
        let mut candidate = self.target_block().unwrap_or_else(from_map);
        while candidate != pg_sys::InvalidBlockNumber {
            let mut free = 0;
            // After a crash the map may know of pages that do not exist.
            if candidate < self.blocks() {
                let buffer = Locked::new(self.relation, candidate, pg_sys::BUFFER_LOCK_EXCLUSIVE);
                // SAFETY: exclusively locked.
                let seen = unsafe { &*buffer.page() };
                if seen.is_new() || (seen.is(PageKind::Nodes) && seen.has_room(length)) {
                    return self.fill_existing(buffer, candidate, fill);
                }
                free = if seen.is(PageKind::Nodes) { seen.free_space() } else { 0 };
            }
            let rounded = free + FREE_SPACE_STEP;
            let is_offered_again = rounded / FREE_SPACE_STEP >= length.div_ceil(FREE_SPACE_STEP);
            let known = if is_offered_again { length.saturating_sub(2 * FREE_SPACE_STEP) } else { rounded };
            // SAFETY: the relation is open. The map learns that the page has not that much room, so this ends.
            candidate =
                unsafe { pg_sys::RecordAndGetPageWithFreeSpace(self.relation, candidate, known, length) };
        }
        self.extend(fill)
    }

    fn blocks(&self) -> u32 {
        // SAFETY: the relation is open.
        unsafe { pg_sys::RelationGetNumberOfBlocksInFork(self.relation, pg_sys::ForkNumber::MAIN_FORKNUM) }
    }

    #[inline]
    fn check_interrupts(&self) -> Result<()> {
        pgrx::check_for_interrupts!();
        Ok(())
    }
}
