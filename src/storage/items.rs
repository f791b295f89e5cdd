//! Marks on an index's items, a bit each: which are dead, which were reached.
//!
//! [`Items`] numbers the items as one sweep over the pages found them, for 8 bytes per page; each [`Marks`] takes a bit
//! per item. Items added afterwards have no number, and their users say what that means to them.

use super::node::{Header, PIECE};
use super::page::{Page, PageKind};
use super::store::{Error, PageStore, Result};
use super::tid::IndexTid;
use super::{Kind, read_tuple};

/// A numbering of items: page by page, each page's line pointers in order.
#[derive(Debug)]
pub struct Items {
    /// For each block the number of its first item, and at the end that of the next one.
    starts: Vec<u64>,
}

impl Items {
    /// Numbers nothing as yet but the meta page, which has no items.
    pub fn new() -> Self {
        Self { starts: vec![0, 0] }
    }

    /// Numbers the items of the store's pages as they are now.
    pub fn of<S: PageStore>(store: &S) -> Result<Self> {
        let mut items = Self::new();
        for_each_block(store, |block| {
            items.add_page(&*store.read(block)?);
            Ok(())
        })?;
        Ok(items)
    }

    /// Numbers the items of the next page.
    pub fn add_page(&mut self, page: &Page) {
        let count = if page.is(PageKind::Nodes) { page.line_pointers() } else { 0 };
        self.starts.push(self.end() + u64::from(count));
    }

    /// An item's number; `None` if it was not there when they were numbered.
    #[inline]
    pub fn number(&self, tid: IndexTid) -> Option<u64> {
        let numbers = self.on(tid.block);
        let number = numbers.start + u64::from(tid.offset.checked_sub(1)?);
        numbers.contains(&number).then_some(number)
    }

    /// The numbers of a page's items.
    #[inline]
    pub fn on(&self, block: u32) -> std::ops::Range<u64> {
        match self.starts.get(block as usize..) {
            Some([start, end, ..]) => *start..*end,
            _ => 0..0,
        }
    }

    /// The pages whose items are numbered.
    pub fn blocks(&self) -> std::ops::Range<u32> {
        1..(self.starts.len() - 1) as u32
    }

    /// The items of a page that have a mark, or those that have none.
    pub fn with<'a>(
        &'a self,
        marks: &'a Marks,
        marked: bool,
        block: u32,
    ) -> impl Iterator<Item = IndexTid> + 'a {
        let numbers = self.on(block);
        let first = numbers.start;
        numbers
            .filter(move |&number| marks.contains(number) == marked)
            .map(move |number| IndexTid { block, offset: (number - first + 1) as u16 })
    }

    fn end(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }
}

/// A set of item numbers.
#[derive(Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// Sets a mark; false if it was set.
    pub fn set(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// Removes a mark.
    pub fn clear(&mut self, number: u64) {
        if let Some(word) = self.words.get_mut((number / 64) as usize) {
            *word &= !(1 << (number % 64));
        }
    }

    #[inline]
    pub fn contains(&self, number: u64) -> bool {
        self.words.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Number of marks.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// Calls `look` with every page but the meta page once, in order, those added meanwhile included.
pub fn for_each_block<S: PageStore>(store: &S, mut look: impl FnMut(u32) -> Result<()>) -> Result<()> {
    let mut next = 1;
    loop {
        let end = store.blocks();
        if next >= end {
            return Ok(());
        }
        for block in next..end {
            store.check_interrupts()?;
            look(block)?;
        }
        next = end;
    }
}

/// Calls `look` with every tuple of a page, dead ones included, while it is locked against changes.
pub fn for_each_tuple<S: PageStore, K: Kind>(
    store: &S,
    kind: &K,
    block: u32,
    mut look: impl FnMut(IndexTid, K::View<'_>),
) -> Result<()> {
    let mut of_pieces = Vec::new();
    let page = store.read(block)?;
    if page.is_new() {
        return Ok(());
    }
    expect_nodes(block, &page)?;
    for offset in page.offsets() {
        let tid = IndexTid { block, offset };
        let Some(item) = page.item(offset).filter(|item| item.first() != Some(&PIECE)) else { continue };
        let header = Header::read(item, kind.node_kind()).ok_or(unreadable(tid))?;
        if header.pieces() > 0 {
            of_pieces.push((tid, header.level()));
        } else {
            look(tid, kind.view(header.level(), item).ok_or(unreadable(tid))?);
        }
    }
    // A page is not locked a second time while it is locked.
    drop(page);
    let mut scratch = Vec::new();
    for (tid, level) in of_pieces {
        read_tuple(store, tid, &mut scratch, |tuple| {
            look(tid, kind.view(level, tuple).ok_or(unreadable(tid))?);
            Ok(())
        })?;
    }
    Ok(())
}

/// Refuses a page that holds no nodes.
pub fn expect_nodes(block: u32, page: &Page) -> Result<()> {
    let at = IndexTid { block, offset: 0 };
    if page.is(PageKind::Nodes) { Ok(()) } else { Err(Error::Corrupt { at, what: "not a page of nodes" }) }
}

/// The error for an item that should be a tuple.
pub fn unreadable(at: IndexTid) -> Error {
    Error::Corrupt { at, what: "an item is not a node of this index" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_numbered_page_by_page() {
        let mut items = Items::new();
        let tid = |block, offset| IndexTid { block, offset };
        for counts in [3, 0, 2] {
            let mut page = Page::boxed(PageKind::Nodes);
            (0..counts).for_each(|_| assert!(page.add_item(8).is_some()));
            items.add_page(&page);
        }
        assert_eq!(items.blocks(), 1..4);
        let numbers = [tid(1, 1), tid(1, 3), tid(3, 1), tid(3, 2)].map(|tid| items.number(tid));
        assert_eq!(numbers, [Some(0), Some(2), Some(3), Some(4)]);
        for absent in [tid(0, 1), tid(1, 0), tid(1, 4), tid(2, 1), tid(3, 3), tid(4, 1), IndexTid::NONE] {
            assert_eq!(items.number(absent), None);
        }
        let mut marks = Marks::default();
        assert!(marks.set(4) && !marks.set(4) && marks.set(3) && marks.set(1000));
        marks.clear(3);
        assert_eq!(marks.count(), 2);
        assert_eq!(items.with(&marks, true, 3).collect::<Vec<_>>(), [tid(3, 2)]);
        assert_eq!(items.with(&marks, false, 3).collect::<Vec<_>>(), [tid(3, 1)]);
    }
}
