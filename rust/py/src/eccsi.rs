//! Bindings of `mcsec_core::eccsi`. The interpreter is released while points are multiplied.

use mcsec_core::eccsi::{MasterSecret, PublicKey, Signer, UserKey};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{no_copy, to_py};
use crate::secret::PySecret;

/// A KMS's public authentication key KPAK (65 octets).
#[pyclass(name = "EccsiPublicKey", frozen, module = "mcsec._core")]
pub(crate) struct PyEccsiPublicKey(PublicKey);

#[pymethods]
impl PyEccsiPublicKey {
    #[new]
    #[pyo3(signature = (kpak, /))]
    fn new(py: Python<'_>, kpak: &[u8]) -> PyResult<Self> {
        py.detach(|| PublicKey::new(kpak)).map(Self).map_err(to_py)
    }

    fn octets<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.octets())
    }

    #[pyo3(signature = (identity, message, signature, /))]
    fn verify(
        &self,
        py: Python<'_>,
        identity: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> PyResult<()> {
        py.detach(|| self.0.verify(identity, message, signature))
            .map_err(to_py)
    }

    #[pyo3(signature = (identity, ssk, pvt, /))]
    fn validate_ssk(
        &self,
        py: Python<'_>,
        identity: &[u8],
        ssk: &PySecret,
        pvt: &[u8],
    ) -> PyResult<()> {
        py.detach(|| self.0.validate_ssk(identity, &ssk.0, pvt))
            .map_err(to_py)
    }
}

/// A KMS's master secret KSAK.
#[pyclass(name = "EccsiMasterSecret", frozen, module = "mcsec._core")]
pub(crate) struct PyEccsiMasterSecret(MasterSecret);

#[pymethods]
impl PyEccsiMasterSecret {
    #[new]
    #[pyo3(signature = (ksak, /))]
    fn new(ksak: &PySecret) -> PyResult<Self> {
        MasterSecret::new(&ksak.0).map(Self).map_err(to_py)
    }

    #[staticmethod]
    fn generate() -> PyResult<Self> {
        MasterSecret::generate().map(Self).map_err(to_py)
    }

    fn export(&self) -> PySecret {
        PySecret(self.0.export())
    }

    fn public_octets<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.public_octets())
    }

    #[pyo3(signature = (identity, /))]
    fn extract<'py>(
        &self,
        py: Python<'py>,
        identity: &[u8],
    ) -> PyResult<(PySecret, Bound<'py, PyBytes>)> {
        py.detach(|| self.0.extract(identity))
            .map(|key| pair(py, key))
            .map_err(to_py)
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        no_copy("EccsiMasterSecret")
    }
}

/// An identity's SSK and PVT, validated.
#[pyclass(name = "EccsiSigner", frozen, module = "mcsec._core")]
pub(crate) struct PyEccsiSigner(Signer);

#[pymethods]
impl PyEccsiSigner {
    #[new]
    #[pyo3(signature = (public, identity, ssk, pvt, /))]
    fn new(
        py: Python<'_>,
        public: &PyEccsiPublicKey,
        identity: &[u8],
        ssk: &PySecret,
        pvt: &[u8],
    ) -> PyResult<Self> {
        py.detach(|| Signer::new(&public.0, identity, &ssk.0, pvt))
            .map(Self)
            .map_err(to_py)
    }

    #[pyo3(signature = (message, /))]
    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        py.detach(|| self.0.sign(message))
            .map(|octets| PyBytes::new(py, &octets))
            .map_err(to_py)
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        no_copy("EccsiSigner")
    }
}

fn pair(py: Python<'_>, key: UserKey) -> (PySecret, Bound<'_, PyBytes>) {
    (PySecret(key.ssk), PyBytes::new(py, &key.pvt))
}

/// The key pair of `identity` from a given v. Only `mcsec.crypto.hazmat` may call it.
#[pyfunction]
#[pyo3(signature = (master, identity, v, /))]
fn hazmat_eccsi_extract<'py>(
    py: Python<'py>,
    master: &PyEccsiMasterSecret,
    identity: &[u8],
    v: &PySecret,
) -> PyResult<(PySecret, Bound<'py, PyBytes>)> {
    master
        .0
        .extract_with(identity, &v.0)
        .map(|key| pair(py, key))
        .map_err(to_py)
}

/// The signature of `message` with a given j. Only `mcsec.crypto.hazmat` may call it.
#[pyfunction]
#[pyo3(signature = (signer, message, j, /))]
fn hazmat_eccsi_sign<'py>(
    py: Python<'py>,
    signer: &PyEccsiSigner,
    message: &[u8],
    j: &PySecret,
) -> PyResult<Bound<'py, PyBytes>> {
    signer
        .0
        .sign_with(message, &j.0)
        .map(|octets| PyBytes::new(py, &octets))
        .map_err(to_py)
}

/// Adds this topic to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyEccsiPublicKey>()?;
    module.add_class::<PyEccsiMasterSecret>()?;
    module.add_class::<PyEccsiSigner>()?;
    module.add_function(wrap_pyfunction!(hazmat_eccsi_extract, module)?)?;
    module.add_function(wrap_pyfunction!(hazmat_eccsi_sign, module)?)
}
