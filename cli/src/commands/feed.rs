//! `hmisr feed`: events of a file or of the generator, into `events` on Kafka.

use hmisr_feed::{FeedIdentity, FeedMetrics, Feeder};

use super::serve::registry;
use super::topics::at;
use crate::args::FeedArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::transport::{Kafka, Transport};

pub fn run(config: Config, args: FeedArgs) -> Result<(), Failure> {
    let mut settings = config.feed;
    args.feed.apply(&mut settings, args.feed.generate.is_some());
    let mut source = settings.open_source()?;
    std::fs::create_dir_all(&args.data)
        .map_err(|error| Failure::user(format!("--data {}: {error}", args.data.display())))?;
    let mut feeder = Feeder::new(&settings, FeedMetrics::new(&registry()?)?)?
        .with_partitioner(config.topics.partitioner)
        .with_truth_file(args.data.join("ground-truth.json"));
    let stop = crate::stop::on_signal()?;
    let mut writer = Kafka(at(config.kafka, args.brokers)).writer()?;
    let ends = writer.ends()?;
    FeedIdentity::of(source.as_ref(), ends.len() as i32)
        .with_partitioner(config.topics.partitioner)
        .claim(&args.data.join("feed.json"), &ends)?;
    let fed = feeder.run(source.as_mut(), writer.as_mut(), &mut || u64::MAX, &stop)?;
    println!("{} events were written, {} were there before", fed.fed, fed.skipped);
    Ok(())
}
