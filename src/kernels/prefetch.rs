//! Asking the CPU for memory before it is needed. Nothing depends on it, and nothing is read: any address will do.

/// Asks for `length` bytes, to be brought into the second cache, where that can be asked for.
///
/// Not into the first: a core waits for a handful of lines at once on behalf of that one, and a node is more than that.
#[inline]
pub fn prefetch_range(start: *const u8, length: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        for at in (0..length).step_by(LINE) {
            // SAFETY: a prefetch reads nothing, whatever the address; SSE is part of every x86-64.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(at).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, length);
}

/// Of the cache.
const LINE: usize = 64;

/// So many parts are asked for one after the other.
const PARTS: usize = 3;

/// Memory that is asked for in parts, with work in between: a core that waits for as many lines as it can stops at the next one.
///
/// Laboratory, 60,000 rows, AVX2, against nodes asked for at once, builds in turns of 500 rows: Fashion-MNIST .963 and .951 of the
/// time, text .981 and .998; a query of Fashion-MNIST at ef 40 83 → 77 us in both runs, of text 64 → 61 and 61 → 55.
#[derive(Clone, Copy, Debug)]
pub struct Prefetch {
    next: *const u8,
    length: usize,
    part: usize,
}

impl Prefetch {
    /// No memory at all.
    pub const NOTHING: Self = Self { next: std::ptr::null(), length: 0, part: 0 };

    /// Memory of which nothing is asked for yet.
    #[inline]
    pub fn new(start: *const u8, length: usize) -> Self {
        Self { next: start, length, part: length.div_ceil(PARTS).next_multiple_of(LINE) }
    }

    /// Asks for the next part, if there is one.
    #[inline]
    pub fn advance(&mut self) {
        let part = self.part.min(self.length);
        prefetch_range(self.next, part);
        self.next = self.next.wrapping_add(part);
        self.length -= part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        for length in 0..5000 {
            let mut memory = Prefetch::new(std::ptr::null(), length);
            memory.advance();
            assert!(length == 0 || memory.length < length);
            (1..PARTS).for_each(|_| memory.advance());
            assert_eq!((memory.next as usize, memory.length), (length, 0));
        }
    }
}
