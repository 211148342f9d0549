//! The one place that knows which burn backend the build uses.
//!
//! `cuda` wins over `ndarray`, which wins over `flex`, so that `--features cuda` needs no
//! `--no-default-features`.

use burn::tensor::backend::BackendTypes;
use serde::{Deserialize, Serialize};

pub use crate::fused::Fused;
use crate::{Error, ErrorKind, Result};

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

#[cfg(all(feature = "ndarray", not(feature = "cuda")))]
impl Fused for Inner {}

/// What the products of matrices take their operands in; everything else is in f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Layers, attention and the softmax over the catalogue in bfloat16, as PyTorch's autocast does.
    Mixed,
}

impl std::str::FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f32" => Ok(Self::F32),
            "mixed" => Ok(Self::Mixed),
            _ => Err(Error::new(ErrorKind::Configuration, format!("precision {text}: it is f32 or mixed"))),
        }
    }
}

/// Sets the precision of this process.
///
/// # Errors
/// [`ErrorKind::Configuration`] where the backend has only f32.
pub fn set_precision(precision: Precision) -> Result<()> {
    #[cfg(feature = "cuda")]
    cuda::MIXED.store(precision == Precision::Mixed, std::sync::atomic::Ordering::Relaxed);
    match precision {
        Precision::Mixed if NAME != "cuda" => Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "mixed precision needs a build with the feature `cuda`; this one computes on {NAME}, in f32"
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use std::sync::atomic::{AtomicBool, Ordering};

    use burn::tensor::backend::Backend;
    use burn::tensor::{DType, Distribution, Tensor};

    use super::{Fused, Inner};
    use crate::fused::{Mask, rows};

    pub(super) static MIXED: AtomicBool = AtomicBool::new(false);

    impl Fused for Inner {
        fn product<const D: usize>(a: Tensor<Self, D>, b: Tensor<Self, D>) -> Tensor<Self, D> {
            match MIXED.load(Ordering::Relaxed) {
                true => a.cast(DType::BF16).matmul(b.cast(DType::BF16)).cast(DType::F32),
                false => a.matmul(b),
            }
        }

        fn over_rows(a: Tensor<Self, 2>, b: Tensor<Self, 2>) -> Tensor<Self, 2> {
            rows::over_rows(a, b)
        }

        fn column_sums(x: Tensor<Self, 2>) -> Tensor<Self, 2> {
            rows::column_sums(x)
        }

        /// Drawn on the device, from the mask's seed: making it on the host and sending it would take
        /// longer than the layer that it falls on.
        fn drop<const D: usize>(x: Tensor<Self, D>, mask: Mask) -> Tensor<Self, D> {
            let (rate, seed) = mask.drawn();
            let device = x.device();
            Self::seed(&device, seed);
            let drawn = Tensor::<Self, D>::random(x.dims(), Distribution::Uniform(0.0, 1.0), &device);
            x * drawn.greater_equal_elem(rate).float().mul_scalar(1.0 / (1.0 - rate))
        }
    }
}

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
