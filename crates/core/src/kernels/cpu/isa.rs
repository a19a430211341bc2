//! The instruction set of the kernels. It is detected once; tests may select a lower one, never a higher one.
//!
//! `kernel!` compiles one body three times. The body uses fixed-size arrays of lanes, which LLVM maps to vector
//! registers of the target instruction set; anything beyond that uses `std::arch`.

use std::sync::atomic::{AtomicU8, Ordering};

use super::vector::{self, Vector};

/// In ascending order: a machine with one of these sets also has all lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Isa {
    Scalar = 1,
    Avx2 = 2,
    Avx512 = 3,
}

impl Isa {
    pub const ALL: [Isa; 3] = [Isa::Scalar, Isa::Avx2, Isa::Avx512];

    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

static CURRENT: AtomicU8 = AtomicU8::new(0);

/// The best instruction set of this machine, independent of the one in use.
pub fn detected() -> Isa {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        if avx512 {
            return Isa::Avx512;
        }
        if avx2 {
            return Isa::Avx2;
        }
    }
    Isa::Scalar
}

/// The set in use: the best available, or a lower one set by `LIMBECK_ISA` (scalar, avx2, avx512).
pub fn current() -> Isa {
    match CURRENT.load(Ordering::Relaxed) {
        1 => Isa::Scalar,
        2 => Isa::Avx2,
        3 => Isa::Avx512,
        _ => {
            let wanted = std::env::var("LIMBECK_ISA").ok();
            let wanted = Isa::ALL.into_iter().find(|isa| Some(isa.name()) == wanted.as_deref());
            choose(wanted.unwrap_or(Isa::Avx512))
        }
    }
}

/// Uses `isa` from now on in this process, or the best available below it; returns the set in use.
pub fn choose(isa: Isa) -> Isa {
    let chosen = isa.min(detected());
    CURRENT.store(chosen as u8, Ordering::Relaxed);
    chosen
}

/// Runs `test` on every instruction set of this machine. Because the choice applies to the whole process, tests that
/// choose a set or compare bits run here one after the other.
#[cfg(test)]
pub(crate) fn on_each(test: impl FnMut(Isa)) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = current();
    Isa::ALL.into_iter().filter(|isa| *isa <= detected()).map(choose).for_each(test);
    choose(before);
}

/// Properties of the instruction set for which a kernel's body is compiled.
pub trait Lanes {
    /// The set's vector register.
    type V: Vector;
    /// `a · b + c`, fused if the set supports it; on the scalar set a call of libm would cost 20 ns.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

pub struct Plain;
#[cfg(target_arch = "x86_64")]
pub struct Fused;
#[cfg(target_arch = "x86_64")]
pub struct Wide;

impl Lanes for Plain {
    type V = vector::Eight;
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Fused {
    type V = vector::Avx2;
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Wide {
    type V = vector::Avx512;
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// Defines a function whose body is compiled for every instruction set and chosen when it is called.
/// Inside, `L` is the set's `Lanes`; everything the body calls must be `#[inline(always)]`.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$lanes:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            fn body<$lanes: $crate::kernels::cpu::isa::Lanes>($($arg: $ty),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $out)? {
                body::<$crate::kernels::cpu::isa::Wide>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $out)? {
                body::<$crate::kernels::cpu::isa::Fused>($($arg),*)
            }
            match $crate::kernels::cpu::isa::current() {
                // SAFETY: `current` is never above the set detected on this machine.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::cpu::isa::Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::cpu::isa::Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => body::<$crate::kernels::cpu::isa::Plain>($($arg),*),
            }
        }
    };
}
pub(crate) use kernel;
