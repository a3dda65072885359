-- One enum type: its labels, and the statements that give a copy of it the same owner,
-- comment and grants.
-- Parameters: name (as in SQL). Columns: oid, array_oid, schema (quoted), labels (in
-- order), extras. PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-enum.html
SELECT t.oid::bigint AS oid,
       t.typarray::bigint AS array_oid,
       pg_catalog.quote_ident(n.nspname) AS schema,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
              WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
       ARRAY(
           SELECT pg_catalog.format('COMMENT ON TYPE %%s IS %%L', %(name)s::text, d)
             FROM pg_catalog.obj_description(t.oid, 'pg_type') AS d
            WHERE d IS NOT NULL
       ) || ARRAY(
           SELECT pg_catalog.format('REVOKE ALL ON TYPE %%s FROM PUBLIC', %(name)s::text)
            WHERE t.typacl IS NOT NULL
       ) || ARRAY(
           SELECT pg_catalog.format('GRANT %%s ON TYPE %%s TO %%s%%s', g.privilege_type,
                      %(name)s::text,
                      CASE g.grantee WHEN 0 THEN 'PUBLIC'
                          ELSE pg_catalog.quote_ident(
                              pg_catalog.pg_get_userbyid(g.grantee)) END,
                      CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
             FROM pg_catalog.aclexplode(t.typacl) AS g
            WHERE g.grantee <> t.typowner
       ) || ARRAY(
           SELECT pg_catalog.format('ALTER TYPE %%s OWNER TO %%I', %(name)s::text,
                                    pg_catalog.pg_get_userbyid(t.typowner))
            WHERE pg_catalog.pg_get_userbyid(t.typowner) <> current_user
       ) AS extras
  FROM pg_catalog.pg_type AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
 WHERE t.oid = pg_catalog.to_regtype(%(name)s::text) AND t.typtype = 'e'
