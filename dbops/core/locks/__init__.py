"""Who waits for whom: from rows of `pg_locks` to queues, roots and advice."""
