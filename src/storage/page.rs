//! A page's bytes: PostgreSQL's standard layout, read and written without PostgreSQL.
//!
//! ```text
//! 0    header (24 bytes): LSN and checksum, which are PostgreSQL's; pd_lower, pd_upper, pd_special, ...
//! 24   line pointers, 4 bytes each: offset of the item (15 bits), state (2), length (15)
//!      free space, always in one piece between pd_lower and pd_upper
//!      items, from the end of the page downwards, each at a multiple of 8
//! 8184 special area: what kind of page this is, and the mark by which tools know our pages
//! ```
//!
//! Items are removed by closing the gap, so free space is never scattered. An item keeps its line pointer for life; line
//! pointers behind the last item are given up, or a page that once held many small items would never again hold a large
//! one.

/// Size of a page. A server built with another block size is refused when the library is built against it.
pub const PAGE_SIZE: usize = 8192;

const HEADER_SIZE: usize = 24;
const LINE_POINTER_SIZE: usize = 4;
const SPECIAL_SIZE: usize = 8;
const SPECIAL: usize = PAGE_SIZE - SPECIAL_SIZE;
/// Items stand at multiples of this.
const ITEM_ALIGNMENT: usize = 8;

const PD_LOWER: usize = 12;
const PD_UPPER: usize = 14;
const PD_SPECIAL: usize = 16;
const PD_PAGESIZE_VERSION: usize = 18;
/// Page size in the high byte's place, and version 4 of the layout: PostgreSQL 8.3 to 18.
const PAGESIZE_VERSION: u16 = PAGE_SIZE as u16 | 4;

const LP_UNUSED: u32 = 0;
const LP_NORMAL: u32 = 1;

/// The last two bytes of every page of ours, by which tools tell access methods apart.
const PAGE_MARK: u16 = 0xff9d;

/// The largest item a page can hold: 8152 bytes.
pub const MAX_ITEM_SIZE: usize =
    (SPECIAL - HEADER_SIZE - LINE_POINTER_SIZE) / ITEM_ALIGNMENT * ITEM_ALIGNMENT;

/// The largest size of which `count` items fit a page.
pub const fn item_size_for(count: usize) -> usize {
    ((SPECIAL - HEADER_SIZE) / count - LINE_POINTER_SIZE) / ITEM_ALIGNMENT * ITEM_ALIGNMENT
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum PageKind {
    Meta = 1,
    /// Nodes, and pieces of nodes that are larger than a page.
    Nodes = 2,
}

/// A page.
#[repr(C, align(8))]
pub struct Page([u8; PAGE_SIZE]);

impl Page {
    /// A page that was extended but never written.
    pub const NEW: Self = Self([0; PAGE_SIZE]);

    /// An empty page.
    #[inline]
    pub fn new(kind: PageKind) -> Self {
        let mut page = Self::NEW;
        page.initialise(kind);
        page
    }

    /// An empty page of its own.
    pub fn boxed(kind: PageKind) -> Box<Self> {
        Box::new(Self::new(kind))
    }

    /// Makes this an empty page of ours, leaving PostgreSQL's LSN and checksum alone.
    pub fn initialise(&mut self, kind: PageKind) {
        self.0[10..].fill(0);
        self.put(PD_LOWER, HEADER_SIZE as u16);
        self.put(PD_UPPER, SPECIAL as u16);
        self.put(PD_SPECIAL, SPECIAL as u16);
        self.put(PD_PAGESIZE_VERSION, PAGESIZE_VERSION);
        self.put(SPECIAL, kind as u16);
        self.put(SPECIAL + 6, PAGE_MARK);
    }

    /// The page's bytes.
    pub fn bytes(&self) -> &[u8; PAGE_SIZE] {
        &self.0
    }

    /// Whether the page was extended but never written: a crash may leave such pages behind.
    pub fn is_new(&self) -> bool {
        self.get(PD_UPPER) == 0
    }

    /// Whether this is a sound page of the given kind.
    pub fn is(&self, kind: PageKind) -> bool {
        let (lower, upper) = (usize::from(self.get(PD_LOWER)), usize::from(self.get(PD_UPPER)));
        usize::from(self.get(PD_SPECIAL)) == SPECIAL
            && HEADER_SIZE <= lower
            && lower <= upper
            && upper <= SPECIAL
            && self.get(SPECIAL) == kind as u16
            && self.get(SPECIAL + 6) == PAGE_MARK
    }

    /// Number of line pointers, used and unused.
    pub fn line_pointers(&self) -> u16 {
        ((usize::from(self.get(PD_LOWER)).clamp(HEADER_SIZE, SPECIAL) - HEADER_SIZE) / LINE_POINTER_SIZE)
            as u16
    }

    /// The offsets of the items on the page.
    pub fn offsets(&self) -> impl Iterator<Item = u16> + '_ {
        (1..=self.line_pointers()).filter(|&offset| self.extent(offset).is_some())
    }

    /// The item behind a line pointer; `None` if there is none.
    #[inline]
    pub fn item(&self, offset: u16) -> Option<&[u8]> {
        let (start, length) = self.extent(offset)?;
        self.0.get(start..start + length)
    }

    /// The item behind a line pointer, to change; `None` if there is none.
    pub fn item_mut(&mut self, offset: u16) -> Option<&mut [u8]> {
        let (start, length) = self.extent(offset)?;
        self.0.get_mut(start..start + length)
    }

    /// Whether [`add_item`](Self::add_item) has room for `length` bytes.
    pub fn has_room(&self, length: usize) -> bool {
        let pointer = if self.unused_line_pointer().is_some() { 0 } else { LINE_POINTER_SIZE };
        self.free_space() >= length.next_multiple_of(ITEM_ALIGNMENT) + pointer
    }

    /// Bytes between the line pointers and the items.
    pub fn free_space(&self) -> usize {
        usize::from(self.get(PD_UPPER)).saturating_sub(usize::from(self.get(PD_LOWER)))
    }

    /// Adds a zeroed item and returns its line pointer, a formerly used one if there is one. `None` if there is no room.
    pub fn add_item(&mut self, length: usize) -> Option<u16> {
        if !self.has_room(length) {
            return None;
        }
        let offset = self.unused_line_pointer().unwrap_or_else(|| {
            self.put(PD_LOWER, self.get(PD_LOWER) + LINE_POINTER_SIZE as u16);
            self.line_pointers()
        });
        let upper = usize::from(self.get(PD_UPPER)) - length.next_multiple_of(ITEM_ALIGNMENT);
        self.put(PD_UPPER, upper as u16);
        self.0[upper..upper + length.next_multiple_of(ITEM_ALIGNMENT)].fill(0);
        self.put_line_pointer(offset, upper as u32 | LP_NORMAL << 15 | (length as u32) << 17);
        Some(offset)
    }

    /// Removes an item and closes the gap it leaves.
    pub fn remove_item(&mut self, offset: u16) {
        let Some((start, length)) = self.extent(offset) else { return };
        let gap = length.next_multiple_of(ITEM_ALIGNMENT);
        let upper = usize::from(self.get(PD_UPPER));
        if upper > start {
            return;
        }
        self.put_line_pointer(offset, LP_UNUSED);
        self.0.copy_within(upper..start, upper + gap);
        self.put(PD_UPPER, (upper + gap) as u16);
        for other in 1..=self.line_pointers() {
            let pointer = self.line_pointer(other);
            if pointer >> 15 & 3 == LP_NORMAL && ((pointer & 0x7fff) as usize) < start {
                self.put_line_pointer(other, pointer + gap as u32);
            }
        }
        let last =
            (1..=self.line_pointers()).rev().find(|&other| self.line_pointer(other) >> 15 & 3 != LP_UNUSED);
        self.put(PD_LOWER, (HEADER_SIZE + LINE_POINTER_SIZE * usize::from(last.unwrap_or(0))) as u16);
    }

    /// The bytes of a page without items, between header and special area: where the meta page's content stands.
    pub fn content(&self, length: usize) -> Option<&[u8]> {
        (usize::from(self.get(PD_LOWER)) >= HEADER_SIZE + length)
            .then(|| &self.0[HEADER_SIZE..HEADER_SIZE + length])
    }

    /// Writes the content of a page without items, and marks it as used so that full-page images keep it.
    pub fn set_content(&mut self, content: &[u8]) {
        self.0[HEADER_SIZE..HEADER_SIZE + content.len()].copy_from_slice(content);
        self.put(PD_LOWER, (HEADER_SIZE + content.len()) as u16);
    }

    /// Start and length of a tuple's first item in a page whose items all are of tuples of `size` bytes, and of which none was
    /// removed; anything in other pages.
    #[inline]
    pub fn probable_extent(offset: u16, size: usize) -> Option<(usize, usize)> {
        let length = size.min(MAX_ITEM_SIZE);
        let start = SPECIAL.checked_sub(length.next_multiple_of(ITEM_ALIGNMENT) * usize::from(offset))?;
        Some((start, length))
    }

    /// Start and length of the item that a line pointer refers to, if there is one within the page.
    #[inline]
    fn extent_of(pointer: u32) -> Option<(usize, usize)> {
        let (start, state, length) =
            ((pointer & 0x7fff) as usize, pointer >> 15 & 3, (pointer >> 17) as usize);
        (state == LP_NORMAL && start >= HEADER_SIZE && start + length <= SPECIAL).then_some((start, length))
    }

    /// Start and length of an item that lies within the page.
    #[inline]
    fn extent(&self, offset: u16) -> Option<(usize, usize)> {
        if offset == 0 || offset > self.line_pointers() {
            return None;
        }
        Self::extent_of(self.line_pointer(offset))
    }

    fn unused_line_pointer(&self) -> Option<u16> {
        (1..=self.line_pointers()).find(|&offset| self.line_pointer(offset) >> 15 & 3 == LP_UNUSED)
    }

    #[inline]
    fn line_pointer(&self, offset: u16) -> u32 {
        let at = HEADER_SIZE + LINE_POINTER_SIZE * (usize::from(offset) - 1);
        u32::from_ne_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    fn put_line_pointer(&mut self, offset: u16, pointer: u32) {
        let at = HEADER_SIZE + LINE_POINTER_SIZE * (usize::from(offset) - 1);
        self.0[at..at + 4].copy_from_slice(&pointer.to_ne_bytes());
    }

    /// PostgreSQL keeps its own fields in the machine's byte order.
    #[inline]
    fn get(&self, at: usize) -> u16 {
        u16::from_ne_bytes([self.0[at], self.0[at + 1]])
    }

    fn put(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_takes_items_until_it_is_full() {
        let mut page = Page::boxed(PageKind::Nodes);
        assert!(page.is(PageKind::Nodes) && !page.is(PageKind::Meta) && !page.is_new());
        assert_eq!(page.add_item(MAX_ITEM_SIZE + 1), None);
        assert_eq!(page.add_item(4072), Some(1));
        assert_eq!(page.add_item(4072), Some(2));
        assert_eq!(page.add_item(1), None);
        page.remove_item(1);
        assert_eq!(page.add_item(4081), None);
        assert_eq!(page.add_item(4072), Some(1));
    }

    #[test]
    fn items_of_one_size_are_where_they_probably_are() {
        let mut page = Page::boxed(PageKind::Nodes);
        while let Some(offset) = page.add_item(1300) {
            assert_eq!(Page::probable_extent(offset, 1300), page.extent(offset));
        }
        assert_eq!(page.line_pointers(), 6);
        assert_eq!(Page::probable_extent(7, 1300), None);
        // The first of several pieces.
        let mut page = Page::boxed(PageKind::Nodes);
        assert_eq!(page.add_item(MAX_ITEM_SIZE), Some(1));
        assert_eq!(Page::probable_extent(1, 3 * PAGE_SIZE), page.extent(1));
    }

    #[test]
    fn the_largest_item_fits_an_empty_page() {
        let mut page = Page::boxed(PageKind::Nodes);
        assert_eq!(page.add_item(MAX_ITEM_SIZE), Some(1));
        page.remove_item(1);
        (0..50).for_each(|_| assert!(page.add_item(16).is_some()));
        (1..=50).for_each(|offset| page.remove_item(offset));
        assert_eq!(page.add_item(MAX_ITEM_SIZE), Some(1));
    }

    proptest! {
        #[test]
        fn items_keep_their_bytes_and_offsets(steps in prop::collection::vec((1usize..900, 0u16..12), 0..200)) {
            let mut page = Page::boxed(PageKind::Nodes);
            let mut items: Vec<Option<Vec<u8>>> = Vec::new();
            for (step, (length, victim)) in steps.into_iter().enumerate() {
                if step % 3 == 2 {
                    page.remove_item(victim);
                    if let Some(item) = usize::from(victim).checked_sub(1).and_then(|v| items.get_mut(v)) {
                        *item = None;
                    }
                } else if let Some(offset) = page.add_item(length) {
                    let bytes: Vec<u8> = (0..length).map(|i| (i + step) as u8).collect();
                    page.item_mut(offset).expect("just added").copy_from_slice(&bytes);
                    let slot = usize::from(offset) - 1;
                    items.resize_with(items.len().max(slot + 1), || None);
                    prop_assert!(items[slot].is_none());
                    items[slot] = Some(bytes);
                }
                prop_assert!(page.is(PageKind::Nodes));
                for (slot, item) in items.iter().enumerate() {
                    prop_assert_eq!(page.item(slot as u16 + 1), item.as_deref());
                }
            }
        }

        #[test]
        fn a_damaged_page_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 64), at in 0usize..8128) {
            let mut page = Page::boxed(PageKind::Nodes);
            page.add_item(100);
            page.0[at..at + 64].copy_from_slice(&bytes);
            let _ = page.is(PageKind::Nodes);
            let _ = page.content(100);
            for offset in 0..=u16::MAX {
                let _ = page.item(offset);
            }
            let _ = (page.has_room(10), page.offsets().count());
        }
    }
}
