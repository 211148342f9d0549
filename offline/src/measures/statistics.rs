//! Lines and rank correlations.

/// The least-squares line y = intercept + slope·x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Change of y per unit of x.
    pub slope: f64,
    /// y at x = 0.
    pub intercept: f64,
    /// Share of y's variance that the line explains: the squared correlation.
    pub r2: f64,
}

/// The least standard deviation, of the greatest magnitude, that is not taken for rounding.
const LEAST_DEVIATION: f64 = 1e-9;

/// Fits a line; none where x does not vary by more than rounding. Where y does not, r² is 0.
pub fn line(x: &[f64], y: &[f64]) -> Option<Line> {
    let n = x.len().min(y.len()) as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let sum = |product: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| product(x - mean_x, y - mean_y)).sum()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let varies = |values: &[f64], squares: f64| {
        let greatest = values.iter().fold(0.0_f64, |greatest, value| greatest.max(value.abs()));
        (squares / n).sqrt() > greatest * LEAST_DEVIATION
    };
    let slope = xy / xx;
    let line = Line {
        slope,
        intercept: mean_y - slope * mean_x,
        r2: if varies(y, yy) { xy * xy / (xx * yy) } else { 0.0 },
    };
    (varies(x, xx) && line.slope.is_finite() && line.intercept.is_finite()).then_some(line)
}

/// Spearman's rank correlation, ties by average; none where one side does not vary.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let fit = line(&ranks(x), &ranks(y))?;
    let varies = y.iter().any(|value| value != &y[0]);
    varies.then(|| fit.r2.sqrt().copysign(fit.slope))
}

/// Each value's rank from 1, ties by average.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for ties in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|&at| ranks[at] = rank);
        before += ties.len();
    }
    ranks
}
