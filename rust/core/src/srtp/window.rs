//! The replay window of RFC 3711 3.3.2.

use crate::error::{Error, Result};

/// The least size that RFC 3711 3.3.2 allows.
pub const MIN_WINDOW: usize = 64;
/// The largest size that is offered; the cost of a jump grows with it.
pub const MAX_WINDOW: usize = 1 << 15;

/// Remembers which of the latest indexes were seen, as a ring of bits: index `i` lives at `i % size`.
#[derive(Debug)]
pub struct Window {
    bits: Box<[u64]>,
    size: u64,
    highest: Option<u64>,
}

impl Window {
    /// A window over the `size` latest indexes.
    ///
    /// # Errors
    /// [`Error::Argument`] when `size` is not in [`MIN_WINDOW`]..=[`MAX_WINDOW`].
    pub fn new(size: usize) -> Result<Self> {
        if !(MIN_WINDOW..=MAX_WINDOW).contains(&size) {
            return Err(Error::Argument(
                "replay window: its size is not in 64 to 32768",
            ));
        }
        Ok(Self {
            bits: vec![0; size.div_ceil(64)].into_boxed_slice(),
            size: size as u64,
            highest: None,
        })
    }

    /// Whether `index` is new; nothing is remembered yet.
    ///
    /// # Errors
    /// [`Error::Replay`] when it was seen, or lies below the window.
    pub fn check(&self, index: u64) -> Result<()> {
        let Some(highest) = self.highest else {
            return Ok(());
        };
        if index > highest {
            return Ok(());
        }
        let (word, bit) = self.place(index);
        if highest - index >= self.size || self.bits[word] & bit != 0 {
            return Err(Error::Replay);
        }
        Ok(())
    }

    /// Remembers `index`. Only for packets that passed [`Self::check`] and whose tag verified.
    pub fn accept(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {}
            Some(highest) if index - highest < self.size => {
                // The places of the indexes that were jumped over still hold what fell out of the window.
                for skipped in highest + 1..index {
                    let (word, bit) = self.place(skipped);
                    self.bits[word] &= !bit;
                }
                self.highest = Some(index);
            }
            _ => {
                self.bits.fill(0);
                self.highest = Some(index);
            }
        }
        let (word, bit) = self.place(index);
        self.bits[word] |= bit;
    }

    /// The word and the bit in it that stand for `index`.
    fn place(&self, index: u64) -> (usize, u64) {
        let at = index % self.size;
        // The ring has at most MAX_WINDOW bits, so the word number fits any usize.
        ((at / 64) as usize, 1 << (at % 64))
    }
}
