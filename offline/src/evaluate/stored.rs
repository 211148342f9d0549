//! Answers on disk, so that measures can be made again without the model.
//!
//! One safetensors file; in its metadata `answers`, all of [`Answers`] but the results, as JSON.
//! Columns: `user`, `at` `[n]` u32; `rank` `[n]` f64 (NaN: a miss); `items`, `scores`
//! `[n, depth]` (item 4294967295: no candidate); `diversity` `[n]` f32 (NaN: none); `related` `[n, 4]`
//! f64 (sum and pairs of related, then of distinct interests; NaN: none).

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::{Answers, CaseResult};
use crate::error::{Error, Result};
use crate::measures::RelatedSums;
use crate::split::Case;

const NO_ITEM: u32 = u32::MAX;
const EXPECTED: &str = "answers that this version stored; evaluate again";

impl Answers {
    /// Writes the answers into a file, whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&self, path: &Path) -> Result<()> {
        let depth = self.per_case.results.iter().map(|result| result.top.len()).max().unwrap_or(0);
        let n = self.per_case.results.len();
        let all = || self.per_case.results.iter();
        let of_lists = |padding: [u8; 4], bytes: fn(&(u32, f32)) -> [u8; 4]| -> Vec<u8> {
            let list = |result: &CaseResult| -> Vec<[u8; 4]> {
                let known = result.top.iter().map(bytes);
                known.chain(std::iter::repeat(padding)).take(depth).collect()
            };
            all().flat_map(list).flatten().collect()
        };
        let related = |sums: Option<RelatedSums>| match sums {
            Some(s) => [s.related, f64::from(s.related_pairs), s.distinct, f64::from(s.distinct_pairs)],
            None => [f64::NAN; 4],
        };
        let columns: [(&str, Dtype, Vec<usize>, Vec<u8>); 7] = [
            ("user", Dtype::U32, vec![n], all().flat_map(|r| r.case.user.to_le_bytes()).collect()),
            ("at", Dtype::U32, vec![n], all().flat_map(|r| r.case.at.to_le_bytes()).collect()),
            (
                "rank",
                Dtype::F64,
                vec![n],
                all().flat_map(|r| r.rank.unwrap_or(f64::NAN).to_le_bytes()).collect(),
            ),
            ("items", Dtype::U32, vec![n, depth], of_lists(NO_ITEM.to_le_bytes(), |one| one.0.to_le_bytes())),
            ("scores", Dtype::F32, vec![n, depth], of_lists([0; 4], |one| one.1.to_le_bytes())),
            (
                "diversity",
                Dtype::F32,
                vec![n],
                all().flat_map(|r| r.diversity.unwrap_or(f32::NAN).to_le_bytes()).collect(),
            ),
            (
                "related",
                Dtype::F64,
                vec![n, 4],
                all().flat_map(|r| related(r.related)).flat_map(f64::to_le_bytes).collect(),
            ),
        ];
        let meta = HashMap::from([("answers".to_owned(), serde_json::json!(self).to_string())]);
        let damaged = |error: safetensors::SafeTensorError| Error::input(path, error.to_string(), EXPECTED);
        let mut views = Vec::with_capacity(columns.len());
        for (name, dtype, shape, bytes) in &columns {
            views.push((*name, TensorView::new(*dtype, shape.clone(), bytes).map_err(damaged)?));
        }
        let bytes = serialize(views, Some(meta)).map_err(damaged)?;
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        std::fs::write(&unfinished, bytes).map_err(|error| Error::io(path, "writing it", error))?;
        std::fs::rename(&unfinished, path).map_err(|error| Error::io(path, "renaming it", error))
    }

    /// Reads what [`Answers::save`] wrote.
    ///
    /// # Errors
    /// The system's, and where the file is none of ours.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, "reading it", error))?;
        let damaged = |what: &str| Error::input(path, what.to_owned(), EXPECTED);
        let (_, meta) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(&error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(&error.to_string()))?;
        let meta = meta.metadata().as_ref().and_then(|meta| meta.get("answers"));
        let meta = meta.ok_or_else(|| damaged("no `answers` in its metadata"))?;
        let mut answers: Self = serde_json::from_str(meta).map_err(|error| damaged(&error.to_string()))?;
        let tensor = |name: &str, dtype: Dtype| {
            let tensor = tensors.tensor(name).map_err(|error| damaged(&error.to_string()))?;
            if tensor.dtype() == dtype { Ok(tensor) } else { Err(damaged(name)) }
        };
        let (user, at) = (words(tensor("user", Dtype::U32)?.data()), words(tensor("at", Dtype::U32)?.data()));
        let items = tensor("items", Dtype::U32)?;
        let depth = items.shape().last().copied().unwrap_or(0);
        let (items, scores) = (words(items.data()), words(tensor("scores", Dtype::F32)?.data()));
        let rank = doubles(tensor("rank", Dtype::F64)?.data());
        let diversity = words(tensor("diversity", Dtype::F32)?.data());
        let related = doubles(tensor("related", Dtype::F64)?.data());
        let n = user.len();
        let lengths = [at.len(), rank.len(), diversity.len(), related.len() / 4];
        if lengths != [n; 4] || items.len() != n * depth || scores.len() != n * depth {
            return Err(damaged("columns of different lengths"));
        }
        answers.per_case.results = (0..n)
            .map(|row| CaseResult {
                case: Case { user: user[row], at: at[row] },
                rank: Some(rank[row]).filter(|rank| !rank.is_nan()),
                top: (row * depth..(row + 1) * depth)
                    .map(|at| (items[at], f32::from_bits(scores[at])))
                    .filter(|&(item, _)| item != NO_ITEM)
                    .collect(),
                diversity: Some(f32::from_bits(diversity[row])).filter(|score| !score.is_nan()),
                related: Some(&related[4 * row..4 * row + 4]).filter(|sums| !sums[0].is_nan()).map(|sums| {
                    RelatedSums {
                        related: sums[0],
                        related_pairs: sums[1] as u32,
                        distinct: sums[2],
                        distinct_pairs: sums[3] as u32,
                    }
                }),
            })
            .collect();
        Ok(answers)
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|four| u32::from_le_bytes(*four)).collect()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect()
}
