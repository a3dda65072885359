-- Begin a look: no query of it takes long, or waits long for a lock. The bounds end with
-- the transaction, so that a pooler does not hand them on to others. Compiling a query
-- that runs for milliseconds would take longer than the query.
BEGIN READ ONLY;
SET LOCAL statement_timeout = '10s';
SET LOCAL lock_timeout = '1s';
SET LOCAL jit = off
