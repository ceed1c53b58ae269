//! ECCSI (RFC 6507): certificate-less signatures on P-256 with SHA-256.
//!
//! A KMS has a master secret KSAK and publishes KPAK = [KSAK]G. It gives every identity an SSK, bound to a point PVT
//! that travels in each signature; a verifier needs the identity and KPAK only. Read on in [`keys`] (KMS side),
//! [`sign`] (owner of an SSK) and [`verify`] (everybody), then [`multiply`], [`curve`], [`field`] and what
//! that stands on.
//!
//! What touches KSAK, SSK, v or j runs in constant time: no branch and no address depends on them. Checks of public
//! values (verification, KPAK, PVT) take what time they take.

mod curve;
mod field;
mod hash;
mod inverse;
mod keys;
mod limbs;
mod multiply;
mod primes;
mod sign;
mod verify;

#[cfg(test)]
mod tests;

pub use curve::POINT_SIZE;
pub use keys::{MasterSecret, UserKey};
pub use sign::Signer;
pub use verify::PublicKey;

/// Octets of a signature: r, s, PVT.
pub const SIGNATURE_SIZE: usize = 32 + 32 + POINT_SIZE;

/// Octets of KSAK, SSK and every other integer modulo the group order.
pub const SCALAR_SIZE: usize = 32;
