//! One file a command.

pub mod arroyo;
pub mod backfill;
pub mod bridge;
pub mod config;
pub mod dlq;
pub mod eval;
pub mod experiment;
pub mod feed;
pub mod fit;
pub mod forget;
pub mod history;
pub mod model;
pub mod monitoring;
pub mod owners;
pub mod pipeline;
pub mod probe;
pub mod recommend;
pub mod serve;
pub mod state;
pub mod topics;
pub mod train;

use std::sync::Arc;

use hmisr_pipeline::{DirectoryError, StateDirectory};
use hmisr_serving::{LookedIn, LookupError, UserLookup};
use hmisr_stream::contract::{Id, UserView};

/// The look-up of a process that owns the state itself.
pub struct OwnState(pub StateDirectory);

impl OwnState {
    /// The same, to be shared.
    pub fn shared(directory: StateDirectory) -> Arc<Self> {
        Arc::new(Self(directory))
    }
}

impl UserLookup for OwnState {
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError> {
        self.0.user(id).map_err(|error| {
            let text = error.to_string();
            match error {
                DirectoryError::Store(_) => LookupError::new(text),
                DirectoryError::Unassigned => LookupError::not_owned(text),
                DirectoryError::NotHere { looked_in, partitions } => {
                    LookupError::not_owned(text).having_looked_in(LookedIn { looked_in, partitions })
                }
            }
        })
    }

    fn ready(&self) -> Result<(), LookupError> {
        if self.0.is_empty() {
            return Err(LookupError::new("no partition is assigned yet"));
        }
        Ok(())
    }

    fn active(&self, most: usize) -> Result<Vec<Id>, LookupError> {
        self.0.active(most).map_err(|error| LookupError::new(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus::proto::MetricType;

    /// Names and types of the tables in `docs/metrics.md`.
    fn documented() -> BTreeMap<&'static str, &'static str> {
        let rows = include_str!("../../../docs/metrics.md").lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| {
            let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            (cells.next().unwrap(), cells.next().unwrap())
        })
        .collect()
    }

    // Dashboards and alert rules are checked against that page, by hmisr-deploy.
    #[test]
    fn every_metric_is_documented_with_its_type_and_nothing_else() {
        let registry = prometheus::Registry::new();
        hmisr_feed::FeedMetrics::new(&registry).unwrap();
        hmisr_feed::BridgeMetrics::new(&registry).unwrap();
        hmisr_pipeline::PipelineMetrics::new(&registry).unwrap();
        hmisr_state::StateMetrics::new(&registry).unwrap();
        hmisr_trainer::Metrics::new(&registry).unwrap();
        hmisr_serving::Metrics::new(&registry).unwrap();
        let families = registry.gather();
        let registered: BTreeMap<&str, &str> = families
            .iter()
            .map(|family| {
                let kind = match family.get_field_type() {
                    MetricType::COUNTER => "counter",
                    MetricType::GAUGE => "gauge",
                    MetricType::HISTOGRAM => "histogram",
                    _ => "another type",
                };
                (family.name(), kind)
            })
            .collect();
        assert_eq!(documented(), registered);
        for sampled in hmisr_serving::Activity::metrics() {
            assert!(registered.contains_key(sampled), "the page shows {sampled}, which no part has");
        }
    }
}
