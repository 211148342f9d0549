//! Events older than the network reads one by one, merged (design, section 3.7.3 "Long sequences", after
//! LONGER: Chai et al., RecSys 2025).
//!
//! They are merged, neighbours first and the most alike first, until as many tokens are left as there is
//! room for; each is read as the mean of its items at the time of its newest. LONGER merges a fixed number of
//! neighbours by an inner transformer; merging what is alike keeps a change of subject apart from the subject
//! before it, and needs no weights. Causal: a group holds older events alone.

/// A token: the events `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// First event.
    pub(crate) start: usize,
    /// One past the last event.
    pub(crate) end: usize,
}

/// At most `room` groups (at least 1) of `events` embeddings `[events, d]`, oldest first.
pub(crate) fn groups(embeddings: &[f32], d: usize, room: usize) -> Vec<Group> {
    let single = |at: usize| Group { start: at, end: at + 1 };
    let mut merged: Vec<Group> = (0..embeddings.len() / d.max(1)).map(single).collect();
    let mut sums: Vec<Vec<f32>> = embeddings.chunks_exact(d.max(1)).map(<[f32]>::to_vec).collect();
    let room = room.max(1);
    // Rounds of merges of disjoint neighbours: n log n in all, where one merge at a time is n².
    while merged.len() > room {
        let mut pairs: Vec<(f32, usize)> =
            (1..merged.len()).map(|at| (cosine(&sums[at - 1], &sums[at]), at)).collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let most = (merged.len() - room).min(merged.len().div_ceil(4));
        let mut joins = vec![false; merged.len() + 1];
        let mut taken = 0;
        for (_, at) in pairs {
            if taken < most && !joins[at - 1] && !joins[at + 1] {
                joins[at] = true;
                taken += 1;
            }
        }
        let (mut next, mut next_sums) = (Vec::with_capacity(merged.len()), Vec::with_capacity(merged.len()));
        for (at, (group, sum)) in merged.into_iter().zip(sums).enumerate() {
            match (joins[at], next.last_mut(), next_sums.last_mut()) {
                (true, Some(last), Some(last_sum)) => {
                    let (last, last_sum): (&mut Group, &mut Vec<f32>) = (last, last_sum);
                    last.end = group.end;
                    last_sum.iter_mut().zip(&sum).for_each(|(to, from)| *to += from);
                }
                _ => {
                    next.push(group);
                    next_sums.push(sum);
                }
            }
        }
        (merged, sums) = (next, next_sums);
    }
    merged
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn likes_are_merged() {
        // Two alike, two others alike, and one like neither.
        let embeddings = [1.0, 0.0, 1.0, 0.1, 0.0, 1.0, -0.1, 1.0, -1.0, 0.1];
        let spans = |room| -> Vec<(usize, usize)> {
            groups(&embeddings, 2, room).iter().map(|group| (group.start, group.end)).collect()
        };
        assert_eq!(spans(3), [(0, 2), (2, 4), (4, 5)]);
        assert_eq!(spans(9), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]);
        assert_eq!(spans(0), [(0, 5)]);
    }

    proptest! {
        #[test]
        fn every_event_stands_in_one_group_in_order(
            values in prop::collection::vec(-1.0f32..1.0, 3..600),
            room in 0usize..40,
        ) {
            let d = 3;
            let values = &values[..values.len() / d * d];
            let events = values.len() / d;
            let groups = groups(values, d, room);
            prop_assert_eq!(groups.len(), events.min(room.max(1)));
            prop_assert_eq!(groups.first().map(|group| group.start), Some(0));
            prop_assert_eq!(groups.last().map(|group| group.end), Some(events));
            prop_assert!(groups.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
