"""The catalog that SCHEMA.md describes, and the queries that read a real one.

Nothing here is taken from the models or the migrations.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

UUID = "uuid"
VARCHAR = "character varying"
TIMESTAMPTZ = "timestamp with time zone"

COLUMNS = {
    "threads": [
        ("thread_id", UUID, "not null"),
        ("vlab_id", UUID, "null"),
        ("project_id", UUID, "null"),
        ("title", VARCHAR, "not null"),
        ("creation_date", TIMESTAMPTZ, "not null"),
        ("update_date", TIMESTAMPTZ, "not null"),
        ("user_id", UUID, "not null"),
    ],
    "messages": [
        ("message_id", UUID, "not null"),
        ("creation_date", TIMESTAMPTZ, "not null"),
        ("content", VARCHAR, "not null"),
        ("thread_id", UUID, "not null"),
        ("entity", "entity", "not null"),
        ("is_complete", "boolean", "not null"),
        ("search_vector", "tsvector", "null"),
    ],
    "tool_calls": [
        ("tool_call_id", VARCHAR, "not null"),
        ("name", VARCHAR, "not null"),
        ("arguments", VARCHAR, "not null"),
        ("validated", "boolean", "null"),
        ("message_id", UUID, "not null"),
    ],
    "tool_selection": [
        ("id", UUID, "not null"),
        ("message_id", UUID, "not null"),
        ("tool_name", VARCHAR, "not null"),
    ],
    "token_consumption": [
        ("id", UUID, "not null"),
        ("message_id", UUID, "not null"),
        ("type", "tokentype", "not null"),
        ("task", "task", "not null"),
        ("count", "integer", "not null"),
        ("model", VARCHAR, "not null"),
    ],
    "complexity_estimation": [
        ("id", UUID, "not null"),
        ("complexity", "integer", "null"),
        ("model", VARCHAR, "not null"),
        ("reasoning", "reasoninglevels", "null"),
        ("message_id", UUID, "not null"),
    ],
}
TABLES = sorted(COLUMNS)

PRIMARY_KEYS = {
    "threads": "thread_id",
    "messages": "message_id",
    "tool_calls": "tool_call_id",
    "tool_selection": "id",
    "token_consumption": "id",
    "complexity_estimation": "id",
}
FOREIGN_KEYS = {
    "messages": "FOREIGN KEY (thread_id) REFERENCES threads(thread_id)",
    "tool_calls": "FOREIGN KEY (message_id) REFERENCES messages(message_id)",
    "tool_selection": "FOREIGN KEY (message_id) REFERENCES messages(message_id)",
    "token_consumption": "FOREIGN KEY (message_id) REFERENCES messages(message_id)",
    "complexity_estimation": "FOREIGN KEY (message_id) REFERENCES messages(message_id)",
}
# table, name, kind, on update, on delete, match, deferrable, deferred, validated
CONSTRAINTS = sorted(
    [
        (table, f"{table}_pkey", "p", " ", " ", " ", False, False, True, definition)
        for table, column in PRIMARY_KEYS.items()
        for definition in [f"PRIMARY KEY ({column})"]
    ]
    + [
        (table, name, "f", "a", "a", "s", False, False, True, definition)
        for table, definition in FOREIGN_KEYS.items()
        for column in ["thread_id" if table == "messages" else "message_id"]
        for name in [f"{table}_{column}_fkey"]
    ]
)

INDEXES = {
    f"{table}_pkey": (
        f"CREATE UNIQUE INDEX {table}_pkey ON public.{table} USING btree ({column})"
    )
    for table, column in PRIMARY_KEYS.items()
} | {
    "ix_messages_search_vector": (
        "CREATE INDEX ix_messages_search_vector ON public.messages "
        "USING gin (search_vector)"
    )
}
LATER_INDEXES = {
    "ix_messages_thread_id_created": (
        "CREATE INDEX ix_messages_thread_id_created ON public.messages "
        "USING btree (thread_id, creation_date)"
    ),
    "ix_messages_newest_first": (
        "CREATE INDEX ix_messages_newest_first ON public.messages "
        "USING btree (creation_date DESC, message_id DESC)"
    ),
    "ix_threads_newest_first": (
        "CREATE INDEX ix_threads_newest_first ON public.threads "
        "USING btree (update_date DESC, thread_id DESC)"
    ),
}

INSPECTION_INDEXES = {
    name: f"CREATE INDEX {name} ON public.{table} USING btree {rest}"
    for name, table, rest in (
        ("ix_tool_calls_message", "tool_calls", "(message_id)"),
        ("ix_tool_calls_name", "tool_calls", "(name, tool_call_id)"),
        ("ix_tool_selection_message", "tool_selection", "(message_id)"),
        ("ix_token_consumption_message", "token_consumption", "(message_id)"),
        ("ix_token_consumption_model", "token_consumption", "(model, message_id)"),
        ("ix_complexity_message", "complexity_estimation", "(message_id)"),
        (
            "ix_messages_incomplete",
            "messages",
            "(creation_date DESC, message_id DESC) WHERE (NOT is_complete)",
        ),
        (
            "ix_threads_user_newest",
            "threads",
            "(user_id, update_date DESC, thread_id DESC)",
        ),
        (
            "ix_threads_project_newest",
            "threads",
            "(project_id, update_date DESC, thread_id DESC)",
        ),
        (
            "ix_threads_vlab_newest",
            "threads",
            "(vlab_id, update_date DESC, thread_id DESC)",
        ),
    )
}

ENUMS = {
    "entity": ["USER", "AI_TOOL", "TOOL", "AI_MESSAGE"],
    "task": ["CHAT_COMPLETION", "TOOL_SELECTION", "CALL_WITHIN_TOOL"],
    "tokentype": ["INPUT_NONCACHED", "INPUT_CACHED", "COMPLETION"],
    "reasoninglevels": ["NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH"],
}

# name, returns, language, volatility, SET, security definer, kind, arguments
FUNCTIONS = [
    ("update_messages_search_vector", "trigger", "plpgsql", "v", None, False, "f", 0)
]
# table, name, definition, enabled, WHEN, columns
TRIGGERS = [
    (
        "messages",
        "messages_search_vector_trigger",
        (
            "CREATE TRIGGER messages_search_vector_trigger "
            "BEFORE INSERT OR UPDATE ON public.messages "
            "FOR EACH ROW EXECUTE FUNCTION update_messages_search_vector()"
        ),
        "O",
        None,
        "",
    )
]

READ_COLUMNS = """
SELECT c.relname, a.attname,
       pg_catalog.format_type(a.atttypid, a.atttypmod),
       CASE WHEN a.attnotnull THEN 'not null' ELSE 'null' END,
       a.atthasdef, a.attidentity, a.attgenerated,
       a.attcollation = t.typcollation,
       pg_catalog.col_description(c.oid, a.attnum)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE c.relnamespace = 'public'::regnamespace
   AND c.relname = ANY (%s)
   AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY c.relname, a.attnum
"""
READ_DROPPED = """
SELECT c.relname, a.attnum::int
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'public'::regnamespace AND a.attisdropped
 ORDER BY 1, 2
"""
READ_CONSTRAINTS = """
SELECT c.relname, o.conname, o.contype::text,
       o.confupdtype::text, o.confdeltype::text, o.confmatchtype::text,
       o.condeferrable, o.condeferred, o.convalidated,
       pg_catalog.pg_get_constraintdef(o.oid)
  FROM pg_catalog.pg_constraint o
  JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
 WHERE c.relnamespace = 'public'::regnamespace
   AND c.relname = ANY (%s)
   AND o.contype <> 'n'
"""
READ_NOT_NULL_NAMES = """
SELECT o.conname
  FROM pg_catalog.pg_constraint o
  JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
 WHERE c.relnamespace = 'public'::regnamespace
   AND c.relname = ANY (%s)
   AND o.contype = 'n'
"""
READ_INDEXES = """
SELECT i.relname, pg_catalog.pg_get_indexdef(x.indexrelid), x.indisvalid
  FROM pg_catalog.pg_index x
  JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
  JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
"""
READ_ENUMS = """
SELECT t.typname, pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid
 WHERE t.typnamespace = 'public'::regnamespace
 GROUP BY t.typname
"""
READ_FUNCTIONS = """
SELECT p.proname, p.prorettype::regtype::text, l.lanname, p.provolatile::text,
       p.proconfig, p.prosecdef, p.prokind::text, p.pronargs::int
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'public'::regnamespace
"""
READ_TRIGGERS = """
SELECT c.relname, t.tgname, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled::text,
       t.tgqual::text, t.tgattr::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND c.relname = ANY (%s)
"""
# Django's own history table is the migrations', not the schema's.
READ_EVERYTHING = """
SELECT 'relation ' || c.relkind::text || ' ' || c.relname
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'public'::regnamespace
   AND c.relkind NOT IN ('i', 'c') AND c.relname !~ '^django_migrations'
UNION ALL
SELECT 'type ' || t.typtype::text || ' ' || t.typname
  FROM pg_catalog.pg_type t
 WHERE t.typnamespace = 'public'::regnamespace AND t.typtype NOT IN ('b', 'c')
UNION ALL
SELECT 'function ' || p.proname
  FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'extension ' || e.extname
  FROM pg_catalog.pg_extension e
 WHERE e.extname <> 'plpgsql'
UNION ALL
SELECT 'policy ' || p.polname FROM pg_catalog.pg_policy p
UNION ALL
SELECT 'statistics ' || s.stxname FROM pg_catalog.pg_statistic_ext s
UNION ALL
SELECT 'comment on ' || d.objoid::regclass
  FROM pg_catalog.pg_description d
  JOIN pg_catalog.pg_class c ON c.oid = d.objoid
 WHERE d.classoid = 'pg_class'::regclass
   AND c.relnamespace = 'public'::regnamespace
"""


def read(
    connection: BaseDatabaseWrapper, sql: str, tables: list[str] | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of a query, which takes the tables if it takes anything."""
    with connection.cursor() as cursor:
        cursor.execute(sql, None if tables is None else [tables])
        return list(cursor.fetchall())
