//! Per-user values of every measure that is a mean over cases.

use super::{CUTOFFS, LIST, hit, intra_list_diversity, list_entropy, ndcg, reciprocal_rank, tail_share};
use crate::data::Dataset;
use crate::evaluate::PerCase;

/// Sums over each user's cases: what means, intervals and comparisons are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct UserTable {
    /// The measures' names, such as `NDCG@10`.
    pub measures: Vec<String>,
    /// The users, in the order of their first case.
    pub users: Vec<u32>,
    /// Cases of each user.
    pub cases: Vec<f64>,
    /// `[users, measures]`, sums over the user's cases.
    pub sums: Vec<f64>,
}

impl UserTable {
    /// Measures every case; `tail` is [`long_tail`](super::long_tail)'s.
    pub fn new(data: &Dataset, tail: &[bool], answers: &PerCase) -> Self {
        let mut table = Self { measures: names(), users: Vec::new(), cases: Vec::new(), sums: Vec::new() };
        let width = table.measures.len();
        // Cases of one user stand together in every protocol.
        for cases in answers.results.chunk_by(|one, other| one.case.user == other.case.user) {
            table.users.push(cases[0].case.user);
            table.cases.push(cases.len() as f64);
            let from = table.sums.len();
            table.sums.resize(from + width, 0.0);
            for case in cases {
                let accuracy = CUTOFFS
                    .into_iter()
                    .flat_map(|k| [hit(case.rank, k), ndcg(case.rank, k), reciprocal_rank(case.rank, k)]);
                let diversity = [
                    intra_list_diversity(data, &case.top, LIST),
                    list_entropy(data, &case.top, LIST),
                    tail_share(tail, &case.top, LIST),
                ];
                let values = accuracy.chain(diversity);
                table.sums[from..].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        table
    }

    /// The mean of several tables of the same users and cases, as of one model's seeds.
    ///
    /// None where there is no table, or where users or cases differ.
    pub fn average(tables: &[Self]) -> Option<Self> {
        let mut mean = tables.first()?.clone();
        let share = 1.0 / tables.len() as f64;
        mean.sums.iter_mut().for_each(|sum| *sum *= share);
        for table in &tables[1..] {
            if table.users != mean.users || table.cases != mean.cases || table.measures != mean.measures {
                return None;
            }
            mean.sums.iter_mut().zip(&table.sums).for_each(|(mean, sum)| *mean += share * sum);
        }
        Some(mean)
    }

    /// The measure's column; none where there is no such measure.
    pub fn column(&self, measure: &str) -> Option<usize> {
        self.measures.iter().position(|name| name == measure)
    }

    /// The mean over all cases.
    pub fn mean(&self, column: usize) -> f64 {
        let sum: f64 = self.sums.chunks_exact(self.measures.len()).map(|row| row[column]).sum();
        sum / self.cases.iter().sum::<f64>()
    }
}

fn names() -> Vec<String> {
    let accuracy =
        CUTOFFS.into_iter().flat_map(|k| ["HR", "NDCG", "MRR"].map(|measure| format!("{measure}@{k}")));
    accuracy.chain(["ILD", "entropy", "tail"].map(|measure| format!("{measure}@{LIST}"))).collect()
}
