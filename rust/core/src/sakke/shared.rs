//! What does not depend on a KMS: tables, made once per process, kernel and width, and memory to work in.

use std::sync::{Mutex, OnceLock};

use zeroize::Zeroize;

use super::curve::Affine;
use super::kernel::Kernel;
use super::recode::WIDTHS;
use super::sum::Workspace;
use super::table::{PointTable, PowerTable};
use crate::error::{Error, Result};

/// Tables of the base point and of g.
pub(crate) struct Shared<K: Kernel> {
    pub(crate) base: PointTable<K>,
    pub(crate) power: PowerTable<K>,
}

/// A place for them, by width, and for memory that is not in use.
pub(crate) struct SharedTables<K: Kernel> {
    made: [OnceLock<Shared<K>>; *WIDTHS.end() + 1],
    spare: Mutex<Vec<Workspace<K>>>,
}

impl<K: Kernel> SharedTables<K> {
    /// Nothing made yet.
    pub(crate) const fn new() -> Self {
        Self {
            made: [const { OnceLock::new() }; _],
            spare: Mutex::new(Vec::new()),
        }
    }

    /// The tables of `width` bits, made if they are not there yet.
    pub(crate) fn get(&self, k: K, width: usize) -> Result<&Shared<K>> {
        match self.made.get(width) {
            Some(slot) if WIDTHS.contains(&width) => Ok(slot.get_or_init(|| Shared {
                base: PointTable::new(k, &Affine::base(), width),
                power: PowerTable::new(k, width),
            })),
            _ => Err(Error::Invalid("table width")),
        }
    }

    /// Lends a workspace. There are as many as were ever in use at a time: fresh memory costs about as much as a tenth of
    /// the work that is done in it.
    pub(crate) fn with_workspace<T>(&self, work: impl FnOnce(&mut Workspace<K>) -> T) -> T {
        let spare = self.spare.lock().map(|mut spare| spare.pop());
        let mut workspace = spare.ok().flatten().unwrap_or_default();
        let result = work(&mut workspace);
        workspace.zeroize();
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(workspace);
        }
        result
    }
}
