-- Let nobody else write an entry until the transaction ends; reading goes on. LOCK takes
-- no snapshot, so that a CREATE INDEX CONCURRENTLY never waits for who waits here.
-- Source: https://www.postgresql.org/docs/current/sql-lock.html
LOCK TABLE dbops_entry IN SHARE ROW EXCLUSIVE MODE
