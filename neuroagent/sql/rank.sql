-- Rank messages that were found.
--   message_id     uuid
--   thread_id      uuid
--   creation_date  timestamptz
--   rank           real, the higher the better
-- Parameter: the words, as `Message.objects.search` takes them. In the place of newest goes
-- a query for those columns and search_vector, with its LIMIT: so no other is ranked, and
-- none is looked up again.
-- Source: https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-RANKING
SELECT newest.message_id, newest.thread_id, newest.creation_date,
       ts_rank(newest.search_vector, websearch_to_tsquery('english', %s)) AS rank
  FROM ({newest}) AS newest
