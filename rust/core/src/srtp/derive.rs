//! Session keys from a master key: the AES-CM PRF of RFC 3711 4.3 with key derivation rate 0.

use aes::Aes128;
use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::srtp::Profile;

/// Which packets the keys are for: the first of three consecutive labels (RFC 3711 4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Use {
    /// Labels 0, 1 and 2.
    Rtp = 0,
    /// Labels 3, 4 and 5.
    Rtcp = 3,
}

/// What a master key gives for one use.
pub(super) struct SessionKeys {
    pub(super) cipher: Zeroizing<[u8; 16]>,
    pub(super) auth: Zeroizing<[u8; 20]>,
    /// 14 octets; the first 12 of them are the salt of an AEAD profile.
    pub(super) salt: Zeroizing<[u8; 14]>,
}

/// Derives the session keys of `purpose`.
///
/// A 12-octet master salt is padded on the right to the 14 octets of the PRF (RFC 7714 11).
pub(super) fn session_keys(
    profile: Profile,
    purpose: Use,
    master_key: &Secret,
    master_salt: &Secret,
) -> Result<SessionKeys> {
    let (key, salt) = (master_key.expose(), master_salt.expose());
    if salt.len() != profile.salt_length() {
        return Err(Error::Size(
            "SRTP master salt",
            profile.salt_length(),
            salt.len(),
        ));
    }
    let prf = Aes128::new_from_slice(key)
        .map_err(|_| Error::Size("SRTP master key", profile.key_length(), key.len()))?;
    let mut padded = Zeroizing::new([0; 14]);
    padded[..salt.len()].copy_from_slice(salt);

    let label = purpose as u8;
    let mut keys = SessionKeys {
        cipher: Zeroizing::new([0; 16]),
        auth: Zeroizing::new([0; 20]),
        salt: Zeroizing::new([0; 14]),
    };
    keystream(&prf, &padded, label, &mut *keys.cipher);
    keystream(&prf, &padded, label + 1, &mut *keys.auth);
    keystream(&prf, &padded, label + 2, &mut *keys.salt);
    Ok(keys)
}

/// Fills `out` from the block counter 0 on, under the input `salt XOR (label << 48)`.
fn keystream(prf: &Aes128, salt: &[u8; 14], label: u8, out: &mut [u8]) {
    let mut input = Zeroizing::new([0_u8; 16]);
    input[..14].copy_from_slice(salt);
    input[7] ^= label;
    for (chunk, counter) in out.chunks_mut(16).zip(0_u16..) {
        input[14..].copy_from_slice(&counter.to_be_bytes());
        let mut block: Block<Aes128> = (*input).into();
        prf.encrypt_block(&mut block);
        chunk.copy_from_slice(&block[..chunk.len()]);
        zeroize::Zeroize::zeroize(block.as_mut_slice());
    }
}
