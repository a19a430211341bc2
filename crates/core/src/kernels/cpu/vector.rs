//! Vector registers with named operations: `Lanes` has one type per instruction set.
//!
//! Reductions keep separate partial sums per lane, so their order depends only on the register's width. Except where a
//! method documents otherwise, NaN operands give NaN.

/// 2^r for r in -½…½, relative error 7.5e-8 (minimax fit, degree 5).
const EXP2_NEAR: [f32; 6] = [1.000_000_1, 0.693_146_97, 0.240_221_2, 0.055_507_133, 0.009_675_542, 0.001_327_647_2];
/// 2^r for r in 0…1, the same error.
#[cfg(target_arch = "x86_64")]
const EXP2_ABOVE: [f32; 6] = [0.999_999_93, 0.693_153_1, 0.240_153_62, 0.055_826_318, 0.008_989_34, 0.001_877_576_6];
/// A sum with it has the nearest integer in its lowest bits.
const ROUND: f32 = 12_582_912.0;
/// Below it 2^x becomes 0, because the exponent field is 0.
const LOWEST: f32 = -127.0;

pub trait Vector: Copy {
    const N: usize;
    fn splat(value: f32) -> Self;
    /// The first `N` numbers.
    fn load(from: &[f32]) -> Self;
    fn store(self, to: &mut [f32]);
    /// Prefetches the first `N` numbers into the second-level cache, if the machine supports it.
    fn prefetch(_from: &[f32]) {}
    /// Loads fewer than `N` numbers; the other lanes are `fill`.
    fn load_part(from: &[f32], fill: f32) -> Self;
    /// Stores as many of the first lanes as `to` has elements.
    fn store_part(self, to: &mut [f32]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn sqrt(self) -> Self;
    /// `self · b + c`.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// The larger one; if one of them is NaN, `other`.
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    /// `positive` where this is above 0, else `other`.
    fn choose(self, positive: Self, other: Self) -> Self;
    /// The larger one; NaN if one of them is NaN.
    fn largest(self, other: Self) -> Self;
    /// `yes` where the two are equal, `no` elsewhere.
    fn where_equal(self, other: Self, yes: Self, no: Self) -> Self;
    /// Bit i is set if lane i is at least lane i of `bound`; not set for NaN.
    fn at_least(self, bound: Self) -> u32;
    /// 0 in the lanes whose bits are set.
    fn without(self, lanes: u32) -> Self;
    /// Writes the numbers of the lanes whose bits are set contiguously, and their positions; the first lane has the position
    /// `at`. Both outputs have space for `N` elements.
    #[inline(always)]
    fn pick(self, lanes: u32, at: u32, values: &mut [f32], places: &mut [u32]) {
        let mut all = [0.0; 16];
        self.store(&mut all);
        let mut left = lanes;
        for (value, place) in values.iter_mut().zip(places).take(lanes.count_ones() as usize) {
            let lane = left.trailing_zeros();
            (*value, *place) = (all[(lane & 15) as usize], at + lane);
            left &= left.wrapping_sub(1);
        }
    }
    /// Splits the numbers of `self` followed by `next` into the first, third, … and the second, fourth, …
    fn unzip(self, next: Self) -> (Self, Self);
    /// 2^self; exactly 0 for -∞ and below -150, NaN for NaN. Not for arguments above 127.
    fn exp2(self) -> Self;
    /// e and m of m · 2^e, m from √½ to √2. For normal numbers above 0; for NaN m is NaN.
    fn split(self) -> (Self, Self);
    /// The sum of the lanes, in a fixed order.
    fn sum(self) -> f32;
    fn max_lane(self) -> f32;
}

#[inline(always)]
fn polynomial<V: Vector>(x: V, c: &[f32; 6]) -> V {
    let high = V::splat(c[5]).mul_add(x, V::splat(c[4])).mul_add(x, V::splat(c[3]));
    high.mul_add(x, V::splat(c[2])).mul_add(x, V::splat(c[1])).mul_add(x, V::splat(c[0]))
}

/// The bits of √½: the lower limit of the mantissa in `split`.
const CUT: u32 = 0x3f35_04f3;

/// log₂ x for normal numbers above 0; the fractional part has an error of 4.5e-8 (minimax fit of log₂(1 + r)/r, degree 8);
/// NaN for NaN.
#[inline(always)]
pub fn log2<V: Vector>(x: V) -> V {
    const C: [f32; 9] = [
        std::f32::consts::LOG2_E,
        -0.721_347_33,
        0.480_910_63,
        -0.360_703_68,
        0.287_916_24,
        -0.238_944_95,
        0.215_715_84,
        -0.207_268_95,
        0.125_835_39,
    ];
    let (exponent, mantissa) = x.split();
    let r = mantissa.sub(V::splat(1.0));
    let mut sum = V::splat(C[8]);
    for c in C[..8].iter().rev() {
        sum = sum.mul_add(r, V::splat(*c));
    }
    sum.mul_add(r, exponent)
}

/// ln(1 + e) for e in 0…1, relative error 3e-8 (minimax fit of ln(1 + e)/e, degree 8).
#[inline(always)]
pub fn log1p_unit<V: Vector>(e: V) -> V {
    const C: [f32; 9] = [
        1.0,
        -0.499_994_93,
        0.333_190_97,
        -0.248_429_82,
        0.191_060_06,
        -0.136_632_44,
        0.078_225_93,
        -0.029_505_227,
        0.005_232_691_4,
    ];
    let mut sum = V::splat(C[8]);
    for c in C[..8].iter().rev() {
        sum = sum.mul_add(e, V::splat(*c));
    }
    sum.mul(e)
}

/// Eight numbers in an array, for machines without AVX2.
#[derive(Clone, Copy)]
pub struct Eight([f32; 8]);

impl Eight {
    #[inline(always)]
    fn map(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self;
        for (out, other) in out.0.iter_mut().zip(other.0) {
            *out = f(*out, other);
        }
        out
    }
}

impl Vector for Eight {
    const N: usize = 8;
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Eight([value; 8])
    }
    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let mut out = [0.0; 8];
        out.copy_from_slice(&from[..8]);
        Eight(out)
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[..8].copy_from_slice(&self.0)
    }
    #[inline(always)]
    fn load_part(from: &[f32], fill: f32) -> Self {
        let mut out = [fill; 8];
        out[..from.len()].copy_from_slice(from);
        Eight(out)
    }
    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        let len = to.len();
        to.copy_from_slice(&self.0[..len])
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.map(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.map(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.map(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.map(other, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        self.mul(b).add(c)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.map(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.map(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn choose(self, positive: Self, other: Self) -> Self {
        let mut out = self;
        for (i, out) in out.0.iter_mut().enumerate() {
            *out = if self.0[i] > 0.0 { positive.0[i] } else { other.0[i] };
        }
        out
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(self, |a, _| a.sqrt())
    }
    #[inline(always)]
    fn largest(self, other: Self) -> Self {
        self.map(other, |a, b| if (a > b) | a.is_nan() { a } else { b })
    }
    #[inline(always)]
    fn where_equal(self, other: Self, yes: Self, no: Self) -> Self {
        Eight(std::array::from_fn(|lane| if self.0[lane] == other.0[lane] { yes.0[lane] } else { no.0[lane] }))
    }
    #[inline(always)]
    fn at_least(self, bound: Self) -> u32 {
        (0..8).fold(0, |bits, lane| bits | u32::from(self.0[lane] >= bound.0[lane]) << lane)
    }
    #[inline(always)]
    fn without(self, lanes: u32) -> Self {
        Eight(std::array::from_fn(|lane| if lanes >> lane & 1 == 1 { 0.0 } else { self.0[lane] }))
    }
    #[inline(always)]
    fn unzip(self, next: Self) -> (Self, Self) {
        let every = |from: usize| {
            Eight(std::array::from_fn(|lane| {
                let at = 2 * lane + from;
                if at < 8 { self.0[at] } else { next.0[at - 8] }
            }))
        };
        (every(0), every(1))
    }
    #[inline(always)]
    fn exp2(self) -> Self {
        let x = Self::splat(LOWEST).max(self);
        let shifted = x.add(Self::splat(ROUND));
        let p = polynomial(x.sub(shifted.sub(Self::splat(ROUND))), &EXP2_NEAR);
        p.map(shifted, |p, shifted| p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let exponent = |x: f32| x.to_bits().wrapping_sub(CUT).cast_signed() >> 23;
        let mantissa = |x: f32| f32::from_bits(x.to_bits().wrapping_sub((exponent(x) << 23).cast_unsigned()));
        // x − x keeps NaN.
        #[allow(clippy::eq_op)]
        let keep = |x: f32| x - x;
        (self.map(self, |x, _| exponent(x) as f32), self.map(self, |x, _| mantissa(x) + keep(x)))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let a = self.0;
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn max_lane(self) -> f32 {
        self.0.iter().fold(f32::NEG_INFINITY, |max, x| if *x > max { *x } else { max })
    }
}

/// A vector type over intrinsics. They are safe only if the instruction set is enabled: values of these types are
/// created only in `kernel!` bodies, which run after the set was detected.
#[cfg(target_arch = "x86_64")]
macro_rules! register {
    ($name:ident($raw:ty) $n:literal $prefix:ident $set:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $fma:ident $max:ident $min:ident, $self:ident, $($rest:item)*) => {
        #[derive(Clone, Copy)]
        pub struct $name($raw);

        impl Vector for $name {
            const N: usize = $n;
            #[inline(always)]
            fn splat(value: f32) -> Self {
                // SAFETY: the set is enabled, see above; this holds for every block of this macro.
                unsafe { $name($set(value)) }
            }
            #[inline(always)]
            fn load(from: &[f32]) -> Self {
                assert!(from.len() >= $n);
                // SAFETY: `from` holds enough numbers; the load may be unaligned.
                unsafe { $name($load(from.as_ptr())) }
            }
            #[inline(always)]
            fn store(self, to: &mut [f32]) {
                assert!(to.len() >= $n);
                // SAFETY: `to` has space; the store may be unaligned.
                unsafe { $store(to.as_mut_ptr(), self.0) }
            }
            #[inline(always)]
            fn prefetch(from: &[f32]) {
                // SAFETY: a prefetch of any address is allowed.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(from.as_ptr().cast()) }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { $name($add(self.0, other.0)) }
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { $name($sub(self.0, other.0)) }
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { $name($mul(self.0, other.0)) }
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { $name($div(self.0, other.0)) }
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { $name($fma(self.0, b.0, c.0)) }
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // SAFETY: as in `splat`. The instruction returns its second operand if one is NaN.
                unsafe { $name($max(self.0, other.0)) }
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                // SAFETY: as in `splat`.
                unsafe { $name($min(self.0, other.0)) }
            }
            $($rest)*
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{CUT, EXP2_ABOVE, EXP2_NEAR, LOWEST, ROUND, Vector, polynomial};

    register! { Avx2(__m256) 8 _mm256 _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps
        _mm256_mul_ps _mm256_div_ps _mm256_fmadd_ps _mm256_max_ps _mm256_min_ps, self,
        #[inline(always)]
        fn load_part(from: &[f32], fill: f32) -> Self {
            let mut out = [fill; 8];
            out[..from.len()].copy_from_slice(from);
            Self::load(&out)
        }
        #[inline(always)]
        fn store_part(self, to: &mut [f32]) {
            let mut out = [0.0; 8];
            self.store(&mut out);
            let len = to.len();
            to.copy_from_slice(&out[..len])
        }
        #[inline(always)]
        fn choose(self, positive: Self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            unsafe {
                let above = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_setzero_ps());
                Avx2(_mm256_blendv_ps(other.0, positive.0, above))
            }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            // SAFETY: as in `splat`.
            unsafe { Avx2(_mm256_sqrt_ps(self.0)) }
        }
        #[inline(always)]
        fn largest(self, other: Self) -> Self {
            // SAFETY: as in `splat`. Each maximum is its second operand if one operand is NaN; the OR of both then is NaN.
            unsafe { Avx2(_mm256_or_ps(_mm256_max_ps(self.0, other.0), _mm256_max_ps(other.0, self.0))) }
        }
        #[inline(always)]
        fn where_equal(self, other: Self, yes: Self, no: Self) -> Self {
            // SAFETY: as in `splat`.
            unsafe { Avx2(_mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0))) }
        }
        #[inline(always)]
        fn at_least(self, bound: Self) -> u32 {
            // SAFETY: as in `splat`.
            unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(self.0, bound.0)).cast_unsigned() }
        }
        #[inline(always)]
        fn without(self, lanes: u32) -> Self {
            // SAFETY: as in `splat`.
            unsafe {
                let each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
                let set = _mm256_and_si256(_mm256_set1_epi32(lanes.cast_signed()), each);
                Avx2(_mm256_andnot_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(set, each)), self.0))
            }
        }
        #[inline(always)]
        fn unzip(self, next: Self) -> (Self, Self) {
            // SAFETY: as in `splat`. The shuffles work within halves; the permutation puts quarters in order.
            unsafe {
                let even = _mm256_castps_pd(_mm256_shuffle_ps::<0x88>(self.0, next.0));
                let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0xDD>(self.0, next.0));
                let order = |quarters| Avx2(_mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(quarters)));
                (order(even), order(odd))
            }
        }
        #[inline(always)]
        fn exp2(self) -> Self {
            let x = Self::splat(LOWEST).max(self);
            let shifted = x.add(Self::splat(ROUND));
            let p = polynomial(x.sub(shifted.sub(Self::splat(ROUND))), &EXP2_NEAR);
            // SAFETY: as in `splat`.
            let power = unsafe {
                let biased = _mm256_add_epi32(_mm256_castps_si256(shifted.0), _mm256_set1_epi32(127));
                Avx2(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
            };
            p.mul(power)
        }
        #[inline(always)]
        fn split(self) -> (Self, Self) {
            // SAFETY: as in `splat`.
            unsafe {
                let bits = _mm256_castps_si256(self.0);
                let exponent = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(CUT.cast_signed())));
                let mantissa = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(exponent));
                // x − x keeps NaN.
                let mantissa = Avx2(_mm256_castsi256_ps(mantissa)).add(self.sub(self));
                (Avx2(_mm256_cvtepi32_ps(exponent)), mantissa)
            }
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            let mut a = [0.0; 8];
            self.store(&mut a);
            ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
        }
        #[inline(always)]
        fn max_lane(self) -> f32 {
            let mut a = [0.0; 8];
            self.store(&mut a);
            a.iter().fold(f32::NEG_INFINITY, |max, x| if *x > max { *x } else { max })
        }
    }

    register! { Avx512(__m512) 16 _mm512 _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps
        _mm512_mul_ps _mm512_div_ps _mm512_fmadd_ps _mm512_max_ps _mm512_min_ps, self,
        #[inline(always)]
        fn load_part(from: &[f32], fill: f32) -> Self {
            let mask = (1u32 << from.len().min(16)) - 1;
            // SAFETY: the mask excludes lanes beyond the end of `from`.
            unsafe { Avx512(_mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask as u16, from.as_ptr())) }
        }
        #[inline(always)]
        fn store_part(self, to: &mut [f32]) {
            let mask = (1u32 << to.len().min(16)) - 1;
            // SAFETY: the mask excludes lanes beyond the end of `to`.
            unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), mask as u16, self.0) }
        }
        #[inline(always)]
        fn choose(self, positive: Self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            unsafe {
                let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
                Avx512(_mm512_mask_blend_ps(above, other.0, positive.0))
            }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            // SAFETY: as in `splat`.
            unsafe { Avx512(_mm512_sqrt_ps(self.0)) }
        }
        #[inline(always)]
        fn largest(self, other: Self) -> Self {
            // SAFETY: as in `splat`. Each maximum is its second operand if one operand is NaN; the OR of both then is NaN.
            unsafe { Avx512(_mm512_or_ps(_mm512_max_ps(self.0, other.0), _mm512_max_ps(other.0, self.0))) }
        }
        #[inline(always)]
        fn where_equal(self, other: Self, yes: Self, no: Self) -> Self {
            // SAFETY: as in `splat`.
            unsafe { Avx512(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0), no.0, yes.0)) }
        }
        #[inline(always)]
        fn at_least(self, bound: Self) -> u32 {
            // SAFETY: as in `splat`.
            unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, bound.0)) }
        }
        #[inline(always)]
        fn without(self, lanes: u32) -> Self {
            // SAFETY: as in `splat`.
            unsafe { Avx512(_mm512_maskz_mov_ps(!(lanes as u16), self.0)) }
        }
        #[inline(always)]
        fn pick(self, lanes: u32, at: u32, values: &mut [f32], places: &mut [u32]) {
            assert!(values.len() >= 16 && places.len() >= 16);
            // SAFETY: as in `splat`; both have space for sixteen numbers. Compressing in a register and storing all of it is
            // faster than a compressing store.
            unsafe {
                let own = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let own = _mm512_add_epi32(own, _mm512_set1_epi32(at.cast_signed()));
                _mm512_storeu_ps(values.as_mut_ptr(), _mm512_maskz_compress_ps(lanes as u16, self.0));
                _mm512_storeu_epi32(places.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(lanes as u16, own));
            }
        }
        #[inline(always)]
        fn unzip(self, next: Self) -> (Self, Self) {
            // SAFETY: as in `splat`.
            unsafe {
                let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
                let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
                let pick = |which| Avx512(_mm512_permutex2var_ps(self.0, which, next.0));
                (pick(even), pick(odd))
            }
        }
        #[inline(always)]
        fn exp2(self) -> Self {
            // SAFETY: as in `splat`. `reduce` leaves x − ⌊x⌋ (0 for −∞), `scalef` multiplies by 2^⌊x⌋.
            unsafe {
                let rest = Avx512(_mm512_reduce_ps::<1>(self.0));
                Avx512(_mm512_scalef_ps(polynomial(rest, &EXP2_ABOVE).0, self.0))
            }
        }
        #[inline(always)]
        fn split(self) -> (Self, Self) {
            // SAFETY: as in `splat`.
            unsafe {
                let bits = _mm512_castps_si512(self.0);
                let exponent = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(CUT.cast_signed())));
                let mantissa = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(exponent));
                // x − x keeps NaN.
                let mantissa = Avx512(_mm512_castsi512_ps(mantissa)).add(self.sub(self));
                (Avx512(_mm512_cvtepi32_ps(exponent)), mantissa)
            }
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            // SAFETY: as in `splat`.
            unsafe { _mm512_reduce_add_ps(self.0) }
        }
        #[inline(always)]
        fn max_lane(self) -> f32 {
            // SAFETY: as in `splat`.
            unsafe { _mm512_reduce_max_ps(self.0) }
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::{kernel, on_each};

    kernel! {
        fn exp2_all<L>(x: &[f32], out: &mut [f32]) {
            let n = L::V::N;
            for (x, out) in x.chunks(n).zip(out.chunks_mut(n)) {
                L::V::load_part(x, 0.0).exp2().store_part(out);
            }
        }
    }

    kernel! {
        fn log2_all<L>(x: &[f32], out: &mut [f32]) {
            let n = L::V::N;
            for (x, out) in x.chunks(n).zip(out.chunks_mut(n)) {
                log2(L::V::load_part(x, 1.0)).store_part(out);
            }
        }
    }

    kernel! {
        fn log1p_all<L>(x: &[f32], out: &mut [f32]) {
            let n = L::V::N;
            for (x, out) in x.chunks(n).zip(out.chunks_mut(n)) {
                log1p_unit(L::V::load_part(x, 0.0)).store_part(out);
            }
        }
    }

    kernel! {
        fn unzip_and_compare<L>(x: &[f32], even: &mut [f32], odd: &mut [f32], most: &mut [f32], equal: &mut [f32]) {
            let n = L::V::N;
            let parts = even.chunks_mut(n).zip(odd.chunks_mut(n)).zip(most.chunks_mut(n).zip(equal.chunks_mut(n)));
            for (x, ((even, odd), (most, equal))) in x.chunks(2 * n).zip(parts) {
                let (a, b) = L::V::load(x).unzip(L::V::load(&x[n..]));
                a.store(even);
                b.store(odd);
                a.largest(b).store(most);
                a.where_equal(b, L::V::splat(1.0), L::V::splat(0.0)).store(equal);
            }
        }
    }

    #[test]
    fn unzip_largest_and_where_equal_are_right_and_nan_is_largest() {
        let nan = f32::NAN;
        let x = [1.0, 2.0, 4.0, 3.0, nan, 5.0, 5.0, nan, 6.0, 6.0, -1.0, -2.0, f32::INFINITY, nan, 0.5, 0.25].repeat(2);
        on_each(|isa| {
            let [mut even, mut odd, mut most, mut equal] = [[0.0; 16]; 4];
            unzip_and_compare(&x, &mut even, &mut odd, &mut most, &mut equal);
            for at in 0..16 {
                let (a, b) = (x[2 * at], x[2 * at + 1]);
                assert_eq!(even[at].to_bits(), a.to_bits(), "{isa:?}");
                assert_eq!(odd[at].to_bits(), b.to_bits(), "{isa:?}");
                assert!(
                    if a.is_nan() || b.is_nan() { most[at].is_nan() } else { most[at] == a.max(b) },
                    "{isa:?} {a} {b}"
                );
                assert_eq!(equal[at] == 1.0, a == b, "{isa:?}");
            }
        });
    }

    #[test]
    fn powers_and_logarithms_are_right_to_two_units_in_the_last_place() {
        let x: Vec<f32> = (0..20_011).map(|i| -125.0 + i as f32 * 0.0125).collect();
        let unit: Vec<f32> = (0..10_007).map(|i| i as f32 / 10_006.0).collect();
        on_each(|isa| {
            let mut out = vec![0.0; x.len()];
            exp2_all(&x, &mut out);
            for (x, out) in x.iter().zip(&out) {
                let right = f64::from(*x).exp2();
                assert!((f64::from(*out) - right).abs() <= 2.4e-7 * right, "{isa:?} 2^{x}: {out}");
            }
            let mut out = vec![0.0; unit.len()];
            log1p_all(&unit, &mut out);
            for (x, out) in unit.iter().zip(&out) {
                let right = f64::from(*x).ln_1p();
                assert!((f64::from(*out) - right).abs() <= 2.4e-7 * right, "{isa:?} ln(1 + {x}): {out}");
            }
        });
    }

    #[test]
    fn logarithms_of_small_large_and_nearly_equal_numbers_are_right() {
        let mut x: Vec<f32> = (0..20_011).map(|i| (-125.0 + f64::from(i) * 0.0125).exp2() as f32).collect();
        x.extend((-2000..2000).map(|i| 1.0 + i as f32 * 1e-6));
        x.push(f32::MIN_POSITIVE);
        on_each(|isa| {
            let mut out = vec![0.0; x.len()];
            log2_all(&x, &mut out);
            for (x, out) in x.iter().zip(&out) {
                let right = f64::from(*x).log2();
                assert!((f64::from(*out) - right).abs() <= 1.5e-7 * right.abs(), "{isa:?} log2 {x}: {out}");
            }
            let mut out = [0.0];
            log2_all(&[f32::NAN], &mut out);
            assert!(out[0].is_nan(), "{isa:?}");
        });
    }

    #[test]
    fn the_power_of_minus_infinity_is_zero_and_nan_stays_nan() {
        on_each(|isa| {
            let mut out = [1.0; 4];
            exp2_all(&[f32::NEG_INFINITY, f32::NAN, -1e9, 0.0], &mut out);
            assert_eq!(out[0], 0.0, "{isa:?}");
            assert!(out[1].is_nan(), "{isa:?}");
            assert_eq!(out[2], 0.0, "{isa:?}");
            assert!((out[3] - 1.0).abs() < 1e-6, "{isa:?}");
        });
    }
}
