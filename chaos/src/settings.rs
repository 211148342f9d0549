//! What every process of a run and the model agree on.

use std::path::Path;

use hmisr_features::FeatureSettings;
use hmisr_pipeline::PipelineSettings;
use hmisr_state::StateSettings;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 4;

/// Small windows, epochs and times to live, so that each of them ends often.
pub fn features() -> FeatureSettings {
    FeatureSettings {
        window: 8,
        recent: 4,
        popularity_epoch: 200,
        half_life_events: 3_000,
        max_lateness_ms: 500,
        ttl_ms: 100_000,
        ..FeatureSettings::default()
    }
}

/// A job that commits often and refuses early.
pub fn pipeline() -> PipelineSettings {
    PipelineSettings {
        group: "chaos".to_owned(),
        transactional_id: "chaos-0".to_owned(),
        history: 6,
        max_event_bytes: 2_048,
        max_user_categories: 8,
        batch_records: 64,
        commit_interval_ms: 5,
        retry_pause_ms: 10,
        ..PipelineSettings::default()
    }
}

/// The least memory that there is.
pub fn state() -> StateSettings {
    StateSettings { memory_bytes: 8 << 20, cache_bytes: 8 << 20, ..StateSettings::default() }
}

/// The same with checkpoints below the folder `data`, as often as there may be.
pub fn state_with_checkpoints(data: &Path) -> std::io::Result<StateSettings> {
    let url = format!("file://{}/checkpoints", data.canonicalize()?.display());
    Ok(StateSettings { checkpoints: url, checkpoint_interval_s: 1, keep_checkpoints: 2, ..state() })
}
