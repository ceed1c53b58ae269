//! Sealing and opening one packet body under session keys.
//!
//! SRTP and SRTCP differ in framing only. For both, `index` is the packet index in 48 bits (an SRTCP index has 31), and
//! what is authenticated is `head || body || tail`, where `tail` is what RFC 3711 and RFC 7714 append for the check.

use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher};
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use ctr::{Ctr128BE, CtrCore, flavors};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::srtp::Profile;
use crate::srtp::derive::{SessionKeys, Use, session_keys};

/// The size of the largest tag.
pub(super) const MAX_TAG: usize = 16;

/// What is authenticated after the packet and stands elsewhere, or nowhere, on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tail {
    /// Nothing: SRTP with an AEAD profile, whose nonce covers the whole index.
    None,
    /// SRTCP: E flag and index. SRTP with HMAC: the rollover counter.
    Word([u8; 4]),
}

impl Tail {
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Word(word) => word,
        }
    }
}

/// The ciphers of one profile, keyed. Dropping it wipes the keys: every cipher type here wipes itself.
pub(super) enum Transform {
    /// RFC 7714.
    Gcm {
        cipher: Box<Aes128Gcm>,
        salt: Zeroizing<[u8; 12]>,
    },
    /// RFC 3711 4.1.1 and 4.2.1.
    Cm {
        cipher: Box<Aes128>,
        mac: Box<Hmac<Sha1>>,
        salt: Zeroizing<[u8; 14]>,
    },
}

impl Transform {
    /// Derives session keys and expands them.
    pub(super) fn new(
        profile: Profile,
        purpose: Use,
        master_key: &Secret,
        master_salt: &Secret,
    ) -> Result<Self> {
        let keys = session_keys(profile, purpose, master_key, master_salt)?;
        Ok(Self::from_session_keys(profile, keys))
    }

    /// The expansion alone; published packet vectors start from session keys.
    pub(super) fn from_session_keys(profile: Profile, keys: SessionKeys) -> Self {
        match profile {
            Profile::AeadAes128Gcm => {
                let mut salt = Zeroizing::new([0; 12]);
                salt.copy_from_slice(&keys.salt[..12]);
                Self::Gcm {
                    cipher: Box::new(Aes128Gcm::new((&*keys.cipher).into())),
                    salt,
                }
            }
            Profile::AesCm128HmacSha1_80 => {
                let mut block = Zeroizing::new([0; 64]);
                block[..20].copy_from_slice(&*keys.auth);
                Self::Cm {
                    cipher: Box::new(Aes128::new((&*keys.cipher).into())),
                    mac: Box::new(Hmac::new((&*block).into())),
                    salt: keys.salt,
                }
            }
        }
    }

    /// Encrypts `body` in place and writes the tag.
    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        head: &[u8],
        body: &mut [u8],
        tail: Tail,
        tag: &mut [u8],
    ) -> Result<()> {
        match self {
            Self::Gcm { cipher, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                let made = with_joined(head, tail.octets(), |aad| {
                    cipher.encrypt_inout_detached(&nonce.into(), aad, InOutBuf::from(&mut *body))
                });
                tag.copy_from_slice(&made.map_err(|_| Error::Argument("packet: too long"))?);
            }
            Self::Cm { cipher, mac, salt } => {
                cm_stream(cipher, salt, ssrc, index).apply_keystream(body);
                let made = cm_mac(mac, head, body, tail.octets())
                    .finalize()
                    .into_bytes();
                tag.copy_from_slice(&made[..tag.len()]);
            }
        }
        Ok(())
    }

    /// Checks the tag, then decrypts `body` in place.
    pub(super) fn open(
        &self,
        ssrc: u32,
        index: u64,
        head: &[u8],
        body: &mut [u8],
        tail: Tail,
        tag: &[u8],
    ) -> Result<()> {
        const FAILED: Error = Error::Check("SRTP authentication tag");
        match self {
            Self::Gcm { cipher, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                let tag = tag.try_into().map_err(|_| FAILED)?;
                with_joined(head, tail.octets(), |aad| {
                    cipher.decrypt_inout_detached(&nonce.into(), aad, InOutBuf::from(body), tag)
                })
                .map_err(|_| FAILED)
            }
            Self::Cm { cipher, mac, salt } => {
                cm_mac(mac, head, body, tail.octets())
                    .verify_truncated_left(tag)
                    .map_err(|_| FAILED)?;
                cm_stream(cipher, salt, ssrc, index).apply_keystream(body);
                Ok(())
            }
        }
    }
}

/// RFC 7714 8.1 and 9.1: `(00 00 || SSRC || index) XOR salt`.
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..], &index.to_be_bytes()[2..]);
    nonce
}

/// RFC 3711 4.1.1: counter mode from `(salt << 16) XOR (SSRC << 64) XOR (index << 16)`.
fn cm_stream<'a>(
    cipher: &'a Aes128,
    salt: &[u8; 14],
    ssrc: u32,
    index: u64,
) -> Ctr128BE<&'a Aes128> {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    xor(&mut iv[4..8], &ssrc.to_be_bytes());
    xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
    let core: CtrCore<&Aes128, flavors::Ctr128BE> = CtrCore::inner_iv_init(cipher, &iv.into());
    Ctr128BE::from_core(core)
}

/// RFC 3711 4.2: HMAC-SHA-1 over everything in order.
fn cm_mac(mac: &Hmac<Sha1>, head: &[u8], body: &[u8], tail: &[u8]) -> Hmac<Sha1> {
    let mut mac = mac.clone();
    mac.update(head);
    mac.update(body);
    mac.update(tail);
    mac
}

fn xor(target: &mut [u8], with: &[u8]) {
    for (octet, other) in target.iter_mut().zip(with) {
        *octet ^= other;
    }
}

/// Calls `f` with `head || tail` in one piece, on the stack for the headers that packets usually have.
fn with_joined<T>(head: &[u8], tail: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
    let length = head.len() + tail.len();
    if tail.is_empty() {
        f(head)
    } else if length <= 16 {
        let mut joined = [0; 16];
        joined[..head.len()].copy_from_slice(head);
        joined[head.len()..length].copy_from_slice(tail);
        f(&joined[..length])
    } else {
        f(&[head, tail].concat())
    }
}
