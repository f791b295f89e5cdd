//! Core's `bit`: a header, then the bits, the first one in the highest bit of the first byte.

use super::{Layout, Palloc, Value, return_palloc};
use std::ptr::NonNull;
use std::slice;

/// The start of a `bit` or `varbit`; the bits follow.
#[repr(C)]
struct Header {
    /// Postgres's length word.
    varlena: u32,
    /// Number of bits.
    length: i32,
}

const HEADER_SIZE: usize = size_of::<Header>();
const _: () = assert!(HEADER_SIZE == 8 && align_of::<Header>() == 4);

/// The layout of a bit string.
pub struct BitLayout;

/// Number of bits, as the header says; 0 if there is none.
///
/// # Safety
/// As for [`Layout::is_whole`].
#[inline]
unsafe fn length(start: NonNull<u8>, size: usize) -> i32 {
    // SAFETY: the header is only read if it is there.
    if size < HEADER_SIZE { 0 } else { unsafe { start.cast::<Header>().as_ref().length } }
}

impl Layout for BitLayout {
    const TYPE: &'static str = "bit";
    /// The number of bits, and the bytes that hold them; bits past the last one are zero.
    type View<'a> = (usize, &'a [u8]);

    #[inline]
    unsafe fn is_whole(start: NonNull<u8>, size: usize) -> bool {
        // SAFETY: passed on to the caller.
        let length = unsafe { length(start, size) };
        usize::try_from(length).is_ok_and(|length| size == HEADER_SIZE + length.div_ceil(8))
    }

    unsafe fn claim(start: NonNull<u8>, size: usize) -> String {
        // SAFETY: passed on to the caller.
        format!("{} bits", unsafe { length(start, size) })
    }

    #[inline]
    unsafe fn view<'a>(start: NonNull<u8>) -> (usize, &'a [u8]) {
        // SAFETY: a whole datum holds that many bits behind its header.
        unsafe {
            let length = start.cast::<Header>().as_ref().length as usize;
            (length, slice::from_raw_parts(start.add(HEADER_SIZE).as_ptr(), length.div_ceil(8)))
        }
    }

    #[inline]
    fn length((length, _): (usize, &[u8])) -> usize {
        length
    }

    fn different_lengths(a: usize, b: usize) -> String {
        format!("different bit lengths {a} and {b}")
    }
}

/// A `bit` or `varbit` argument.
pub type BitString<'a> = Value<'a, BitLayout>;

/// A new `bit(n)` value.
pub struct NewBits(Palloc);

impl NewBits {
    /// One bit per item.
    pub fn from_bits(bits: impl ExactSizeIterator<Item = bool>) -> Self {
        let memory = Palloc::varlena(HEADER_SIZE + bits.len().div_ceil(8));
        // SAFETY: the allocation has room for the header and for every bit; nothing else refers to it.
        let bytes = unsafe {
            memory.0.cast::<Header>().as_mut().length = bits.len() as i32;
            slice::from_raw_parts_mut(memory.0.add(HEADER_SIZE).as_ptr(), bits.len().div_ceil(8))
        };
        for (index, bit) in bits.enumerate() {
            bytes[index / 8] |= u8::from(bit) << (7 - index % 8);
        }
        NewBits(memory)
    }
}

return_palloc!(NewBits, "bit");
