//! Fixed-base tables: every odd multiple of every window of a base, so that a multiplication is a sum of table entries.
//!
//! A look-up reads every entry of its window and keeps one by masks.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::curve::{Affine, Digit, ORDER_BITS, Projective, recode, to_affine_all};
use super::modular::{Fp, invert_all};
use super::params;
use super::uint::Limbs;

/// Odd multiples 1, 3, ..., 2^width - 1 of [2^(width * i)]B for each window i.
pub(crate) struct PointTable {
    width: usize,
    entries: Vec<Affine>,
}

/// Windows of `width` bits that hold any odd scalar below 2q.
pub(crate) fn windows(width: usize) -> usize {
    (ORDER_BITS + 1).div_ceil(width)
}

impl PointTable {
    /// The table of a point of order q.
    pub(crate) fn new(base: &Affine, width: usize) -> Self {
        let mut points = Vec::new();
        let mut first = Projective::from(*base);
        for _ in 0..windows(width) {
            let twice = first.add(&first);
            let mut point = first;
            for _ in 0..1 << (width - 1) {
                points.push(point);
                point = point.add(&twice);
            }
            for _ in 0..width {
                first = first.add(&first);
            }
        }
        Self {
            width,
            entries: to_affine_all(&points),
        }
    }

    /// [scalar]B for a scalar below q.
    pub(crate) fn multiply(&self, scalar: &Limbs) -> Projective {
        let mut digits = recode(scalar, self.width, windows(self.width));
        let mut sum = Projective::INFINITY;
        let windows = self.entries.chunks_exact(1 << (self.width - 1));
        for (digit, window) in digits.iter().zip(windows) {
            sum = sum.add(&select(digit, window).into());
        }
        digits.zeroize();
        sum
    }
}

fn select(digit: &Digit, window: &[Affine]) -> Affine {
    let mut out = window[0];
    for (i, entry) in (0u64..).zip(window) {
        let here = i.ct_eq(&digit.index);
        out.x.assign(&entry.x, here);
        out.y.assign(&entry.y, here);
    }
    let negated = out.y.neg();
    out.y.assign(&negated, digit.negative.ct_eq(&1));
    out
}

/// The same for g in PF_p: t of (1 + t*i) for odd powers of g^(2^(width * i)).
pub(crate) struct PowerTable {
    width: usize,
    entries: Vec<Fp>,
}

impl PowerTable {
    /// The table of g.
    pub(crate) fn new(width: usize) -> Self {
        let mut powers = Vec::new();
        let mut first = Ratio {
            a: Fp::ONE,
            b: Fp::from_limbs(&params::G),
        };
        for _ in 0..windows(width) {
            let twice = first.mul(&first);
            let mut power = first;
            for _ in 0..1 << (width - 1) {
                powers.push(power);
                power = power.mul(&twice);
            }
            for _ in 0..width {
                first = first.mul(&first);
            }
        }
        let mut inverses: Vec<Fp> = powers.iter().map(|power| power.a).collect();
        invert_all(&mut inverses);
        let entries = powers
            .iter()
            .zip(&inverses)
            .map(|(power, inverse)| power.b.mul(inverse))
            .collect();
        Self { width, entries }
    }

    /// g^scalar.
    pub(crate) fn power(&self, scalar: &Limbs) -> Ratio {
        let mut digits = recode(scalar, self.width, windows(self.width));
        let mut product = Ratio::ONE;
        let windows = self.entries.chunks_exact(1 << (self.width - 1));
        for (digit, window) in digits.iter().zip(windows) {
            let mut t = window[0];
            for (i, entry) in (0u64..).zip(window) {
                t.assign(entry, i.ct_eq(&digit.index));
            }
            // The inverse of 1 + t*i is its conjugate, up to a factor that PF_p does not see.
            let conjugate = t.neg();
            t.assign(&conjugate, digit.negative.ct_eq(&1));
            product = product.mul_unit(&t);
        }
        digits.zeroize();
        product
    }
}

/// An element a + b*i of F_p^2 (i^2 = -1) that stands for b/a: in PF_p common factors of a and b do not count.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) a: Fp,
    pub(crate) b: Fp,
}

impl Zeroize for Ratio {
    fn zeroize(&mut self) {
        self.a.zeroize();
        self.b.zeroize();
    }
}

impl Ratio {
    /// One.
    pub(crate) const ONE: Self = Self {
        a: Fp::ONE,
        b: Fp::ZERO,
    };

    /// self * other.
    pub(crate) fn mul(&self, other: &Self) -> Self {
        Self {
            a: self.a.mul(&other.a).sub(&self.b.mul(&other.b)),
            b: self.a.mul(&other.b).add(&self.b.mul(&other.a)),
        }
    }

    /// self * self.
    pub(crate) fn square(&self) -> Self {
        Self {
            a: self.a.add(&self.b).mul(&self.a.sub(&self.b)),
            b: self.a.double().mul(&self.b),
        }
    }

    /// self * (1 + t*i).
    pub(crate) fn mul_unit(&self, t: &Fp) -> Self {
        Self {
            a: self.a.sub(&self.b.mul(t)),
            b: self.a.mul(t).add(&self.b),
        }
    }

    /// b/a; zero where a is zero, which no element of order q has.
    pub(crate) fn value(&self) -> Fp {
        self.b.mul(&self.a.invert())
    }
}

/// Table widths that are offered: 2 to 8 bits.
pub(crate) const WIDTHS: core::ops::RangeInclusive<usize> = 2..=8;
