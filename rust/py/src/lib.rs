//! `mcsec._core`: the maths of `mcsec-core` for Python. Each file here mirrors one topic of the core; nothing is
//! computed here.

mod eccsi;
mod errors;
mod kdf;
mod sakke;
mod secret;
mod srtp;

use pyo3::prelude::*;

/// The native part of mcsec.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    secret::register(module)?;
    sakke::register(module)?;
    eccsi::register(module)?;
    kdf::register(module)?;
    srtp::register(module)
}
