-- What catalog_base.sql has not: all that versions of PostgreSQL print or keep
-- differently, and what might be.
CREATE SCHEMA "Mixed Case";
CREATE DOMAIN colour AS varchar NOT NULL DEFAULT 'red'
    CONSTRAINT known CHECK (VALUE IN ('red', 'blue'));
CREATE TABLE part (
    a integer NOT NULL, b integer NOT NULL, PRIMARY KEY (a, b), UNIQUE (b)
);
CREATE TABLE thing (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 5) PRIMARY KEY,
    small smallserial,
    kind varchar(10) NOT NULL DEFAULT 'a' CONSTRAINT thing_kind CHECK (kind IN ('a', 'b')),
    code char(3) COLLATE "C",
    amount numeric(12, 3) NOT NULL DEFAULT 0.5,
    ratio double precision DEFAULT 1e-3,
    at timestamptz NOT NULL DEFAULT now(),
    day date DEFAULT CURRENT_DATE,
    clock time(3) DEFAULT '12:00',
    length interval hour to minute DEFAULT '1 day 02:00',
    tags text[] NOT NULL DEFAULT '{}',
    data jsonb DEFAULT '{"a": 1}' CHECK (jsonb_typeof(data) = 'object'),
    key uuid DEFAULT gen_random_uuid(),
    address inet DEFAULT '127.0.0.1',
    bits bit varying(8) DEFAULT B'101',
    bytes bytea DEFAULT '\x00ff',
    shade colour,
    mood mood DEFAULT 'ok',
    moods mood[] DEFAULT '{sad,ok}',
    spot point,
    room int4range,
    whole pair,
    upper_kind text GENERATED ALWAYS AS (upper(kind)) STORED,
    late boolean GENERATED ALWAYS AS (kind IN ('c', 'd%')) STORED,
    done boolean NOT NULL DEFAULT ('x'::varchar IN ('x', 'y')),
    role text DEFAULT CURRENT_USER,
    local timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
    year integer GENERATED ALWAYS AS (extract(year FROM day)) STORED,
    maker_id bigint REFERENCES maker ON DELETE CASCADE ON UPDATE SET NULL
        DEFERRABLE INITIALLY DEFERRED,
    other_id bigint DEFAULT 1 REFERENCES maker ON DELETE SET DEFAULT,
    parent_id bigint REFERENCES thing ON DELETE RESTRICT DEFERRABLE,
    a integer, b integer,
    FOREIGN KEY (a, b) REFERENCES part MATCH FULL ON DELETE SET NULL (b),
    CONSTRAINT thing_one UNIQUE NULLS NOT DISTINCT (kind, code) INCLUDE (amount),
    CONSTRAINT thing_late_unique UNIQUE (amount) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT thing_apart EXCLUDE USING gist (room WITH &&) WHERE (kind IN ('a', 'b')),
    CONSTRAINT thing_dates CHECK (day BETWEEN '2000-01-01' AND '2100-01-01'),
    CONSTRAINT thing_like CHECK (kind LIKE 'a%' OR kind ~ '^b' OR NOT done IS TRUE)
);
ALTER TABLE thing ADD FOREIGN KEY (b) REFERENCES part (b) NOT VALID,
    ADD CONSTRAINT thing_plain CHECK (amount > 0) NO INHERIT NOT VALID;
ALTER TABLE thing ALTER COLUMN code SET NOT NULL, ALTER COLUMN kind SET STATISTICS 50,
    ALTER COLUMN data SET STORAGE EXTERNAL, ALTER COLUMN tags SET (n_distinct = -0.5),
    SET (fillfactor = 90), ENABLE ROW LEVEL SECURITY;
CREATE INDEX thing_kinds ON thing (kind, amount DESC NULLS LAST) INCLUDE (code)
    WITH (fillfactor = 70) WHERE kind IN ('a', 'b') AND amount > 1;
CREATE INDEX thing_lower ON thing (lower(kind) text_pattern_ops, (amount * 2));
CREATE INDEX thing_day ON thing ((extract(year FROM day)), (data ->> 'a'));
CREATE INDEX thing_data ON thing USING gin (data jsonb_path_ops);
CREATE INDEX thing_at ON thing USING brin (at) WITH (pages_per_range = 16);
CREATE UNIQUE INDEX thing_nulls ON thing (parent_id) NULLS NOT DISTINCT;
CREATE VIEW plain_thing AS SELECT id, kind, amount * 2 AS twice FROM thing
    WHERE kind IN ('a', 'b') ORDER BY id LIMIT 5;
CREATE VIEW joined WITH (security_barrier) AS
    SELECT t.id, m.code, count(*) AS number, max(t.at AT TIME ZONE 'UTC') AS last
    FROM thing AS t LEFT JOIN maker AS m ON m.id = t.maker_id
    GROUP BY t.id, m.code HAVING count(*) > 1;
CREATE VIEW nested AS
    WITH RECURSIVE tree (id, depth) AS (
        SELECT id, 1 FROM thing WHERE parent_id IS NULL
        UNION ALL
        SELECT thing.id, depth + 1 FROM thing JOIN tree ON tree.id = thing.parent_id
    )
    SELECT tree.id, depth, (SELECT max(amount) FROM thing WHERE id = tree.id) AS most,
        EXISTS (SELECT FROM item WHERE item.id = tree.id) AS sold,
        row_number() OVER (PARTITION BY depth ORDER BY tree.id) AS place
    FROM tree, LATERAL (SELECT name FROM item LIMIT 1) AS one;
CREATE VIEW over_view AS SELECT twice FROM plain_thing WHERE twice > 3;
CREATE VIEW fixed (x, y) AS VALUES (1, 'a'), (2, 'b');
CREATE MATERIALIZED VIEW kept AS SELECT kind, sum(amount) AS total FROM thing
    WHERE kind NOT IN ('a', 'b') GROUP BY kind WITH NO DATA;
CREATE UNIQUE INDEX kept_kind ON kept (kind);
CREATE FUNCTION best(lowest numeric DEFAULT 1) RETURNS SETOF bigint STABLE ROWS 7
    LANGUAGE sql BEGIN ATOMIC SELECT id FROM thing WHERE amount > lowest; END;
CREATE FUNCTION names() RETURNS TABLE (id bigint, name text) STABLE LANGUAGE sql
    BEGIN ATOMIC SELECT t.id, m.code FROM thing AS t JOIN maker AS m ON m.id = t.maker_id; END;
CREATE FUNCTION loud(text, VARIADIC extra text[]) RETURNS text IMMUTABLE PARALLEL SAFE
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN RETURN upper($1); END $$;
CREATE PROCEDURE clean(INOUT removed integer) LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE add_up (numeric) (sfunc = numeric_add, stype = numeric, initcond = '0');
CREATE TRIGGER thing_touch BEFORE INSERT OR UPDATE OF kind ON thing FOR EACH ROW
    WHEN (NEW.kind IN ('a', 'b')) EXECUTE FUNCTION touch();
CREATE TRIGGER thing_all AFTER DELETE ON thing REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION touch('x', '1');
CREATE CONSTRAINT TRIGGER thing_check AFTER UPDATE ON thing DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.kind IS DISTINCT FROM NEW.kind) EXECUTE FUNCTION touch();
CREATE RULE thing_keep AS ON DELETE TO thing WHERE OLD.kind IN ('a', 'b')
    DO INSTEAD UPDATE thing SET kind = 'b' WHERE thing.id = OLD.id;
CREATE RULE thing_log AS ON UPDATE TO thing DO ALSO
    INSERT INTO audit.log (id, what) SELECT item.id, item.name FROM item
    WHERE item.maker_id = NEW.maker_id;
CREATE POLICY thing_seen ON thing FOR SELECT USING (kind IN ('a', 'b'));
CREATE POLICY thing_own ON thing AS RESTRICTIVE FOR UPDATE USING (
    EXISTS (SELECT 1 FROM maker WHERE maker.id = thing.maker_id)) WITH CHECK (amount > 0);
CREATE STATISTICS thing_spread ON (kind IN ('a', 'b')), mood FROM thing;
CREATE STATISTICS thing_pairs (dependencies, mcv) ON kind, code FROM thing;
ALTER STATISTICS thing_pairs SET STATISTICS 10;
CREATE TABLE reading (
    id bigint GENERATED BY DEFAULT AS IDENTITY, at timestamptz NOT NULL, value integer
        CHECK (value IN (1, 2)), place_id bigint REFERENCES maker, PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE reading_1 PARTITION OF reading
    FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE reading_rest PARTITION OF reading DEFAULT PARTITION BY HASH (id);
CREATE TABLE reading_2 PARTITION OF reading_rest (value DEFAULT 1)
    FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE INDEX reading_value ON reading (value);
CREATE TRIGGER reading_touch AFTER INSERT ON reading FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE uses_reading (id bigint, at timestamptz NOT NULL,
    FOREIGN KEY (id, at) REFERENCES reading);
CREATE TABLE base (id bigint PRIMARY KEY, name text NOT NULL CHECK (name <> ''));
CREATE TABLE derived (more text NOT NULL, UNIQUE (name)) INHERITS (base);
ALTER TABLE base ADD COLUMN later integer NOT NULL DEFAULT 1;
CREATE TABLE adopted (id bigint NOT NULL, name text NOT NULL, later integer NOT NULL
    DEFAULT 1, CONSTRAINT base_name_check CHECK (name <> ''));
ALTER TABLE adopted INHERIT base;
ALTER TABLE base ALTER COLUMN id DROP IDENTITY IF EXISTS;
CREATE TABLE loose (id bigint PRIMARY KEY, x integer NOT NULL);
ALTER TABLE loose DROP CONSTRAINT loose_pkey, ALTER COLUMN x DROP NOT NULL;
CREATE TABLE copied (LIKE thing INCLUDING ALL);
CREATE TYPE span AS RANGE (subtype = time);
CREATE UNLOGGED TABLE fast (x integer) WITH (autovacuum_enabled = off);
CREATE SEQUENCE countdown AS integer INCREMENT BY -1 MINVALUE -100 CYCLE CACHE 5;
CREATE TABLE "Mixed Case"."Odd ""Table""" (
    "Id" serial PRIMARY KEY, "Kind" varchar(5) CHECK ("Kind" IN ('a', 'b'))
);
CREATE INDEX "Odd Index" ON "Mixed Case"."Odd ""Table""" ("Kind")
    WHERE "Kind" IN ('a', 'b');
CREATE VIEW "Mixed Case"."Odd View" AS SELECT "Kind" FROM "Mixed Case"."Odd ""Table""";
COMMENT ON COLUMN thing.kind IS 'a or b';
COMMENT ON CONSTRAINT thing_kind ON thing IS 'two kinds';
COMMENT ON INDEX thing_kinds IS 'it''s used';
COMMENT ON VIEW joined IS 'sold';
COMMENT ON FUNCTION best IS 'the best';
COMMENT ON DOMAIN colour IS 'seen';
COMMENT ON TRIGGER thing_touch ON thing IS 'touches';
COMMENT ON POLICY thing_seen ON thing IS 'seen';
COMMENT ON SCHEMA audit IS 'who did what';
CREATE VIEW hairy AS
    SELECT DISTINCT ON (kind) kind, code, grouping(kind, code) AS grouped,
        count(*) FILTER (WHERE done) AS ready, array_agg(id ORDER BY at DESC) AS ids,
        CASE kind WHEN 'a' THEN 1 ELSE 2 END AS rank, coalesce(code, kind::bpchar) AS c,
        (array_agg(tags[1:2]))[1] AS two, kind = ANY (ARRAY['a', 'b']) AS known,
        max(day) - interval '1 month' AS month, max(data #>> '{a,b}') AS deep,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS middle,
        to_tsvector('english', kind) @@ to_tsquery('a & b') AS hit
    FROM (SELECT * FROM thing TABLESAMPLE system (50)) AS t
    WHERE (a, b) IN (SELECT a, b FROM part) AND data ? 'a' AND address << '10.0.0.0/8'
    GROUP BY GROUPING SETS ((kind, code), (kind), ())
    ORDER BY kind, count(*) FETCH FIRST 5 ROWS WITH TIES;
CREATE VIEW both_sides AS
    SELECT id, name FROM item UNION ALL (SELECT id, code FROM maker EXCEPT SELECT 1, 'x')
    ORDER BY 1;
CREATE VIEW numbered AS SELECT u.name, u.place, x.total, p, q FROM thing
    CROSS JOIN LATERAL unnest(tags) WITH ORDINALITY AS u (name, place)
    JOIN item AS x USING (id)
    NATURAL LEFT JOIN ROWS FROM (generate_series(1, 2), unnest(ARRAY[1])) AS g (p, q)
    WHERE thing.at > date_trunc('day', now(), 'UTC') AND overlay(u.name PLACING 'x' FROM 1)
        IS NOT NULL AND (thing.at, interval '1 day') OVERLAPS (now(), now())
        AND position('a' IN u.name) > 0 AND trim(BOTH 'x' FROM u.name) <> ''
    FOR UPDATE OF x;
CREATE FUNCTION change(wanted bigint) RETURNS bigint LANGUAGE sql BEGIN ATOMIC
    UPDATE thing SET kind = 'b', amount = thing.amount + 1 WHERE thing.id = wanted;
    DELETE FROM thing USING maker WHERE maker.id = thing.maker_id AND maker.code = 'x';
    WITH made AS (INSERT INTO maker AS m (code) VALUES ('x')
        ON CONFLICT (code) DO UPDATE SET code = EXCLUDED.code WHERE m.code <> 'y'
        RETURNING m.id)
    SELECT made.id FROM made ORDER BY made.id LIMIT 1;
END;
