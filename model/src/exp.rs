//! Exponentials of a whole row, written so that the compiler vectorises them.

use crate::simd::LANES;

/// Replaces every x of `row` by e^(x − `max`) and returns their sum. `max` is the row's greatest
/// value; relative error below 2·10⁻⁷ (Cephes' `expf` polynomial).
#[inline(always)]
pub(crate) fn exp_sum(row: &mut [f32], max: f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (blocks, tail) = row.as_chunks_mut::<LANES>();
    for block in blocks {
        for (x, sum) in block.iter_mut().zip(&mut sums) {
            *x = exp(*x - max);
            *sum += *x;
        }
    }
    let mut rest = 0.0;
    for x in tail {
        *x = exp(*x - max);
        rest += *x;
    }
    // A fixed order, so that the sum is the same in every run.
    sums.iter().sum::<f32>() + rest
}

/// Below this e^x is subnormal.
const LEAST: f32 = -87.0;

/// e^x for x ≤ 0; 0 where that would be subnormal, since what is multiplied by subnormal numbers
/// takes a hundred times as long.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let (seen, x) = if x > LEAST { (1.0, x) } else { (0.0, LEAST) };
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let whole = shifted - ROUND;
    // ln 2 in two parts, the first exact in few bits.
    let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    value * f32::from_bits(exponent.wrapping_add(127) << 23) * seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential() {
        for step in 0..870_000 {
            let x = -(step as f32) * 1e-4;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2e-7, "{x}: {error}");
        }
        assert_eq!([exp(f32::NEG_INFINITY), exp(-1e9), exp(-87.5)], [0.0; 3]);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn sums_do_not_depend_on_where_the_row_lies() {
        let values: Vec<f32> = (0..1_003).map(|n| ((n * 37 % 101) as f32) / 10.0).collect();
        let mut shifted = vec![0.0];
        shifted.extend(&values);
        let (mut a, b) = (values.clone(), &mut shifted[1..]);
        assert_eq!(exp_sum(&mut a, 10.0).to_bits(), exp_sum(b, 10.0).to_bits());
        assert_eq!(a, b);
    }
}
