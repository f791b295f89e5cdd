//! Where datums become slices and slices become datums: the only file that knows the byte layout of `vector` and of the
//! core types its functions return.
//!
//! An argument that is stored plainly with a four-byte header is borrowed where it lies; every other form (short header,
//! compressed, out of line) is de-toasted into a copy which is freed with the argument.

use crate::error;
use pgrx::PgSqlErrorCode::ERRCODE_DATA_CORRUPTED;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::slice;

/// The start of a `vector` datum; `dimensions` elements of `f32` follow.
#[repr(C)]
pub(super) struct VectorHeader {
    /// Postgres's length word.
    varlena: u32,
    pub(super) dimensions: u16,
    /// Always zero; part of the binary format.
    unused: u16,
}

pub(super) const HEADER_SIZE: usize = size_of::<VectorHeader>();
const _: () = assert!(HEADER_SIZE == 8 && align_of::<VectorHeader>() == 4);

/// Length word of a plain varlena of `size` bytes in all.
const fn length_word(size: usize) -> u32 {
    if cfg!(target_endian = "little") { (size as u32) << 2 } else { size as u32 }
}

/// Total size from the length word of a plain varlena.
pub(super) const fn size_from_length_word(word: u32) -> usize {
    (if cfg!(target_endian = "little") { word >> 2 } else { word & 0x3fff_ffff }) as usize
}

/// A datum with a plain four-byte header: borrowed, or a de-toasted copy that is freed on drop.
struct Plain<'a> {
    start: NonNull<pg_sys::varlena>,
    is_copy: bool,
    lifetime: PhantomData<&'a [u8]>,
}

impl<'a> Plain<'a> {
    /// # Safety
    /// `datum` is a non-null datum of a varlena type that stays valid for `'a`.
    unsafe fn from_datum(datum: pg_sys::Datum) -> Self {
        let original = datum.cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: the caller vouches for the datum; `pg_detoast_datum` returns it unchanged or as a palloc'd copy.
        let start = unsafe {
            if pgrx::varatt_is_4b_u(original) { original } else { pg_sys::pg_detoast_datum(original) }
        };
        let Some(start) = NonNull::new(start) else {
            error::raise_message(ERRCODE_DATA_CORRUPTED, "datum has no value");
        };
        Plain { start, is_copy: start.as_ptr() != original, lifetime: PhantomData }
    }

    /// Size in bytes, header included.
    fn size(&self) -> usize {
        // SAFETY: a varlena starts with its length word, four-byte aligned.
        size_from_length_word(unsafe { self.start.cast::<u32>().read() })
    }
}

impl Drop for Plain<'_> {
    fn drop(&mut self) {
        if self.is_copy {
            // SAFETY: the copy was palloc'd by `pg_detoast_datum` for this value alone.
            unsafe { pg_sys::pfree(self.start.as_ptr().cast()) }
        }
    }
}

/// A `vector` argument.
pub struct Vector<'a>(Plain<'a>);

impl Vector<'_> {
    /// The elements, at least one.
    #[inline]
    pub fn elements(&self) -> &[f32] {
        let start = self.0.start.cast::<VectorHeader>();
        // SAFETY: `unbox_arg_unchecked` has compared the datum's size with its number of dimensions; the datum is
        // four-byte aligned (typalign `i`, and palloc aligns copies).
        unsafe {
            slice::from_raw_parts(
                start.add(1).cast::<f32>().as_ptr(),
                usize::from((*start.as_ptr()).dimensions),
            )
        }
    }

    /// Number of elements.
    #[inline]
    pub fn dimensions(&self) -> usize {
        self.elements().len()
    }

    /// The header's reserved field, zero in every vector made here.
    pub fn unused(&self) -> u16 {
        // SAFETY: as in `elements`.
        unsafe { (*self.0.start.cast::<VectorHeader>().as_ptr()).unused }
    }
}

// SAFETY: a `vector` argument is a varlena whose size is checked against its dimensions before it is read.
unsafe impl<'fcx> ArgAbi<'fcx> for Vector<'fcx> {
    #[inline]
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: strict functions only; Postgres passes a datum of the declared type that outlives the call.
        unsafe { Vector::from_datum(RawDatum::of(arg)) }
    }
}

impl Vector<'_> {
    /// # Safety
    /// `datum` is a non-null `vector` datum that stays valid for as long as the result.
    #[inline]
    pub unsafe fn from_datum(datum: pg_sys::Datum) -> Self {
        // SAFETY: passed on to the caller.
        let plain = unsafe { Plain::from_datum(datum) };
        let size = plain.size();
        let dimensions = if size < HEADER_SIZE {
            0
        } else {
            // SAFETY: the datum is large enough to hold the header.
            unsafe { plain.start.cast::<VectorHeader>().as_ref().dimensions }
        };
        if dimensions == 0 || size != HEADER_SIZE + 4 * usize::from(dimensions) {
            raise_damaged_vector(size, usize::from(dimensions));
        }
        Vector(plain)
    }
}

// SAFETY: the argument's datum outlives the call, and a de-toasted copy is left to the caller's memory context.
unsafe impl BoxRet for Vector<'_> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        let vector = ManuallyDrop::new(self);
        // SAFETY: a whole `vector` datum.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(vector.0.start.as_ptr())) }
    }
}

pgrx::impl_sql_translatable!(Vector<'_>, "vector");

/// The error of a `vector` whose size does not fit its dimensions.
#[cold]
pub(super) fn raise_damaged_vector(size: usize, dimensions: usize) -> ! {
    let message = format!("vector of {dimensions} dimensions has {size} bytes");
    error::raise(
        error::report(ERRCODE_DATA_CORRUPTED, message)
            .set_detail("The stored value is damaged or was not written as a vector."),
    )
}

/// A datum as it comes, whatever its type.
pub(super) struct RawDatum(pg_sys::Datum);

impl RawDatum {
    /// The argument's datum; null if the argument is.
    #[inline]
    pub(super) fn of(arg: Arg<'_, '_>) -> pg_sys::Datum {
        // SAFETY: the datum is handed on unread.
        unsafe { arg.unbox_arg_using_from_datum::<RawDatum>() }.map_or(pg_sys::Datum::null(), |raw| raw.0)
    }
}

impl pgrx::FromDatum for RawDatum {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        (!is_null).then_some(RawDatum(datum))
    }
}

/// Memory in the current memory context that will be returned as a datum.
struct Palloc(NonNull<u8>);

impl Palloc {
    /// `size` zeroed bytes.
    fn zeroed(size: usize) -> Self {
        // SAFETY: palloc0 returns `size` zeroed bytes, maximally aligned, or raises an error.
        Palloc(unsafe { NonNull::new_unchecked(pg_sys::palloc0(size).cast()) })
    }

    /// As [`Palloc::zeroed`], with the length word of a plain varlena written.
    fn varlena(size: usize) -> Self {
        let memory = Palloc::zeroed(size);
        // SAFETY: every varlena made here is longer than its length word, and palloc aligns for it.
        unsafe { memory.0.cast::<u32>().write(length_word(size)) };
        memory
    }

    unsafe fn into_datum<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the memory belongs to the calling context and holds a value of the function's result type.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.0.as_ptr())) }
    }
}

/// Makes a type returnable whose first field is the [`Palloc`] that holds its value.
macro_rules! return_palloc {
    ($type:ty, $sql:literal) => {
        // SAFETY: the memory was allocated in the caller's context and holds a complete value of the SQL type.
        unsafe impl BoxRet for $type {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
                // SAFETY: passed on to the caller.
                unsafe { self.0.into_datum(fcinfo) }
            }
        }
        pgrx::impl_sql_translatable!($type, $sql);
    };
}

/// A new `vector` in the current memory context, its elements zero until they are set.
pub struct NewVector(Palloc, usize);

impl NewVector {
    /// Most dimensions of a vector.
    pub const MAX_DIMENSIONS: usize = 16_000;

    /// A zero vector. The caller has checked `1 <= dimensions <= MAX_DIMENSIONS`.
    pub fn zeroed(dimensions: usize) -> Self {
        debug_assert!((1..=Self::MAX_DIMENSIONS).contains(&dimensions));
        let memory = Palloc::varlena(HEADER_SIZE + 4 * dimensions);
        // SAFETY: the allocation starts with a header, which only needs its dimensions set.
        unsafe { memory.0.cast::<VectorHeader>().as_mut().dimensions = dimensions as u16 };
        NewVector(memory, dimensions)
    }

    /// A vector of the given elements, as many as [`NewVector::zeroed`] allows.
    pub fn from_elements(elements: impl ExactSizeIterator<Item = f32>) -> Self {
        let mut vector = NewVector::zeroed(elements.len());
        vector.elements_mut().iter_mut().zip(elements).for_each(|(slot, element)| *slot = element);
        vector
    }

    /// The elements.
    pub fn elements_mut(&mut self) -> &mut [f32] {
        // SAFETY: the allocation holds `self.1` elements behind the header and is referenced by nothing else.
        unsafe { slice::from_raw_parts_mut(self.0.0.add(HEADER_SIZE).cast().as_ptr(), self.1) }
    }
}

return_palloc!(NewVector, "vector");

/// A new `bit(n)` value.
pub struct NewBits(Palloc);

impl NewBits {
    /// One bit per item, the first one in the highest bit of the first byte.
    pub fn from_bits(bits: impl ExactSizeIterator<Item = bool>) -> Self {
        const BITS_OFFSET: usize = 8; // length word, then the number of bits
        let memory = Palloc::varlena(BITS_OFFSET + bits.len().div_ceil(8));
        // SAFETY: the allocation has room for the count and for every bit; nothing else refers to it.
        let bytes = unsafe {
            memory.0.cast::<u32>().add(1).write(bits.len() as u32);
            slice::from_raw_parts_mut(memory.0.add(BITS_OFFSET).as_ptr(), bits.len().div_ceil(8))
        };
        for (index, bit) in bits.enumerate() {
            bytes[index / 8] |= u8::from(bit) << (7 - index % 8);
        }
        NewBits(memory)
    }
}

return_palloc!(NewBits, "bit");

/// A new `bytea` value.
pub struct NewBytes(Palloc);

impl NewBytes {
    /// The concatenation of `head` and `tail`.
    pub fn concat(head: &[u8], tail: impl ExactSizeIterator<Item = [u8; 4]>) -> Self {
        const BYTES_OFFSET: usize = 4;
        let size = head.len() + 4 * tail.len();
        let memory = Palloc::varlena(BYTES_OFFSET + size);
        // SAFETY: the allocation has `size` bytes behind the length word; nothing else refers to it.
        let bytes = unsafe { slice::from_raw_parts_mut(memory.0.add(BYTES_OFFSET).as_ptr(), size) };
        let (start, rest) = bytes.split_at_mut(head.len());
        start.copy_from_slice(head);
        rest.chunks_exact_mut(4).zip(tail).for_each(|(slot, word)| slot.copy_from_slice(&word));
        NewBytes(memory)
    }
}

return_palloc!(NewBytes, "bytea");

/// A new `cstring`: what output functions return.
pub struct NewCString(Palloc);

/// Room that the shortest text of one `f32` may need, as Postgres's own printing routine states it.
const FLOAT_SHORTEST_DECIMAL_LEN: usize = 16;

unsafe extern "C" {
    /// Postgres's shortest text that reads back as `value`; returns its length and writes no terminator.
    ///
    /// Declared here rather than through `pg_sys` because it cannot raise an error, so it needs no guard.
    fn float_to_shortest_decimal_bufn(value: f32, result: *mut u8) -> i32;
}

impl NewCString {
    /// `[1,2,3]`, each element as Postgres prints a `real` at its default precision.
    pub fn bracketed(elements: &[f32]) -> Self {
        let memory = Palloc(
            // SAFETY: brackets, terminator, and per element its text and a comma: see the bound on a float's text.
            unsafe {
                NonNull::new_unchecked(
                    pg_sys::palloc(3 + elements.len() * (FLOAT_SHORTEST_DECIMAL_LEN + 1)).cast(),
                )
            },
        );
        let mut end = memory.0;
        // SAFETY: `end` advances over bytes that the allocation above reserved for exactly these writes.
        unsafe {
            end.write(b'[');
            end = end.add(1);
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    end.write(b',');
                    end = end.add(1);
                }
                end = end.add(float_to_shortest_decimal_bufn(*element, end.as_ptr()) as usize);
            }
            end.write(b']');
            end.add(1).write(0);
        }
        NewCString(memory)
    }
}

return_palloc!(NewCString, "cstring");

/// The type modifier of an attribute, counted from 0: for our types the number of dimensions, or -1.
///
/// # Safety
/// `descriptor` is a valid tuple descriptor with that attribute.
pub unsafe fn attribute_typmod(descriptor: pg_sys::TupleDesc, attribute: usize) -> i32 {
    // SAFETY: passed on to the caller; the copy counts as a reference for as long as it lives.
    let descriptor = unsafe { pgrx::PgTupleDesc::from_pg_copy(descriptor) };
    descriptor.get(attribute).map_or(-1, |attribute| attribute.atttypmod)
}

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

    /// Reads up to `count` floats in network order: fewer if the message ends before.
    pub fn available_f32s(&mut self, count: usize) -> impl ExactSizeIterator<Item = f32> {
        // SAFETY: the pointer is a live StringInfo whose cursor lies within its data; the bytes are only read while
        // `self` is borrowed.
        let bytes = unsafe {
            let info = self.0.as_mut();
            let start = info.data.cast::<u8>().add(info.cursor as usize);
            let available = (info.len - info.cursor).max(0) as usize / 4;
            let bytes = slice::from_raw_parts(start, count.min(available) * 4);
            info.cursor += bytes.len() as i32;
            bytes
        };
        bytes.chunks_exact(4).map(|word| f32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    }

    /// The error of a message that ends early.
    pub fn raise_insufficient(&mut self) -> ! {
        error::raise_message(
            pgrx::PgSqlErrorCode::ERRCODE_PROTOCOL_VIOLATION,
            "insufficient data left in message",
        )
    }
}
