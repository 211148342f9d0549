//! Products of matrices, the ceiling of what trains a network.

use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use hmisr_model::backend::{Device, Inner};

/// Rows and columns of the products: enough to fill the device.
pub const SIZE: usize = if cfg!(feature = "cuda") { 4_096 } else { 1_024 };

/// Speed of a product of two square matrices, GFLOP/s.
pub fn gflops(device: &Device) -> f64 {
    let matrix = |value: f32| Tensor::<Inner, 2>::full([SIZE, SIZE], value, device);
    let (a, b) = (matrix(0.5), matrix(0.25));
    let times = (0..5).map(|_| {
        let begun = Instant::now();
        // Reading the result waits for a device that computes on its own.
        let _ = a.clone().matmul(b.clone()).slice([0..1, 0..1]).into_data();
        begun.elapsed().as_secs_f64()
    });
    2.0 * (SIZE as f64).powi(3) / median(times) / 1e9
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

pub fn milliseconds(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
