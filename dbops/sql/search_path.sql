-- The schemas of the search_path that exist, in order, without the implicit ones.
-- Columns: name. Somebody made them before the first migration: they are where its
-- tables go, and so a scratch database needs them, too.
-- Source: https://www.postgresql.org/docs/current/functions-info.html
SELECT schema.name::text AS name
  FROM pg_catalog.unnest(pg_catalog.current_schemas(false))
       WITH ORDINALITY AS schema (name, place)
 ORDER BY schema.place
