-- The prepared transactions of the server. Columns: transaction, gid, literal (the gid
-- as SQL writes it), prepared_us (microseconds since 1970), owner, database.
-- Source: https://www.postgresql.org/docs/current/view-pg-prepared-xacts.html
SELECT p.transaction::text::bigint AS transaction,
       p.gid,
       pg_catalog.quote_literal(p.gid) AS literal,
       (extract(epoch FROM p.prepared) * 1000000)::bigint AS prepared_us,
       p.owner::text AS owner,
       p.database::text AS database
  FROM pg_catalog.pg_prepared_xacts AS p
