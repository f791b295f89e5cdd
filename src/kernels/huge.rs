//! Arrays in huge pages, which spare a program that reads all over its memory most of the looking up of addresses.

use std::ops::Deref;
use std::ptr::NonNull;

/// Size of a huge page where they matter most. Where they have another size, nothing is lost but time.
pub const HUGE_PAGE: usize = 2 << 20;

/// An array of at most [`HUGE_PAGE`] bytes, in memory of its own of that size, which the system is asked to back with a huge page.
pub struct HugeArray<T, const N: usize>(NonNull<[T; N]>);

// SAFETY: it owns its elements as a box does.
unsafe impl<T: Send, const N: usize> Send for HugeArray<T, N> {}
// SAFETY: the same.
unsafe impl<T: Sync, const N: usize> Sync for HugeArray<T, N> {}

impl<T, const N: usize> HugeArray<T, N> {
    /// An array of what `element` makes, made in its place; `None` if there is no memory for it.
    pub fn new(element: impl Fn() -> T) -> Option<Self> {
        const { assert!(size_of::<[T; N]>() <= HUGE_PAGE && align_of::<T>() <= HUGE_PAGE) };
        let array = map()?.cast::<[T; N]>();
        for i in 0..N {
            // SAFETY: the element is in memory of ours. If making one panics, memory and elements are leaked.
            unsafe { (&raw mut (*array.as_ptr())[i]).write(element()) };
        }
        Some(Self(array))
    }
}

impl<T, const N: usize> Deref for HugeArray<T, N> {
    type Target = [T; N];

    fn deref(&self) -> &[T; N] {
        // SAFETY: initialised, and ours.
        unsafe { self.0.as_ref() }
    }
}

impl<T, const N: usize> Drop for HugeArray<T, N> {
    fn drop(&mut self) {
        // SAFETY: initialised and mapped by `new`, and nobody has it any longer.
        unsafe {
            self.0.drop_in_place();
            libc::munmap(self.0.as_ptr().cast(), HUGE_PAGE);
        }
    }
}

/// A huge page's size of fresh memory, which begins where a huge page could.
///
/// Not from an allocator: one that aligns keeps what it skips, and the address space counts where PostgreSQL's advice not to
/// overcommit memory is followed.
fn map() -> Option<NonNull<u8>> {
    let (access, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a new mapping touches nothing that there is.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), 2 * HUGE_PAGE, access, private, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let start = start.cast::<u8>();
    // The last page in it: systems that map downwards then put the next one right before it, as part of the same mapping, of which
    // a process may not have many.
    let behind = (start as usize) % HUGE_PAGE;
    let before = HUGE_PAGE - behind;
    let page = start.wrapping_add(before);
    // SAFETY: what is given back, before and behind, is of the new mapping and not of the page; whether it was does not matter.
    // The advice changes nothing that a program can see but time.
    unsafe {
        libc::munmap(start.cast(), before);
        if behind > 0 {
            libc::munmap(page.wrapping_add(HUGE_PAGE).cast(), behind);
        }
        #[cfg(target_os = "linux")]
        libc::madvise(page.cast(), HUGE_PAGE, libc::MADV_HUGEPAGE);
    }
    NonNull::new(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn elements_are_made_in_order_in_aligned_memory_and_dropped_once() {
        let element = Arc::new(7);
        let arrays: Vec<HugeArray<Arc<i32>, 1000>> =
            (0..5).map(|_| HugeArray::new(|| element.clone()).expect("there is memory")).collect();
        assert_eq!(Arc::strong_count(&element), 5001);
        for array in &arrays {
            assert!((array.as_ptr() as usize).is_multiple_of(HUGE_PAGE));
            assert!(array.iter().all(|element| **element == 7));
        }
        drop(arrays);
        assert_eq!(Arc::strong_count(&element), 1);
    }
}
