//! Arithmetic on slices: distances, codes, rotations. This module knows nothing of vectors as SQL types, of pages or
//! of graphs.
//!
//! | file | what |
//! |---|---|
//! | `scalar.rs` | the reference: its functions define every result. Also what other architectures run: its loops keep several accumulators in fixed-size chunks, which LLVM turns into SSE2 or NEON. |
//! | `avx2.rs`, `avx512.rs` | the same functions in the same order for x86-64 |
//! | `tests.rs` | every set against `scalar.rs` |
//!
//! **Choice of instruction set.** A [`Kernels`] is a table of function pointers, one per kernel. [`active`] picks the
//! best table this CPU can run, once per process; after that a call costs one load, one predictable branch and one
//! indirect call. A loop may hold on to the `&'static Kernels` and call its methods.
//!
//! **Where results may differ between sets.** Sums of floats (distances, dot products, the sums of
//! [`ResidualSums`]) are added in another order and with fused multiply-add where there is one, so they differ by
//! rounding; sums of small integers are exact everywhere. Everything else (codes, planes, sign bits, integer sums,
//! decoding, rotation steps) is equal bit for bit, so an index means the same on a standby with another CPU.
//!
//! **Lengths.** Paired slices have equal lengths: a debug assertion. In a release build the excess is ignored; no
//! length makes a kernel read or write outside its slices.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

/// Declares, for each kernel, its slot in the table, a method of the table and a free function that calls the
/// method of the active table. `where` states the precondition that debug builds check.
macro_rules! kernels {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? where $precondition:expr;
    )*) => {
        /// All kernels for one instruction set.
        ///
        /// Invariant: a `Kernels` leaves this module only after its `available` said yes, so its functions may run.
        pub struct Kernels {
            name: &'static str,
            available: fn() -> bool,
            $( $name: unsafe fn($($ty),*) $(-> $ret)?, )*
        }

        impl Kernels {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $name(&self, $($arg: $ty),*) $(-> $ret)? {
                    debug_assert!($precondition);
                    // SAFETY: the only requirement of these functions is an instruction set, and this table left
                    // the module only because the CPU has it.
                    unsafe { (self.$name)($($arg),*) }
                }
            )*
        }

        $(
            $(#[$doc])*
            #[inline]
            pub fn $name($($arg: $ty),*) $(-> $ret)? {
                active().$name($($arg),*)
            }
        )*
    };
}

kernels! {
    /// Squared Euclidean distance, `sum (a_i - b_i)^2`. Overflows to infinity.
    fn l2_squared(a: &[f32], b: &[f32]) -> f32 where a.len() == b.len();

    /// Inner product, `sum a_i b_i`. Overflows to an infinity.
    fn dot(a: &[f32], b: &[f32]) -> f32 where a.len() == b.len();

    /// Taxicab distance, `sum |a_i - b_i|`. Overflows to infinity.
    fn l1(a: &[f32], b: &[f32]) -> f32 where a.len() == b.len();

    /// `(sum a_i b_i, sum a_i^2, sum b_i^2)` in one pass, for the cosine.
    fn dot_and_norms(a: &[f32], b: &[f32]) -> (f32, f32, f32) where a.len() == b.len();

    /// `sum a_i^2`, squared and added in `f64` as SQL's `vector_norm` wants it: does not overflow.
    fn norm_squared(a: &[f32]) -> f64 where true;
}

/// Every set this build knows, best first.
#[cfg(target_arch = "x86_64")]
static SETS: [&Kernels; 3] = [&avx512::KERNELS, &avx2::KERNELS, &scalar::KERNELS];
#[cfg(not(target_arch = "x86_64"))]
static SETS: [&Kernels; 1] = [&scalar::KERNELS];

/// The best set this CPU can run.
#[inline]
pub fn active() -> &'static Kernels {
    static ACTIVE: OnceLock<&'static Kernels> = OnceLock::new();
    ACTIVE.get_or_init(|| available().next().unwrap_or(&scalar::KERNELS))
}

/// The sets this CPU can run, best first; for tests and benchmarks.
pub fn available() -> impl Iterator<Item = &'static Kernels> {
    SETS.iter().copied().filter(|set| (set.available)())
}

impl Kernels {
    /// The set called `name` (`scalar`, `avx2`, `avx512`), if this CPU can run it; for tests and benchmarks.
    pub fn by_name(name: &str) -> Option<&'static Kernels> {
        available().find(|set| set.name == name)
    }

    /// What this set is called in benchmarks and diagnostics.
    pub fn name(&self) -> &'static str {
        self.name
    }
}
