//! What would have been served: a sample of the examples ranked as the server ranks.
//!
//! The measure over all examples comes from the pass that learns: it ranks the whole catalogue by the joint
//! score. A user sees another list: retrieved, ranked beside counts, re-ranked. One example in [`ONE_IN`], chosen by
//! its offset, is therefore asked as a request would be, of the model before it learns from the batch. The same
//! examples tell what the network and each source that is counted beside it are worth.

use hmisr_model::backend::Device;
use hmisr_model::{Kind, Network};
use hmisr_recommend::counts::likelihood::Example;
use hmisr_recommend::{Fitted, History, Lambda, List, Listed, Read};
use hmisr_stream::contract::TrainingExample;

use crate::Result;
use crate::batch::{Events, is_target};
use crate::prequential::{Served, TOP};
use crate::settings::Settings;
use crate::state::State;

/// Of so many examples one is ranked as served.
pub(crate) const ONE_IN: i64 = 64;

/// Examples of a batch that tell what counts are worth, at most.
const TELLING: usize = 32;

/// An example that is ranked as served.
pub(crate) struct Question<'a> {
    pub(crate) example: &'a TrainingExample,
    /// Its history.
    pub(crate) events: &'a Events,
    /// The row that was chosen.
    pub(crate) target: u32,
    /// Rows that are left out; never the target.
    pub(crate) seen: &'a [u32],
}

/// What came of the examples that were ranked as served.
#[derive(Default)]
pub(crate) struct Answers {
    /// Where the lists have the targets, in the order of the questions.
    pub(crate) served: Vec<Served>,
    /// What they tell of the sources' worth.
    pub(crate) worth: Vec<Example>,
}

/// Where the lists of the model in `state`, which knows `known` items, have the targets. A target that is not
/// known stands in none; a user of whom nothing is known gets what is chosen most often.
pub(crate) fn served(
    state: &State,
    settings: &Settings,
    known: usize,
    device: &Device,
    questions: &[Question<'_>],
) -> Result<Answers> {
    let mut served = vec![Served::default(); questions.len()];
    let known_history = |question: &Question<'_>| {
        let Events { rows, times, kinds } = question.events;
        let events = rows.iter().zip(times).zip(kinds).rev();
        let events = events.filter(|((row, _), _)| (**row as usize) < known);
        let read = |((row, ts), kind): ((&u32, &i64), &Kind)| Read { row: *row, ts: *ts, kind: *kind };
        History {
            now: question.example.ts,
            features: question.example.features,
            ..History::newest(&settings.model, events.map(read))
        }
    };
    let (mut places, mut histories) = (Vec::new(), Vec::new());
    for (place, question) in questions.iter().enumerate() {
        let history = known_history(question);
        if question.target as usize >= known {
            continue;
        }
        if history.rows.is_empty() {
            let rank = popular(state, known, question);
            served[place] = Served { relevance: rank, personal: rank };
            continue;
        }
        places.push(place);
        histories.push(history);
    }
    if histories.is_empty() {
        return Ok(Answers { served, worth: Vec::new() });
    }
    let standing = state.counts.as_ref().map(|counts| counts.standing(&state.catalogue, known));
    let network = Network::bind(&settings.model, &state.parameters, device);
    let fitted = Fitted {
        settings: &settings.model,
        network: &network,
        items: &state.table,
        catalogue: &state.catalogue,
        stage: state.lineage.stage,
        actions: &state.actions,
        foresight: &state.foresight,
        counts: state.counts.as_ref().zip(standing.as_ref()),
        device,
    };
    let mut worth = Vec::new();
    let mut allowed = vec![true; state.catalogue.len()];
    allowed[known..].fill(false);
    for (place, user) in places.into_iter().zip(fitted.read(&histories)?) {
        let question = &questions[place];
        let others =
            || question.seen.iter().filter(|row| (**row as usize) < known && **row != question.target);
        others().for_each(|row| allowed[*row as usize] = false);
        let may = |row: u32| allowed[row as usize];
        let said = fitted.counts.map(|(counts, standing)| {
            let said = counts.said(standing, &state.catalogue, &user.choices);
            user.told.get_or_init(|| counts.sum(&said));
            said
        });
        let k = TOP as usize;
        let candidates = fitted.candidates(&user, k, &may)?;
        let list = |lambda| fitted.diverse(&user, candidates.clone(), &List { k, lambda, allowed: &may });
        let relevance = list(Lambda::Fixed(0.0));
        let personal = list(Lambda::Personal { most: settings.evaluation.lambda_max });
        served[place] = Served {
            relevance: rank(&relevance, question.target),
            personal: rank(&personal, question.target),
        };
        // Of those that were seen the target alone stands among the allowed, and would be told from them by that.
        let tells = is_target(question.example) && !question.seen.contains(&question.target);
        if let Some(said) = said.filter(|_| tells && worth.len() < TELLING) {
            let rows: Vec<u32> = (0..known as u32).filter(|row| may(*row)).collect();
            worth.extend(said.example(&rows, &fitted.network(&user, &rows), question.target));
        }
        others().for_each(|row| allowed[*row as usize] = true);
    }
    Ok(Answers { served, worth })
}

/// The target's place in the list of what is chosen most often, ties by id, as a server makes it.
fn popular(state: &State, known: usize, question: &Question<'_>) -> Option<f64> {
    let items = &state.catalogue.items()[..known];
    let target = &items[question.target as usize];
    let before = |row: &u32| {
        let item = &items[*row as usize];
        item.count > target.count || (item.count == target.count && item.id < target.id)
    };
    let mut seen: Vec<u32> = question.seen.iter().copied().filter(|row| (*row as usize) < known).collect();
    seen.sort_unstable();
    seen.dedup();
    let left_out = seen.iter().filter(|row| **row != question.target && before(row)).count();
    let rank = (0..known as u32).filter(before).count() - left_out + 1;
    (rank as f64 <= TOP).then_some(rank as f64)
}

fn rank(listed: &Listed, target: u32) -> Option<f64> {
    listed.items.iter().position(|candidate| candidate.item == target).map(|at| (at + 1) as f64)
}
