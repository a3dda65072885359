-- Memberships of these roles in each other and in predefined roles.
-- Parameter: names. Columns: role, member, options (of GRANT; INHERIT and SET only where
-- they are not what a server before 16 does, too).
-- Source: https://www.postgresql.org/docs/current/catalog-pg-auth-members.html
SELECT DISTINCT r.rolname::text AS role,
       m.rolname::text AS member,
       pg_catalog.array_remove(
           ARRAY[
               CASE WHEN a.admin_option THEN 'ADMIN OPTION' END,
               CASE
                   WHEN (x.entry ->> 'inherit_option')::boolean <> m.rolinherit
                   THEN 'INHERIT ' || pg_catalog.upper(x.entry ->> 'inherit_option')
               END,
               CASE
                   WHEN NOT (x.entry ->> 'set_option')::boolean THEN 'SET FALSE'
               END
           ],
           NULL
       ) AS options
  FROM pg_catalog.pg_auth_members AS a
  JOIN pg_catalog.pg_roles AS r ON r.oid = a.roleid
  JOIN pg_catalog.pg_roles AS m ON m.oid = a.member
 CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(a) AS entry) AS x
 WHERE m.rolname = ANY (%(names)s::text[])
   AND (r.rolname = ANY (%(names)s::text[]) OR pg_catalog.left(r.rolname, 3) = 'pg_')
 ORDER BY 1, 2
