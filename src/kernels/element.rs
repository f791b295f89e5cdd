use half::f16;

/// A type of number that dense vectors consist of, so that what differs between them is written once: how a number is
/// made from an `f32` and back, and which kernels work on it.
pub trait Element: Copy + Default + 'static {
    /// The number nearest to `x`, of two equally near ones the even one; infinite if `x` is beyond the type's range.
    fn from_f32(x: f32) -> Self;

    /// The number itself: every type here is a subset of `f32`.
    fn to_f32(self) -> f32;

    /// [`l2_squared`](super::l2_squared)
    fn l2_squared(a: &[Self], b: &[Self]) -> f32;

    /// [`dot`](super::dot)
    fn dot(a: &[Self], b: &[Self]) -> f32;

    /// [`l1`](super::l1)
    fn l1(a: &[Self], b: &[Self]) -> f32;

    /// [`dot_and_norms`](super::dot_and_norms)
    fn dot_and_norms(a: &[Self], b: &[Self]) -> (f32, f32, f32);

    /// [`norm_squared`](super::norm_squared)
    fn norm_squared(a: &[Self]) -> f64;

    /// [`widen_f16`](super::widen_f16)
    fn widen(x: &[Self], out: &mut [f32]);
}

/// The number itself. The method of `f16` asks the CPU what it can each time; this has neither call nor branch, so loops over
/// it become vector code on every CPU.
#[inline(always)]
pub(super) fn widen(x: f16) -> f32 {
    /// 2^112: the distance between the biases of the exponents.
    const REBIAS: f32 = f32::from_bits((112 + 127) << 23);
    let bits = u32::from(x.to_bits());
    let sign = (bits & 0x8000) << 16;
    // Exponent and mantissa in their places, the exponent too small. The product is exact; it makes subnormals normal.
    let magnitude = (bits & 0x7fff) << 13;
    let rebiased = (f32::from_bits(magnitude) * REBIAS).to_bits();
    // Infinity and NaN have the largest exponent.
    let special = if magnitude >= 0x1f << 23 { f32::INFINITY.to_bits() } else { 0 };
    f32::from_bits(rebiased | special | sign)
}

impl Element for f32 {
    #[inline]
    fn from_f32(x: f32) -> Self {
        x
    }

    #[inline]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline]
    fn l2_squared(a: &[Self], b: &[Self]) -> f32 {
        super::l2_squared(a, b)
    }

    #[inline]
    fn dot(a: &[Self], b: &[Self]) -> f32 {
        super::dot(a, b)
    }

    #[inline]
    fn l1(a: &[Self], b: &[Self]) -> f32 {
        super::l1(a, b)
    }

    #[inline]
    fn dot_and_norms(a: &[Self], b: &[Self]) -> (f32, f32, f32) {
        super::dot_and_norms(a, b)
    }

    #[inline]
    fn norm_squared(a: &[Self]) -> f64 {
        super::norm_squared(a)
    }

    #[inline]
    fn widen(x: &[Self], out: &mut [f32]) {
        out.copy_from_slice(x);
    }
}

impl Element for f16 {
    #[inline]
    fn from_f32(x: f32) -> Self {
        f16::from_f32(x)
    }

    #[inline]
    fn to_f32(self) -> f32 {
        widen(self)
    }

    #[inline]
    fn l2_squared(a: &[Self], b: &[Self]) -> f32 {
        super::l2_squared_f16(a, b)
    }

    #[inline]
    fn dot(a: &[Self], b: &[Self]) -> f32 {
        super::dot_f16(a, b)
    }

    #[inline]
    fn l1(a: &[Self], b: &[Self]) -> f32 {
        super::l1_f16(a, b)
    }

    #[inline]
    fn dot_and_norms(a: &[Self], b: &[Self]) -> (f32, f32, f32) {
        super::dot_and_norms_f16(a, b)
    }

    #[inline]
    fn norm_squared(a: &[Self]) -> f64 {
        super::norm_squared_f16(a)
    }

    #[inline]
    fn widen(x: &[Self], out: &mut [f32]) {
        super::widen_f16(x, out);
    }
}
