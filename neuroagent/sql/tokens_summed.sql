-- Tokens spent in a period, of days that were summed up: the columns and parameters of
-- tokens.sql. The period and its days begin and end with quarters of an hour.
-- Reads one range of token_sums, in which the rows of a day are next to each other.
SELECT summed.day, summed.user_id, summed.model, summed.task::text AS task,
       by_type.type, by_type.tokens::bigint AS tokens
  FROM (SELECT width_bucket(token_sums.quarter, %(days)s::timestamptz[]) AS day,
               token_sums.user_id,
               token_sums.model,
               token_sums.task,
               sum(token_sums.input_noncached) AS input_noncached,
               sum(token_sums.input_cached) AS input_cached,
               sum(token_sums.completion) AS completion
          FROM token_sums
         WHERE token_sums.quarter >= %(since)s
           AND token_sums.quarter < %(until)s
           AND (%(only_user)s::uuid IS NULL OR token_sums.user_id = %(only_user)s::uuid)
           AND (%(only_model)s::text IS NULL OR token_sums.model = %(only_model)s::text)
           AND (%(only_task)s::text IS NULL OR token_sums.task = %(only_task)s::task)
         GROUP BY GROUPING SETS ((1), (2), (3), (4))) AS summed
 CROSS JOIN LATERAL (VALUES ('INPUT_NONCACHED', summed.input_noncached),
                            ('INPUT_CACHED', summed.input_cached),
                            ('COMPLETION', summed.completion)) AS by_type (type, tokens)
