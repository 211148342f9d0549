//! What sets an event apart beside its item.

/// Actions that are told apart; 0 is what is not known.
pub const ACTIONS: usize = 16;
/// Buckets of weights.
pub const WEIGHTS: usize = 8;

/// An event's action and the bucket of its weight: a view, a skip, a dislike and a refund are not the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kind {
    action: u8,
    weight: u8,
}

impl Kind {
    /// An event of the action with this number, which is below [`ACTIONS`] or not known, and this weight.
    ///
    /// The buckets: none told, negative, 0, then below 1, below 2, below 4, below 8, and 8 or more, so that
    /// ratings in stars and in halves of them are told apart whatever their scale.
    pub fn new(action: usize, weight: Option<f32>) -> Self {
        let bucket = match weight {
            None => 0,
            Some(weight) if weight < 0.0 => 1,
            Some(weight) if weight > 0.0 => {
                [1.0, 2.0, 4.0, 8.0].partition_point(|least| *least <= weight) as u8 + 3
            }
            Some(_) => 2,
        };
        Self { action: if action < ACTIONS { action as u8 } else { 0 }, weight: bucket }
    }

    /// The action's number.
    pub fn action(self) -> usize {
        self.action.into()
    }

    /// Whether the weight is below 0: something was taken back, or is not liked.
    pub fn is_negative(self) -> bool {
        self.weight == 1
    }

    /// The weight's bucket, below [`WEIGHTS`].
    pub fn weight(self) -> usize {
        self.weight.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fall_into_buckets() {
        let weights = [None, Some(-3.0), Some(0.0), Some(0.5), Some(1.0), Some(3.5), Some(4.0), Some(1e9)];
        let buckets = weights.map(|weight| Kind::new(1, weight).weight());
        assert_eq!(buckets, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(buckets.iter().max().map(|most| most + 1), Some(WEIGHTS));
        let negative = weights.map(|weight| Kind::new(1, weight).is_negative());
        assert_eq!(negative.map(u8::from), [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Kind::new(1, Some(f32::NAN)).weight(), 2);
        assert_eq!((Kind::new(15, None).action(), Kind::new(16, None).action()), (15, 0));
    }
}
