//! PF_p: elements of F_p^2 up to a factor in F_p. RFC 6508 writes pairing values and powers of g so.

use zeroize::Zeroize;

use super::modular::Fp;

/// An element a + b*i (i^2 = -1) that stands for b/a.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Ratio {
    pub(crate) a: Fp,
    pub(crate) b: Fp,
}

impl Ratio {
    /// self * self.
    pub(crate) fn square(&self) -> Self {
        Self {
            a: self.a.add(&self.b).mul(&self.a.sub(&self.b)),
            b: self.a.double().mul(&self.b),
        }
    }

    /// b/a; zero where a is zero, which no element of order q has.
    pub(crate) fn value(&self) -> Fp {
        self.b.mul(&self.a.invert())
    }
}
