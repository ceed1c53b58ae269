//! `HashToIntegerRange` of RFC 6508 5.1 with SHA-256, and the integers made from identities.

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::modular::Fq;
use super::params;
use super::uint::{self, Limbs};

/// `HashToIntegerRange(s, q)` of the concatenated parts: in [0, q - 1].
pub(crate) fn to_scalar(parts: &[&[u8]]) -> Limbs {
    let mut octets = [0; 128];
    expand(parts, &mut octets);
    let mut value = uint::from_octets(&octets);
    octets.zeroize();
    // 2^1024 < 7q: taking away 4q, 2q and q once each, where that does not underflow, leaves the remainder.
    for shift in [2, 1] {
        value = subtract_if_not_below(&value, &uint::shl(&params::Q, shift));
    }
    subtract_if_not_below(&value, &params::Q)
}

/// `HashToIntegerRange(s, 2^128)`: 16 octets.
pub(crate) fn to_mask(s: &[u8]) -> [u8; 16] {
    let mut block = [0; 32];
    expand(&[s], &mut block);
    let mut mask = [0; 16];
    mask.copy_from_slice(&block[16..]);
    block.zeroize();
    mask
}

/// v_1 || v_2 || ... until `out` (a whole number of hash blocks) is full.
fn expand(parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut seed = hasher.finalize();
    let mut h = [0u8; 32];
    for block in out.chunks_exact_mut(32) {
        h = Sha256::digest(h).into();
        let mut v = Sha256::new().chain_update(h).chain_update(seed).finalize();
        block.copy_from_slice(&v);
        v.as_mut_slice().zeroize();
    }
    seed.as_mut_slice().zeroize();
}

fn subtract_if_not_below(value: &Limbs, subtrahend: &Limbs) -> Limbs {
    let (difference, borrow) = uint::sub(value, subtrahend);
    uint::select(&difference, value, borrow)
}

/// The integer whose big-endian octets are `identity`, modulo q. Any number of octets.
pub(crate) fn identity_to_scalar(identity: &[u8]) -> Fq {
    // Pieces of 960 bits are below q, and so need no reduction of their own.
    let mut shift = [0; 16];
    shift[15] = 1;
    let shift = Fq::from_limbs(&shift);
    identity.rchunks(120).rev().fold(Fq::ZERO, |sum, piece| {
        let mut octets = [0; 128];
        octets[128 - piece.len()..].copy_from_slice(piece);
        sum.mul(&shift)
            .add(&Fq::from_limbs(&uint::from_octets(&octets)))
    })
}
