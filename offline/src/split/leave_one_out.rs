//! O1: the last item that a user chose is the test, the second last the validation, what came before is learnt
//! from. A user who chose fewer than three is learnt from only.

use std::sync::Arc;

use super::{Case, Split};

pub(super) fn cut(split: &mut Split) {
    let data = Arc::clone(&split.data);
    for (user, events) in data.events.iter().enumerate() {
        let choices: Vec<u32> =
            (0..).zip(events).filter(|(_, e)| data.is_choice(e)).map(|(at, _)| at).collect();
        let &[_, .., validation, test] = choices.as_slice() else {
            split.train_len[user] = events.len() as u32;
            continue;
        };
        split.train_len[user] = validation;
        let user = user as u32;
        split.validation.push(Case { user, at: validation });
        split.test.push(Case { user, at: test });
    }
}
