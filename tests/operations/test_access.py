"""Roles and grants go with a backup, and come back on a server that lacks them."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from dbops.core.access import Access
from dbops.errors import Refused
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.choosing import choose_backup
from dbops.operations.backup.reading import Backup
from dbops.operations.restore.restore import restore_backup
from tests.clusters import Cluster, find_programs, make_cluster
from tests.databases import connect
from tests.lab import Lab, open_lab
from tests.operations.conftest import execute

OWNER, READER, PERSON = 'App "Owner"', "reader", "Jo $dbops$ O'Neil"
ROLES = (PERSON, READER, OWNER)
SECRET = "s3cret-of-jo"

SCHEMA = """
CREATE SCHEMA shop AUTHORIZATION {owner};
CREATE TABLE shop.things (id int PRIMARY KEY, name text);
ALTER TABLE shop.things OWNER TO {owner};
INSERT INTO shop.things VALUES (1, 'a'), (2, 'b');
GRANT USAGE ON SCHEMA shop TO {reader};
GRANT SELECT (id) ON shop.things TO {reader} WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA shop
    GRANT SELECT ON TABLES TO {reader};
"""
ASK = {
    "owner": "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'things'",
    "grants": "SELECT attacl::text FROM pg_attribute"
    " WHERE attrelid = 'shop.things'::regclass AND attname = 'id'",
    "defaults": "SELECT defaclacl::text FROM pg_default_acl",
    "database": "SELECT concat_ws(' ', datdba::regrole, datconnlimit,"
    " ARRAY(SELECT a::text FROM unnest(datacl) AS a ORDER BY 1),"
    " shobj_description(oid, 'pg_database')) FROM pg_database"
    " WHERE datname = current_database()",
    "settings": "SELECT string_agg(concat_ws(' ', setrole::regrole, setconfig), ' '"
    " ORDER BY setrole) FROM pg_db_role_setting s JOIN pg_database d"
    " ON d.oid = setdatabase WHERE datname = current_database()",
    "roles": "SELECT string_agg(concat_ws(' ', rolname, rolcanlogin, rolcreatedb,"
    " rolinherit, rolconnlimit, rolvaliduntil, rolconfig), ';' ORDER BY rolname)"
    " FROM pg_roles WHERE oid >= 16384",
    "memberships": "SELECT string_agg(concat_ws(' ', roleid::regrole, member::regrole,"
    " admin_option), ';' ORDER BY roleid::regrole::text) FROM pg_auth_members"
    " WHERE roleid >= 16384 OR member >= 16384",
}


def quote(statement: str, **names: str) -> str:
    known = {"owner": OWNER, "reader": READER, "person": PERSON, **names}
    composed = sql.SQL(statement).format(
        **{key: sql.Identifier(value) for key, value in known.items()}
    )
    return composed.as_string(None)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with make_cluster(find_programs()) as made:
        yield made


@pytest.fixture
def lab(cluster: Cluster, tmp_path: Path, django_db_blocker: Any) -> Iterator[Lab]:
    """A database with an owner, a reader, and a person who is one."""
    name = f"Shop {secrets.token_hex(3)}"
    make_roles(cluster)
    cluster.execute(
        quote("CREATE DATABASE {name} OWNER {owner} TEMPLATE template0", name=name),
        quote("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC", name=name),
        quote("GRANT CONNECT ON DATABASE {name} TO {reader}", name=name),
        quote('ALTER DATABASE {name} SET search_path TO shop, "a\'b"', name=name),
        quote("ALTER ROLE {person} IN DATABASE {name} SET work_mem = '5MB'", name=name),
        quote("COMMENT ON DATABASE {name} IS 'it''s a shop'", name=name),
        quote("ALTER DATABASE {name} CONNECTION LIMIT 50", name=name),
    )
    target = cluster.build_target(dbname=name)
    execute(target, quote(SCHEMA))
    with django_db_blocker.unblock(), open_lab(tmp_path, target) as opened:
        yield opened
    forget(cluster, name, f"{name} again")


def make_roles(cluster: Cluster) -> None:
    cluster.execute(
        quote("CREATE ROLE {owner} CREATEDB NOINHERIT"),
        quote("CREATE ROLE {reader} CONNECTION LIMIT 3"),
        quote("CREATE ROLE {person} LOGIN PASSWORD '" + SECRET + "'"),
        quote("ALTER ROLE {person} VALID UNTIL '2999-01-01 00:00:00+00'"),
        quote("ALTER ROLE {person} SET search_path TO '', \"$user\""),
        quote("GRANT {reader} TO {person} WITH ADMIN OPTION"),
        quote("GRANT pg_monitor TO {person}"),
    )


def forget(cluster: Cluster, *names: str) -> None:
    """Let it be another server: without these databases and roles."""
    for name in names:
        cluster.execute(quote("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name))
    for name in ROLES:
        cluster.execute(quote("DROP ROLE IF EXISTS {name}", name=name))


def ask(lab: Lab, database: str) -> dict[str, object]:
    with connect(lab.target.with_database(database)) as session:
        return {
            what: session.execute(query.encode()).fetchone()
            for what, query in ASK.items()
        }


def test_another_server_gets_roles_owners_and_grants(
    lab: Lab, cluster: Cluster
) -> None:
    name = lab.target.database
    before = ask(lab, name)
    backup = lab.run("dbops_backup", "--json").json["backup_id"]
    forget(cluster, name)

    arguments = ("dbops_restore", backup, "--yes", "--into", name)
    refused = lab.run(*arguments)
    assert refused.code == Refused.exit_code
    assert all(f'"{each}"' in refused.err for each in (OWNER, READER, PERSON))
    assert f"dbops_backups show {backup} --roles | psql" in refused.err
    assert "--no-access" in refused.err

    script = lab.run("dbops_backups", "show", backup, "--roles")
    assert script.code == 0, script.err
    for _ in range(2):
        cluster.execute(script.out)
    assert lab.run(*arguments).code == 0
    assert ask(lab, name) == before


def test_without_access_no_role_is_needed(lab: Lab, cluster: Cluster) -> None:
    name = lab.target.database
    backup = lab.run("dbops_backup", "--json").json["backup_id"]
    forget(cluster, name)
    arguments = ("--yes", "--into", name, "--no-access")
    assert lab.run("dbops_restore", backup, *arguments).code == 0
    assert ask(lab, name)["owner"] == ("postgres",)


def test_a_replacement_names_the_missing_roles_before_it_begins(
    lab: Lab, cluster: Cluster
) -> None:
    assert lab.run("dbops_backup").code == 0
    name = lab.target.database
    forget(cluster, name)
    cluster.execute(quote("CREATE DATABASE {name}", name=name))
    refused = lab.run("dbops_restore", "latest", "--dry-run")
    assert (refused.code, "does not have the roles" in refused.err) == (4, True)


def test_a_role_that_may_not_give_things_away_is_told(
    lab: Lab, cluster: Cluster
) -> None:
    backup = lab.run("dbops_backup", "--json").json["backup_id"]
    cluster.execute("CREATE ROLE limited LOGIN CREATEDB")
    again = f"{lab.target.database} again"
    target = cluster.build_target(user="limited", dbname=lab.target.database)
    storage = lab.settings["BACKUP_STORAGE"]
    try:
        with pytest.raises(
            Refused, match="cannot give a database to its owner"
        ) as told:
            restore_backup(target, storage=storage, backup_id=backup, into=again)
        assert "--no-access" in str(told.value.hint)
        report = restore_backup(
            target, storage=storage, backup_id=backup, into=again, with_access=False
        )
        assert report.exit_code == 0
    finally:
        cluster.execute(
            quote("DROP DATABASE IF EXISTS {name}", name=again), "DROP ROLE limited"
        )


def read_access(lab: Lab) -> tuple[Access, Backup]:
    chosen = choose_backup(
        lab.target, storage=lab.settings["BACKUP_STORAGE"], reference="latest"
    )
    access = chosen.backup.read_access()
    assert access is not None
    return access, chosen.backup


def test_no_password_is_kept(lab: Lab, cluster: Cluster) -> None:
    stored = cluster.fetch_value(
        "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"
        " AND rolname <> 'postgres'"
    )
    assert lab.run("dbops_backup").code == 0
    access, _ = read_access(lab)
    told = repr(access) + lab.run("dbops_backups", "show", "latest", "--roles").out
    assert SECRET not in told
    assert stored not in told
    assert "SCRAM" not in told


def test_only_what_things_belong_to_is_needed(lab: Lab, cluster: Cluster) -> None:
    cluster.execute("CREATE ROLE stranger")
    try:
        assert lab.run("dbops_backup").code == 0
        access, _ = read_access(lab)
    finally:
        cluster.execute("DROP ROLE stranger")
    needed = {each.name for each in access.roles if each.is_needed}
    assert {OWNER, READER} <= needed <= {OWNER, READER, PERSON, "postgres"}
    assert "stranger" not in {each.name for each in access.roles}


def test_a_damaged_file_of_roles_is_found(lab: Lab) -> None:
    location = Path(lab.run("dbops_backup", "--json").json["location"])
    path = location / "roles.json.zst"
    path.write_bytes(gzip.compress(b"{}"))
    for level in ("checksum", "contents"):
        found = lab.run("dbops_backups", "verify", "latest", "--level", level)
        assert (found.code, "roles.json.zst" in found.out) == (3, True)


def test_the_owner_who_is_no_superuser_restores_with_grants(
    lab: Lab, cluster: Cluster
) -> None:
    cluster.execute(quote("ALTER ROLE {owner} LOGIN"))
    target = cluster.build_target(user=OWNER, dbname=lab.target.database)
    storage = lab.settings["BACKUP_STORAGE"]
    backup = take_backup(target, storage=storage)
    again = f"{lab.target.database} again"
    report = restore_backup(
        target, storage=storage, backup_id=backup.backup_id, into=again
    )
    assert report.exit_code == 0
    before, after = ask(lab, lab.target.database), ask(lab, again)
    for what in ("owner", "grants", "defaults", "database"):
        assert after[what] == before[what]
    # To give a setting to another role takes a superuser.
    assert [each for each in report.notes if "work_mem" in each]
