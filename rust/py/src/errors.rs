//! The one place where errors of the core become Python exceptions (`mcsec.errors`).

use mcsec_core::error::Error;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The exception class in `mcsec.errors` that a variant becomes.
fn class_name(error: Error) -> &'static str {
    match error {
        Error::Size(..) | Error::Invalid(_) | Error::Argument(_) => "InvalidValue",
        Error::Decode(..) => "DecodeError",
        Error::Refused(_) => "Refused",
        Error::Check(_) => "CheckFailed",
        Error::Replay => "Replayed",
        Error::UnknownKey => "UnknownKey",
        Error::Exhausted => "IndexExhausted",
        Error::Randomness => "RandomnessUnavailable",
    }
}

/// Makes the Python exception for `error`; `map_err(to_py)` in every binding.
pub(crate) fn to_py(error: Error) -> PyErr {
    Python::attach(|py| {
        let made = PyModule::import(py, "mcsec.errors")
            .and_then(|errors| errors.getattr(class_name(error)))
            .and_then(|class| match error {
                Error::Decode(what, offset) => class.call1((what, offset)),
                _ => class.call1((error.to_string(),)),
            });
        match made {
            Ok(instance) => PyErr::from_value(instance),
            Err(failure) => failure,
        }
    })
}

/// What `__reduce_ex__` of a class that holds secrets answers: `pickle`, `copy.copy` and `copy.deepcopy` all end here.
pub(crate) fn no_copy(class: &str) -> PyResult<()> {
    Err(PyTypeError::new_err(format!(
        "{class} holds secrets: it is never pickled or copied"
    )))
}
