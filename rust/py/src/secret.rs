//! `Secret`: key octets held by Rust, opaque to Python.

use mcsec_core::secret::Secret;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{no_copy, to_py};

/// Octets that must not be seen: redacted, unpicklable, compared in constant time, wiped when collected.
#[pyclass(name = "Secret", frozen, eq, module = "mcsec._core")]
#[derive(PartialEq)]
pub(crate) struct PySecret(pub(crate) Secret);

#[pymethods]
impl PySecret {
    #[new]
    #[pyo3(signature = (octets, /))]
    fn new(octets: &[u8]) -> Self {
        Self(Secret::new(octets.to_vec()))
    }

    #[staticmethod]
    #[pyo3(signature = (length, /))]
    fn random(length: usize) -> PyResult<Self> {
        Secret::random(length).map(Self).map_err(to_py)
    }

    #[pyo3(signature = (length, /))]
    fn head(&self, length: usize) -> PyResult<Self> {
        self.0.head(length).map(Self).map_err(to_py)
    }

    #[pyo3(signature = (length, /))]
    fn tail(&self, length: usize) -> PyResult<Self> {
        self.0.tail(length).map(Self).map_err(to_py)
    }

    fn reveal<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.expose())
    }

    fn __len__(&self) -> usize {
        self.0.expose().len()
    }

    fn __repr__(&self) -> String {
        format!("<Secret of {} octets>", self.0.expose().len())
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        no_copy("Secret")
    }
}

/// Adds this topic to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySecret>()
}
