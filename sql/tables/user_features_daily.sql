-- A row per user and minute over the day before it. Of several rows of a user and window end the one with the
-- most records holds.
CREATE TABLE user_features_daily (
  user_id TEXT,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  records BIGINT,
  events BIGINT,
  entropy DOUBLE,
  evenness DOUBLE,
  switch_rate DOUBLE,
  tail_ratio DOUBLE,
  recent_diversity DOUBLE
) WITH (
  connector = 'kafka',
  type = 'sink',
  bootstrap_servers = '${BROKERS}',
  topic = 'user-features-daily',
  'sink.commit_mode' = 'at_least_once',
  'sink.key_field' = 'user_id',
  client_configs = 'partitioner=murmur2_random',
  format = 'json',
  'json.timestamp_format' = 'unix_millis'
);
