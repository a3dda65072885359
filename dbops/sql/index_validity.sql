-- Whether an index can be used; no row where there is none of that name.
-- Parameters: name (as SQL says it). Columns: is_valid.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-index.html
SELECT i.indisvalid AS is_valid
  FROM pg_catalog.pg_index AS i
 WHERE i.indexrelid = pg_catalog.to_regclass(%(name)s)
