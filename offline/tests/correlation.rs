//! Lines and rank correlations against their definitions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use hmisr_offline::measures::{line, spearman};
use proptest::prelude::*;

/// 1 + those below + half of the other equal ones.
fn slow_ranks(values: &[f64]) -> Vec<f64> {
    let rank = |x: &f64| {
        let below = values.iter().filter(|y| *y < x).count() as f64;
        let equal = values.iter().filter(|y| *y == x).count() as f64;
        below + (equal + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let sum = |f: &dyn Fn(usize) -> f64| (0..x.len()).map(f).sum::<f64>();
    let (sx, sy) = (sum(&|i| x[i]), sum(&|i| y[i]));
    let covariance = n * sum(&|i| x[i] * y[i]) - sx * sy;
    let spread = |s: f64, v: &[f64]| n * v.iter().map(|v| v * v).sum::<f64>() - s * s;
    covariance / (spread(sx, x) * spread(sy, y)).sqrt()
}

proptest! {
    #[test]
    fn as_defined(points in prop::collection::vec((-5_i8..5, -5_i8..5), 3..40)) {
        let (x, y): (Vec<f64>, Vec<f64>) =
            points.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
        let varies = |v: &[f64]| v.iter().any(|one| *one != v[0]);
        match line(&x, &y) {
            None => prop_assert!(!varies(&x)),
            Some(fit) => {
                let error = |slope: f64, intercept: f64| -> f64 {
                    x.iter().zip(&y).map(|(x, y)| (y - intercept - slope * x).powi(2)).sum()
                };
                let least = error(fit.slope, fit.intercept);
                for (a, b) in [(0.01, 0.0), (-0.01, 0.0), (0.0, 0.01), (0.0, -0.01)] {
                    prop_assert!(error(fit.slope + a, fit.intercept + b) > least);
                }
                if varies(&y) {
                    let mean = y.iter().sum::<f64>() / y.len() as f64;
                    let spread: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
                    prop_assert!((fit.r2 - (1.0 - least / spread)).abs() < 1e-9);
                }
            }
        }
        match spearman(&x, &y) {
            None => prop_assert!(!varies(&x) || !varies(&y)),
            Some(found) => prop_assert!((found - pearson(&slow_ranks(&x), &slow_ranks(&y))).abs() < 1e-9),
        }
    }
}

#[test]
fn a_monotone_curve_has_rank_correlation_one() {
    let x = [1.0, 2.0, 3.0, 4.0];
    assert!((spearman(&x, &x.map(|x: f64| x.powi(5))).unwrap() - 1.0).abs() < 1e-12);
    assert!((spearman(&x, &x.map(|x: f64| -x.exp())).unwrap() + 1.0).abs() < 1e-12);
    assert_eq!(spearman(&[], &[]), None);
}

#[test]
fn differences_that_are_rounding_have_no_line() {
    let third = 1.0 / 3.0;
    let rounded = [third, third + f64::EPSILON, third - f64::EPSILON, third];
    let y = [0.1, 0.9, 0.2, 0.4];
    assert_eq!((line(&rounded, &y), line(&[0.0; 4], &y), line(&[], &[])), (None, None, None));
    assert_eq!(line(&[1.0, 2.0], &[f64::NAN, 1.0]), None);
    let flat = line(&y, &rounded).unwrap();
    assert!(flat.slope.abs() < 1e-12 && flat.r2 == 0.0, "{flat:?}");
    let small = line(&[1e-7, 2e-7, 3e-7], &[1.0, 2.0, 3.0]).unwrap();
    assert!((small.slope - 1e7).abs() < 1e-3 && (small.r2 - 1.0).abs() < 1e-9, "{small:?}");
}
