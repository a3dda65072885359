-- Threads of messages that were found, the one with the best message first: the columns and
-- parameters of rank_messages.sql, of the best message of each thread.
-- Source: https://www.postgresql.org/docs/current/sql-select.html#SQL-DISTINCT
SELECT best.message_id, best.thread_id, best.found
  FROM (SELECT DISTINCT ON (ranked.thread_id)
               ranked.message_id, ranked.thread_id, ranked.creation_date, ranked.rank,
               count(*) OVER () AS found
          FROM (SELECT newest.message_id, newest.thread_id, newest.creation_date,
                       ts_rank(newest.search_vector,
                               websearch_to_tsquery('english', %s)) AS rank
                  FROM ({newest}) AS newest) AS ranked
         ORDER BY ranked.thread_id, ranked.rank DESC, ranked.creation_date DESC,
                  ranked.message_id DESC) AS best
 ORDER BY best.rank DESC, best.creation_date DESC, best.message_id DESC
