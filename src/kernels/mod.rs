//! Arithmetic on slices: distances, codes, rotations. This module knows nothing of vectors as SQL types, of pages or
//! of graphs.
//!
//! | file | what |
//! |---|---|
//! | `element.rs` | the types of number that vectors consist of, each with its kernels |
//! | `sparse.rs` | distances of vectors that are mostly zero |
//! | `groups.rs` | how neighbours' codes lie in a node, and what is estimated from them |
//! | `huge.rs` | arrays in huge pages |
//! | `prefetch.rs` | asking for memory before it is needed |
//! | `scalar.rs` | the reference: its functions define every result. Also what other architectures run: its loops keep several accumulators in fixed-size chunks, which LLVM turns into SSE2 or NEON. |
//! | `avx2.rs`, `avx512.rs` | the same functions in the same order for x86-64 |
//! | `tests.rs` | every set against `scalar.rs` |
//!
//! **Choice of instruction set.** A [`Kernels`] is a table of function pointers, one per kernel. [`active`] picks the
//! best table this CPU can run, once per process; after that a call costs a load or two, a predictable branch and an
//! indirect call. A loop may hold on to the `&'static Kernels` and call its methods.
//!
//! **Where results may differ between sets.** Sums of floats (distances, dot products, the sums of
//! [`ResidualSums`]) are added in another order and with fused multiply-add where there is one, so they differ by
//! rounding; sums of small integers are exact everywhere. Everything else (codes, planes, sign bits, integer sums,
//! decoding, rotation steps) is equal bit for bit, so an index means the same on a standby with another CPU.
//!
//! **Lengths.** Paired slices have equal lengths: a debug assertion. In a release build the excess is ignored or the
//! call panics; no length makes a kernel read or write outside its slices. Nothing needs alignment: codes are read
//! straight from a page.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod element;
mod groups;
mod huge;
mod prefetch;
mod scalar;
pub mod sparse;
#[cfg(test)]
mod tests;

pub use element::Element;
pub use groups::{Arranged, Estimates, GROUP, Group, Groups, MAX_ESTIMATES, MAX_WORDS, Own, QueryQ4};
use half::f16;
pub use huge::{HUGE_PAGE, HugeArray};
pub use prefetch::{Prefetch, prefetch_range};
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

    /// [`l2_squared`] of half-precision numbers: widened to `f32`, which is exact, then the same.
    fn l2_squared_f16(a: &[f16], b: &[f16]) -> f32 where a.len() == b.len();

    /// [`dot`] of half-precision numbers.
    fn dot_f16(a: &[f16], b: &[f16]) -> f32 where a.len() == b.len();

    /// [`l1`] of half-precision numbers.
    fn l1_f16(a: &[f16], b: &[f16]) -> f32 where a.len() == b.len();

    /// [`dot_and_norms`] of half-precision numbers.
    fn dot_and_norms_f16(a: &[f16], b: &[f16]) -> (f32, f32, f32) where a.len() == b.len();

    /// [`norm_squared`] of half-precision numbers.
    fn norm_squared_f16(a: &[f16]) -> f64 where true;

    /// `out_i = x_i`, exact.
    fn widen_f16(x: &[f16], out: &mut [f32]) where x.len() == out.len();

    /// Number of bits in which two bit strings differ.
    fn hamming(a: &[u8], b: &[u8]) -> u64 where a.len() == b.len();

    /// Numbers of bits that are set in both of two bit strings, and in either: for the Jaccard distance.
    fn jaccard_counts(a: &[u8], b: &[u8]) -> (u64, u64) where a.len() == b.len();

    /// `sum query_i codes_i`: a query against a node's own 8-bit vector. With the code's offset and step,
    /// `<q, lo + step c> = lo sum q_i + step dot_f32_u8(q, c)`.
    fn dot_f32_u8(query: &[f32], codes: &[u8]) -> f32 where query.len() == codes.len();

    /// `sum query_i codes_i` for 4-bit codes, two in a byte: the first half of the codes in the low four bits, the second in
    /// the high ones.
    fn dot_f32_u4(query: &[f32], codes: &[u8]) -> f32 where query.len().div_ceil(2) == codes.len();

    /// `sum a_i b_i`, exact: two 8-bit vectors against each other. At most [`MAX_CODES`] elements.
    fn dot_u8(a: &[u8], b: &[u8]) -> u64 where a.len() == b.len() && a.len() <= MAX_CODES;

    /// `sum codes_i`, exact. At most [`MAX_CODES`] elements.
    fn sum_u8(codes: &[u8]) -> u64 where codes.len() <= MAX_CODES;

    /// Estimates the distances to the neighbours in a node's [groups](groups) by
    /// `start + f_rescale step (sum i_k c_k - centre)`, and which of them are at most the bound; [`Own`] says what the start
    /// is. An estimate that is NaN is replaced by the node's own distance. Panics if the groups are shorter than they say.
    fn estimate_q4(groups: Groups<'_>, query: QueryQ4<'_>, own: Own, bound: f32, estimates: &mut Estimates)
    where groups.links <= groups.slots.min(MAX_ESTIMATES) && (1..=MAX_WORDS).contains(&query.vector.words());

    /// Arranges integers in -8..=7 for [`estimate_q4`].
    fn arrange_i4(values: &[i8], arranged: &mut Arranged) where values.iter().all(|v| (-8..=7).contains(v));

    /// Cuts codes into bit planes: bit `i % 64` of word `j * words + i / 64` becomes bit j of `codes[i]`, where
    /// `words = ceil(codes.len() / 64)`. Bits past the last code become zero. Panics if `planes` is shorter than
    /// `bits * words`.
    fn pack_planes(codes: &[u8], bits: usize, planes: &mut [u64])
    where bits <= 8 && planes.len() == bits * codes.len().div_ceil(64);

    /// The 1-bit code of `r = target - scale origin` (bit i is set where `r_i > 0`; bits past the end become zero) and
    /// the sums from which its factors are made, in one pass. RaBitQ (Gao and Long, SIGMOD 2024), section 3.1,
    /// with the parent node, or the projection on it, for a centroid.
    fn sign_code(target: &[f32], origin: &[f32], scale: f32, words_out: &mut [u64]) -> ResidualSums
    where target.len() == origin.len() && words_out.len() == target.len().div_ceil(64);

    /// The least and the greatest element in IEEE 754's total order, where -0 stands before 0; `(inf, -inf)` of
    /// nothing. For input without NaN.
    fn min_max(x: &[f32]) -> (f32, f32) where true;

    /// `codes_i = (x_i - lo) * inv_step`, rounded to nearest (ties to even) and cut to 0..=255; NaN becomes 0.
    fn quantize_u8(x: &[f32], lo: f32, inv_step: f32, codes_out: &mut [u8]) where x.len() == codes_out.len();

    /// `out_i = lo + step * codes_i`, with two roundings.
    fn decode_u8(codes: &[u8], lo: f32, step: f32, out: &mut [f32]) where codes.len() == out.len();

    /// `sum (x_i - (lo + step codes_i))^2`, in `f64`: how far a decoded vector is from what was encoded. Equal bit for bit in every
    /// set.
    fn residual_squared(x: &[f32], codes: &[u16], lo: f64, step: f64) -> f64 where x.len() == codes.len();

    /// Walsh-Hadamard transform in place and in natural order, not normalised: twice applied, it multiplies by
    /// the length. The butterflies run from stride 1 upwards, which fixes every rounding.
    ///
    /// Panics if the length is no power of two.
    fn hadamard(x: &mut [f32]) where true;

    /// `x_i *= s_i`; with signs for s, the random half of a random rotation.
    fn scale_by(x: &mut [f32], s: &[f32]) where x.len() == s.len();

    /// Rotates every pair `(lo_i, hi_i)` by 45 degrees: `((lo + hi) / sqrt 2, (lo - hi) / sqrt 2)`.
    fn givens_halves(lo: &mut [f32], hi: &mut [f32]) where lo.len() == hi.len();
}

/// The most elements for which integer sums of products are exact: `32768 * 255^2 < 2^31`.
pub const MAX_CODES: usize = 1 << 15;

/// Sums over the residual `r = target - scale origin`, from which [`sign_code`]'s factors are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResidualSums {
    /// `sum r_i^2`
    pub norm_squared: f32,
    /// `sum |r_i|`, which is `2 <x, r>` for `x = bits - 1/2`
    pub abs_sum: f32,
    /// `sum origin_i` over the set bits
    pub origin_sum: f32,
    /// `sum origin_i`
    pub origin_total: f32,
}

/// The bytes of signed numbers. Their low four bits are a number's 4-bit two's complement, if it has one.
#[inline]
fn bytes_of(values: &[i8]) -> &[u8] {
    // SAFETY: i8 and u8 have the same size, alignment and valid bit patterns.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), values.len()) }
}

/// `rest` followed by zeros, so that a tail can take the path of a full chunk.
#[inline(always)]
fn padded<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut chunk = [T::default(); N];
    let n = rest.len().min(N);
    chunk[..n].copy_from_slice(&rest[..n]);
    chunk
}

/// Every set this build knows, best first.
#[cfg(target_arch = "x86_64")]
static SETS: [Kernels; 4] = [avx512::WITH_VNNI, avx512::KERNELS, avx2::KERNELS, scalar::KERNELS];
#[cfg(not(target_arch = "x86_64"))]
static SETS: [Kernels; 1] = [scalar::KERNELS];

/// The best set this CPU can run.
#[inline]
pub fn active() -> &'static Kernels {
    static ACTIVE: OnceLock<&'static Kernels> = OnceLock::new();
    ACTIVE.get_or_init(|| available().next().unwrap_or(&SETS[SETS.len() - 1]))
}

/// The sets this CPU can run, best first; for tests and benchmarks.
pub fn available() -> impl Iterator<Item = &'static Kernels> {
    SETS.iter().filter(|set| (set.available)())
}

impl Kernels {
    /// The set called `name` (`scalar`, `avx2`, `avx512`, `avx512vnni`), if this CPU can run it; for tests and benchmarks.
    pub fn by_name(name: &str) -> Option<&'static Kernels> {
        available().find(|set| set.name == name)
    }

    /// What this set is called in benchmarks and diagnostics.
    pub fn name(&self) -> &'static str {
        self.name
    }
}
