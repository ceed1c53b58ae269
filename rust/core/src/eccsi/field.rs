//! Arithmetic modulo the two primes of P-256, in Montgomery form, without branches on values.
//!
//! One type serves both primes: [`Fp`] is the coordinate field, [`Scalar`] the integers modulo the group order. They
//! differ in their constants and in how a product is reduced, and the type keeps them apart.

use core::marker::PhantomData;

use zeroize::Zeroize;

use super::inverse;
use super::limbs::{self, Limbs};
use super::primes::{Coordinates, Modulus, Order};

/// A coordinate.
pub(super) type Fp = Element<Coordinates>;

/// An integer modulo the group order.
pub(super) type Scalar = Element<Order>;

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
        Self::from_montgomery(limbs::from_octets(octets)).mul(&Self::from_montgomery(M::R2))
    }

    /// The big-endian integer in `octets`, where it is below the prime.
    pub(super) fn from_octets(octets: &[u8; 32]) -> Option<Self> {
        let (_, borrow) = limbs::subtract(&limbs::from_octets(octets), &M::PRIME);
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
        Self::from_montgomery(Self::finish(limbs::add(&self.limbs, &other.limbs)))
    }

    /// Twice the element.
    #[inline(always)]
    pub(super) fn double(&self) -> Self {
        self.add(self)
    }

    /// Half the element.
    #[inline(always)]
    pub(super) fn half(&self) -> Self {
        // An odd number becomes even by adding the prime.
        let mask = (self.limbs[0] & 1).wrapping_neg();
        let ([a, b, c, d], carry) = limbs::add(&self.limbs, &limbs::masked(&M::PRIME, mask));
        Self::from_montgomery([
            a >> 1 | b << 63,
            b >> 1 | c << 63,
            c >> 1 | d << 63,
            d >> 1 | carry << 63,
        ])
    }

    /// Difference.
    #[inline(always)]
    pub(super) fn sub(&self, other: &Self) -> Self {
        let (difference, borrow) = limbs::subtract(&self.limbs, &other.limbs);
        let correction = limbs::masked(&M::PRIME, borrow.wrapping_neg());
        Self::from_montgomery(limbs::add(&difference, &correction).0)
    }

    /// The element with the opposite sign.
    #[inline(always)]
    pub(super) fn negate(&self) -> Self {
        Self::ZERO.sub(self)
    }

    /// Product.
    #[inline(always)]
    pub(super) fn mul(&self, other: &Self) -> Self {
        Self::from_montgomery(Self::finish(M::reduce(limbs::multiply(
            &self.limbs,
            &other.limbs,
        ))))
    }

    /// Square.
    #[inline(always)]
    pub(super) fn square(&self) -> Self {
        Self::from_montgomery(Self::finish(M::reduce(limbs::square(&self.limbs))))
    }

    /// The inverse, in constant time; zero for zero.
    pub(super) fn invert(&self) -> Self {
        let inverse = inverse::invert(&self.limbs, &M::PRIME, M::INVERSE_62);
        Self::from_montgomery(inverse).mul(&Self::from_montgomery(M::R3))
    }

    /// Brings a number below twice the prime, with its carry, below the prime.
    #[inline(always)]
    fn finish((limbs, carry): (Limbs, u64)) -> Limbs {
        let (reduced, borrow) = limbs::subtract(&limbs, &M::PRIME);
        // The difference is right unless it went below zero: a borrow that no carry pays for.
        let mask = carry.wrapping_sub(borrow);
        limbs::add(&reduced, &limbs::masked(&M::PRIME, mask)).0
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
