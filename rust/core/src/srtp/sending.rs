//! What a sender has: the key in use, and packet indexes from a range that its caller reserved.

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::srtp::derive::Use;
use crate::srtp::transform::Transform;
use crate::srtp::{MAX_MKI, Profile};

/// The key that a sender protects with, and the MKI that names it.
pub(super) struct SendingKey {
    pub(super) transform: Transform,
    pub(super) mki: Box<[u8]>,
}

impl SendingKey {
    pub(super) fn new(
        profile: Profile,
        purpose: Use,
        mki: &[u8],
        master_key: &Secret,
        master_salt: &Secret,
    ) -> Result<Self> {
        check_mki(mki)?;
        Ok(Self {
            transform: Transform::new(profile, purpose, master_key, master_salt)?,
            mki: mki.into(),
        })
    }
}

/// Refuses an MKI that no packet can carry.
pub(super) fn check_mki(mki: &[u8]) -> Result<()> {
    if mki.len() > MAX_MKI {
        return Err(Error::Argument("MKI: longer than 128 octets"));
    }
    Ok(())
}

/// A reserved range of packet indexes, used upwards. It can grow, and never goes back.
#[derive(Debug)]
pub struct IndexRange {
    next: u64,
    last: u64,
    limit: u64,
}

impl IndexRange {
    /// The indexes `first..=last`, of those that the protocol has (`least..=limit`).
    pub(super) fn new(first: u64, last: u64, least: u64, limit: u64) -> Result<Self> {
        if first < least || last > limit || first > last {
            return Err(Error::Argument(
                "packet index range: empty, or beyond the indexes that there are",
            ));
        }
        Ok(Self {
            next: first,
            last,
            limit,
        })
    }

    /// The lowest index that is still free.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The end of the range (included).
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Moves the end up to `last`.
    pub(super) fn extend(&mut self, last: u64) -> Result<()> {
        if last < self.last || last > self.limit {
            return Err(Error::Argument(
                "packet index range: the end can only move up",
            ));
        }
        self.last = last;
        Ok(())
    }

    /// Uses up the lowest free index.
    pub(super) fn take(&mut self) -> Result<u64> {
        let index = self.next;
        self.take_at(index)?;
        Ok(index)
    }

    /// Uses up `index` and everything below it.
    pub(super) fn take_at(&mut self, index: u64) -> Result<()> {
        if index < self.next {
            return Err(Error::Argument("packet index: already used"));
        }
        if index > self.last {
            return Err(Error::Exhausted);
        }
        self.next = index + 1;
        Ok(())
    }
}
