//! A KMS's master secret.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::curve::{Affine, POINT_OCTETS};
use super::engine::multiply_base;
use super::group::Product;
use super::modular::{Fq, invert_all};
use super::public::GROUP;
use super::uint::{self, Limbs};
use super::{DEFAULT_TABLE_BITS, hash, params};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// A KMS's master secret z.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterSecret {
    z: Fq,
    #[zeroize(skip)]
    public: [u8; POINT_OCTETS],
}

impl MasterSecret {
    /// From z: a big-endian integer of at most 128 octets in [1, q - 1].
    ///
    /// # Errors
    /// [`Error::Size`] when longer, [`Error::Invalid`] when out of range.
    pub fn new(z: &Secret) -> Result<Self> {
        let given = z.expose();
        let mut octets = Zeroizing::new([0; 128]);
        let at = octets
            .len()
            .checked_sub(given.len())
            .ok_or(Error::Size("z", 128, given.len()))?;
        octets[at..].copy_from_slice(given);
        let z = Fq::from_octets(&octets).ok_or(Error::Invalid("z"))?;
        // public: a z of zero is refused.
        if bool::from(z.is_zero()) {
            return Err(Error::Invalid("z"));
        }
        let limbs = Zeroizing::new(z.to_limbs());
        let points = multiply_base(&[&limbs], DEFAULT_TABLE_BITS)?;
        let point = points.first().and_then(Product::get);
        // public: a z that gives infinity is refused; there is none.
        let [x, y] = *point.ok_or(Error::Invalid("z"))?;
        let public = Affine { x, y }.to_octets();
        Ok(Self { z, public })
    }

    /// A fresh z, uniform in [1, q - 1].
    ///
    /// # Errors
    /// [`Error::Randomness`] when the operating system gives none.
    pub fn generate() -> Result<Self> {
        loop {
            let mut octets = Zeroizing::new([0; 128]);
            getrandom::fill(octets.as_mut_slice()).map_err(|_| Error::Randomness)?;
            // q has 1022 bits: after clearing the two above, more than every second draw is in range.
            octets[0] &= 0x3f;
            let drawn: Limbs = uint::from_octets(&octets);
            let below = uint::sub(&drawn, &params::Q).1 == 1;
            if below && !bool::from(uint::is_zero(&drawn)) {
                return Self::new(&Secret::new(octets.to_vec()));
            }
        }
    }

    /// z as 128 octets.
    #[must_use]
    pub fn export(&self) -> Secret {
        Secret::new(Zeroizing::new(self.z.to_octets()).to_vec())
    }

    /// Z, 257 octets.
    #[must_use]
    pub fn public_octets(&self) -> &[u8; POINT_OCTETS] {
        &self.public
    }

    /// RSK of `identity`: [1/(b + z)]P, 257 octets.
    ///
    /// # Errors
    /// [`Error::Invalid`] when b + z = 0 modulo q: this identity cannot have a key under this master secret.
    pub fn extract(&self, identity: &[u8]) -> Result<Secret> {
        let mut keys = self.extract_many(&[identity])?;
        keys.pop().ok_or(Error::Invalid("identity"))
    }

    /// RSKs of many identities, in order. They share the two inversions that a key takes.
    ///
    /// # Errors
    /// [`Error::Invalid`] when one of them cannot have a key.
    pub fn extract_many<I: AsRef<[u8]>>(&self, identities: &[I]) -> Result<Vec<Secret>> {
        let mut scalars: Vec<Fq> = identities
            .iter()
            .map(|identity| hash::identity_to_scalar(identity.as_ref()).add(&self.z))
            .collect();
        // public: that a scalar is zero refuses the identity.
        if scalars.iter().any(|scalar| bool::from(scalar.is_zero())) {
            return Err(Error::Invalid("identity"));
        }
        invert_all(&mut scalars);
        let limbs: Zeroizing<Vec<Limbs>> =
            Zeroizing::new(scalars.iter().map(|scalar| scalar.to_limbs()).collect());
        scalars.zeroize();
        let mut secrets = Vec::with_capacity(limbs.len());
        for group in limbs.chunks(GROUP) {
            let group: Vec<&Limbs> = group.iter().collect();
            let points = Zeroizing::new(multiply_base(&group, DEFAULT_TABLE_BITS)?);
            for point in points.iter() {
                // public: a key at infinity is refused; there is none.
                let [x, y] = *point.get().ok_or(Error::Invalid("identity"))?;
                let key = Zeroizing::new(Affine { x, y });
                secrets.push(Secret::new(Zeroizing::new(key.to_octets()).to_vec()));
            }
        }
        Ok(secrets)
    }
}
