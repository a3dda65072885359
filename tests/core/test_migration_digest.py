"""The digest of a migration: what counts, and what does not."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from dbops.core.migration_digest import digest_source, normalise_sql

SOURCE = '''\
"""Why."""
from django.db import migrations

STATEMENT = "UPDATE t SET a = 'x'; -- all"


def fill(apps, schema_editor, *, limit: int = -1):
    """Fill."""
    return f"{apps!r:>{limit}} and {schema_editor}" "é\U0001fae8", {**{}, 1: None}


class Migration(migrations.Migration):
    """Fill it."""

    operations = [migrations.RunSQL(STATEMENT), migrations.RunPython(fill)]
'''
STATEMENT = "UPDATE t SET a = 'x'; -- all"
GOLDEN = "1:7d1e899f72b89f2c80a1b0f970051582"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Fill it."""', '"""Another."""'),
        ('    """Fill."""\n', ""),
        ('"""Why."""\n', "# no reason\n\n\n"),
        ("operations = [", "operations = [  # in this order\n        "),
        ("-1", "(-1)"),
        (
            "STATEMENT = \"UPDATE t SET a = 'x'; -- all\"",
            "STATEMENT = '''UPDATE t SET a = 'x'; -- all'''",
        ),
    ],
)
def test_leaves_out_comments_docstrings_and_layout(old: str, new: str) -> None:
    assert old in SOURCE
    edited = SOURCE.replace(old, new)

    assert digest_source(edited, [STATEMENT]) == digest_source(SOURCE, [STATEMENT])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-1", "1"),
        ("-1", "-1.0"),
        ("None}", "False}"),
        ("RunPython(fill)", "RunPython(fill, fill)"),
        (">{limit}", "<{limit}"),
        ("*, limit", "limit"),
        ("def fill(apps, schema_editor", "def fill(schema_editor, apps"),
    ],
)
def test_tells_what_was_changed(old: str, new: str) -> None:
    assert old in SOURCE
    edited = SOURCE.replace(old, new)

    assert digest_source(edited, [STATEMENT]) != digest_source(SOURCE, [STATEMENT])


def test_comments_in_the_sql_do_not_count_and_statements_do() -> None:
    text = "UPDATE t  SET a = /* new */ 'x'"
    commented = SOURCE.replace(STATEMENT, text)
    changed = SOURCE.replace("'x'", "'y'")

    digest = digest_source(SOURCE, [STATEMENT])
    assert digest_source(commented, [text]) == digest
    assert digest_source(changed, [STATEMENT.replace("'x'", "'y'")]) != digest


def test_sql_from_a_file_counts() -> None:
    source = "operations = [RunSQL(read('a.sql'))]"

    one = digest_source(source, ["SELECT 1"])
    assert digest_source(source, ["SELECT\n  1; -- one"]) == one
    assert digest_source(source, ["SELECT 2"]) != one


def test_quoted_text_is_not_layout() -> None:
    assert normalise_sql("SELECT 'a  -- b'") != normalise_sql("SELECT 'a -- b'")


def test_is_the_same_as_ever() -> None:
    """A change here makes every applied migration look edited: raise VERSION."""
    assert digest_source(SOURCE, [STATEMENT]) == GOLDEN


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_is_the_same_in_each_python(version: str) -> None:
    python = shutil.which(f"python{version}")
    # pyenv has a stand-in for each Python that it could install.
    if python is None or subprocess.run([python, "-V"], check=False).returncode:
        pytest.skip(f"there is no python{version}")
    code = (
        "import sys; from dbops.core.migration_digest import digest_source; "
        "print(digest_source(sys.argv[1], [sys.argv[2]]))"
    )
    done = subprocess.run(
        [python, "-c", code, SOURCE, STATEMENT],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )

    assert done.stdout.strip() == GOLDEN
