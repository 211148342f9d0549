//! How a micro-batch becomes passes through the encoder.
//!
//! Consecutive examples of one user overlap: each history is the one before it, moved on by the
//! events between. They are merged by the events' positions in the user's life into one run of
//! tokens with a target after many of them, and a causal encoder serves all of these at once.
//!
//! A pass reads at most `max_len` tokens, so a long run is cut: a chunk spans less than half of
//! `max_len` from its first target to its last. Every target is therefore predicted from at least
//! `max_len`/2 events where its history has them, and the last one of a chunk from all `max_len`.

use std::collections::HashMap;

use hmisr_stream::contract::{Id, TrainingExample, WireId};

/// A chunk of a user's run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    /// Item rows, oldest first.
    pub(crate) rows: Vec<u32>,
    /// Their event times, epoch milliseconds.
    pub(crate) times: Vec<i64>,
    /// Index of the token from which a target is predicted, and the target's example.
    pub(crate) targets: Vec<(usize, usize)>,
}

/// Events of one user that follow each other, and the examples among them.
#[derive(Debug)]
struct Run<'a> {
    /// Position, in the user's life, of the first token.
    start: u64,
    items: Vec<&'a WireId>,
    rows: Vec<u32>,
    times: Vec<i64>,
    /// Position and example of every target.
    targets: Vec<(u64, usize)>,
}

impl<'a> Run<'a> {
    fn end(&self) -> u64 {
        self.start + self.rows.len() as u64
    }

    /// How many of the history's events the run already has, where the example goes on from it.
    fn overlap(&self, position: u64, history: &[WireId], times: &[i64]) -> Option<usize> {
        let first = position.checked_sub(history.len() as u64)?;
        let last = self.targets.last()?.0;
        // A position that does not increase is a user who began anew.
        if position <= last || first < self.start || first > self.end() || position < self.end() {
            return None;
        }
        let known = (self.end() - first) as usize;
        let from = self.rows.len() - known;
        let same =
            self.items[from..].iter().copied().eq(&history[..known]) && self.times[from..] == times[..known];
        same.then_some(known)
    }
}

/// Merges and cuts the examples. `histories` holds the item rows of each example's history.
pub(crate) fn chunks(
    examples: &[TrainingExample],
    users: &[Id],
    histories: &[Vec<u32>],
    max_len: usize,
) -> Vec<Chunk> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut newest: HashMap<&Id, usize> = HashMap::new();
    for (index, ((example, user), rows)) in examples.iter().zip(users).zip(histories).enumerate() {
        if rows.is_empty() {
            continue;
        }
        let position = example.features.events.max(rows.len() as u64);
        let times = example.history_ts();
        let open = newest.get(user).copied();
        let known = open.and_then(|at| runs[at].overlap(position, &example.history_items, &times));
        match (open, known) {
            (Some(at), Some(known)) => {
                let run = &mut runs[at];
                run.items.extend(&example.history_items[known..]);
                run.rows.extend_from_slice(&rows[known..]);
                run.times.extend_from_slice(&times[known..]);
                run.targets.push((position, index));
            }
            _ => {
                newest.insert(user, runs.len());
                runs.push(Run {
                    start: position - rows.len() as u64,
                    items: example.history_items.iter().collect(),
                    rows: rows.clone(),
                    times,
                    targets: vec![(position, index)],
                });
            }
        }
    }
    runs.iter().flat_map(|run| cut(run, max_len)).collect()
}

fn cut(run: &Run<'_>, max_len: usize) -> Vec<Chunk> {
    let span = (max_len as u64 / 2).max(1);
    let mut chunks = Vec::new();
    let mut rest = run.targets.as_slice();
    while let Some((first, _)) = rest.first() {
        let count = rest.partition_point(|(position, _)| position - first < span);
        let (taken, left) = rest.split_at(count);
        rest = left;
        let Some((last, _)) = taken.last() else { break };
        // The token before the last target is the last one read.
        let end = (last - run.start) as usize;
        let start = end.saturating_sub(max_len);
        let token = |position: u64| (position - run.start) as usize - start - 1;
        chunks.push(Chunk {
            rows: run.rows[start..end].to_vec(),
            times: run.times[start..end].to_vec(),
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
pub(crate) fn passes(mut chunks: Vec<Chunk>, most: usize) -> Vec<Vec<Chunk>> {
    const PASS_TOKENS: usize = 400;
    // Stable: equal lengths keep their order.
    chunks.sort_by_key(|chunk| std::cmp::Reverse(chunk.rows.len()));
    let left_below = |at: usize, chunks: &[Chunk]| chunks.len() - at;
    let mut passes: Vec<Vec<Chunk>> = Vec::new();
    let mut begin = 0;
    for at in 0..chunks.len() {
        let (widest, len) = (chunks[begin].rows.len(), chunks[at].rows.len());
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
