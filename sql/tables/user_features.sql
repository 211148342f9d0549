-- What the streaming job writes, a row per applied event (topic user-features): times are valid, the long-tail
-- mark is known. After a crash of a job that writes at least once a row may come again; partition and offset,
-- the event's own, say so.
CREATE TABLE user_features (
  user_id JSON NOT NULL,
  item_id JSON NOT NULL,
  category JSON NOT NULL,
  tail BOOLEAN NOT NULL,
  ts BIGINT NOT NULL,
  "partition" INT NOT NULL,
  "offset" BIGINT NOT NULL,
  event_time TIMESTAMP GENERATED ALWAYS AS (CAST(CAST(ts AS TIMESTAMP(3)) AS TIMESTAMP)) STORED,
  -- A minute for events that come late. Never before 1970: the engine takes such a watermark for one of the far
  -- future. Only columns of the record itself may stand here, and NULL must be impossible.
  WATERMARK FOR event_time AS CAST(CAST(CASE WHEN ts < 60000 THEN 0 ELSE ts - 60000 END AS TIMESTAMP(3)) AS TIMESTAMP)
) WITH (
  connector = 'kafka',
  type = 'source',
  bootstrap_servers = '${BROKERS}',
  topic = 'user-features',
  'source.offset' = 'earliest',
  'source.read_mode' = 'read_committed',
  'source.group_id_prefix' = 'hmisr-arroyo',
  format = 'json',
  bad_data = 'drop'
);
