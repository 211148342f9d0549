//! How a micro-batch becomes passes through the encoder.
//!
//! Consecutive examples of one user overlap: each history is the one before it, moved on by the
//! events between. They are merged by the events' positions in the user's life into one run of
//! tokens with a target after many of them, and a causal encoder serves all of these at once.
//!
//! A pass reads at most `max_len` tokens, so a long run is cut: a chunk spans less than half of
//! `max_len` from its first target to its last. Every target is therefore predicted from at least
//! `max_len`/2 events where its history has them, and the last one of a chunk from all `max_len`; what is
//! older is merged, as far as the model's memory reaches. A network that recalls reads `max_len` before each target.

use std::collections::HashMap;

use hmisr_model::{Kind, ModelSettings, Reading};
use hmisr_stream::contract::{Id, TrainingExample};

/// A chunk of a user's run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    /// Item rows, oldest first, with what is older than the network reads one by one.
    pub(crate) rows: Vec<u32>,
    /// Their event times, epoch milliseconds.
    pub(crate) times: Vec<i64>,
    /// What sets them apart beside their items.
    pub(crate) kinds: Vec<Kind>,
    /// The time of the last target, epoch milliseconds.
    pub(crate) now: i64,
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
        let Self { rows, times, kinds, now, recent, .. } = self;
        Reading { rows, times, kinds, now: *now, recent: *recent }
    }
}

/// Events of a user, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Events {
    /// Item rows.
    pub(crate) rows: Vec<u32>,
    /// Event times, epoch milliseconds.
    pub(crate) times: Vec<i64>,
    /// What sets them apart beside their items.
    pub(crate) kinds: Vec<Kind>,
}

impl Events {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn push(&mut self, row: u32, time: i64, kind: Kind) {
        self.rows.push(row);
        self.times.push(time);
        self.kinds.push(kind);
    }

    /// Adds those of `other` from `from` on.
    fn extend(&mut self, other: &Self, from: usize) {
        self.rows.extend_from_slice(&other.rows[from..]);
        self.times.extend_from_slice(&other.times[from..]);
        self.kinds.extend_from_slice(&other.kinds[from..]);
    }
}

/// Events of one user that follow each other, and the examples among them.
#[derive(Debug)]
struct Run {
    /// Position, in the user's life, of the first token.
    start: u64,
    events: Events,
    /// Position and example of every target.
    targets: Vec<(u64, usize)>,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.events.len() as u64
    }

    /// How many of the history's events the run already has, where the example goes on from it.
    fn overlap(&self, position: u64, history: &Events) -> Option<usize> {
        let first = position.checked_sub(history.len() as u64)?;
        let last = self.targets.last()?.0;
        // A position that does not increase is a user who began anew.
        if position <= last || first < self.start || first > self.end() || position < self.end() {
            return None;
        }
        let known = (self.end() - first) as usize;
        let from = self.events.len() - known;
        let Events { rows, times, kinds } = &self.events;
        let same = rows[from..] == history.rows[..known]
            && times[from..] == history.times[..known]
            && kinds[from..] == history.kinds[..known];
        same.then_some(known)
    }
}

/// Whether there is anything to learn from the example: an event of no weight, or of a negative one, is
/// nobody's wish.
pub(crate) fn is_target(example: &TrainingExample) -> bool {
    example.weight > 0.0
}

/// Merges and cuts the examples; those that are no targets stand in later histories alone. `histories`
/// holds each example's history.
pub(crate) fn chunks(
    examples: &[TrainingExample],
    histories: &[Events],
    settings: &ModelSettings,
) -> Vec<Chunk> {
    let mut runs: Vec<Run> = Vec::new();
    let mut newest: HashMap<&Id, usize> = HashMap::new();
    for (index, (example, history)) in examples.iter().zip(histories).enumerate() {
        if history.len() == 0 || !is_target(example) {
            continue;
        }
        let position = example.position.max(history.len() as u64);
        let open = newest.get(&example.user).copied();
        let known = open.and_then(|at| runs[at].overlap(position, history));
        match (open, known) {
            (Some(at), Some(known)) => {
                let run = &mut runs[at];
                run.events.extend(history, known);
                run.targets.push((position, index));
            }
            _ => {
                newest.insert(&example.user, runs.len());
                runs.push(Run {
                    start: position - history.len() as u64,
                    events: history.clone(),
                    targets: vec![(position, index)],
                });
            }
        }
    }
    runs.iter().flat_map(|run| cut(run, examples, settings)).collect()
}

fn cut(run: &Run, examples: &[TrainingExample], settings: &ModelSettings) -> Vec<Chunk> {
    let span = (settings.max_len as u64 / 2).max(1);
    let mut chunks = Vec::new();
    let mut rest = run.targets.as_slice();
    while let Some((first, _)) = rest.first() {
        let count = rest.partition_point(|(position, _)| position - first < span);
        let (taken, left) = rest.split_at(count);
        rest = left;
        let Some((last, example)) = taken.last() else { break };
        // The token before the last target is the last one read.
        let end = (last - run.start) as usize;
        let recent = match settings.recalls() {
            true => settings.recent((first - run.start) as usize - 1, end),
            false => end.min(settings.max_len),
        };
        let token = |position: u64| (position - run.start) as usize - (end - recent) - 1;
        let read = end.saturating_sub(settings.reach()).min(end - recent)..end;
        chunks.push(Chunk {
            rows: run.events.rows[read.clone()].to_vec(),
            times: run.events.times[read.clone()].to_vec(),
            kinds: run.events.kinds[read].to_vec(),
            now: examples[*example].ts,
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
    use hmisr_features::{History, Interaction};
    use hmisr_model::Architecture;
    use hmisr_model::settings::MERGED;
    use hmisr_testkit::messages;
    use proptest::prelude::*;

    use super::*;

    /// Tokens of the memory.
    const MEMORY: usize = 1;

    fn visit(user: u32, at: usize, ts: i64) -> (Id, Id, i64) {
        (Id::from(at as u32 + 100_000 * user), Id::from(0), ts)
    }

    /// A history of these positions of a user's life, where the event at `skipped` was a skip.
    fn history(user: u32, positions: std::ops::Range<usize>, skipped: Option<usize>, shift: i64) -> History {
        let visits: Vec<_> = positions.clone().map(|at| visit(user, at, at as i64 * 10 + shift)).collect();
        History::of(visits.iter().zip(positions).map(|((item, category, ts), at)| Interaction {
            action: if skipped == Some(at) { "skip" } else { "click" },
            ..Interaction::new(item, category, *ts)
        }))
    }

    /// User, position, history length; an item tells both.
    fn example(user: u32, position: usize, length: usize) -> TrainingExample {
        let at = |at: usize| visit(user, at, at as i64 * 10);
        let before: Vec<_> = (position - length..position).map(at).collect();
        TrainingExample { position: position as u64, ..messages::example(user, &before, at(position)) }
    }

    fn cut_up(examples: &[TrainingExample], max_len: usize) -> Vec<Chunk> {
        cut_by(examples, &ModelSettings { max_len, memory: MEMORY, ..ModelSettings::default() })
    }

    fn cut_by(examples: &[TrainingExample], settings: &ModelSettings) -> Vec<Chunk> {
        let events = |example: &TrainingExample| {
            let mut events = Events::default();
            for visit in example.history.open().visits() {
                let kind = Kind::new(usize::from(visit.action == "skip"), visit.weight);
                events.push(visit.item.as_int().unwrap() as u32, visit.ts, kind);
            }
            events
        };
        let histories: Vec<Events> = examples.iter().map(events).collect();
        chunks(examples, &histories, settings)
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
        other[1].history = history(3, 2..6, None, 0);
        assert_eq!(cut_up(&other, 20).len(), 2);
        let mut later = [example(1, 5, 3), example(1, 6, 4)];
        later[1].history = history(1, 2..6, None, -1);
        assert_eq!(cut_up(&later, 20).len(), 2);
        let mut skipped = [example(1, 5, 3), example(1, 6, 4)];
        skipped[1].history = history(1, 2..6, Some(3), 0);
        assert_eq!(cut_up(&skipped, 20).len(), 2);
    }

    #[test]
    fn what_recalls_sees_all_that_it_reads_before_each_target() {
        let all = [example(1, 10, 10), example(1, 11, 10), example(1, 12, 10), example(1, 13, 10)];
        let settings = ModelSettings {
            architecture: Architecture::Recurrence,
            max_len: 6,
            memory: 0,
            ..ModelSettings::default()
        };
        let chunks = cut_by(&all, &settings);
        let found: Vec<_> =
            chunks.iter().map(|chunk| (chunk.rows[0], chunk.recent, &chunk.targets[..])).collect();
        // Less than half of `max_len` from the first target to the last.
        assert_eq!(found[0], (100_004, 8, &[(5, 0), (6, 1), (7, 2)][..]));
        assert_eq!(found[1..], [(100_007, 6, &[(5, 3)][..])]);
        assert!(chunks.iter().all(|chunk| chunk.rows.len() == chunk.recent));
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
                prop_assert_eq!(chunk.rows.len(), chunk.kinds.len());
                let older = chunk.older();
                for (token, example) in &chunk.targets {
                    found[*example] += 1;
                    let wanted = &all[*example];
                    let last = wanted.item.as_int().unwrap() as u32 - 1;
                    let seen = &chunk.rows[..=older + *token];
                    let expected: Vec<u32> = (last + 1 - seen.len() as u32..=last).collect();
                    prop_assert_eq!(seen, &expected);
                    let least = wanted.history.open().len().min(max_len / 2);
                    prop_assert!(token + 1 >= least, "{token} of {least}");
                    let next = chunk.times.get(older + *token + 1).copied().unwrap_or(chunk.now);
                    prop_assert_eq!((chunk.times[older + *token], next), (wanted.ts - 10, wanted.ts));
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
