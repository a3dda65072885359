-- Small changes to a project's database, a blank line between two. What begins with a
-- dollar is another table or column in each project: see projects.py. The projects take
-- turns, so what is of one kind stands together, at least three of it.
-- Each line after => is one that dbops_drift has to tell, and there are no others; where
-- there is none, neither dbops_drift nor pg_dump may see anything.
-- A change may need a later server: "from 18".

-- Columns

ALTER TABLE $table ADD COLUMN by_hand integer;
-- => extra column $table.by_hand

ALTER TABLE $table DROP COLUMN $plain;
-- => missing column $table.$plain

ALTER TABLE $table RENAME COLUMN $plain TO by_hand;
-- => extra column $table.by_hand
-- => missing column $table.$plain

ALTER TABLE $table ALTER COLUMN $text SET DEFAULT 'by hand';
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $moment SET DEFAULT now();
-- => changed column $table.$moment

ALTER TABLE extras_item ALTER COLUMN price SET DEFAULT 1;
-- => changed column extras_item.price

ALTER TABLE extras_item ALTER COLUMN price DROP DEFAULT;
-- => changed column extras_item.price

ALTER TABLE extras_item ALTER COLUMN feeling DROP DEFAULT;
-- => changed column extras_item.feeling

ALTER TABLE $table ALTER COLUMN $text DROP NOT NULL;
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $plain SET NOT NULL;
-- => changed column $table.$plain

-- from 18
ALTER TABLE $table ADD CONSTRAINT by_hand NOT NULL $plain NOT VALID;
-- => changed column $table.$plain

ALTER TABLE $table ALTER COLUMN $text TYPE text;
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $text TYPE varchar(7);
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $text TYPE varchar;
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $moment TYPE timestamp(3) with time zone;
-- => changed column $table.$moment

ALTER TABLE $table ALTER COLUMN $moment TYPE timestamp without time zone;
-- => changed column $table.$moment

ALTER TABLE $checked ALTER COLUMN $number TYPE bigint;
-- => changed column $checked.$number

ALTER TABLE $table ALTER COLUMN $text TYPE varchar($length) COLLATE "POSIX";
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $text SET STORAGE EXTERNAL;
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $text SET COMPRESSION pglz;
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $text SET STATISTICS 500;
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN $text SET (n_distinct = -0.5);
-- => changed column $table.$text

ALTER TABLE $table ALTER COLUMN id SET GENERATED ALWAYS;
-- => changed column $table.id

ALTER TABLE $table ALTER COLUMN id DROP IDENTITY;
-- => changed column $table.id

ALTER TABLE $table ALTER COLUMN id SET INCREMENT BY 10;
-- => changed column $table.id

ALTER TABLE extras_item ALTER COLUMN total DROP EXPRESSION;
-- => changed column extras_item.total

ALTER TABLE extras_item DROP COLUMN total,
    ADD COLUMN total numeric GENERATED ALWAYS AS (price * 3) STORED;
-- => changed column extras_item.total
-- => order note table extras_item

ALTER TABLE $table ADD COLUMN doubled integer GENERATED ALWAYS AS (id * 2) STORED;
-- => extra column $table.doubled

-- from 18
ALTER TABLE $table ADD COLUMN doubled integer GENERATED ALWAYS AS (id * 2) VIRTUAL;
-- => extra column $table.doubled

-- Constraints

ALTER TABLE $table DROP CONSTRAINT $key;
-- => missing constraint $table.$key

ALTER TABLE $table DROP CONSTRAINT $key, ADD CONSTRAINT $key FOREIGN KEY ($key_column)
    REFERENCES $target ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
-- => changed constraint $table.$key

ALTER TABLE $table DROP CONSTRAINT $key, ADD CONSTRAINT $key FOREIGN KEY ($key_column)
    REFERENCES $target ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED;
-- => changed constraint $table.$key

ALTER TABLE $table DROP CONSTRAINT $key, ADD CONSTRAINT $key FOREIGN KEY ($key_column)
    REFERENCES $target MATCH FULL DEFERRABLE INITIALLY DEFERRED;
-- => changed constraint $table.$key

ALTER TABLE $table DROP CONSTRAINT $key, ADD CONSTRAINT $key FOREIGN KEY ($key_column)
    REFERENCES $target DEFERRABLE INITIALLY DEFERRED NOT VALID;
-- => changed constraint $table.$key

ALTER TABLE $table ALTER CONSTRAINT $key NOT DEFERRABLE;
-- => changed constraint $table.$key

ALTER TABLE $table ALTER CONSTRAINT $key DEFERRABLE INITIALLY IMMEDIATE;
-- => changed constraint $table.$key

-- from 18
ALTER TABLE $table ALTER CONSTRAINT $key NOT ENFORCED;
-- => changed constraint $table.$key

ALTER TABLE $table ADD CONSTRAINT by_hand FOREIGN KEY ($key_column) REFERENCES $target;
-- => extra constraint $table.by_hand

ALTER TABLE $table DROP CONSTRAINT $unique;
-- => missing constraint $table.$unique

ALTER TABLE $table DROP CONSTRAINT $unique,
    ADD CONSTRAINT $unique UNIQUE ($unique_columns) DEFERRABLE;
-- => changed constraint $table.$unique

ALTER TABLE $table DROP CONSTRAINT $unique,
    ADD CONSTRAINT $unique UNIQUE NULLS NOT DISTINCT ($unique_columns);
-- => changed constraint $table.$unique

ALTER TABLE $table DROP CONSTRAINT $unique,
    ADD CONSTRAINT $unique UNIQUE ($unique_columns) INCLUDE ($moment);
-- => changed constraint $table.$unique

ALTER TABLE $table ADD CONSTRAINT by_hand UNIQUE ($text);
-- => extra constraint $table.by_hand

ALTER TABLE $checked DROP CONSTRAINT $check;
-- => missing constraint $checked.$check

ALTER TABLE $checked DROP CONSTRAINT $check,
    ADD CONSTRAINT $check CHECK ($number > 0);
-- => changed constraint $checked.$check

ALTER TABLE $checked DROP CONSTRAINT $check,
    ADD CONSTRAINT $check CHECK ($number >= 0) NOT VALID;
-- => changed constraint $checked.$check

ALTER TABLE $checked DROP CONSTRAINT $check,
    ADD CONSTRAINT $check CHECK ($number >= 0) NO INHERIT;
-- => changed constraint $checked.$check

ALTER TABLE $checked RENAME CONSTRAINT $check TO by_hand;
-- => extra constraint $checked.by_hand
-- => missing constraint $checked.$check

ALTER TABLE extras_item DROP CONSTRAINT name_known,
    ADD CONSTRAINT name_known CHECK (name IN ('a', 'b', 'c'));
-- => changed constraint extras_item.name_known

ALTER TABLE extras_item DROP CONSTRAINT valid_apart,
    ADD CONSTRAINT valid_apart EXCLUDE USING gist (valid WITH &&) WHERE (price > 1);
-- => changed constraint extras_item.valid_apart

ALTER TABLE $leaf DROP CONSTRAINT $leaf_key;
-- => missing constraint $leaf.$leaf_key

ALTER TABLE $leaf DROP CONSTRAINT ${leaf}_pkey;
-- => missing constraint $leaf.${leaf}_pkey

ALTER TABLE $table ADD CONSTRAINT by_hand CHECK (id > 0);
-- => extra constraint $table.by_hand

-- Indexes

DROP INDEX $index;
-- => missing index $index

CREATE INDEX by_hand ON $table ($text);
-- => extra index by_hand

CREATE INDEX by_hand ON $table (lower($text));
-- => extra index by_hand

CREATE INDEX by_hand ON $table USING brin (id);
-- => extra index by_hand

DROP INDEX $index;
CREATE UNIQUE INDEX $index ON $table ($indexed);
-- => changed index $index

DROP INDEX $index;
CREATE INDEX $index ON $table ($indexed DESC);
-- => changed index $index

DROP INDEX $index;
CREATE INDEX $index ON $table ($indexed NULLS FIRST);
-- => changed index $index

DROP INDEX $index;
CREATE INDEX $index ON $table ($indexed, $text);
-- => changed index $index

DROP INDEX $index;
CREATE INDEX $index ON $table ($indexed) INCLUDE ($text);
-- => changed index $index

DROP INDEX $index;
CREATE INDEX $index ON $table USING hash ($indexed);
-- => changed index $index

DROP INDEX $index;
CREATE INDEX $index ON $table ($indexed) WHERE id > 1;
-- => changed index $index

DROP INDEX $index;
CREATE UNIQUE INDEX $index ON $table ($indexed) NULLS NOT DISTINCT;
-- => changed index $index

DROP INDEX extras_item_lower;
CREATE INDEX extras_item_lower ON extras_item (upper(name));
-- => changed index extras_item_lower

DROP INDEX extras_item_lower;
CREATE INDEX extras_item_lower ON extras_item (lower(name) text_pattern_ops);
-- => changed index extras_item_lower

DROP INDEX extras_item_lower;
CREATE INDEX extras_item_lower ON extras_item (lower(name) COLLATE "C");
-- => changed index extras_item_lower

DROP INDEX extras_item_partial;
CREATE INDEX extras_item_partial ON extras_item (size) WHERE price > 2;
-- => changed index extras_item_partial

ALTER INDEX $index SET (fillfactor = 70);
-- => changed index $index

ALTER INDEX $index RENAME TO by_hand;
-- => extra index by_hand
-- => missing index $index

ALTER TABLE $table CLUSTER ON $index;
-- => changed index $index

-- Types

ALTER TYPE extras_mood ADD VALUE 'furious';
-- => changed enum extras_mood

ALTER TYPE extras_mood ADD VALUE 'furious' BEFORE 'sad';
-- => changed enum extras_mood

ALTER TYPE extras_mood RENAME VALUE 'ok' TO 'fine';
-- => changed column extras_item.feeling
-- => changed enum extras_mood

CREATE TYPE by_hand AS ENUM ('sad');
-- => extra enum by_hand

ALTER DOMAIN extras_positive SET DEFAULT 1;
-- => changed domain extras_positive

ALTER DOMAIN extras_positive SET NOT NULL;
-- => changed domain extras_positive

ALTER DOMAIN extras_positive DROP CONSTRAINT above_zero;
-- => changed domain extras_positive

ALTER DOMAIN extras_positive ADD CONSTRAINT small CHECK (VALUE < 100) NOT VALID;
-- => changed domain extras_positive

ALTER DOMAIN extras_positive RENAME CONSTRAINT above_zero TO by_hand;
-- => changed domain extras_positive

ALTER TYPE extras_pair ADD ATTRIBUTE c date;
-- => changed type extras_pair

ALTER TYPE extras_pair ALTER ATTRIBUTE a TYPE bigint;
-- => changed type extras_pair

-- Functions

CREATE OR REPLACE FUNCTION extras_twice(a integer) RETURNS integer LANGUAGE sql
    AS 'SELECT a + a';
-- => changed function extras_twice(integer)

CREATE OR REPLACE FUNCTION extras_twice(a integer DEFAULT 1) RETURNS integer
    LANGUAGE sql AS 'SELECT a * 2';
-- => changed function extras_twice(integer)

CREATE FUNCTION extras_twice(a bigint) RETURNS bigint LANGUAGE sql AS 'SELECT a * 2';
-- => extra function extras_twice(bigint)

DROP FUNCTION extras_twice;
-- => missing function extras_twice(integer)

CREATE OR REPLACE FUNCTION extras_touch() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RETURN OLD; END';
-- => changed function extras_touch()

ALTER FUNCTION extras_twice IMMUTABLE;
-- => changed function extras_twice(integer)

ALTER FUNCTION extras_twice STRICT;
-- => changed function extras_twice(integer)

ALTER FUNCTION extras_twice SECURITY DEFINER;
-- => changed function extras_twice(integer)

ALTER FUNCTION extras_twice PARALLEL SAFE;
-- => changed function extras_twice(integer)

ALTER FUNCTION extras_twice COST 7;
-- => changed function extras_twice(integer)

ALTER FUNCTION extras_twice SET search_path = pg_catalog;
-- => changed function extras_twice(integer)

-- Triggers and rules

ALTER TABLE extras_item DISABLE TRIGGER item_touch;
-- => changed trigger extras_item.item_touch

ALTER TABLE extras_item ENABLE ALWAYS TRIGGER item_touch;
-- => changed trigger extras_item.item_touch

ALTER TABLE extras_item ENABLE REPLICA TRIGGER item_touch;
-- => changed trigger extras_item.item_touch

CREATE OR REPLACE TRIGGER item_touch BEFORE UPDATE OF name ON extras_item
    FOR EACH ROW EXECUTE FUNCTION extras_touch();
-- => changed trigger extras_item.item_touch

CREATE OR REPLACE TRIGGER item_touch AFTER UPDATE ON extras_item
    FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION extras_touch();
-- => changed trigger extras_item.item_touch

DROP TRIGGER item_touch ON extras_item;
-- => missing trigger extras_item.item_touch

CREATE TRIGGER by_hand AFTER INSERT ON $table
    FOR EACH STATEMENT EXECUTE FUNCTION extras_touch();
-- => extra trigger $table.by_hand

CREATE CONSTRAINT TRIGGER by_hand AFTER INSERT ON $table DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION extras_touch();
-- => extra trigger $table.by_hand

ALTER TABLE extras_item DISABLE RULE item_keep;
-- => changed rule extras_item.item_keep

DROP RULE item_keep ON extras_item;
-- => missing rule extras_item.item_keep

CREATE OR REPLACE RULE item_keep AS ON DELETE TO extras_item WHERE OLD.price > 1
    DO INSTEAD NOTHING;
-- => changed rule extras_item.item_keep

-- Views and statistics

CREATE OR REPLACE VIEW extras_cheap AS SELECT id, name FROM extras_item WHERE price < 6;
-- => changed view extras_cheap

ALTER VIEW extras_cheap SET (security_barrier = true);
-- => changed view extras_cheap

DROP VIEW extras_cheap;
-- => missing view extras_cheap

ALTER VIEW extras_cheap RENAME COLUMN name TO label;
-- => changed view extras_cheap

CREATE VIEW by_hand AS SELECT id, $text FROM $table;
-- => extra view by_hand

DROP MATERIALIZED VIEW extras_dear;
-- => missing view extras_dear

ALTER MATERIALIZED VIEW extras_dear SET (fillfactor = 60);
-- => changed view extras_dear

CREATE INDEX by_hand ON extras_dear (name);
-- => extra index by_hand

CREATE STATISTICS by_hand (dependencies) ON $text, $moment FROM $table;
-- => extra statistics by_hand

ALTER STATISTICS extras_item_both SET STATISTICS 200;
-- => changed statistics extras_item_both

DROP STATISTICS extras_item_both;
-- => missing statistics extras_item_both

-- Sequences

CREATE SEQUENCE by_hand;
-- => extra sequence by_hand

ALTER SEQUENCE extras_ticket INCREMENT BY 5;
-- => changed sequence extras_ticket

ALTER SEQUENCE extras_ticket MAXVALUE 1000;
-- => changed sequence extras_ticket

DROP SEQUENCE extras_ticket;
-- => missing sequence extras_ticket

ALTER SEQUENCE extras_ticket AS integer;
-- => changed sequence extras_ticket

ALTER SEQUENCE extras_ticket CACHE 20 CYCLE;
-- => changed sequence extras_ticket

ALTER SEQUENCE extras_ticket OWNED BY extras_item.id;
-- => changed sequence extras_ticket

-- Row security

ALTER TABLE $table ENABLE ROW LEVEL SECURITY;
-- => changed table $table

ALTER TABLE $table FORCE ROW LEVEL SECURITY;
-- => changed table $table

CREATE POLICY by_hand ON $table USING (id > 0);
-- => extra policy $table.by_hand

CREATE POLICY by_hand ON $table AS RESTRICTIVE FOR INSERT WITH CHECK (id > 0);
-- => extra policy $table.by_hand

ALTER POLICY item_seen ON extras_item USING (price > 1);
-- => changed policy extras_item.item_seen

ALTER POLICY item_seen ON extras_item TO pg_monitor;
-- => changed policy extras_item.item_seen

DROP POLICY item_seen ON extras_item;
-- => missing policy extras_item.item_seen

-- Tables and schemas

CREATE TABLE by_hand (id integer PRIMARY KEY, name text);
-- => extra table by_hand

DROP TABLE $leaf;
-- => missing table $leaf

ALTER TABLE extras_note RENAME TO by_hand;
-- => changed index extras_note_text
-- => extra table by_hand
-- => missing table extras_note

ALTER TABLE $leaf SET UNLOGGED;
-- => changed table $leaf

ALTER TABLE $table SET (fillfactor = 80);
-- => changed table $table

ALTER TABLE $table SET (autovacuum_enabled = off, toast.autovacuum_enabled = off);
-- => changed table $table

ALTER TABLE $table REPLICA IDENTITY FULL;
-- => changed table $table

CREATE SCHEMA by_hand;
-- => extra schema by_hand

-- Comments

COMMENT ON TABLE $table IS 'by hand';
-- => changed table $table

COMMENT ON TABLE extras_item IS NULL;
-- => changed table extras_item

COMMENT ON COLUMN $table.$text IS 'by hand';
-- => changed column $table.$text

COMMENT ON CONSTRAINT $check ON $checked IS 'by hand';
-- => changed constraint $checked.$check

COMMENT ON INDEX $index IS 'by hand';
-- => changed index $index

COMMENT ON FUNCTION extras_twice IS 'by hand';
-- => changed function extras_twice(integer)

COMMENT ON TYPE extras_mood IS 'by hand';
-- => changed enum extras_mood

COMMENT ON VIEW extras_cheap IS 'by hand';
-- => changed view extras_cheap

COMMENT ON TRIGGER item_touch ON extras_item IS 'by hand';
-- => changed trigger extras_item.item_touch

COMMENT ON SEQUENCE extras_ticket IS 'by hand';
-- => changed sequence extras_ticket

-- Seen by pg_dump, and told without being a difference

ALTER TABLE $table DROP COLUMN $plain, ADD COLUMN $plain $plain_type;
-- => order note table $table

ALTER INDEX $index RENAME TO ${table}_${indexed}_0123abcd;
-- => name note index $index

-- Nothing that pg_dump would see

INSERT INTO extras_item (name, price) VALUES ('a', 2);
UPDATE extras_item SET price = 3;

ANALYZE $table;

SELECT setval('extras_ticket', 1000);

ALTER TABLE $table ALTER COLUMN $text TYPE varchar($length);

ALTER TABLE $table ALTER COLUMN $text SET NOT NULL;

ALTER TABLE $table ADD COLUMN hole text;
ALTER TABLE $table DROP COLUMN hole;

DROP INDEX $index;
CREATE INDEX $index ON $table ($indexed);

ALTER TABLE $table DROP CONSTRAINT $key, ADD CONSTRAINT $key FOREIGN KEY ($key_column)
    REFERENCES $target DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE $checked DROP CONSTRAINT $check, ADD CONSTRAINT $check
    CHECK ($number >= 0) NOT VALID;
ALTER TABLE $checked VALIDATE CONSTRAINT $check;

REINDEX TABLE $table;

TRUNCATE $leaf;

ALTER TABLE $table DISABLE ROW LEVEL SECURITY;

COMMENT ON TABLE $table IS NULL;

GRANT SELECT ON $table TO PUBLIC;

REFRESH MATERIALIZED VIEW extras_dear;

CREATE OR REPLACE FUNCTION extras_twice(a integer) RETURNS integer LANGUAGE sql
    AS 'SELECT a * 2';
