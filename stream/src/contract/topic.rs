//! The names of the topics.

/// User events, keyed by user id.
pub const EVENTS: &str = "events";
/// Per-user features, keyed by user id.
pub const USER_FEATURES: &str = "user-features";
/// Positive events with the history before them (Protobuf), keyed by user id.
pub const TRAINING_EXAMPLES: &str = "training-examples";
/// Events that could not be processed, as they came.
pub const DEAD_LETTERS: &str = "events-dlq";
/// One announcement per published model version.
pub const SNAPSHOTS: &str = "model-snapshots";
/// Who answers look-ups of a partition: the newest record per partition holds.
pub const STATE_OWNERS: &str = "state-owners";

/// Those that `hmisr topics create` makes.
pub const ALL: [&str; 6] = [EVENTS, USER_FEATURES, TRAINING_EXAMPLES, DEAD_LETTERS, SNAPSHOTS, STATE_OWNERS];
