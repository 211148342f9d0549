//! What watches a deployment: Grafana's dashboards, from one description of their panels, and the means by
//! which they and Prometheus' rules are checked against `docs/metrics.md`; and what reads image, compose file
//! and chart for their tests.
//!
//! The files under `deploy/grafana/dashboards` are made from here:
//! `HMISR_WRITE=1 cargo test --release --workspace --test deploy dashboards`.

pub mod catalogue;
pub mod containers;
pub mod dashboards;
pub mod grafana;
pub mod image;
pub mod promql;
pub mod rules;
pub mod tools;
