-- What is noted on the connected database for all roles: is it for development, and does
-- it have a schema that was pushed.
--   name (dbops.development, dbops.pushed), value
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-db-role-setting.html
SELECT pg_catalog.split_part(c.setting, '=', 1) AS name,
    pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1) AS value
FROM pg_catalog.pg_db_role_setting AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
WHERE d.datname = pg_catalog.current_database() AND s.setrole = 0
    AND c.setting LIKE 'dbops.%'
