//! A KMS's public key: encapsulation, and validation of the keys it hands out.

use std::sync::Arc;

use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::curve::{Affine, POINT_OCTETS};
use super::engine::{Engine, Instructions, Pairing, WORTH_A_GROUP, engine};
use super::group::{Encapsulated, Scalars};
use super::modular::{Fp, Fq};
use super::params;
use super::uint::Limbs;
use super::{SED_OCTETS, SSV_OCTETS, hash};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// Recipients whose encapsulations share inversions and table look-ups. More would share better and need more memory:
/// about 80 kB each.
pub(crate) const GROUP: usize = 32;

/// A KMS's public key Z with its tables. Cheap to clone; clones share the tables.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    octets: [u8; POINT_OCTETS],
    engine: Box<dyn Engine>,
}

impl PublicKey {
    /// From Z (257 octets `04||x||y`) and the window width of the tables in bits, 5 to 8.
    ///
    /// # Errors
    /// [`Error::Size`], or [`Error::Invalid`] when Z is not a point of order q or the width is not offered.
    pub fn new(z: &[u8], table_bits: usize) -> Result<Self> {
        Self::with_instructions(z, table_bits, Instructions::Best)
    }

    /// [`Self::new`] with a choice of instructions, for measurements and tests.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_instructions(
        z: &[u8],
        table_bits: usize,
        instructions: Instructions,
    ) -> Result<Self> {
        let point = Affine::from_octets(z, "Z")?;
        if !point.has_order_q() {
            return Err(Error::Invalid("Z"));
        }
        Ok(Self(Arc::new(Inner {
            octets: point.to_octets(),
            engine: engine(instructions, &point, table_bits)?,
        })))
    }

    /// Z, 257 octets.
    #[must_use]
    pub fn octets(&self) -> &[u8; POINT_OCTETS] {
        &self.0.octets
    }

    /// SED (273 octets) that gives `ssv` (16 octets) to the owner of `identity`.
    ///
    /// # Errors
    /// [`Error::Size`] of the SSV; [`Error::Invalid`] when [b]P + Z is infinity for this identity.
    pub fn encapsulate(&self, identity: &[u8], ssv: &Secret) -> Result<Vec<u8>> {
        check_ssv(ssv)?;
        let scalars = Zeroizing::new(scalars(identity, ssv));
        let made = Zeroizing::new(self.0.engine.encapsulate(&scalars));
        sed(&made, ssv)
    }

    /// The same for many recipients on `threads` cores (0: all), in order.
    ///
    /// # Errors
    /// As [`Self::encapsulate`], for the first recipient that fails.
    pub fn encapsulate_many<I: AsRef<[u8]> + Sync>(
        &self,
        identities: &[I],
        ssv: &Secret,
        threads: usize,
    ) -> Result<Vec<Vec<u8>>> {
        check_ssv(ssv)?;
        let group = |identities: &[I]| -> Result<Vec<Vec<u8>>> {
            if identities.len() < WORTH_A_GROUP {
                return identities
                    .iter()
                    .map(|identity| self.encapsulate(identity.as_ref(), ssv))
                    .collect();
            }
            let scalars: Zeroizing<Vec<Scalars>> = Zeroizing::new(
                identities
                    .iter()
                    .map(|identity| scalars(identity.as_ref(), ssv))
                    .collect(),
            );
            let made = Zeroizing::new(self.0.engine.encapsulate_group(&scalars));
            made.iter().map(|made| sed(made, ssv)).collect()
        };
        let work = || -> Result<Vec<Vec<u8>>> {
            let share = identities.len().div_ceil(rayon::current_num_threads());
            let size = share.next_multiple_of(8).clamp(8, GROUP);
            let groups: Result<Vec<_>> = identities.par_chunks(size).map(group).collect();
            Ok(groups?.into_iter().flatten().collect())
        };
        if threads == 0 {
            return work();
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|_| Error::Invalid("number of threads"))?
            .install(work)
    }

    /// Whether R is [r]([b]P + Z). R is public, r is not.
    pub(crate) fn made_with(&self, r: &Limbs, b: &Fq, point: &Affine) -> bool {
        let mut scalars = Scalars {
            on_base: Fq::from_limbs(r).mul(b).to_limbs(),
            on_key: *r,
        };
        let made = self.0.engine.multiply(&scalars);
        scalars.zeroize();
        bool::from(made.equals(point))
    }

    /// Checks that `rsk` (257 octets) belongs to `identity`: pairing([b]P + Z, RSK) = g.
    ///
    /// # Errors
    /// [`Error::Size`]; [`Error::Invalid`] when the RSK is no point of order q, or [b]P + Z is infinity;
    /// [`Error::Check`] when the RSK belongs to another identity or KMS.
    pub fn validate_rsk(&self, identity: &[u8], rsk: &Secret) -> Result<()> {
        self.fix_rsk(identity, rsk).map(drop)
    }

    /// The pairing with an RSK of any identity.
    pub(crate) fn lines(&self, rsk: &Secret) -> Result<Box<dyn Pairing>> {
        let mut key = Affine::from_octets(rsk.expose(), "RSK")?;
        // The order is checked on the way: the pairing would not see a part of order 2 or 4 added to a right key.
        let lines = self.0.engine.fix_argument(&key);
        key.zeroize();
        lines.ok_or(Error::Invalid("RSK"))
    }

    /// The pairing with a validated RSK.
    pub(crate) fn fix_rsk(&self, identity: &[u8], rsk: &Secret) -> Result<Box<dyn Pairing>> {
        let fixed = self.lines(rsk)?;
        let mut one = [0; 16];
        one[0] = 1;
        let point = self.0.engine.multiply(&Scalars {
            on_base: hash::identity_to_scalar(identity).to_limbs(),
            on_key: one,
        });
        let point = point.to_affine().ok_or(Error::Invalid("identity"))?;
        let value = fixed.pairing(&point).value();
        // public: a wrong RSK is refused.
        if bool::from(value.equal(&Fp::from_limbs(&params::G))) {
            Ok(fixed)
        } else {
            Err(Error::Check("RSK"))
        }
    }
}

fn check_ssv(ssv: &Secret) -> Result<()> {
    match ssv.expose().len() {
        SSV_OCTETS => Ok(()),
        given => Err(Error::Size("SSV", SSV_OCTETS, given)),
    }
}

/// r = HashToIntegerRange(SSV || b, q), and r * b.
fn scalars(identity: &[u8], ssv: &Secret) -> Scalars {
    let on_key = hash::to_scalar(&[ssv.expose(), identity]);
    let b = hash::identity_to_scalar(identity);
    Scalars {
        on_base: Fq::from_limbs(&on_key).mul(&b).to_limbs(),
        on_key,
    }
}

/// R || H.
fn sed(made: &Encapsulated, ssv: &Secret) -> Result<Vec<u8>> {
    let [x, y, w] = made.get().ok_or(Error::Invalid("identity"))?;
    let mask = Zeroizing::new(hash::to_mask(Zeroizing::new(w.to_octets()).as_slice()));
    let mut sed = Vec::with_capacity(SED_OCTETS);
    sed.extend_from_slice(&Affine { x: *x, y: *y }.to_octets());
    sed.extend(ssv.expose().iter().zip(mask.iter()).map(|(s, m)| s ^ m));
    Ok(sed)
}
