//! What counts say of an item beside a network: sources in the same softmax.
//!
//! z_y = w_0·(what the network says of y) + Σ_s w_s φ_s(y), φ_s(y) = ln(1 + p_s(y)/ε), where p_s(y) is the item's
//! share of all that the source says and ε = .01/N a hundredth of an even share: a logarithm that is 0 where a source
//! says nothing. The weights are those under which the softmax of z makes the stream's choices likely ([`weights`]).
//!
//! * popularity: choices of the item, of the catalogue's.
//! * trend: the same, where newer ones weigh more.
//! * transitions: p(y) ∝ Σ_g .8^(g−1)·C(i_g → y)/√(n(i_g) + 5) over the user's newest 20 choices i_1, i_2, …, where
//!   C(i → y) += .8^(gap−1) for each of the 20 choices before one of y, and n counts the choices of i, both fading.
//!   The root keeps what is chosen everywhere from deciding.
//! * categories: what the user's newest choices had, against how often everyone chooses of them.
//! * own: what the user chose before. It speaks where items may come again.
//!
//! Half-lives follow from the stream: half of the choices so far for what is counted, a tenth for the trend, for of
//! fixed numbers others would be best for each size of data; and 200 and 40 choices an item of the catalogue at most,
//! so that a stream of years forgets. Fading is growth of what new choices weigh, so that a choice costs its own
//! twenty sums; all is scaled down when numbers get large.
//!
//! Memory: 8 bytes a pair of items that occurred, or 4 a pair of all where a row is more than half full, bounded; 40
//! bytes an item beside it. Where pairs do not fit, each row keeps its greatest C/√n, for what is merely popular says
//! least; where that leaves a row next to nothing, the rows of what is hardly chosen go.

pub mod likelihood;
mod pairs;
mod weights;

use self::likelihood::Example;
use self::pairs::{Pairs, floats, take};
use self::weights::Weights;
use crate::catalogue::Catalogue;

/// The sources by name, the network first.
pub const SOURCES: [&str; 6] = ["network", "popularity", "trend", "transitions", "categories", "own"];

/// Bytes that pairs take at most unless another bound is set.
pub const MOST_BYTES: usize = 256 << 20;
/// Choices before one that say something of it.
pub const REACH: usize = 20;
/// A user's choices that tell of categories and own items, newest first.
pub const RECENT: usize = 200;
/// What a choice weighs against the one after it: in transitions, and in the user's categories and own items.
const FADES: (f32, f32) = (0.8, 0.98);
/// Beside an item's count under the root.
const SMOOTHING: f32 = 5.0;
/// Half-lives of counts and trend, as shares of all choices so far.
const HALF_LIVES: (f64, f64) = (0.5, 0.1);
/// Choices an item of the catalogue that the half-life of counts is at most, and the fewest choices.
const LONGEST: (f64, f64) = (200.0, 1_000.0);
/// ε·N.
const FLOOR: f64 = 0.01;
/// Weights above this are scaled down by it: a power of two, so that no digit is lost.
const LARGE: f64 = (1_u64 << 40) as f64;
/// Candidates that an example for the weights has, about, at most.
const MOST_CANDIDATES: usize = 1 << 16;
/// The format of the bytes.
const FORMAT: u32 = 1;

/// The counts of a stream of choices, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    choices: u64,
    /// What the next choice weighs in counts and in the trend.
    weighs: [f64; 2],
    /// n, by item.
    items: Vec<f32>,
    /// By item.
    trend: Vec<f32>,
    /// C.
    pairs: Pairs,
    weights: Weights,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            choices: 0,
            weighs: [1.0; 2],
            items: Vec::new(),
            trend: Vec::new(),
            pairs: Pairs::default(),
            weights: Weights::default(),
        }
    }
}

/// What sources say of each item whoever asks, of one state of the counts.
#[derive(Debug, Clone)]
pub struct Standing {
    /// φ of popularity and trend, `[known]`: of the items that are known.
    common: [Vec<f32>; 2],
    /// By category: 1 over its choices, 0 where it has none.
    rarity: Vec<f32>,
}

/// φ of each known item by each source but the network, for one user.
#[derive(Debug)]
pub struct Said<'a> {
    common: &'a [Vec<f32>; 2],
    personal: [Vec<f32>; 3],
}

impl Said<'_> {
    /// `[items]` each, in the order of [`SOURCES`].
    fn each(&self) -> impl Iterator<Item = &[f32]> {
        self.common.iter().chain(&self.personal).map(Vec::as_slice)
    }

    /// What tells the sources' worth: a choice of `target` among `allowed`, ascending, of each of which the network
    /// says `network`. Of very many candidates an evenly spaced part is looked at. None where the target is not
    /// allowed.
    pub fn example(&self, allowed: &[u32], network: &[f32], target: u32) -> Option<Example> {
        let place = allowed.binary_search(&target).ok()?;
        let every = allowed.len().div_ceil(MOST_CANDIDATES).max(1);
        let taken: Vec<usize> = (0..allowed.len()).filter(|at| *at == place || at % every == 0).collect();
        let mut values = Vec::with_capacity(SOURCES.len() * taken.len());
        values.extend(taken.iter().map(|at| network[*at]));
        for said in self.each() {
            values.extend(taken.iter().map(|at| said[allowed[*at] as usize]));
        }
        Some(Example {
            values,
            target: taken.iter().position(|at| *at == place)?,
            stands_for: ((allowed.len() - 1) as f64 / (taken.len() - 1).max(1) as f64).max(1.0),
        })
    }
}

impl Counts {
    /// Counts a choice of `target`, one of `items`, after those of the same user `before`, newest first; then cuts
    /// to `most_bytes`.
    pub fn count(&mut self, target: u32, before: &[u32], items: usize, most_bytes: usize) {
        let mut fade = self.weighs[0] as f32;
        for item in before.iter().take(REACH) {
            self.pairs.add(*item, target, fade, items);
            fade *= FADES.0;
        }
        for (counts, weighs) in [&mut self.items, &mut self.trend].into_iter().zip(self.weighs) {
            if counts.len() <= target as usize {
                counts.resize(items, 0.0);
            }
            counts[target as usize] += weighs as f32;
        }
        self.choices += 1;
        self.age(items);
        let counts = &self.items;
        let count = |item: u32| counts.get(item as usize).copied().unwrap_or(0.0).max(1.0);
        self.pairs.fit(most_bytes, count);
    }

    fn age(&mut self, items: usize) {
        let longest = LONGEST.0 * items as f64;
        let shares = [HALF_LIVES.0, HALF_LIVES.1];
        for (weighs, share) in self.weighs.iter_mut().zip(shares) {
            let most = longest * share / HALF_LIVES.0;
            let half_life = (share * self.choices as f64).min(most).max(LONGEST.1);
            *weighs *= (1.0 / half_life).exp2();
        }
        if self.weighs[0] > LARGE {
            self.weighs[0] /= LARGE;
            self.items.iter_mut().for_each(|count| *count /= LARGE as f32);
            self.pairs.scale(1.0 / LARGE as f32);
        }
        if self.weighs[1] > LARGE {
            self.weighs[1] /= LARGE;
            self.trend.iter_mut().for_each(|count| *count /= LARGE as f32);
        }
    }

    /// Forgets how sure the weights are: the network is another one now.
    pub fn unsure(&mut self) {
        self.weights.unsure();
    }

    /// Choices that were counted.
    pub fn choices(&self) -> u64 {
        self.choices
    }

    /// Bytes of the pairs.
    pub fn bytes(&self) -> usize {
        self.pairs.bytes()
    }

    /// The weights of the [`SOURCES`].
    pub fn weights(&self) -> [f64; SOURCES.len()] {
        self.weights.values
    }

    /// The network's weight.
    pub(crate) fn network(&self) -> f32 {
        self.weights.values[0] as f32
    }

    /// What holds for everyone now, where the first `known` items of the catalogue are known.
    pub fn standing(&self, catalogue: &Catalogue, known: usize) -> Standing {
        let items = &catalogue.items()[..known];
        let mut popularity: Vec<f32> = items.iter().map(|item| item.count as f32).collect();
        let mut trend = self.trend.clone();
        trend.resize(items.len(), 0.0);
        trend.truncate(items.len());
        let mut rarity = vec![0.0; catalogue.categories()];
        for (row, item) in items.iter().enumerate() {
            let all = catalogue.categories_of(row as u32);
            all.iter()
                .for_each(|category| rarity[*category as usize] += item.count as f64 / all.len() as f64);
        }
        let rarity = rarity.into_iter().map(|count| if count > 0.0 { (1.0 / count) as f32 } else { 0.0 });
        logarithms(&mut popularity);
        logarithms(&mut trend);
        Standing { common: [popularity, trend], rarity: rarity.collect() }
    }

    /// What the sources say to a user of these choices, newest first.
    pub fn said<'a>(&self, standing: &'a Standing, catalogue: &Catalogue, choices: &[u32]) -> Said<'a> {
        let mut personal = [0; 3].map(|_| vec![0.0_f32; standing.common[0].len()]);
        let [transitions, categories, own] = &mut personal;
        let mut fade = 1.0;
        for item in choices.iter().take(REACH) {
            let count = self.items.get(*item as usize).map_or(0.0, |count| count / self.weighs[0] as f32);
            self.pairs.add_to(*item, fade / (count + SMOOTHING).sqrt(), transitions);
            fade *= FADES.0;
        }
        let mut shares = vec![0.0_f32; standing.rarity.len()];
        let mut fade = 1.0;
        for item in choices.iter().take(RECENT) {
            own[*item as usize] += fade;
            let all = catalogue.categories_of(*item);
            all.iter().for_each(|category| shares[*category as usize] += fade / all.len() as f32);
            fade *= FADES.1;
        }
        shares.iter_mut().zip(&standing.rarity).for_each(|(share, rarity)| *share *= rarity);
        for (row, said) in (0..).zip(categories.iter_mut()) {
            let all = catalogue.categories_of(row);
            *said = all.iter().map(|category| shares[*category as usize]).sum::<f32>() / all.len() as f32;
        }
        personal.iter_mut().for_each(|said| logarithms(said));
        Said { common: &standing.common, personal }
    }

    /// Σ_s w_s φ_s of each known item over all sources but the network.
    pub fn sum(&self, said: &Said<'_>) -> Vec<f32> {
        let mut sum = vec![0.0; said.common[0].len()];
        for (values, weight) in said.each().zip(&self.weights.values[1..]) {
            if *weight > 0.0 {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += *weight as f32 * value);
            }
        }
        sum
    }

    /// Learns what each source is worth.
    pub fn learn(&mut self, example: &Example) {
        self.weights.learn(example);
    }

    /// As bytes, little-endian: format (u32), choices (u64), what the next weighs (f64 each), items that
    /// are counted (u32), n (f32 each), trend (f32 each), the pairs, then of the weights: examples (u64), weights
    /// and curvature (f64 each).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let counted = self.items.len() as u32;
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.choices.to_le_bytes());
        self.weighs.iter().for_each(|weighs| bytes.extend_from_slice(&weighs.to_le_bytes()));
        bytes.extend_from_slice(&counted.to_le_bytes());
        for counts in [&self.items, &self.trend] {
            counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
        }
        self.pairs.encode(&mut bytes);
        bytes.extend_from_slice(&self.weights.examples.to_le_bytes());
        let of_weights = self.weights.values.iter().chain(&self.weights.curvature);
        of_weights.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        bytes
    }

    /// What [`Counts::encode`] wrote of a catalogue of `items`; none where it makes no sense.
    pub fn decode(bytes: &[u8], items: usize) -> Option<Self> {
        let rest = &mut &*bytes;
        if u32::from_le_bytes(*take(rest)?) != FORMAT {
            return None;
        }
        let choices = u64::from_le_bytes(*take(rest)?);
        let weighs = [double(rest)?, double(rest)?];
        let counted = u32::from_le_bytes(*take(rest)?) as usize;
        if counted > items || weighs.iter().any(|weighs| !(1.0..=LARGE).contains(weighs)) {
            return None;
        }
        let (of_items, trend) = (floats(rest, counted)?, floats(rest, counted)?);
        let pairs = Pairs::decode(rest, items)?;
        let mut weights = Weights { examples: u64::from_le_bytes(*take(rest)?), ..Weights::default() };
        for value in weights.values.iter_mut().chain(&mut weights.curvature) {
            *value = double(rest)?;
        }
        let sound = weights.values.iter().all(|weight| *weight >= 0.0);
        (sound && rest.is_empty()).then_some(Self { choices, weighs, items: of_items, trend, pairs, weights })
    }
}

/// What a source says, 0 or more, becomes φ.
fn logarithms(said: &mut [f32]) {
    let total: f64 = said.iter().map(|said| f64::from(*said)).sum();
    let scale = (said.len() as f64 / (total * FLOOR)) as f32;
    // Nothing is said, or it has faded away: what is left of it are a few bits.
    if !scale.is_normal() {
        said.fill(0.0);
        return;
    }
    said.iter_mut().for_each(|said| *said = logarithm(*said * scale));
}

/// ln(1 + x) of an x from 0 to 10³⁰, to 10⁻⁶; without a branch, so that four are computed at once.
///
/// 1 + x = 2^e·m, 3/4 ≤ m < 3/2; ln m = 2·artanh((m − 1)/(m + 1)) by its series.
fn logarithm(x: f32) -> f32 {
    const THREE_QUARTERS: u32 = 0x3f40_0000;
    let bits = (1.0 + x).to_bits();
    let exponent = (bits.wrapping_sub(THREE_QUARTERS) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32));
    let t = (m - 1.0) / (m + 1.0);
    let s = t * t;
    let series = 1.0 + s * (1.0 / 3.0 + s * (0.2 + s * (1.0 / 7.0 + s * (1.0 / 9.0))));
    exponent as f32 * std::f32::consts::LN_2 + 2.0 * t * series
}

fn double(rest: &mut &[u8]) -> Option<f64> {
    Some(f64::from_le_bytes(*take(rest)?)).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests;
