//! Tests of the scheme against RFC 6507, and of the arithmetic under it against plain definitions.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod arithmetic;
mod multiples;
mod scheme;
