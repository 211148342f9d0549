//! Sums over many rows, for devices that give a sum to one thread.

use burn::tensor::Tensor;

use super::Fused;

/// [`Fused::over_rows`] as the sum of products of some rows each: one alone would keep few of a device's
/// processors busy.
pub(crate) fn over_rows<B: Fused>(a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
    /// Rows of a part.
    const PART: usize = 1_024;
    let ([rows, m], [_, n]) = (a.dims(), b.dims());
    let parts = rows / PART;
    if parts < 2 {
        return B::product(a.transpose(), b);
    }
    let whole = parts * PART;
    let cut = |x: &Tensor<B, 2>, columns| x.clone().narrow(0, 0, whole).reshape([parts, PART, columns]);
    let sum = B::product(cut(&a, m).transpose(), cut(&b, n)).sum_dim(0).reshape([m, n]);
    match rows - whole {
        0 => sum,
        rest => sum + B::product(a.narrow(0, whole, rest).transpose(), b.narrow(0, whole, rest)),
    }
}

/// [`Fused::column_sums`], of about √rows rows first, and then of those sums.
pub(crate) fn column_sums<B: Fused>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    /// Rows from which two steps are worth it.
    const MANY: usize = 64;
    let [rows, n] = x.dims();
    if rows < MANY {
        return x.sum_dim(0);
    }
    let parts = rows.isqrt();
    let (each, rest) = (rows / parts, rows % parts);
    let whole = x.clone().narrow(0, 0, parts * each).reshape([parts, each, n]);
    let sum = whole.sum_dim(1).reshape([parts, n]).sum_dim(0);
    match rest {
        0 => sum,
        rest => sum + x.narrow(0, parts * each, rest).sum_dim(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::checks::{plain, same};

    #[test]
    fn sums_over_rows_come_together_from_parts() {
        for rows in [5, 100, 1_023, 2_048, 2_500] {
            let (a, b) = (plain([rows, 3], 1), plain([rows, 4], 2));
            same(over_rows(a.clone(), b.clone()), a.transpose().matmul(b.clone()));
            same(column_sums(b.clone()), b.sum_dim(0));
        }
    }
}
