-- What the prediction of locks has to know of the relations that a statement names, and
-- of what is locked with them: partitions, parents, both ends of foreign keys, tables
-- with columns of a domain.
-- Columns: one row per relation that is no index; lists of composites as JSON.
-- Parameters: names (without schemas; of tables, indexes, sequences, statistics, types),
-- hops (how many foreign keys to follow). PostgreSQL 15.
-- https://www.postgresql.org/docs/current/catalog-pg-class.html
WITH RECURSIVE named AS (
    SELECT COALESCE(i.indrelid, c.oid) AS oid
    FROM pg_catalog.pg_class AS c
        LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
    WHERE c.relname = ANY (%(names)s)
    UNION
    SELECT s.stxrelid
    FROM pg_catalog.pg_statistic_ext AS s
    WHERE s.stxname = ANY (%(names)s)
    UNION
    SELECT a.attrelid
    FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE t.typname = ANY (%(names)s) AND t.typtype = 'd' AND a.attnum > 0
        AND NOT a.attisdropped
    UNION
    SELECT d.refobjid
    FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND s.relname = ANY (%(names)s)
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
),
links AS (
    SELECT inhrelid AS here, inhparent AS there, 0 AS hop FROM pg_catalog.pg_inherits
    UNION ALL
    SELECT inhparent, inhrelid, 0 FROM pg_catalog.pg_inherits
    UNION ALL
    SELECT conrelid, confrelid, 1 FROM pg_catalog.pg_constraint WHERE contype = 'f'
    UNION ALL
    SELECT confrelid, conrelid, 1 FROM pg_catalog.pg_constraint WHERE contype = 'f'
),
near AS (
    SELECT oid, 0 AS hops FROM named
    UNION
    SELECT l.there, n.hops + l.hop
    FROM near AS n JOIN links AS l ON l.here = n.oid
    WHERE n.hops + l.hop <= %(hops)s
),
wanted AS (
    SELECT DISTINCT n.oid
    FROM near AS n
        JOIN pg_catalog.pg_class AS c ON c.oid = n.oid
        JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f')
        AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
),
-- Domains down to what is stored, and whether one on the way has a constraint.
stored AS (
    SELECT t.oid AS domain, t.typbasetype AS base, t.typtypmod AS modifier,
        t.typnotnull OR EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid
        ) AS constrained
    FROM pg_catalog.pg_type AS t
    WHERE t.typtype = 'd'
    UNION
    SELECT s.domain, t.typbasetype,
        CASE WHEN s.modifier = -1 THEN t.typtypmod ELSE s.modifier END,
        s.constrained OR t.typnotnull OR EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid
        )
    FROM stored AS s JOIN pg_catalog.pg_type AS t ON t.oid = s.base AND t.typtype = 'd'
),
views AS (
    SELECT d.refobjid AS oid, r.ev_class AS view,
        pg_catalog.array_agg(DISTINCT a.attname::text)
            FILTER (WHERE a.attname IS NOT NULL) AS columns
    FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid AND r.ev_class <> d.refobjid
        LEFT JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                AND d.refobjsubid > 0
    WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
        AND d.refclassid = 'pg_catalog.pg_class'::regclass
    GROUP BY 1, 2
)
SELECT s.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
    c.relispartition AS is_partition,
    COALESCE(pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', false)
        AS is_default,
    (
        SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname,
            'type', COALESCE(b.typname, t.typname),
            'modifier', CASE WHEN f.domain IS NULL THEN a.atttypmod ELSE f.modifier END,
            'domain', CASE WHEN f.domain IS NULL THEN '' ELSE t.typname END,
            'constrained', COALESCE(f.constrained, false),
            'not_null', a.attnotnull,
            'collation', CASE WHEN a.attcollation IN (0, t.typcollation) THEN ''
                ELSE o.collname END
        ) ORDER BY a.attnum), '[]')
        FROM pg_catalog.pg_attribute AS a
            JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            LEFT JOIN stored AS f ON f.domain = t.oid AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_type AS x
                WHERE x.oid = f.base AND x.typtype = 'd'
            )
            LEFT JOIN pg_catalog.pg_type AS b ON b.oid = f.base
            LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = a.attcollation
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    (
        SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', x.relname,
            'columns', ARRAY(
                SELECT a.attname FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
                ORDER BY a.attnum),
            'is_computed', i.indexprs IS NOT NULL OR i.indpred IS NOT NULL,
            'computed', ARRAY(
                SELECT DISTINCT a.attname FROM pg_catalog.pg_depend AS d
                    JOIN pg_catalog.pg_attribute AS a
                        ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
                WHERE d.classid = 'pg_catalog.pg_class'::regclass
                    AND d.objid = i.indexrelid
                    AND d.refclassid = 'pg_catalog.pg_class'::regclass
                    AND d.refobjid = c.oid AND d.deptype IN ('n', 'a')
                    AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
                    AND d.refobjsubid > 0
                    AND d.refobjsubid <> ALL (i.indkey::int2[])
                ORDER BY a.attname)
        ) ORDER BY x.relname), '[]')
        FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid
    ) AS indexes,
    (
        SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', k.conname,
            'kind', k.contype,
            'columns', ARRAY(
                SELECT a.attname FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
                ORDER BY pg_catalog.array_position(k.conkey, a.attnum)),
            'valid', k.convalidated,
            'text', CASE WHEN k.contype = 'c'
                THEN pg_catalog.pg_get_constraintdef(k.oid) ELSE '' END,
            'target', CASE WHEN k.confrelid = 0 THEN NULL ELSE (
                SELECT ARRAY[ts.nspname, tc.relname]
                FROM pg_catalog.pg_class AS tc
                    JOIN pg_catalog.pg_namespace AS ts ON ts.oid = tc.relnamespace
                WHERE tc.oid = k.confrelid) END,
            'target_columns', ARRAY(
                SELECT a.attname FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)),
            'index', COALESCE((
                SELECT x.relname FROM pg_catalog.pg_class AS x WHERE x.oid = k.conindid
            ), ''),
            'on_delete', k.confdeltype
        ) ORDER BY k.conname), '[]')
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = c.oid
    ) AS constraints,
    (
        SELECT COALESCE(pg_catalog.json_agg(
            ARRAY[ps.nspname, p.relname] ORDER BY i.inhseqno), '[]')
        FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
            JOIN pg_catalog.pg_namespace AS ps ON ps.oid = p.relnamespace
        WHERE i.inhrelid = c.oid
    ) AS parents,
    (
        SELECT COALESCE(pg_catalog.json_agg(
            ARRAY[ps.nspname, p.relname] ORDER BY p.relname), '[]')
        FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS p ON p.oid = i.inhrelid
            JOIN pg_catalog.pg_namespace AS ps ON ps.oid = p.relnamespace
        WHERE i.inhparent = c.oid
    ) AS children,
    (
        SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', ARRAY[vs.nspname, x.relname],
            'columns', COALESCE(v.columns, '{}')) ORDER BY x.relname), '[]')
        FROM views AS v
            JOIN pg_catalog.pg_class AS x ON x.oid = v.view
            JOIN pg_catalog.pg_namespace AS vs ON vs.oid = x.relnamespace
        WHERE v.oid = c.oid
    ) AS views,
    (
        SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', ARRAY[qs.nspname, q.relname],
            'column', a.attname,
            'is_identity', d.deptype = 'i') ORDER BY q.relname), '[]')
        FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_class AS q ON q.oid = d.objid AND q.relkind = 'S'
            JOIN pg_catalog.pg_namespace AS qs ON qs.oid = q.relnamespace
            JOIN pg_catalog.pg_attribute AS a
                ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass
            AND d.refclassid = 'pg_catalog.pg_class'::regclass
            AND d.refobjid = c.oid AND d.deptype IN ('a', 'i')
    ) AS sequences,
    ARRAY(
        SELECT e.stxname::text FROM pg_catalog.pg_statistic_ext AS e
        WHERE e.stxrelid = c.oid ORDER BY e.stxname
    ) AS statistics,
    CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) ELSE '' END
        AS partition_key
FROM wanted AS w
    JOIN pg_catalog.pg_class AS c ON c.oid = w.oid
    JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
ORDER BY s.nspname, c.relname
