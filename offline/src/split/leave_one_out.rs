//! O1: the last event of a user is the test, the second last the validation, the others are learnt
//! from. A user with fewer than three events is learnt from only.

use super::{Case, Split};

pub(super) fn cut(split: &mut Split) {
    for (user, events) in split.data.events.iter().enumerate() {
        let count = events.len() as u32;
        if count < 3 {
            split.train_len[user] = count;
            continue;
        }
        let user = user as u32;
        split.train_len[user as usize] = count - 2;
        split.validation.push(Case { user, at: count - 2 });
        split.test.push(Case { user, at: count - 1 });
    }
}
