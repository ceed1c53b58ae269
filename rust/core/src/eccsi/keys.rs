//! The KMS side (RFC 6507 4.2 and 5.1.1): the master secret, and the key pairs made from it.

use zeroize::Zeroizing;

use super::curve::POINT_SIZE;
use super::field::Scalar;
use super::hash::{IdentityHash, random_scalar, scalar_of, secret_of};
use super::multiply::GENERATOR_TABLE;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// A KMS's master secret KSAK.
pub struct MasterSecret {
    ksak: Zeroizing<Scalar>,
    public: [u8; POINT_SIZE],
    hash: IdentityHash,
}

/// What a KMS gives to an identity.
pub struct UserKey {
    /// SSK, 32 octets.
    pub ssk: Secret,
    /// PVT, 04 || x || y.
    pub pvt: [u8; POINT_SIZE],
}

impl MasterSecret {
    /// The master secret in 32 octets.
    ///
    /// # Errors
    /// [`Error::Size`]; [`Error::Invalid`] where it is not in [1, q - 1].
    pub fn new(ksak: &Secret) -> Result<Self> {
        let octets = ksak.expose();
        if octets.len() != super::SCALAR_SIZE {
            return Err(Error::Size("KSAK", super::SCALAR_SIZE, octets.len()));
        }
        scalar_of(octets)
            .map(Self::from_scalar)
            .ok_or(Error::Invalid("KSAK"))
    }

    /// A fresh master secret.
    ///
    /// # Errors
    /// [`Error::Randomness`] when the operating system gives none.
    pub fn generate() -> Result<Self> {
        random_scalar().map(Self::from_scalar)
    }

    fn from_scalar(ksak: Zeroizing<Scalar>) -> Self {
        let public = GENERATOR_TABLE.multiply(&ksak).to_affine().encode();
        let hash = IdentityHash::new(&public);
        Self { ksak, public, hash }
    }

    /// KSAK as 32 octets, for storage under wrap.
    #[must_use]
    pub fn export(&self) -> Secret {
        secret_of(&self.ksak)
    }

    /// KPAK = [KSAK]G, 65 octets.
    #[must_use]
    pub fn public_octets(&self) -> &[u8; POINT_SIZE] {
        &self.public
    }

    /// A fresh key pair of `identity`.
    ///
    /// # Errors
    /// [`Error::Randomness`] when the operating system gives none.
    pub fn extract(&self, identity: &[u8]) -> Result<UserKey> {
        loop {
            // An unusable v (SSK or HS zero) is drawn again; that does not happen in the lifetime of a universe.
            if let Some(key) = self.extract_from(identity, &*random_scalar()?) {
                return Ok(key);
            }
        }
    }

    /// The key pair of `identity` from a given v, which must never be used twice or be known: for test vectors.
    ///
    /// # Errors
    /// [`Error::Invalid`] where v is not in [1, q - 1] or gives no key.
    pub fn extract_with(&self, identity: &[u8], v: &Secret) -> Result<UserKey> {
        scalar_of(v.expose())
            .and_then(|v| self.extract_from(identity, &v))
            .ok_or(Error::Invalid("v"))
    }

    fn extract_from(&self, identity: &[u8], v: &Scalar) -> Option<UserKey> {
        let pvt = GENERATOR_TABLE.multiply(v).to_affine().encode();
        let hs = Scalar::from_octets_reduced(&self.hash.of(identity, &pvt));
        let ssk = Zeroizing::new(self.ksak.add(&hs.mul(v)));
        // public: a hash of public values
        if hs.is_zero() {
            return None;
        }
        // public: whether v gives a key
        (!ssk.is_zero()).then(|| UserKey {
            ssk: secret_of(&ssk),
            pvt,
        })
    }
}
