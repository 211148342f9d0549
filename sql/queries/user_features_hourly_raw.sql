-- The same from the raw events, where no streaming job runs: the long-tail mark is the producers' own, and
-- tail_ratio is NULL where an event of the window has none. Its rows go where those of user_features_hourly go, so
-- one of the two runs.
-- instead of: user_features_hourly
-- tables: events, user_features_hourly
-- udfs: diversity, id63, id_text
INSERT INTO user_features_hourly
SELECT
  user_id,
  window.start AS window_start,
  window.end AS window_end,
  records,
  json_get_int(features, 'events') AS events,
  json_get_float(features, 'entropy') AS entropy,
  json_get_float(features, 'evenness') AS evenness,
  json_get_float(features, 'switch_rate') AS switch_rate,
  json_get_float(features, 'tail_ratio') AS tail_ratio,
  json_get_float(features, 'recent_diversity') AS recent_diversity
FROM (
  SELECT
    tumble(INTERVAL '1 hour') AS window,
    user_id,
    count(*) AS records,
    diversity(partition_id, offset_id, category, tail) AS features
  FROM (
    SELECT
      event_time,
      id_text(user_id) AS user_id,
      id_text(item_id) AS item_id,
      CAST("partition" AS BIGINT) AS partition_id,
      "offset" AS offset_id,
      id63(category) AS category,
      CASE WHEN is_tail THEN 1 WHEN NOT is_tail THEN 0 END AS tail
    FROM events
    -- What the job counts: its pipeline.positive_actions, but for what was given back.
    WHERE valid_ts AND action IN ('click', 'like', 'purchase', 'rate', 'pv', 'cart', 'fav', 'buy')
      AND (weight IS NULL OR weight >= 0)
  ) AS visits
  WHERE user_id IS NOT NULL AND item_id IS NOT NULL
  GROUP BY 1, 2
) AS windows;
