//! SRTCP packets (RFC 3711 3.4, RFC 7714 9).
//!
//! ```text
//! GCM: header (8) | ciphertext | tag (16) | E + index (4) | MKI
//! CM:  header (8) | ciphertext | E + index (4) | MKI | tag (10)
//! ```

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::srtp::derive::Use;
use crate::srtp::ring::{Opening, Parts, Ring};
use crate::srtp::sending::{IndexRange, SendingKey};
use crate::srtp::transform::{MAX_TAG, Tail};
use crate::srtp::{MAX_PACKET, Profile, read_u32, write_all};

/// The largest SRTCP index.
pub const MAX_INDEX: u64 = (1 << 31) - 1;

/// The part of an RTCP packet that stays in clear: the common header and the sender's SSRC.
const HEADER: usize = 8;
/// The E flag and the index.
const WORD: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

/// Protects the RTCP packets of one SSRC.
pub struct Sender {
    profile: Profile,
    ssrc: u32,
    key: SendingKey,
    indexes: IndexRange,
}

impl Sender {
    /// A sender for `ssrc` that uses the indexes `first..=last` (1 to [`MAX_INDEX`]) and nothing else.
    ///
    /// # Errors
    /// [`Error::Argument`] for a range or an MKI that cannot be, [`Error::Size`] for a key or a salt.
    pub fn new(
        profile: Profile,
        ssrc: u32,
        (first, last): (u64, u64),
        mki: &[u8],
        master_key: &Secret,
        master_salt: &Secret,
    ) -> Result<Self> {
        Ok(Self {
            profile,
            ssrc,
            key: SendingKey::new(profile, Use::Rtcp, mki, master_key, master_salt)?,
            indexes: IndexRange::new(first, last, 1, MAX_INDEX)?,
        })
    }

    /// Switches to another key. The index counts on (RFC 3711 3.4).
    ///
    /// # Errors
    /// As [`Self::new`]; then the old key stays in use.
    pub fn install_key(
        &mut self,
        mki: &[u8],
        master_key: &Secret,
        master_salt: &Secret,
    ) -> Result<()> {
        self.key = SendingKey::new(self.profile, Use::Rtcp, mki, master_key, master_salt)?;
        Ok(())
    }

    /// Moves the end of the reserved range up to `last`.
    ///
    /// # Errors
    /// [`Error::Argument`] when `last` is below the present end, or no SRTCP index.
    pub fn extend(&mut self, last: u64) -> Result<()> {
        self.indexes.extend(last)
    }

    /// The SSRC of every packet.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The MKI of the key in use.
    #[must_use]
    pub fn mki(&self) -> &[u8] {
        &self.key.mki
    }

    /// The reserved indexes.
    #[must_use]
    pub fn indexes(&self) -> &IndexRange {
        &self.indexes
    }

    /// The size that a packet of `length` octets gets.
    #[must_use]
    pub fn protected_length(&self, length: usize) -> usize {
        length + self.profile.tag_length() + WORD + self.key.mki.len()
    }

    /// Protects a packet (compound or not) into `out`, which has [`Self::protected_length`] octets.
    ///
    /// # Errors
    /// [`Error::Argument`] for octets that are no RTCP packet of this SSRC, [`Error::Exhausted`] without a free index.
    pub fn protect(&mut self, packet: &[u8], out: &mut [u8]) -> Result<()> {
        match header_fault(packet) {
            Some((what, _)) => return Err(Error::Argument(what)),
            None if read_u32(packet, 4) != self.ssrc => {
                return Err(Error::Argument("RTCP packet: SSRC of another sender"));
            }
            None if out.len() != self.protected_length(packet.len()) => {
                return Err(Error::Size(
                    "SRTCP packet",
                    self.protected_length(packet.len()),
                    out.len(),
                ));
            }
            None => {}
        }
        let index = self.indexes.take()?;
        // The range ends at MAX_INDEX, so the index fits its 31 bits.
        let word = (index as u32 | ENCRYPTED).to_be_bytes();

        let (head, rest) = out.split_at_mut(HEADER);
        let (body, trailer) = rest.split_at_mut(packet.len() - HEADER);
        head.copy_from_slice(&packet[..HEADER]);
        body.copy_from_slice(&packet[HEADER..]);
        let mut tag = [0; MAX_TAG];
        let tag = &mut tag[..self.profile.tag_length()];
        self.key
            .transform
            .seal(self.ssrc, index, head, body, Tail::Word(word), tag)?;
        let parts: [&[u8]; 3] = match self.profile {
            Profile::AeadAes128Gcm => [tag, &word, &self.key.mki],
            Profile::AesCm128HmacSha1_80 => [&word, &self.key.mki, tag],
        };
        write_all(trailer, parts);
        Ok(())
    }
}

/// Opens the SRTCP packets of any number of SSRCs under any number of keys.
pub struct Receiver {
    profile: Profile,
    ring: Ring,
    accept_unencrypted: bool,
}

impl Receiver {
    /// A receiver with replay windows of `window` indexes, for at most `max_streams` pairs of key and SSRC.
    ///
    /// Packets with E = 0 (authenticated, not encrypted) are refused unless `accept_unencrypted`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a window size that is not offered.
    pub fn new(
        profile: Profile,
        window: usize,
        max_streams: usize,
        accept_unencrypted: bool,
    ) -> Result<Self> {
        Ok(Self {
            profile,
            ring: Ring::new(profile, Use::Rtcp, window, max_streams)?,
            accept_unencrypted,
        })
    }

    /// Installs a key under `mki`.
    ///
    /// # Errors
    /// [`Error::Argument`] when the MKI is taken or too long, [`Error::Size`] for a key or a salt.
    pub fn add_key(&mut self, mki: &[u8], master_key: &Secret, master_salt: &Secret) -> Result<()> {
        self.ring.add(mki, master_key, master_salt)
    }

    /// Forgets the key under `mki`, if there is one, and what was seen under it.
    pub fn remove_key(&mut self, mki: &[u8]) {
        self.ring.remove(mki);
    }

    /// Finds the key and the parts of a packet.
    ///
    /// # Errors
    /// [`Error::Decode`] for octets that are no SRTCP packet, [`Error::UnknownKey`], and [`Error::Refused`] for E = 0.
    pub fn prepare<'a>(&'a mut self, packet: &'a [u8]) -> Result<Opening<'a>> {
        if let Some((what, offset)) = header_fault(packet) {
            return Err(Error::Decode(what, offset));
        }
        let tag_length = self.profile.tag_length();
        let short = Error::Decode("SRTCP packet: too short", packet.len());
        let before_tag = packet
            .len()
            .checked_sub(self.profile.after_mki())
            .ok_or(short)?;
        let mki_length = self.ring.mki_length(&packet[..before_tag])?;
        let end = packet
            .len()
            .checked_sub(mki_length + tag_length + WORD)
            .filter(|&end| end >= HEADER)
            .ok_or(short)?;
        let (word_at, tag_at) = match self.profile {
            Profile::AeadAes128Gcm => (end + tag_length, end),
            Profile::AesCm128HmacSha1_80 => (end, before_tag),
        };
        let word = read_u32(packet, word_at);
        let encrypted = word & ENCRYPTED != 0;
        if !encrypted && !self.accept_unencrypted {
            return Err(Error::Refused("SRTCP packet: not encrypted"));
        }
        // Without encryption all of the packet is only authenticated (RFC 7714 9.3).
        let split = if encrypted { HEADER } else { end };
        let parts = Parts {
            ssrc: read_u32(packet, 4),
            index: u64::from(word & !ENCRYPTED),
            head: &packet[..split],
            body: &packet[split..end],
            tail: Tail::Word(word.to_be_bytes()),
            tag: &packet[tag_at..tag_at + tag_length],
        };
        let mki = &packet[before_tag - mki_length..before_tag];
        Ok(Opening {
            ring: &mut self.ring,
            rocs: None,
            mki,
            parts,
        })
    }
}

/// Why these octets cannot start an RTCP packet, and where.
fn header_fault(packet: &[u8]) -> Option<(&'static str, usize)> {
    if packet.len() < HEADER {
        return Some(("RTCP packet: too short", packet.len()));
    }
    if packet.len() > MAX_PACKET {
        return Some(("RTCP packet: too long", MAX_PACKET));
    }
    if packet[0] >> 6 != 2 {
        return Some(("RTCP packet: version is not 2", 0));
    }
    None
}
