-- Sum up the tokens of some days, and keep the sums: token_sums and token_days become what
-- the tables of the chat backend say. One row:
--   sums     bigint, rows of token_sums that there are for the days
--   changed  bigint, those that were written, rewritten or deleted
--   unknown  bigint, rows of token_consumption of a type that token_sums has no column for
-- Parameters: since, until (midnights of UTC; until is not included).
-- One statement, so one snapshot: what is added or deleted meanwhile is in all sums or in
-- none. It is taken after now(), which is what token_days remembers. What has not changed
-- is not written again.
-- Locks nothing of the chat backend's but ACCESS SHARE, as any SELECT.
-- Source: https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
WITH found AS MATERIALIZED (
    SELECT date_bin('15 minutes', messages.creation_date, '1970-01-01T00:00:00Z') AS quarter,
           threads.user_id,
           token_consumption.model,
           token_consumption.task,
           coalesce(sum(token_consumption.count)
                    FILTER (WHERE token_consumption.type = 'INPUT_NONCACHED'),
                    0) AS input_noncached,
           coalesce(sum(token_consumption.count)
                    FILTER (WHERE token_consumption.type = 'INPUT_CACHED'),
                    0) AS input_cached,
           coalesce(sum(token_consumption.count)
                    FILTER (WHERE token_consumption.type = 'COMPLETION'),
                    0) AS completion,
           count(*) FILTER (
               WHERE token_consumption.type
                     NOT IN ('INPUT_NONCACHED', 'INPUT_CACHED', 'COMPLETION')) AS unknown
      FROM messages
      JOIN token_consumption ON token_consumption.message_id = messages.message_id
      JOIN threads ON threads.thread_id = messages.thread_id
     WHERE messages.creation_date >= %(since)s
       AND messages.creation_date < %(until)s
     GROUP BY 1, 2, 3, 4
), kept AS MATERIALIZED (
    SELECT * FROM token_sums WHERE quarter >= %(since)s AND quarter < %(until)s
), deleted AS (
    DELETE FROM token_sums
     USING kept LEFT JOIN found USING (quarter, user_id, model, task)
     WHERE found.quarter IS NULL
       AND token_sums.quarter >= %(since)s
       AND token_sums.quarter < %(until)s
       AND token_sums.quarter = kept.quarter
       AND token_sums.user_id = kept.user_id
       AND token_sums.model = kept.model
       AND token_sums.task = kept.task
    RETURNING 1
), written AS (
    INSERT INTO token_sums (quarter, user_id, model, task,
                            input_noncached, input_cached, completion)
    SELECT found.quarter, found.user_id, found.model, found.task,
           found.input_noncached, found.input_cached, found.completion
      FROM found LEFT JOIN kept USING (quarter, user_id, model, task)
     WHERE kept.quarter IS NULL
        OR kept.input_noncached <> found.input_noncached
        OR kept.input_cached <> found.input_cached
        OR kept.completion <> found.completion
        ON CONFLICT (quarter, user_id, model, task) DO UPDATE
       SET input_noncached = excluded.input_noncached,
           input_cached = excluded.input_cached,
           completion = excluded.completion
    RETURNING 1
), days AS (
    INSERT INTO token_days (day, summed_at)
    SELECT (day AT TIME ZONE 'UTC')::date, now()
      FROM generate_series(%(since)s::timestamptz,
                           %(until)s::timestamptz - interval '24 hours',
                           interval '24 hours') AS day
        ON CONFLICT (day) DO UPDATE SET summed_at = excluded.summed_at
)
SELECT (SELECT count(*) FROM found) AS sums,
       (SELECT count(*) FROM deleted) + (SELECT count(*) FROM written) AS changed,
       (SELECT coalesce(sum(unknown), 0)::bigint FROM found) AS unknown
