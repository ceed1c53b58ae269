//! `mcsec._core`: the maths of `mcsec-core` for Python. Each file here mirrors one topic of the core; nothing is
//! computed here.

mod errors;
mod secret;

use pyo3::prelude::*;

/// The native part of mcsec.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    secret::register(module)
}
