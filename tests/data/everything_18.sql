-- What PostgreSQL 18 added; after everything.sql.

CREATE TABLE rectangle (
    id integer PRIMARY KEY,
    width integer NOT NULL,
    height integer NOT NULL,
    area integer GENERATED ALWAYS AS (width * height) VIRTUAL
);
