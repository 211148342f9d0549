//! Loads a built UDF and calls it as Arroyo's workers do (`arroyo-udf-host`).

use std::mem::ManuallyDrop;
use std::path::Path;

use arroyo_udf_plugin::arrow::array::{ArrayData, ArrayRef, make_array};
use arroyo_udf_plugin::arrow::error::ArrowError;
use arroyo_udf_plugin::arrow::ffi::from_ffi;
use arroyo_udf_plugin::{FfiArraySchema, FfiArrays, RunResult};
use libloading::Library;

type Run = unsafe extern "C-unwind" fn(FfiArrays) -> RunResult;

/// A UDF's library, loaded.
pub struct Udf {
    run: Run,
    /// Never unloaded: a result is freed by the library's code, and may outlive this.
    _library: ManuallyDrop<Library>,
}

/// The library could not be loaded, or is no UDF.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct LoadError {
    path: String,
    source: libloading::Error,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The function panicked; Arroyo's worker then panics too.
    #[error("the function panicked")]
    Panicked,
    /// What came back is no array.
    #[error("the function returned no Arrow array: {0}")]
    Result(#[from] ArrowError),
}

impl Udf {
    /// Loads a library that [`crate::build`] made.
    ///
    /// # Errors
    /// [`LoadError`] where it cannot be loaded or has no `__run`.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let failed = |source| LoadError { path: path.display().to_string(), source };
        // SAFETY: the library is Rust code that was just built from a text of this folder; it has no
        // initialisers besides those of the standard library.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        // SAFETY: `__run` is what the attribute `udf` of arroyo-udf-plugin 0.2 exports, and the types
        // are those of the same release.
        let run = *unsafe { library.get::<Run>(b"__run\0") }.map_err(failed)?;
        Ok(Self { run, _library: ManuallyDrop::new(library) })
    }

    /// Calls the function: a scalar one for each row, an aggregate once for all.
    ///
    /// # Errors
    /// [`CallError`] where it panicked or returned no array.
    pub fn call(&self, columns: Vec<ArrayData>) -> Result<ArrayRef, CallError> {
        // SAFETY: the library stays loaded, the columns are the callee's from here on, and it catches its
        // own panics.
        match unsafe { (self.run)(FfiArrays::from_vec(columns)) } {
            RunResult::Ok(FfiArraySchema(array, schema)) => {
                // SAFETY: both halves were exported together by the callee's `to_ffi` and are taken once.
                let data = unsafe { from_ffi(array, &schema) }?;
                Ok(make_array(data))
            }
            RunResult::Err => Err(CallError::Panicked),
        }
    }
}
