-- The token of the newest turn, one row; null without any. Columns: token.
SELECT pg_catalog.max(t.token) AS token FROM dbops_turn AS t
