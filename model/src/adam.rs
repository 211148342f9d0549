//! AdamW (Loshchilov and Hutter 2019) over slices, for encoder and embedding rows alike.

/// The constants.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    beta1: f32,
    beta2: f32,
    decay: f32,
}

/// One update.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Learning rate.
    pub rate: f32,
    /// The gradient is multiplied by this first.
    pub scale: f32,
    /// How many updates these weights have had with this one.
    pub number: u64,
}

const EPSILON: f32 = 1e-8;

impl Adam {
    /// Decays of the moments, and of the weights (decoupled).
    pub fn new([beta1, beta2]: [f32; 2], decay: f32) -> Self {
        Self { beta1, beta2, decay }
    }

    /// Updates `weights` and their first and second moments.
    #[inline]
    pub fn update(&self, step: Step, gradient: &[f32], weights: &mut [f32], moments: [&mut [f32]; 2]) {
        let [first, second] = moments;
        let (rate, root) = self.corrected(step);
        let keep = 1.0 - step.rate * self.decay;
        for (((w, m), v), g) in weights.iter_mut().zip(first).zip(second).zip(gradient) {
            let g = g * step.scale;
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            *w = keep * *w - rate * *m / (v.sqrt() * root + EPSILON);
        }
    }

    /// Rate and scale of √v with both bias corrections folded in.
    fn corrected(&self, step: Step) -> (f32, f32) {
        // From here on the corrections are 1 in f32.
        let number = step.number.min(1_000_000) as i32;
        let first = 1.0 - self.beta1.powi(number);
        let second = 1.0 - self.beta2.powi(number);
        (step.rate / first, 1.0 / second.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_moves_by_the_rate_against_the_gradient() {
        let adam = Adam { beta1: 0.9, beta2: 0.999, decay: 0.0 };
        let (mut w, mut m, mut v) = ([1.0, -1.0, 0.5], [0.0; 3], [0.0; 3]);
        let step = Step { rate: 0.1, scale: 1.0, number: 1 };
        adam.update(step, &[3.0, -0.001, 0.0], &mut w, [&mut m, &mut v]);
        for (got, expected) in w.iter().zip([0.9, -0.9, 0.5]) {
            assert!((got - expected).abs() < 1e-4, "{w:?}");
        }
    }

    #[test]
    fn it_finds_the_minimum_of_a_parabola() {
        let adam = Adam { beta1: 0.9, beta2: 0.99, decay: 0.0 };
        let (mut w, mut m, mut v) = ([4.0f32], [0.0], [0.0]);
        for number in 1..=500 {
            let gradient = [2.0 * (w[0] - 1.5)];
            let step = Step { rate: 0.05, scale: 1.0, number };
            adam.update(step, &gradient, &mut w, [&mut m, &mut v]);
        }
        assert!((w[0] - 1.5).abs() < 0.02, "{w:?}");
    }
}
