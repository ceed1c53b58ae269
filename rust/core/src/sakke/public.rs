//! A KMS's public key: encapsulation, and validation of the keys it hands out.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use zeroize::Zeroize;

use super::curve::{Affine, POINT_OCTETS, Projective};
use super::modular::{Fp, Fq};
use super::pairing::Lines;
use super::params;
use super::table::{PointTable, PowerTable, WIDTHS};
use super::uint::Limbs;
use super::{SED_OCTETS, SSV_OCTETS, hash};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// Tables that are the same for every KMS, made once per process and width.
pub(crate) struct CommonTables {
    pub(crate) base: PointTable,
    pub(crate) power: PowerTable,
}

impl CommonTables {
    /// The tables of `width` bits, in [`WIDTHS`].
    pub(crate) fn get(width: usize) -> Result<&'static Self> {
        static MADE: [OnceLock<CommonTables>; 9] = [const { OnceLock::new() }; 9];
        let slot = match MADE.get(width) {
            Some(slot) if WIDTHS.contains(&width) => slot,
            _ => return Err(Error::Invalid("table width")),
        };
        Ok(slot.get_or_init(|| Self {
            base: PointTable::new(&Affine::base(), width),
            power: PowerTable::new(width),
        }))
    }
}

/// A KMS's public key Z with its tables. Cheap to clone; clones share the tables.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    octets: [u8; POINT_OCTETS],
    common: &'static CommonTables,
    table: PointTable,
}

impl PublicKey {
    /// From Z (257 octets `04||x||y`) and the window width of the tables.
    ///
    /// # Errors
    /// [`Error::Size`], or [`Error::Invalid`] when Z is not a point of order q or the width is not offered.
    pub fn new(z: &[u8], table_bits: usize) -> Result<Self> {
        let common = CommonTables::get(table_bits)?;
        let point = Affine::from_octets(z, "Z")?;
        if !point.has_order_q() {
            return Err(Error::Invalid("Z"));
        }
        Ok(Self(Arc::new(Inner {
            octets: point.to_octets(),
            common,
            table: PointTable::new(&point, table_bits),
        })))
    }

    /// Z, 257 octets.
    #[must_use]
    pub fn octets(&self) -> &[u8; POINT_OCTETS] {
        &self.0.octets
    }

    /// [scalar]([b]P + Z) = [scalar * b]P + [scalar]Z.
    pub(crate) fn multiply(&self, scalar: &Limbs, b: &Fq) -> Projective {
        let mut on_base = Fq::from_limbs(scalar).mul(b);
        let sum = self
            .0
            .common
            .base
            .multiply(&on_base.to_limbs())
            .add(&self.0.table.multiply(scalar));
        on_base.zeroize();
        sum
    }

    /// [b]P + Z, refused where it is infinity: that identity must not be used.
    pub(crate) fn identity_point(&self, b: &Fq) -> Result<Affine> {
        let mut one = [0; 16];
        one[0] = 1;
        self.multiply(&one, b)
            .to_affine()
            .ok_or(Error::Invalid("identity"))
    }

    /// SED (273 octets) that gives `ssv` (16 octets) to the owner of `identity`.
    ///
    /// # Errors
    /// [`Error::Size`] of the SSV; [`Error::Invalid`] when [b]P + Z is infinity for this identity.
    pub fn encapsulate(&self, identity: &[u8], ssv: &Secret) -> Result<Vec<u8>> {
        if ssv.expose().len() != SSV_OCTETS {
            return Err(Error::Size("SSV", SSV_OCTETS, ssv.expose().len()));
        }
        let b = hash::identity_to_scalar(identity);
        let mut r = hash::to_scalar(&[ssv.expose(), identity]);
        let point = self.multiply(&r, &b).to_affine();
        let mut w = self.0.common.power.power(&r).value().to_octets();
        let mut mask = hash::to_mask(&w);
        r.zeroize();
        w.zeroize();
        let point = point.ok_or(Error::Invalid("identity"))?;
        let mut sed = Vec::with_capacity(SED_OCTETS);
        sed.extend_from_slice(&point.to_octets());
        sed.extend(ssv.expose().iter().zip(&mask).map(|(s, m)| s ^ m));
        mask.zeroize();
        Ok(sed)
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
        let work = || {
            identities
                .par_iter()
                .map(|identity| self.encapsulate(identity.as_ref(), ssv))
                .collect()
        };
        match threads {
            0 => work(),
            1 => identities
                .iter()
                .map(|identity| self.encapsulate(identity.as_ref(), ssv))
                .collect(),
            _ => rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map_err(|_| Error::Invalid("number of threads"))?
                .install(work),
        }
    }

    /// Checks that `rsk` (257 octets) belongs to `identity`: pairing([b]P + Z, RSK) = g.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Invalid`] when it is no point of order q, [`Error::Check`] when it belongs to another.
    pub fn validate_rsk(&self, identity: &[u8], rsk: &Secret) -> Result<()> {
        self.checked_lines(identity, rsk).map(drop)
    }

    /// The lines of a validated RSK.
    pub(crate) fn checked_lines(&self, identity: &[u8], rsk: &Secret) -> Result<Lines> {
        let b = hash::identity_to_scalar(identity);
        let mut key = Affine::from_octets(rsk.expose(), "RSK")?;
        // The pairing does not see a part of order 4 that was added to a right key.
        if !key.has_order_q() {
            return Err(Error::Invalid("RSK"));
        }
        let lines = Lines::new(&key);
        key.zeroize();
        let value = lines.pairing(&self.identity_point(&b)?).value();
        if bool::from(value.equal(&Fp::from_limbs(&params::G))) {
            Ok(lines)
        } else {
            Err(Error::Check("RSK"))
        }
    }
}
