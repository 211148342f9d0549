//! The stop-gradient, in one place: tests that compare gradients with differences hold its values
//! while they move the weights, since a difference cannot know what a gradient shall ignore.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// `x`, through which no gradient flows.
#[cfg(not(test))]
pub(crate) fn stop<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    x.detach()
}

/// `x`, through which no gradient flows.
#[cfg(test)]
pub(crate) fn stop<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let (shape, device) = (x.dims(), x.device());
    let values = held::of(|| x.clone().into_data().to_vec().unwrap());
    Tensor::from_data(burn::tensor::TensorData::new(values, shape), &device)
}

#[cfg(test)]
pub(crate) mod held {
    use std::cell::RefCell;

    #[derive(Default)]
    struct Tape {
        values: Vec<Vec<f32>>,
        /// The next to be played back; none while recording.
        next: Option<usize>,
    }

    thread_local! {
        static TAPE: RefCell<Tape> = RefCell::default();
    }

    /// Begins anew and records.
    pub(crate) fn record() {
        TAPE.with_borrow_mut(|tape| *tape = Tape::default());
    }

    /// Plays what was recorded back, from its beginning.
    pub(crate) fn play() {
        TAPE.with_borrow_mut(|tape| tape.next = Some(0));
    }

    pub(super) fn of(values: impl Fn() -> Vec<f32>) -> Vec<f32> {
        TAPE.with_borrow_mut(|tape| match &mut tape.next {
            Some(next) => {
                *next += 1;
                tape.values[*next - 1].clone()
            }
            None => {
                tape.values.push(values());
                values()
            }
        })
    }
}
