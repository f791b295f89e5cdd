//! `sparsevec`: a header, then the indices of the elements that are not zero, then those elements.

use super::{Dimensional, Layout, Palloc, Value, return_palloc};
use crate::kernels::sparse::Sparse;
use std::ptr::NonNull;
use std::slice;

/// The start of a `sparsevec`; `count` indices and as many values follow.
#[repr(C)]
struct Header {
    /// Postgres's length word.
    varlena: u32,
    dimensions: i32,
    /// How many elements are not zero.
    count: i32,
    /// Always zero; part of the binary format.
    unused: i32,
}

const HEADER_SIZE: usize = size_of::<Header>();
/// An index and a value.
const ELEMENT_SIZE: usize = size_of::<i32>() + size_of::<f32>();
const _: () = assert!(HEADER_SIZE == 16 && align_of::<Header>() == 4 && ELEMENT_SIZE == 8);

/// The layout of a sparse vector.
pub struct SparseLayout;

/// What a `sparsevec` holds.
#[derive(Clone, Copy)]
pub struct SparseView<'a> {
    /// Number of dimensions, at least one.
    pub dimensions: usize,
    /// The elements that are not zero; indices are counted from zero.
    pub elements: Sparse<'a>,
    /// The header's reserved field, zero in every vector made here.
    pub unused: i32,
}

/// Dimensions and count as the header says; zeros if there is none.
///
/// # Safety
/// As for [`Layout::is_whole`].
#[inline]
unsafe fn sizes(start: NonNull<u8>, size: usize) -> (i32, i32) {
    if size < HEADER_SIZE {
        return (0, 0);
    }
    // SAFETY: there is a header.
    let header = unsafe { start.cast::<Header>().as_ref() };
    (header.dimensions, header.count)
}

impl Layout for SparseLayout {
    const TYPE: &'static str = "sparsevec";
    type View<'a> = SparseView<'a>;

    #[inline]
    unsafe fn is_whole(start: NonNull<u8>, size: usize) -> bool {
        // SAFETY: passed on to the caller.
        let (dimensions, count) = unsafe { sizes(start, size) };
        dimensions > 0
            && usize::try_from(count)
                .is_ok_and(|count| size as u64 == (HEADER_SIZE as u64) + 8 * count as u64)
    }

    unsafe fn claim(start: NonNull<u8>, size: usize) -> String {
        // SAFETY: passed on to the caller.
        let (dimensions, count) = unsafe { sizes(start, size) };
        format!("{dimensions} dimensions and {count} non-zero elements")
    }

    #[inline]
    unsafe fn view<'a>(start: NonNull<u8>) -> SparseView<'a> {
        let header = start.cast::<Header>();
        // SAFETY: a whole datum holds that many indices and values behind its header, four-byte aligned.
        unsafe {
            let Header { dimensions, count, unused, .. } = *header.as_ref();
            let indices = header.add(1).cast::<i32>();
            let values = indices.add(count as usize).cast();
            SparseView {
                dimensions: dimensions as usize,
                elements: Sparse {
                    indices: slice::from_raw_parts(indices.as_ptr(), count as usize),
                    values: slice::from_raw_parts(values.as_ptr(), count as usize),
                },
                unused,
            }
        }
    }

    #[inline]
    fn length(view: SparseView<'_>) -> usize {
        view.dimensions
    }
}

impl Dimensional for SparseLayout {
    const MAX_DIMENSIONS: usize = 1_000_000_000;
}

/// A `sparsevec` argument.
pub type SparseVector<'a> = Value<'a, SparseLayout>;

pgrx::impl_sql_translatable!(SparseVector<'_>, "sparsevec");

/// A new `sparsevec` in the current memory context.
pub struct NewSparseVector(Palloc);

impl NewSparseVector {
    /// The most elements that are not zero.
    pub const MAX_ELEMENTS: usize = 16_000;

    /// A vector with these elements, none of them zero, in ascending order of their indices, which count from zero. The
    /// caller has checked the limits.
    pub fn from_elements(dimensions: usize, elements: &[(i32, f32)]) -> Self {
        debug_assert!((1..=SparseLayout::MAX_DIMENSIONS).contains(&dimensions));
        debug_assert!(elements.len() <= Self::MAX_ELEMENTS);
        debug_assert!(elements.is_sorted_by(|a, b| a.0 < b.0) && elements.iter().all(|(_, x)| *x != 0.0));
        let memory = Palloc::varlena(HEADER_SIZE + ELEMENT_SIZE * elements.len());
        // SAFETY: the allocation starts with a header, whose sizes are set, and has room for the elements; nothing else
        // refers to it.
        unsafe {
            let header = memory.0.cast::<Header>().as_mut();
            header.dimensions = dimensions as i32;
            header.count = elements.len() as i32;
            let indices = memory.0.add(HEADER_SIZE).cast::<i32>();
            let values = indices.add(elements.len()).cast::<f32>();
            for (at, &(index, value)) in elements.iter().enumerate() {
                indices.add(at).write(index);
                values.add(at).write(value);
            }
        }
        NewSparseVector(memory)
    }
}

return_palloc!(NewSparseVector, "sparsevec");
