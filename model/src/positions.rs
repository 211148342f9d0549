//! Absolute positions.

/// tAPE (Foumani et al. 2023, eq. 12): sines and cosines of position · ω_i · d / L, which spread
/// the phases over sequences of length L = `max_len` at any width d. `[len, width]`.
///
/// They are scaled to the spread of fresh item embeddings; at their full amplitude of 1 they
/// would drown them.
pub fn tape(len: usize, width: usize, max_len: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(len * width);
    for position in 0..len {
        for column in 0..width {
            let even = (column / 2 * 2) as f64;
            let omega = 10_000f64.powf(-even / width as f64);
            let angle = position as f64 * omega * width as f64 / max_len as f64;
            let value = if column % 2 == 0 { angle.sin() } else { angle.cos() };
            values.push((value * AMPLITUDE) as f32);
        }
    }
    values
}

const AMPLITUDE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_told_apart() {
        let (len, width) = (50, 64);
        let all = tape(len, width, len);
        let row = |at: usize| &all[at * width..(at + 1) * width];
        for a in 0..len {
            for b in 0..a {
                let distance: f32 = row(a).iter().zip(row(b)).map(|(x, y)| (x - y) * (x - y)).sum();
                assert!(distance.sqrt() > 0.05, "{a} and {b}");
            }
        }
    }
}
