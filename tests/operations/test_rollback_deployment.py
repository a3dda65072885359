"""Undoing a deployment, with the proofs beside it, and the way out where none is."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.lab import THING, Lab

DROP_COLOR = 'ALTER TABLE "{app}_thing" DROP COLUMN "color";'


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    empty_lab.write_migration(
        "0001_initial", THING, down=f'DROP TABLE "{empty_lab.app}_thing";'
    )
    deploy(empty_lab)
    return empty_lab


def run(lab: Lab, *arguments: str) -> Any:
    outcome = lab.run(*arguments)
    assert outcome.code == 0, outcome.err + outcome.out
    return outcome


def deploy(lab: Lab, *arguments: str) -> str:
    """Deploy, and return the deployment's id."""
    report = run(lab, "dbops_deploy", *(arguments or ["--no-backup"]), "--json").json
    assert len(report["ledger_head"]) == 64
    return str(report["deployment_id"])


def add_color(lab: Lab, down: str = DROP_COLOR) -> None:
    lab.write_migration(
        "0002_add_color",
        'migrations.AddField("Thing", "color", models.TextField(default=""))',
        down=down.format(app=lab.app),
    )


def add_size(
    lab: Lab, down: str = 'ALTER TABLE "{app}_thing" DROP COLUMN "size";'
) -> None:
    lab.write_migration(
        "0003_add_size",
        'migrations.AddField("Thing", "size", models.IntegerField(default=1))',
        down=down.format(app=lab.app),
    )


def roll_back(lab: Lab, *arguments: str) -> Any:
    return lab.run("dbops_rollback", *arguments, "--yes", "--json")


def test_undoes_a_deployment_and_what_came_after_it_across_apps(lab: Lab) -> None:
    before = lab.fetch_catalog()
    lab.more_apps.append("django.contrib.contenttypes")
    add_color(lab)
    deployment = deploy(lab)
    add_size(lab)
    run(lab, "migrate", lab.app)  # No deployment, and after it all the same.

    outcome = roll_back(lab, "--to-deployment", deployment[:8])

    assert outcome.code == 0, outcome.err
    taken = outcome.json["unapplied"]
    assert taken[0] == f"{lab.app}.0003_add_size"
    assert set(taken[1:]) == {
        f"{lab.app}.0002_add_color",
        "contenttypes.0001_initial",
        "contenttypes.0002_remove_content_type_name",
    }
    assert outcome.json["schema_matches"] is True
    assert outcome.json["target"] == f"before {deployment[:8]}"
    assert lab.fetch_catalog() == before
    assert lab.fetch_history() == ["0001_initial"]
    again = roll_back(lab, "--to-deployment", deployment)
    assert (again.code, again.json["steps"]) == (0, [])


def test_tells_the_proof_of_each_step_and_an_edited_way_back(lab: Lab) -> None:
    add_color(lab)
    run(lab, "dbops_rehearse", "--schema-only")
    add_size(lab)
    deployment = deploy(lab)

    proven = lab.run("dbops_rollback", "--to-deployment", deployment, "--dry-run")
    path = lab.directory / lab.app / "migrations/sql/0002_add_color/down.sql"
    path.write_text(path.read_text() + "SELECT 1;")
    steps = roll_back(lab, "--to-deployment", deployment, "--dry-run").json["steps"]

    assert proven.code == 0, proven.err
    assert f"{lab.app}.0002_add_color: identical, rehearsed 2" in proven.out
    assert f"{lab.app}.0003_add_size: not rehearsed\n" in proven.out
    assert [each["proof"] for each in steps] == ["not rehearsed", "not rehearsed"]
    assert steps[0]["notes"] == []
    rehearsed, edited = steps[1]["notes"]
    assert rehearsed.endswith("with another down.sql: identical")
    assert edited == "its down.sql was edited since it was deployed"


def test_names_the_code_that_goes_with_the_schema(lab: Lab) -> None:
    add_color(lab)
    lab.execute("UPDATE dbops_deployment SET git_revision = repeat('ab', 20)")
    deploy(lab)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "color"]):
        subprocess.run(
            ["git", *author, *arguments], cwd=lab.directory / lab.app, check=True
        )
    commit = subprocess.run(
        ["git", "log", "--format=%h"],
        cwd=lab.directory / lab.app,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()

    outcome = run(lab, "dbops_rollback", lab.app, "0001", "--yes")

    assert outcome.out.splitlines()[-3:] == [
        f"Code for this schema: git revert {commit}",
        f"  {commit}  {lab.app}.0002_add_color",
        "Last deployed with this schema: release ababababab",
    ]


def test_leads_to_the_backup_and_tells_what_restoring_it_loses(lab: Lab) -> None:
    irreversible = "-- dbops: irreversible: it was made up\n"
    add_color(lab, irreversible)
    bare = roll_back(lab, "--to-deployment", deploy(lab)).json["error"]
    add_size(lab, irreversible)
    first = deploy(lab, "--lock-wait", "9")
    lab.write_migration("0004_nothing", "")
    second = deploy(lab)

    outcome = roll_back(lab, "--to-deployment", first)

    backup = lab.fetch_value("SELECT backup_id FROM dbops_backup")
    error = outcome.json["error"]
    assert outcome.code == 4
    assert bare["message"].endswith("; the ledger has no backup from before it")
    assert "is declared irreversible: it was made up;" in error["message"]
    assert f"restoring backup {backup} instead loses all that was" in error["message"]
    assert error["message"].endswith(
        f"undoes 2 runs: deploy {second[:8]} ({lab.app}.0004_nothing), deploy "
        f"{first[:8]} ({lab.app}.0003_add_size)"
    )
    assert error["hint"].endswith(f"manage.py dbops_restore {backup}")
    assert lab.fetch_history()[-1] == "0004_nothing"


def test_rehearses_the_way_back_on_a_copy_and_goes_on_when_it_went_well(
    lab: Lab,
) -> None:
    add_color(lab, 'ALTER TABLE "{app}_thing" DROP COLUMN "name";')
    deployment = deploy(lab)
    before = lab.fetch_catalog()
    to = ("--to-deployment", deployment, "--rehearse", "--backup")

    bad = roll_back(lab, *to, "new")
    path = lab.directory / lab.app / "migrations/sql/0002_add_color/down.sql"
    path.write_text(DROP_COLOR.format(app=lab.app))
    unchanged = lab.fetch_catalog() == before
    good = roll_back(lab, *to, "latest")

    assert bad.code == 4
    assert "the way back failed: " in bad.json["error"]["message"]
    assert bad.json["error"]["message"].endswith("; nothing was changed")
    assert unchanged
    assert good.code == 0, good.err
    rehearsal = good.json["rehearsal"]
    assert rehearsal["unapplied"] == [f"{lab.app}.0002_add_color"]
    assert rehearsal["backup_id"]
    assert lab.fetch_history() == ["0001_initial"]


def test_refuses_what_is_no_place_to_go_back_to(lab: Lab) -> None:
    add_color(lab)
    deploy(lab)
    run(lab, "dbops_rollback", lab.app, "0001", "--yes")
    (back,) = run(lab, "dbops_history", "--kind", "rollback", "--json").json["runs"]

    told = [
        (outcome.code, outcome.json["error"]["message"])
        for outcome in (
            roll_back(lab, "--to-deployment", back["id"]),
            roll_back(lab, "--to-deployment", "ffffffff-ffff"),
            roll_back(lab, lab.app, "0001", "--to-deployment", back["id"]),
            roll_back(lab, lab.app),
            roll_back(lab, lab.app, "0001", "--backup", "new"),
            roll_back(lab, "dbops", "zero"),
            roll_back(lab, "dbops", "0003"),
        )
    ]

    where = "say where to go back to: APP and NAME, or --to-deployment ID"
    assert [code for code, _ in told] == [4, 2, 2, 2, 2, 4, 4]
    assert "has applied no migration that could be taken back" in told[0][1]
    assert told[1][1] == 'the ledger has no run "ffffffff-ffff"'
    assert told[2][1] == told[3][1] == where
    assert told[4][1] == "--backup names what --rehearse is done on"
    assert all("who deployed what would be forgotten" in each for _, each in told[5:])


def test_a_squash_goes_back_as_one_or_not_at_all(lab: Lab) -> None:
    add_color(lab)
    second = deploy(lab)
    (first,) = run(lab, "dbops_history", "--json").json["runs"][1:]
    lab.write_migration(
        "0001_squashed_0002",
        f"""
        {THING}
        migrations.AddField("Thing", "color", models.TextField(default="")),
        ]
    replaces = [("{lab.app}", "0001_initial"), ("{lab.app}", "0002_add_color")]
    more = [
        """,
        down=f'DROP TABLE "{lab.app}_thing";',
        dependencies=[],
    )

    half = roll_back(lab, "--to-deployment", second)
    whole = roll_back(lab, "--to-deployment", first["id"])

    assert half.code == 4
    assert (
        "stands for migrations from before that, too" in half.json["error"]["message"]
    )
    assert whole.code == 0, whole.err
    assert whole.json["unapplied"] == [f"{lab.app}.0001_squashed_0002"]
    assert lab.fetch_history() == []


def test_undoes_a_deployment_that_applied_nothing_but_a_squash(lab: Lab) -> None:
    lab.write_migration(
        "0002_add_color_anew",
        f"""
        migrations.AddField("Thing", "color", models.TextField(default="")),
        ]
    replaces = [("{lab.app}", "0002_add_color")]
    more = [
        """,
        down=DROP_COLOR.format(app=lab.app),
    )
    deployment = deploy(lab)

    outcome = roll_back(lab, "--to-deployment", deployment)

    assert outcome.code == 0, outcome.err
    assert outcome.json["unapplied"] == [f"{lab.app}.0002_add_color_anew"]
    assert lab.fetch_history() == ["0001_initial"]
