//! What a receiver has: any number of keys by MKI, and for each a replay window per SSRC.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::srtp::Profile;
use crate::srtp::derive::Use;
use crate::srtp::roc::RocMemory;
use crate::srtp::sending::check_mki;
use crate::srtp::transform::{Tail, Transform};
use crate::srtp::window::Window;

/// A master key's session keys and what was seen under them.
struct Entry {
    mki: Arc<[u8]>,
    transform: Transform,
    windows: HashMap<u32, Window>,
}

/// Keys by MKI.
///
/// A packet does not say how long its MKI is. The lengths that are installed are tried, longest first, and the first
/// one that names a key decides: a packet is never tried under a second key.
///
/// The number of windows is bounded. A window is never evicted, since that would let its packets be replayed: past the
/// bound new SSRCs are refused until a key is removed. Only packets whose tag verified make a window.
pub(super) struct Ring {
    profile: Profile,
    purpose: Use,
    window: usize,
    max_streams: usize,
    streams: usize,
    lengths: Vec<usize>,
    entries: HashMap<Arc<[u8]>, Entry>,
}

/// Where the parts of a packet are, and what it says of itself.
pub(super) struct Parts<'a> {
    pub(super) ssrc: u32,
    pub(super) index: u64,
    pub(super) head: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) tail: Tail,
    pub(super) tag: &'a [u8],
}

/// A packet whose key is known and whose parts are found, and of which nothing is checked yet.
pub struct Opening<'a> {
    pub(super) ring: &'a mut Ring,
    pub(super) rocs: Option<&'a mut RocMemory>,
    pub(super) mki: &'a [u8],
    pub(super) parts: Parts<'a>,
}

impl Opening<'_> {
    /// The size of the packet in clear.
    #[must_use]
    pub fn length(&self) -> usize {
        self.parts.head.len() + self.parts.body.len()
    }

    /// Checks the packet and writes it to `out`, which has [`Self::length`] octets.
    ///
    /// # Errors
    /// [`Error::Replay`], [`Error::Check`], and [`Error::Refused`] when there is no room for another SSRC.
    pub fn open(self, out: &mut [u8]) -> Result<Opened> {
        if out.len() != self.length() {
            return Err(Error::Size("RTP or RTCP packet", self.length(), out.len()));
        }
        let opened = self.ring.open(self.mki, &self.parts, out)?;
        if let Some(rocs) = self.rocs {
            rocs.note(self.ring, opened.ssrc, opened.index);
        }
        Ok(opened)
    }
}

/// What was learnt from a packet besides its content.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The MKI of the key that opened it.
    pub mki: Arc<[u8]>,
    /// Who sent it.
    pub ssrc: u32,
    /// Its packet index.
    pub index: u64,
}

impl Ring {
    pub(super) fn new(
        profile: Profile,
        purpose: Use,
        window: usize,
        max_streams: usize,
    ) -> Result<Self> {
        Window::new(window)?;
        Ok(Self {
            profile,
            purpose,
            window,
            max_streams,
            streams: 0,
            lengths: Vec::new(),
            entries: HashMap::new(),
        })
    }

    /// Installs a key. An MKI that is in use is refused: replacing its key would forget what was seen under it.
    pub(super) fn add(&mut self, mki: &[u8], key: &Secret, salt: &Secret) -> Result<()> {
        check_mki(mki)?;
        if self.entries.contains_key(mki) {
            return Err(Error::Argument("MKI: it already names a key"));
        }
        let transform = Transform::new(self.profile, self.purpose, key, salt)?;
        let mki: Arc<[u8]> = mki.into();
        self.entries.insert(
            mki.clone(),
            Entry {
                mki,
                transform,
                windows: HashMap::new(),
            },
        );
        self.note_lengths();
        Ok(())
    }

    /// Forgets a key and its windows; nothing happens when there is none under this MKI.
    pub(super) fn remove(&mut self, mki: &[u8]) {
        if let Some(entry) = self.entries.remove(mki) {
            self.streams -= entry.windows.len();
            self.note_lengths();
        }
    }

    fn note_lengths(&mut self) {
        self.lengths = self.entries.keys().map(|mki| mki.len()).collect();
        self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        self.lengths.dedup();
    }

    /// The key whose MKI `octets` end with.
    fn find(&self, octets: &[u8]) -> Option<&Entry> {
        self.lengths.iter().find_map(|&length| {
            let start = octets.len().checked_sub(length)?;
            self.entries.get(&octets[start..])
        })
    }

    /// The length of the MKI that `octets` end with.
    pub(super) fn mki_length(&self, octets: &[u8]) -> Result<usize> {
        Ok(self.find(octets).ok_or(Error::UnknownKey)?.mki.len())
    }

    /// Whether `ssrc` has a window under any key.
    pub(super) fn knows(&self, ssrc: u32) -> bool {
        self.entries
            .values()
            .any(|entry| entry.windows.contains_key(&ssrc))
    }

    pub(super) fn max_streams(&self) -> usize {
        self.max_streams
    }

    /// Checks the parts for a replay, then their tag under the key `mki`; writes `head || plaintext` to `out`, which
    /// has just that size, and only then moves the window.
    pub(super) fn open(&mut self, mki: &[u8], parts: &Parts<'_>, out: &mut [u8]) -> Result<Opened> {
        let entry = self.entries.get_mut(mki).ok_or(Error::UnknownKey)?;
        let window = entry.windows.get_mut(&parts.ssrc);
        if let Some(window) = &window {
            window.check(parts.index)?;
        }
        let (head, body) = out.split_at_mut(parts.head.len());
        head.copy_from_slice(parts.head);
        body.copy_from_slice(parts.body);
        entry
            .transform
            .open(parts.ssrc, parts.index, head, body, parts.tail, parts.tag)?;
        match window {
            Some(window) => window.accept(parts.index),
            None if self.streams >= self.max_streams => {
                return Err(Error::Refused("SSRC: no room for another sender"));
            }
            None => {
                let mut window = Window::new(self.window)?;
                window.accept(parts.index);
                entry.windows.insert(parts.ssrc, window);
                self.streams += 1;
            }
        }
        Ok(Opened {
            mki: entry.mki.clone(),
            ssrc: parts.ssrc,
            index: parts.index,
        })
    }
}
