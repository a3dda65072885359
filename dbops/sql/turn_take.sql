-- Begin a turn, with a token greater than all before; of old ones the last 200 are kept.
-- To be called under the deploy lock. FOR UPDATE waits for a migration of the turn before
-- that is still at work: it holds FOR KEY SHARE (turn_hold.sql).
-- Parameters: kind, actor, host (text). Columns: token.
-- Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
WITH last AS (
    SELECT t.token FROM dbops_turn AS t ORDER BY t.token DESC LIMIT 1 FOR UPDATE
), old AS (
    DELETE FROM dbops_turn AS t USING last WHERE t.token < last.token - 200
)
INSERT INTO dbops_turn
       (token, kind, actor, host, pid, taken_at, plan, step, verdict)
SELECT 1 + coalesce((SELECT last.token FROM last), 0), %(kind)s, %(actor)s, %(host)s,
       pg_catalog.pg_backend_pid(), pg_catalog.clock_timestamp(), '', '', ''
RETURNING token
