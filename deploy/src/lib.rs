//! What watches a deployment: Grafana's dashboards, from one description of their panels, and the means by
//! which they and Prometheus' rules are checked against `docs/metrics.md`.
//!
//! The files under `deploy/grafana/dashboards` are made from here:
//! `HMISR_WRITE=1 cargo test --release --workspace --test dashboards`.

pub mod catalogue;
pub mod dashboards;
pub mod grafana;
pub mod promql;
pub mod rules;
