//! Bindings of `mcsec_core::kdf`.

use mcsec_core::kdf;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::errors::to_py;
use crate::secret::PySecret;

/// RFC 3830 4.1.2 with HMAC-SHA-256 (RFC 6043 6.1).
#[pyfunction]
#[pyo3(signature = (inkey, label, length, /))]
fn mikey_prf(inkey: &PySecret, label: &[u8], length: usize) -> PyResult<PySecret> {
    kdf::mikey_prf(&inkey.0, label, length)
        .map(PySecret)
        .map_err(to_py)
}

/// KDF of TS 33.220 B.2: 32 octets of HMAC-SHA-256(key, FC || P0 || L0 || ...).
#[pyfunction(name = "kdf")]
#[pyo3(signature = (key, fc, parameters, /))]
fn kdf_33220(key: &PySecret, fc: u8, parameters: Vec<PyBackedBytes>) -> PyResult<PySecret> {
    let parameters: Vec<&[u8]> = parameters.iter().map(|octets| &**octets).collect();
    kdf::kdf(&key.0, fc, &parameters)
        .map(PySecret)
        .map_err(to_py)
}

/// Adds this topic to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(mikey_prf, module)?)?;
    module.add_function(wrap_pyfunction!(kdf_33220, module)?)
}
