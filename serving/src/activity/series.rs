//! Which metrics are sampled, and how they are read.

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// A metric's value under a name of its own: summed over the label values that are asked for; of a
/// histogram the count.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) metric: &'static str,
    /// A metric that is added to it.
    pub(super) and: Option<&'static str>,
    /// All of these labels have one of these values.
    labels: &'static [(&'static str, &'static [&'static str])],
    /// Whether it says nothing before the trainer's first step in this process.
    learnt: bool,
}

/// A sample: by place in [`SERIES`], none where the process has no such metric, NaN where it says
/// nothing yet.
pub(super) type Values = [Option<f64>; SERIES.len()];

/// Requests of people and programs: health checks, scrapes and this page's own polling are not.
const ASKED: (&str, &[&str]) = ("endpoint", &["recommend", "user", "model"]);
const MODEL: (&str, &[&str]) = ("ranker", &["model"]);
const POPULARITY: (&str, &[&str]) = ("ranker", &["popularity"]);

/// What is sampled.
pub(super) const SERIES: [Series; 23] = [
    of("fed", "hmisr_feed_events_total", &[]),
    of("events", "hmisr_pipeline_events_total", &[]),
    of("features", "hmisr_pipeline_features_total", &[]),
    of("examples", "hmisr_pipeline_examples_total", &[]),
    of("dead_letters", "hmisr_pipeline_dead_letters_total", &[]),
    of("lag", "hmisr_pipeline_lag_records", &[]),
    of("steps", STEPS, &[]),
    Series {
        and: Some("hmisr_trainer_repeated_examples_total"),
        ..of("learnt", "hmisr_trainer_examples_total", &[])
    },
    learnt("training_lag", "hmisr_trainer_lag_records", &[]),
    of("lesson_pass", "hmisr_trainer_lesson_pass", &[]),
    of("lesson_passes", "hmisr_trainer_lesson_passes", &[]),
    of("lesson_share", "hmisr_trainer_lesson_ratio", &[]),
    learnt("loss", "hmisr_trainer_loss_nats", &[]),
    learnt("hr10", "hmisr_trainer_hr10_ratio", &[MODEL]),
    learnt("hr10_popularity", "hmisr_trainer_hr10_ratio", &[POPULARITY]),
    learnt("ndcg10", "hmisr_trainer_ndcg10_ratio", &[MODEL]),
    learnt("ndcg10_popularity", "hmisr_trainer_ndcg10_ratio", &[POPULARITY]),
    learnt("items", "hmisr_trainer_catalogue_items", &[]),
    of("requests", "hmisr_serving_request_seconds", &[ASKED]),
    of("failed_requests", "hmisr_serving_request_seconds", &[ASKED, ("status", &["5xx"])]),
    of("recommendations", "hmisr_serving_recommendations_total", &[]),
    of("lookups", "hmisr_serving_lookup_seconds", &[]),
    of("swaps", "hmisr_serving_swaps_total", &[]),
];

const STEPS: &str = "hmisr_trainer_steps_total";

const fn of(
    name: &'static str,
    metric: &'static str,
    labels: &'static [(&'static str, &'static [&'static str])],
) -> Series {
    Series { name, metric, and: None, labels, learnt: false }
}

const fn learnt(
    name: &'static str,
    metric: &'static str,
    labels: &'static [(&'static str, &'static [&'static str])],
) -> Series {
    Series { name, metric, and: None, labels, learnt: true }
}

/// Reads every series.
pub(super) fn read(families: &[MetricFamily]) -> Values {
    let family = |name: &str| families.iter().find(|family| family.name() == name);
    let has_learnt = family(STEPS).is_some_and(|steps| sum(steps, &[]) > 0.0);
    std::array::from_fn(|at| {
        let Series { metric, and, labels, learnt, .. } = &SERIES[at];
        let more = and.and_then(family).map_or(0.0, |family| sum(family, labels));
        let value = family(metric).map(|family| sum(family, labels))? + more;
        let rounded = (value * 1e6).round() / 1e6;
        Some(if *learnt && !has_learnt { f64::NAN } else { rounded })
    })
}

fn sum(family: &MetricFamily, labels: &[(&str, &[&str])]) -> f64 {
    let asked = |metric: &&Metric| {
        labels.iter().all(|(name, values)| {
            metric.get_label().iter().any(|label| label.name() == *name && values.contains(&label.value()))
        })
    };
    let value = |metric: &Metric| match family.get_field_type() {
        MetricType::COUNTER => metric.get_counter().get_value(),
        MetricType::GAUGE => metric.get_gauge().get_value(),
        MetricType::HISTOGRAM => metric.get_histogram().get_sample_count() as f64,
        _ => f64::NAN,
    };
    family.get_metric().iter().filter(asked).map(value).sum()
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounter, Registry};

    use super::*;
    use crate::metrics::Endpoint;

    #[test]
    fn series_are_read_and_what_the_process_has_not_is_none() {
        let registry = Registry::new();
        let metrics = crate::Metrics::new(&registry).unwrap();
        metrics.answered(Endpoint::of("/v1/model"), 200, 0.1);
        metrics.answered(Endpoint::of("/v1/recommend"), 503, 0.1);
        metrics.answered(Endpoint::of("/healthz"), 200, 0.1);
        let steps = IntCounter::new(STEPS, "steps").unwrap();
        let loss = prometheus::Gauge::new("hmisr_trainer_loss_nats", "loss").unwrap();
        registry.register(Box::new(steps.clone())).unwrap();
        registry.register(Box::new(loss.clone())).unwrap();
        loss.set(2.5);
        let value = |name: &str| {
            let at = SERIES.iter().position(|series| series.name == name).unwrap();
            read(&registry.gather())[at]
        };
        assert_eq!(
            (value("requests"), value("failed_requests"), value("events")),
            (Some(2.0), Some(1.0), None)
        );
        assert!(value("loss").unwrap().is_nan(), "no step was taken");
        steps.inc();
        assert_eq!((value("loss"), value("steps")), (Some(2.5), Some(1.0)));
    }
}
