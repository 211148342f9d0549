//! Rows gathered from a tensor, and rows scattered back to where they came from.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

/// Some rows of a tensor, each once.
#[derive(Debug)]
pub(crate) struct Places {
    places: Vec<usize>,
    /// Rows of the tensor.
    of: usize,
}

impl Places {
    pub(crate) fn new(places: Vec<usize>, of: usize) -> Self {
        Self { places, of }
    }

    fn are_all(&self) -> bool {
        self.places.len() == self.of && self.places.iter().enumerate().all(|(nth, place)| nth == *place)
    }

    /// These rows of `x`.
    pub(crate) fn gather<B: Backend>(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        match self.are_all() {
            true => x,
            false => {
                let places = indices(&self.places, &x.device());
                x.select(0, places)
            }
        }
    }

    /// Puts rows where they were gathered from, and zeros elsewhere.
    pub(crate) fn scatter<B: Backend>(&self, gathered: Tensor<B, 2>) -> Tensor<B, 2> {
        if self.are_all() {
            return gathered;
        }
        let ([count, columns], device) = (gathered.dims(), gathered.device());
        let mut from = vec![count; self.of];
        for (nth, place) in self.places.iter().enumerate() {
            assert_eq!(from[*place], count, "a position stands twice");
            from[*place] = nth;
        }
        // Looked up, since a device adds at indices one by one.
        let gathered = Tensor::cat(vec![gathered, Tensor::zeros([1, columns], &device)], 0);
        gathered.select(0, indices(&from, &device))
    }
}

fn indices<B: Backend>(indices: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let indices: Vec<i32> = indices.iter().map(|index| *index as i32).collect();
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};
    use crate::softmax::values;

    #[test]
    fn rows_go_back_where_they_came_from() {
        let device = backend::device().unwrap();
        let x = Tensor::<Inner, 2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], &device);
        let some = Places::new(vec![3, 1], 4);
        let gathered = some.gather(x.clone());
        assert_eq!(values(gathered.clone()), [7.0, 8.0, 3.0, 4.0]);
        assert_eq!(values(some.scatter(gathered)), [0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 7.0, 8.0]);
        let all = Places::new(vec![0, 1, 2, 3], 4);
        assert_eq!(values(all.scatter(all.gather(x.clone()))), values(x));
        assert_eq!(
            values(Places::new(Vec::new(), 1).scatter(Tensor::<Inner, 2>::zeros([0, 2], &device))),
            [0.0; 2]
        );
    }
}
