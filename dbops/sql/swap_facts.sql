-- What decides whether this role can rename a database that is in use.
-- Parameter: name. Columns: oid, owner, owns (has the owner's rights), may_create,
-- prepared (transactions that hold it), untouchable (roles with sessions that this role
-- may not end).
-- Source: https://www.postgresql.org/docs/current/functions-admin.html
SELECT d.oid::bigint AS oid,
       pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
       pg_catalog.pg_has_role(d.datdba, 'USAGE') AS owns,
       me.rolcreatedb OR me.rolsuper AS may_create,
       (SELECT pg_catalog.count(*)
          FROM pg_catalog.pg_prepared_xacts AS p
         WHERE p.database = d.datname) AS prepared,
       ARRAY(
           SELECT DISTINCT r.rolname::text
             FROM pg_catalog.pg_stat_activity AS a
             JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
            WHERE a.datid = d.oid
              AND NOT me.rolsuper
              AND (r.rolsuper OR NOT (
                      pg_catalog.pg_has_role(r.oid, 'USAGE')
                      OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE')
                  ))
            ORDER BY 1
       ) AS untouchable
  FROM pg_catalog.pg_database AS d
 CROSS JOIN pg_catalog.pg_roles AS me
 WHERE d.datname = %(name)s
   AND me.rolname = current_user
