//! Loops over slices that the compiler turns into vector instructions.
//!
//! Sums run in [`LANES`] lanes that are added in a fixed order, and products and sums are rounded
//! each on its own: results are the same on every processor, whatever the width of its vectors.

/// Lanes of a sum: a vector of the widest instructions.
pub(crate) const LANES: usize = 16;

/// Runs `work`, whose parts must be inlined, compiled for the widest vectors that the processor
/// has.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Σ x.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += x;
        }
    }
    total(sums) + rest.iter().sum::<f32>()
}

/// Σ (x − mean)².
#[inline(always)]
pub(crate) fn spread(x: &[f32], mean: f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += (x - mean) * (x - mean);
        }
    }
    total(sums) + rest.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>()
}

/// Σ x · y, of equal lengths.
#[inline(always)]
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let ((xs, x), (ys, y)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in xs.iter().zip(ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    total(sums) + x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>()
}

/// Σ x · y · z, of equal lengths.
#[inline(always)]
pub(crate) fn dot3(x: &[f32], y: &[f32], z: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let ((xs, x), (ys, y)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let (zs, z) = z.as_chunks::<LANES>();
    for ((x, y), z) in xs.iter().zip(ys).zip(zs) {
        for (((sum, x), y), z) in sums.iter_mut().zip(x).zip(y).zip(z) {
            *sum += x * y * z;
        }
    }
    total(sums) + x.iter().zip(y).zip(z).map(|((x, y), z)| x * y * z).sum::<f32>()
}

#[inline(always)]
fn total(sums: [f32; LANES]) -> f32 {
    sums.iter().sum()
}

/// The greatest value; −∞ of none.
#[inline(always)]
pub(crate) fn greatest(x: &[f32]) -> f32 {
    let more = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (most, x) in lanes.iter_mut().zip(block) {
            *most = more(*most, *x);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_definition_for_any_length() {
        for len in [0usize, 1, 15, 16, 17, 50, 64, 131] {
            let of = |k: usize| (0..len).map(|n| ((n * k % 23) as f32 - 11.0) / 8.0).collect::<Vec<_>>();
            let (x, y, z) = (of(3), of(5), of(7));
            // Eighths of small integers: every sum is exact in any order.
            let found = vectorised(
                #[inline(always)]
                || [sum(&x), spread(&x, 0.5), dot(&x, &y), dot3(&x, &y, &z), greatest(&x)],
            );
            let exact = |term: &dyn Fn(usize) -> f32| (0..len).map(term).sum::<f32>();
            let expected = [
                exact(&|n| x[n]),
                exact(&|n| (x[n] - 0.5) * (x[n] - 0.5)),
                exact(&|n| x[n] * y[n]),
                exact(&|n| x[n] * y[n] * z[n]),
                x.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            ];
            assert_eq!(found, expected, "{len}");
        }
    }
}
