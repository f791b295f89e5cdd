//! Where datums become slices and slices become datums: the only place that knows the byte layout of our types and of the
//! core types their functions take and return.
//!
//! | file | layout of |
//! |---|---|
//! | `dense.rs` | `vector` and `halfvec` |
//! | `sparse.rs` | `sparsevec` |
//! | `bits.rs` | core's `bit` |
//! | `output.rs` | `cstring` and `bytea`: what output and send functions return |
//! | `message.rs` | what receive functions read from |
//!
//! An argument that is stored plainly with a four-byte header is borrowed where it lies; every other form (short header,
//! compressed, out of line) is de-toasted into a copy which is freed with the argument.

mod bits;
mod dense;
mod message;
mod output;
mod sparse;

pub use bits::{BitLayout, BitString, NewBits};
pub use dense::{Dense, DenseElement, HalfVector, NewDense, NewHalfVector, NewVector, Vector};
pub use message::Message;
pub use output::{NewBytes, NewCString, TextBuilder, shortest_text};
pub use sparse::{NewSparseVector, SparseLayout, SparseVector, SparseView};

use crate::error;
use pgrx::PgSqlErrorCode::ERRCODE_DATA_CORRUPTED;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Length word of a plain varlena of `size` bytes in all.
const fn length_word(size: usize) -> u32 {
    if cfg!(target_endian = "little") { (size as u32) << 2 } else { size as u32 }
}

/// Total size from the length word of a plain varlena.
pub(super) const fn size_from_length_word(word: u32) -> usize {
    (if cfg!(target_endian = "little") { word >> 2 } else { word & 0x3fff_ffff }) as usize
}

/// How the bytes of a plain datum of an SQL type are read.
pub trait Layout {
    /// The SQL type's name, for messages.
    const TYPE: &'static str;

    /// What is read: slices into the datum.
    type View<'a>: Copy;

    /// Whether the datum has the size that its header asks for.
    ///
    /// # Safety
    /// `size` bytes can be read at `start`, which is four-byte aligned.
    unsafe fn is_whole(start: NonNull<u8>, size: usize) -> bool;

    /// What a damaged datum claims to hold: `3 dimensions`.
    ///
    /// # Safety
    /// As for [`Layout::is_whole`].
    unsafe fn claim(start: NonNull<u8>, size: usize) -> String;

    /// Reads the datum.
    ///
    /// # Safety
    /// [`Layout::is_whole`] said yes, and the datum stays as it is for `'a`.
    unsafe fn view<'a>(start: NonNull<u8>) -> Self::View<'a>;

    /// The length in which both arguments of a distance must agree.
    fn length(view: Self::View<'_>) -> usize;

    /// The message about lengths that do not.
    fn different_lengths(a: usize, b: usize) -> String {
        format!("different {} dimensions {a} and {b}", Self::TYPE)
    }
}

/// A type whose modifier is a number of dimensions.
pub trait Dimensional: Layout {
    /// The most dimensions there may be.
    const MAX_DIMENSIONS: usize;
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

/// An argument with the layout `L`, checked to be whole.
pub struct Value<'a, L>(Plain<'a>, PhantomData<L>);

impl<L: Layout> Value<'_, L> {
    /// # Safety
    /// `datum` is a non-null datum of the SQL type that `L` describes and stays valid for as long as the result.
    #[inline]
    pub unsafe fn from_datum(datum: pg_sys::Datum) -> Self {
        // SAFETY: passed on to the caller.
        let plain = unsafe { Plain::from_datum(datum) };
        let (start, size) = (plain.start.cast(), plain.size());
        // SAFETY: a plain varlena has as many bytes as its length word says and is four-byte aligned (typalign `i`, and
        // palloc aligns copies).
        unsafe {
            if !L::is_whole(start, size) {
                raise_damaged::<L>(start, size);
            }
        }
        Value(plain, PhantomData)
    }

    /// What the argument holds.
    #[inline]
    pub fn view(&self) -> L::View<'_> {
        // SAFETY: whole, as `from_datum` has checked, and kept by `self`.
        unsafe { L::view(self.0.start.cast()) }
    }
}

// SAFETY: a varlena whose size is checked against what its header claims before it is read.
unsafe impl<'fcx, L: Layout> ArgAbi<'fcx> for Value<'fcx, L> {
    #[inline]
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: strict functions only; Postgres passes a datum of the declared type that outlives the call.
        unsafe { Value::from_datum(RawDatum::of(arg)) }
    }
}

// SAFETY: the argument's datum outlives the call, and a de-toasted copy is left to the caller's memory context.
unsafe impl<L> BoxRet for Value<'_, L> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        let value = ManuallyDrop::new(self);
        // SAFETY: a whole datum.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(value.0.start.as_ptr())) }
    }
}

/// The error of a datum whose size does not fit its header.
///
/// # Safety
/// As for [`Layout::is_whole`].
#[cold]
pub(super) unsafe fn raise_damaged<L: Layout>(start: NonNull<u8>, size: usize) -> ! {
    let name = L::TYPE;
    // SAFETY: passed on to the caller.
    let message = format!("{name} of {} has {size} bytes", unsafe { L::claim(start, size) });
    error::raise(
        error::report(ERRCODE_DATA_CORRUPTED, message)
            .set_detail(format!("The stored value is damaged or was not written as a {name}.")),
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
        unsafe impl pgrx::callconv::BoxRet for $type {
            unsafe fn box_into<'fcx>(
                self,
                fcinfo: &mut pgrx::callconv::FcInfo<'fcx>,
            ) -> pgrx::datum::Datum<'fcx> {
                // SAFETY: passed on to the caller.
                unsafe { self.0.into_datum(fcinfo) }
            }
        }
        pgrx::impl_sql_translatable!($type, $sql);
    };
}
use return_palloc;

/// The type modifier of an attribute, counted from 0: for our types the number of dimensions, or -1.
///
/// # Safety
/// `descriptor` is a valid tuple descriptor with that attribute.
pub unsafe fn attribute_typmod(descriptor: pg_sys::TupleDesc, attribute: usize) -> i32 {
    // SAFETY: passed on to the caller; the copy counts as a reference for as long as it lives.
    let descriptor = unsafe { pgrx::PgTupleDesc::from_pg_copy(descriptor) };
    descriptor.get(attribute).map_or(-1, |attribute| attribute.atttypmod)
}

/// The type of an attribute, counted from 0.
///
/// # Safety
/// As for [`attribute_typmod`].
pub unsafe fn attribute_type(descriptor: pg_sys::TupleDesc, attribute: usize) -> pg_sys::Oid {
    // SAFETY: as in `attribute_typmod`.
    let descriptor = unsafe { pgrx::PgTupleDesc::from_pg_copy(descriptor) };
    descriptor.get(attribute).map_or(pg_sys::InvalidOid, |attribute| attribute.atttypid)
}
