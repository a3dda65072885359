"""Constraints and triggers."""

from __future__ import annotations

from dbops.core.hazards.rule import Effect, Role, Rule, Work
from dbops.core.hazards.rules_columns import AX, BRIEF, BUILT, SCANNED, SRX, SUX
from dbops.core.lock_modes import LockMode

KEY = (Effect(Role.TABLE, SRX), Effect(Role.BELOW, SRX), Effect(Role.TARGET, SRX))

CONSTRAINT_RULES = (
    Rule(
        id="add-check",
        syntax="ADD CONSTRAINT ... CHECK",
        why="all rows are read while nobody else may",
        effects=SCANNED,
        bad="ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)",
        good="ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;\n"
        "-- in another transaction\n"
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        django='migrations.AddConstraint("thing", models.CheckConstraint(\n'
        '    condition=Q(size__gt=0), name="thing_size"))',
        instead='AddConstraintNotValid("thing", models.CheckConstraint(\n'
        '    condition=Q(size__gt=0), name="thing_size")),\n'
        "# and in the next migration\n"
        'ValidateConstraint("thing", "thing_size")',
    ),
    Rule(
        id="add-check-no-inherit",
        syntax="ADD CONSTRAINT ... CHECK ... NO INHERIT",
        why="all rows of the table are read; up to PostgreSQL 16 the inheriting tables "
        "stay free",
        effects=(Effect(Role.TABLE, AX, Work.SCAN), Effect(Role.BELOW, AX)),
        earlier={16: (Effect(Role.TABLE, AX, Work.SCAN),)},
        bad="ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NO INHERIT",
        good="ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NO INHERIT NOT VALID",
    ),
    Rule(
        id="add-check-not-valid",
        syntax="ADD CONSTRAINT ... CHECK or NOT NULL, NOT VALID or NOT ENFORCED",
        why="holds for new rows; the old ones are not read",
        effects=BRIEF,
        good="ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        instead='AddConstraintNotValid("thing", ...)',
    ),
    Rule(
        id="add-not-null",
        syntax="ADD CONSTRAINT ... NOT NULL",
        why="all rows are read while nobody else may",
        effects=SCANNED,
        bad="ALTER TABLE t ADD CONSTRAINT c_nn NOT NULL c",
        good="ALTER TABLE t ADD CONSTRAINT c_nn NOT NULL c NOT VALID;\n"
        "-- in another transaction\n"
        "ALTER TABLE t VALIDATE CONSTRAINT c_nn",
        since=18,
    ),
    Rule(
        id="add-foreign-key",
        syntax="ADD CONSTRAINT ... FOREIGN KEY",
        why="writes to both tables wait while each row is looked up",
        effects=(
            Effect(Role.TABLE, SRX, Work.SCAN),
            Effect(Role.BELOW, SRX, Work.SCAN),
            Effect(Role.TARGET, SRX, Work.SCAN),
        ),
        bad="ALTER TABLE t ADD CONSTRAINT t_p_fk FOREIGN KEY (p_id) REFERENCES p",
        good="ALTER TABLE t ADD CONSTRAINT t_p_fk\n"
        "    FOREIGN KEY (p_id) REFERENCES p NOT VALID;\n"
        "-- in another transaction\n"
        "ALTER TABLE t VALIDATE CONSTRAINT t_p_fk",
        django='migrations.AlterField("thing", "owner",\n'
        '    models.ForeignKey("Owner", models.CASCADE))  # was db_constraint=False',
        instead="migrations.SeparateDatabaseAndState(\n"
        "    [migrations.RunSQL(  # NOT VALID, as above\n"
        '        "ALTER TABLE ... ADD CONSTRAINT ... NOT VALID",\n'
        '        "ALTER TABLE ... DROP CONSTRAINT ...")],\n'
        '    [migrations.AlterField("thing", "owner",\n'
        '        models.ForeignKey("Owner", models.CASCADE))]),\n'
        "# and in the next migration\n"
        'migrations.RunSQL("ALTER TABLE ... VALIDATE CONSTRAINT ...")',
    ),
    Rule(
        id="add-foreign-key-not-valid",
        syntax="ADD CONSTRAINT ... FOREIGN KEY ... NOT VALID",
        why="no row is looked up; writes to both tables wait for the moment",
        effects=KEY,
        good="ALTER TABLE t ADD CONSTRAINT t_p_fk\n"
        "    FOREIGN KEY (p_id) REFERENCES p NOT VALID",
    ),
    Rule(
        id="validate-check",
        syntax="VALIDATE CONSTRAINT of a CHECK",
        why="all rows are read, while others read and write",
        effects=(
            Effect(Role.TABLE, SUX, Work.SCAN),
            Effect(Role.BELOW, SUX, Work.SCAN),
        ),
        good="ALTER TABLE t VALIDATE CONSTRAINT c",
        instead='ValidateConstraint("thing", "thing_size")',
    ),
    Rule(
        id="validate-foreign-key",
        syntax="VALIDATE CONSTRAINT of a FOREIGN KEY",
        why="each row is looked up, while others read and write",
        effects=(
            Effect(Role.TABLE, SUX, Work.SCAN),
            Effect(Role.BELOW, SUX, Work.SCAN),
            Effect(Role.TARGET, LockMode.ROW_SHARE, Work.SCAN),
        ),
        good="ALTER TABLE t VALIDATE CONSTRAINT t_p_fk",
    ),
    Rule(
        id="validate-valid",
        syntax="VALIDATE CONSTRAINT of one that is valid",
        why="there is nothing to do",
        effects=(Effect(Role.TABLE, SUX),),
        good="ALTER TABLE t VALIDATE CONSTRAINT c",
    ),
    Rule(
        id="add-unique",
        syntax="ADD CONSTRAINT ... UNIQUE",
        why="the index is built while nobody may read",
        effects=BUILT,
        earlier={
            16: (Effect(Role.TABLE, AX, Work.BUILD),
                 Effect(Role.BELOW, LockMode.SHARE, Work.BUILD)),
        },
        bad="ALTER TABLE t ADD CONSTRAINT t_u UNIQUE (a)",
        good="CREATE UNIQUE INDEX CONCURRENTLY t_u ON t (a);\n"
        "ALTER TABLE t ADD CONSTRAINT t_u UNIQUE USING INDEX t_u",
        django='migrations.AddConstraint("thing", models.UniqueConstraint(\n'
        '    fields=["name"], name="thing_name"))',
        instead="atomic = False\n...\n"
        "migrations.SeparateDatabaseAndState(\n"
        "    [migrations.RunSQL(\n"
        "        'CREATE UNIQUE INDEX CONCURRENTLY \"thing_name\" ON ...',\n"
        "        'DROP INDEX CONCURRENTLY ...'),\n"
        "     migrations.RunSQL(\n"
        "        'ALTER TABLE ... ADD CONSTRAINT \"thing_name\" UNIQUE'\n"
        "        ' USING INDEX \"thing_name\"', migrations.RunSQL.noop)],\n"
        '    [migrations.AddConstraint("thing", models.UniqueConstraint(\n'
        '        fields=["name"], name="thing_name"))])',
    ),
    Rule(
        id="add-primary-key",
        syntax="ADD PRIMARY KEY",
        why="the index is built, and NOT NULL checked, while nobody may read",
        effects=BUILT,
        earlier={
            16: (Effect(Role.TABLE, AX, Work.BUILD),
                 Effect(Role.BELOW, LockMode.SHARE, Work.BUILD)),
        },
        bad="ALTER TABLE t ADD PRIMARY KEY (id)",
        good="CREATE UNIQUE INDEX CONCURRENTLY t_pk ON t (id);\n"
        "ALTER TABLE t ADD CONSTRAINT t_pk PRIMARY KEY USING INDEX t_pk",
    ),
    Rule(
        id="add-key-using-index",
        syntax="ADD CONSTRAINT ... USING INDEX",
        why="the index is there: only the catalog changes",
        effects=(Effect(Role.TABLE, AX),),
        good="ALTER TABLE t ADD CONSTRAINT t_u UNIQUE USING INDEX t_u",
    ),
    Rule(
        id="add-primary-key-nullable",
        syntax="ADD PRIMARY KEY USING INDEX on columns that may be null",
        why="all rows are read for NOT NULL while nobody else may",
        effects=(Effect(Role.TABLE, AX, Work.SCAN),),
        bad="ALTER TABLE t ADD PRIMARY KEY USING INDEX t_pk  -- id may be null",
        good="-- prove NOT NULL first, as for set-not-null",
    ),
    Rule(
        id="add-exclude",
        syntax="ADD CONSTRAINT ... EXCLUDE",
        why="the index is built while nobody may read, and there is no other way",
        effects=BUILT,
        bad="ALTER TABLE t ADD CONSTRAINT c EXCLUDE USING gist (during WITH &&)",
        good="-- a new table that has it, filled in batches",
        django='migrations.AddConstraint("thing", ExclusionConstraint(...))',
    ),
    Rule(
        id="drop-constraint",
        syntax="DROP CONSTRAINT of a CHECK, or of a key that none points to",
        why="only the catalog changes",
        effects=BRIEF,
        good="ALTER TABLE t DROP CONSTRAINT c",
        instead='migrations.RemoveConstraint("thing", "thing_size")',
    ),
    Rule(
        id="drop-foreign-key",
        syntax="DROP CONSTRAINT of a foreign key, or of a key that others point to",
        why="nobody may read the table at the other end, for the moment: its triggers "
        "go",
        effects=(*BRIEF, Effect(Role.TARGET, AX), Effect(Role.SOURCES, AX)),
        good="ALTER TABLE t DROP CONSTRAINT t_p_fk",
    ),
    Rule(
        id="alter-constraint",
        syntax="ALTER CONSTRAINT, RENAME CONSTRAINT",
        why="only the catalog changes",
        effects=BRIEF,
        good="ALTER TABLE t ALTER CONSTRAINT t_p_fk DEFERRABLE",
    ),
    Rule(
        id="alter-constraint-enforced",
        syntax="ALTER CONSTRAINT ... NOT ENFORCED",
        why="nobody may read the table at the other end, for the moment",
        effects=(Effect(Role.TABLE, AX), Effect(Role.TARGET, AX)),
        good="ALTER TABLE t ALTER CONSTRAINT t_p_fk NOT ENFORCED",
        since=18,
    ),
    Rule(
        id="create-trigger",
        syntax="CREATE TRIGGER, ENABLE TRIGGER, DISABLE TRIGGER",
        why="writes wait for the moment",
        effects=(Effect(Role.TABLE, SRX), Effect(Role.BELOW, SRX)),
        good="CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ),
    Rule(
        id="drop-trigger",
        syntax="DROP TRIGGER, ALTER TRIGGER ... RENAME",
        why="only the catalog changes",
        effects=BRIEF,
        good="DROP TRIGGER x ON t",
    ),
    Rule(
        id="change-rule",
        syntax="CREATE RULE, DROP RULE, ENABLE RULE, DISABLE RULE",
        why="only the catalog changes",
        effects=(Effect(Role.TABLE, AX),),
        good="CREATE RULE x AS ON DELETE TO t DO INSTEAD NOTHING",
    ),
    Rule(
        id="change-policy",
        syntax="CREATE, ALTER, DROP POLICY; ENABLE ROW LEVEL SECURITY",
        why="only the catalog changes",
        effects=(Effect(Role.TABLE, AX),),
        good="CREATE POLICY x ON t USING (true)",
    ),
)  # fmt: skip
