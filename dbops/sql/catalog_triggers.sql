-- One row per trigger of a table or view; internal ones are left out, and so are the
-- copies that a partitioned table's trigger makes, unless enabled in another way.
--   schema, parent (the table), name, definition (without its name), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-trigger.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(t.tgname) AS name,
    pg_catalog.concat_ws(' ',
        CASE WHEN t.tgconstraint <> 0 THEN 'CONSTRAINT' END,
        -- "CREATE TRIGGER name BEFORE ..." from BEFORE.
        pg_catalog.substr(pg_catalog.pg_get_triggerdef(t.oid), pg_catalog.length(
            CASE WHEN t.tgconstraint <> 0 THEN 'CREATE CONSTRAINT TRIGGER '
                ELSE 'CREATE TRIGGER ' END
            || pg_catalog.quote_ident(t.tgname) || ' '
        ) + 1),
        CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled replica'
            WHEN 'A' THEN 'enabled always' END
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_trigger AS o ON o.oid = t.tgparentid
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
    AND d.objoid = t.oid
WHERE NOT t.tgisinternal
    AND (t.tgparentid = 0 OR t.tgenabled <> o.tgenabled)
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.deptype = 'e' AND (
            e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0
            OR e.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
            AND e.objid = t.oid
        )
    )
