//! The owner of an RSK.

use zeroize::Zeroize;

use super::curve::{Affine, POINT_OCTETS};
use super::engine::Pairing;
use super::modular::Fq;
use super::public::PublicKey;
use super::{SED_OCTETS, hash};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// An identity's validated RSK.
pub struct Receiver {
    public: PublicKey,
    identity: Vec<u8>,
    b: Fq,
    rsk: Rsk,
}

/// What is kept of an RSK.
enum Rsk {
    /// The pairing's lines, for whoever opens much: half a MiB.
    Lines(Box<dyn Pairing>),
    /// Its octets, from which the lines are made for each message.
    Octets(Secret),
}

impl Receiver {
    /// Validates `rsk` (257 octets) for `identity` under `public` and makes the pairing's lines.
    ///
    /// # Errors
    /// As [`PublicKey::validate_rsk`].
    pub fn new(public: &PublicKey, identity: &[u8], rsk: &Secret) -> Result<Self> {
        Ok(Self {
            public: public.clone(),
            identity: identity.to_vec(),
            b: hash::identity_to_scalar(identity),
            rsk: Rsk::Lines(public.fix_rsk(identity, rsk)?),
        })
    }

    /// The same without the lines: less than a KiB in place of half a MiB, for processes that play many users. They are
    /// made again for every message, which takes some thirty times as long as the decapsulation itself.
    ///
    /// # Errors
    /// As [`PublicKey::validate_rsk`].
    pub fn compact(public: &PublicKey, identity: &[u8], rsk: &Secret) -> Result<Self> {
        public.validate_rsk(identity, rsk)?;
        Ok(Self {
            public: public.clone(),
            identity: identity.to_vec(),
            b: hash::identity_to_scalar(identity),
            rsk: Rsk::Octets(rsk.clone()),
        })
    }

    /// The SSV (16 octets) in a SED of 273 octets. `trimmed_g` allows a second try for senders that hash g^r without
    /// its leading zero octets; the R check guards it like the first. How many octets the second try hashes is not hidden.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Invalid`] when R is not on the curve, [`Error::Check`] when the R check fails.
    pub fn decapsulate(&self, sed: &[u8], trimmed_g: bool) -> Result<Secret> {
        if sed.len() != SED_OCTETS {
            return Err(Error::Size("SED", SED_OCTETS, sed.len()));
        }
        let (r, h) = sed.split_at(POINT_OCTETS);
        let r = Affine::from_octets(r, "R")?;
        if bool::from(r.y.is_zero()) {
            return Err(Error::Invalid("R"));
        }
        let mut pairing = match &self.rsk {
            Rsk::Lines(lines) => lines.pairing(&r),
            Rsk::Octets(octets) => self.public.lines(octets)?.pairing(&r),
        };
        let mut w = pairing.value().to_octets();
        pairing.zeroize();
        let mut opened = self.open(&w, h, &r);
        if opened.is_err() && trimmed_g {
            // Made whether or not there is a zero to leave out, so that its being made says nothing about w.
            let zeros = w.iter().take_while(|octet| **octet == 0).count();
            opened = self.open(&w[zeros..], h, &r);
        }
        w.zeroize();
        opened
    }

    fn open(&self, w: &[u8], h: &[u8], r: &Affine) -> Result<Secret> {
        let mut mask = hash::to_mask(w);
        let ssv = Secret::new(h.iter().zip(&mask).map(|(h, m)| h ^ m).collect());
        mask.zeroize();
        let mut scalar = hash::to_scalar(&[ssv.expose(), &self.identity]);
        let matches = self.public.made_with(&scalar, &self.b, r);
        scalar.zeroize();
        // public: a message that fails the R check is refused.
        if matches {
            Ok(ssv)
        } else {
            Err(Error::Check("R"))
        }
    }
}
