//! What ECCSI hashes, and how octets become integers modulo the group order.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::SCALAR_SIZE;
use super::curve::{GENERATOR, POINT_SIZE};
use super::field::Scalar;
use super::primes::{Modulus, Order};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// SHA-256 of the parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    finish(Sha256::new(), parts)
}

fn finish(mut hash: Sha256, parts: &[&[u8]]) -> [u8; 32] {
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The hash that ties a PVT to its identity and KMS, with the part that is the same for a whole KMS done once.
pub(super) struct IdentityHash(Sha256);

impl IdentityHash {
    /// For the KMS with this KPAK.
    pub(super) fn new(kpak: &[u8; POINT_SIZE]) -> Self {
        let mut hash = Sha256::new();
        hash.update(GENERATOR.encode());
        hash.update(kpak);
        Self(hash)
    }

    /// HS = hash(G || KPAK || ID || PVT), RFC 6507 5.1.1.
    pub(super) fn of(&self, identity: &[u8], pvt: &[u8; POINT_SIZE]) -> [u8; 32] {
        finish(self.0.clone(), &[identity, pvt])
    }
}

/// The integer in 32 octets, where it is in [1, q - 1].
pub(super) fn scalar_of(octets: &[u8]) -> Option<Zeroizing<Scalar>> {
    let octets: &[u8; SCALAR_SIZE] = octets.try_into().ok()?;
    // public: whether the octets are a scalar at all
    let scalar = Zeroizing::new(Scalar::from_octets(octets)?);
    // public: whether the octets are a scalar at all
    (!scalar.is_zero()).then_some(scalar)
}

/// The 512-bit integer `high || low` modulo q: uniform to within 2^-256 where the octets are.
pub(super) fn reduce_wide(high: &[u8; 32], low: &[u8; 32]) -> Zeroizing<Scalar> {
    // 2^256 as an element has R squared for its Montgomery form.
    let radix = Scalar::from_montgomery(Order::R2);
    Zeroizing::new(
        Scalar::from_octets_reduced(high)
            .mul(&radix)
            .add(&Scalar::from_octets_reduced(low)),
    )
}

/// A random integer in [1, q - 1].
///
/// # Errors
/// [`Error::Randomness`] when the operating system gives none.
pub(super) fn random_scalar() -> Result<Zeroizing<Scalar>> {
    loop {
        let octets = Secret::random(2 * SCALAR_SIZE)?;
        let (halves, _) = octets.expose().as_chunks::<SCALAR_SIZE>();
        let [high, low] = halves else {
            return Err(Error::Randomness);
        };
        let scalar = reduce_wide(high, low);
        if !scalar.is_zero() {
            return Ok(scalar);
        }
    }
}

/// A scalar as 32 octets that are wiped.
pub(super) fn secret_of(scalar: &Scalar) -> Secret {
    Secret::new(scalar.to_octets().to_vec())
}
