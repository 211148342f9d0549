-- Diversity of each user over each session: a run of events with less than 30 minutes between neighbours.
-- tables: user_features, user_features_sessions
-- udfs: diversity, id63, id_text
INSERT INTO user_features_sessions
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
    session(INTERVAL '30 minutes') AS window,
    user_id,
    count(*) AS records,
    diversity(partition_id, offset_id, category, tail) AS features
  FROM (
    SELECT
      event_time,
      id_text(user_id) AS user_id,
      CAST("partition" AS BIGINT) AS partition_id,
      "offset" AS offset_id,
      id63(category) AS category,
      CASE WHEN tail THEN 1 ELSE 0 END AS tail
    FROM user_features
  ) AS visits
  WHERE user_id IS NOT NULL
  GROUP BY 1, 2
) AS windows;
