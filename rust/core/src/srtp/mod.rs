//! SRTP and SRTCP packet transforms (RFC 3711, RFC 7714).
//!
//! Read from the top: [`Profile`] names the two cipher suites, `derive` makes session keys from a master key,
//! `transform` seals and opens one packet body, [`window`] remembers which indexes were seen, `sending` and `ring`
//! hold the keys of a sender and of a receiver, [`rtcp`] and [`rtp`] put packets together and take them apart.
//!
//! A sender's packet index is its nonce. It is taken from a range that the caller reserved, only ever goes up, and
//! belongs to the SSRC: it counts on when the key changes (RFC 3711 3.4).

mod derive;
mod ring;
mod roc;
pub mod rtcp;
pub mod rtp;
mod sending;
mod transform;
pub mod window;

#[cfg(test)]
mod tests;

pub use ring::{Opened, Opening};
pub use sending::IndexRange;

/// The longest MKI, in octets (the length field of RFC 3830 6.10.1 and libsrtp agree on it).
pub const MAX_MKI: usize = 128;

/// The longest packet before protection: what a UDP datagram can hold, and far less than the 2^16 blocks after which
/// the AES-CM counter would run into the keystream of the next index (RFC 3711 4.1.1).
pub const MAX_PACKET: usize = 0xffff;

/// A cipher suite, with the sizes that come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// RFC 7714: 16-octet key, 12-octet salt, 16-octet tag.
    AeadAes128Gcm,
    /// RFC 3711 with an 80-bit tag: 16-octet key, 14-octet salt, 10-octet tag.
    AesCm128HmacSha1_80,
}

impl Profile {
    /// Octets of a master key.
    #[must_use]
    pub const fn key_length(self) -> usize {
        16
    }

    /// Octets of a master salt.
    #[must_use]
    pub const fn salt_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::AesCm128HmacSha1_80 => 14,
        }
    }

    /// Octets of an authentication tag.
    #[must_use]
    pub const fn tag_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16,
            Self::AesCm128HmacSha1_80 => 10,
        }
    }

    /// Octets that follow the MKI: RFC 3711 puts the tag last, RFC 7714 has it inside the ciphertext.
    const fn after_mki(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 0,
            Self::AesCm128HmacSha1_80 => self.tag_length(),
        }
    }
}

/// The 32-bit number at `at`; the caller has checked that it is there.
fn read_u32(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

/// Writes `parts` one after the other over all of `out`.
fn write_all(mut out: &mut [u8], parts: [&[u8]; 3]) {
    for part in parts {
        let (here, rest) = out.split_at_mut(part.len());
        here.copy_from_slice(part);
        out = rest;
    }
}
