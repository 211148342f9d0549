-- The raw events (topic events), as producers write them.
--
-- Nothing has checked their times. One of the far future would close every window, one before 1970 would stop
-- the engine. So event_time is ts only where that can be: from 0 to before 2200, at most an hour after the
-- record's own time. Otherwise it is the record's own time. valid_ts is false then, and before 1990 too, where a
-- number is most likely of another unit; queries leave the row out, as the job does.
CREATE TABLE events (
  user_id JSON NOT NULL,
  item_id JSON NOT NULL,
  category JSON NOT NULL,
  action TEXT NOT NULL,
  weight DOUBLE,
  ts BIGINT NOT NULL,
  is_tail BOOLEAN,
  "partition" INT NOT NULL METADATA FROM 'partition',
  "offset" BIGINT NOT NULL METADATA FROM 'offset_id',
  record_ts BIGINT NOT NULL METADATA FROM 'timestamp',
  valid_ts BOOLEAN GENERATED ALWAYS AS (
    ts BETWEEN 631152000000 AND 7258118399999 AND ts <= record_ts + 3600000
  ) STORED,
  event_time TIMESTAMP GENERATED ALWAYS AS (CAST(CAST(
    CASE WHEN ts BETWEEN 0 AND 7258118399999 AND ts <= record_ts + 3600000 THEN ts
         WHEN record_ts BETWEEN 0 AND 7258118399999 THEN record_ts
         ELSE 0 END
  AS TIMESTAMP(3)) AS TIMESTAMP)) STORED,
  -- A minute for events that come late; see user_features for what else holds.
  WATERMARK FOR event_time AS CAST(CAST(
    CASE WHEN ts BETWEEN 0 AND 59999 THEN 0
         WHEN ts BETWEEN 60000 AND 7258118399999 AND ts <= record_ts + 3600000 THEN ts - 60000
         WHEN record_ts BETWEEN 60000 AND 7258118399999 THEN record_ts - 60000
         ELSE 0 END
  AS TIMESTAMP(3)) AS TIMESTAMP)
) WITH (
  connector = 'kafka',
  type = 'source',
  bootstrap_servers = '${BROKERS}',
  topic = 'events',
  'source.offset' = 'earliest',
  'source.read_mode' = 'read_committed',
  'source.group_id_prefix' = 'hmisr-arroyo',
  format = 'json',
  bad_data = 'drop'
);
