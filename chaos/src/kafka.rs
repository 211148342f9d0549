//! A job over Kafka: real `hmisr pipeline` processes in one group, fed and read from here.

mod starts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hmisr_features::FeatureSettings;
use hmisr_pipeline::PipelineSettings;
use hmisr_state::StateSettings;
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{
    Admin, GroupProtocol, KafkaProducer, KafkaSettings, KafkaSource, read_committed, standard_topics,
};
use hmisr_stream::{Limits, Polled, Record, Source};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::args::{Membership, RunArgs};
use crate::broker::{Broker, Group};
use crate::events::event;
use crate::failure::{Failure, Result};
use crate::job::{Job, Killed, Moment, lose_disk};
use crate::outputs::Order;
use crate::process::Process;
use crate::settings::{self, PARTITIONS};

pub use starts::starts;

/// The longest life of an instance that has caught up is half of this.
const LIFE: Duration = Duration::from_secs(4);
/// How long the group may take for what it does within one session's timeout.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often events are fed, outputs read and instances looked at.
const TICK: Duration = Duration::from_millis(10);
/// Of two instances both are killed at once this often.
const BOTH_EVERY: u32 = 8;
/// Of two instances one is frozen before it is killed this often: its session and its transaction
/// time out, its peer takes its partitions, and it goes on as if nothing had been.
const FREEZES_EVERY: u32 = 16;
/// How long it is frozen, beyond both timeouts, and how long it then has.
const FROZEN: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(2));
/// One start of so many comes with another member id, as on another machine: the group then waits
/// for the old member's session to end.
const MOVES_EVERY: u32 = 12;

/// Instances over a Kafka.
pub struct Kafka {
    data: PathBuf,
    program: PathBuf,
    seed: u64,
    membership: Membership,
    settings: KafkaSettings,
    instances: Vec<Instance>,
    feed: Feed,
    reader: Reader,
    group: Group,
    _broker: Option<Broker>,
}

/// A `hmisr pipeline` process that is started again and again.
struct Instance {
    number: u8,
    process: Option<Process>,
    address: Option<String>,
    ready: Option<Duration>,
    /// Changes where it comes back as another member.
    member: u64,
}

/// The settings file of an instance.
#[derive(Serialize)]
struct File {
    features: FeatureSettings,
    pipeline: PipelineSettings,
    state: StateSettings,
    kafka: KafkaSettings,
}

impl Kafka {
    /// Connects, makes the topics, and begins where the events in them end.
    pub fn start(args: &RunArgs, data: &Path) -> Result<Self> {
        let program = match &args.hmisr {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("hmisr"),
        };
        if !program.exists() {
            return Err(Failure::user(format!(
                "{}: there is no such program; `make build` makes it, --hmisr names another place",
                program.display()
            )));
        }
        let broker = args.kafka.then(|| Broker::start(&data.join("kafka"))).transpose()?;
        let brokers = broker.as_ref().map(|broker| broker.address.clone()).or_else(|| args.brokers.clone());
        let settings = KafkaSettings {
            session_timeout_ms: 6_000,
            transaction_timeout_ms: 5_000,
            ..KafkaSettings::new(brokers.unwrap_or_default())
        };
        settings.validate().map_err(|error| Failure::user(error.to_string()))?;
        Admin::new(&settings)?.create_topics(&standard_topics(PARTITIONS))?;
        let group = Group::new(&settings.brokers, &settings::pipeline().group)?;
        let fed: i64 = group.ends()?.iter().sum();
        if fed > 0 && !args.resume {
            return Err(Failure::user(format!(
                "the topic events at {} holds {fed} records: a run begins with topics of its own",
                settings.brokers
            )));
        }
        let instances = (0..args.instances).map(|number| Instance {
            number,
            process: None,
            address: None,
            ready: None,
            member: 0,
        });
        Ok(Self {
            data: data.to_owned(),
            program,
            seed: args.seed,
            membership: args.membership,
            instances: instances.collect(),
            feed: Feed {
                producer: KafkaProducer::new(&settings)?,
                next: fed.unsigned_abs(),
                rate: args.rate(),
                last: None,
            },
            reader: Reader::new(&settings)?,
            group,
            settings,
            _broker: broker,
        })
    }

    /// Starts the instances that do not run.
    fn start_instances(&mut self) -> Result<()> {
        for instance in self.instances.iter_mut().filter(|instance| instance.process.is_none()) {
            let Instance { number, member, .. } = instance;
            let file = File {
                features: settings::features(),
                pipeline: PipelineSettings {
                    transactional_id: format!("chaos-{number}"),
                    ..settings::pipeline()
                },
                state: settings::state_with_checkpoints(&self.data)?,
                kafka: KafkaSettings {
                    group_instance_id: (self.membership == Membership::Static)
                        .then(|| format!("chaos-{number}-{member}")),
                    group_protocol: match self.membership {
                        Membership::Static | Membership::Dynamic => GroupProtocol::Classic,
                        Membership::Consumer => GroupProtocol::Consumer,
                    },
                    ..self.settings.clone()
                },
            };
            let path = self.data.join(format!("instance-{number}.toml"));
            let text = toml::to_string(&file).map_err(|error| Failure::fault(error.to_string()))?;
            std::fs::write(&path, text)?;
            let mut command = Command::new(&self.program);
            command.args(["pipeline", "--listen", "127.0.0.1:0", "--config"]).arg(path);
            command.arg("--state").arg(self.data.join(format!("state-{number}")));
            let log = self.data.join(format!("instance-{number}.log"));
            instance.process = Some(Process::start(&mut command, &log)?);
            (instance.address, instance.ready) = (None, None);
        }
        Ok(())
    }

    /// One look at everything.
    fn tick(&mut self, feeding: bool) -> Result<()> {
        if feeding {
            self.feed.tick(self.seed)?;
        }
        self.reader.tick()?;
        self.instances.iter_mut().try_for_each(Instance::look)
    }

    /// Stops an instance for so long that the others think it dead, then lets it go on.
    fn freeze(&mut self, number: usize) -> Result<()> {
        let Some(mut process) = self.instances[number].process.take() else { return Ok(()) };
        process.signal("STOP")?;
        self.pass(FROZEN.0)?;
        process.signal("CONT")?;
        self.pass(FROZEN.1)?;
        // Told that another has its place, it may end; it must not ask for a change.
        let ended = process.exit_code();
        if !matches!(ended, None | Some(1)) {
            return process.finish(Duration::ZERO);
        }
        self.instances[number].process = Some(process);
        Ok(())
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.tick(true)?;
            std::thread::sleep(TICK);
        }
        Ok(())
    }
}

impl Instance {
    /// Reads what it says; asks whether it has caught up.
    fn look(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        while let Some(line) = process.line(Duration::ZERO)? {
            let address = line.split("http://").nth(1);
            self.address =
                self.address.take().or_else(|| address.map(|rest| rest.trim_end_matches('/').to_owned()));
        }
        if let (None, Some(address)) = (self.ready, &self.address) {
            let answer = ureq::get(format!("http://{address}/readyz"))
                .config()
                .timeout_global(Some(Duration::from_secs(1)))
                .build()
                .call();
            if answer.is_ok() {
                self.ready = Some(process.began.elapsed());
            }
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }
}

impl Job for Kafka {
    fn kill(&mut self, rng: &mut ChaCha8Rng) -> Result<Killed> {
        let (count, moment) = (self.instances.len(), Moment::draw(rng, LIFE));
        let victim = rng.random_range(0..count);
        let both = count > 1 && rng.random_ratio(1, BOTH_EVERY);
        let freezes = count > 1 && rng.random_ratio(1, FREEZES_EVERY);
        let moves = rng.random_ratio(1, MOVES_EVERY);
        self.start_instances()?;
        let began = Instant::now();
        let mut since_ready = None;
        loop {
            self.tick(true)?;
            let is_ready = self.instances[victim].ready.is_some();
            let since: &Instant = match moment {
                Moment::AfterStart(_) => &began,
                Moment::AfterReady(_) if is_ready => since_ready.get_or_insert_with(Instant::now),
                Moment::AfterReady(_) if began.elapsed() > PATIENCE => {
                    let text = format!("instance {victim} has not caught up within {} s", PATIENCE.as_secs());
                    return Err(Failure::fault(text));
                }
                Moment::AfterReady(_) => {
                    std::thread::sleep(TICK);
                    continue;
                }
            };
            let (Moment::AfterStart(time) | Moment::AfterReady(time)) = moment;
            let left = time.saturating_sub(since.elapsed());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(TICK));
        }
        if freezes {
            self.freeze(victim)?;
        }
        let ready = self.instances[victim].ready;
        for (number, instance) in self.instances.iter_mut().enumerate() {
            if both || number == victim {
                instance.kill()?;
            }
        }
        let lost_disk = lose_disk(rng, &self.data.join(format!("state-{victim}")))?;
        if moves {
            self.instances[victim].member += 1;
        }
        self.start_instances()?;
        Ok(Killed { ready, point: None, lost_disk })
    }

    fn drain(&mut self) -> Result<()> {
        self.start_instances()?;
        self.feed.pause()?;
        let deadline = Instant::now() + PATIENCE;
        let ends = self.group.ends()?;
        loop {
            let committed = self.group.committed()?;
            if committed.as_ref() == Some(&ends) {
                break;
            }
            if Instant::now() >= deadline {
                return Err(Failure::fault(format!(
                    "events end at {ends:?}, but after {} s the group has committed {committed:?}",
                    PATIENCE.as_secs()
                )));
            }
            self.tick(false)?;
            std::thread::sleep(TICK);
        }
        let stopping: Vec<Process> =
            self.instances.iter_mut().filter_map(|instance| instance.process.take()).collect();
        stopping.iter().try_for_each(|process| process.signal("TERM"))?;
        stopping.into_iter().try_for_each(|process| process.finish(PATIENCE))
    }

    fn records(&mut self, topic: &str, from: &BTreeMap<i32, i64>) -> Result<Vec<Record>> {
        let mut records = read_committed(&self.settings, topic, PATIENCE)?;
        records.retain(|record| from.get(&record.partition).is_none_or(|from| record.offset >= *from));
        Ok(records)
    }

    fn stores(&self) -> Vec<PathBuf> {
        self.instances.iter().map(|instance| self.data.join(format!("state-{}", instance.number))).collect()
    }
}

/// Writes events at a rate.
struct Feed {
    producer: KafkaProducer,
    next: u64,
    rate: f64,
    last: Option<Instant>,
}

impl Feed {
    /// Writes what is due since the last time.
    fn tick(&mut self, seed: u64) -> Result<()> {
        let last = *self.last.get_or_insert_with(Instant::now);
        let due = (last.elapsed().as_secs_f64() * self.rate) as u64;
        if due == 0 {
            return Ok(());
        }
        // After a pause no more than a second's events at once.
        for _ in 0..due.min(self.rate as u64) {
            self.producer.produce(&event(seed, self.next))?;
            self.next += 1;
        }
        self.last = Some(Instant::now());
        Ok(())
    }

    /// Everything written is in the log; nothing is due while paused.
    fn pause(&mut self) -> Result<()> {
        self.last = None;
        Ok(self.producer.flush()?)
    }
}

/// Reads the features as they are committed: each event's once, in their order.
struct Reader {
    source: KafkaSource,
    positions: BTreeMap<i32, i64>,
    order: Order,
}

impl Reader {
    fn new(settings: &KafkaSettings) -> Result<Self> {
        let settings = KafkaSettings { group_id: "chaos-reader".to_owned(), ..settings.clone() };
        let source = KafkaSource::new(&settings, topic::USER_FEATURES)?;
        Ok(Self { source, positions: BTreeMap::new(), order: Order::default() })
    }

    fn tick(&mut self) -> Result<()> {
        match self.source.poll(Limits { records: 1_000, bytes: 1 << 20 }, Duration::ZERO)? {
            Polled::Assigned(partitions) => {
                for partition in partitions {
                    let position = self.positions.get(&partition).copied().unwrap_or(0);
                    self.source.seek(partition, position)?;
                }
            }
            Polled::Revoked(_) => {}
            Polled::Records(records) => {
                for record in &records {
                    self.order.see(topic::USER_FEATURES, record).map_err(Failure::fault)?;
                    self.positions.insert(record.partition, record.offset + 1);
                }
            }
        }
        Ok(())
    }
}
