-- One row: the first transaction that has not begun yet, in 64 bits.
-- PostgreSQL 15 and later;
-- https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint AS xid
