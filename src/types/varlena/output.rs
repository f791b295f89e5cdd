//! What output and send functions return.

use super::{Palloc, return_palloc};
use pgrx::pg_sys;
use std::ptr::NonNull;
use std::slice;

/// A new `bytea` value.
pub struct NewBytes(Palloc);

impl NewBytes {
    /// The concatenation of `head` and `tail`.
    pub fn concat<W: AsRef<[u8]>>(head: &[u8], tail: impl ExactSizeIterator<Item = W>) -> Self {
        const BYTES_OFFSET: usize = 4;
        let size = head.len() + size_of::<W>() * tail.len();
        let memory = Palloc::varlena(BYTES_OFFSET + size);
        // SAFETY: the allocation has `size` bytes behind the length word; nothing else refers to it.
        let bytes = unsafe { slice::from_raw_parts_mut(memory.0.add(BYTES_OFFSET).as_ptr(), size) };
        let (start, rest) = bytes.split_at_mut(head.len());
        start.copy_from_slice(head);
        rest.chunks_exact_mut(size_of::<W>())
            .zip(tail)
            .for_each(|(slot, word)| slot.copy_from_slice(word.as_ref()));
        NewBytes(memory)
    }
}

return_palloc!(NewBytes, "bytea");

/// A new `cstring`: what output functions return.
pub struct NewCString(Palloc);

return_palloc!(NewCString, "cstring");

/// Room that the shortest text of one `f32` may need, as Postgres's own printing routine states it.
const FLOAT_SHORTEST_DECIMAL_LEN: usize = 16;

unsafe extern "C" {
    /// Postgres's shortest text that reads back as `value`; returns its length and writes no terminator.
    ///
    /// Declared here rather than through `pg_sys` because it cannot raise an error, so it needs no guard.
    fn float_to_shortest_decimal_bufn(value: f32, result: *mut u8) -> i32;
}

/// `value` as Postgres prints a `real` at its default precision.
pub fn shortest_text(value: f32) -> String {
    let mut text = [0; FLOAT_SHORTEST_DECIMAL_LEN];
    // SAFETY: there is room for the longest text.
    let length = unsafe { float_to_shortest_decimal_bufn(value, text.as_mut_ptr()) };
    String::from_utf8_lossy(&text[..length as usize]).into_owned()
}

/// A `cstring` that is being written, in the current memory context.
pub struct TextBuilder {
    memory: Palloc,
    length: usize,
    capacity: usize,
}

impl TextBuilder {
    /// An empty text with room for `capacity` bytes; it grows when it must.
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        // SAFETY: palloc returns that many bytes or raises an error.
        let memory = Palloc(unsafe { NonNull::new_unchecked(pg_sys::palloc(capacity).cast()) });
        TextBuilder { memory, length: 0, capacity }
    }

    /// Where the next `count` bytes go.
    #[inline]
    fn reserve(&mut self, count: usize) -> *mut u8 {
        if self.capacity - self.length < count {
            self.capacity = 2 * (self.capacity + count);
            // SAFETY: the memory is ours; repalloc moves it or raises an error.
            self.memory.0 = unsafe {
                NonNull::new_unchecked(pg_sys::repalloc(self.memory.0.as_ptr().cast(), self.capacity).cast())
            };
        }
        // SAFETY: `length` bytes of the memory are written, and there are more.
        unsafe { self.memory.0.as_ptr().add(self.length) }
    }

    /// Appends one character.
    #[inline]
    pub fn push(&mut self, character: u8) {
        // SAFETY: there is room for it.
        unsafe { self.reserve(1).write(character) };
        self.length += 1;
    }

    /// Appends a number as Postgres prints a `real` at its default precision.
    #[inline]
    pub fn push_f32(&mut self, value: f32) {
        let end = self.reserve(FLOAT_SHORTEST_DECIMAL_LEN);
        // SAFETY: there is room for the longest text.
        self.length += unsafe { float_to_shortest_decimal_bufn(value, end) } as usize;
    }

    /// Appends an integer in decimal digits.
    pub fn push_integer(&mut self, value: usize) {
        if value >= 10 {
            self.push_integer(value / 10);
        }
        self.push(b'0' + (value % 10) as u8);
    }

    /// The finished text.
    pub fn finish(mut self) -> NewCString {
        self.push(0);
        NewCString(self.memory)
    }
}
