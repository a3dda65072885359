-- The schemas of the search_path, in order, without the implicit ones.
-- Columns: name, exists (and the role may use it), has_history (of Django's migrations).
-- Tables go into the first that exists.
-- Source: https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH
SELECT found.name,
       found.name = ANY (pg_catalog.current_schemas(false)) AS exists,
       EXISTS (
           SELECT FROM pg_catalog.pg_tables AS t
            WHERE t.schemaname = found.name AND t.tablename = 'django_migrations'
       ) AS has_history
  FROM (
        SELECT CASE
                   WHEN part.text[1] IN ('$user', '"$user"') THEN current_user::text
                   WHEN part.text[1] LIKE '"%' THEN pg_catalog.replace(
                       pg_catalog.substr(part.text[1], 2,
                           pg_catalog.length(part.text[1]) - 2), '""', '"')
                   ELSE pg_catalog.lower(part.text[1])
               END AS name,
               part.place
          FROM pg_catalog.regexp_matches(
                   pg_catalog.current_setting('search_path'),
                   '"(?:[^"]|"")*"|[^",\s]+', 'g'
               ) WITH ORDINALITY AS part (text, place)
       ) AS found
 WHERE found.name <> ''
 ORDER BY found.place
