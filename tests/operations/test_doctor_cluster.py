"""The doctor on throw-away servers: standbys, full disks, refusals, old versions.

What the server of the settings cannot be made into is made here, found, and cured.
"""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbops.core import doctor as judge
from dbops.core import doctor_access as access
from dbops.core.finding import Level
from dbops.operations.doctor.doctor import NEED_SERVER, examine
from tests.checkups import find_all, find_one, look_at
from tests.clusters import (
    PASSWORD,
    Cluster,
    find_old_programs,
    find_programs,
    give_to,
    make_cluster,
    make_standby,
    mount_disk,
)
from tests.databases import connect
from tests.lab import Lab, open_lab
from tests.processes import wait_until

OPENSSL = shutil.which("openssl")
STANDBY = "the standby"
OPTION = "default_transaction_read_only"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with make_cluster(find_programs()) as cluster:
        yield cluster


@pytest.fixture
def lab(tmp_path: Path, cluster: Cluster, django_db_blocker: Any) -> Iterator[Lab]:
    """A database of the cluster, as its superuser sees it."""
    name = f"Lab {secrets.token_hex(4)}"
    cluster.execute(f'CREATE DATABASE "{name}"')
    target = cluster.build_target(dbname=name)
    with django_db_blocker.unblock(), open_lab(tmp_path, target) as lab:
        yield lab
    cluster.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def role(lab: Lab, cluster: Cluster) -> Iterator[str]:
    """A role that may log in; its password is `right-word`."""
    name, database = f"Guest {secrets.token_hex(4)}", lab.target.database
    cluster.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'right-word'")
    yield name
    cluster.execute(f'DROP OWNED BY "{name}"', dbname=database)
    cluster.execute(f'DROP ROLE "{name}"')


# D001: why it cannot connect


def test_tells_that_the_server_speaks_no_tls(lab: Lab, cluster: Cluster) -> None:
    assert cluster.fetch_value("SHOW ssl") == "off"
    lab.target = cluster.build_network_target()

    finding = find_one(lab, "D001", sslmode="require")

    assert "SSL" in finding.message
    cure = "enable SSL on the server (ssl = on), or leave sslmode out of DATABASE_URL"
    assert finding.hint == cure
    assert not find_all(lab, "D001")


def test_tells_of_a_certificate_that_nobody_knows(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    lab.target = cluster.build_network_target(
        sslmode="verify-full", sslrootcert=str(tmp_path / "root.crt")
    )
    (tmp_path / "root.crt").write_text(make_certificate(tmp_path)[0])
    with speak_tls(cluster, make_certificate(tmp_path)):
        finding = find_one(lab, "D001")

        assert "certificate" in finding.message
        assert finding.hint == "check sslmode and sslrootcert in DATABASE_URL"
        assert not find_all(lab, "D001", sslmode="require", sslrootcert="")


def make_certificate(directory: Path) -> tuple[str, str]:
    """Return a new certificate that signs itself, and its key."""
    if OPENSSL is None:
        pytest.skip("install openssl to run this one")
    certificate, key = directory / "new.crt", directory / "new.key"
    subprocess.run(
        [
            *(OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-out", certificate, "-keyout", key),
        ],
        check=True,
        capture_output=True,
    )
    return certificate.read_text(), key.read_text()


@contextmanager
def speak_tls(cluster: Cluster, pair: tuple[str, str]) -> Iterator[None]:
    for name, text in zip(("server.crt", "server.key"), pair, strict=True):
        path = cluster.data / name
        path.write_text(text)
        path.chmod(0o600)
        give_to(cluster.account, path)
    try:
        cluster.execute("ALTER SYSTEM SET ssl = on")
    except psycopg.errors.InvalidParameterValue:
        pytest.skip("the server is built without SSL")
    try:
        cluster.execute("SELECT pg_reload_conf()")
        wait_until(lambda: cluster.fetch_value("SHOW ssl") == "on", "SSL")
        yield
    finally:
        cluster.execute("ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()")
        wait_until(lambda: cluster.fetch_value("SHOW ssl") == "off", "no SSL")


def test_tells_of_a_wrong_password_and_does_not_show_it(
    lab: Lab, cluster: Cluster, role: str
) -> None:
    lab.target = cluster.build_network_target(user=role, password="wrong-word")

    report = look_at(lab)

    finding = report.findings[0]
    assert finding.id == "dbops.D001"
    assert f'password authentication failed for user "{role}"' in finding.message
    assert finding.hint == "check user and password in DATABASE_URL"
    assert "wrong-word" not in repr(report)
    assert not find_all(lab, "D001", password="right-word")


def test_names_stay_readable_where_the_password_is_one_of_them(
    lab: Lab, cluster: Cluster
) -> None:
    role = f"app_{secrets.token_hex(4)}"
    cluster.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    try:
        finding = find_one(lab, "D001", dbname=role, user=role, password=role)
    finally:
        cluster.execute(f"DROP ROLE {role}")

    assert f'database "{role}" does not exist' in finding.message
    assert finding.hint.startswith(f'CREATE DATABASE "{role}", or')


def test_tells_of_a_password_that_is_missing(lab: Lab, cluster: Cluster) -> None:
    lab.target = cluster.build_network_target(passfile="/dev/null", password="")

    assert find_one(lab, "D001").hint == "add the password to DATABASE_URL"
    assert not find_all(lab, "D001", password=PASSWORD)


def test_tells_of_a_client_that_is_not_let_in(lab: Lab, cluster: Cluster) -> None:
    lab.target = cluster.build_network_target()

    for changes in ({"dbname": "template1"}, {"user": "rejected"}):
        finding = find_one(lab, "D001", **changes)
        assert finding.hint == "allow this client in the server's pg_hba.conf"


def test_tells_of_a_role_that_does_not_exist(lab: Lab, cluster: Cluster) -> None:
    role = f"Nobody {secrets.token_hex(4)}"

    cure, told, _ = find_one(lab, "D001", user=role).hint.partition(", or ")

    assert cure == f'CREATE ROLE "{role}" LOGIN'
    assert told
    cluster.execute(cure)
    try:
        assert not find_all(lab, "D001", user=role)
    finally:
        cluster.execute(f'DROP ROLE "{role}"')


def test_tells_of_a_database_that_does_not_exist(lab: Lab, cluster: Cluster) -> None:
    name = f"No such {secrets.token_hex(4)}"

    cure = find_one(lab, "D001", dbname=name).hint.partition(", or ")[0]

    assert cure == f'CREATE DATABASE "{name}"'
    cluster.execute(cure)
    assert not find_all(lab, "D001", dbname=name)
    cluster.execute(f'DROP DATABASE "{name}"')


def test_tells_of_a_role_that_may_not_log_in(
    lab: Lab, cluster: Cluster, role: str
) -> None:
    cluster.execute(f'ALTER ROLE "{role}" NOLOGIN')

    cure = find_one(lab, "D001", user=role).hint.partition(", or ")[0]

    assert cure == f'ALTER ROLE "{role}" LOGIN'
    cluster.execute(cure)
    assert not find_all(lab, "D001", user=role)


def test_tells_of_a_role_that_may_not_connect(
    lab: Lab, cluster: Cluster, role: str
) -> None:
    name = lab.target.database
    cluster.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')

    cure = find_one(lab, "D001", user=role).hint

    assert cure == (f'GRANT CONNECT ON DATABASE "{name}" to the role in DATABASE_URL')
    cluster.execute(cure.replace("the role in DATABASE_URL", f'"{role}"'))
    assert not find_all(lab, "D001", user=role)


def test_tells_of_too_many_sessions(lab: Lab, cluster: Cluster, role: str) -> None:
    cluster.execute(f'ALTER ROLE "{role}" CONNECTION LIMIT 0')

    assert find_one(lab, "D001", user=role).hint.startswith("close other sessions")


@pytest.mark.parametrize(
    ("changes", "told", "cure"),
    [
        ({"NAME": ""}, "Please supply the NAME", "check DATABASE_URL and DATABASES"),
        ({"NAME": "a" * 64}, "PostgreSQL's limit", "check DATABASE_URL and DATABASES"),
        (
            {"NAME": "", "OPTIONS": {"service": "some"}},
            'DATABASES["default"] names no database',
            'set DATABASES["default"]["NAME"]',
        ),
    ],
)
def test_tells_of_settings_that_name_no_database(
    lab: Lab, changes: dict[str, Any], told: str, cure: str
) -> None:
    with lab.open() as context:
        context.connection.settings_dict.update(changes)
        report = examine(context)

    assert report.findings[0].id == "dbops.D001"
    assert told in report.findings[0].message
    assert report.findings[0].hint.startswith(cure)
    assert report.place == "default"


# D002 to D004, D031: rights


def test_rights_are_cured_as_told(lab: Lab, cluster: Cluster, role: str) -> None:
    numbers = {"dbops.D002", "dbops.D003", "dbops.D004", "dbops.D031"}
    missing = [each for each in look_at(lab, user=role).findings if each.id in numbers]

    assert {each.id for each in missing} == numbers
    lab.execute(*(each.hint for each in missing))
    assert not numbers & {each.id for each in look_at(lab, user=role).findings}


def test_tells_that_new_tables_have_no_place(lab: Lab) -> None:
    given = {"options": "-c search_path=nowhere"}

    finding = find_one(lab, "D031", **given)

    assert finding.level is Level.ERROR
    assert finding.message.startswith("no schema of search_path (nowhere) is there")
    lab.execute("CREATE SCHEMA nowhere")
    assert not find_all(lab, "D031", **given)


# D010: the server's disk


def test_tells_of_a_disk_too_small_for_a_copy(lab: Lab, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with ExitStack() as stack:
        stack.enter_context(mount_disk(place, "128m"))
        # A socket's path is short; where pytest's directory is not, this one is.
        short = stack.enter_context(closing(Link(place))).path
        full = stack.enter_context(make_cluster(find_programs(), directory=short))
        lab.target = full.build_target()
        assert not find_all(lab, "D010")
        filler = place / "filler"
        with filler.open("wb") as file:
            file.write(bytes(shutil.disk_usage(place).free - 3_000_000))

        finding = find_one(lab, "D010")

        assert finding.object == full.fetch_value("SHOW data_directory")
        assert "free; a copy of the database needs" in finding.message
        filler.unlink()
        assert not find_all(lab, "D010")


class Link:
    """A short name for a directory."""

    def __init__(self, directory: Path) -> None:
        self.path = Path("/tmp") / f"dbops-{secrets.token_hex(4)}"
        self.path.symlink_to(directory)

    def close(self) -> None:
        self.path.unlink()


# D011 to D013: what a change would wait for


def follow(lab: Lab, hint: str) -> None:
    """Type the command of a hint."""
    command = hint.removeprefix("manage.py ").split()
    outcome = lab.run(*command, "--yes")
    assert outcome.code == 0, outcome.err


def test_open_transactions_are_cured_as_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "LONG_TRANSACTION_S", 0.0)
    with closing(connect(lab.target, autocommit=False)) as other:
        other.execute("SELECT 1")
        follow(lab, find_one(lab, "D012").hint)
        wait_until(lambda: not find_all(lab, "D012"), "the session to end")

    with closing(connect(lab.target)) as other:
        other.pgconn.send_query(b"SELECT pg_sleep(600)")
        wait_until(lambda: bool(find_all(lab, "D011")), "the statement")
        cure = find_one(lab, "D011").hint
        follow(lab, cure.removeprefix("wait for it, or: "))
        wait_until(lambda: not find_all(lab, "D011"), "the statement to end")


@pytest.mark.parametrize("choice", [0, 1])
def test_tells_of_a_prepared_transaction(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, choice: int
) -> None:
    monkeypatch.setattr(judge, "OLD_PREPARED_S", 0.0)
    gid = f"it's {secrets.token_hex(4)}"
    quoted = gid.replace("'", "''")
    with connect(lab.target) as session:
        session.execute("BEGIN")
        session.execute("CREATE TABLE a ()")
        session.execute(f"PREPARE TRANSACTION '{quoted}'".encode())

    finding = find_one(lab, "D013")

    assert finding.object == gid
    cures = finding.hint.split(", or ")
    assert cures == [f"ROLLBACK PREPARED '{quoted}'", f"COMMIT PREPARED '{quoted}'"]
    lab.execute(cures[choice])
    assert not find_all(lab, "D013")


# D016, D017: collations


def test_tells_of_a_collation_that_has_changed(lab: Lab) -> None:
    provider = find_provider(lab)
    locale = "C.UTF-8" if provider == "builtin" else "de"
    lab.execute(
        f"CREATE COLLATION \"Mine\" (provider = {provider}, locale = '{locale}')",
        "UPDATE pg_collation SET collversion = '0' WHERE collname = 'Mine'",
    )
    assert not find_all(lab, "D017")
    lab.execute('CREATE TABLE a (b text COLLATE "Mine")')

    finding = find_one(lab, "D017")

    cure = 'ALTER COLLATION public."Mine" REFRESH VERSION'
    assert finding.hint.endswith(cure)
    lab.execute(cure)
    assert not find_all(lab, "D017")


def test_tells_that_the_databases_own_collation_has_changed(
    lab: Lab, cluster: Cluster
) -> None:
    provider = find_provider(lab)
    locale = "C.UTF-8" if provider == "builtin" else "und"
    name = f"Sorted {secrets.token_hex(4)}"
    cluster.execute(
        f'CREATE DATABASE "{name}" TEMPLATE template0 LOCALE_PROVIDER {provider}'
        f" {provider}_LOCALE '{locale}' LOCALE 'C'"
    )
    lab.target = lab.target.with_database(name)
    try:
        assert not find_all(lab, "D016")
        lab.execute(
            "CREATE TABLE a (b text PRIMARY KEY)",
            "UPDATE pg_database SET datcollversion = '0'"
            " WHERE datname = current_database()",
        )

        finding = find_one(lab, "D016")

        assert finding.hint == (
            f'REINDEX DATABASE CONCURRENTLY "{name}", then '
            f'ALTER DATABASE "{name}" REFRESH COLLATION VERSION'
        )
        lab.execute(*finding.hint.split(", then "))
        assert not find_all(lab, "D016")
    finally:
        cluster.execute(f'DROP DATABASE "{name}"')


def find_provider(lab: Lab) -> str:
    """Return a provider whose collations have versions."""
    versioned = "SELECT count(*) FROM pg_collation WHERE collversion IS NOT NULL"
    if lab.fetch_value(f"{versioned} AND collprovider = 'i'"):
        return "icu"
    if lab.fetch_value(f"{versioned} AND collprovider = 'b'"):
        return "builtin"
    pytest.skip("the server is built without ICU, and has no provider of its own")


# D018: sequences


@pytest.mark.parametrize(
    ("definition", "sequence", "last"),
    [
        ("CREATE TABLE t (id serial)", "t_id_seq", 2**31 - 2),
        ("CREATE TABLE t (id smallserial)", "t_id_seq", 2**15 - 2),
        (
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY)",
            "t_id_seq",
            2**31 - 2,
        ),
        (
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (MAXVALUE 100))",
            "t_id_seq",
            99,
        ),
        # As one who widens a column, and forgets its sequence, leaves it.
        (
            "CREATE TABLE t (id serial); ALTER TABLE t ALTER COLUMN id TYPE bigint",
            "t_id_seq",
            2**31 - 2,
        ),
        ("CREATE SEQUENCE s AS smallint", "s", 2**15 - 2),
        ("CREATE SEQUENCE s MAXVALUE 100", "s", 99),
        ("CREATE SEQUENCE s INCREMENT -1 MINVALUE -100", "s", -99),
        ("CREATE SEQUENCE s", "s", 2**63 - 2),
    ],
)
def test_a_sequence_near_its_end_is_cured_as_told(
    lab: Lab, definition: str, sequence: str, last: int
) -> None:
    lab.execute(definition, f"SELECT setval('{sequence}', {last})")

    finding = find_one(lab, "D018")

    assert finding.level is Level.ERROR
    cure = finding.hint.removesuffix(", where the values are free")
    lab.execute(*cure.replace(" (rewrites the table)", "").split(", and "))
    assert not find_all(lab, "D018")


# D019: extensions


@pytest.mark.parametrize("name", ["pg_trgm", "Old one"])
def test_tells_of_an_old_extension(lab: Lab, cluster: Cluster, name: str) -> None:
    if name == "Old one":
        offer_extension(cluster, name)
    known = f"SELECT count(*) FROM pg_available_extensions WHERE name = '{name}'"
    if not lab.fetch_value(known):
        pytest.skip(f"the server has no extension {name}")
    lab.execute(f"CREATE EXTENSION \"{name}\" VERSION '1.3'")

    finding = find_one(lab, "D019")

    quoted = name if name == "pg_trgm" else f'"{name}"'
    assert finding.hint == f"ALTER EXTENSION {quoted} UPDATE"
    lab.execute(finding.hint)
    assert not find_all(lab, "D019")


def offer_extension(cluster: Cluster, name: str) -> None:
    """Offer two versions of an extension, where the server looks at other places."""
    if cluster.programs.major < 18:
        pytest.skip("extension_control_path is of PostgreSQL 18")
    place = cluster.directory / "extension"
    place.mkdir(exist_ok=True)
    files = {
        f"{name}.control": "default_version = '2.0'\n",
        f"{name}--1.3.sql": "SELECT 1;\n",
        f"{name}--1.3--2.0.sql": "SELECT 2;\n",
    }
    for file, text in files.items():
        (place / file).write_text(text)
        give_to(cluster.account, place / file)
    give_to(cluster.account, place)
    cluster.execute(
        f"ALTER SYSTEM SET extension_control_path = '$system:{cluster.directory}'",
        "SELECT pg_reload_conf()",
    )
    known = f"SELECT count(*) FROM pg_available_extensions WHERE name = '{name}'"
    wait_until(lambda: bool(cluster.fetch_value(known)), "the extension")


# D021, D022, D029: replication


@pytest.fixture(scope="session")
def standby(cluster: Cluster) -> Iterator[Cluster]:
    with make_standby(cluster, STANDBY) as standby:
        yield standby


@contextmanager
def hold_back(standby: Cluster) -> Iterator[None]:
    """Let the standby receive what the primary writes, and not apply it."""
    standby.execute("SELECT pg_wal_replay_pause()")
    try:
        yield
    finally:
        standby.execute("SELECT pg_wal_replay_resume()")


def write_wal(lab: Lab, size_bytes: int) -> None:
    lab.execute(
        "CREATE TABLE IF NOT EXISTS filled (a text)",
        f"INSERT INTO filled SELECT repeat('x', 1000)"
        f" FROM generate_series(1, {size_bytes // 1000})",
    )


def wait_for_standby(primary: Cluster, standby: Cluster) -> None:
    query = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = "
    try:
        wait_until(
            lambda: bool(primary.fetch_value(query + "pg_current_wal_lsn()")),
            "the standby to catch up",
        )
    except TimeoutError as error:
        raise AssertionError(f"{error}; it said: {standby.read_log()}") from error


def test_tells_of_a_replica_far_behind(
    lab: Lab, cluster: Cluster, standby: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_standby(cluster, standby)
    assert not find_all(lab, "D021")
    monkeypatch.setattr(judge, "REPLICA_LAG_BYTES", 2_000_000)
    assert not find_all(lab, "D021")
    with hold_back(standby):
        write_wal(lab, 4_000_000)

        finding = find_one(lab, "D021")

        assert finding.object == STANDBY
        assert finding.message.startswith(f'replica "{STANDBY}" is behind by ')
        assert finding.message.endswith(" MB (streaming)")
        lab.execute(finding.hint.partition(",")[0])
    wait_for_standby(cluster, standby)
    assert not find_all(lab, "D021")


def test_tells_of_a_replica_long_behind(
    lab: Lab, cluster: Cluster, standby: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_standby(cluster, standby)
    monkeypatch.setattr(judge, "REPLICA_LAG_S", 2.0)
    with hold_back(standby):
        write_wal(lab, 1000)
        # It is the standby's word, once a second, that makes the lag grow.
        wait_until(lambda: bool(find_all(lab, "D021")), "the standby to be late")

        told = find_one(lab, "D021").message
        assert re.search(r" is behind by \d+ s, \d", told)
    wait_for_standby(cluster, standby)
    wait_until(lambda: not find_all(lab, "D021"), "the standby to be in time")


def test_tells_of_a_slot_that_keeps_wal(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "RETAINED_WAL_BYTES", 2_000_000)
    slot = f"test_{secrets.token_hex(4)}"
    # A slot keeps what was written since the last checkpoint, too.
    lab.execute(
        "CHECKPOINT", f"SELECT pg_create_physical_replication_slot('{slot}', true)"
    )
    assert not find_all(lab, "D022")
    write_wal(lab, 4_000_000)

    finding = find_one(lab, "D022")

    assert finding.object == slot
    lab.execute(finding.hint.removeprefix("start its replica again, or: "))
    assert not find_all(lab, "D022")


def test_looks_at_everything_on_a_standby(
    lab: Lab, cluster: Cluster, standby: Cluster
) -> None:
    lab.execute(
        "CREATE UNLOGGED TABLE t (id serial)",
        "CREATE TABLE u (id serial, a int)",
        "SELECT setval('u_id_seq', 2147483647)",
        "ALTER TABLE u ADD CHECK (a > 0) NOT VALID",
    )
    assert lab.run("migrate", "dbops").code == 0
    wait_for_standby(cluster, standby)

    report = look_at(lab, host=str(standby.directory))

    assert [(each.id, each.level) for each in report.findings] == [
        ("dbops.D018", Level.ERROR),
        ("dbops.D015", Level.WARNING),
        ("dbops.D024", Level.WARNING),
        ("dbops.D029", Level.WARNING),
    ]
    assert not report.not_checked


def test_finds_the_primary_as_told_on_a_standby(
    lab: Lab, cluster: Cluster, standby: Cluster
) -> None:
    wait_for_standby(cluster, standby)
    only_standby = str(standby.directory)
    both = f"{standby.directory},{cluster.directory}"
    writing = {"target_session_attrs": "read-write", "port": f"{cluster.port}"}

    assert "target_session_attrs=read-write" in find_one(lab, "D029", host=both).hint
    assert not find_all(lab, "D029", host=both, **writing)
    refused = find_one(lab, "D001", host=only_standby, **writing)
    assert refused.hint == "name the primary in DATABASE_URL"


@pytest.mark.parametrize(
    "place", ["database", "user", "database user", "configuration file", "client"]
)
def test_read_only_sessions_are_cured_as_told(
    lab: Lab, cluster: Cluster, role: str, place: str
) -> None:
    name = lab.target.database
    settings = {
        "database": f'ALTER DATABASE "{name}" SET {OPTION} = on',
        "user": f'ALTER ROLE "{role}" SET {OPTION} = on',
        "database user": f'ALTER ROLE "{role}" IN DATABASE "{name}" SET {OPTION} = on',
        "configuration file": f"ALTER SYSTEM SET {OPTION} = on",
    }
    cluster.execute(f'ALTER ROLE "{role}" SUPERUSER')
    lab.target = replace(lab.target, parameters={**lab.target.parameters, "user": role})
    try:
        if place == "client":
            given = {"options": f"-c {OPTION}=on"}
            finding = find_one(lab, "D029", **given)
            assert finding.hint == f"take {OPTION} out of DATABASE_URL and PGOPTIONS"
        else:
            lab.execute(settings[place], "SELECT pg_reload_conf()")
            wait_until(lambda: lab.fetch_value(f"SHOW {OPTION}") == "on", "it")
            finding = find_one(lab, "D029")
            lab.execute(*finding.hint.split(", then "))
            wait_until(lambda: lab.fetch_value(f"SHOW {OPTION}") == "off", "its end")
        assert finding.level is Level.ERROR
        assert f"by {place})" in finding.message
        assert not find_all(lab, "D029")
    finally:
        cluster.execute(
            f"SET {OPTION} = off",
            f"ALTER SYSTEM RESET {OPTION}",
            "SELECT pg_reload_conf()",
        )
        wait_until(lambda: cluster.fetch_value(f"SHOW {OPTION}") == "off", "the end")


# D027, D028: versions


def test_tells_that_the_server_is_too_old(lab: Lab) -> None:
    programs = find_old_programs()
    with make_cluster(programs) as old:
        lab.target = old.build_target()
        report = look_at(lab)

    finding = report.findings[0]
    assert (finding.id, finding.level) == ("dbops.D027", Level.ERROR)
    assert finding.message == (
        f"the server is PostgreSQL {programs.major}, and dbops needs 15 or later"
    )
    assert finding.hint == "upgrade the server, or name another one in DATABASE_URL"
    assert report.exit_code == 3
    assert "server version" in report.checked
    assert set(report.not_checked) == set(NEED_SERVER) - {"server version"}
    assert "client tools" in report.checked


def test_tells_that_the_server_is_newer_than_the_tests(
    lab: Lab, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not find_all(lab, "D028")
    newest = cluster.programs.major - 1
    monkeypatch.setattr(access, "NEWEST_TESTED_MAJOR", newest)

    finding = find_one(lab, "D028")

    assert finding.level is Level.INFO
    version = cluster.fetch_value("SHOW server_version")
    assert f"the server is PostgreSQL {version}, and" in finding.message
    assert finding.message.endswith(f"one newer than {newest}")
