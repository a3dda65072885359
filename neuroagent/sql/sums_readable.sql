-- Whether the sums of tokens can be read: migration 0004 is applied, and this role may.
--   readable  bool
SELECT bool_and(coalesce(has_table_privilege(to_regclass(name), 'SELECT'), false))
       AS readable
  FROM (VALUES ('token_days'), ('token_sums')) AS wanted (name)
