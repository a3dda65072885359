-- The tools that were called, in order; at most 1000.
--   name  text
-- One step down ix_tool_calls_name for each, where DISTINCT reads every row.
-- Source: https://wiki.postgresql.org/wiki/Loose_indexscan
WITH RECURSIVE found (name) AS (
    (SELECT name FROM tool_calls ORDER BY name LIMIT 1)
    UNION ALL
    SELECT (SELECT later.name
              FROM tool_calls AS later
             WHERE later.name > found.name
             ORDER BY later.name
             LIMIT 1)
      FROM found
     WHERE found.name IS NOT NULL
)
SELECT name FROM found WHERE name IS NOT NULL LIMIT 1000
