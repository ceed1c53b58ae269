//! A KMS's public key on a kernel, behind an interface that does not name the kernel.

use zeroize::Zeroize;

use super::curve::{Affine, Projective};
use super::group::{self, Encapsulated, Product, Scalars};
use super::kernel::Kernel;
#[cfg(target_arch = "x86_64")]
use super::kernel::ifma::Ifma;
use super::kernel::portable::Portable;
use super::multiply::{multiply, power};
use super::pairing::FixedArgument;
use super::ratio::Ratio;
use super::shared::Shared;
use super::table::PointTable;
use super::uint::Limbs;
use crate::error::Result;

/// Which instructions to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// The best that this processor has.
    Best,
    /// Only what every processor has.
    Portable,
}

impl Instructions {
    /// What is used in fact.
    #[must_use]
    pub fn name(self) -> &'static str {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Best && Ifma::detect().is_some() {
            return "AVX-512 IFMA";
        }
        "portable"
    }
}

/// Operations with a KMS's public key Z of order q.
pub(crate) trait Engine: Send + Sync {
    /// [on_base]P + [on_key]Z.
    fn multiply(&self, scalars: &Scalars) -> Projective;
    /// For one recipient.
    fn encapsulate(&self, scalars: &Scalars) -> Encapsulated;
    /// For many; best in multiples of eight.
    fn encapsulate_group(&self, scalars: &[Scalars]) -> Vec<Encapsulated>;
    /// The pairing with a fixed argument; `None` unless it has order q.
    fn fix_argument(&self, point: &Affine) -> Option<Box<dyn Pairing>>;
}

/// The pairing with one argument fixed.
pub(crate) trait Pairing: Send + Sync {
    /// With a point of the curve whose y is not zero.
    fn pairing(&self, other: &Affine) -> Ratio;
}

impl<K: Kernel> Pairing for FixedArgument<K> {
    fn pairing(&self, other: &Affine) -> Ratio {
        self.pairing(other)
    }
}

struct Tables<K: Kernel> {
    k: K,
    shared: &'static Shared<K>,
    key: PointTable<K>,
}

impl<K: Kernel> Engine for Tables<K> {
    fn multiply(&self, scalars: &Scalars) -> Projective {
        multiply(
            self.k,
            &[
                (&self.shared.base, &scalars.on_base),
                (&self.key, &scalars.on_key),
            ],
        )
        .first(self.k)
    }

    fn encapsulate(&self, scalars: &Scalars) -> Encapsulated {
        let mut point = self.multiply(scalars);
        let mut power = power(self.k, &self.shared.power, &scalars.on_key).first(self.k);
        let infinite = bool::from(point.z.is_zero());
        // One inversion for both denominators; the power's is never zero.
        let mut inverse = point.z.mul(&power.a).invert();
        let mut of_z = inverse.mul(&power.a);
        let w = inverse.mul(&point.z).mul(&power.b);
        let numbers = [point.x.mul(&of_z), point.y.mul(&of_z), w];
        inverse.zeroize();
        of_z.zeroize();
        point.zeroize();
        power.zeroize();
        Encapsulated::new(numbers, infinite)
    }

    fn encapsulate_group(&self, scalars: &[Scalars]) -> Vec<Encapsulated> {
        group::encapsulate(self.k, self.shared, &self.key, scalars)
    }

    fn fix_argument(&self, point: &Affine) -> Option<Box<dyn Pairing>> {
        let fixed = FixedArgument::new(self.k, point)?;
        Some(Box::new(fixed))
    }
}

fn tables<K: Kernel>(k: K, key: &Affine, width: usize) -> Result<Box<dyn Engine>> {
    Ok(Box::new(Tables {
        k,
        shared: K::shared().get(k, width)?,
        key: PointTable::new(k, key, width),
    }))
}

/// The engine of a key of order q, with tables of `width` bits.
pub(crate) fn engine(
    instructions: Instructions,
    key: &Affine,
    width: usize,
) -> Result<Box<dyn Engine>> {
    #[cfg(target_arch = "x86_64")]
    if let (Instructions::Best, Some(k)) = (instructions, Ifma::detect()) {
        return tables(k, key, width);
    }
    let _ = instructions;
    tables(Portable, key, width)
}

/// A few scalars leave most lanes of a group empty.
pub(crate) const WORTH_A_GROUP: usize = 4;

fn multiply_base_on<K: Kernel>(k: K, scalars: &[&Limbs], width: usize) -> Result<Vec<Product>> {
    let table = &K::shared().get(k, width)?.base;
    if scalars.len() >= WORTH_A_GROUP {
        return Ok(group::multiply(k, table, scalars));
    }
    Ok(scalars
        .iter()
        .map(|scalar| {
            let mut point = multiply(k, &[(table, *scalar)]).first(k);
            let mut inverse = point.z.invert();
            let numbers = [point.x.mul(&inverse), point.y.mul(&inverse)];
            let infinite = bool::from(point.z.is_zero());
            point.zeroize();
            inverse.zeroize();
            Product::new(numbers, infinite)
        })
        .collect())
}

/// [scalar]P for every scalar.
pub(crate) fn multiply_base(scalars: &[&Limbs], width: usize) -> Result<Vec<Product>> {
    #[cfg(target_arch = "x86_64")]
    if let Some(k) = Ifma::detect() {
        return multiply_base_on(k, scalars, width);
    }
    multiply_base_on(Portable, scalars, width)
}

/// Runs every algorithm on the bounds of its values.
#[cfg(test)]
pub(crate) fn check_magnitudes(width: usize) -> Result<()> {
    use super::kernel::magnitude::Magnitude;
    use super::modular::Fp;
    let engine = tables(Magnitude, &Affine::base(), width)?;
    let scalars = Scalars {
        on_base: *Fp::ONE.raw(),
        on_key: *Fp::ONE.raw(),
    };
    engine.multiply(&scalars);
    engine.encapsulate(&scalars);
    engine.encapsulate_group(&[scalars; 20]);
    if let Some(pairing) = engine.fix_argument(&Affine::base()) {
        pairing.pairing(&Affine::base());
    }
    multiply_base_on(Magnitude, &[&scalars.on_key], width)?;
    multiply_base_on(Magnitude, &[&scalars.on_key; 20], width).map(drop)
}
