//! Bindings of `mcsec_core::srtp`.
//!
//! Packets are written straight into the `bytes` object that Python gets. Nothing that may run Python code happens
//! while a lock is held: errors become exceptions only after it is released.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mcsec_core::error::{Error, Result};
use mcsec_core::srtp::{Opened, Opening, Profile, rtcp, rtp};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;
use crate::secret::PySecret;

/// An SRTP or SRTCP packet. Only `protect` makes one, so to hold one is to know that it is protected.
#[pyclass(name = "ProtectedPacket", frozen, module = "mcsec._core")]
struct PyProtectedPacket {
    /// The octets for the wire.
    #[pyo3(get)]
    octets: Py<PyBytes>,
}

#[pymethods]
impl PyProtectedPacket {
    fn __bytes__(&self, py: Python<'_>) -> Py<PyBytes> {
        self.octets.clone_ref(py)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.octets.as_bytes(py).len()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<ProtectedPacket of {} octets>", self.__len__(py))
    }
}

/// An RTP or RTCP packet that passed every check, with what was learnt from its protection.
#[pyclass(name = "OpenedPacket", frozen, module = "mcsec._core")]
struct PyOpenedPacket {
    /// The packet in clear.
    #[pyo3(get)]
    octets: Py<PyBytes>,
    opened: Opened,
}

#[pymethods]
impl PyOpenedPacket {
    #[getter]
    fn mki(&self) -> &[u8] {
        &self.opened.mki
    }

    #[getter]
    fn ssrc(&self) -> u32 {
        self.opened.ssrc
    }

    #[getter]
    fn index(&self) -> u64 {
        self.opened.index
    }

    fn __bytes__(&self, py: Python<'_>) -> Py<PyBytes> {
        self.octets.clone_ref(py)
    }

    fn __repr__(&self) -> String {
        format!(
            "<OpenedPacket of SSRC {:08x}, index {}>",
            self.opened.ssrc, self.opened.index
        )
    }
}

/// Protects the RTCP packets of one SSRC.
#[pyclass(name = "SrtcpSender", frozen, module = "mcsec._core")]
struct PySrtcpSender(Mutex<rtcp::Sender>);

#[pymethods]
impl PySrtcpSender {
    #[new]
    #[pyo3(signature = (profile, ssrc, mki, master_key, master_salt, /, *, first, last))]
    fn new(
        profile: PyProfile,
        ssrc: Uint<u32>,
        mki: &[u8],
        master_key: &PySecret,
        master_salt: &PySecret,
        first: Uint<u64>,
        last: Uint<u64>,
    ) -> PyResult<Self> {
        let range = (first.0, last.0);
        rtcp::Sender::new(profile.0, ssrc.0, range, mki, &master_key.0, &master_salt.0)
            .map(|sender| Self(Mutex::new(sender)))
            .map_err(to_py)
    }

    #[pyo3(signature = (mki, master_key, master_salt, /))]
    fn install_key(
        &self,
        mki: &[u8],
        master_key: &PySecret,
        master_salt: &PySecret,
    ) -> PyResult<()> {
        let done = lock(&self.0).install_key(mki, &master_key.0, &master_salt.0);
        done.map_err(to_py)
    }

    #[pyo3(signature = (last, /))]
    fn extend(&self, last: Uint<u64>) -> PyResult<()> {
        let done = lock(&self.0).extend(last.0);
        done.map_err(to_py)
    }

    #[pyo3(signature = (packet, /))]
    fn protect(&self, py: Python<'_>, packet: &[u8]) -> PyResult<PyProtectedPacket> {
        let mut sender = lock(&self.0);
        let length = sender.protected_length(packet.len());
        let (octets, done) = fill(py, length, |out| sender.protect(packet, out))?;
        drop(sender);
        done.map_err(to_py)?;
        Ok(PyProtectedPacket { octets })
    }

    #[getter]
    fn ssrc(&self) -> u32 {
        lock(&self.0).ssrc()
    }

    #[getter]
    fn mki<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, lock(&self.0).mki())
    }

    #[getter]
    fn next_index(&self) -> u64 {
        lock(&self.0).indexes().next()
    }

    #[getter]
    fn last_index(&self) -> u64 {
        lock(&self.0).indexes().last()
    }
}

/// Opens SRTCP packets under any number of keys.
#[pyclass(name = "SrtcpReceiver", frozen, module = "mcsec._core")]
struct PySrtcpReceiver(Mutex<rtcp::Receiver>);

#[pymethods]
impl PySrtcpReceiver {
    #[new]
    #[pyo3(signature = (profile, /, *, window=128, max_streams=65536, accept_unencrypted=false))]
    fn new(
        profile: PyProfile,
        window: usize,
        max_streams: usize,
        accept_unencrypted: bool,
    ) -> PyResult<Self> {
        rtcp::Receiver::new(profile.0, window, max_streams, accept_unencrypted)
            .map(|receiver| Self(Mutex::new(receiver)))
            .map_err(to_py)
    }

    #[pyo3(signature = (mki, master_key, master_salt, /))]
    fn add_key(&self, mki: &[u8], master_key: &PySecret, master_salt: &PySecret) -> PyResult<()> {
        let done = lock(&self.0).add_key(mki, &master_key.0, &master_salt.0);
        done.map_err(to_py)
    }

    #[pyo3(signature = (mki, /))]
    fn remove_key(&self, mki: &[u8]) {
        lock(&self.0).remove_key(mki);
    }

    #[pyo3(signature = (packet, /))]
    fn unprotect(&self, py: Python<'_>, packet: &[u8]) -> PyResult<PyOpenedPacket> {
        let mut receiver = lock(&self.0);
        let done = open(py, receiver.prepare(packet));
        drop(receiver);
        done?.map_err(to_py)
    }
}

/// Protects the RTP packets of one SSRC.
#[pyclass(name = "SrtpSender", frozen, module = "mcsec._core")]
struct PySrtpSender(Mutex<rtp::Sender>);

#[pymethods]
impl PySrtpSender {
    #[new]
    #[pyo3(signature = (profile, ssrc, mki, master_key, master_salt, /, *, first, last, carry_roc=false))]
    #[allow(clippy::too_many_arguments)] // They are what the Python constructor takes.
    fn new(
        profile: PyProfile,
        ssrc: Uint<u32>,
        mki: &[u8],
        master_key: &PySecret,
        master_salt: &PySecret,
        first: Uint<u64>,
        last: Uint<u64>,
        carry_roc: bool,
    ) -> PyResult<Self> {
        let (range, key, salt) = ((first.0, last.0), &master_key.0, &master_salt.0);
        rtp::Sender::new(profile.0, ssrc.0, range, carry_roc, mki, key, salt)
            .map(|sender| Self(Mutex::new(sender)))
            .map_err(to_py)
    }

    #[pyo3(signature = (mki, master_key, master_salt, /))]
    fn install_key(
        &self,
        mki: &[u8],
        master_key: &PySecret,
        master_salt: &PySecret,
    ) -> PyResult<()> {
        let done = lock(&self.0).install_key(mki, &master_key.0, &master_salt.0);
        done.map_err(to_py)
    }

    #[pyo3(signature = (last, /))]
    fn extend(&self, last: Uint<u64>) -> PyResult<()> {
        let done = lock(&self.0).extend(last.0);
        done.map_err(to_py)
    }

    #[pyo3(signature = (packet, /))]
    fn protect(&self, py: Python<'_>, packet: &[u8]) -> PyResult<PyProtectedPacket> {
        let mut sender = lock(&self.0);
        let length = sender.protected_length(packet.len());
        let (octets, done) = fill(py, length, |out| sender.protect(packet, out))?;
        drop(sender);
        done.map_err(to_py)?;
        Ok(PyProtectedPacket { octets })
    }

    #[getter]
    fn ssrc(&self) -> u32 {
        lock(&self.0).ssrc()
    }

    #[getter]
    fn mki<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, lock(&self.0).mki())
    }

    #[getter]
    fn next_index(&self) -> u64 {
        lock(&self.0).indexes().next()
    }

    #[getter]
    fn last_index(&self) -> u64 {
        lock(&self.0).indexes().last()
    }
}

/// Opens SRTP packets under any number of keys.
#[pyclass(name = "SrtpReceiver", frozen, module = "mcsec._core")]
struct PySrtpReceiver(Mutex<rtp::Receiver>);

#[pymethods]
impl PySrtpReceiver {
    #[new]
    #[pyo3(signature = (profile, /, *, window=128, max_streams=65536, carry_roc=false))]
    fn new(
        profile: PyProfile,
        window: usize,
        max_streams: usize,
        carry_roc: bool,
    ) -> PyResult<Self> {
        rtp::Receiver::new(profile.0, window, max_streams, carry_roc)
            .map(|receiver| Self(Mutex::new(receiver)))
            .map_err(to_py)
    }

    #[pyo3(signature = (mki, master_key, master_salt, /))]
    fn add_key(&self, mki: &[u8], master_key: &PySecret, master_salt: &PySecret) -> PyResult<()> {
        let done = lock(&self.0).add_key(mki, &master_key.0, &master_salt.0);
        done.map_err(to_py)
    }

    #[pyo3(signature = (mki, /))]
    fn remove_key(&self, mki: &[u8]) {
        lock(&self.0).remove_key(mki);
    }

    #[pyo3(signature = (ssrc, roc, /))]
    fn start_stream(&self, ssrc: Uint<u32>, roc: Uint<u32>) -> PyResult<()> {
        let done = lock(&self.0).start_stream(ssrc.0, roc.0);
        done.map_err(to_py)
    }

    #[pyo3(signature = (packet, /))]
    fn unprotect(&self, py: Python<'_>, packet: &[u8]) -> PyResult<PyOpenedPacket> {
        let mut receiver = lock(&self.0);
        let done = open(py, receiver.prepare(packet));
        drop(receiver);
        done?.map_err(to_py)
    }
}

/// A profile by its registered name.
struct PyProfile(Profile);

impl FromPyObject<'_, '_> for PyProfile {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.extract::<&str>()? {
            "AEAD_AES_128_GCM" => Ok(Self(Profile::AeadAes128Gcm)),
            "AES_CM_128_HMAC_SHA1_80" => Ok(Self(Profile::AesCm128HmacSha1_80)),
            _ => Err(to_py(Error::Argument("SRTP profile: none of that name"))),
        }
    }
}

/// A number without sign; one that does not fit is an invalid value and no overflow.
struct Uint<T>(T);

impl<'py, T: for<'a> FromPyObject<'a, 'py, Error = PyErr>> FromPyObject<'_, 'py> for Uint<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self).map_err(|error: PyErr| {
            if error.is_instance_of::<PyOverflowError>(object.py()) {
                to_py(Error::Argument("number: out of range"))
            } else {
                error
            }
        })
    }
}

/// A panic cannot leave a sender or a receiver half changed in a way that matters: indexes are used up before use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets `write` fill a new `bytes` object, and says how that went.
fn fill<T>(
    py: Python<'_>,
    length: usize,
    write: impl FnOnce(&mut [u8]) -> Result<T>,
) -> PyResult<(Py<PyBytes>, Result<T>)> {
    let mut done = Err(Error::Argument("packet: not written"));
    let octets = PyBytes::new_with(py, length, |out| {
        done = write(out);
        Ok(())
    })?;
    Ok((octets.unbind(), done))
}

/// Opens what a receiver prepared.
fn open(py: Python<'_>, prepared: Result<Opening<'_>>) -> PyResult<Result<PyOpenedPacket>> {
    let opening = match prepared {
        Ok(opening) => opening,
        Err(error) => return Ok(Err(error)),
    };
    let (octets, done) = fill(py, opening.length(), |out| opening.open(out))?;
    Ok(done.map(|opened| PyOpenedPacket { octets, opened }))
}

/// Adds this topic to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyProtectedPacket>()?;
    module.add_class::<PyOpenedPacket>()?;
    module.add_class::<PySrtcpSender>()?;
    module.add_class::<PySrtcpReceiver>()?;
    module.add_class::<PySrtpSender>()?;
    module.add_class::<PySrtpReceiver>()
}
