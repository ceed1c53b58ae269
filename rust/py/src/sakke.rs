//! Bindings of `mcsec_core::sakke`. Every operation that takes longer than a table look-up releases the interpreter.

use mcsec_core::sakke::{DEFAULT_TABLE_BITS, MasterSecret, PublicKey, Receiver};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;
use crate::secret::PySecret;

/// A KMS's public key Z with its fixed-base tables.
#[pyclass(name = "SakkePublicKey", frozen, module = "mcsec._core")]
struct SakkePublicKey(PublicKey);

#[pymethods]
impl SakkePublicKey {
    #[new]
    #[pyo3(signature = (z, /, *, table_bits = DEFAULT_TABLE_BITS))]
    fn new(py: Python<'_>, z: &[u8], table_bits: usize) -> PyResult<Self> {
        py.detach(|| PublicKey::new(z, table_bits))
            .map(Self)
            .map_err(to_py)
    }

    fn octets<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.octets())
    }

    #[pyo3(signature = (identity, ssv, /))]
    fn encapsulate<'py>(
        &self,
        py: Python<'py>,
        identity: &[u8],
        ssv: &PySecret,
    ) -> PyResult<Bound<'py, PyBytes>> {
        py.detach(|| self.0.encapsulate(identity, &ssv.0))
            .map(|sed| PyBytes::new(py, &sed))
            .map_err(to_py)
    }

    #[pyo3(signature = (identities, ssv, /, *, threads = 0))]
    fn encapsulate_many<'py>(
        &self,
        py: Python<'py>,
        identities: Vec<Vec<u8>>,
        ssv: &PySecret,
        threads: usize,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let seds = py
            .detach(|| self.0.encapsulate_many(&identities, &ssv.0, threads))
            .map_err(to_py)?;
        Ok(seds.iter().map(|sed| PyBytes::new(py, sed)).collect())
    }

    #[pyo3(signature = (identity, rsk, /))]
    fn validate_rsk(&self, py: Python<'_>, identity: &[u8], rsk: &PySecret) -> PyResult<()> {
        py.detach(|| self.0.validate_rsk(identity, &rsk.0))
            .map_err(to_py)
    }
}

/// A KMS's master secret z.
#[pyclass(name = "SakkeMasterSecret", frozen, module = "mcsec._core")]
struct SakkeMasterSecret(MasterSecret);

#[pymethods]
impl SakkeMasterSecret {
    #[new]
    #[pyo3(signature = (z, /))]
    fn new(py: Python<'_>, z: &PySecret) -> PyResult<Self> {
        py.detach(|| MasterSecret::new(&z.0))
            .map(Self)
            .map_err(to_py)
    }

    #[staticmethod]
    fn generate(py: Python<'_>) -> PyResult<Self> {
        py.detach(MasterSecret::generate).map(Self).map_err(to_py)
    }

    fn export(&self) -> PySecret {
        PySecret(self.0.export())
    }

    fn public_octets<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.public_octets())
    }

    #[pyo3(signature = (identity, /))]
    fn extract(&self, py: Python<'_>, identity: &[u8]) -> PyResult<PySecret> {
        py.detach(|| self.0.extract(identity))
            .map(PySecret)
            .map_err(to_py)
    }

    #[pyo3(signature = (identities, /))]
    fn extract_many(&self, py: Python<'_>, identities: Vec<Vec<u8>>) -> PyResult<Vec<PySecret>> {
        py.detach(|| self.0.extract_many(&identities))
            .map(|keys| keys.into_iter().map(PySecret).collect())
            .map_err(to_py)
    }
}

/// An identity's validated RSK.
#[pyclass(name = "SakkeReceiver", frozen, module = "mcsec._core")]
struct SakkeReceiver(Receiver);

#[pymethods]
impl SakkeReceiver {
    #[new]
    #[pyo3(signature = (public, identity, rsk, /, *, compact = false))]
    fn new(
        py: Python<'_>,
        public: &SakkePublicKey,
        identity: &[u8],
        rsk: &PySecret,
        compact: bool,
    ) -> PyResult<Self> {
        let make = if compact {
            Receiver::compact
        } else {
            Receiver::new
        };
        py.detach(|| make(&public.0, identity, &rsk.0))
            .map(Self)
            .map_err(to_py)
    }

    #[pyo3(signature = (sed, /, *, trimmed_g = false))]
    fn decapsulate(&self, py: Python<'_>, sed: &[u8], trimmed_g: bool) -> PyResult<PySecret> {
        py.detach(|| self.0.decapsulate(sed, trimmed_g))
            .map(PySecret)
            .map_err(to_py)
    }
}

/// Adds this topic to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<SakkePublicKey>()?;
    module.add_class::<SakkeMasterSecret>()?;
    module.add_class::<SakkeReceiver>()
}
