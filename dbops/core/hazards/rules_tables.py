"""Tables, partitions, views, sequences."""

from __future__ import annotations

from dbops.core.hazards.rule import Effect, Role, Rule, Work
from dbops.core.hazards.rules_columns import AX, BRIEF, SRX, SUX
from dbops.core.lock_modes import LockMode

TABLE_AX = (Effect(Role.TABLE, AX),)

TABLE_RULES = (
    Rule(
        id="create-table",
        syntax="CREATE TABLE",
        why="nobody uses it yet",
        good="CREATE TABLE t (id int)",
        instead='migrations.CreateModel("Thing", ...)',
    ),
    Rule(
        id="create-table-foreign-key",
        syntax="CREATE TABLE ... REFERENCES",
        why="writes to the table that it points to wait until the transaction ends",
        effects=(Effect(Role.TARGET, SRX),),
        good="CREATE TABLE c (p_id int REFERENCES p)",
        instead='migrations.CreateModel("Thing", ... models.ForeignKey("Owner", ...)), '
        "with\nnothing in the migration that takes long",
    ),
    Rule(
        id="create-table-inherits",
        syntax="CREATE TABLE ... INHERITS",
        why="only the catalog changes",
        effects=(Effect(Role.PARENT, SUX),),
        good="CREATE TABLE c () INHERITS (t)",
    ),
    Rule(
        id="create-partition",
        syntax="CREATE TABLE ... PARTITION OF",
        why="nobody may read the parent, for the moment",
        effects=(Effect(Role.PARENT, AX), Effect(Role.TARGET, SRX)),
        bad="CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)",
        good="CREATE TABLE p1 (LIKE p INCLUDING ALL);\n"
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (9)",
    ),
    Rule(
        id="create-partition-default",
        syntax="CREATE TABLE ... PARTITION OF a table with a default partition",
        why="the default partition is read through while nobody may read the parent",
        effects=(
            Effect(Role.PARENT, AX),
            Effect(Role.DEFAULT, AX, Work.SCAN),
            Effect(Role.TARGET, SRX),
        ),
        bad="CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)",
        good="-- first a CHECK on the default partition that none of its rows is of\n"
        "-- the new one: NOT VALID, and then validated",
    ),
    Rule(
        id="create-table-as",
        syntax="CREATE TABLE ... AS, SELECT ... INTO, CREATE MATERIALIZED VIEW",
        why="others read and write what it reads",
        effects=(Effect(Role.READ, LockMode.ACCESS_SHARE),),
        good="CREATE TABLE n AS SELECT * FROM t",
    ),
    Rule(
        id="drop-table",
        syntax="DROP TABLE",
        why="only the catalog changes; what rests on it goes with it",
        effects=(*BRIEF, Effect(Role.OTHERS, AX)),
        good="DROP TABLE t",
        instead='migrations.DeleteModel("Thing")',
    ),
    Rule(
        id="drop-table-foreign-key",
        syntax="DROP TABLE at either end of a foreign key",
        why="nobody may read the table at the other end until the transaction ends",
        effects=(*BRIEF, Effect(Role.TARGET, AX), Effect(Role.SOURCES, AX),
                 Effect(Role.OTHERS, AX)),
        good="ALTER TABLE c DROP CONSTRAINT c_p_fk;  -- a transaction of its own\n"
        "DROP TABLE c",
        instead='migrations.DeleteModel("Thing"), with nothing else in the migration',
    ),
    Rule(
        id="drop-partition",
        syntax="DROP TABLE of a partition",
        why="nobody may read the parent, for the moment",
        effects=(*BRIEF, Effect(Role.PARENT, AX), Effect(Role.DEFAULT, AX),
                 Effect(Role.TARGET, AX), Effect(Role.OTHERS, AX)),
        bad="DROP TABLE p1",
        good="ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;\nDROP TABLE p1",
    ),
    Rule(
        id="rename-table",
        syntax="ALTER TABLE ... RENAME TO",
        why="only the catalog changes; code that runs still uses the old name",
        effects=TABLE_AX,
        good="ALTER TABLE t RENAME TO n",
        instead='migrations.RenameModel("Thing", "Item"), or keep the table with '
        "db_table",
    ),
    Rule(
        id="set-schema",
        syntax="ALTER TABLE ... SET SCHEMA",
        why="only the catalog changes",
        effects=(Effect(Role.TABLE, AX), Effect(Role.OTHERS, AX)),
        good="ALTER TABLE t SET SCHEMA s",
    ),
    Rule(
        id="alter-table",
        syntax="OWNER TO, REPLICA IDENTITY, SET TABLESPACE or ACCESS METHOD unchanged",
        why="only the catalog changes",
        effects=TABLE_AX,
        good="ALTER TABLE t OWNER TO app",
    ),
    Rule(
        id="truncate",
        syntax="TRUNCATE",
        why="the files are replaced, and no row is read",
        effects=(*BRIEF, Effect(Role.SOURCES, AX), Effect(Role.OTHERS, AX)),
        bad="TRUNCATE t CASCADE",
        good="DELETE FROM t WHERE id BETWEEN 1 AND 1000;  -- in batches",
    ),
    Rule(
        id="set-options",
        syntax="ALTER TABLE ... SET (autovacuum_..., fillfactor), CLUSTER ON",
        why="only the catalog changes; waits for autovacuum and ANALYZE",
        effects=(Effect(Role.TABLE, SUX),),
        good="ALTER TABLE t SET (autovacuum_vacuum_scale_factor = 0.01)",
    ),
    Rule(
        id="rewrite-table",
        syntax="SET LOGGED, SET UNLOGGED, SET ACCESS METHOD, SET TABLESPACE",
        why="all rows and all indexes are written again while nobody may read",
        effects=(Effect(Role.TABLE, AX, Work.REWRITE), Effect(Role.OTHERS, AX)),
        bad="ALTER TABLE t SET LOGGED",
        good="-- a new table, filled in batches, and a swap of the names",
    ),
    Rule(
        id="inherit",
        syntax="INHERIT",
        why="only the catalog changes",
        effects=(Effect(Role.TABLE, AX), Effect(Role.PARENT, SUX)),
        good="ALTER TABLE c INHERIT t",
    ),
    Rule(
        id="no-inherit",
        syntax="NO INHERIT",
        why="only the catalog changes",
        effects=TABLE_AX,
        good="ALTER TABLE c NO INHERIT t",
    ),
    Rule(
        id="attach-partition",
        syntax="ATTACH PARTITION",
        why="the rows of the new partition are read while nobody may read it",
        effects=(
            Effect(Role.TABLE, SUX),
            Effect(Role.CHILD, AX, Work.SCAN),
            Effect(Role.DEFAULT, AX, Work.SCAN),
        ),
        bad="ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (9)",
        good="ALTER TABLE p1 ADD CONSTRAINT b CHECK (id >= 0 AND id < 9) NOT VALID;\n"
        "-- in another transaction\n"
        "ALTER TABLE p1 VALIDATE CONSTRAINT b;\n"
        "-- and in a third one, which reads nothing\n"
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (9)",
    ),
    Rule(
        id="attach-partition-proven",
        syntax="ATTACH PARTITION of a table whose CHECK proves that all rows fit",
        why="PostgreSQL believes the constraint; a default partition is still read",
        effects=(
            Effect(Role.TABLE, SUX),
            Effect(Role.CHILD, AX),
            Effect(Role.DEFAULT, AX, Work.SCAN),
        ),
        good="ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (9)",
    ),
    Rule(
        id="detach-partition",
        syntax="DETACH PARTITION",
        why="nobody may read the parent, for the moment",
        effects=(
            Effect(Role.TABLE, AX),
            Effect(Role.CHILD, AX),
            Effect(Role.DEFAULT, AX),
        ),
        bad="ALTER TABLE p DETACH PARTITION p1",
        good="ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
    ),
    Rule(
        id="detach-partition-concurrently",
        syntax="DETACH PARTITION ... CONCURRENTLY, FINALIZE",
        why="the parent stays free; not in a transaction, and not with a default "
        "partition",
        effects=(Effect(Role.TABLE, SUX), Effect(Role.CHILD, AX)),
        good="ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
    ),
    Rule(
        id="lock-table",
        syntax="LOCK TABLE",
        why="as long as the transaction lasts",
        good="LOCK TABLE t IN SHARE MODE",
    ),
    Rule(
        id="change-view",
        syntax="CREATE OR REPLACE, ALTER, DROP VIEW",
        why="the tables below it stay free",
        effects=(Effect(Role.TABLE, AX), Effect(Role.OTHERS, AX)),
        good="CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
    ),
    Rule(
        id="refresh-view",
        syntax="REFRESH MATERIALIZED VIEW",
        why="nobody may read it while it is filled",
        effects=(Effect(Role.TABLE, AX, Work.REWRITE),),
        bad="REFRESH MATERIALIZED VIEW v",
        good="REFRESH MATERIALIZED VIEW CONCURRENTLY v  -- wants a unique index",
    ),
    Rule(
        id="refresh-view-concurrently",
        syntax="REFRESH MATERIALIZED VIEW CONCURRENTLY",
        why="it is read as before meanwhile",
        effects=(Effect(Role.TABLE, LockMode.EXCLUSIVE, Work.SCAN),),
        good="REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    ),
    Rule(
        id="alter-sequence",
        syntax="ALTER SEQUENCE",
        why="nextval waits, and with it each INSERT that uses it, until the "
        "transaction ends",
        effects=(Effect(Role.TABLE, SRX),),
        good="ALTER SEQUENCE s RESTART WITH 10",
    ),
    Rule(
        id="drop-sequence",
        syntax="DROP SEQUENCE, ALTER SEQUENCE ... RENAME",
        why="with CASCADE the table whose default it is, too",
        effects=(Effect(Role.TABLE, AX), Effect(Role.OTHERS, AX)),
        good="DROP SEQUENCE s",
    ),
)  # fmt: skip
