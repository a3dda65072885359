"""Find early what breaks late: in server, role, tools, disks and ledger."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.db.models import Field, Model

from dbops.core import doctor as judge
from dbops.core import doctor_access as access
from dbops.core.doctor_engine import judge_dump
from dbops.core.doctor_facts import ChoiceField, Disk, Role, Server
from dbops.core.doctor_sequences import judge_sequences
from dbops.core.finding import Finding, Level, find_exit_code
from dbops.core.target import Target
from dbops.errors import DbopsError, ServerFailed, UsageError
from dbops.operations.context import Context
from dbops.operations.doctor.engine import (
    look_at_archiving,
    look_at_engine,
    look_at_physical_backups,
)
from dbops.operations.pgbackrest.engine import uses_pgbackrest
from dbops.operations.storage import open_vault
from dbops.operations.storage.directory import DirectoryVault
from dbops.postgres import doctor as ask
from dbops.postgres.deploy_lock import fetch_holder
from dbops.postgres.ledger_reading import fetch_last_deployment, ledger_exists
from dbops.postgres.session import Connection, open_session, tell_error
from dbops.postgres.tools import find_tools, scrub

ORDER = tuple(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """What was found, the worst first."""

    place: str
    server: str
    """Empty where it could not be asked."""
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]
    """What there is to look at only with a connection."""
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """3 for anything that is more than worth knowing."""
        return find_exit_code(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What the checks look at; the last three are there with a connection only."""

    context: Context
    target: Target
    session: Connection
    server: Server
    role: Role


Check = Callable[[Patient], Iterable[Finding]]


def examine(context: Context) -> DoctorReport:
    """Look at everything that can be looked at; change nothing, wait for nobody.

    What fails is a finding, and keeps nothing else from being looked at.
    """
    examination = _Examination()
    target = examination.reach(context)
    server = examination.look_at_server(context, target) if target else None
    examination.run("client tools", lambda: _look_at_tools(context, target, server))
    examination.run("DATABASE_URL", lambda: _look_at_url(context, target))
    examination.run("disk space", lambda: _look_at_storage(context, target, server))
    examination.run(
        "backup engine",
        lambda: look_at_engine(context, with_server=server is not None),
    )
    findings = sorted(
        dict.fromkeys(examination.findings),
        key=lambda each: (ORDER.index(each.level), each.id),
    )
    return DoctorReport(
        place=target.place if target else context.alias,
        server=f"PostgreSQL {server.version}" if server else "",
        checked=tuple(dict.fromkeys(examination.checked)),
        not_checked=tuple(
            name for name in NEED_SERVER if name not in examination.checked
        ),
        findings=tuple(findings),
    )


class _Examination:
    """What was looked at until now, and what was found."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.checked: list[str] = []

    def run(self, name: str, look: Callable[[], Iterable[Finding]]) -> None:
        """Do one check; its failure is its finding."""
        try:
            self.findings += look()
        except (psycopg.Error, DbopsError, OSError, UnicodeError) as error:
            self.findings.append(access.judge_failed_look(name, tell_error(error)))
        self.checked.append(name)

    def reach(self, context: Context) -> Target | None:
        """Return the target; the embedded server starts for it, or does not."""
        settings = f'DATABASES["{context.alias}"]'
        try:
            target = context.target
        except DbopsError as error:
            told = access.judge_refusal(error.message, error.hint or "")
        except ImproperlyConfigured as error:
            told = access.judge_refusal(
                str(error), f"check DATABASE_URL and {settings}"
            )
        else:
            if "dbname" in target.parameters:
                return target
            told = access.judge_refusal(
                f"{settings} names no database: dbops does not look it up in a service",
                f'set {settings}["NAME"]; the service may tell the rest',
            )
        self.checked.append("connection")
        self.findings.append(told)
        return None

    def look_at_server(self, context: Context, target: Target) -> Server | None:
        """Do the checks that need a session, and say which server it is."""
        self.checked.append("connection")
        try:
            with open_session(target, purpose=ask.PURPOSE) as session:
                with ask.open_look(session):
                    server, role = ask.fetch_server(session), ask.fetch_role(session)
                patient = Patient(
                    context=context,
                    target=target,
                    session=session,
                    server=server,
                    role=role,
                )
                self._look_at(patient)
                return server
        except ServerFailed as error:
            message, hint = _scrub(error.message, target), error.hint or ""
            if ask.is_refusal(error):
                self.findings.append(access.judge_refusal(message, hint))
            else:
                self.checked.append("server version")
                self.findings.append(access.judge_old_server(message, hint))
        except psycopg.Error as error:
            self._tell_lost(target, error)
        return None

    def _look_at(self, patient: Patient) -> None:
        # It has a second session, and no transaction that would keep it from others.
        self.run("pooler", lambda: _look_at_pooler(patient))
        for name, check in SERVER_CHECKS.items():
            self.run(name, lambda check=check: _look(check, patient))  # type: ignore[misc]
            if patient.session.closed:
                self.checked.remove(name)
                lost = self.findings.pop()
                self._tell_lost(patient.target, ServerFailed(lost.message))
                return

    def _tell_lost(self, target: Target, error: Exception) -> None:
        self.findings.append(
            access.judge_refusal(
                f'database "{target.alias}" ({target.place}) does not answer: '
                f"{_scrub(tell_error(error), target)}",
                "manage.py dbops_doctor",
            )
        )


def _scrub(text: str, target: Target) -> str:
    """Return the text without the password, unless the address tells it anyway.

    With `app:app@host/app` in DATABASE_URL nothing would be left to read.
    """
    shown = f"{target.place} {target.parameters.get('user', '')}"
    password = target.parameters.get("password")
    return text if password and password in shown else scrub(text, target)


def _look(check: Check, patient: Patient) -> list[Finding]:
    with ask.open_look(patient.session):
        return list(check(patient))


def _look_at_pooler(patient: Patient) -> Iterable[Finding]:
    return access.judge_pooling(ask.look_for_pooler(patient.session, patient.target))


def _look_at_tools(
    context: Context, target: Target | None, server: Server | None
) -> Iterator[Finding]:
    wished = context.settings.pg_bin
    try:
        found = find_tools(
            target or Target(alias=context.alias, parameters={}),
            least_major=server.major if server else 0,
            pg_bin=wished,
        )
    except DbopsError as error:
        yield Finding(
            id="dbops.D006",
            level=Level.ERROR,
            message=error.message,
            hint=error.hint or "",
        )
        return
    if wished and found.directory != Path(wished).expanduser():
        yield access.judge_passed_over(wished, taken=str(found))


def _look_at_url(context: Context, target: Target | None) -> Iterator[Finding]:
    """Look at what psycopg is given, and at what the settings made it from."""
    given = context.connection.get_connection_params() if target else {}
    unknown = ask.find_unknown_parameters(given)
    yield from access.judge_parameters(unknown, alias=context.alias)
    url = os.environ.get("DATABASE_URL", "")
    foreign = access.find_foreign_parts(url, ask.get_libpq_keywords())
    kept = {access.tell_option(name) for name in unknown}
    yield from access.judge_url([part for part in foreign if part not in kept])


def _look_at_storage(
    context: Context, target: Target | None, server: Server | None
) -> Iterator[Finding]:
    """Look whether backups can be written, and whether one more has room."""
    if _is_physical(context):
        return
    database = target.database if target else context.alias
    where = context.settings.backup_directory
    try:
        vault = open_vault(where, database)
        vault.check()
    except DbopsError as error:
        yield Finding(
            id="dbops.D008",
            level=Level.ERROR,
            # A URL may hold a password.
            object="" if "@" in where else where,
            message=error.message,
            hint=error.hint or "",
        )
        return
    if server and isinstance(vault, DirectoryVault):
        places = (vault.directory, *vault.directory.parents)
        nearest = next(each for each in places if each.is_dir())
        disk = _measure(nearest, name=vault.directory.parent)
        yield from judge.judge_storage_space(disk, server.database_size_bytes)


def _measure(directory: Path, *, name: Path) -> Disk:
    return Disk(place=str(name), free_bytes=shutil.disk_usage(directory).free)


def _look_at_rights(patient: Patient) -> Iterable[Finding]:
    elsewhere = bool(patient.context.settings.scratch_url)
    return access.judge_role(patient.role, scratch_elsewhere=elsewhere)


def _look_at_server_disk(patient: Patient) -> Iterator[Finding]:
    directory = ask.find_local_data_directory(patient.server, patient.session)
    if directory:
        disk = _measure(directory, name=directory)
        size_bytes = patient.server.database_size_bytes
        yield from judge.judge_server_space(disk, size_bytes)


def _look_at_transactions(patient: Patient) -> Iterator[Finding]:
    yield from judge.judge_transactions(ask.fetch_transactions(patient.session))
    yield from judge.judge_prepared(ask.fetch_prepared(patient.session))


def _look_at_sequences(patient: Patient) -> Iterable[Finding]:
    sequences = ask.fetch_sequences(patient.session)
    return judge_sequences(sequences, role=patient.role.name)


def _look_at_enums(patient: Patient) -> Iterable[Finding]:
    columns = ask.fetch_enums(patient.session)
    return judge.judge_enums(columns, find_choice_fields(patient.context.alias))


def find_choice_fields(alias: str) -> Iterator[ChoiceField]:
    """Yield the fields with choices whose columns are in this database."""
    for model in apps.get_models():
        options = model._meta  # noqa: SLF001  Django's documented API.
        kept = options.managed and not options.proxy and not options.swapped
        if kept and router.allow_migrate_model(alias, model):
            for field in options.local_concrete_fields:
                if field.choices:
                    yield _build_choice_field(model, field)


def _build_choice_field(
    model: type[Model], field: Field[object, object]
) -> ChoiceField:
    values = (value for value, _ in field.flatchoices if value not in (None, ""))
    options = model._meta  # noqa: SLF001
    return ChoiceField(
        label=f"{options.label}.{field.name}",
        table=options.db_table,
        column=field.column or field.attname,
        values=tuple(str(getattr(value, "value", value)) for value in values),
    )


def _look_at_replication(patient: Patient) -> Iterator[Finding]:
    yield from judge.judge_replicas(ask.fetch_replicas(patient.session))
    yield from judge.judge_slots(ask.fetch_slots(patient.session))


def _look_at_deployments(patient: Patient) -> Iterator[Finding]:
    if not ledger_exists(patient.session):
        yield judge.judge_missing_ledger()
    elif last := fetch_last_deployment(patient.session):
        yield from judge.judge_deployment(
            kind=last.kind,
            state=last.state,
            started=f"{last.started_at:%Y-%m-%d %H:%M:%S} UTC",
            running=fetch_holder(patient.session) is not None,
        )


def _is_physical(context: Context) -> bool:
    # What is no engine at all is a finding of its own.
    with suppress(UsageError):
        return uses_pgbackrest(context.settings)
    return False


def _look_at_archiving(patient: Patient) -> Iterator[Finding]:
    yield from look_at_archiving(
        patient.context, patient.session, is_needed=_is_physical(patient.context)
    )


def _look_at_backups(patient: Patient) -> Iterator[Finding]:
    if _is_physical(patient.context):
        yield from look_at_physical_backups(patient.context)
        return
    has_ledger = ledger_exists(patient.session)
    if has_ledger:
        yield from judge.judge_backup(ask.fetch_last_backup(patient.session))
    else:
        yield judge.judge_missing_ledger()
    yield from judge_dump(
        patient.server.database_size_bytes,
        ask.fetch_last_dump(patient.session) if has_ledger else None,
        ask.fetch_wal_rate(patient.session),
    )


SERVER_CHECKS: dict[str, Check] = {
    "server version": lambda it: access.judge_version(it.server),
    "recovery": lambda it: access.judge_recovery(it.server, it.role.name),
    "rights": _look_at_rights,
    "server's disk": _look_at_server_disk,
    "transactions": _look_at_transactions,
    "indexes": lambda it: judge.judge_indexes(ask.fetch_indexes(it.session)),
    "constraints": lambda it: judge.judge_constraints(
        ask.fetch_constraints(it.session)
    ),
    "collations": lambda it: judge.judge_collations(ask.fetch_collations(it.session)),
    "sequences": _look_at_sequences,
    "extensions": lambda it: judge.judge_extensions(ask.fetch_extensions(it.session)),
    "enum labels": _look_at_enums,
    "replication": _look_at_replication,
    "deployments": _look_at_deployments,
    "backups": _look_at_backups,
    "archiving": _look_at_archiving,
}
NEED_SERVER = ("pooler", *SERVER_CHECKS)
