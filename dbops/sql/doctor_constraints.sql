-- NOT VALID constraints that can be validated: not the NOT ENFORCED ones of
-- PostgreSQL 18, nor those that a parent's validation takes along.
-- Columns: name (quoted), owner (TABLE or DOMAIN with its quoted name), owner_name
-- (the quoted name alone). PostgreSQL 15 and later; conenforced is of 18.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-constraint.html
SELECT pg_catalog.quote_ident(c.conname) AS name,
       CASE WHEN t.oid IS NULL
            THEN pg_catalog.format('DOMAIN %I.%I', dn.nspname, d.typname)
            ELSE pg_catalog.format('TABLE %I.%I', tn.nspname, t.relname)
       END AS owner,
       CASE WHEN t.oid IS NULL
            THEN pg_catalog.format('%I.%I', dn.nspname, d.typname)
            ELSE pg_catalog.format('%I.%I', tn.nspname, t.relname)
       END AS owner_name
  FROM pg_catalog.pg_constraint AS c
  LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.conrelid
  LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
  LEFT JOIN pg_catalog.pg_type AS d ON d.oid = c.contypid
  LEFT JOIN pg_catalog.pg_namespace AS dn ON dn.oid = d.typnamespace
 WHERE NOT c.convalidated
   AND c.contype IN ('c', 'f', 'n')
   AND c.conparentid = 0
   AND (c.conislocal OR c.coninhcount = 0)
   AND coalesce(t.relpersistence, 'p') <> 't'
   AND coalesce((pg_catalog.to_jsonb(c) ->> 'conenforced')::bool, true)
 ORDER BY 2, 1
