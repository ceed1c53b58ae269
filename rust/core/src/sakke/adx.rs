//! Rows of long multiplication with MULX, ADCX and ADOX: two carry chains at a time, which no compiler makes.
//!
//! # Why this file is unsafe
//!
//! It has one block of inline assembly. It reads the 16 limbs of `a` and reads and writes the 16 limbs of `t`, which the
//! references cover, touches no other memory and no stack, and changes only registers and flags that it declares. Its
//! instructions exist only on processors with BMI2 and ADX: an [`Adx`], whose method this is, can only be had from
//! [`Adx::detect`], which asks the processor.

#![allow(unsafe_code)]

use core::arch::asm;

use super::uint::Limbs;

/// Proof that the processor has BMI2 and ADX.
#[derive(Clone, Copy)]
pub(crate) struct Adx(());

/// One product: its low half, the limb of `t` and the high half before it are added up.
macro_rules! product {
    ($at:literal, $high:literal, $high_before:literal) => {
        concat!(
            "mulx ",
            $high,
            ", {low}, [{a} + 8*",
            $at,
            "]\n",
            "adcx {low}, [{t} + 8*",
            $at,
            "]\n",
            "adox {low}, ",
            $high_before,
            "\n",
            "mov [{t} + 8*",
            $at,
            "], {low}\n",
        )
    };
}

impl Adx {
    /// The proof, where the processor has them.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx")).then_some(Self(()))
    }

    /// t + a * y: the lowest 16 limbs stay in `t`, the highest is returned.
    #[inline]
    pub(crate) fn add_product(self, t: &mut Limbs, a: &Limbs, y: u64) -> u64 {
        let mut high: u64;
        // SAFETY: see the head of this file.
        unsafe {
            asm!(
                // Clears both carries, and the high half before the first product.
                "xor {odd:e}, {odd:e}",
                product!(0, "{even}", "{odd}"),
                product!(1, "{odd}", "{even}"),
                product!(2, "{even}", "{odd}"),
                product!(3, "{odd}", "{even}"),
                product!(4, "{even}", "{odd}"),
                product!(5, "{odd}", "{even}"),
                product!(6, "{even}", "{odd}"),
                product!(7, "{odd}", "{even}"),
                product!(8, "{even}", "{odd}"),
                product!(9, "{odd}", "{even}"),
                product!(10, "{even}", "{odd}"),
                product!(11, "{odd}", "{even}"),
                product!(12, "{even}", "{odd}"),
                product!(13, "{odd}", "{even}"),
                product!(14, "{even}", "{odd}"),
                product!(15, "{odd}", "{even}"),
                // Both carries into the last high half, which has room for them.
                "mov {low:e}, 0",
                "adcx {odd}, {low}",
                "adox {odd}, {low}",
                a = in(reg) a.as_ptr(),
                t = in(reg) t.as_mut_ptr(),
                low = out(reg) _,
                even = out(reg) _,
                odd = out(reg) high,
                in("rdx") y,
                options(nostack),
            );
        }
        high
    }
}
