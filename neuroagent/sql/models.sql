-- The language models that tokens were spent on, in order; at most 50.
--   model  text
-- One step down ix_token_consumption_model for each, where DISTINCT reads every row.
-- Source: https://wiki.postgresql.org/wiki/Loose_indexscan
WITH RECURSIVE found (model) AS (
    (SELECT model FROM token_consumption ORDER BY model LIMIT 1)
    UNION ALL
    SELECT (SELECT later.model
              FROM token_consumption AS later
             WHERE later.model > found.model
             ORDER BY later.model
             LIMIT 1)
      FROM found
     WHERE found.model IS NOT NULL
)
SELECT model FROM found WHERE model IS NOT NULL LIMIT 50
