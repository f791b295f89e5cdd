//! `vector` and `halfvec`: a header, then the elements one after the other.

use super::{Dimensional, Layout, Palloc, Value, return_palloc};
use crate::kernels::Element;
use half::f16;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

/// The start of a dense vector; `dimensions` elements follow.
#[repr(C)]
struct Header {
    /// Postgres's length word.
    varlena: u32,
    dimensions: u16,
    /// Always zero; part of the binary format.
    unused: u16,
}

const HEADER_SIZE: usize = size_of::<Header>();
const _: () = assert!(HEADER_SIZE == 8 && align_of::<Header>() == 4);

/// An element type that has an SQL type of dense vectors.
pub trait DenseElement: Element {
    /// The SQL type.
    const TYPE: &'static str;

    /// An element in network order.
    type Bytes: AsRef<[u8]>;

    /// In network order.
    fn to_be_bytes(self) -> Self::Bytes;

    /// From network order. `bytes` are as many as [`DenseElement::Bytes`] has.
    fn from_be_bytes(bytes: &[u8]) -> Self;
}

impl DenseElement for f32 {
    const TYPE: &'static str = "vector";
    type Bytes = [u8; 4];

    fn to_be_bytes(self) -> [u8; 4] {
        f32::to_be_bytes(self)
    }

    fn from_be_bytes(bytes: &[u8]) -> Self {
        f32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

impl DenseElement for f16 {
    const TYPE: &'static str = "halfvec";
    type Bytes = [u8; 2];

    fn to_be_bytes(self) -> [u8; 2] {
        f16::to_be_bytes(self)
    }

    fn from_be_bytes(bytes: &[u8]) -> Self {
        f16::from_be_bytes([bytes[0], bytes[1]])
    }
}

/// The layout of a dense vector of elements `E`.
pub struct Dense<E>(PhantomData<E>);

/// What the header says; 0 if there is none.
///
/// # Safety
/// As for [`Layout::is_whole`].
#[inline]
unsafe fn dimensions(start: NonNull<u8>, size: usize) -> usize {
    // SAFETY: the header is only read if it is there.
    if size < HEADER_SIZE { 0 } else { usize::from(unsafe { start.cast::<Header>().as_ref().dimensions }) }
}

impl<E: DenseElement> Layout for Dense<E> {
    const TYPE: &'static str = E::TYPE;
    type View<'a> = &'a [E];

    #[inline]
    unsafe fn is_whole(start: NonNull<u8>, size: usize) -> bool {
        // SAFETY: passed on to the caller.
        let dimensions = unsafe { dimensions(start, size) };
        dimensions > 0 && size == HEADER_SIZE + size_of::<E>() * dimensions
    }

    unsafe fn claim(start: NonNull<u8>, size: usize) -> String {
        // SAFETY: passed on to the caller.
        format!("{} dimensions", unsafe { dimensions(start, size) })
    }

    #[inline]
    unsafe fn view<'a>(start: NonNull<u8>) -> &'a [E] {
        let header = start.cast::<Header>();
        // SAFETY: a whole datum holds that many elements behind its header, four-byte aligned.
        unsafe {
            slice::from_raw_parts(header.add(1).cast().as_ptr(), usize::from(header.as_ref().dimensions))
        }
    }

    #[inline]
    fn length(elements: &[E]) -> usize {
        elements.len()
    }
}

impl<E: DenseElement> Dimensional for Dense<E> {
    const MAX_DIMENSIONS: usize = 16_000;
}

/// A `vector` argument.
pub type Vector<'a> = Value<'a, Dense<f32>>;

/// A `halfvec` argument.
pub type HalfVector<'a> = Value<'a, Dense<f16>>;

pgrx::impl_sql_translatable!(Vector<'_>, "vector");
pgrx::impl_sql_translatable!(HalfVector<'_>, "halfvec");

impl<E: DenseElement> Value<'_, Dense<E>> {
    /// The elements, at least one.
    #[inline]
    pub fn elements(&self) -> &[E] {
        self.view()
    }

    /// Number of elements.
    #[inline]
    pub fn dimensions(&self) -> usize {
        self.elements().len()
    }

    /// The header's reserved field, zero in every vector made here.
    pub fn unused(&self) -> u16 {
        // SAFETY: a whole datum starts with a header.
        unsafe { self.0.start.cast::<Header>().as_ref().unused }
    }
}

/// A new dense vector in the current memory context, its elements zero until they are set.
pub struct NewDense<E>(Palloc, usize, PhantomData<E>);

/// A new `vector`.
pub type NewVector = NewDense<f32>;

/// A new `halfvec`.
pub type NewHalfVector = NewDense<f16>;

impl<E: DenseElement> NewDense<E> {
    /// A zero vector. The caller has checked that there may be so many dimensions.
    pub fn zeroed(dimensions: usize) -> Self {
        debug_assert!((1..=Dense::<E>::MAX_DIMENSIONS).contains(&dimensions));
        let memory = Palloc::varlena(HEADER_SIZE + size_of::<E>() * dimensions);
        // SAFETY: the allocation starts with a header, which only needs its dimensions set.
        unsafe { memory.0.cast::<Header>().as_mut().dimensions = dimensions as u16 };
        NewDense(memory, dimensions, PhantomData)
    }

    /// A vector of the given elements, as many as [`NewDense::zeroed`] allows.
    pub fn from_elements(elements: impl ExactSizeIterator<Item = E>) -> Self {
        let mut vector = NewDense::zeroed(elements.len());
        vector.elements_mut().iter_mut().zip(elements).for_each(|(slot, element)| *slot = element);
        vector
    }

    /// The elements.
    pub fn elements_mut(&mut self) -> &mut [E] {
        // SAFETY: the allocation holds `self.1` elements behind the header and is referenced by nothing else; all zeros
        // are an element.
        unsafe { slice::from_raw_parts_mut(self.0.0.add(HEADER_SIZE).cast().as_ptr(), self.1) }
    }
}

return_palloc!(NewVector, "vector");
return_palloc!(NewHalfVector, "halfvec");
