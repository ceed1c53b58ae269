//! The tables that do not depend on a KMS: made once per process, kernel and width.

use std::sync::OnceLock;

use super::curve::Affine;
use super::kernel::Kernel;
use super::recode::WIDTHS;
use super::table::{PointTable, PowerTable};
use crate::error::{Error, Result};

/// Tables of the base point and of g.
pub(crate) struct Shared<K: Kernel> {
    pub(crate) base: PointTable<K>,
    pub(crate) power: PowerTable<K>,
}

/// A place for them, by width.
pub(crate) struct SharedTables<K: Kernel>([OnceLock<Shared<K>>; *WIDTHS.end() + 1]);

impl<K: Kernel> SharedTables<K> {
    /// Nothing made yet.
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; _])
    }

    /// The tables of `width` bits, made if they are not there yet.
    pub(crate) fn get(&self, k: K, width: usize) -> Result<&Shared<K>> {
        match self.0.get(width) {
            Some(slot) if WIDTHS.contains(&width) => Ok(slot.get_or_init(|| Shared {
                base: PointTable::new(k, &Affine::base(), width),
                power: PowerTable::new(k, width),
            })),
            _ => Err(Error::Invalid("table width")),
        }
    }
}
