//! Tests of the whole scheme; those of a part are beside it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod scheme;
mod vectors;
