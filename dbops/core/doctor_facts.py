"""What the doctor looks at: facts of a server, without a judgement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server and the connected database."""

    version_number: int
    version: str
    database: str
    database_name: str
    """Quoted, for statements."""
    in_recovery: bool
    read_only_source: str | None
    """Where `default_transaction_read_only = on` comes from, as in
    `pg_settings.source`; None where it is off."""
    database_size_bytes: int
    data_directory: str | None
    """None without the right to see it."""

    @property
    def major(self) -> int:
        """The major version, as in 18."""
        return self.version_number // 10000


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What the session's role may do; its name is quoted."""

    name: str
    may_create_databases: bool
    may_read_statistics: bool
    may_signal_backends: bool
    search_path: str
    schema: str | None
    """Where its new tables go, quoted; None where no schema of the path exists."""
    may_create_tables: bool
    """In that schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """What two sessions saw: the first, one beside it, and the first again."""

    first_pid: int
    beside_pid: int
    again_pid: int
    mark_seen: bool
    """The second session saw a setting that the first had made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A local file system."""

    place: str
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An open transaction of another session."""

    pid: int
    role: str
    application: str
    idle: bool
    open_s: float
    state_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTransaction:
    """A transaction that waits for COMMIT PREPARED; `literal` is the gid, quoted."""

    gid: str
    literal: str
    role: str
    prepared_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidIndex:
    """An index that is not used, and yet written; names are quoted."""

    name: str
    table: str
    partitioned: bool
    leftover: bool
    """Made by a REINDEX CONCURRENTLY that was cut off, beside the real one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseConstraint:
    """A NOT VALID constraint; names are quoted."""

    name: str
    owner: str
    """`TABLE name` or `DOMAIN name`."""
    owner_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCollation:
    """A collation with another version than when it was first used."""

    name: str
    is_database: bool
    recorded: str
    actual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """How far a sequence has come, and the column it is for; names are quoted."""

    name: str
    increment: int
    least: int
    greatest: int
    last_value: int | None
    permitted: bool
    """The role may read it."""
    locked: bool
    column_table: str | None
    column_name: str | None
    column_type: str | None
    column_bits: int | None
    column_identity: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OldExtension:
    """An extension that the server has another version of."""

    name: str
    quoted: str
    installed: str
    available: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumColumn:
    """A column of an enum type."""

    table: str
    column: str
    type: str
    """Quoted, with its schema."""
    labels: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceField:
    """A model's field with choices."""

    label: str
    """`app.Model.field`."""
    table: str
    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A connected replica."""

    name: str
    address: str
    state: str
    lag_s: float | None
    lag_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleSlot:
    """A replication slot that nobody uses; `literal` is its name, quoted."""

    name: str
    literal: str
    retained_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBackup:
    """The newest backup of the ledger that was verified."""

    backup_id: str
    age_s: float
