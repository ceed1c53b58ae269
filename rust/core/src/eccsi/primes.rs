//! The two primes of P-256, and what Montgomery arithmetic with R = 2^256 needs to know of each.

use super::limbs::{Limbs, add, add_carry, multiply_add};

/// A prime just below 2^256.
pub(super) trait Modulus: Copy {
    /// The prime.
    const PRIME: Limbs;
    /// R mod the prime: one in Montgomery form.
    const ONE: Limbs;
    /// R squared mod the prime: takes an integer into Montgomery form.
    const R2: Limbs;
    /// R cubed mod the prime: takes the inverse of a Montgomery form back into Montgomery form.
    const R3: Limbs;
    /// The inverse of the prime modulo 2^62, for the division steps of an inversion.
    const INVERSE_62: u64;

    /// `t / R` modulo the prime, at most the prime too large: the fifth limb is the carry.
    fn reduce(t: [u64; 8]) -> (Limbs, u64);
}

/// The field of the coordinates: p = 2^256 - 2^224 + 2^192 + 2^96 - 1.
#[derive(Clone, Copy)]
pub(super) struct Coordinates;

/// The integers modulo the order q of the group.
#[derive(Clone, Copy)]
pub(super) struct Order;

impl Modulus for Coordinates {
    const PRIME: Limbs = [
        0xffff_ffff_ffff_ffff,
        0x0000_0000_ffff_ffff,
        0,
        0xffff_ffff_0000_0001,
    ];
    const ONE: Limbs = [
        1,
        0xffff_ffff_0000_0000,
        0xffff_ffff_ffff_ffff,
        0x0000_0000_ffff_fffe,
    ];
    const R2: Limbs = [
        0x0000_0000_0000_0003,
        0xffff_fffb_ffff_ffff,
        0xffff_ffff_ffff_fffe,
        0x0000_0004_ffff_fffd,
    ];
    const R3: Limbs = [
        0xffff_fffd_0000_000a,
        0xffff_ffed_ffff_fff7,
        0x0000_0005_ffff_fffc,
        0x0000_0018_0000_0001,
    ];
    const INVERSE_62: u64 = 0x3fff_ffff_ffff_ffff;

    /// -1/p mod 2^64 is 1, so the factor m of each round is the lowest limb itself, and m p is made of shifts. The
    /// upper half of `t` is added in the end.
    #[inline(always)]
    fn reduce(t: [u64; 8]) -> (Limbs, u64) {
        let [mut a, mut b, mut c, mut d, ..] = t;
        for _ in 0..4 {
            let m = a;
            // m times the highest limb of p, which is 2^64 - 2^32 + 1.
            let (low, under) = m.overflowing_sub(m << 32);
            let high = m.wrapping_sub(m >> 32).wrapping_sub(u64::from(under));
            let mut carry = 0;
            (a, carry) = add_carry(b, m << 32, carry);
            (b, carry) = add_carry(c, m >> 32, carry);
            (c, carry) = add_carry(d, low, carry);
            d = high.wrapping_add(carry);
        }
        add(&[a, b, c, d], &[t[4], t[5], t[6], t[7]])
    }
}

impl Modulus for Order {
    const PRIME: Limbs = [
        0xf3b9_cac2_fc63_2551,
        0xbce6_faad_a717_9e84,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_0000_0000,
    ];
    const ONE: Limbs = [
        0x0c46_353d_039c_daaf,
        0x4319_0552_58e8_617b,
        0,
        0x0000_0000_ffff_ffff,
    ];
    const R2: Limbs = [
        0x8324_4c95_be79_eea2,
        0x4699_799c_49bd_6fa6,
        0x2845_b239_2b6b_ec59,
        0x66e1_2d94_f3d9_5620,
    ];
    const R3: Limbs = [
        0xac8e_bec9_0b65_a624,
        0x111f_28ae_0c05_55c9,
        0x2543_b924_6ba5_e93f,
        0x503a_54e7_6407_be65,
    ];
    const INVERSE_62: u64 = 0x332e_3755_11ff_43b1;

    #[inline(always)]
    fn reduce(mut t: [u64; 8]) -> (Limbs, u64) {
        const MINUS_INVERSE: u64 = 0xccd1_c8aa_ee00_bc4f;
        let mut top = 0;
        for i in 0..4 {
            let m = t[i].wrapping_mul(MINUS_INVERSE);
            let mut carry = 0;
            for j in 0..4 {
                (t[i + j], carry) = multiply_add(m, Self::PRIME[j], t[i + j], carry);
            }
            (t[i + 4], top) = add_carry(t[i + 4], carry, top);
        }
        ([t[4], t[5], t[6], t[7]], top)
    }
}
