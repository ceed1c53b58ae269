//! What everybody can check with a KMS's public key (RFC 6507 5.1.2 and 5.2.2). Nothing here works in constant time,
//! but for the multiplication by an SSK.

use super::SIGNATURE_SIZE;
use super::curve::{Affine, POINT_SIZE};
use super::field::{Fp, Scalar};
use super::hash::{IdentityHash, scalar_of, sha256};
use super::multiply::{FixedBase, GENERATOR_TABLE, multiply_public};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// A KMS's public authentication key KPAK, with the tables of its multiples.
pub struct PublicKey {
    octets: [u8; POINT_SIZE],
    point: Affine,
    table: FixedBase,
    hash: IdentityHash,
}

/// An SSK and its PVT, proved to belong to an identity.
pub(super) struct ValidKey {
    pub(super) ssk: zeroize::Zeroizing<Scalar>,
    pub(super) hs: [u8; 32],
    pub(super) pvt: [u8; POINT_SIZE],
}

impl PublicKey {
    /// The key in 65 octets, 04 || x || y. Makes 88 kB of tables.
    ///
    /// # Errors
    /// [`Error::Size`]; [`Error::Invalid`] where the octets are no point of the curve.
    pub fn new(kpak: &[u8]) -> Result<Self> {
        let octets: [u8; POINT_SIZE] = kpak
            .try_into()
            .map_err(|_| Error::Size("KPAK", POINT_SIZE, kpak.len()))?;
        let point = Affine::decode(&octets).ok_or(Error::Invalid("KPAK"))?;
        Ok(Self {
            octets,
            point,
            table: FixedBase::new(&point),
            hash: IdentityHash::new(&octets),
        })
    }

    /// KPAK, 65 octets.
    #[must_use]
    pub fn octets(&self) -> &[u8; POINT_SIZE] {
        &self.octets
    }

    /// Checks that the owner of `identity` signed `message`.
    ///
    /// With Y = [HS]PVT + KPAK, J = [s]([HE]G + [r]Y) is one sum of three multiples. Replacing s by q - s leaves a
    /// signature valid: it is no identity of a message.
    ///
    /// # Errors
    /// [`Error::Check`] for whatever is wrong with the signature, its form included.
    pub fn verify(&self, identity: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
        let form = Error::Check("form of the ECCSI signature");
        let signature: &[u8; SIGNATURE_SIZE] = signature.try_into().map_err(|_| form)?;
        let (r_octets, rest) = signature.split_first_chunk::<32>().ok_or(form)?;
        let (s_octets, pvt_octets) = rest.split_first_chunk::<32>().ok_or(form)?;
        let pvt_octets: &[u8; POINT_SIZE] = pvt_octets.try_into().map_err(|_| form)?;

        // r is a coordinate: below p, not reduced modulo q.
        let x = Fp::from_octets(r_octets).ok_or(form)?;
        let r = Scalar::from_octets_reduced(r_octets);
        let s = scalar_of(s_octets).ok_or(form)?;
        let pvt = Affine::decode(pvt_octets).ok_or(form)?;
        if x.is_zero() || r.is_zero() {
            return Err(form);
        }

        let hs = self.hash.of(identity, pvt_octets);
        let he = sha256(&[&hs, r_octets, message]);
        let of_kpak = s.mul(&r);
        let of_pvt = of_kpak.mul(&Scalar::from_octets_reduced(&hs));
        let of_g = s.mul(&Scalar::from_octets_reduced(&he));
        let sum = multiply_public(&of_pvt, &pvt);
        let sum = self.table.multiply_add_public(&of_kpak, sum);
        let sum = GENERATOR_TABLE.multiply_add_public(&of_g, sum);
        if sum.has_x(&x) {
            Ok(())
        } else {
            Err(Error::Check("ECCSI signature"))
        }
    }

    /// Checks what a KMS gave to `identity`: [SSK]G = KPAK + [HS]PVT.
    ///
    /// # Errors
    /// [`Error::Check`] for whatever is wrong with SSK or PVT.
    pub fn validate_ssk(&self, identity: &[u8], ssk: &Secret, pvt: &[u8]) -> Result<()> {
        self.validated(identity, ssk, pvt).map(|_| ())
    }

    pub(super) fn validated(&self, identity: &[u8], ssk: &Secret, pvt: &[u8]) -> Result<ValidKey> {
        let failed = Error::Check("SSK and PVT");
        let ssk = scalar_of(ssk.expose()).ok_or(failed)?;
        let pvt: [u8; POINT_SIZE] = pvt.try_into().map_err(|_| failed)?;
        let point = Affine::decode(&pvt).ok_or(failed)?;
        let hs = self.hash.of(identity, &pvt);
        let factor = Scalar::from_octets_reduced(&hs);
        let claimed = GENERATOR_TABLE.multiply(&ssk).to_affine();
        let due = multiply_public(&factor, &point).add_public(&self.point);
        // public: whether SSK and PVT belong together
        if factor.is_zero() || !due.is(&claimed) {
            return Err(failed);
        }
        Ok(ValidKey { ssk, hs, pvt })
    }
}
