-- The domains of these names, down to what is stored, and what is known of functions.
-- Columns: domains as JSON; functions, and those of them that are volatile; search_path;
-- time_zone.
-- Parameters: names (without schemas; of types and functions). PostgreSQL 15.
-- https://www.postgresql.org/docs/current/catalog-pg-type.html
WITH RECURSIVE stored AS (
    SELECT t.typname::text AS name, t.oid AS domain, t.typbasetype AS base,
        t.typtypmod AS modifier,
        t.typnotnull OR EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid
        ) AS constrained
    FROM pg_catalog.pg_type AS t
    WHERE t.typtype = 'd' AND t.typname = ANY (%(names)s)
    UNION
    SELECT s.name, s.domain, t.typbasetype,
        CASE WHEN s.modifier = -1 THEN t.typtypmod ELSE s.modifier END,
        s.constrained OR t.typnotnull OR EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid
        )
    FROM stored AS s JOIN pg_catalog.pg_type AS t ON t.oid = s.base AND t.typtype = 'd'
)
SELECT
    (
        SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', s.name, 'base', b.typname, 'modifier', s.modifier,
            'constrained', s.constrained,
            'tables', (
                SELECT COALESCE(pg_catalog.json_agg(DISTINCT
                    ARRAY[n.nspname::text, c.relname::text]), '[]')
                FROM pg_catalog.pg_attribute AS a
                    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
                        AND c.relkind IN ('r', 'p', 'm')
                    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE a.atttypid = s.domain AND NOT a.attisdropped
            ))), '[]')
        FROM stored AS s
            JOIN pg_catalog.pg_type AS b ON b.oid = s.base AND b.typtype <> 'd'
    ) AS domains,
    ARRAY(
        SELECT DISTINCT p.proname::text FROM pg_catalog.pg_proc AS p
        WHERE p.proname = ANY (%(names)s) AND p.prokind = 'f'
    ) AS functions,
    ARRAY(
        SELECT DISTINCT p.proname::text FROM pg_catalog.pg_proc AS p
        WHERE p.proname = ANY (%(names)s) AND p.prokind = 'f' AND p.provolatile = 'v'
    ) AS volatile,
    pg_catalog.current_schemas(false)::text[] AS search_path,
    pg_catalog.current_setting('TimeZone') AS time_zone
