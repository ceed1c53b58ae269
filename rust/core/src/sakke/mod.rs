//! SAKKE (RFC 6508) over parameter set 1 of RFC 6509.
//!
//! [`PublicKey`] is a KMS's Z, [`MasterSecret`] its z, [`Receiver`] the owner of an RSK.

mod curve;
mod engine;
mod hash;
mod inverse;
mod kernel;
mod master;
mod miller;
mod modular;
mod multiply;
mod pairing;
mod params;
mod public;
mod ratio;
mod receiver;
mod recode;
mod shared;
mod sum;
mod table;
#[cfg(test)]
mod tests;
mod uint;

pub use curve::POINT_OCTETS;
pub use engine::Instructions;
pub use master::MasterSecret;
pub use public::PublicKey;
pub use receiver::Receiver;

/// Octets of a shared secret value.
pub const SSV_OCTETS: usize = 16;
/// Octets of encapsulated data: R, then H.
pub const SED_OCTETS: usize = POINT_OCTETS + SSV_OCTETS;
/// Window width of the fixed-base tables where the caller names none.
pub const DEFAULT_TABLE_BITS: usize = 6;
