//! Offline experiments: data sets, protocols, training by stages, measures and reports.
