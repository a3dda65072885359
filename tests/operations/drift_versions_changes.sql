-- Changes by hand to the schema of catalog_base.sql and drift_versions.sql, each to
-- another object, and what each of them makes differ.

ALTER TABLE thing ALTER COLUMN code DROP NOT NULL;
-- => changed column thing.code

ALTER TABLE thing ALTER COLUMN mood SET NOT NULL;
-- => changed column thing.mood

ALTER TABLE thing ALTER COLUMN ratio SET DEFAULT 2e-3;
-- => changed column thing.ratio

ALTER TABLE thing ALTER COLUMN done SET DEFAULT ('x'::varchar IN ('x', 'z'));
-- => changed column thing.done

ALTER TABLE copied DROP COLUMN late, ADD COLUMN late boolean
    GENERATED ALWAYS AS (kind IN ('c', 'e%')) STORED;
-- => changed column copied.late

ALTER TABLE copied ALTER COLUMN bits TYPE bit varying(9);
-- => changed column copied.bits

ALTER TABLE thing ALTER COLUMN id SET INCREMENT BY 6;
-- => changed column thing.id

ALTER TABLE reading ALTER COLUMN id SET GENERATED ALWAYS;
-- => changed column reading.id

ALTER TABLE thing ADD COLUMN extra integer NOT NULL DEFAULT 1;
-- => extra column thing.extra

ALTER TABLE copied DROP COLUMN spot;
-- => missing column copied.spot

ALTER TABLE thing DROP CONSTRAINT thing_kind,
    ADD CONSTRAINT thing_kind CHECK (kind IN ('a', 'c'));
COMMENT ON CONSTRAINT thing_kind ON thing IS 'two kinds';
-- => changed constraint thing.thing_kind

ALTER TABLE thing VALIDATE CONSTRAINT thing_plain;
-- => changed constraint thing.thing_plain

ALTER TABLE thing DROP CONSTRAINT thing_other_id_fkey, ADD CONSTRAINT
    thing_other_id_fkey FOREIGN KEY (other_id) REFERENCES maker ON DELETE CASCADE;
-- => changed constraint thing.thing_other_id_fkey

ALTER TABLE thing ALTER CONSTRAINT thing_maker_id_fkey DEFERRABLE INITIALLY IMMEDIATE;
-- => changed constraint thing.thing_maker_id_fkey

ALTER TABLE thing DROP CONSTRAINT thing_one,
    ADD CONSTRAINT thing_one UNIQUE (kind, code) INCLUDE (amount);
-- => changed constraint thing.thing_one

ALTER TABLE thing DROP CONSTRAINT thing_apart, ADD CONSTRAINT thing_apart
    EXCLUDE USING gist (room WITH &&) WHERE (kind IN ('a', 'c'));
-- => changed constraint thing.thing_apart

ALTER INDEX thing_kinds SET (fillfactor = 75);
-- => changed index thing_kinds

DROP INDEX thing_lower;
CREATE INDEX thing_lower ON thing (lower(kind) text_pattern_ops, (amount * 3));
-- => changed index thing_lower

DROP INDEX thing_nulls;
CREATE UNIQUE INDEX thing_nulls ON thing (parent_id);
-- => changed index thing_nulls

CREATE INDEX by_hand ON thing (kind) WHERE kind IN ('a', 'b');
-- => extra index by_hand

DROP INDEX thing_day;
-- => missing index thing_day

CREATE OR REPLACE VIEW fixed (x, y) AS VALUES (1, 'a'), (3, 'b');
-- => changed view fixed

CREATE OR REPLACE VIEW joined WITH (security_barrier) AS
    SELECT t.id, m.code, count(*) AS number, max(t.at AT TIME ZONE 'UTC') AS last
    FROM thing AS t JOIN maker AS m ON m.id = t.maker_id
    GROUP BY t.id, m.code HAVING count(*) > 1;
-- => changed view joined

CREATE OR REPLACE VIEW cheap AS SELECT id, name FROM item WHERE price < 6;
-- => changed view cheap

CREATE OR REPLACE FUNCTION best(lowest numeric DEFAULT 1) RETURNS SETOF bigint STABLE
    ROWS 7 LANGUAGE sql BEGIN ATOMIC SELECT id FROM thing WHERE amount >= lowest; END;
-- => changed function best(numeric)

CREATE OR REPLACE TRIGGER thing_touch BEFORE INSERT OR UPDATE OF kind ON thing
    FOR EACH ROW WHEN (NEW.kind IN ('a', 'c')) EXECUTE FUNCTION touch();
-- => changed trigger thing.thing_touch

ALTER TABLE item DISABLE TRIGGER item_touch;
-- => changed trigger item.item_touch

CREATE OR REPLACE RULE thing_keep AS ON DELETE TO thing WHERE OLD.kind IN ('a', 'b')
    DO INSTEAD UPDATE thing SET kind = 'c' WHERE thing.id = OLD.id;
-- => changed rule thing.thing_keep

ALTER POLICY thing_seen ON thing USING (kind IN ('a', 'c'));
-- => changed policy thing.thing_seen

DROP STATISTICS thing_spread;
CREATE STATISTICS thing_spread ON (kind IN ('a', 'c')), mood FROM thing;
-- => changed statistics thing_spread

ALTER TYPE mood ADD VALUE 'furious';
-- => changed enum mood

ALTER DOMAIN colour DROP NOT NULL;
-- => changed domain colour

ALTER SEQUENCE ticket INCREMENT BY 5;
-- => changed sequence ticket

CREATE OR REPLACE VIEW "Mixed Case"."Odd View" AS
    SELECT "Kind" FROM "Mixed Case"."Odd ""Table""" WHERE "Id" > 1;
-- => changed view "Mixed Case"."Odd View"

ALTER TABLE fast SET LOGGED;
-- => changed table fast

COMMENT ON VIEW nested IS 'seen';
-- => changed view nested
