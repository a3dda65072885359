-- Settings of a database's sessions, as ALTER DATABASE and ALTER ROLE ... IN DATABASE
-- set them. Parameter: name. Columns: role (NULL: all), setting, value (as stored).
-- Source: https://www.postgresql.org/docs/current/catalog-pg-db-role-setting.html
SELECT r.rolname::text AS role,
       pg_catalog.split_part(c.entry, '=', 1) AS setting,
       pg_catalog.substr(c.entry, 1 + pg_catalog.strpos(c.entry, '=')) AS value
  FROM pg_catalog.pg_db_role_setting AS s
  JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
 CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (entry)
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
 WHERE d.datname = %(name)s
   AND (s.setrole = 0 OR r.oid IS NOT NULL)
 ORDER BY 1 NULLS FIRST, 2
