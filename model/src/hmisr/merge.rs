//! Histories longer than the network reads (seed, "长序列处理", after LONGER).
//!
//! The newest half is read as it is. The events before are merged, neighbours first and the most
//! alike first, into groups of which the other half of the length has room for, each read as the
//! mean of its items at the time of its newest. Causal: a group holds older events alone. The
//! seed's global token of the target item is left out: it leaks the label, and ends caching.

/// A token of a merged history: the events `start..end` of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// First event.
    pub start: usize,
    /// One past the last event.
    pub end: usize,
}

/// Groups of `events` embeddings `[events, d]`, oldest first, at most `max_len` (at least 2) of them.
pub fn groups(embeddings: &[f32], d: usize, max_len: usize) -> Vec<Group> {
    let events = embeddings.len() / d.max(1);
    // Two places at least: one for all that is older, and one for the newest.
    let max_len = max_len.max(2);
    let kept = events.min(max_len.div_ceil(2));
    let single = |at: usize| Group { start: at, end: at + 1 };
    if events <= max_len {
        return (0..events).map(single).collect();
    }
    let older = events - kept;
    let mut merged: Vec<Group> = (0..older).map(single).collect();
    let mut sums: Vec<Vec<f32>> = embeddings[..older * d].chunks_exact(d).map(<[f32]>::to_vec).collect();
    let room = max_len - kept;
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
    merged.extend((older..events).map(single));
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
    fn likes_are_merged_and_the_newest_half_is_kept() {
        // Two alike, two others alike; then the newest three.
        let embeddings = [1.0, 0.0, 1.0, 0.1, 0.0, 1.0, -0.1, 1.0, -1.0, 0.1, 0.5, 0.5, 0.2, 0.9];
        let groups = groups(&embeddings, 2, 5);
        let spans: Vec<(usize, usize)> = groups.iter().map(|group| (group.start, group.end)).collect();
        assert_eq!(spans, [(0, 2), (2, 4), (4, 5), (5, 6), (6, 7)]);
    }

    proptest! {
        #[test]
        fn every_event_stands_in_one_group_in_order(
            values in prop::collection::vec(-1.0f32..1.0, 3..600),
            max_len in 0usize..40,
        ) {
            let d = 3;
            let values = &values[..values.len() / d * d];
            let events = values.len() / d;
            let groups = groups(values, d, max_len);
            let max_len = max_len.max(2);
            prop_assert_eq!(groups.len(), events.min(max_len));
            prop_assert_eq!(groups.first().map(|group| group.start), Some(0));
            prop_assert_eq!(groups.last().map(|group| group.end), Some(events));
            prop_assert!(groups.windows(2).all(|pair| pair[0].end == pair[1].start));
            if events > max_len {
                let newest = groups.iter().rev().take(max_len.div_ceil(2));
                prop_assert!(newest.into_iter().all(|group| group.end - group.start == 1));
            }
        }
    }
}
