//! Makes metrics and registers them, for each part that has some.

use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, Result,
};

/// Adds every metric that it makes to one registry. Names are given in full, so that a search finds where a
/// metric is made.
///
/// ```
/// use hmisr_stream::Registrar;
///
/// let registry = prometheus::Registry::new();
/// let events = Registrar::new(&registry).counter("hmisr_example_events_total", "Events that came.")?;
/// events.inc();
/// assert_eq!(registry.gather()[0].name(), "hmisr_example_events_total");
/// # Ok::<_, prometheus::Error>(())
/// ```
///
/// Each function's error says that the registry has the name already, or that name, label or buckets are
/// none that Prometheus knows.
#[derive(Debug, Clone, Copy)]
pub struct Registrar<'r>(&'r Registry);

impl<'r> Registrar<'r> {
    /// One for this registry.
    pub fn new(registry: &'r Registry) -> Self {
        Self(registry)
    }

    /// A count.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.add(IntCounter::new(name, help)?)
    }

    /// Counts by label.
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A sum that grows by fractions.
    pub fn float_counter(&self, name: &str, help: &str) -> Result<Counter> {
        self.add(Counter::new(name, help)?)
    }

    /// A whole number that goes up and down.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::new(name, help)?)
    }

    /// Such numbers by label.
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A number that goes up and down.
    pub fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge> {
        self.add(Gauge::new(name, help)?)
    }

    /// Such numbers by label.
    pub fn float_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A distribution, by the buckets' upper bounds.
    pub fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    /// Distributions by label.
    pub fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        buckets: Vec<f64>,
        labels: &[&str],
    ) -> Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?)
    }

    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_an_error() {
        let registry = Registry::new();
        let new = Registrar::new(&registry);
        new.gauge("hmisr_a", "A.").unwrap();
        assert!(matches!(new.gauge("hmisr_a", "A."), Err(prometheus::Error::AlreadyReg)));
        assert!(new.counter("a name", "B.").is_err());
    }
}
