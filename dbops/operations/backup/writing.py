"""What a snapshot sees, written into files of a bounded size."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from psycopg import errors

from dbops.core.access import Access, write_access
from dbops.core.catalog import Catalog
from dbops.core.contents import Contents, Rows
from dbops.core.details import write_details
from dbops.core.manifest import StoredFile, TableContents
from dbops.core.packing import Packer, pack
from dbops.core.progress import Progress
from dbops.core.target import Target
from dbops.errors import Busy
from dbops.operations.backup.pace import Pace
from dbops.operations.backup.sealing import Seal
from dbops.operations.storage import Draft
from dbops.postgres.archive import dump_all_but_rows
from dbops.postgres.copying import (
    Portion,
    open_copy_session,
    plan_portions,
    read_rows,
    use_snapshot,
)
from dbops.postgres.crew import work_through
from dbops.postgres.session import WHO_IS_AT_WORK, Connection
from dbops.postgres.snapshot import Snapshot, explain_server_failures
from dbops.postgres.tools import ClientTools

FILE_BYTES = 8 << 20
"""From this size on, packed, the next file is begun; some of them are in memory."""
LOCK_WAIT_S = 5.0
"""All locks are held already: who still waits stands in line behind a migration that
waits for the dump, with the application's readers behind it."""
DETAILS = "details.json.zst"
ROLES = "roles.json.zst"
SCHEMA, DATA = "schema", "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files of a backup, and what the tables held while they were written."""

    files: tuple[StoredFile, ...]
    tables: tuple[TableContents, ...]
    rows: Mapping[str, WrittenRows]
    """What went into each of the files that have rows, by its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRows:
    """What went into a file, as far as only its writer knows."""

    contents: Contents
    digest: bytes
    """Of `dbops.core.packing.hash_lines`."""


def write_contents(
    draft: Draft,
    seal: Seal,
    snapshot: Snapshot,
    catalog: Catalog,
    access: Access,
    *,
    target: Target,
    tools: ClientTools,
    jobs: int,
    progress: Progress,
) -> Written:
    """Write schema and rows, one beside the other; then details and roles.

    Raises:
        Busy: somebody waits to change a table.
        ToolFailed: pg_dump or the storage failed.
        Refused: the identity does not open what is encrypted.
        ServerFailed: a session was lost.
    """
    seal.check()
    writer = _Writer(draft, seal)
    portions = plan_portions(snapshot.connection, snapshot.filled)

    def dump_schema() -> None:
        with _SchemaFiles(writer) as schema:
            _dump_schema(snapshot, schema.add, target=target, tools=tools)

    progress("dumping the schema and the rows")
    _write_rows(
        writer,
        snapshot,
        portions,
        target=target,
        jobs=jobs,
        beside=dump_schema,
        progress=Pace(progress),
    )
    tables = writer.list_tables(portions)
    writer.write(DETAILS, pack(write_details(catalog, tables)))
    writer.write(ROLES, pack(write_access(access)))
    return Written(
        files=tuple(sorted(writer.files, key=lambda each: each.path)),
        tables=tables,
        rows=writer.rows,
    )


def _dump_schema(
    snapshot: Snapshot,
    on_output: Callable[[bytes], None],
    *,
    target: Target,
    tools: ClientTools,
) -> None:
    dump_all_but_rows(
        tools,
        target,
        snapshot_id=snapshot.snapshot_id,
        without=[each for each in snapshot.relations if not each.is_partitioned],
        omission=snapshot.omission,
        lock_wait_timeout_s=LOCK_WAIT_S,
        on_output=on_output,
    )


def _write_rows(
    writer: _Writer,
    snapshot: Snapshot,
    portions: Sequence[Portion],
    *,
    target: Target,
    jobs: int,
    beside: Callable[[], None],
    progress: Progress,
) -> None:
    def open_session() -> AbstractContextManager[Connection]:
        return open_copy_session(
            target, purpose="backup:copy", lock_timeout_s=LOCK_WAIT_S
        )

    done, total = 0, sum(each.size_bytes for each in portions) or 1

    def work(connection: Connection, portion: Portion) -> None:
        nonlocal done
        name = portion.relation.name
        progress(f"dumping {name}: {done * 100 // total} % of all")
        with use_snapshot(connection, snapshot.snapshot_id):
            writer.write_rows(name, read_rows(connection, portion))
        done += portion.size_bytes

    with explain_server_failures():
        try:
            work_through(
                portions, work, open_session=open_session, jobs=jobs, beside=beside
            )
        except errors.LockNotAvailable as error:
            raise Busy(
                "another session waits to change a table that is being dumped: "
                f"{error.diag.message_primary}",
                hint=f"try again when no migration is running; {WHO_IS_AT_WORK}",
            ) from error


@dataclass(slots=True)
class _Writer:
    """Seals files, names them, and remembers what they are; safe for threads."""

    draft: Draft
    seal: Seal
    files: list[StoredFile] = field(default_factory=list)
    contents: list[tuple[str, Contents]] = field(default_factory=list)
    rows: dict[str, WrittenRows] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def write(self, path: str, data: bytes, table: str | None = None) -> str:
        """Write one file; return the name that it has got."""
        name, sealed = self.seal.name(path), self.seal.close(data)
        self.draft.write(name, sealed)
        digest = hashlib.sha256(sealed).hexdigest()
        self.files.append(
            StoredFile(path=name, size_bytes=len(sealed), sha256=digest, table=table)
        )
        return name

    def write_rows(self, table: str, batches: Iterable[Rows]) -> None:
        """Write rows of a table into as many files as it takes."""
        packer = Packer()
        for batch in batches:
            packer.add(batch)
            if packer.size_bytes >= FILE_BYTES:
                self._finish(table, packer)
                packer = Packer()
        self._finish(table, packer)

    def _finish(self, table: str, packer: Packer) -> None:
        data = packer.finish()
        if packer.contents.rows:
            name = self.write(f"{DATA}/{next(self.numbers):06}.zst", data, table)
            self.rows[name] = WrittenRows(
                contents=packer.contents, digest=packer.digest
            )
        self.contents.append((table, packer.contents))

    def list_tables(self, portions: Sequence[Portion]) -> tuple[TableContents, ...]:
        """Return what each table held, by name."""
        columns = {each.relation.name: each.columns for each in portions}
        sums = {name: Contents() for name in sorted(columns)}
        for name, contents in self.contents:
            sums[name].merge(contents)
        return tuple(
            TableContents(
                name=name,
                columns=columns[name],
                rows=each.rows,
                checksum=each.checksum,
            )
            for name, each in sums.items()
        )


class _SchemaFiles:
    """Cuts pg_dump's archive into files."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self._buffer = bytearray()
        self._numbers = itertools.count()

    def __enter__(self) -> _SchemaFiles:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._buffer:
            self._write(bytes(self._buffer))

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the archive."""
        self._buffer += chunk
        while len(self._buffer) >= FILE_BYTES:
            self._write(bytes(self._buffer[:FILE_BYTES]))
            del self._buffer[:FILE_BYTES]

    def _write(self, data: bytes) -> None:
        self._writer.write(f"{SCHEMA}/{next(self._numbers):06}.dump", data)
