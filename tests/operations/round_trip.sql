-- What a backup must bring back, apart from rows of every type (see test_round_trip.py).
CREATE SCHEMA "Mixed Case";
CREATE TYPE "Mixed Case"."Mood" AS ENUM ('sad', 'O''k', 'gl"ad', 'späß');
CREATE TYPE pair AS (a integer, b text);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);

CREATE TABLE "Mixed Case"."Order ""1""" (
    "Id" bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 7) PRIMARY KEY,
    "select" text NOT NULL,
    doubled text GENERATED ALWAYS AS ("select" || "select") STORED,
    mood "Mixed Case"."Mood" DEFAULT 'sad',
    parent bigint REFERENCES "Mixed Case"."Order ""1""" DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON "Mixed Case"."Order ""1""" (lower("select")) WHERE mood <> 'sad';
INSERT INTO "Mixed Case"."Order ""1""" ("select", mood)
    SELECT 'row ' || n, (ARRAY['sad', 'O''k', 'gl"ad', 'späß'])[n % 4 + 1]::"Mixed Case"."Mood"
      FROM generate_series(1, 500) AS n;
UPDATE "Mixed Case"."Order ""1""" SET parent = "Id" - 7 WHERE "Id" > 100;

CREATE TABLE wide (id serial PRIMARY KEY, big text, bytes bytea);
INSERT INTO wide (big, bytes)
    SELECT string_agg(md5((n * m)::text), E'\n\t\\'), decode(repeat(md5(n::text), 400), 'hex')
      FROM generate_series(1, 20) AS n, generate_series(1, 900) AS m GROUP BY n;
SELECT setval('wide_id_seq', 4711, false);

CREATE TABLE measured (at timestamptz NOT NULL, value double precision)
    PARTITION BY RANGE (at);
CREATE TABLE measured_old PARTITION OF measured FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE measured_new (value double precision, at timestamptz NOT NULL);
ALTER TABLE measured ATTACH PARTITION measured_new FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO measured SELECT '2025-12-01Z'::timestamptz + n * interval '7 hours', n / 3.0
    FROM generate_series(1, 300) AS n;

CREATE TABLE animal (name text, "drop me" integer);
CREATE TABLE cat (lives integer) INHERITS (animal);
INSERT INTO animal VALUES ('dog', 1);
INSERT INTO cat VALUES ('tom', 1, 9);
ALTER TABLE animal DROP COLUMN "drop me";

CREATE UNLOGGED TABLE volatile_notes (note text);
INSERT INTO volatile_notes VALUES (''), (NULL), ('\.'), (E'\\N'), (E'a\r\nb\tc');
CREATE TABLE nothing_in_it ();
INSERT INTO nothing_in_it DEFAULT VALUES;

CREATE TABLE secret (owner text, note text);
INSERT INTO secret VALUES ('ada', 'x');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user);

CREATE MATERIALIZED VIEW moods AS
    SELECT mood, count(*) AS number FROM "Mixed Case"."Order ""1""" GROUP BY mood;
CREATE UNIQUE INDEX ON moods (mood);
CREATE MATERIALIZED VIEW happy AS SELECT number FROM moods WHERE mood <> 'sad';
CREATE MATERIALIZED VIEW not_filled AS SELECT 1 AS x WITH NO DATA;
CREATE VIEW pairs AS SELECT (ROW(1, 'x')::pair).b;

CREATE TABLE touched (id integer, at timestamptz);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.at := clock_timestamp(); RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON touched
    FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO touched (id) SELECT generate_series(1, 50);
CREATE SEQUENCE counter CYCLE MAXVALUE 10;
SELECT nextval('counter') FROM generate_series(1, 13);
