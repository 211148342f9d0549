//! How a micro-batch becomes passes through the encoder.
//!
//! Consecutive examples of one user overlap: each history is the one before it, moved on by the
//! events between. They are merged by the events' positions in the user's life into one run of
//! tokens with a target after many of them, and a causal encoder serves all of these at once.
//!
//! A pass reads at most `max_len` tokens, so a long run is cut: a chunk spans less than half of
//! `max_len` from its first target to its last. Every target is therefore predicted from at least
//! `max_len`/2 events where its history has them, and the last one of a chunk from all `max_len`; what is
//! older is merged, as far as the model's memory reaches.

use std::collections::HashMap;

use hmisr_model::{ModelSettings, Reading};
use hmisr_stream::contract::{Id, TrainingExample};

/// A chunk of a user's run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    /// Item rows, oldest first, with what is older than the network reads one by one.
    pub(crate) rows: Vec<u32>,
    /// Their event times, epoch milliseconds.
    pub(crate) times: Vec<i64>,
    /// How many of the newest are read one by one.
    pub(crate) recent: usize,
    /// Index among these of the token from which a target is predicted, and the target's example.
    pub(crate) targets: Vec<(usize, usize)>,
}

impl Chunk {
    /// Events before those that are read one by one.
    pub(crate) fn older(&self) -> usize {
        self.rows.len() - self.recent
    }

    /// Tokens that a network with this memory reads of it.
    fn tokens(&self, memory: usize) -> usize {
        self.recent + self.older().min(memory)
    }

    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading { rows: &self.rows, times: &self.times, recent: self.recent }
    }
}

/// Events of one user that follow each other, and the examples among them.
#[derive(Debug)]
struct Run {
    /// Position, in the user's life, of the first token.
    start: u64,
    rows: Vec<u32>,
    times: Vec<i64>,
    /// Position and example of every target.
    targets: Vec<(u64, usize)>,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.rows.len() as u64
    }

    /// How many of the history's events the run already has, where the example goes on from it.
    fn overlap(&self, position: u64, history: &[u32], times: &[i64]) -> Option<usize> {
        let first = position.checked_sub(history.len() as u64)?;
        let last = self.targets.last()?.0;
        // A position that does not increase is a user who began anew.
        if position <= last || first < self.start || first > self.end() || position < self.end() {
            return None;
        }
        let known = (self.end() - first) as usize;
        let from = self.rows.len() - known;
        let same = self.rows[from..] == history[..known] && self.times[from..] == times[..known];
        same.then_some(known)
    }
}

/// Whether there is anything to learn from the example: an event of no weight, or of a negative one, is
/// nobody's wish. How great a weight is makes no difference: one sum that somebody paid would outweigh
/// everything else.
pub(crate) fn is_target(example: &TrainingExample) -> bool {
    example.weight > 0.0
}

/// Merges and cuts the examples; those that are no targets stand in later histories alone. `histories`
/// holds the item rows of each example's history.
pub(crate) fn chunks(
    examples: &[TrainingExample],
    users: &[Id],
    histories: &[Vec<u32>],
    settings: &ModelSettings,
) -> Vec<Chunk> {
    let mut runs: Vec<Run> = Vec::new();
    let mut newest: HashMap<&Id, usize> = HashMap::new();
    for (index, ((example, user), rows)) in examples.iter().zip(users).zip(histories).enumerate() {
        if rows.is_empty() || !is_target(example) {
            continue;
        }
        let position = example.features.events.max(rows.len() as u64);
        let times = example.history_ts();
        let open = newest.get(user).copied();
        let known = open.and_then(|at| runs[at].overlap(position, rows, &times));
        match (open, known) {
            (Some(at), Some(known)) => {
                let run = &mut runs[at];
                run.rows.extend_from_slice(&rows[known..]);
                run.times.extend_from_slice(&times[known..]);
                run.targets.push((position, index));
            }
            _ => {
                newest.insert(user, runs.len());
                runs.push(Run {
                    start: position - rows.len() as u64,
                    rows: rows.clone(),
                    times,
                    targets: vec![(position, index)],
                });
            }
        }
    }
    runs.iter().flat_map(|run| cut(run, settings)).collect()
}

fn cut(run: &Run, settings: &ModelSettings) -> Vec<Chunk> {
    let span = (settings.max_len as u64 / 2).max(1);
    let mut chunks = Vec::new();
    let mut rest = run.targets.as_slice();
    while let Some((first, _)) = rest.first() {
        let count = rest.partition_point(|(position, _)| position - first < span);
        let (taken, left) = rest.split_at(count);
        rest = left;
        let Some((last, _)) = taken.last() else { break };
        // The token before the last target is the last one read.
        let end = (last - run.start) as usize;
        let recent = end.min(settings.max_len);
        let token = |position: u64| (position - run.start) as usize - (end - recent) - 1;
        let read = end.saturating_sub(settings.reach())..end;
        chunks.push(Chunk {
            rows: run.rows[read.clone()].to_vec(),
            times: run.times[read].to_vec(),
            recent,
            targets: taken.iter().map(|(position, example)| (token(*position), *example)).collect(),
        });
    }
    chunks
}

/// Groups chunks of similar length into passes, longest first, so that little is padded.
///
/// A pass costs about as much as `PASS_TOKENS` tokens beside its tokens: one is begun where the
/// padding that it saves is worth more. None exceeds `most` tokens, padding included, but for a
/// single chunk.
pub(crate) fn passes(mut chunks: Vec<Chunk>, memory: usize, most: usize) -> Vec<Vec<Chunk>> {
    const PASS_TOKENS: usize = 400;
    // Stable: equal lengths keep their order.
    chunks.sort_by_key(|chunk| std::cmp::Reverse(chunk.tokens(memory)));
    let left_below = |at: usize, chunks: &[Chunk]| chunks.len() - at;
    let mut passes: Vec<Vec<Chunk>> = Vec::new();
    let mut begin = 0;
    for at in 0..chunks.len() {
        let (widest, len) = (chunks[begin].tokens(memory), chunks[at].tokens(memory));
        let full = (at - begin + 1) * widest > most;
        let saves = (widest - len) * left_below(at, &chunks) > PASS_TOKENS && (widest - len) * 2 >= widest;
        if at > begin && (full || saves) {
            passes.push(chunks[begin..at].to_vec());
            begin = at;
        }
    }
    if begin < chunks.len() {
        passes.push(chunks[begin..].to_vec());
    }
    passes
}

#[cfg(test)]
mod tests {
    use hmisr_model::settings::MERGED;
    use hmisr_stream::contract::{FeatureVector, WireId};
    use hmisr_testkit::messages;
    use proptest::prelude::*;

    use super::*;

    /// Tokens of the memory.
    const MEMORY: usize = 1;

    /// User, position, whole life (item = position + 100 · user), history length.
    fn example(user: u32, position: usize, history: usize) -> TrainingExample {
        let visit = |at: usize| (Id::from(at as u32 + 100_000 * user), Id::from(0), at as i64 * 10);
        let before: Vec<_> = (position - history..position).map(visit).collect();
        let features = FeatureVector { events: position as u64, ..FeatureVector::default() };
        TrainingExample { features, ..messages::example(user, &before, visit(position)) }
    }

    fn cut_up(examples: &[TrainingExample], max_len: usize) -> Vec<Chunk> {
        let users: Vec<Id> = examples.iter().map(|example| example.user.id()).collect();
        let rows =
            |example: &TrainingExample| example.history_items.iter().map(|item| item.int as u32).collect();
        let histories: Vec<Vec<u32>> = examples.iter().map(rows).collect();
        chunks(
            examples,
            &users,
            &histories,
            &ModelSettings { max_len, memory: MEMORY, ..ModelSettings::default() },
        )
    }

    #[test]
    fn consecutive_examples_share_a_chunk() {
        // The event at position 5 was no target; it stands in the next history.
        let all = [example(1, 3, 3), example(2, 9, 4), example(1, 4, 4), example(1, 6, 4)];
        let chunks = cut_up(&all, 20);
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[0].rows, [0, 1, 2, 3, 4, 5].map(|at| at + 100_000));
        assert_eq!(chunks[0].times, [0, 10, 20, 30, 40, 50]);
        assert_eq!(chunks[0].targets, [(2, 0), (3, 2), (5, 3)]);
        assert_eq!(chunks[1].targets, [(3, 1)]);
    }

    #[test]
    fn an_event_without_weight_stands_in_histories_alone() {
        let mut all = [example(1, 3, 3), example(1, 4, 4), example(1, 5, 4)];
        for weight in [0.0, -1.0] {
            all[1].weight = weight;
            let chunks = cut_up(&all, 20);
            assert_eq!(chunks.len(), 1);
            assert_eq!(chunks[0].targets, [(2, 0), (4, 2)]);
            assert_eq!(chunks[0].rows, [0, 1, 2, 3, 4].map(|at| at + 100_000));
        }
    }

    #[test]
    fn a_gap_a_restart_and_another_history_break_the_chain() {
        let gap = [example(1, 5, 3), example(1, 20, 3)];
        assert_eq!(cut_up(&gap, 20).len(), 2);
        let restart = [example(1, 5, 3), example(1, 1, 1), example(1, 2, 2)];
        let chunks = cut_up(&restart, 20);
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[1].targets, [(0, 1), (1, 2)]);
        let mut other = [example(1, 5, 3), example(1, 6, 4)];
        other[1].history_items[0] = WireId::from(&Id::from(7));
        assert_eq!(cut_up(&other, 20).len(), 2);
        let mut later = [example(1, 5, 3), example(1, 6, 4)];
        later[1].history_ts_deltas[0] = -11;
        assert_eq!(cut_up(&later, 20).len(), 2);
    }

    proptest! {
        /// Against the definition: each target is predicted from the events right before it, at
        /// least half of `max_len` of them where its history has as many.
        #[test]
        fn every_target_sees_its_own_history(
            steps in prop::collection::vec((0u32..4, 1usize..4, 0usize..12), 1..120),
            max_len in 2usize..12,
            most in 10usize..200,
        ) {
            let mut ends = [0usize; 4];
            let mut all = Vec::new();
            for (user, step, history) in steps {
                let end = &mut ends[user as usize];
                *end += step;
                all.push(example(user, *end, history.clamp(1, *end)));
            }
            let mut chunks = cut_up(&all, max_len);
            let mut found = vec![0; all.len()];
            for chunk in &chunks {
                prop_assert!(chunk.recent <= max_len && chunk.rows.len() <= max_len + MERGED * MEMORY);
                prop_assert!(chunk.recent == chunk.rows.len() || chunk.recent == max_len);
                prop_assert_eq!(chunk.rows.len(), chunk.times.len());
                let older = chunk.older();
                for (token, example) in &chunk.targets {
                    found[*example] += 1;
                    let wanted = &all[*example];
                    let last = wanted.item.int as u32 - 1;
                    let seen = &chunk.rows[..=older + *token];
                    let expected: Vec<u32> = (last + 1 - seen.len() as u32..=last).collect();
                    prop_assert_eq!(seen, &expected);
                    let least = wanted.history_items.len().min(max_len / 2);
                    prop_assert!(token + 1 >= least, "{token} of {least}");
                    prop_assert_eq!(chunk.times[older + *token], wanted.ts - 10);
                }
            }
            prop_assert!(found.iter().all(|count| *count == 1));
            let grouped = passes(chunks.clone(), MEMORY, most);
            for pass in &grouped {
                let widest = pass.iter().map(|chunk| chunk.tokens(MEMORY)).max().unwrap_or(0);
                prop_assert!(pass.len() == 1 || pass.len() * widest <= most);
            }
            let mut regrouped: Vec<Chunk> = grouped.into_iter().flatten().collect();
            let key = |chunk: &Chunk| chunk.targets[0].1;
            chunks.sort_by_key(key);
            regrouped.sort_by_key(key);
            prop_assert_eq!(regrouped, chunks);
        }
    }
}
