//! Key octets that are wiped when dropped, never printed and compared in constant time.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// An octet string that must stay secret.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `octets`; the caller's copy, if any, is the caller's to wipe.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// `len` octets from the operating system.
    ///
    /// # Errors
    /// [`Error::Randomness`] when it gives none.
    pub fn random(len: usize) -> Result<Self> {
        let mut octets = Zeroizing::new(vec![0; len]);
        getrandom::fill(&mut octets).map_err(|_| Error::Randomness)?;
        Ok(Self(octets))
    }

    /// The octets themselves. Copies made from them are not wiped.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} octets)", self.0.len())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}
