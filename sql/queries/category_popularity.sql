-- How many events, users and items each category has in each hour.
-- tables: events, category_popularity
-- udfs: id_text
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
    count(DISTINCT user_id) AS users,
    count(DISTINCT item_id) AS items
  FROM (
    SELECT
      event_time,
      id_text(category) AS category,
      id_text(user_id) AS user_id,
      id_text(item_id) AS item_id
    FROM events
    WHERE valid_ts
  ) AS visits
  WHERE category IS NOT NULL AND user_id IS NOT NULL AND item_id IS NOT NULL
  GROUP BY 1, 2
) AS windows;
