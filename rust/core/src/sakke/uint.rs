//! 1024-bit unsigned integers as 16 limbs, with operations whose time does not depend on the values.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Least significant limb first.
pub(crate) type Limbs = [u64; 16];

/// a + b and the carry (0 or 1).
#[inline]
pub(crate) const fn add(a: &Limbs, b: &Limbs) -> (Limbs, u64) {
    let mut out = [0; 16];
    let mut carry = 0;
    let mut i = 0;
    while i < 16 {
        let (sum, c1) = a[i].overflowing_add(b[i]);
        let (sum, c2) = sum.overflowing_add(carry);
        out[i] = sum;
        carry = (c1 | c2) as u64;
        i += 1;
    }
    (out, carry)
}

/// a - b and the borrow (0 or 1).
#[inline]
pub(crate) const fn sub(a: &Limbs, b: &Limbs) -> (Limbs, u64) {
    let mut out = [0; 16];
    let mut borrow = 0;
    let mut i = 0;
    while i < 16 {
        let (diff, b1) = a[i].overflowing_sub(b[i]);
        let (diff, b2) = diff.overflowing_sub(borrow);
        out[i] = diff;
        borrow = (b1 | b2) as u64;
        i += 1;
    }
    (out, borrow)
}

/// A mask of which the compiler does not know that it has two values only: it makes branches of such masks.
#[inline]
pub(crate) const fn opaque(mask: u64) -> u64 {
    core::hint::black_box(mask)
}

/// `a` where `choose_b` is 0, `b` where it is 1.
#[inline]
pub(crate) const fn select(a: &Limbs, b: &Limbs, choose_b: u64) -> Limbs {
    let mask = opaque(choose_b.wrapping_neg());
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = a[i] ^ (mask & (a[i] ^ b[i]));
        i += 1;
    }
    out
}

/// a << n for 0 < n < 64; bits shifted out are lost.
pub(crate) const fn shl(a: &Limbs, n: u32) -> Limbs {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = a[i] << n;
        if i > 0 {
            out[i] |= a[i - 1] >> (64 - n);
        }
        i += 1;
    }
    out
}

/// a >> n for 0 < n < 64.
pub(crate) const fn shr(a: &Limbs, n: u32) -> Limbs {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = a[i] >> n;
        if i < 15 {
            out[i] |= a[i + 1] << (64 - n);
        }
        i += 1;
    }
    out
}

/// Bits `at` to `at + count - 1` (count < 64); bits from 1024 on are zero. `at` and `count` are public.
pub(crate) const fn bits(a: &Limbs, at: usize, count: usize) -> u64 {
    let (limb, shift) = (at / 64, at % 64);
    let mut out = 0;
    if limb < 16 {
        out = a[limb] >> shift;
        if shift > 0 && limb < 15 {
            out |= a[limb + 1] << (64 - shift);
        }
    }
    out & ((1 << count) - 1)
}

/// From 128 octets, big-endian.
pub(crate) fn from_octets(octets: &[u8; 128]) -> Limbs {
    let mut out = [0; 16];
    for (limb, chunk) in out.iter_mut().zip(octets.rchunks_exact(8)) {
        for octet in chunk {
            *limb = (*limb << 8) | u64::from(*octet);
        }
    }
    out
}

/// To 128 octets, big-endian.
pub(crate) fn to_octets(a: &Limbs) -> [u8; 128] {
    let mut out = [0; 128];
    for (limb, chunk) in a.iter().zip(out.rchunks_exact_mut(8)) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    out
}

/// Whether a = b.
pub(crate) fn equal(a: &Limbs, b: &Limbs) -> Choice {
    a.ct_eq(b)
}

/// Whether a = 0.
pub(crate) fn is_zero(a: &Limbs) -> Choice {
    a.iter().fold(0, |all, limb| all | limb).ct_eq(&0)
}

/// Puts `b` into `a` where `choice` is set.
pub(crate) fn assign(a: &mut Limbs, b: &Limbs, choice: Choice) {
    for (a, b) in a.iter_mut().zip(b) {
        a.conditional_assign(b, choice);
    }
}
