-- Write down a statement outside a transaction. Parameters: id (uuid), app, migration
-- (text), operation, number (int, from 1), state, sql (text).
INSERT INTO dbops_statement
       (id, app, migration, operation, number, state, began_at, sql)
VALUES (%(id)s, %(app)s, %(migration)s, %(operation)s, %(number)s, %(state)s,
        pg_catalog.clock_timestamp(), %(sql)s)
