//! The maths of MIKEY-SAKKE for mission critical services, free of Python and of I/O.
//!
//! Read from the top: [`error`] says how a call can fail, [`secret`] how key octets live, [`sakke`] and [`eccsi`] are
//! the identity-based primitives (RFC 6508, RFC 6507), [`kdf`] the derivations of RFC 3830 and TS 33.220, [`srtp`] the
//! packet transforms of RFC 3711 and RFC 7714.

pub mod eccsi;
pub mod error;
pub mod kdf;
pub mod sakke;
pub mod secret;
pub mod srtp;
