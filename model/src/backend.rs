//! The one place that knows which burn backend the build uses.
//!
//! `cuda` wins over `ndarray`, which wins over `flex`, so that `--features cuda` needs no
//! `--no-default-features`.

use burn::tensor::backend::BackendTypes;

use crate::Result;
pub use crate::fused::Fused;
#[cfg(feature = "cuda")]
use crate::{Error, ErrorKind};

/// The backend that holds tensors, without automatic differentiation.
#[cfg(feature = "cuda")]
pub type Inner = burn::backend::Cuda;
/// The backend that holds tensors, without automatic differentiation.
#[cfg(all(feature = "ndarray", not(feature = "cuda")))]
pub type Inner = burn::backend::NdArray;
/// The backend that holds tensors, without automatic differentiation.
#[cfg(all(feature = "flex", not(feature = "ndarray"), not(feature = "cuda")))]
pub type Inner = burn::backend::Flex;

#[cfg(not(any(feature = "flex", feature = "ndarray", feature = "cuda")))]
compile_error!("choose a backend: one of the features `flex`, `ndarray`, `cuda`");

#[cfg(any(feature = "ndarray", feature = "cuda"))]
impl Fused for Inner {}

/// The device type of [`Inner`].
pub type Device = <Inner as BackendTypes>::Device;

/// The backend's name, for logs and manifests.
pub const NAME: &str = if cfg!(feature = "cuda") {
    "cuda"
} else if cfg!(feature = "ndarray") {
    "ndarray"
} else {
    "flex"
};

/// The device that everything runs on.
///
/// # Errors
/// [`ErrorKind::Backend`](crate::ErrorKind::Backend) where the build is for CUDA and the machine
/// has no usable NVIDIA GPU.
#[cfg(not(feature = "cuda"))]
pub fn device() -> Result<Device> {
    Ok(Device::default())
}

/// The device that everything runs on.
///
/// # Errors
/// [`ErrorKind::Backend`](crate::ErrorKind::Backend) where the machine has no usable NVIDIA GPU.
#[cfg(feature = "cuda")]
pub fn device() -> Result<Device> {
    use burn::tensor::Tensor;

    const REMEDY: &str = "this build computes on NVIDIA GPUs; run it where a GPU and its driver are, \
                          or build without the feature `cuda`";
    // The driver's control device, and the one that stands in its place under WSL.
    let driver = ["/dev/nvidiactl", "/dev/dxg"];
    if cfg!(target_os = "linux") && !driver.iter().any(|path| std::path::Path::new(path).exists()) {
        return Err(Error::new(ErrorKind::Backend, format!("no NVIDIA GPU: no {}; {REMEDY}", driver[0])));
    }
    // burn reports an unusable driver by a panic, so a small sum is tried first.
    let tried = std::panic::catch_unwind(|| {
        let device = Device::default();
        let sum = Tensor::<Inner, 1>::from_floats([1.0, 2.0], &device).sum();
        (sum.into_data().to_vec::<f32>(), device)
    });
    match tried {
        Ok((Ok(sum), device)) if sum == [3.0] => Ok(device),
        _ => Err(Error::new(
            ErrorKind::Backend,
            format!("the NVIDIA GPU or its driver does not work; {REMEDY}"),
        )),
    }
}
