//! From options to the settings of a fit.

use clap::{Args, ValueEnum};
use hmisr_model::{Architecture, ModelSettings};
use hmisr_offline::fit::FitSettings;
use serde_json::Value;
use strsim::levenshtein;

use crate::failure::Failure;

/// How large networks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// Width 64, 2 layers, 2 heads, the newest 50 events, 4 interests; HMISR remembers 192 events before.
    Small,
    /// Width 256, 4 layers, 8 heads, the newest 200 events, 6 interests; HMISR remembers 800 events before.
    Full,
}

impl Size {
    /// The sizes of a network.
    pub fn model(self) -> ModelSettings {
        match self {
            Self::Small => ModelSettings::default(),
            Self::Full => ModelSettings::full(),
        }
    }

    fn memory(self) -> usize {
        match self {
            Self::Small => 24,
            Self::Full => 100,
        }
    }
}

/// What is set of a fit; all else comes from the size of the data and from `--set`.
#[derive(Debug, Args)]
pub struct FitOptions {
    /// Size of the networks.
    #[arg(long, value_enum, default_value = "small")]
    pub size: Size,
    /// Epochs at most, in all; HMISR divides them equally over its three stages.
    #[arg(long, value_name = "N", conflicts_with = "stages")]
    pub epochs: Option<usize>,
    /// Epochs at most of HMISR's stages: coarse, fine, all. Other networks train for their sum.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub stages: Vec<usize>,
}

/// Events that networks read at least whose costs do not grow with them.
const RECALLED: usize = 200;
/// What these drop, of their input alone; others drop in every layer.
const INPUT_DROPOUT: f32 = 0.2;

/// Paths that have an option of their own.
const OPTIONS: [(&str, &str); 2] = [("model.architecture", "--model"), ("model.seed", "--seed or --seeds")];

impl FitOptions {
    /// The settings of one fit to a data set of `events`; `set` holds `path=value` pairs.
    pub fn settings(
        &self,
        architecture: Architecture,
        seed: u64,
        events: usize,
        set: &[String],
    ) -> Result<FitSettings, Failure> {
        let mut settings = FitSettings::for_events(events);
        settings.model = ModelSettings { architecture, seed, ..self.size.model() };
        // HMISR's encoder is a setting, and decides what others are by default.
        let encoder = set.iter().try_fold(settings.clone(), |settings, pair| assign(settings, pair))?.model;
        if encoder.recalls() {
            settings.model.max_len = settings.model.max_len.max(RECALLED);
            settings.model.dropout = INPUT_DROPOUT;
        } else if architecture == Architecture::Hmisr {
            // A part of HMISR's design. SASRec has one where it is set.
            settings.model.memory = self.size.memory();
        }
        if let Some(epochs) = self.epochs {
            settings.stages = [epochs / 3, epochs / 3, epochs - 2 * (epochs / 3)];
        }
        if !self.stages.is_empty() {
            settings.stages = self.stages[..].try_into().map_err(|_| {
                let given = self.stages.len();
                Failure::user(format!("--stages: {given} numbers, expected three such as 10,10,10"))
            })?;
        }
        set.iter().try_fold(settings, |settings, pair| assign(settings, pair))
    }
}

/// The `path=value` pairs that give a fit this network. Dropout, which is none of the network's, stays the
/// fit's own.
pub fn pairs(model: &ModelSettings) -> Vec<String> {
    let settings = FitSettings { model: model.clone(), ..FitSettings::default() };
    let mut paths = Vec::new();
    leaves("", &settings.json(), &mut paths);
    let is_told = |path: &String| {
        path.starts_with("model.")
            && path != "model.dropout"
            && OPTIONS.iter().all(|(taken, _)| taken != path)
    };
    paths
        .iter()
        .filter(|path| is_told(path))
        .map(|path| format!("{path}={}", shown(&settings, path)))
        .collect()
}

/// The settings with one of them changed.
fn assign(settings: FitSettings, pair: &str) -> Result<FitSettings, Failure> {
    let Some((path, text)) = pair.split_once('=').map(|(path, text)| (path.trim(), text.trim())) else {
        return Err(Failure::user(format!("--set {pair}: expected path=value, such as rate=0.002")));
    };
    if let Some((_, option)) = OPTIONS.iter().find(|(taken, _)| *taken == path) {
        return Err(Failure::user(format!("--set {path}: use {option}")));
    }
    let mut json = settings.json();
    let mut known = Vec::new();
    leaves("", &json, &mut known);
    if !known.iter().any(|leaf| leaf == path) {
        let near = nearest(path, &known).join(", ");
        return Err(Failure::user(format!("--set {path}: no such setting of a fit; near are {near}")));
    }
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    if let Some(place) = json.pointer_mut(&format!("/{}", path.replace('.', "/"))) {
        *place = value;
    }
    serde_json::from_value(json).map_err(|error| {
        Failure::user(format!("--set {path}={text}: {error}; it is {} now", shown(&settings, path)))
    })
}

fn shown(settings: &FitSettings, path: &str) -> String {
    let json = settings.json();
    json.pointer(&format!("/{}", path.replace('.', "/"))).map(Value::to_string).unwrap_or_default()
}

/// The paths of all values, lists being values.
fn leaves(prefix: &str, json: &Value, found: &mut Vec<String>) {
    let Value::Object(fields) = json else {
        found.push(prefix.to_owned());
        return;
    };
    for (key, value) in fields {
        leaves(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, value, found);
    }
}

/// The three known paths that differ least from `path`, by edits of it or of its last name.
fn nearest<'a>(path: &str, known: &'a [String]) -> Vec<&'a str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let mut by_distance: Vec<(usize, &str)> = known
        .iter()
        .map(|one| (levenshtein(path, one).min(2 * levenshtein(&last(path), &last(one))), one.as_str()))
        .collect();
    by_distance.sort();
    by_distance.into_iter().take(3).map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(epochs: Option<usize>, stages: &[usize]) -> FitOptions {
        FitOptions { size: Size::Small, epochs, stages: stages.to_vec() }
    }

    fn set(pairs: &[&str]) -> Result<FitSettings, Failure> {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        options(None, &[]).settings(Architecture::Hmisr, 3, 1_000, &pairs)
    }

    #[test]
    fn options_become_settings() {
        let settings = set(&["rate=0.01", "model.hmisr.losses.contrast=0", "stages=[1,0,2]"]).unwrap();
        assert_eq!((settings.rate, settings.model.hmisr.losses.contrast), (0.01, 0.0));
        assert_eq!((settings.stages, settings.model.seed), ([1, 0, 2], 3));
        let small = |events| FitSettings::for_events(events).batch_events;
        assert!(small(100_000) < small(1_000_000));
        let of = |options: FitOptions| options.settings(Architecture::Sasrec, 1, 10, &[]).unwrap().stages;
        assert_eq!((of(options(Some(8), &[])), of(options(None, &[3, 2, 1]))), ([2, 2, 4], [3, 2, 1]));
        let recalling = options(None, &[]).settings(Architecture::Recurrence, 1, 10, &[]).unwrap().model;
        assert_eq!((recalling.max_len, recalling.dropout), (200, 0.2));
        let full = FitOptions { size: Size::Full, ..options(None, &[]) };
        assert_eq!(full.settings(Architecture::Sasrec, 1, 10, &[]).unwrap().model.max_len, 200);
    }

    #[test]
    fn every_setting_is_documented_with_its_default() {
        let json = set(&[]).unwrap().json();
        let mut paths = Vec::new();
        leaves("", &json, &mut paths);
        let value = |path: &str| json.pointer(&format!("/{}", path.replace('.', "/"))).unwrap().to_string();
        paths.retain(|path| OPTIONS.iter().all(|(taken, _)| taken != path));
        let lines: Vec<String> = paths.iter().map(|path| format!("{path} = {}", value(path))).collect();
        let documented: Vec<&str> = include_str!("../../../../docs/evaluation.md")
            .lines()
            .filter(|line| paths.iter().any(|path| line.starts_with(&format!("{path} = "))))
            .collect();
        assert_eq!(documented, lines, "docs/evaluation.md should have:\n{}", lines.join("\n"));
    }

    #[test]
    fn a_network_can_be_told_by_pairs() {
        let mut model =
            ModelSettings { width: 16, memory: 3, seed: 9, dropout: 0.5, ..ModelSettings::default() };
        model.hmisr.losses.contrast = 0.3;
        model.hmisr.exchange = false;
        let told = options(None, &[]).settings(Architecture::Hmisr, 9, 1_000, &pairs(&model)).unwrap().model;
        assert_eq!(told, ModelSettings { dropout: ModelSettings::default().dropout, ..model });
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        for (pair, expected) in [
            ("rat=1", "near are rate"),
            ("contrst=0", "model.hmisr.losses.contrast"),
            ("model.hmisr=1", "no such setting of a fit"),
            ("rate", "expected path=value"),
            ("rate=fast", "--set rate=fast: invalid type"),
            ("model.seed=2", "use --seed"),
            ("stages=[1,2]", "--set stages=[1,2]"),
        ] {
            let error = set(&[pair]).unwrap_err();
            assert!(error.to_string().contains(expected), "{pair}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(options(None, &[1, 2]).settings(Architecture::Hmisr, 1, 10, &[]).is_err());
    }
}
