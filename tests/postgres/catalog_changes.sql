-- Small changes to the schema of catalog_base.sql, a blank line between two.
-- Each line after => is one that the comparison has to tell, and there are no others.
-- A change may need a later server: "from 18".

ALTER TABLE item ADD COLUMN extra integer;
-- => extra column item.extra

ALTER TABLE item DROP COLUMN valid;
-- => missing column item.valid

ALTER TABLE item RENAME COLUMN valid TO validity;
-- => missing column item.valid
-- => extra column item.validity

ALTER TABLE item ALTER COLUMN note SET NOT NULL;
-- => changed column item.note

ALTER TABLE item ALTER COLUMN name DROP NOT NULL;
-- => changed column item.name

ALTER TABLE item ALTER COLUMN note SET DEFAULT 'none';
-- => changed column item.note

ALTER TABLE item ALTER COLUMN price SET DEFAULT 1;
-- => changed column item.price

ALTER TABLE item ALTER COLUMN price DROP DEFAULT;
-- => changed column item.price

ALTER TABLE maker ALTER COLUMN code TYPE character varying(20);
-- => changed column maker.code

ALTER TABLE maker ALTER COLUMN code TYPE character varying;
-- => changed column maker.code

ALTER TABLE maker ALTER COLUMN code TYPE text;
-- => changed column maker.code

ALTER TABLE item ALTER COLUMN made_at TYPE timestamp(6) with time zone;
-- => changed column item.made_at

ALTER TABLE item ALTER COLUMN made_at TYPE timestamp without time zone;
-- => changed column item.made_at

ALTER TABLE item ALTER COLUMN made_at TYPE timestamp(6) with time zone[] USING NULL;
-- => changed column item.made_at

ALTER TABLE item ALTER COLUMN note TYPE text COLLATE "C";
-- => changed column item.note

ALTER TABLE item ALTER COLUMN note SET STORAGE EXTERNAL;
-- => changed column item.note

ALTER TABLE item ALTER COLUMN note SET COMPRESSION pglz;
-- => changed column item.note

ALTER TABLE item ALTER COLUMN note SET STATISTICS 500;
-- => changed column item.note

ALTER TABLE item ALTER COLUMN note SET (n_distinct = -0.5);
-- => changed column item.note

ALTER TABLE item ALTER COLUMN total DROP EXPRESSION;
-- => changed column item.total

ALTER TABLE item DROP COLUMN total, ADD COLUMN total numeric GENERATED ALWAYS AS
    (price * 3) STORED;
-- => changed column item.total
-- => order note table item

ALTER TABLE maker ALTER COLUMN id DROP IDENTITY;
-- => changed column maker.id

ALTER TABLE maker ALTER COLUMN id SET GENERATED ALWAYS;
-- => changed column maker.id

ALTER TABLE maker ALTER COLUMN id SET INCREMENT BY 10;
-- => changed column maker.id

ALTER TABLE maker ALTER COLUMN id SET START WITH 7 SET CYCLE;
-- => changed column maker.id

ALTER TABLE item ALTER COLUMN feeling TYPE text;
-- => changed column item.feeling

ALTER TABLE audit.log ALTER COLUMN id TYPE bigint;
-- => changed column audit.log.id

ALTER TABLE audit.log ADD COLUMN "Who" text;
-- => extra column audit.log."Who"

-- from 18
ALTER TABLE item ADD COLUMN double_price numeric GENERATED ALWAYS AS (price * 2)
    VIRTUAL;
-- => extra column item.double_price

-- from 18
ALTER TABLE item ADD CONSTRAINT note_given NOT NULL note NOT VALID;
-- => changed column item.note

ALTER TABLE item DROP CONSTRAINT price_not_negative;
-- => missing constraint item.price_not_negative

ALTER TABLE item DROP CONSTRAINT price_not_negative, ADD CONSTRAINT price_not_negative
    CHECK (price > 0);
-- => changed constraint item.price_not_negative

ALTER TABLE item DROP CONSTRAINT price_not_negative, ADD CONSTRAINT price_not_negative
    CHECK (price >= 0) NOT VALID;
-- => changed constraint item.price_not_negative

ALTER TABLE item DROP CONSTRAINT price_not_negative, ADD CONSTRAINT price_not_negative
    CHECK (price >= 0) NO INHERIT;
-- => changed constraint item.price_not_negative

ALTER TABLE item RENAME CONSTRAINT price_not_negative TO price_fine;
-- => extra constraint item.price_fine
-- => missing constraint item.price_not_negative

ALTER TABLE item DROP CONSTRAINT item_maker_id_fkey;
-- => missing constraint item.item_maker_id_fkey

ALTER TABLE item DROP CONSTRAINT item_maker_id_fkey, ADD CONSTRAINT item_maker_id_fkey
    FOREIGN KEY (maker_id) REFERENCES maker ON DELETE CASCADE;
-- => changed constraint item.item_maker_id_fkey

ALTER TABLE item DROP CONSTRAINT item_maker_id_fkey, ADD CONSTRAINT item_maker_id_fkey
    FOREIGN KEY (maker_id) REFERENCES maker ON UPDATE SET NULL;
-- => changed constraint item.item_maker_id_fkey

ALTER TABLE item DROP CONSTRAINT item_maker_id_fkey, ADD CONSTRAINT item_maker_id_fkey
    FOREIGN KEY (maker_id) REFERENCES maker ON DELETE SET NULL (maker_id);
-- => changed constraint item.item_maker_id_fkey

ALTER TABLE item DROP CONSTRAINT item_maker_id_fkey, ADD CONSTRAINT item_maker_id_fkey
    FOREIGN KEY (maker_id) REFERENCES maker MATCH FULL;
-- => changed constraint item.item_maker_id_fkey

ALTER TABLE item DROP CONSTRAINT item_maker_id_fkey, ADD CONSTRAINT item_maker_id_fkey
    FOREIGN KEY (maker_id) REFERENCES maker NOT VALID;
-- => changed constraint item.item_maker_id_fkey

ALTER TABLE item ALTER CONSTRAINT item_maker_id_fkey DEFERRABLE;
-- => changed constraint item.item_maker_id_fkey

ALTER TABLE item ALTER CONSTRAINT item_maker_id_fkey DEFERRABLE INITIALLY DEFERRED;
-- => changed constraint item.item_maker_id_fkey

-- from 18
ALTER TABLE item ALTER CONSTRAINT item_maker_id_fkey NOT ENFORCED;
-- => changed constraint item.item_maker_id_fkey

-- from 18
ALTER TABLE item ADD COLUMN room int4range, ADD CONSTRAINT stay UNIQUE (room, valid
    WITHOUT OVERLAPS);
-- => extra column item.room
-- => extra constraint item.stay

ALTER TABLE maker DROP CONSTRAINT maker_code_key;
-- => missing constraint maker.maker_code_key

ALTER TABLE maker DROP CONSTRAINT maker_code_key, ADD CONSTRAINT maker_code_key UNIQUE
    NULLS NOT DISTINCT (code);
-- => changed constraint maker.maker_code_key

ALTER TABLE maker DROP CONSTRAINT maker_code_key, ADD CONSTRAINT maker_code_key UNIQUE
    (code) INCLUDE (id);
-- => changed constraint maker.maker_code_key

ALTER TABLE maker DROP CONSTRAINT maker_code_key, ADD CONSTRAINT maker_code_key UNIQUE
    (code) DEFERRABLE;
-- => changed constraint maker.maker_code_key

ALTER TABLE maker DROP CONSTRAINT maker_code_key, ADD CONSTRAINT maker_code_key UNIQUE
    (code) WITH (fillfactor = 50);
-- => changed constraint maker.maker_code_key

ALTER TABLE maker RENAME CONSTRAINT maker_code_key TO maker_code_91ca879e_uniq;
-- => name note constraint maker.maker_code_key

ALTER TABLE item DROP CONSTRAINT item_pkey;
-- => missing constraint item.item_pkey

ALTER TABLE item ADD CONSTRAINT apart EXCLUDE USING gist (valid WITH &&);
-- => extra constraint item.apart

ALTER TABLE item ADD CONSTRAINT apart EXCLUDE USING gist (valid WITH &&) WHERE (price
    > 3);
-- => extra constraint item.apart

ALTER TABLE maker CLUSTER ON maker_code_key;
-- => changed constraint maker.maker_code_key

DROP INDEX item_name_idx;
-- => missing index item_name_idx

CREATE INDEX item_note ON item (note);
-- => extra index item_note

DROP INDEX item_name_idx;
CREATE UNIQUE INDEX item_name_idx ON item (name);
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (name DESC);
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (name NULLS FIRST);
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (name text_pattern_ops);
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (name COLLATE "C");
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (name) INCLUDE (note);
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item USING hash (name);
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (lower(name));
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (name, note);
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (name) WHERE note IS NULL;
-- => changed index item_name_idx

DROP INDEX item_maker_index;
CREATE INDEX item_maker_index ON item (maker_id) WHERE price > 2;
-- => changed index item_maker_index

DROP INDEX item_maker_index;
CREATE UNIQUE INDEX item_maker_index ON item (maker_id) NULLS NOT DISTINCT WHERE price
    > 1;
-- => changed index item_maker_index

ALTER INDEX item_name_idx SET (fillfactor = 70);
-- => changed index item_name_idx

ALTER INDEX item_name_idx RENAME TO item_by_name;
-- => extra index item_by_name
-- => missing index item_name_idx

ALTER INDEX item_name_idx RENAME TO item_name_idx1;
-- => name note index item_name_idx

ALTER TABLE item CLUSTER ON item_name_idx;
-- => changed index item_name_idx

DROP INDEX item_name_idx;
CREATE INDEX item_name_idx ON item (lower(name));
ALTER INDEX item_name_idx ALTER COLUMN 1 SET STATISTICS 9;
-- => changed index item_name_idx

CREATE INDEX dear_name ON dear (name);
-- => extra index dear_name

ALTER TYPE mood ADD VALUE 'furious';
-- => changed enum mood

ALTER TYPE mood ADD VALUE 'furious' BEFORE 'sad';
-- => changed enum mood

ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';
-- => changed enum mood

ALTER TYPE mood RENAME TO feeling;
-- => changed column item.feeling
-- => extra enum feeling
-- => missing enum mood

CREATE TYPE hue AS ENUM ('red');
-- => extra enum hue

ALTER DOMAIN positive SET DEFAULT 1;
-- => changed domain positive

ALTER DOMAIN positive SET NOT NULL;
-- => changed domain positive

ALTER DOMAIN positive DROP CONSTRAINT positive_check;
-- => changed domain positive

ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100);
-- => changed domain positive

ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100) NOT VALID;
-- => changed domain positive

ALTER DOMAIN positive RENAME CONSTRAINT positive_check TO above_zero;
-- => changed domain positive

ALTER TYPE pair ADD ATTRIBUTE c date;
-- => changed type pair

ALTER TYPE pair ALTER ATTRIBUTE a TYPE bigint;
-- => changed type pair

ALTER TYPE pair RENAME ATTRIBUTE a TO z;
-- => changed type pair

CREATE TYPE span AS RANGE (subtype = time);
-- => extra type span

CREATE SEQUENCE other;
-- => extra sequence other

ALTER SEQUENCE ticket INCREMENT BY 5;
-- => changed sequence ticket

ALTER SEQUENCE ticket MAXVALUE 1000;
-- => changed sequence ticket

ALTER SEQUENCE ticket MINVALUE -5;
-- => changed sequence ticket

ALTER SEQUENCE ticket START WITH 50;
-- => changed sequence ticket

ALTER SEQUENCE ticket CACHE 20;
-- => changed sequence ticket

ALTER SEQUENCE ticket CYCLE;
-- => changed sequence ticket

ALTER SEQUENCE ticket AS integer;
-- => changed sequence ticket

ALTER SEQUENCE ticket OWNED BY item.id;
-- => changed sequence ticket

ALTER SEQUENCE ticket SET UNLOGGED;
-- => changed sequence ticket

ALTER SEQUENCE item_id_seq OWNED BY NONE;
-- => changed sequence item_id_seq

ALTER SEQUENCE item_id_seq RENAME TO item_id_seq1;
-- => name note sequence item_id_seq

ALTER SEQUENCE maker_id_seq RENAME TO maker_id_seq1;
-- => name note column maker.id

CREATE FUNCTION once(a integer) RETURNS integer LANGUAGE sql AS 'SELECT a';
-- => extra function once(integer)

CREATE FUNCTION twice(a bigint) RETURNS bigint LANGUAGE sql AS 'SELECT a * 2';
-- => extra function twice(bigint)

CREATE OR REPLACE FUNCTION twice(a integer) RETURNS integer LANGUAGE sql AS 'SELECT a
    + a';
-- => changed function twice(integer)

CREATE OR REPLACE FUNCTION twice(a integer) RETURNS integer LANGUAGE sql RETURN a * 2;
-- => changed function twice(integer)

CREATE OR REPLACE FUNCTION twice(a integer DEFAULT 1) RETURNS integer LANGUAGE sql AS
    'SELECT a * 2';
-- => changed function twice(integer)

DROP FUNCTION twice;
CREATE FUNCTION twice(b integer) RETURNS integer LANGUAGE sql AS 'SELECT b * 2';
-- => changed function twice(integer)

DROP FUNCTION twice;
CREATE FUNCTION twice(a integer) RETURNS bigint LANGUAGE sql AS 'SELECT a * 2';
-- => changed function twice(integer)

DROP FUNCTION twice;
CREATE FUNCTION twice(a integer) RETURNS SETOF integer LANGUAGE sql ROWS 5 AS 'SELECT
    a * 2';
-- => changed function twice(integer)

ALTER FUNCTION twice IMMUTABLE;
-- => changed function twice(integer)

ALTER FUNCTION twice STRICT;
-- => changed function twice(integer)

ALTER FUNCTION twice SECURITY DEFINER;
-- => changed function twice(integer)

ALTER FUNCTION twice LEAKPROOF;
-- => changed function twice(integer)

ALTER FUNCTION twice PARALLEL SAFE;
-- => changed function twice(integer)

ALTER FUNCTION twice COST 7;
-- => changed function twice(integer)

ALTER FUNCTION twice SET search_path = pg_catalog;
-- => changed function twice(integer)

ALTER FUNCTION twice RENAME TO double;
-- => extra function double(integer)
-- => missing function twice(integer)

CREATE PROCEDURE do_it() LANGUAGE sql AS 'SELECT 1';
-- => extra function do_it()

CREATE AGGREGATE add_up(integer) (sfunc = int4pl, stype = integer, initcond = '0');
-- => extra function add_up(integer)

CREATE AGGREGATE add_up(integer) (sfunc = int4pl, stype = integer, combinefunc =
    int4pl, parallel = safe);
-- => extra function add_up(integer)

DROP TRIGGER item_touch ON item;
-- => missing trigger item.item_touch

ALTER TABLE item DISABLE TRIGGER item_touch;
-- => changed trigger item.item_touch

ALTER TABLE item ENABLE ALWAYS TRIGGER item_touch;
-- => changed trigger item.item_touch

ALTER TABLE item ENABLE REPLICA TRIGGER item_touch;
-- => changed trigger item.item_touch

CREATE OR REPLACE TRIGGER item_touch BEFORE UPDATE OF name ON item FOR EACH ROW
    EXECUTE FUNCTION touch();
-- => changed trigger item.item_touch

CREATE OR REPLACE TRIGGER item_touch BEFORE UPDATE ON item FOR EACH ROW WHEN (OLD.name
    <> NEW.name) EXECUTE FUNCTION touch();
-- => changed trigger item.item_touch

CREATE OR REPLACE TRIGGER item_touch AFTER UPDATE ON item FOR EACH ROW EXECUTE
    FUNCTION touch();
-- => changed trigger item.item_touch

CREATE OR REPLACE TRIGGER item_touch BEFORE UPDATE ON item FOR EACH STATEMENT EXECUTE
    FUNCTION touch();
-- => changed trigger item.item_touch

ALTER TRIGGER item_touch ON item RENAME TO item_stamp;
-- => extra trigger item.item_stamp
-- => missing trigger item.item_touch

CREATE CONSTRAINT TRIGGER item_late AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION touch();
-- => extra trigger item.item_late

CREATE TRIGGER event_touch AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION
    touch();
-- => extra trigger event.event_touch

CREATE TRIGGER event_touch AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION
    touch();
ALTER TABLE event_2024 DISABLE TRIGGER event_touch;
-- => extra trigger event.event_touch
-- => extra trigger event_2024.event_touch

DROP RULE item_keep ON item;
-- => missing rule item.item_keep

CREATE OR REPLACE RULE item_keep AS ON DELETE TO item WHERE OLD.price > 1 DO INSTEAD
    NOTHING;
-- => changed rule item.item_keep

ALTER TABLE item DISABLE RULE item_keep;
-- => changed rule item.item_keep

CREATE OR REPLACE VIEW cheap AS SELECT id, name FROM item WHERE price < 6;
-- => changed view cheap

CREATE OR REPLACE VIEW cheap AS SELECT id, name, note FROM item WHERE price < 5;
-- => changed view cheap

ALTER VIEW cheap SET (security_barrier = true);
-- => changed view cheap

ALTER VIEW cheap SET (check_option = local);
-- => changed view cheap

ALTER VIEW cheap RENAME COLUMN name TO label;
-- => changed view cheap

ALTER VIEW cheap ALTER COLUMN name SET DEFAULT 'x';
-- => extra column cheap.name

DROP VIEW cheap;
-- => missing view cheap

DROP MATERIALIZED VIEW dear;
-- => missing view dear

ALTER MATERIALIZED VIEW dear SET (fillfactor = 60);
-- => changed view dear

ALTER MATERIALIZED VIEW dear ALTER COLUMN name SET STATISTICS 77;
-- => extra column dear.name

CREATE TABLE fresh (id integer PRIMARY KEY, name text);
-- => extra table fresh

DROP TABLE audit.log;
-- => missing table audit.log

ALTER TABLE audit.log RENAME TO journal;
-- => extra table audit.journal
-- => missing table audit.log

ALTER TABLE audit.log SET SCHEMA public;
-- => missing table audit.log
-- => extra table log

ALTER TABLE audit.log SET UNLOGGED;
-- => changed table audit.log

ALTER TABLE item SET (fillfactor = 80);
-- => changed table item

ALTER TABLE item SET (autovacuum_enabled = off, toast.autovacuum_enabled = off);
-- => changed table item

ALTER TABLE item ENABLE ROW LEVEL SECURITY;
-- => changed table item

ALTER TABLE item FORCE ROW LEVEL SECURITY;
-- => changed table item

ALTER TABLE item REPLICA IDENTITY FULL;
-- => changed table item

ALTER TABLE item REPLICA IDENTITY NOTHING;
-- => changed table item

ALTER TABLE item REPLICA IDENTITY USING INDEX item_pkey;
-- => changed table item

CREATE TABLE typed OF pair (PRIMARY KEY (a));
-- => extra table typed

DROP POLICY item_seen ON item;
-- => missing policy item.item_seen

ALTER POLICY item_seen ON item USING (price > 1);
-- => changed policy item.item_seen

ALTER POLICY item_seen ON item TO pg_monitor;
-- => changed policy item.item_seen

CREATE POLICY item_own ON item AS RESTRICTIVE FOR INSERT WITH CHECK (price > 2);
-- => extra policy item.item_own

DROP STATISTICS item_stats;
-- => missing statistics item_stats

DROP STATISTICS item_stats;
CREATE STATISTICS item_stats (dependencies) ON name, note FROM item;
-- => changed statistics item_stats

ALTER STATISTICS item_stats SET STATISTICS 200;
-- => changed statistics item_stats

CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO
    ('2026-01-01');
-- => extra table event_2025

CREATE TABLE event_rest PARTITION OF event DEFAULT;
-- => extra table event_rest

ALTER TABLE event DETACH PARTITION event_2024;
-- => changed index event_2024_id_idx
-- => changed table event_2024

ALTER TABLE event DETACH PARTITION event_2024;
ALTER TABLE event ATTACH PARTITION event_2024 FOR VALUES FROM ('2024-01-01') TO
    ('2024-07-01');
-- => changed table event_2024

CREATE INDEX event_at ON ONLY event (at);
-- => extra index event_at

ALTER TABLE event ADD PRIMARY KEY (id, at);
-- => changed column event.id
-- => changed column event_2024.id
-- => extra constraint event.event_pkey
-- => extra constraint event_2024.event_2024_pkey

ALTER TABLE cat NO INHERIT animal;
-- => changed column cat.id
-- => changed column cat.name
-- => changed table cat

ALTER TABLE animal ADD COLUMN age integer;
-- => extra column animal.age
-- => extra column cat.age

ALTER TABLE animal ADD CONSTRAINT grown CHECK (id > 0);
-- => extra constraint animal.grown
-- => extra constraint cat.grown

ALTER TABLE animal ADD CONSTRAINT grown CHECK (id > 0) NO INHERIT;
-- => extra constraint animal.grown

CREATE SCHEMA more;
-- => extra schema more

DROP SCHEMA audit CASCADE;
-- => missing schema audit
-- => missing table audit.log

ALTER SCHEMA audit RENAME TO "Audit Trail";
-- => extra schema "Audit Trail"
-- => missing schema audit
-- => extra table "Audit Trail".log
-- => missing table audit.log

COMMENT ON SCHEMA audit IS 'it''s kept';
-- => changed schema audit

COMMENT ON TABLE item IS 'a thing';
-- => changed table item

COMMENT ON TABLE maker IS NULL;
-- => changed table maker

COMMENT ON COLUMN item.name IS 'what it is called';
-- => changed column item.name

COMMENT ON CONSTRAINT price_not_negative ON item IS 'money';
-- => changed constraint item.price_not_negative

COMMENT ON CONSTRAINT positive_check ON DOMAIN positive IS 'sign';
-- => changed domain positive

COMMENT ON INDEX item_name_idx IS 'fast';
-- => changed index item_name_idx

COMMENT ON INDEX item_pkey IS 'the key''s index';
-- => changed constraint item.item_pkey

COMMENT ON TYPE mood IS 'how it feels';
-- => changed enum mood

COMMENT ON DOMAIN positive IS 'above zero';
-- => changed domain positive

COMMENT ON COLUMN pair.a IS 'the first';
-- => changed type pair

COMMENT ON FUNCTION twice IS 'doubles';
-- => changed function twice(integer)

COMMENT ON TRIGGER item_touch ON item IS 'stamps';
-- => changed trigger item.item_touch

COMMENT ON RULE item_keep ON item IS 'keeps';
-- => changed rule item.item_keep

COMMENT ON VIEW cheap IS 'bargains';
-- => changed view cheap

COMMENT ON COLUMN cheap.name IS 'in a view';
-- => extra column cheap.name

COMMENT ON MATERIALIZED VIEW dear IS 'kept';
-- => changed view dear

COMMENT ON POLICY item_seen ON item IS 'who sees';
-- => changed policy item.item_seen

COMMENT ON STATISTICS item_stats IS 'for the planner';
-- => changed statistics item_stats

COMMENT ON SEQUENCE ticket IS 'numbers';
-- => changed sequence ticket

ALTER TABLE item DROP COLUMN note;
ALTER TABLE item ADD COLUMN note text;
-- => missing statistics item_stats
-- => order note table item

ALTER TABLE item ADD COLUMN gone integer;
ALTER TABLE item DROP COLUMN gone;
ALTER TABLE item ADD COLUMN kept integer;
-- => extra column item.kept
