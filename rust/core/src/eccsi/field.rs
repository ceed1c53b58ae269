//! Arithmetic modulo the two primes of P-256, on four 64-bit limbs in Montgomery form, without branches on values.
//!
//! One type serves both primes: [`Fp`] is the coordinate field, [`Scalar`] the integers modulo the group order. They
//! differ in their constants and in how a product is reduced, and the type keeps them apart.

use core::marker::PhantomData;

use zeroize::Zeroize;

use super::inverse;

/// Limbs of a number below 2^256, least significant first.
pub(super) type Limbs = [u64; 4];

/// A prime just below 2^256 and what Montgomery arithmetic with R = 2^256 needs to know of it.
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

/// A coordinate.
pub(super) type Fp = Element<Coordinates>;

/// An integer modulo the group order.
pub(super) type Scalar = Element<Order>;

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

    /// -1/p mod 2^64 is 1, so the factor of each round is the lowest limb itself, and m p is made of shifts and one
    /// product.
    #[inline(always)]
    fn reduce(mut t: [u64; 8]) -> (Limbs, u64) {
        let mut top = 0;
        for i in 0..4 {
            let m = t[i];
            let mut carry = 0;
            (t[i + 1], carry) = add_carry(t[i + 1], m << 32, carry);
            (t[i + 2], carry) = add_carry(t[i + 2], m >> 32, carry);
            let (low, high) = split(wide(m, Self::PRIME[3]));
            (t[i + 3], carry) = add_carry(t[i + 3], low, carry);
            (t[i + 4], top) = add_carry(t[i + 4], high.wrapping_add(carry), top);
        }
        ([t[4], t[5], t[6], t[7]], top)
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

/// An element of the field with modulus `M`, always reduced, in Montgomery form.
pub(super) struct Element<M: Modulus> {
    limbs: Limbs,
    modulus: PhantomData<M>,
}

impl<M: Modulus> Element<M> {
    /// Nothing.
    pub(super) const ZERO: Self = Self::from_montgomery([0; 4]);
    /// The neutral element of multiplication.
    pub(super) const ONE: Self = Self::from_montgomery(M::ONE);

    /// The element whose Montgomery form is `limbs`, which are below the prime.
    pub(super) const fn from_montgomery(limbs: Limbs) -> Self {
        Self {
            limbs,
            modulus: PhantomData,
        }
    }

    /// The Montgomery form, for tables.
    #[inline(always)]
    pub(super) fn montgomery(&self) -> &Limbs {
        &self.limbs
    }

    /// The big-endian integer in `octets` modulo the prime. Any 256-bit integer is less than twice the prime, so it
    /// is accepted and reduced.
    pub(super) fn from_octets_reduced(octets: &[u8; 32]) -> Self {
        Self::from_montgomery(limbs_of(octets)).mul(&Self::from_montgomery(M::R2))
    }

    /// The big-endian integer in `octets`, where it is below the prime.
    pub(super) fn from_octets(octets: &[u8; 32]) -> Option<Self> {
        let (_, borrow) = subtract(&limbs_of(octets), &M::PRIME);
        (borrow == 1).then(|| Self::from_octets_reduced(octets))
    }

    /// The integer as 32 big-endian octets.
    pub(super) fn to_octets(self) -> [u8; 32] {
        let mut octets = [0; 32];
        for (place, limb) in octets.rchunks_exact_mut(8).zip(self.to_limbs()) {
            place.copy_from_slice(&limb.to_be_bytes());
        }
        octets
    }

    /// The integer as limbs.
    pub(super) fn to_limbs(self) -> Limbs {
        let [a, b, c, d] = self.limbs;
        Self::finish(M::reduce([a, b, c, d, 0, 0, 0, 0]))
    }

    /// Whether this is zero. The answer is public.
    #[inline(always)]
    pub(super) fn is_zero(&self) -> bool {
        self.limbs.iter().fold(0, |all, limb| all | limb) == 0
    }

    /// Whether both are the same. The answer is public.
    #[inline(always)]
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.sub(other).is_zero()
    }

    /// `self` where `mask` is all zeros, `other` where it is all ones.
    #[inline(always)]
    pub(super) fn select(&self, other: &Self, mask: u64) -> Self {
        let mut limbs = self.limbs;
        for (limb, alternative) in limbs.iter_mut().zip(other.limbs) {
            *limb ^= mask & (*limb ^ alternative);
        }
        Self::from_montgomery(limbs)
    }

    /// All ones where this is zero, else all zeros.
    #[inline(always)]
    pub(super) fn zero_mask(&self) -> u64 {
        let any = self.limbs.iter().fold(0, |all, limb| all | limb);
        // The sign bit of `any | -any` is set for every number but zero.
        ((any | any.wrapping_neg()) >> 63).wrapping_sub(1)
    }

    /// Sum.
    #[inline(always)]
    pub(super) fn add(&self, other: &Self) -> Self {
        let mut carry = 0;
        let sum = core::array::from_fn(|i| {
            let limb;
            (limb, carry) = add_carry(self.limbs[i], other.limbs[i], carry);
            limb
        });
        Self::from_montgomery(Self::finish((sum, carry)))
    }

    /// Twice the element.
    #[inline(always)]
    pub(super) fn double(&self) -> Self {
        self.add(self)
    }

    /// Difference.
    #[inline(always)]
    pub(super) fn sub(&self, other: &Self) -> Self {
        let (difference, borrow) = subtract(&self.limbs, &other.limbs);
        let mask = borrow.wrapping_neg();
        let mut carry = 0;
        let difference = core::array::from_fn(|i| {
            let limb;
            (limb, carry) = add_carry(difference[i], M::PRIME[i] & mask, carry);
            limb
        });
        Self::from_montgomery(difference)
    }

    /// The element with the opposite sign.
    #[inline(always)]
    pub(super) fn negate(&self) -> Self {
        Self::ZERO.sub(self)
    }

    /// Product.
    #[inline(always)]
    pub(super) fn mul(&self, other: &Self) -> Self {
        let mut t = [0; 8];
        for i in 0..4 {
            let mut carry = 0;
            for j in 0..4 {
                (t[i + j], carry) = multiply_add(self.limbs[i], other.limbs[j], t[i + j], carry);
            }
            t[i + 4] = carry;
        }
        Self::from_montgomery(Self::finish(M::reduce(t)))
    }

    /// Square: the six mixed products are made once and doubled.
    #[inline(always)]
    pub(super) fn square(&self) -> Self {
        let a = &self.limbs;
        let mut t = [0; 8];
        for i in 0..3 {
            let mut carry = 0;
            for j in i + 1..4 {
                (t[i + j], carry) = multiply_add(a[i], a[j], t[i + j], carry);
            }
            t[i + 4] = carry;
        }
        t[7] = t[6] >> 63;
        for i in (2..7).rev() {
            t[i] = t[i] << 1 | t[i - 1] >> 63;
        }
        t[1] <<= 1;
        let mut carry = 0;
        for i in 0..4 {
            let (low, high) = split(wide(a[i], a[i]));
            (t[2 * i], carry) = add_carry(t[2 * i], low, carry);
            (t[2 * i + 1], carry) = add_carry(t[2 * i + 1], high, carry);
        }
        Self::from_montgomery(Self::finish(M::reduce(t)))
    }

    /// The inverse, in constant time; zero for zero.
    pub(super) fn invert(&self) -> Self {
        let inverse = inverse::invert(&self.limbs, &M::PRIME, M::INVERSE_62);
        Self::from_montgomery(inverse).mul(&Self::from_montgomery(M::R3))
    }

    /// Brings a number below twice the prime, with its carry, below the prime.
    #[inline(always)]
    fn finish((limbs, carry): (Limbs, u64)) -> Limbs {
        let (reduced, borrow) = subtract(&limbs, &M::PRIME);
        // The difference is right unless it went below zero: a borrow that no carry pays for.
        let mask = (borrow & (carry ^ 1)).wrapping_neg();
        let mut out = reduced;
        for (limb, kept) in out.iter_mut().zip(limbs) {
            *limb ^= mask & (*limb ^ kept);
        }
        out
    }
}

impl<M: Modulus> Clone for Element<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Modulus> Copy for Element<M> {}

impl<M: Modulus> Zeroize for Element<M> {
    fn zeroize(&mut self) {
        self.limbs.zeroize();
    }
}

/// The integer in 32 big-endian octets.
pub(super) fn limbs_of(octets: &[u8; 32]) -> Limbs {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(octets.rchunks_exact(8)) {
        *limb = chunk
            .iter()
            .fold(0, |number, octet| number << 8 | u64::from(*octet));
    }
    limbs
}

/// `a - b`, and 1 where that is below zero.
#[inline(always)]
fn subtract(a: &Limbs, b: &Limbs) -> (Limbs, u64) {
    let mut difference = [0; 4];
    let mut borrow = 0;
    for i in 0..4 {
        let (part, first) = a[i].overflowing_sub(b[i]);
        let (part, second) = part.overflowing_sub(borrow);
        difference[i] = part;
        borrow = u64::from(first | second);
    }
    (difference, borrow)
}

#[inline(always)]
fn wide(a: u64, b: u64) -> u128 {
    u128::from(a).wrapping_mul(u128::from(b))
}

#[inline(always)]
fn split(number: u128) -> (u64, u64) {
    (number as u64, (number >> 64) as u64)
}

/// `a + b + carry` as sum and carry.
#[inline(always)]
fn add_carry(a: u64, b: u64, carry: u64) -> (u64, u64) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry);
    (sum, u64::from(first | second))
}

/// `a b + c + carry` as low and high limb; it cannot overflow.
#[inline(always)]
fn multiply_add(a: u64, b: u64, c: u64, carry: u64) -> (u64, u64) {
    split(
        wide(a, b)
            .wrapping_add(u128::from(c))
            .wrapping_add(u128::from(carry)),
    )
}
