//! What the graph's reader and writer need of whoever keeps the pages: shared buffers, or a build's private memory.

use super::page::Page;
use super::tid::IndexTid;
use crate::kernels::Prefetch;
use std::ops::Deref;

/// Why the graph could not be read or changed.
#[derive(Debug)]
pub enum Error {
    /// A page or an item contradicts the format.
    Corrupt { at: IndexTid, what: &'static str },
    /// A build's memory is used up, or the system's. Nothing was changed.
    OutOfMemory,
    /// Somebody wants the work to stop. Only where that cannot be said by a PostgreSQL error.
    Cancelled,
}

pub type Result<T> = std::result::Result<T, Error>;

/// Pages by number. Block 0 is the meta page; the others hold nodes.
pub trait PageStore {
    /// A page locked against changes.
    type ReadGuard<'a>: Deref<Target = Page>
    where
        Self: 'a;

    /// Locks a page against changes. At most one page at a time is held by a reader, but for the pieces of a node that is
    /// larger than a page, which are read while its first page is held.
    fn read(&self, block: u32) -> Result<Self::ReadGuard<'_>>;

    /// Where a tuple of `size` bytes that will be read soon is, if all of its page are as large. Asks for what leads to it, and locks
    /// nothing that somebody might wait for.
    fn prefetch(&self, tid: IndexTid, size: usize) -> Prefetch;

    /// Says that an item will probably be read, after others, in case its page is still to be fetched from elsewhere.
    fn announce(&self, tid: IndexTid);

    /// Locks up to [`MAX_CHANGED_PAGES`] distinct pages exclusively, in the order given, and hands them to `change`. If it
    /// returns `Some`, what it did to all of them becomes visible and durable at once; otherwise nothing happened.
    fn change<R>(
        &self,
        blocks: &[u32],
        change: impl FnOnce(&mut [&mut Page]) -> Result<Option<R>>,
    ) -> Result<Option<R>>;

    /// Finds or makes a page with room for an item of `length` bytes, and hands it, with its number, to `fill`.
    fn place<R>(&self, length: usize, fill: impl FnOnce(u32, &mut Page) -> Result<R>) -> Result<R>;

    /// Number of pages at this moment.
    fn blocks(&self) -> u32;

    /// Gives way to whoever wants the work to stop.
    fn check_interrupts(&self) -> Result<()>;
}

/// Most pages of one change: what a generic WAL record can hold.
pub const MAX_CHANGED_PAGES: usize = 4;
