-- Sequences that end one day, and how far each has come.
-- Columns: name (quoted, with its schema), increment, least, greatest (its limits),
-- last_value (null: never used, or not to be read), permitted, locked, column_table,
-- column_name (both quoted; null: no column owns it), column_type, column_bits (16,
-- 32, 64; null where the type has no such limit), column_identity.
-- pg_sequence_last_value locks the sequence as nextval does, and so is not asked where
-- somebody has, or waits for, ACCESS EXCLUSIVE. Unlogged ones are none on a standby.
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-sequence.html
WITH locked AS MATERIALIZED (
    SELECT l.relation
      FROM pg_catalog.pg_locks AS l
     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
       AND l.relation IS NOT NULL
), sequence AS MATERIALIZED (
    SELECT s.seqrelid, s.seqincrement, s.seqmin, s.seqmax, n.nspname, c.relname,
           pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT, USAGE')
               AS permitted,
           s.seqrelid IN (SELECT l.relation FROM locked AS l) AS locked
      FROM pg_catalog.pg_sequence AS s
      JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE NOT s.seqcycle
       AND c.relpersistence <> 't'
       AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
)
SELECT pg_catalog.format('%I.%I', s.nspname, s.relname) AS name,
       s.seqincrement AS increment,
       s.seqmin AS least,
       s.seqmax AS greatest,
       CASE WHEN s.permitted AND NOT s.locked
            THEN pg_catalog.pg_sequence_last_value(s.seqrelid)
       END AS last_value,
       s.permitted,
       s.locked,
       CASE WHEN t.oid IS NOT NULL
            THEN pg_catalog.format('%I.%I', tn.nspname, t.relname)
       END AS column_table,
       pg_catalog.quote_ident(a.attname) AS column_name,
       pg_catalog.format_type(y.base, NULL) AS column_type,
       CASE y.base
            WHEN 'pg_catalog.int2'::pg_catalog.regtype THEN 16
            WHEN 'pg_catalog.int4'::pg_catalog.regtype THEN 32
            WHEN 'pg_catalog.int8'::pg_catalog.regtype THEN 64
       END AS column_bits,
       coalesce(a.attidentity <> '', false) AS column_identity
  FROM sequence AS s
  LEFT JOIN pg_catalog.pg_depend AS d
    ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND d.objid = s.seqrelid
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND d.refobjsubid > 0
   AND d.deptype IN ('a', 'i')
  LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  LEFT JOIN pg_catalog.pg_class AS t ON t.oid = a.attrelid
  LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
  LEFT JOIN LATERAL (
      SELECT CASE p.typtype WHEN 'd' THEN p.typbasetype ELSE p.oid END AS base
        FROM pg_catalog.pg_type AS p
       WHERE p.oid = a.atttypid
  ) AS y ON true
 ORDER BY 1
