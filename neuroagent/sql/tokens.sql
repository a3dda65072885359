-- Tokens spent in a period, by day, user, model and task, each by type of token.
--   day      int, which of `days` it is, from 1; NULL but in the first set
--   user_id  uuid; NULL but in the second set
--   model    text; NULL but in the third set
--   task     text; NULL but in the fourth set
--   type     text
--   tokens   bigint
-- Parameters: since, until (until is not included); days, the moments at which they begin,
-- in order; only_user, only_model and only_task, each NULL for any.
-- Reads the messages of the period by ix_messages_newest_first, and their tokens by
-- ix_token_consumption_message: the cost is that of the period, not of the tables.
-- Sums are made of enums, and only these few made text.
-- Source: https://www.postgresql.org/docs/current/queries-table-expressions.html#QUERIES-GROUPING-SETS
SELECT summed.day, summed.user_id, summed.model,
       summed.task::text AS task, summed.type::text AS type, summed.tokens::bigint
  FROM (SELECT width_bucket(messages.creation_date, %(days)s::timestamptz[]) AS day,
               threads.user_id,
               token_consumption.model,
               token_consumption.task,
               token_consumption.type,
               sum(token_consumption.count) AS tokens
          FROM messages
          JOIN token_consumption ON token_consumption.message_id = messages.message_id
          JOIN threads ON threads.thread_id = messages.thread_id
         WHERE messages.creation_date >= %(since)s
           AND messages.creation_date < %(until)s
           AND (%(only_user)s::uuid IS NULL OR threads.user_id = %(only_user)s::uuid)
           AND (%(only_model)s::text IS NULL
                OR token_consumption.model = %(only_model)s::text)
           AND (%(only_task)s::text IS NULL
                OR token_consumption.task = %(only_task)s::task)
         GROUP BY GROUPING SETS ((1, 5), (2, 5), (3, 5), (4, 5))) AS summed
