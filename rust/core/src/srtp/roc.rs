//! From the 16-bit sequence number of an RTP packet to its 48-bit index (RFC 3711 3.3.1).

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::srtp::ring::Ring;

/// The largest SRTP index: a 32-bit rollover counter, then a 16-bit sequence number.
pub(super) const MAX_INDEX: u64 = (1 << 48) - 1;

/// The index nearest to `highest` that ends in `sequence`.
///
/// Where that would need a rollover counter below 0 it is 0, so the result may lie far above `highest`; it may also lie
/// above [`MAX_INDEX`], which no packet reaches.
pub(super) fn estimate(highest: u64, sequence: u16) -> u64 {
    const HALF: u64 = 1 << 15;
    let (roc, last, sequence) = (highest >> 16, highest & 0xffff, u64::from(sequence));
    let roc = if last < HALF && sequence > last + HALF {
        roc.saturating_sub(1)
    } else if last >= HALF && sequence < last - HALF {
        roc + 1
    } else {
        roc
    };
    roc << 16 | sequence
}

/// What is known of an SSRC's index.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// The caller told the rollover counter of its first packet.
    Told(u32),
    /// The highest index of an authenticated packet, under any key: a re-key does not reset it (RFC 3711 3.3.1).
    Seen(u64),
}

/// The index of each SSRC, as far as a receiver knows it.
#[derive(Debug, Default)]
pub(super) struct RocMemory(HashMap<u32, Known>);

impl RocMemory {
    /// Sets the rollover counter of an SSRC that has sent nothing yet.
    pub(super) fn tell(&mut self, ring: &Ring, ssrc: u32, roc: u32) -> Result<()> {
        if let Some(Known::Seen(_)) = self.0.get(&ssrc) {
            return Err(Error::Argument("SSRC: its rollover counter is known"));
        }
        self.make_room(ring);
        if self.0.len() >= ring.max_streams() && !self.0.contains_key(&ssrc) {
            return Err(Error::Argument("SSRC: no room for another sender"));
        }
        self.0.insert(ssrc, Known::Told(roc));
        Ok(())
    }

    /// The index that a packet most likely has. The first packet of an unknown SSRC is taken to have counter 0.
    pub(super) fn guess(&self, ssrc: u32, sequence: u16) -> Result<u64> {
        let index = match self.0.get(&ssrc) {
            Some(Known::Seen(highest)) => estimate(*highest, sequence),
            Some(Known::Told(roc)) => u64::from(*roc) << 16 | u64::from(sequence),
            None => u64::from(sequence),
        };
        if index > MAX_INDEX {
            return Err(Error::Refused(
                "SRTP packet: the index space of its SSRC is used up",
            ));
        }
        Ok(index)
    }

    /// Notes the index of an authenticated packet.
    pub(super) fn note(&mut self, ring: &Ring, ssrc: u32, index: u64) {
        if let Some(known) = self.0.get_mut(&ssrc) {
            *known = match *known {
                Known::Seen(highest) => Known::Seen(highest.max(index)),
                Known::Told(_) => Known::Seen(index),
            };
            return;
        }
        self.make_room(ring);
        self.0.insert(ssrc, Known::Seen(index));
    }

    /// At the bound, forgets the SSRCs that have no replay window. That costs them their place in the count, but cannot
    /// let a packet in twice: replays are the windows' matter.
    fn make_room(&mut self, ring: &Ring) {
        if self.0.len() >= ring.max_streams() {
            self.0.retain(|&ssrc, _| ring.knows(ssrc));
        }
    }
}
