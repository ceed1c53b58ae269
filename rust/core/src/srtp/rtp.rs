//! SRTP packets (RFC 3711 3.1, RFC 7714 8), for media endpoints only: a server forwards media as it is.
//!
//! ```text
//! GCM: header | ciphertext | tag (16) | MKI [| ROC (4)]
//! CM:  header | ciphertext | MKI | tag (10)
//! ```
//!
//! The rollover counter in every packet is RCC mode 3 of RFC 4771, which TS 33.179 E.2 has by default for group media:
//! whoever joins late reads the counter instead of guessing it. The tag still covers it, by way of the nonce.

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::srtp::derive::Use;
use crate::srtp::ring::{Opening, Parts, Ring};
use crate::srtp::roc::{self, RocMemory};
use crate::srtp::sending::{IndexRange, SendingKey};
use crate::srtp::transform::{MAX_TAG, Tail};
use crate::srtp::{MAX_PACKET, Profile, read_u32, write_all};

/// The largest SRTP index.
pub const MAX_INDEX: u64 = roc::MAX_INDEX;

/// The RTP header without CSRCs and extension.
const FIXED_HEADER: usize = 12;
/// The rollover counter, where packets carry it.
const ROC: usize = 4;

/// Protects the RTP packets of one SSRC.
pub struct Sender {
    profile: Profile,
    ssrc: u32,
    key: SendingKey,
    indexes: IndexRange,
    started: bool,
    carry_roc: bool,
}

impl Sender {
    /// A sender for `ssrc` that uses no index outside `first..=last`.
    ///
    /// The sequence numbers are the packets' own; the rollover counter of the first packet is that of `first`. With
    /// `carry_roc` every packet ends with the counter; only AEAD profiles have that.
    ///
    /// # Errors
    /// [`Error::Argument`] for arguments that cannot be, [`Error::Size`] for a key or a salt.
    pub fn new(
        profile: Profile,
        ssrc: u32,
        (first, last): (u64, u64),
        carry_roc: bool,
        mki: &[u8],
        master_key: &Secret,
        master_salt: &Secret,
    ) -> Result<Self> {
        check_carry_roc(profile, carry_roc)?;
        Ok(Self {
            profile,
            ssrc,
            key: SendingKey::new(profile, Use::Rtp, mki, master_key, master_salt)?,
            indexes: IndexRange::new(first, last, 0, MAX_INDEX)?,
            started: false,
            carry_roc,
        })
    }

    /// Switches to another key. The index counts on (RFC 3711 3.3.1).
    ///
    /// # Errors
    /// As [`Self::new`]; then the old key stays in use.
    pub fn install_key(
        &mut self,
        mki: &[u8],
        master_key: &Secret,
        master_salt: &Secret,
    ) -> Result<()> {
        self.key = SendingKey::new(self.profile, Use::Rtp, mki, master_key, master_salt)?;
        Ok(())
    }

    /// Moves the end of the reserved range up to `last`.
    ///
    /// # Errors
    /// [`Error::Argument`] when `last` is below the present end, or no SRTP index.
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
        let roc = if self.carry_roc { ROC } else { 0 };
        length + self.profile.tag_length() + self.key.mki.len() + roc
    }

    /// Protects a packet into `out`, which has [`Self::protected_length`] octets.
    ///
    /// # Errors
    /// [`Error::Argument`] for octets that are no RTP packet of this SSRC and for an index that is not above all those
    /// used before, [`Error::Exhausted`] for one above the range.
    pub fn protect(&mut self, packet: &[u8], out: &mut [u8]) -> Result<()> {
        let header = header_length(packet).map_err(|(what, _)| Error::Argument(what))?;
        if read_u32(packet, 8) != self.ssrc {
            return Err(Error::Argument("RTP packet: SSRC of another sender"));
        }
        let length = self.protected_length(packet.len());
        if out.len() != length {
            return Err(Error::Size("SRTP packet", length, out.len()));
        }
        let index = self.index_of(sequence(packet));
        self.indexes.take_at(index)?;
        self.started = true;
        let roc = counter(index);

        let (head, rest) = out.split_at_mut(header);
        let (body, trailer) = rest.split_at_mut(packet.len() - header);
        head.copy_from_slice(&packet[..header]);
        body.copy_from_slice(&packet[header..]);
        let mut tag = [0; MAX_TAG];
        let tag = &mut tag[..self.profile.tag_length()];
        self.key
            .transform
            .seal(self.ssrc, index, head, body, tail(self.profile, roc), tag)?;
        let carried: &[u8] = if self.carry_roc { &roc } else { &[] };
        write_all(
            trailer,
            match self.profile {
                Profile::AeadAes128Gcm => [tag, &self.key.mki, carried],
                Profile::AesCm128HmacSha1_80 => [&self.key.mki, tag, carried],
            },
        );
        Ok(())
    }

    /// The index of the packet with this sequence number.
    fn index_of(&self, sequence: u16) -> u64 {
        let next = self.indexes.next();
        if self.started {
            roc::estimate(next - 1, sequence)
        } else {
            next >> 16 << 16 | u64::from(sequence)
        }
    }
}

/// Opens the SRTP packets of any number of SSRCs under any number of keys.
pub struct Receiver {
    profile: Profile,
    ring: Ring,
    rocs: RocMemory,
    carry_roc: bool,
}

impl Receiver {
    /// A receiver with replay windows of `window` indexes, for at most `max_streams` pairs of key and SSRC.
    ///
    /// With `carry_roc` the rollover counter is read from each packet, not estimated.
    ///
    /// # Errors
    /// [`Error::Argument`] for a window size that is not offered, and for `carry_roc` without an AEAD profile.
    pub fn new(
        profile: Profile,
        window: usize,
        max_streams: usize,
        carry_roc: bool,
    ) -> Result<Self> {
        check_carry_roc(profile, carry_roc)?;
        Ok(Self {
            profile,
            ring: Ring::new(profile, Use::Rtp, window, max_streams)?,
            rocs: RocMemory::default(),
            carry_roc,
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

    /// Tells the rollover counter of the first packet that `ssrc` will send here; without it the counter is 0.
    ///
    /// # Errors
    /// [`Error::Argument`] once a packet of `ssrc` was accepted, and when there is no room for another SSRC.
    pub fn start_stream(&mut self, ssrc: u32, roc: u32) -> Result<()> {
        self.rocs.tell(&self.ring, ssrc, roc)
    }

    /// Finds the key, the parts and the likely index of a packet.
    ///
    /// # Errors
    /// [`Error::Decode`] for octets that are no SRTP packet, [`Error::UnknownKey`].
    pub fn prepare<'a>(&'a mut self, packet: &'a [u8]) -> Result<Opening<'a>> {
        let header = header_length(packet).map_err(|(what, offset)| Error::Decode(what, offset))?;
        let tag_length = self.profile.tag_length();
        let short = Error::Decode("SRTP packet: too short", packet.len());
        let carried = if self.carry_roc { ROC } else { 0 };
        let mki_end = packet
            .len()
            .checked_sub(self.profile.after_mki() + carried)
            .ok_or(short)?;
        let mki_length = self.ring.mki_length(&packet[..mki_end])?;
        let end = packet
            .len()
            .checked_sub(mki_length + tag_length + carried)
            .filter(|&end| end >= header)
            .ok_or(short)?;
        let tag_at = match self.profile {
            Profile::AeadAes128Gcm => end,
            Profile::AesCm128HmacSha1_80 => mki_end,
        };
        let ssrc = read_u32(packet, 8);
        let index = if self.carry_roc {
            u64::from(read_u32(packet, mki_end)) << 16 | u64::from(sequence(packet))
        } else {
            self.rocs.guess(ssrc, sequence(packet))?
        };
        Ok(Opening {
            ring: &mut self.ring,
            rocs: Some(&mut self.rocs),
            mki: &packet[mki_end - mki_length..mki_end],
            parts: Parts {
                ssrc,
                index,
                head: &packet[..header],
                body: &packet[header..end],
                tail: tail(self.profile, counter(index)),
                tag: &packet[tag_at..tag_at + tag_length],
            },
        })
    }
}

/// The whole header with CSRCs and extension (RFC 3550 5.1, 5.3.1), or what is wrong with it and where.
fn header_length(packet: &[u8]) -> core::result::Result<usize, (&'static str, usize)> {
    let short = ("RTP packet: too short", packet.len());
    if packet.len() < FIXED_HEADER {
        return Err(short);
    }
    if packet.len() > MAX_PACKET {
        return Err(("RTP packet: too long", MAX_PACKET));
    }
    if packet[0] >> 6 != 2 {
        return Err(("RTP packet: version is not 2", 0));
    }
    let mut length = FIXED_HEADER + 4 * usize::from(packet[0] & 0x0f);
    if packet[0] & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4).ok_or(short)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    if length > packet.len() {
        return Err(short);
    }
    Ok(length)
}

fn sequence(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

/// The rollover counter of an index, for the wire.
fn counter(index: u64) -> [u8; 4] {
    // No index is above MAX_INDEX, so the counter fits its 32 bits.
    ((index >> 16) as u32).to_be_bytes()
}

fn tail(profile: Profile, roc: [u8; 4]) -> Tail {
    match profile {
        Profile::AeadAes128Gcm => Tail::None,
        Profile::AesCm128HmacSha1_80 => Tail::Word(roc),
    }
}

/// In a profile with HMAC, mode 3 would stand in place of the authentication tag.
fn check_carry_roc(profile: Profile, carry_roc: bool) -> Result<()> {
    if carry_roc && profile != Profile::AeadAes128Gcm {
        return Err(Error::Argument(
            "rollover counter in packets: only with an AEAD profile",
        ));
    }
    Ok(())
}
