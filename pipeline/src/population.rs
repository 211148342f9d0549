//! How diverse the users are, as distributions: what a business view shows.

use hmisr_stream::Registrar;
use hmisr_stream::contract::FeatureRecord;
use prometheus::local::LocalHistogram;
use prometheus::{Histogram, Registry};

/// Histograms of the `window` block and of `recent_diversity`, an observation per feature record: a user
/// counts as often as there are records of theirs.
#[derive(Clone)]
pub(crate) struct PopulationMetrics {
    entropy: Histogram,
    evenness: Histogram,
    switch_rate: Histogram,
    tail_ratio: Histogram,
    recent_diversity: Histogram,
}

impl PopulationMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        // Entropy reaches ln k over k categories: 4 nats are 54 of equal share. A bound at 0 tells
        // users of one category, or without any long-tail item, from those of few.
        let nats = || (0..=16).map(|step| f64::from(step) / 4.0).collect::<Vec<_>>();
        let shares = || (0..=10).map(|step| f64::from(step) / 10.0).collect::<Vec<_>>();
        Ok(Self {
            entropy: new.histogram(
                "hmisr_pipeline_user_entropy_nats",
                "Entropy of the categories in the user's window, a feature record each.",
                nats(),
            )?,
            evenness: new.histogram(
                "hmisr_pipeline_user_evenness_ratio",
                "Evenness of the categories in the user's window, a feature record each.",
                shares(),
            )?,
            switch_rate: new.histogram(
                "hmisr_pipeline_user_switch_ratio",
                "Share of neighbours in the user's window that differ in category, a feature record each.",
                shares(),
            )?,
            tail_ratio: new.histogram(
                "hmisr_pipeline_user_tail_ratio",
                "Share of long-tail items in the user's window, a feature record each.",
                shares(),
            )?,
            recent_diversity: new.histogram(
                "hmisr_pipeline_user_recent_diversity_ratio",
                "Distinct categories among the user's newest events, as a share, a feature record each.",
                shares(),
            )?,
        })
    }
}

/// Observations since the last commit: they count only when their records do.
pub(crate) struct Population {
    entropy: LocalHistogram,
    evenness: LocalHistogram,
    switch_rate: LocalHistogram,
    tail_ratio: LocalHistogram,
    recent_diversity: LocalHistogram,
}

impl Population {
    pub(crate) fn new(metrics: &PopulationMetrics) -> Self {
        Self {
            entropy: metrics.entropy.local(),
            evenness: metrics.evenness.local(),
            switch_rate: metrics.switch_rate.local(),
            tail_ratio: metrics.tail_ratio.local(),
            recent_diversity: metrics.recent_diversity.local(),
        }
    }

    pub(crate) fn observe(&self, features: &FeatureRecord) {
        // The running sum behind the entropy may end a rounding error beside 0.
        let entropy = if features.window.entropy < 1e-9 { 0.0 } else { features.window.entropy };
        self.entropy.observe(entropy);
        self.evenness.observe(if entropy == 0.0 { 0.0 } else { features.window.evenness });
        self.switch_rate.observe(features.window.switch_rate);
        self.tail_ratio.observe(features.window.tail_ratio);
        self.recent_diversity.observe(features.recent_diversity);
    }

    /// Makes the observations count.
    pub(crate) fn commit(&self) {
        self.all().into_iter().for_each(LocalHistogram::flush);
    }

    /// Forgets the observations.
    pub(crate) fn discard(&self) {
        self.all().into_iter().for_each(LocalHistogram::clear);
    }

    fn all(&self) -> [&LocalHistogram; 5] {
        [&self.entropy, &self.evenness, &self.switch_rate, &self.tail_ratio, &self.recent_diversity]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use hmisr_features::{Diversity, Id};

    use super::*;

    fn record(entropy: f64, tail_ratio: f64) -> FeatureRecord {
        let window = Diversity { events: 4, entropy, evenness: entropy, switch_rate: 0.25, tail_ratio };
        FeatureRecord {
            user_id: Id::from(1),
            item_id: Id::from(2),
            category: Id::from(3),
            tail: false,
            ts: 0,
            partition: 0,
            offset: 0,
            lifetime: window,
            window,
            recent_diversity: 1.0,
        }
    }

    #[test]
    fn what_is_aborted_is_not_counted() {
        let registry = Registry::new();
        let metrics = PopulationMetrics::new(&registry).unwrap();
        let population = Population::new(&metrics);
        population.observe(&record(0.4, 0.5));
        population.discard();
        population.commit();
        assert_eq!(metrics.entropy.get_sample_count(), 0);
        population.observe(&record(0.6, 0.0));
        population.observe(&record(-1e-17, 0.5));
        assert_eq!(metrics.tail_ratio.get_sample_count(), 0);
        population.commit();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "hmisr_pipeline_user_entropy_nats_bucket{le=\"0\"} 1",
            "hmisr_pipeline_user_entropy_nats_bucket{le=\"0.5\"} 1",
            "hmisr_pipeline_user_entropy_nats_bucket{le=\"0.75\"} 2",
            "hmisr_pipeline_user_evenness_ratio_bucket{le=\"0\"} 1",
            "hmisr_pipeline_user_tail_ratio_bucket{le=\"0\"} 1",
            "hmisr_pipeline_user_switch_ratio_bucket{le=\"0.3\"} 2",
            "hmisr_pipeline_user_recent_diversity_ratio_bucket{le=\"1\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
