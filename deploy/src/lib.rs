//! What watches a deployment: Grafana's dashboards, from one description of their panels, and the means by
//! which they and Prometheus' rules are checked against `docs/metrics.md`; and what the compose file and the
//! Helm chart run, for tests to check against the program.
//!
//! The files under `deploy/grafana/dashboards` are made from here:
//! `HMISR_WRITE=1 cargo test --release --workspace --test dashboards`.

pub mod catalogue;
pub mod chart;
pub mod containers;
pub mod dashboards;
pub mod grafana;
pub mod promql;
pub mod rules;
