//! Signing (RFC 6507 5.2.1), in constant time.

use zeroize::Zeroizing;

use super::SIGNATURE_SIZE;
use super::field::Scalar;
use super::hash::{reduce_wide, scalar_of, sha256};
use super::multiply::GENERATOR_TABLE;
use super::verify::{PublicKey, ValidKey};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// An identity's SSK and PVT, validated.
pub struct Signer {
    key: ValidKey,
}

impl Signer {
    /// Validates what the KMS gave to `identity`.
    ///
    /// # Errors
    /// [`Error::Check`] for whatever is wrong with SSK or PVT.
    pub fn new(public: &PublicKey, identity: &[u8], ssk: &Secret, pvt: &[u8]) -> Result<Self> {
        public.validated(identity, ssk, pvt).map(|key| Self { key })
    }

    /// The signature of `message`: r, s, PVT.
    ///
    /// # Errors
    /// [`Error::Randomness`] when the operating system gives none.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_SIZE]> {
        loop {
            // RFC 6507 5.2.1 draws again where j, r or HE + r SSK is zero; none of that is ever seen.
            if let Some(signature) = self.sign_from(message, &*self.nonce(message)?) {
                return Ok(signature);
            }
        }
    }

    /// The signature with a given j, which gives the SSK away when it is known or used twice: for test vectors.
    ///
    /// # Errors
    /// [`Error::Invalid`] where j is not in [1, q - 1] or gives no signature.
    pub fn sign_with(&self, message: &[u8], j: &Secret) -> Result<[u8; SIGNATURE_SIZE]> {
        scalar_of(j.expose())
            .and_then(|j| self.sign_from(message, &j))
            .ok_or(Error::Invalid("j"))
    }

    /// j for one signature: a hash of 32 fresh octets, SSK, HS and the message, widened to 512 bits and reduced.
    ///
    /// Fresh octets alone would do. The hash keeps j unknown and different for different messages also where the
    /// operating system's generator is weak or a virtual machine is resumed twice from one image.
    fn nonce(&self, message: &[u8]) -> Result<Zeroizing<Scalar>> {
        let fresh = Secret::random(32)?;
        let ssk = Zeroizing::new(self.key.ssk.to_octets());
        let seed = Zeroizing::new(sha256(&[
            b"mcsec ECCSI j",
            fresh.expose(),
            &*ssk,
            &self.key.hs,
            message,
        ]));
        let high = Zeroizing::new(sha256(&[&[1], &*seed]));
        let low = Zeroizing::new(sha256(&[&[2], &*seed]));
        Ok(reduce_wide(&high, &low))
    }

    fn sign_from(&self, message: &[u8], j: &Scalar) -> Option<[u8; SIGNATURE_SIZE]> {
        // public: whether j gives a signature
        if j.is_zero() {
            return None;
        }
        let r_octets = Zeroizing::new(GENERATOR_TABLE.multiply(j))
            .to_affine()
            .x
            .to_octets();
        let r = Scalar::from_octets_reduced(&r_octets);
        let he = Scalar::from_octets_reduced(&sha256(&[&self.key.hs, &r_octets, message]));
        let t = Zeroizing::new(he.add(&r.mul(&self.key.ssk)));
        // public: whether j gives a signature
        if r.is_zero() || t.is_zero() {
            return None;
        }
        let s = Zeroizing::new(t.invert()).mul(j);
        let mut signature = [0; SIGNATURE_SIZE];
        signature[..32].copy_from_slice(&r_octets);
        signature[32..64].copy_from_slice(&s.to_octets());
        signature[64..].copy_from_slice(&self.key.pvt);
        Some(signature)
    }
}
