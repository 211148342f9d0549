//! The determinantal point process of a list, by its fast greedy search (Chen, Zhang and Zhou, NeurIPS 2018,
//! algorithm 1).
//!
//! A list Y is as good as (1 − λ)·Σ relevance + λ·ln det S_Y with S the items' similarities: the determinant is the squared
//! volume that they span, 0 where two are the same. Each pick adds ln d² with d what the item has beyond the span of
//! those picked, kept up by a Cholesky factor: n·k² multiplications for k of n items.

use super::best;

/// The least d²: of what lies in the span already nothing but rounding is left.
const LEAST: f64 = 1e-9;

/// The order of all items; `similarity` takes two places and gives 1 for the same.
pub(super) fn determinantal(
    relevance: &[f64],
    lambda: f64,
    similarity: impl Fn(usize, usize) -> f64,
) -> Vec<usize> {
    let n = relevance.len();
    let mut beyond: Vec<f64> = (0..n).map(|at| similarity(at, at)).collect();
    let mut rows: Vec<Vec<f64>> = vec![Vec::new(); n];
    let mut left: Vec<usize> = (0..n).collect();
    let mut picked = Vec::with_capacity(n);
    let value =
        |beyond: &[f64], at: usize| (1.0 - lambda) * relevance[at] + lambda * beyond[at].max(LEAST).ln();
    while let Some(place) = best(&left, |at| value(&beyond, at)) {
        let pick = left.remove(place);
        let (row, depth) = (std::mem::take(&mut rows[pick]), beyond[pick]);
        // An item without anything of its own tells nothing of the others.
        if depth > LEAST {
            let depth = depth.sqrt();
            for &at in &left {
                let known: f64 = row.iter().zip(&rows[at]).map(|(one, other)| one * other).sum();
                let shared = (similarity(pick, at) - known) / depth;
                rows[at].push(shared);
                beyond[at] -= shared * shared;
            }
        }
        picked.push(pick);
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln det of the similarities of some items, by elimination.
    fn volume(of: &[usize], similarity: &dyn Fn(usize, usize) -> f64) -> f64 {
        let n = of.len();
        let mut a: Vec<Vec<f64>> =
            of.iter().map(|one| of.iter().map(|other| similarity(*one, *other)).collect()).collect();
        let mut log = 0.0;
        for at in 0..n {
            log += a[at][at].max(LEAST).ln();
            let pivot = a[at].clone();
            for row in &mut a[at + 1..] {
                let factor = row[at] / pivot[at];
                row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
        log
    }

    #[test]
    fn each_pick_adds_the_most_to_the_determinant() {
        // Directions in the plane and one out of it.
        let angles = [0.0f64, 0.1, 0.5, 1.2, 1.5];
        let similarity = |one: usize, other: usize| match (one == 5, other == 5) {
            (true, true) => 1.0,
            (false, false) => (angles[one] - angles[other]).cos(),
            _ => 0.0,
        };
        let relevance = [2.0, 1.9, 1.5, 1.2, 1.0, 0.2];
        for lambda in [0.0, 0.2, 0.5, 0.9] {
            let order = determinantal(&relevance, lambda, similarity);
            // Three directions span all that there is.
            for k in 0..3 {
                let value = |next: usize| {
                    let mut list = order[..k].to_vec();
                    list.push(next);
                    let sum: f64 = list.iter().map(|at| relevance[*at]).sum();
                    (1.0 - lambda) * sum + lambda * volume(&list, &similarity)
                };
                let taken = value(order[k]);
                let others = (0..6).filter(|at| !order[..=k].contains(at));
                others.for_each(|other| assert!(taken >= value(other) - 1e-9, "{lambda} {k} {order:?}"));
            }
        }
        assert_eq!(determinantal(&relevance, 0.0, similarity), [0, 1, 2, 3, 4, 5]);
        assert_eq!(determinantal(&relevance, 0.9, similarity)[..3], [0, 4, 5]);
        assert!(determinantal(&[], 0.5, similarity).is_empty());
    }

    #[test]
    fn of_items_that_are_all_the_same_the_order_stays() {
        assert_eq!(determinantal(&[1.0, 3.0, 2.0], 0.5, |_, _| 1.0), [1, 2, 0]);
    }
}
