-- Keep others from beginning a turn until this transaction is over.
-- Parameters: token (bigint). Columns: token.
SELECT t.token FROM dbops_turn AS t WHERE t.token = %(token)s FOR KEY SHARE
