-- How many events, users and items each category has in each hour.
-- tables: events, category_popularity
-- udfs: id63, id_text
--
-- Users and items are counted by the integers that stand for them: Arroyo's windows cannot keep a DISTINCT of texts
-- (in 0.14.1 the job crashes).
INSERT INTO category_popularity
SELECT
  category,
  window.start AS window_start,
  window.end AS window_end,
  events,
  users,
  items
FROM (
  SELECT
    tumble(INTERVAL '1 hour') AS window,
    category,
    count(*) AS events,
    count(DISTINCT user_number) AS users,
    count(DISTINCT item_number) AS items
  FROM (
    SELECT
      event_time,
      id_text(category) AS category,
      id63(user_id) AS user_number,
      id63(item_id) AS item_number
    FROM events
    -- What the job counts: its pipeline.positive_actions, but for what was given back.
    WHERE valid_ts AND action IN ('click', 'like', 'purchase', 'rate', 'pv', 'cart', 'fav', 'buy')
      AND (weight IS NULL OR weight >= 0)
  ) AS visits
  WHERE category IS NOT NULL AND user_number IS NOT NULL AND item_number IS NOT NULL
  GROUP BY 1, 2
) AS windows;
