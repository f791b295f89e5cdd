//! The message a receive function reads from.

use super::RawDatum;
use crate::error;
use pgrx::PgSqlErrorCode::{ERRCODE_DATA_CORRUPTED, ERRCODE_PROTOCOL_VIOLATION};
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pg_sys;
use std::ptr::NonNull;
use std::slice;

/// The message a `recv` function reads from.
pub struct Message(NonNull<pg_sys::StringInfoData>);

// SAFETY: an `internal` argument of a receive function is a StringInfo.
unsafe impl<'fcx> ArgAbi<'fcx> for Message {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        match NonNull::new(RawDatum::of(arg).cast_mut_ptr()) {
            Some(message) => Message(message),
            None => error::raise_message(ERRCODE_DATA_CORRUPTED, "receive function called without a message"),
        }
    }
}

pgrx::impl_sql_translatable!(Message, arg_only = "internal");

impl Message {
    /// A 16-bit integer in network order; an ERROR when the message is too short.
    pub fn read_i16(&mut self) -> i16 {
        // SAFETY: the pointer is a live StringInfo.
        unsafe { pg_sys::pq_getmsgint(self.0.as_ptr(), 2) as i16 }
    }

    /// A 32-bit integer in network order; an ERROR when the message is too short.
    pub fn read_i32(&mut self) -> i32 {
        // SAFETY: the pointer is a live StringInfo.
        unsafe { pg_sys::pq_getmsgint(self.0.as_ptr(), 4) as i32 }
    }

    /// Reads up to `count` words of `size` bytes: fewer if the message ends before.
    pub fn available_words(&mut self, count: usize, size: usize) -> impl ExactSizeIterator<Item = &[u8]> {
        // SAFETY: the pointer is a live StringInfo whose cursor lies within its data; the bytes are only read while
        // `self` is borrowed.
        let bytes = unsafe {
            let info = self.0.as_mut();
            let start = info.data.cast::<u8>().add(info.cursor as usize);
            let available = (info.len - info.cursor).max(0) as usize / size;
            let bytes = slice::from_raw_parts(start, count.min(available) * size);
            info.cursor += bytes.len() as i32;
            bytes
        };
        bytes.chunks_exact(size)
    }

    /// The error of a message that ends early.
    pub fn raise_insufficient(&mut self) -> ! {
        error::raise_message(ERRCODE_PROTOCOL_VIOLATION, "insufficient data left in message")
    }
}
