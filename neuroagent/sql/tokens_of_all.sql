-- Tokens spent in a period by everybody: the columns and parameters of tokens.sql, without
-- only_user.
-- Sums come before the threads are looked up: joined first, PostgreSQL reads all threads
-- to find out whose a few thousand messages are. What is left is one page of
-- token_consumption a message: ids are random, so those of a period are everywhere.
-- Source: https://www.postgresql.org/docs/current/queries-with.html
WITH spent AS MATERIALIZED (
    SELECT messages.thread_id,
           width_bucket(messages.creation_date, %(days)s::timestamptz[]) AS day,
           token_consumption.model,
           token_consumption.task,
           token_consumption.type,
           sum(token_consumption.count) AS tokens
      FROM messages
      JOIN token_consumption ON token_consumption.message_id = messages.message_id
     WHERE messages.creation_date >= %(since)s
       AND messages.creation_date < %(until)s
       AND (%(only_model)s::text IS NULL
            OR token_consumption.model = %(only_model)s::text)
       AND (%(only_task)s::text IS NULL
            OR token_consumption.task = %(only_task)s::task)
     GROUP BY 1, 2, 3, 4, 5
), owners AS MATERIALIZED (
    SELECT found.thread_id,
           (SELECT threads.user_id FROM threads
             WHERE threads.thread_id = found.thread_id) AS user_id
      FROM (SELECT DISTINCT spent.thread_id FROM spent) AS found
)
SELECT summed.day, summed.user_id, summed.model,
       summed.task::text AS task, summed.type::text AS type, summed.tokens::bigint
  FROM (SELECT spent.day, owners.user_id, spent.model, spent.task, spent.type,
               sum(spent.tokens) AS tokens
          FROM spent
          JOIN owners ON owners.thread_id = spent.thread_id
         GROUP BY GROUPING SETS ((1, 5), (2, 5), (3, 5), (4, 5))) AS summed
