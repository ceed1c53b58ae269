//! SAKKE (RFC 6508) over parameter set 1 of RFC 6509.
//!
//! [`PublicKey`] is a KMS's Z, [`MasterSecret`] its z, [`Receiver`] the owner of an RSK.
//!
//! # How it is made
//!
//! From the bottom: `uint`, `modular` and `inverse` are integers and residues; `curve` and `ratio` the two groups. A
//! `kernel` does arithmetic on eight field elements at a time, in plain Rust or with AVX-512 IFMA. On it stand `table`
//! and `sum`, from which `multiply` and `group` make products by fixed bases, and `miller` and `pairing`. `engine` hides which kernel
//! is used from `public`, `master` and `receiver`.
//!
//! * [r]([b]P + Z) = [rb mod q]P + [r]Z is a sum of entries of two fixed-base tables, added as a tree whose levels share
//!   one inversion. g^r is a product of entries of a third. Recipients in a batch have a lane each.
//! * Miller's loop runs over the RSK, whose functions are computed once, or by a compact receiver each time. Their values at R are computed eight at a time;
//!   only squarings and multiplications in F_p^2 are left in sequence.
//!
//! # Constant time
//!
//! What depends on z, an RSK, an SSV, r or g^r runs the same instructions on the same addresses whatever their values:
//!
//! * Field arithmetic, inversion included, has no branch or index that depends on a value. Masks are hidden from the
//!   compiler where it would make branches of them (`uint::opaque`).
//! * Scalars become a fixed number of odd signed digits. A look-up reads the whole row of its window and keeps an entry by
//!   masks or permutations. No digit is zero, so no entry stands for infinity.
//! * Affine additions fail for points of equal x. `multiply` says why this cannot happen where they are used, for any
//!   scalar and any Z; elsewhere the complete formulas of Renes, Costello and Batina are used.
//! * The steps of Miller's loop follow q, which is public.
//! * The vector kernels carry until every limb has 52 bits. Two rounds suffice except with a probability below 2^-90 for
//!   each product; what would then happen is a third round.
//! * Branches depend on outcomes that are public: that octets are no point, that an identity or RSK is refused, that the R
//!   check fails. They are marked `public:`; memcheck, told that secrets are undefined memory, finds no other.
//!
//! What is not hidden: lengths; how many leading zero octets the tolerant second try of [`Receiver::decapsulate`] leaves
//! out; R, Z, identities and everything else that is public. Keys and what is derived from them are wiped where they are
//! kept; copies that the compiler makes in registers and on the stack are beyond its reach.

#[cfg(target_arch = "x86_64")]
mod adx;
mod curve;
mod engine;
mod group;
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
/// Window width of the fixed-base tables where the caller names none. Tables of 7 bits have 3 MB for each KMS and 4.5 MB
/// for all together; 5 bits make a single encapsulation as fast, 8 bits a batch by a tenth faster with twice the memory.
pub const DEFAULT_TABLE_BITS: usize = 7;
