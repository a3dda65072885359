-- Roles that own something in the connected database, or may do something with it, and
-- their members; without predefined ones, and without any password.
-- Columns: name, is_needed (false: a member only), options (of CREATE ROLE), settings
-- (name=value, as stored).
-- Left out are owners of extensions and what belongs to them: no dump has those.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-shdepend.html
WITH RECURSIVE this AS (
           SELECT d.oid, d.datdba
             FROM pg_catalog.pg_database AS d
            WHERE d.datname = pg_catalog.current_database()
       ),
       member_of_extension AS (
           SELECT e.classid, e.objid
             FROM pg_catalog.pg_depend AS e
            WHERE e.deptype = 'e'
       ),
       -- The first superuser's ownership is not among the dependencies.
       owned (classid, objid, owner) AS (
           SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, c.oid, c.relowner
             FROM pg_catalog.pg_class AS c
            WHERE c.relpersistence <> 't'
            UNION ALL
           SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, n.oid, n.nspowner
             FROM pg_catalog.pg_namespace AS n
            WHERE pg_catalog.left(n.nspname, 3) <> 'pg_'
            UNION ALL
           SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::oid, p.oid, p.proowner
             FROM pg_catalog.pg_proc AS p
            UNION ALL
           SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::oid, t.oid, t.typowner
             FROM pg_catalog.pg_type AS t
            WHERE t.typtype IN ('d', 'e', 'r')
       ),
       needed (oid) AS (
           SELECT t.datdba FROM this AS t
            UNION
           SELECT o.owner
             FROM owned AS o
            WHERE o.objid >= 16384
              AND NOT EXISTS (
                      SELECT FROM member_of_extension AS e
                       WHERE e.classid = o.classid AND e.objid = o.objid
                  )
            UNION
           SELECT s.refobjid
             FROM pg_catalog.pg_shdepend AS s, this AS t
            WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
              AND s.deptype IN ('o', 'a', 'r')
              AND s.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
              AND (
                      s.dbid = t.oid
                      OR (
                          s.dbid = 0
                          AND s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
                          AND s.objid = t.oid
                      )
                  )
              AND NOT EXISTS (
                      SELECT FROM member_of_extension AS e
                       WHERE e.classid = s.classid AND e.objid = s.objid
                  )
              AND NOT EXISTS (
                      SELECT FROM pg_catalog.pg_class AS c
                       WHERE s.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                         AND c.oid = s.objid
                         AND c.relpersistence = 't'
                  )
            UNION
           SELECT s.setrole
             FROM pg_catalog.pg_db_role_setting AS s, this AS t
            WHERE s.setdatabase = t.oid AND s.setrole <> 0
       ),
       wanted (oid) AS (
           SELECT n.oid FROM needed AS n
            UNION
           SELECT m.member
             FROM wanted AS w
             JOIN pg_catalog.pg_auth_members AS m ON m.roleid = w.oid
             JOIN pg_catalog.pg_roles AS r ON r.oid = w.oid
            WHERE pg_catalog.left(r.rolname, 3) <> 'pg_'
       )
SELECT r.rolname::text AS name,
       EXISTS (SELECT FROM needed AS n WHERE n.oid = r.oid) AS is_needed,
       pg_catalog.array_remove(
           ARRAY[
               CASE WHEN r.rolcanlogin THEN 'LOGIN' END,
               CASE WHEN NOT r.rolinherit THEN 'NOINHERIT' END,
               CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
               CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
               CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
               CASE WHEN r.rolreplication THEN 'REPLICATION' END,
               CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
               CASE
                   WHEN r.rolconnlimit <> -1
                   THEN 'CONNECTION LIMIT ' || r.rolconnlimit
               END,
               CASE
                   WHEN r.rolvaliduntil IS NOT NULL
                   THEN 'VALID UNTIL '
                       || pg_catalog.quote_literal(
                              (r.rolvaliduntil AT TIME ZONE 'UTC')::text || ' UTC'
                          )
               END
           ],
           NULL
       ) AS options,
       coalesce(r.rolconfig, '{}') AS settings
  FROM pg_catalog.pg_roles AS r
  JOIN wanted AS w ON w.oid = r.oid
 WHERE pg_catalog.left(r.rolname, 3) <> 'pg_'
 ORDER BY r.rolname
