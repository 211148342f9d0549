-- A row per category and hour. Of several rows of a category and window end the one with the most events holds.
CREATE TABLE category_popularity (
  category TEXT,
  window_start TIMESTAMP,
  window_end TIMESTAMP,
  events BIGINT,
  users BIGINT,
  items BIGINT
) WITH (
  connector = 'kafka',
  type = 'sink',
  bootstrap_servers = '${BROKERS}',
  topic = 'category-popularity',
  'sink.commit_mode' = 'at_least_once',
  'sink.key_field' = 'category',
  client_configs = 'partitioner=murmur2_random',
  format = 'json',
  'json.timestamp_format' = 'unix_millis'
);
