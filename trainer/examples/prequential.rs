//! Feeds MovieLens through the trainer alone, in global time order, and prints the prequential
//! curve beside running popularity, the speed, and where the time went.
//!
//! `cargo run --release -p hmisr-trainer --example prequential -- [examples] [field=value ...]`
//! with settings such as `batch_examples=1024` or `learning.table_rate=0.004`. The environment
//! variable `HMISR_DATA_DIR` names the folder that holds the data set's own, `ml-1m`.
//!
//! MovieLens-1M, 994,169 examples, default settings, on two cores at a load of 5: 247 s, 4,020
//! examples/s (8,000/s over the first 100,000 with one core to itself); HR@10 .261 over all and
//! .204 over the last tenth, NDCG@10 .109; running popularity .045 and .042. 2.8 tokens are encoded
//! per example, 9 % of them padding. HR@10 over the first 200,000: .191, .187 and .176 with batches
//! of 256, 512 and 1,024; .177 and .187 with table rates of .005 and .01; .188 with an encoder rate
//! of .003.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use hmisr_stream::contract::{FeatureVector, Id, TrainingExample, WireId};
use hmisr_trainer::{Settings, StepTimes, Trainer, backend};

/// One rating: user, item, its first genre, epoch milliseconds.
type Rating = (u32, u32, WireId, i64);

fn main() -> Result<(), Box<dyn Error>> {
    let mut limit = usize::MAX;
    let mut settings = serde_json::to_value(Settings::default())?;
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            None => limit = argument.parse()?,
            Some((field, value)) => {
                let pointer = format!("/{}", field.replace('.', "/"));
                let slot = settings.pointer_mut(&pointer).ok_or_else(|| format!("no setting `{field}`"))?;
                *slot = serde_json::from_str(value)?;
            }
        }
    }
    let settings: Settings = serde_json::from_value(settings)?;
    let folder = std::env::var("HMISR_DATA_DIR")
        .map_err(|_| "set HMISR_DATA_DIR to the folder that holds the data set's own, ml-1m")?;
    let ratings = ratings(&Path::new(&folder).join("ml-1m"))?;
    let (batch_examples, max_len) = (settings.batch_examples, settings.model.max_len);
    let mut trainer = Trainer::new(settings, backend::device()?)?;
    let mut lives: HashMap<u32, Vec<(WireId, WireId, i64)>> = HashMap::new();
    let (mut batch, mut done, mut times) = (Vec::new(), 0usize, StepTimes::default());
    let (mut learning, mut passes, mut tokens, mut padding) = (0.0, 0, 0, 0);
    for (user, item, category, ts) in ratings {
        let life = lives.entry(user).or_default();
        let item = WireId::from(&Id::from(item));
        if !life.is_empty() {
            batch.push(example(user, &item, &category, ts, life, max_len));
        }
        life.push((item, category, ts));
        if batch.len() >= batch_examples {
            let begun = Instant::now();
            let report = trainer.learn(&batch)?;
            learning += begun.elapsed().as_secs_f64();
            times.add(&report.times);
            passes += report.passes;
            tokens += report.tokens;
            padding += report.padding;
            done += batch.len();
            batch.clear();
            let rolling = trainer.rolling();
            if done / 50_000 != (done - report.examples) / 50_000 {
                println!(
                    "{done:>8} examples  {:>6.0}/s  loss {:.3}  norm {:.3}  HR@10 {:.4} (popularity {:.4})  NDCG@10 {:.4}",
                    done as f64 / learning,
                    report.loss,
                    report.gradient_norm,
                    rolling.model_hr,
                    rolling.popularity_hr,
                    rolling.model_ndcg,
                );
            }
            if done >= limit {
                break;
            }
        }
    }
    let overall = trainer.prequential().overall();
    let last = trainer.prequential().last(0.1);
    println!("{done} examples in {learning:.1} s: {:.0}/s", done as f64 / learning);
    println!(
        "{passes} passes, {:.2} tokens per example, {:.1} % padding",
        tokens as f64 / done as f64,
        100.0 * padding as f64 / (tokens + padding) as f64
    );
    println!("{times:.1?}");
    println!(
        "overall HR@10 {:.4}, popularity {:.4}, unknown {:.4}",
        overall.model_hr, overall.popularity_hr, overall.unknown
    );
    println!(
        "last tenth HR@10 {:.4} NDCG@10 {:.4}, popularity {:.4}: {:.2} times",
        last.model_hr,
        last.model_ndcg,
        last.popularity_hr,
        last.model_hr / last.popularity_hr
    );
    Ok(())
}

fn example(
    user: u32,
    item: &WireId,
    category: &WireId,
    ts: i64,
    life: &[(WireId, WireId, i64)],
    max_len: usize,
) -> TrainingExample {
    let history = &life[life.len().saturating_sub(max_len)..];
    let next = history.iter().skip(1).map(|visit| visit.2).chain([ts]);
    TrainingExample {
        user: WireId::from(&Id::from(user)),
        item: item.clone(),
        category: category.clone(),
        label: 1.0,
        weight: 1.0,
        ts,
        history_items: history.iter().map(|visit| visit.0.clone()).collect(),
        history_categories: history.iter().map(|visit| visit.1.clone()).collect(),
        history_ts_deltas: history.iter().zip(next).map(|(visit, next)| visit.2 - next).collect(),
        features: FeatureVector { events: life.len() as u64, ..FeatureVector::default() },
    }
}

/// All ratings, stably sorted by time.
fn ratings(folder: &Path) -> Result<Vec<Rating>, Box<dyn Error>> {
    let read = |name: &str| {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, Box<dyn Error>>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut genres = HashMap::new();
    for line in read("movies.dat")?.lines() {
        let mut fields = line.split("::");
        if let (Some(id), Some(_), Some(all)) = (fields.next(), fields.next(), fields.next()) {
            let first = all.split('|').next().filter(|genre| !genre.is_empty()).unwrap_or("none");
            genres.insert(id.parse::<u32>()?, WireId::from(&Id::text(first)?));
        }
    }
    let none = WireId::from(&Id::text("none")?);
    let mut ratings = Vec::new();
    for line in read("ratings.dat")?.lines() {
        let fields = line.split("::").map(str::parse::<i64>).collect::<Result<Vec<_>, _>>()?;
        if let [user, item, _, seconds] = fields[..] {
            let (user, item) = (u32::try_from(user)?, u32::try_from(item)?);
            let category = genres.get(&item).unwrap_or(&none).clone();
            ratings.push((user, item, category, seconds * 1_000));
        }
    }
    ratings.sort_by_key(|rating| rating.3);
    Ok(ratings)
}
