//! What every network must keep to, by name: shapes, causality, padding, seeds.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use hmisr_model::backend::{self, Inner};
use hmisr_model::dropout::Dropout;
use hmisr_model::hmisr::{EncoderKind, Plan};
use hmisr_model::random::SplitMix;
use hmisr_model::{
    Architecture, Builder, Gradients, Histories, Input, Kind, Learner, ModelSettings, Network, Observer,
    Parameters, Reading, Table, Targets,
};

const LEN: usize = 9;

fn settings(architecture: Architecture) -> ModelSettings {
    ModelSettings {
        architecture,
        width: 16,
        heads: 2,
        layers: 2,
        feed_forward: 24,
        max_len: LEN,
        interests: 3,
        seed: 4,
        ..ModelSettings::default()
    }
}

/// Every network, HMISR over each encoder, by name.
fn all() -> Vec<(String, ModelSettings)> {
    let mut all: Vec<_> = Architecture::ALL.map(|it| (it.to_string(), settings(it))).to_vec();
    let mut other = settings(Architecture::Hmisr);
    other.hmisr.encoder = match other.hmisr.encoder {
        EncoderKind::Attention => EncoderKind::Recurrence,
        EncoderKind::Recurrence => EncoderKind::Attention,
    };
    all.push((format!("{} over {:?}", other.architecture, other.hmisr.encoder), other));
    all
}

/// Weights off their neutral beginning, so that every part has a say.
fn parameters(settings: &ModelSettings) -> Parameters {
    let device = backend::device().unwrap();
    let mut parameters =
        Parameters::fresh::<Inner, _>(settings.seed, &device, |builder| Network::build(builder, settings));
    let mut random = SplitMix::new(9);
    for parameter in &mut parameters.list {
        parameter.weights.iter_mut().for_each(|weight| *weight += random.symmetric(0.2));
    }
    parameters
}

/// A network's vectors, flat, and their shape. `times` are one history's each; `embeddings`
/// `[histories, longest, width]`.
fn forward(settings: &ModelSettings, embeddings: &[f32], times: &[&[i64]]) -> (Vec<f32>, [usize; 3]) {
    let nows: Vec<i64> = times.iter().map(|times| times[times.len() - 1] + 9_000).collect();
    forward_at(settings, embeddings, times, &nows)
}

/// The same, asked for at these times.
fn forward_at(
    settings: &ModelSettings,
    embeddings: &[f32],
    times: &[&[i64]],
    nows: &[i64],
) -> (Vec<f32>, [usize; 3]) {
    let device = backend::device().unwrap();
    let parameters = parameters(settings);
    let network = Network::<Inner>::build(&mut Builder::new(&parameters.list, 4, &device), settings);
    let rows = [0u32; 2 * LEN];
    let kinds: Vec<Kind> = (0..2 * LEN).map(|n| Kind::new(n % 5, Some(n as f32 / 3.0 - 1.0))).collect();
    let known = times.iter().zip(nows);
    let readings: Vec<Reading<'_>> = known
        .map(|(times, now)| {
            let rows = &rows[..times.len()];
            Reading { kinds: &kinds, now: *now, ..Reading::new(rows, times, times.len()) }
        })
        .collect();
    let histories = Histories::remembering(&readings, 0, |_| &[]);
    let data = TensorData::new(embeddings.to_vec(), [times.len(), histories.len(), settings.width]);
    let output = network.forward(Input {
        embeddings: Tensor::from_data(data, &device),
        histories: &histories,
        asked: None,
        dropout: &Dropout::none(),
        training: None,
    });
    let shape = output.vectors.dims();
    (output.vectors.into_data().to_vec().unwrap(), shape)
}

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut random = SplitMix::new(seed);
    (0..count).map(|_| random.symmetric(0.5)).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// One vector, or one an interest.
fn vectors(settings: &ModelSettings) -> usize {
    match settings.architecture {
        Architecture::Sasrec | Architecture::Gru4rec | Architecture::Tisasrec | Architecture::Recurrence => 1,
        _ => settings.interests,
    }
}

fn irregular(len: usize) -> Vec<i64> {
    (0..len as i64).map(|n| n * n * 40_000 + n * 1_000).collect()
}

#[test]
fn a_vector_an_interest_at_every_position() {
    for (architecture, settings) in all() {
        let (times, other) = (irregular(LEN), irregular(4));
        let (found, shape) = forward(&settings, &values(2 * LEN * settings.width, 1), &[&times, &other]);
        assert_eq!(shape, [2 * LEN, vectors(&settings), settings.width], "{architecture}");
        assert!(found.iter().all(|value| value.is_finite()), "{architecture}");
        assert!(found.iter().any(|value| value.abs() > 1e-3), "{architecture}");
    }
}

#[test]
fn nothing_after_a_position_reaches_it() {
    for (architecture, settings) in all() {
        let (d, times) = (settings.width, irregular(LEN));
        let original = values(LEN * d, 1);
        let (expected, _) = forward(&settings, &original, &[&times]);
        let each = vectors(&settings) * d;
        for at in 0..LEN - 1 {
            let mut changed = original.clone();
            // Far greater than before, so that a maximum that looks ahead would move.
            let later: Vec<f32> = values((LEN - at - 1) * d, 2).iter().map(|value| 20.0 * value).collect();
            changed[(at + 1) * d..].copy_from_slice(&later);
            let mut moved = times.clone();
            // Nearer to one another than any before. The next event's time is that of the request which it
            // answers: it is known.
            let next = times[at + 1];
            moved[at + 1..].iter_mut().enumerate().for_each(|(n, time)| *time = next + 7 * n as i64);
            let (found, _) = forward(&settings, &changed, &[&moved]);
            let upto = (at + 1) * each;
            assert_eq!(bits(&found[..upto]), bits(&expected[..upto]), "{architecture}, position {at}");
            assert_ne!(found[upto..], expected[upto..], "{architecture}, position {at}");
        }
    }
}

#[test]
fn a_history_says_the_same_as_its_prefix() {
    for (architecture, settings) in all() {
        let (d, times) = (settings.width, irregular(LEN));
        let original = values(LEN * d, 1);
        let (whole, _) = forward(&settings, &original, &[&times]);
        for len in 1..LEN {
            let (prefix, _) = forward_at(&settings, &original[..len * d], &[&times[..len]], &[times[len]]);
            for (found, expected) in prefix.iter().zip(&whole) {
                assert!((found - expected).abs() < 1e-4, "{architecture}: {found} and {expected}");
            }
        }
    }
}

#[test]
fn what_was_done_how_strongly_and_when_the_user_is_asked_matter_to_hmisr() {
    let settings = settings(Architecture::Hmisr);
    let device = backend::device().unwrap();
    let parameters = parameters(&settings);
    let network = Network::<Inner>::build(&mut Builder::new(&parameters.list, 4, &device), &settings);
    let (rows, times) = ([0u32; 4], irregular(4));
    let vectors = |kinds: [Kind; 4], now: i64| {
        let reading = Reading { kinds: &kinds, now, ..Reading::new(&rows, &times, 4) };
        let histories = Histories::remembering(&[reading], 0, |_| &[]);
        let data = TensorData::new(values(4 * settings.width, 1), [1, 4, settings.width]);
        let embeddings = Tensor::from_data(data, &device);
        let dropout = Dropout::none();
        let input =
            Input { embeddings, histories: &histories, asked: None, dropout: &dropout, training: None };
        network.forward(input).vectors.into_data().to_vec::<f32>().unwrap()
    };
    let (click, soon) = (Kind::new(1, Some(1.0)), times[3] + 1_000);
    let expected = vectors([click; 4], soon);
    for other in
        [Kind::new(2, Some(1.0)), Kind::new(1, Some(-1.0)), Kind::new(1, Some(0.0)), Kind::new(1, None)]
    {
        assert_ne!(vectors([click, click, click, other], soon), expected, "{other:?}");
    }
    assert_ne!(vectors([click; 4], soon + 86_400_000), expected);
    // Who is asked before the last event is asked at it.
    assert_eq!(vectors([click; 4], times[3] - 5), vectors([click; 4], times[3]));
}

#[test]
fn padding_and_neighbours_change_nothing() {
    for (architecture, settings) in all() {
        let (d, own, other) = (settings.width, irregular(5), irregular(LEN));
        let embeddings = values(5 * d, 1);
        let (alone, _) = forward(&settings, &embeddings, &[&own]);
        let mut padded = embeddings.clone();
        padded.extend(values((LEN - 5) * d, 5));
        padded.extend(values(LEN * d, 3));
        let (together, _) = forward(&settings, &padded, &[&own, &other]);
        for (found, expected) in together.iter().zip(&alone) {
            assert!((found - expected).abs() < 1e-4, "{architecture}: {found} and {expected}");
        }
    }
}

#[test]
fn longer_histories_than_the_tables_of_positions_are_read() {
    for (architecture, settings) in all() {
        let times = irregular(LEN + 4);
        let (found, shape) = forward(&settings, &values(times.len() * settings.width, 1), &[&times]);
        assert_eq!(shape[0], times.len(), "{architecture}");
        assert!(found.iter().all(|value| value.is_finite()), "{architecture}");
    }
}

/// Vectors of one history whose events but the `recent` newest are remembered as two tokens.
fn remembering(settings: &ModelSettings, rows: &[u32], times: &[i64], recent: usize) -> Vec<f32> {
    let device = backend::device().unwrap();
    let parameters = parameters(settings);
    let network = Network::<Inner>::build(&mut Builder::new(&parameters.list, 4, &device), settings);
    let items = values(100 * settings.width, 6);
    let weights = |row: u32| &items[row as usize * settings.width..][..settings.width];
    let histories = Histories::remembering(&[Reading::new(rows, times, recent)], settings.memory, weights);
    let data =
        TensorData::new(histories.embeddings(settings.width, weights), [1, histories.len(), settings.width]);
    let output = network.forward(Input {
        embeddings: Tensor::from_data(data, &device),
        histories: &histories,
        asked: None,
        dropout: &Dropout::none(),
        training: None,
    });
    let from = histories.position(0, 0) * vectors(settings) * settings.width;
    output.vectors.into_data().to_vec::<f32>().unwrap().split_off(from)
}

#[test]
fn every_recent_event_sees_what_is_remembered_and_nothing_later() {
    for architecture in
        Architecture::ALL.into_iter().filter(|architecture| settings(*architecture).has_memory())
    {
        let settings = ModelSettings { memory: 2, ..settings(architecture) };
        let times = irregular(12);
        let rows: Vec<u32> = (10..22).collect();
        let expected = remembering(&settings, &rows, &times, 4);
        let each = vectors(&settings) * settings.width;
        assert_eq!(expected.len(), 4 * each, "{architecture}");
        for at in 0..8 {
            let mut other = rows.clone();
            other[at] = 50;
            let found = remembering(&settings, &other, &times, 4);
            for (found, expected) in found.chunks_exact(each).zip(expected.chunks_exact(each)) {
                assert_ne!(found, expected, "{architecture}: event {at} is not remembered");
            }
        }
        for at in 0..3 {
            let (mut other, mut moved) = (rows.clone(), times.clone());
            other[9 + at..].fill(60);
            moved[10 + at..].iter_mut().for_each(|time| *time += 86_400_000);
            let found = remembering(&settings, &other, &moved, 4);
            let upto = (at + 1) * each;
            assert_eq!(bits(&found[..upto]), bits(&expected[..upto]), "{architecture}, event {at}");
            assert_ne!(found[upto..], expected[upto..], "{architecture}, event {at}");
        }
        // With nothing to remember the memory has no say.
        let without = ModelSettings { memory: 0, ..settings.clone() };
        assert_ne!(remembering(&without, &rows, &times, 4), expected, "{architecture}");
    }
}

/// Loss, gradients of the network and of the table after one pass with dropout.
fn gradients(settings: &ModelSettings, seed: u64) -> (u64, Vec<u32>) {
    let device = backend::device().unwrap();
    let parameters =
        Parameters::fresh::<Inner, _>(settings.seed, &device, |builder| Network::build(builder, settings));
    let mut table = Table::new(settings.width, 5);
    (0..20u32).for_each(|item| table.grow(&item.to_be_bytes()));
    let learner = Learner::<Inner> {
        settings,
        parameters: &parameters,
        table: &table,
        catalogue: Some(table.tensor(&device)),
        negatives: 0,
        logits_bytes: 1 << 20,
        device: &device,
        seed,
    };
    let (rows, times): (Vec<u32>, Vec<i64>) = ((0..8).map(|n| n * 3 % 20).collect(), irregular(8));
    let histories = Histories::new([(&rows[..], &times[..]), (&rows[2..6], &times[2..6])].into_iter());
    let targets = Targets::new(vec![0, 3, 6, 8, 10], vec![3, 12, 1, 9, 15]);
    let mut sums = Gradients::new(&parameters, &table, true);
    // Where nothing is to be foretold, nothing is learnt.
    learner.pass(&histories, &Targets::default(), &Plan::next_item(), None, &mut sums, None).unwrap();
    assert_eq!((sums.loss, sums.targets), (0.0, 0));
    assert!(sums.network.concat().iter().all(|by| *by == 0.0));
    learner.pass(&histories, &targets, &Plan::next_item(), None, &mut sums, None).unwrap();
    let loss = sums.loss.to_bits();
    let mut all: Vec<u32> = sums.network.iter().flat_map(|by| bits(by)).collect();
    all.extend(bits(&sums.table.into_rows(settings.width).gradients));
    (loss, all)
}

/// What an evaluation beside the training sees is what a server scores by.
#[test]
fn what_is_observed_is_scored_by_each_items_own_vector() {
    let device = backend::device().unwrap();
    let mut settings = ModelSettings { dropout: 0.0, ..settings(Architecture::Hmisr) };
    settings.hmisr.encoder = EncoderKind::Recurrence;
    let (d, parameters) = (settings.width, parameters(&settings));
    let mut table = Table::new(d, 5);
    (0..20u32).for_each(|item| table.grow(&item.to_be_bytes()));
    let (rows, times): (Vec<u32>, Vec<i64>) = ((0..8).map(|n| n * 3 % 20).collect(), irregular(8));
    let histories = Histories::new([(&rows[..], &times[..]), (&rows[2..6], &times[2..6])].into_iter());
    let targets = Targets::new(vec![0, 3, 6, 8, 10], vec![3, 12, 1, 9, 15]);
    let network = Network::<Inner>::build(&mut Builder::new(&parameters.list, 4, &device), &settings);
    let shape = [2, histories.len(), d];
    let embeddings = TensorData::new(histories.embeddings(d, |row| table.weights(row)), shape);
    let (embeddings, dropout) = (Tensor::from_data(embeddings, &device), Dropout::none());
    let asked = Some(&targets.positions[..]);
    let output = network.forward(Input {
        embeddings,
        histories: &histories,
        asked,
        dropout: &dropout,
        training: None,
    });
    let vectors: Vec<f32> = output.vectors.into_data().to_vec().unwrap();
    let priors: Vec<f32> = output.priors.unwrap().into_data().to_vec().unwrap();
    let owners = network.owners().unwrap();
    let spoken: BTreeSet<usize> = (0..20).map(|row| owners.of(table.weights(row))).collect();
    assert!(spoken.len() > 1, "one interest has all items");
    for negatives in [0, 7] {
        let learner = Learner::<Inner> {
            settings: &settings,
            parameters: &parameters,
            table: &table,
            catalogue: (negatives == 0).then(|| table.tensor(&device)),
            negatives,
            // Two targets a block.
            logits_bytes: 2 * 20 * 4,
            device: &device,
            seed: 3,
        };
        let mut seen = Vec::new();
        let mut show = |nth: usize, scores: &[f32]| seen.push((nth, scores.to_vec()));
        let observer = Observer { wants: &|nth| nth != 1, show: &mut show };
        let mut sums = Gradients::new(&parameters, &table, negatives == 0);
        learner.pass(&histories, &targets, &Plan::next_item(), None, &mut sums, Some(observer)).unwrap();
        assert_eq!(seen.iter().map(|it| it.0).collect::<Vec<_>>(), [0, 2, 3, 4]);
        for (nth, scores) in seen {
            for (row, found) in (0..20).zip(scores) {
                let item = table.weights(row);
                let owner = nth * settings.interests + owners.of(item);
                let own = &vectors[owner * d..(owner + 1) * d];
                let expected = priors[owner] + own.iter().zip(item).map(|(a, b)| a * b).sum::<f32>();
                assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
            }
        }
    }
}

#[test]
fn a_seed_decides_every_bit() {
    for (architecture, settings) in all() {
        assert_eq!(gradients(&settings, 1), gradients(&settings, 1), "{architecture}");
        assert_ne!(gradients(&settings, 1), gradients(&settings, 2), "{architecture}: dropout");
        let other = ModelSettings { seed: 8, ..settings.clone() };
        assert_ne!(gradients(&settings, 1), gradients(&other, 1), "{architecture}: weights");
    }
}

#[test]
fn names_are_one_a_network_and_differentiation_changes_no_weight() {
    let device = backend::device().unwrap();
    for architecture in Architecture::ALL {
        assert_eq!(architecture.name().parse::<Architecture>().unwrap(), architecture);
        let json = serde_json::to_string(&architecture).unwrap();
        assert_eq!(json, format!("\"{architecture}\""));
        let settings = settings(architecture);
        let plain = Parameters::fresh::<Inner, _>(4, &device, |builder| Network::build(builder, &settings));
        let tracked =
            Parameters::fresh::<Autodiff<Inner>, _>(4, &device, |builder| Network::build(builder, &settings));
        assert_eq!(plain, tracked);
        let names: BTreeSet<&str> = plain.list.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names.len(), plain.list.len(), "{architecture}");
    }
}

/// The table of docs/models.md; a change here changes it there.
#[test]
fn sizes_are_those_of_the_documentation() {
    let device = backend::device().unwrap();
    let page = include_str!("../../docs/models.md");
    for architecture in Architecture::ALL {
        let settings = ModelSettings { architecture, ..ModelSettings::default() };
        let weights =
            Parameters::fresh::<Inner, _>(1, &device, |builder| Network::build(builder, &settings)).weights();
        let row = format!("| `{architecture}` | {} |", thousands(weights));
        println!("{row}");
        assert!(page.contains(&row), "docs/models.md lacks {row:?}");
    }
    let mut settings = ModelSettings::default();
    settings.hmisr.encoder = EncoderKind::Recurrence;
    let weights =
        Parameters::fresh::<Inner, _>(1, &device, |builder| Network::build(builder, &settings)).weights();
    let told = format!("Weights beside the item embeddings: {}.", thousands(weights));
    assert!(page.contains(&told), "docs/models.md lacks {told:?}");
}

fn thousands(number: usize) -> String {
    match number < 1_000 {
        true => number.to_string(),
        false => format!("{},{:03}", thousands(number / 1_000), number % 1_000),
    }
}
