//! Which models a report is about, and where each lies.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hmisr_model::Architecture;
use hmisr_model::hmisr::LossWeights;
use hmisr_offline::fit::{FitSettings, Neural, Outcome, Run};
use hmisr_offline::rank::{Markov, Popularity, Trinity, TrinitySettings};
use hmisr_offline::{Answers, Scorer, Split};
use hmisr_recommend::artifact::{Artifact, served_version};

use super::args::EvalArgs;
use crate::commands::experiment::{Built, Questions, load, train};
use crate::commands::recommend::args::Snapshot;
use crate::failure::Failure;

const COUNTING: [&str; 3] = ["popularity", "markov", "trinity"];

/// A model with a seed.
pub struct Model {
    pub name: String,
    pub seed: u64,
    /// Where its answers lie; none: they are not stored.
    pub folder: Option<PathBuf>,
    kind: Kind,
}

enum Kind {
    Counting,
    /// A version of a folder.
    Published(Box<Artifact>),
    Network {
        settings: Box<FitSettings>,
        run: PathBuf,
        /// Whether HMISR's aggregation ranks.
        aggregates: bool,
    },
}

/// The models that the arguments name, every seed of one after the other.
pub fn models(args: &EvalArgs, split: &Split, set: &[String]) -> Result<Vec<Model>, Failure> {
    let names = names(args)?;
    let root = args.runs.as_ref().map(|runs| runs.join(format!("{}-{}", split.data.name, split.protocol)));
    let folder =
        |name: &str, seed: u64| root.as_ref().map(|root| root.join(name).join(format!("seed-{seed}")));
    let mut models = Vec::new();
    let (mut networks, events) = (0, split.data.len());
    for name in &names {
        // What is not random is counted once.
        let seeds =
            if ["popularity", "markov"].contains(&&name[..]) { &args.seeds[..1] } else { &args.seeds };
        for &seed in seeds {
            let folder = folder(name, seed);
            let kind = match (Architecture::from_str(name), &folder) {
                _ if COUNTING.contains(&&name[..]) => Kind::Counting,
                (Ok(architecture), Some(run)) => Kind::Network {
                    settings: args.fit.settings(architecture, seed, events, set)?.into(),
                    run: run.clone(),
                    aggregates: true,
                },
                (Ok(_), None) => {
                    return Err(Failure::user(format!(
                        "--models {name}: a network is fitted; name a folder for that with --runs"
                    )));
                }
                (Err(_), _) => {
                    let networks = Architecture::ALL.map(Architecture::name).join(", ");
                    let known = COUNTING.join(", ");
                    return Err(Failure::user(format!(
                        "--models {name}: expected {known}, {networks} or all"
                    )));
                }
            };
            networks += usize::from(matches!(kind, Kind::Network { .. }));
            models.push(Model { name: name.clone(), seed, folder, kind });
        }
    }
    for place in &args.snapshots {
        models.push(published(place, split)?);
    }
    if networks == 0 && !set.is_empty() && !args.ablate {
        return Err(Failure::user("--set: no network is fitted here; name one with --models"));
    }
    if let (true, Some(root)) = (args.ablate, &root) {
        for &seed in &args.seeds {
            let whole = args.fit.settings(Architecture::Hmisr, seed, events, set)?;
            for ablation in ablations(&whole) {
                let place = |name: &str| root.join(name).join(format!("seed-{seed}"));
                let aggregates = ablation.settings.is_some();
                let (run, settings) = match ablation.settings {
                    Some(settings) => (place(&ablation.name), settings),
                    None => (place("hmisr"), whole.clone()),
                };
                let folder = Some(place(&ablation.name));
                let kind = Kind::Network { settings: settings.into(), run, aggregates };
                models.push(Model { name: ablation.name, seed, folder, kind });
            }
        }
    }
    Ok(models)
}

/// A version, with a word where it may have seen what it is asked about.
fn published(place: &Snapshot, split: &Split) -> Result<Model, Failure> {
    let Snapshot { folder, version } = place;
    let version = match version {
        Some(version) => Some(*version),
        None => served_version(folder)?,
    };
    let artifact = Artifact::open(folder, version)?;
    let manifest = artifact.manifest();
    let name = format!("{}@{}", manifest.model.architecture, manifest.version);
    match &manifest.fitted {
        _ if manifest.topic.is_some() => tracing::warn!(
            "{name} learnt from {} examples of a stream, which may hold the events that it is asked for: its figures are \
             no measure of foresight where they do",
            manifest.examples
        ),
        Some(fitted) if fitted.split != split.fingerprint() => tracing::warn!(
            "{name} was fitted to {} by {}, cut otherwise than here: it may have seen the events that it is asked for",
            fitted.data,
            fitted.protocol
        ),
        _ => {}
    }
    let seed = manifest.model.seed;
    Ok(Model { name, seed, folder: None, kind: Kind::Published(artifact.into()) })
}

/// A version, ready to be asked.
fn ask<'a>(artifact: &Artifact, split: &'a Split) -> Result<Built<'a>, Failure> {
    let neural = Neural::published(artifact, split)?;
    let known = neural.known_items();
    if known < 1.0 {
        let name = neural.name();
        tracing::warn!("{name} knows {:.1} % of the items; it never recommends the others", 100.0 * known);
    }
    Ok(Built { fit_seconds: 0.0, parameters: Some(neural.parameters()), scorer: Box::new(neural) })
}

fn names(args: &EvalArgs) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = Vec::new();
    let all = || COUNTING.into_iter().chain(Architecture::ALL.map(Architecture::name)).map(str::to_owned);
    if args.models.is_empty() && args.answers.is_empty() {
        names.extend(COUNTING.map(str::to_owned));
    }
    for name in &args.models {
        if name == "all" { names.extend(all()) } else { names.push(name.clone()) }
    }
    if args.ablate {
        names.push("hmisr".to_owned());
    }
    let mut once = Vec::new();
    names.into_iter().for_each(|name| {
        if !once.contains(&name) {
            once.push(name)
        }
    });
    if args.seeds.is_empty() {
        return Err(Failure::user("--seeds: expected one or more, such as 1,2,3"));
    }
    Ok(once)
}

/// HMISR without one of its parts.
struct Ablation {
    name: String,
    /// None: the whole model's weights, asked otherwise.
    settings: Option<FitSettings>,
}

/// What ablations' names begin with.
pub const WITHOUT: &str = "hmisr-without-";

/// Each part and each loss switched off in turn, where it is on.
fn ablations(whole: &FitSettings) -> Vec<Ablation> {
    let changed = |name: &str, change: &dyn Fn(&mut FitSettings)| {
        let mut settings = whole.clone();
        change(&mut settings);
        let differs = settings != *whole;
        differs.then(|| Ablation { name: format!("{WITHOUT}{name}"), settings: Some(settings) })
    };
    let loss = |name: &str, weight: fn(&mut LossWeights) -> &mut f32| {
        changed(name, &|settings| *weight(&mut settings.model.hmisr.losses) = 0.0)
    };
    let parts = [
        changed("memory", &|settings| settings.model.memory = 0),
        changed("intents", &|settings| settings.model.hmisr.intent = false),
        changed("exchange", &|settings| settings.model.hmisr.exchange = false),
        changed("stages", &|settings| settings.stages = [0, 0, settings.epochs()]),
        Some(Ablation { name: format!("{WITHOUT}aggregation"), settings: None }),
        loss("reconstruction", |losses| &mut losses.reconstruction),
        loss("orthogonality", |losses| &mut losses.soft_orthogonality),
        loss("balance", |losses| &mut losses.balance),
        loss("contrast", |losses| &mut losses.contrast),
        loss("consistency", |losses| &mut losses.consistency),
        loss("stability", |losses| &mut losses.stability),
        loss("diversity", |losses| &mut losses.diversity),
        loss("ranking", |losses| &mut losses.ranking),
    ];
    parts.into_iter().flatten().collect()
}

impl Model {
    /// Fits it where it is not fitted, and asks what is not answered. None where it was asked to stop.
    pub fn answers(
        &self,
        args: &EvalArgs,
        split: &Split,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Answers>>, Failure> {
        let Self { name, seed, folder, kind } = self;
        let questions =
            Questions { split, name, seed: *seed, folder: folder.as_deref(), options: &args.cases, stop };
        match kind {
            Kind::Counting => questions.answers(|| Ok(count(name, *seed, split))),
            Kind::Published(artifact) => questions.answers(|| ask(artifact, split)),
            Kind::Network { settings, run, aggregates } => {
                let run = Run::open(run, settings, split)?;
                match train(&run, split, name, stop, None)? {
                    Outcome::Stopped => Ok(None),
                    Outcome::Done => questions.answers(|| load(&run, split, *aggregates)),
                }
            }
        }
    }

    /// The folder of its fit, where it was fitted.
    pub fn run(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Network { run, aggregates: true, .. } => Some(run),
            _ => None,
        }
    }
}

/// Fits a model that counts.
fn count<'a>(name: &str, seed: u64, split: &'a Split) -> Built<'a> {
    let begun = Instant::now();
    let scorer: Box<dyn Scorer> = match name {
        "popularity" => Box::new(Popularity::fit(split)),
        "markov" => Box::new(Markov::fit(split)),
        _ => Box::new(Trinity::fit(split, TrinitySettings { seed, ..Default::default() })),
    };
    Built { scorer, fit_seconds: begun.elapsed().as_secs_f64(), parameters: None }
}
