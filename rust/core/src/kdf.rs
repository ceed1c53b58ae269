//! Key derivations: the MIKEY PRF (RFC 3830 4.1.2) and the KDF of TS 33.220 B.2.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};
use crate::secret::Secret;

/// Octets of an HMAC-SHA-256 value, and of the blocks into which the MIKEY PRF cuts its input key.
const BLOCK: usize = 32;

/// The longest output of the PRF: more than any key of this system, little enough to bound a call.
const MAX_OUTPUT: usize = 255 * BLOCK;

/// HMAC-SHA-256 of the parts, one after the other.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<[u8; BLOCK]>> {
    // HMAC takes a key of any length, so this does not fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::Invalid("HMAC key"))?;
    for part in parts {
        mac.update(part);
    }
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// The MIKEY PRF with HMAC-SHA-256 (RFC 3830 4.1.2; hash by RFC 6043 6.1): `length` octets from `inkey` and `label`.
///
/// The input key is cut into blocks of 32 octets, and the streams of all blocks are added: stream of block s is
/// `HMAC(s, A1 || label) || HMAC(s, A2 || label) ...` with `A0 = label`, `Ai = HMAC(s, A(i-1))`.
///
/// # Errors
/// [`Error::Invalid`] for an empty key or an output of no or of more than 8160 octets.
pub fn mikey_prf(inkey: &Secret, label: &[u8], length: usize) -> Result<Secret> {
    if inkey.expose().is_empty() {
        return Err(Error::Invalid("empty key of the MIKEY PRF"));
    }
    if !(1..=MAX_OUTPUT).contains(&length) {
        return Err(Error::Invalid("output length of the MIKEY PRF"));
    }
    let mut output = Zeroizing::new(vec![0; length]);
    for block in inkey.expose().chunks(BLOCK) {
        let mut chain = Zeroizing::new(label.to_vec());
        for place in output.chunks_mut(BLOCK) {
            let next = hmac(block, &[&chain])?;
            chain.zeroize();
            chain.extend_from_slice(&*next);
            let stream = hmac(block, &[&chain, label])?;
            for (octet, part) in place.iter_mut().zip(stream.iter()) {
                *octet ^= part;
            }
        }
    }
    Ok(Secret::new(core::mem::take(&mut output)))
}

/// The KDF of TS 33.220 B.2: HMAC-SHA-256(key, FC || P0 || L0 || P1 || L1 ...), each L two octets: 32 octets.
///
/// # Errors
/// [`Error::Invalid`] for an empty key or a parameter of more than 65,535 octets.
pub fn kdf(key: &Secret, fc: u8, parameters: &[&[u8]]) -> Result<Secret> {
    if key.expose().is_empty() {
        return Err(Error::Invalid("empty key of the KDF"));
    }
    let mut input = Zeroizing::new(vec![fc]);
    for parameter in parameters {
        let length = u16::try_from(parameter.len())
            .map_err(|_| Error::Invalid("length of a KDF parameter"))?;
        input.extend_from_slice(parameter);
        input.extend_from_slice(&length.to_be_bytes());
    }
    Ok(Secret::new(hmac(key.expose(), &[&input])?.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    fn reference_block(key: &[u8], label: &[u8]) -> [u8; BLOCK] {
        let a1 = hmac(key, &[label]).unwrap();
        *hmac(key, &[&*a1, label]).unwrap()
    }

    #[test]
    fn blocks_of_a_long_key_are_added() {
        let key: Vec<u8> = (0..40).collect();
        let got = mikey_prf(&Secret::new(key.clone()), b"label", BLOCK).unwrap();
        let (one, two) = (
            reference_block(&key[..32], b"label"),
            reference_block(&key[32..], b"label"),
        );
        let want: Vec<u8> = one.iter().zip(two).map(|(a, b)| a ^ b).collect();
        assert_eq!(got.expose(), want);
    }

    #[test]
    fn a_short_output_is_the_start_of_a_long_one() {
        let key = Secret::new(vec![7; 16]);
        let long = mikey_prf(&key, b"label", 100).unwrap();
        for length in [1, 12, 16, 32, 33, 64] {
            assert_eq!(
                mikey_prf(&key, b"label", length).unwrap().expose(),
                &long.expose()[..length]
            );
        }
    }

    #[test]
    fn refusals() {
        let key = Secret::new(vec![7; 16]);
        let empty = Secret::new(Vec::new());
        assert!(mikey_prf(&empty, b"", 16).is_err());
        assert!(mikey_prf(&key, b"", 0).is_err());
        assert!(mikey_prf(&key, b"", MAX_OUTPUT + 1).is_err());
        assert!(kdf(&empty, 0x50, &[]).is_err());
        assert!(kdf(&key, 0x50, &[&[0; 65_536]]).is_err());
        assert!(kdf(&key, 0x50, &[&[0; 65_535]]).is_ok());
    }
}
