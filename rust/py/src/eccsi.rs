//! Bindings of `mcsec_core::eccsi`.

use pyo3::prelude::*;

/// Adds this topic to the module.
pub(crate) fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
