-- Messages that were found, the best first.
--   message_id  uuid
--   thread_id   uuid
--   found       bigint, how many were ranked
-- Parameter: the words, as `Message.objects.search` takes them. In the place of newest goes
-- a query for the newest that match, with its LIMIT: so no other is ranked, and none is
-- looked up again.
-- Source: https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-RANKING
SELECT ranked.message_id, ranked.thread_id, count(*) OVER () AS found
  FROM (SELECT newest.message_id, newest.thread_id, newest.creation_date,
               ts_rank(newest.search_vector, websearch_to_tsquery('english', %s)) AS rank
          FROM ({newest}) AS newest) AS ranked
 ORDER BY ranked.rank DESC, ranked.creation_date DESC, ranked.message_id DESC
