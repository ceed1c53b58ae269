//! How a call into the core can fail: one enum, no strings built from secrets.

use core::fmt;

/// Every way in which the core refuses an input. The Python side maps each variant to one exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// An octet string does not have the size its type demands: what it is, octets wanted, octets given.
    Size(&'static str, usize, usize),
    /// The octets are no valid member of their type (not on the curve, out of range, wrong first octet): what it is.
    Invalid(&'static str),
    /// An argument does not fit the object that it is given to: why.
    Argument(&'static str),
    /// Octets from the network are no packet of their kind: what is wrong, and at which octet.
    Decode(&'static str, usize),
    /// A packet is well formed and must not be acted on: why.
    Refused(&'static str),
    /// A cryptographic check failed (signature, R check, tag, key validation): which one.
    Check(&'static str),
    /// A packet index was seen before, or is too old to tell.
    Replay,
    /// No key is installed under the identifier that the packet carries.
    UnknownKey,
    /// A sender has no packet index left under this key: it must be replaced.
    Exhausted,
    /// The operating system gave no randomness.
    Randomness,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(what, want, got) => {
                write!(f, "{what}: {got} octets where {want} are needed")
            }
            Self::Invalid(what) => write!(f, "{what}: not a valid value"),
            // The Python exception adds the offset itself.
            Self::Argument(what) | Self::Decode(what, _) | Self::Refused(what) => f.write_str(what),
            Self::Check(what) => write!(f, "{what}: check failed"),
            Self::Replay => f.write_str("replayed or too old packet index"),
            Self::UnknownKey => f.write_str("no key under this identifier"),
            Self::Exhausted => f.write_str("packet index space used up"),
            Self::Randomness => f.write_str("the operating system gave no randomness"),
        }
    }
}

impl std::error::Error for Error {}

/// Result with [`Error`].
pub type Result<T> = core::result::Result<T, Error>;
