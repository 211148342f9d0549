//! The metrics that there are: the tables of `docs/metrics.md`, which a test of the program compares with
//! what it registers.

use std::collections::BTreeMap;

use crate::promql::Use;

/// Metrics that Prometheus' client library, or Prometheus, adds.
const BESIDE: [(&str, &str); 7] = [
    ("up", "gauge"),
    ("process_cpu_seconds_total", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
    ("process_threads", "gauge"),
    ("process_start_time_seconds", "gauge"),
];

/// A metric's type, as Prometheus calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; ask for its rate.
    Counter,
    /// Goes up and down.
    Gauge,
    /// `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// Metrics by name.
pub struct Catalogue(BTreeMap<String, Kind>);

impl Catalogue {
    /// The catalogue of a page's tables: rows like ``| `hmisr_x_y_total` | counter | … |``.
    pub fn of_page(page: &str) -> Self {
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let documented = rows.filter_map(|row| {
            let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            Some((cells.next()?, cells.next()?))
        });
        let known = documented.chain(BESIDE).filter_map(|(name, kind)| {
            let kind = match kind {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                "histogram" => Kind::Histogram,
                _ => return None,
            };
            Some((name.to_owned(), kind))
        });
        Self(known.collect())
    }

    /// The type of a series' metric, and whether it is a histogram's bucket.
    fn find(&self, series: &str) -> Option<(Kind, bool)> {
        if let Some(kind) = self.0.get(series) {
            return Some((*kind, false));
        }
        ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
            let base = series.strip_suffix(suffix)?;
            (self.0.get(base)? == &Kind::Histogram).then_some((Kind::Histogram, suffix == "_bucket"))
        })
    }

    /// What is wrong with a use of a series in a query; nothing where it is all right.
    ///
    /// ```
    /// # use hmisr_deploy::{catalogue::Catalogue, promql};
    /// let page = "| `hmisr_a_total` | counter | … |\n| `hmisr_b` | gauge | … |";
    /// let catalogue = Catalogue::of_page(page);
    /// let wrong = |query| promql::uses(query).iter().filter_map(|found| catalogue.fault(found)).next();
    /// assert_eq!(wrong("rate(hmisr_a_total[5m]) / hmisr_b"), None);
    /// assert!(wrong("rate(hmisr_b[5m])").unwrap().contains("is a gauge"));
    /// assert!(wrong("hmisr_a_total > 3").unwrap().contains("without rate or increase"));
    /// assert!(wrong("hmisr_c").unwrap().contains("no such metric"));
    /// ```
    pub fn fault(&self, found: &Use) -> Option<String> {
        let Use { series, function, quantile } = found;
        let Some((kind, bucket)) = self.find(series) else {
            return Some(format!("{series}: no such metric in docs/metrics.md"));
        };
        let of_counters = matches!(function.as_deref(), Some("rate" | "increase" | "irate"));
        // A counter's value says when its process started and nothing else, but that it moves is news.
        let moves = of_counters || matches!(function.as_deref(), Some("changes" | "resets"));
        match kind {
            Kind::Gauge if of_counters => Some(format!(
                "{series} is a gauge: {} is of counters",
                function.as_deref().unwrap_or_default()
            )),
            Kind::Histogram if self.0.contains_key(series) => {
                Some(format!("{series} is a histogram: name {series}_bucket, _sum or _count"))
            }
            Kind::Counter | Kind::Histogram if !moves => {
                Some(format!("{series} grows for ever: used without rate or increase"))
            }
            _ if *quantile && !bucket => Some(format!("{series} has no buckets to take a quantile of")),
            _ => None,
        }
    }
}
