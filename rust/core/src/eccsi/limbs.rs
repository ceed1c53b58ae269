//! Numbers of 256 bits as four limbs: sums, differences and products with their carries, without branches on values.

/// Limbs of a number below 2^256, least significant first.
pub(super) type Limbs = [u64; 4];

/// The integer in 32 big-endian octets.
pub(super) fn from_octets(octets: &[u8; 32]) -> Limbs {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(octets.rchunks_exact(8)) {
        *limb = chunk
            .iter()
            .fold(0, |number, octet| number << 8 | u64::from(*octet));
    }
    limbs
}

/// `a + b`, and the carry.
#[inline(always)]
pub(super) fn add(a: &Limbs, b: &Limbs) -> (Limbs, u64) {
    let mut carry = 0;
    let sum = core::array::from_fn(|i| {
        let limb;
        (limb, carry) = add_carry(a[i], b[i], carry);
        limb
    });
    (sum, carry)
}

/// `a - b`, and 1 where that is below zero.
#[inline(always)]
pub(super) fn subtract(a: &Limbs, b: &Limbs) -> (Limbs, u64) {
    let mut borrow = 0;
    let difference = core::array::from_fn(|i| {
        let limb;
        (limb, borrow) = subtract_borrow(a[i], b[i], borrow);
        limb
    });
    (difference, borrow)
}

/// The number where `mask` is all ones, zero where it is all zeros.
#[inline(always)]
pub(super) fn masked(number: &Limbs, mask: u64) -> Limbs {
    number.map(|limb| limb & mask)
}

/// `a b` as low and high limb.
#[inline(always)]
pub(super) fn wide(a: u64, b: u64) -> (u64, u64) {
    split(u128::from(a).wrapping_mul(u128::from(b)))
}

#[inline(always)]
fn split(number: u128) -> (u64, u64) {
    (number as u64, (number >> 64) as u64)
}

/// `a + b + carry` as sum and carry. The processor's own instruction, which the compiler does not always find.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn add_carry(a: u64, b: u64, carry: u64) -> (u64, u64) {
    let mut sum = 0;
    let carry = core::arch::x86_64::_addcarry_u64(carry as u8, a, b, &mut sum);
    (sum, u64::from(carry))
}

/// `a + b + carry` as sum and carry.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn add_carry(a: u64, b: u64, carry: u64) -> (u64, u64) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry);
    (sum, u64::from(first | second))
}

/// `a - b - borrow` as difference and borrow.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn subtract_borrow(a: u64, b: u64, borrow: u64) -> (u64, u64) {
    let mut difference = 0;
    let borrow = core::arch::x86_64::_subborrow_u64(borrow as u8, a, b, &mut difference);
    (difference, u64::from(borrow))
}

/// `a - b - borrow` as difference and borrow.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn subtract_borrow(a: u64, b: u64, borrow: u64) -> (u64, u64) {
    let (difference, first) = a.overflowing_sub(b);
    let (difference, second) = difference.overflowing_sub(borrow);
    (difference, u64::from(first | second))
}

/// `a b + c + carry` as low and high limb; it cannot overflow.
#[inline(always)]
pub(super) fn multiply_add(a: u64, b: u64, c: u64, carry: u64) -> (u64, u64) {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    split(
        product
            .wrapping_add(u128::from(c))
            .wrapping_add(u128::from(carry)),
    )
}

/// `a b`, eight limbs.
#[inline(always)]
pub(super) fn multiply(a: &Limbs, b: &Limbs) -> [u64; 8] {
    let mut t = [0; 8];
    for (i, factor) in a.iter().enumerate() {
        add_row(&mut t, i, &b.map(|limb| wide(*factor, limb)));
    }
    t
}

/// `a a`, eight limbs: the six mixed products are made once and doubled.
#[inline(always)]
pub(super) fn square(a: &Limbs) -> [u64; 8] {
    let [a0, a1, a2, a3] = *a;
    let mut t = [0; 8];
    add_row(&mut t, 1, &[a1, a2, a3].map(|limb| wide(a0, limb)));
    add_row(&mut t, 3, &[a2, a3].map(|limb| wide(a1, limb)));
    add_row(&mut t, 5, &[wide(a2, a3)]);
    let mut carry = 0;
    for limb in &mut t[1..7] {
        (*limb, carry) = add_carry(*limb, *limb, carry);
    }
    t[7] = carry;
    carry = 0;
    for (i, limb) in a.iter().enumerate() {
        let (low, high) = wide(*limb, *limb);
        (t[2 * i], carry) = add_carry(t[2 * i], low, carry);
        (t[2 * i + 1], carry) = add_carry(t[2 * i + 1], high, carry);
    }
    t
}

/// Adds products in two chains of carries, first their low limbs, then their high ones. Above the row `t` is zero.
#[inline(always)]
fn add_row<const N: usize>(t: &mut [u64; 8], start: usize, row: &[(u64, u64); N]) {
    let mut carry = 0;
    for (j, (low, _)) in row.iter().enumerate() {
        (t[start + j], carry) = add_carry(t[start + j], *low, carry);
    }
    t[start + N] = carry;
    carry = 0;
    for (j, (_, high)) in row.iter().enumerate() {
        (t[start + j + 1], carry) = add_carry(t[start + j + 1], *high, carry);
    }
}
