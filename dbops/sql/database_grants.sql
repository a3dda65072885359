-- Who may do what with a database, the owner aside. Parameter: name.
-- Columns: role (NULL: everybody), privilege, is_grantable.
-- Source: https://www.postgresql.org/docs/current/ddl-priv.html
SELECT r.rolname::text AS role,
       x.privilege_type AS privilege,
       x.is_grantable
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS x
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = x.grantee
 WHERE d.datname = %(name)s
   AND x.grantee <> d.datdba
   AND (x.grantee = 0 OR r.oid IS NOT NULL)
 ORDER BY 1, 2
