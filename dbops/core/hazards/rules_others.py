"""Indexes, maintenance, types and domains, and the rows themselves."""

from __future__ import annotations

from dbops.core.hazards.rule import Effect, Role, Rule, Work
from dbops.core.hazards.rules_columns import AX, SUX
from dbops.core.lock_modes import LockMode

SHARE = LockMode.SHARE
RX = LockMode.ROW_EXCLUSIVE
RS = LockMode.ROW_SHARE

OTHER_RULES = (
    Rule(
        id="create-index",
        syntax="CREATE INDEX",
        why="writes wait while the index is built",
        effects=(
            Effect(Role.TABLE, SHARE, Work.BUILD),
            Effect(Role.BELOW, SHARE, Work.BUILD),
        ),
        bad="CREATE INDEX i ON t (a)",
        good="CREATE INDEX CONCURRENTLY i ON t (a)",
        django='migrations.AddIndex("thing", models.Index(\n'
        '    fields=["name"], name="thing_name_idx"))',
        instead="atomic = False\n...\n"
        'AddIndexConcurrently("thing", models.Index(\n'
        '    fields=["name"], name="thing_name_idx"))',
    ),
    Rule(
        id="create-index-exists",
        syntax="CREATE INDEX IF NOT EXISTS of one that is there, or ON ONLY a "
        "partitioned table",
        why="there is nothing to build",
        effects=(Effect(Role.TABLE, SHARE),),
        good="CREATE INDEX IF NOT EXISTS i ON t (a)",
    ),
    Rule(
        id="create-index-concurrently",
        syntax="CREATE INDEX CONCURRENTLY",
        why="others read and write; not in a transaction; waits for old transactions",
        effects=(Effect(Role.TABLE, SUX, Work.BUILD),),
        good="CREATE INDEX CONCURRENTLY i ON t (a)",
        instead="atomic = False\n...\n"
        'AddIndexConcurrently("thing", models.Index(\n'
        '    fields=["name"], name="thing_name_idx"))',
    ),
    Rule(
        id="drop-index",
        syntax="DROP INDEX",
        why="nobody may read the table, for the moment",
        effects=(
            Effect(Role.TABLE, AX),
            Effect(Role.BELOW, AX),
            Effect(Role.INDEX, AX),
        ),
        bad="DROP INDEX i",
        good="DROP INDEX CONCURRENTLY i",
        django='migrations.RemoveIndex("thing", "thing_name_idx")',
        instead="atomic = False\n...\n"
        'RemoveIndexConcurrently("thing", "thing_name_idx")',
    ),
    Rule(
        id="drop-index-concurrently",
        syntax="DROP INDEX CONCURRENTLY",
        why="others read and write; not in a transaction",
        effects=(Effect(Role.TABLE, SUX),),
        good="DROP INDEX CONCURRENTLY i",
        instead='RemoveIndexConcurrently("thing", "thing_name_idx")',
    ),
    Rule(
        id="alter-index",
        syntax="ALTER INDEX",
        why="the table stays free",
        good="ALTER INDEX i RENAME TO j",
        instead='migrations.RenameIndex("thing", new_name="new", old_name="old")',
    ),
    Rule(
        id="reindex",
        syntax="REINDEX",
        why="writes wait, and so do reads, which look at each index",
        effects=(Effect(Role.TABLE, SHARE, Work.BUILD), Effect(Role.INDEX, AX)),
        bad="REINDEX TABLE t",
        good="REINDEX TABLE CONCURRENTLY t",
    ),
    Rule(
        id="reindex-concurrently",
        syntax="REINDEX ... CONCURRENTLY",
        why="others read and write; not in a transaction",
        effects=(Effect(Role.TABLE, SUX, Work.BUILD),),
        good="REINDEX TABLE CONCURRENTLY t",
    ),
    Rule(
        id="cluster",
        syntax="CLUSTER, VACUUM FULL",
        why="all rows and all indexes are written again while nobody may read",
        effects=(Effect(Role.TABLE, AX, Work.REWRITE),),
        bad="VACUUM FULL t",
        good="VACUUM t;  -- or pg_repack",
    ),
    Rule(
        id="vacuum",
        syntax="VACUUM, ANALYZE",
        why="others read and write",
        effects=(Effect(Role.TABLE, SUX),),
        good="ANALYZE t",
    ),
    Rule(
        id="comment",
        syntax="COMMENT ON TABLE, ON COLUMN; CREATE, DROP STATISTICS",
        why="only the catalog changes; waits for autovacuum and ANALYZE",
        effects=(Effect(Role.TABLE, SUX),),
        good="COMMENT ON TABLE t IS 'x'",
        instead='migrations.AlterModelTableComment("thing", "x")',
    ),
    Rule(
        id="no-table",
        syntax="types, functions, schemas, extensions, grants, settings",
        why="no table is locked against readers or writers",
        good="CREATE TYPE mood AS ENUM ('sad')",
    ),
    Rule(
        id="add-enum-value",
        syntax="ALTER TYPE ... ADD VALUE, RENAME VALUE",
        why="no table is locked; the value cannot be used before COMMIT",
        good="ALTER TYPE mood ADD VALUE 'happy'",
    ),
    Rule(
        id="drop-type",
        syntax="DROP TYPE, DROP DOMAIN",
        why="no table is locked unless CASCADE drops its columns",
        effects=(Effect(Role.TABLE, AX), Effect(Role.USERS, AX)),
        good="DROP TYPE mood",
    ),
    Rule(
        id="check-domain",
        syntax="ALTER DOMAIN ... ADD CONSTRAINT, VALIDATE, SET NOT NULL",
        why="each table with a column of it is read through while its writes wait",
        effects=(Effect(Role.USERS, SHARE, Work.SCAN),),
        bad="ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0)",
        good="ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
    ),
    Rule(
        id="alter-domain",
        syntax="ALTER DOMAIN, the rest",
        why="only the catalog changes",
        good="ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
    ),
    Rule(
        id="select",
        syntax="SELECT",
        why="waits for nobody but ACCESS EXCLUSIVE",
        effects=(Effect(Role.TABLE, RS), Effect(Role.READ, LockMode.ACCESS_SHARE)),
        good="SELECT 1",
    ),
    Rule(
        id="insert",
        syntax="INSERT, COPY ... FROM",
        why="the rows that its foreign keys point to are locked until COMMIT",
        effects=(Effect(Role.TABLE, RX), Effect(Role.TARGET, RS)),
        good="INSERT INTO t VALUES (1)",
    ),
    Rule(
        id="update",
        syntax="UPDATE, MERGE",
        why="each row that it changes is locked until COMMIT",
        effects=(
            Effect(Role.TABLE, RX),
            Effect(Role.BELOW, RX),
            Effect(Role.TARGET, RS),
            Effect(Role.SOURCES, RS),
        ),
        bad="UPDATE t SET a = 1",
        good="UPDATE t SET a = 1 WHERE id BETWEEN 1 AND 1000;\n"
        "-- in batches, each in a transaction of its own",
        django="migrations.RunPython(fill)",
        instead="the same in a migration of its own with atomic = False, in batches",
    ),
    Rule(
        id="delete",
        syntax="DELETE",
        why="each row that it deletes is locked until COMMIT",
        effects=(
            Effect(Role.TABLE, RX),
            Effect(Role.BELOW, RX),
            Effect(Role.SOURCES, RS),
            Effect(Role.OTHERS, RX),
        ),
        bad="DELETE FROM t",
        good="DELETE FROM t WHERE id BETWEEN 1 AND 1000;  -- in batches",
    ),
    Rule(
        id="opaque",
        syntax="DO, CALL",
        why="what it runs is not in the statement",
        good="DO $$ BEGIN NULL; END $$",
    ),
)
