//! Key octets that are wiped when dropped, never printed and compared in constant time.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// No key is longer; a slip of the pen must not ask for all memory.
const MAX_RANDOM: usize = 1 << 16;

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
    /// [`Error::Randomness`] when it gives none; [`Error::Invalid`] for more than 65,536.
    pub fn random(len: usize) -> Result<Self> {
        if len > MAX_RANDOM {
            return Err(Error::Invalid("length of a random secret"));
        }
        let mut octets = Zeroizing::new(vec![0; len]);
        getrandom::fill(&mut octets).map_err(|_| Error::Randomness)?;
        Ok(Self(octets))
    }

    /// The first `len` octets.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there are not as many.
    pub fn head(&self, len: usize) -> Result<Self> {
        Self::part(self.0.get(..len))
    }

    /// The last `len` octets.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there are not as many.
    pub fn tail(&self, len: usize) -> Result<Self> {
        Self::part(
            self.0
                .len()
                .checked_sub(len)
                .and_then(|start| self.0.get(start..)),
        )
    }

    fn part(octets: Option<&[u8]>) -> Result<Self> {
        octets
            .map(|octets| Self::new(octets.to_vec()))
            .ok_or(Error::Invalid("part of a secret"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let secret = Secret::new(vec![1, 2, 3, 4]);
        assert_eq!(secret.head(3), Ok(Secret::new(vec![1, 2, 3])));
        assert_eq!(secret.tail(1), Ok(Secret::new(vec![4])));
        assert_eq!(secret.tail(4), Ok(secret.clone()));
        assert_eq!(secret.head(5), Err(Error::Invalid("part of a secret")));
        assert_eq!(secret.tail(5), Err(Error::Invalid("part of a secret")));
    }

    #[test]
    fn debug_says_only_the_length() {
        assert_eq!(
            format!("{:?}", Secret::new(vec![0xab; 16])),
            "Secret(16 octets)"
        );
    }

    #[test]
    fn equality_looks_at_every_octet_and_the_length() {
        let secret = Secret::new(vec![7; 16]);
        assert_eq!(secret, Secret::new(vec![7; 16]));
        for i in 0..16 {
            let mut other = vec![7; 16];
            other[i] ^= 0x80;
            assert_ne!(secret, Secret::new(other));
        }
        assert_ne!(secret, Secret::new(vec![7; 15]));
    }
}
