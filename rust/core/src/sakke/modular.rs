//! Residues modulo p and modulo q in Montgomery form (R = 2^1024), always fully reduced.
//!
//! No operation branches or indexes on a value.

use core::marker::PhantomData;

use subtle::Choice;
use zeroize::Zeroize;

#[cfg(target_arch = "x86_64")]
use super::adx::Adx;
use super::inverse;
use super::params;
use super::uint::{self, Limbs};

/// An odd modulus below 2^1024 with the constants that Montgomery multiplication needs.
pub(crate) trait Modulus: Copy + 'static {
    /// The modulus.
    const M: Limbs;
    /// -1/M modulo 2^64.
    const N0: u64 = negated_inverse(Self::M[0]);
    /// 2^1024 mod M: one in Montgomery form.
    const R: Limbs = power_of_two(&Self::M, 1024);
    /// 2^2048 mod M, for conversion into Montgomery form.
    const R2: Limbs = power_of_two(&Self::M, 2048);
}

const ONE: Limbs = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// -1/m modulo 2^64 by Newton's iteration.
const fn negated_inverse(m: u64) -> u64 {
    let mut inverse = m;
    let mut i = 0;
    while i < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(m.wrapping_mul(inverse)));
        i += 1;
    }
    inverse.wrapping_neg()
}

/// 2^n mod m by doubling.
pub(crate) const fn power_of_two(m: &Limbs, n: u32) -> Limbs {
    let mut out = ONE;
    let mut i = 0;
    while i < n {
        let (twice, carry) = uint::add(&out, &out);
        let (reduced, borrow) = uint::sub(&twice, m);
        out = uint::select(&reduced, &twice, borrow & !carry);
        i += 1;
    }
    out
}

/// The modulus p of the field.
#[derive(Clone, Copy)]
pub(crate) struct FieldPrime;
impl Modulus for FieldPrime {
    const M: Limbs = params::P;
}

/// The modulus q of the scalars.
#[derive(Clone, Copy)]
pub(crate) struct GroupOrder;
impl Modulus for GroupOrder {
    const M: Limbs = params::Q;
}

/// An element of F_p.
pub(crate) type Fp = Residue<FieldPrime>;
/// A scalar modulo q.
pub(crate) type Fq = Residue<GroupOrder>;

/// An integer modulo `T::M`.
#[derive(Clone, Copy)]
pub(crate) struct Residue<T>(Limbs, PhantomData<T>);

impl<T> Zeroize for Residue<T> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Modulus> Default for Residue<T> {
    fn default() -> Self {
        Self::ZERO
    }
}

impl<T: Modulus> Residue<T> {
    /// Zero.
    pub(crate) const ZERO: Self = Self([0; 16], PhantomData);
    /// One.
    pub(crate) const ONE: Self = Self(T::R, PhantomData);

    /// From an integer below M (not checked).
    pub(crate) fn from_limbs(value: &Limbs) -> Self {
        Self(montgomery::<T>(value, &T::R2), PhantomData)
    }

    /// From 128 octets; `None` unless they are an integer below M.
    pub(crate) fn from_octets(octets: &[u8; 128]) -> Option<Self> {
        let value = uint::from_octets(octets);
        let (_, below) = uint::sub(&value, &T::M);
        // public: a number that is not below M is refused.
        (below == 1).then(|| Self::from_limbs(&value))
    }

    /// The integer, in [0, M - 1].
    pub(crate) fn to_limbs(self) -> Limbs {
        montgomery::<T>(&self.0, &ONE)
    }

    /// The integer as 128 octets.
    pub(crate) fn to_octets(self) -> [u8; 128] {
        uint::to_octets(&self.to_limbs())
    }

    /// self + other.
    pub(crate) fn add(&self, other: &Self) -> Self {
        let (sum, carry) = uint::add(&self.0, &other.0);
        let (reduced, borrow) = uint::sub(&sum, &T::M);
        // The sum is below M only when it did not overflow and M could not be taken away.
        Self(uint::select(&reduced, &sum, borrow & !carry), PhantomData)
    }

    /// self - other.
    pub(crate) fn sub(&self, other: &Self) -> Self {
        let (diff, borrow) = uint::sub(&self.0, &other.0);
        let (wrapped, _) = uint::add(&diff, &T::M);
        Self(uint::select(&diff, &wrapped, borrow), PhantomData)
    }

    /// 2 * self.
    pub(crate) fn double(&self) -> Self {
        self.add(self)
    }

    /// 3 * self.
    pub(crate) fn triple(&self) -> Self {
        self.double().add(self)
    }

    /// -self.
    pub(crate) fn neg(&self) -> Self {
        Self::ZERO.sub(self)
    }

    /// self * other.
    pub(crate) fn mul(&self, other: &Self) -> Self {
        Self(montgomery::<T>(&self.0, &other.0), PhantomData)
    }

    /// self * self.
    pub(crate) fn square(&self) -> Self {
        self.mul(self)
    }

    /// 1 / self, or zero for zero.
    pub(crate) fn invert(&self) -> Self {
        // The value carries a factor R, so R^2 over it carries one as well.
        Self(inverse::invert(&self.0, &T::M, &T::R2), PhantomData)
    }

    /// The limbs of self * 2^1024 modulo M, as they are stored.
    pub(crate) const fn raw(&self) -> &Limbs {
        &self.0
    }

    /// From limbs as [`Self::raw`] gives them, below M (not checked).
    pub(crate) const fn from_raw(raw: Limbs) -> Self {
        Self(raw, PhantomData)
    }

    /// Whether self = 0.
    pub(crate) fn is_zero(&self) -> Choice {
        uint::is_zero(&self.0)
    }

    /// Whether self = other.
    pub(crate) fn equal(&self, other: &Self) -> Choice {
        uint::equal(&self.0, &other.0)
    }

    /// Becomes `other` where `choice` is set.
    pub(crate) fn assign(&mut self, other: &Self, choice: Choice) {
        uint::assign(&mut self.0, &other.0, choice);
    }
}

/// Inverts every element in place with one inversion (Montgomery's trick). None may be zero.
pub(crate) fn invert_all<T: Modulus>(values: &mut [Residue<T>]) {
    let mut product = Residue::<T>::ONE;
    let mut before: Vec<Residue<T>> = Vec::with_capacity(values.len());
    for value in values.iter() {
        before.push(product);
        product = product.mul(value);
    }
    let mut inverse = product.invert();
    for (value, before) in values.iter_mut().zip(&before).rev() {
        let next = inverse.mul(value);
        *value = inverse.mul(before);
        inverse = next;
    }
    before.zeroize();
}

/// a * b / 2^1024 mod M, fully reduced.
fn montgomery<T: Modulus>(a: &Limbs, b: &Limbs) -> Limbs {
    #[cfg(target_arch = "x86_64")]
    if let Some(adx) = Adx::detect() {
        return montgomery_by_rows::<T>(a, b, |t, a, y| adx.add_product(t, a, y));
    }
    montgomery_by_rows::<T>(a, b, add_product)
}

/// The same, given how to add a row: `add(t, a, y)` makes t + a * y, leaves 16 limbs in t and returns the highest.
#[inline(always)]
fn montgomery_by_rows<T: Modulus>(
    a: &Limbs,
    b: &Limbs,
    add: impl Fn(&mut Limbs, &Limbs, u64) -> u64,
) -> Limbs {
    // Row i works on limbs i to i + 15, and leaves limb i zero.
    let mut limbs = [0; 32];
    let mut top = 0;
    for (i, &y) in b.iter().enumerate() {
        let (_, rest) = limbs.split_at_mut(i);
        let Some((t, above)) = rest.split_first_chunk_mut() else {
            break;
        };
        let carry = add(t, a, y);
        let m = t[0].wrapping_mul(T::N0);
        let (sum, over) = carry.overflowing_add(top);
        let (sum, over2) = sum.overflowing_add(add(t, &T::M, m));
        above[0] = sum;
        top = u64::from(over) | u64::from(over2);
    }
    let mut t = [0; 16];
    t.copy_from_slice(&limbs[16..]);
    let (reduced, borrow) = uint::sub(&t, &T::M);
    uint::select(&reduced, &t, borrow & !top)
}

/// t + a * y: the lowest 16 limbs stay in `t`, the highest is returned.
#[inline(always)]
fn add_product(t: &mut Limbs, a: &Limbs, y: u64) -> u64 {
    let mut carry = 0;
    for (t, &x) in t.iter_mut().zip(a) {
        let wide = u128::from(x)
            .wrapping_mul(u128::from(y))
            .wrapping_add(u128::from(*t))
            .wrapping_add(u128::from(carry));
        *t = wide as u64;
        carry = (wide >> 64) as u64;
    }
    carry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples<T: Modulus>() -> Vec<Residue<T>> {
        let mut out = vec![Residue::ONE, Residue::ONE.neg(), Residue::ONE.double()];
        let mut value = Residue::from_limbs(&T::R);
        for _ in 0..200 {
            value = value.square().add(&Residue::ONE);
            out.push(value);
        }
        out
    }

    fn check<T: Modulus>() {
        for value in samples::<T>() {
            assert!(bool::from(value.mul(&value.invert()).equal(&Residue::ONE)));
            assert_eq!(uint::sub(value.invert().raw(), &T::M).1, 1);
        }
        assert!(bool::from(Residue::<T>::ZERO.invert().is_zero()));
    }

    /// Long rows of ones carry furthest.
    #[test]
    fn rows_agree() {
        let ones = [u64::MAX; 16];
        let mut limbs = vec![[0; 16], ones, FieldPrime::M, GroupOrder::M, FieldPrime::R2];
        limbs.extend(samples::<FieldPrime>().iter().map(|sample| *sample.raw()));
        for (a, t) in limbs.iter().zip(limbs.iter().rev()) {
            for y in [0, 1, 2, FieldPrime::N0, u64::MAX - 1, u64::MAX] {
                #[cfg(target_arch = "x86_64")]
                if let Some(adx) = Adx::detect() {
                    let (mut plain, mut fast) = (*t, *t);
                    let carry = add_product(&mut plain, a, y);
                    assert_eq!(adx.add_product(&mut fast, a, y), carry);
                    assert_eq!(fast, plain);
                }
            }
        }
        let values = samples::<FieldPrime>();
        for (a, b) in values.iter().zip(values.iter().rev()) {
            let slow = montgomery_by_rows::<FieldPrime>(a.raw(), b.raw(), add_product);
            assert_eq!(a.mul(b).raw(), &slow);
        }
    }

    #[test]
    fn inversion() {
        check::<FieldPrime>();
        check::<GroupOrder>();
    }
}
