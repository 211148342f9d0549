//! A model's figures over its seeds.

use std::collections::BTreeMap;

use hmisr_features::FeatureSettings;
use serde::Serialize;

use super::BOOTSTRAP_SEED;
use crate::error::{Error, Result};
use crate::evaluate::PerCase;
use crate::measures::{CUTOFFS, LIST, UserTable, coverage, exposure, gini, interval, long_tail};
use crate::split::Split;

/// Figures by name, such as `NDCG@10`.
pub type Figures = BTreeMap<String, f64>;

/// One model on one set of cases.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Means over cases and seeds.
    #[serde(flatten)]
    pub figures: Figures,
    /// 95 % intervals over users of the figures that are means over cases.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// Each seed's figures.
    pub seeds: BTreeMap<u64, Figures>,
    /// Users with a case.
    pub users: usize,
    /// Cases.
    pub cases: usize,
    /// Wall time of scoring and ranking, mean over seeds.
    pub evaluate_seconds: f64,
    /// Per-user values, mean over seeds: for comparisons.
    #[serde(skip)]
    pub table: UserTable,
}

/// Measures answers on the cases of one split.
pub struct Measures<'a> {
    split: &'a Split,
    tail: Vec<bool>,
}

impl<'a> Measures<'a> {
    /// Finds the long tail of the training part: outside of the items that hold 80 % of its events.
    pub fn new(split: &'a Split) -> Self {
        let head_share = FeatureSettings::default().head_share;
        Self { split, tail: long_tail(split, head_share) }
    }

    /// Which items are long-tail.
    pub fn tail(&self) -> &[bool] {
        &self.tail
    }

    /// The figures of a model whose answers to the same cases are given per seed.
    ///
    /// # Errors
    /// Where there are no answers, or where they are to different cases.
    pub fn of(&self, answers: &BTreeMap<u64, &PerCase>) -> Result<Measured> {
        let tables: Vec<UserTable> =
            answers.values().map(|one| UserTable::new(&self.split.data, &self.tail, one)).collect();
        let table = UserTable::average(&tables).filter(|table| !table.users.is_empty());
        let table = table.ok_or_else(|| Error::Setting {
            field: "answers",
            value: answers.keys().map(|seed| format!("seed {seed}")).collect::<Vec<_>>().join(", "),
            expected: "answers of every seed to the same cases, at least one".to_owned(),
        })?;
        let seeds: BTreeMap<u64, Figures> = answers
            .iter()
            .zip(&tables)
            .map(|((seed, answers), table)| (*seed, self.figures(table, answers)))
            .collect();
        let mut figures = Figures::new();
        for (name, value) in seeds.values().flatten() {
            *figures.entry(name.clone()).or_default() += value / seeds.len() as f64;
        }
        let intervals = interval(&table, BOOTSTRAP_SEED);
        Ok(Measured {
            figures,
            ci95: table.measures.iter().cloned().zip(intervals).collect(),
            seeds,
            users: table.users.len(),
            cases: answers.values().next().map_or(0, |one| one.results.len()),
            evaluate_seconds: answers.values().map(|one| one.seconds).sum::<f64>() / answers.len() as f64,
            table,
        })
    }

    fn figures(&self, table: &UserTable, answers: &PerCase) -> Figures {
        let mut figures: Figures =
            table.measures.iter().enumerate().map(|(at, name)| (name.clone(), table.mean(at))).collect();
        // One relevant item a case: recall and hit rate are one.
        for k in CUTOFFS {
            let hits = figures[&format!("HR@{k}")];
            figures.insert(format!("Recall@{k}"), hits);
        }
        let lists = answers.results.iter().map(|result| &result.top[..]);
        let shown = exposure(lists, self.split.data.items.len(), LIST);
        figures.insert(format!("coverage@{LIST}"), coverage(&shown));
        figures.insert(format!("Gini@{LIST}"), gini(&shown));
        figures
    }
}
