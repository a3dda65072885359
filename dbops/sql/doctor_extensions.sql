-- Installed extensions that the server has an update for.
-- Columns: name (bare), quoted, installed, available (both versions).
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/view-pg-available-extensions.html
SELECT e.name::text AS name,
       pg_catalog.quote_ident(e.name) AS quoted,
       e.installed_version AS installed,
       e.default_version AS available
  FROM pg_catalog.pg_available_extensions AS e
 WHERE e.installed_version <> e.default_version
   AND EXISTS (
       SELECT 1 FROM pg_catalog.pg_extension_update_paths(e.name) AS u
        WHERE u.source = e.installed_version
          AND u.target = e.default_version
          AND u.path IS NOT NULL
   )
 ORDER BY 1
