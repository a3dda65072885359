"""Statements, directives and seals of SQL files."""

from __future__ import annotations

import doctest

import pytest

from dbops.core import sql_script
from dbops.core.sql_script import (
    Down,
    Irreversible,
    Script,
    Unwritten,
    is_untouched,
    needs_no_transaction,
    parse_down,
    seal,
    split_statements,
    terminate,
)
from dbops.errors import Refused

ROUTINE = """CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql
BEGIN ATOMIC
  SELECT CASE WHEN a > 0 THEN 1 ELSE 2 END;
  SELECT a;
END"""


def test_doctests() -> None:
    assert doctest.testmod(sql_script).failed == 0


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", ()),
        (" ;; \n ; ", ()),
        ("-- only a comment", ()),
        ("/* a; /* nested; */ b; */ ; -- c;", ()),
        ("SELECT 1", ("SELECT 1",)),
        ("SELECT 1;SELECT 2;", ("SELECT 1", "SELECT 2")),
        ("-- why\nSELECT 1; -- one\n-- end", ("SELECT 1",)),
        ("SELECT 1 -- a;\n + 2;", ("SELECT 1 -- a;\n + 2",)),
        ("SELECT 1 /* ; */ + 2;", ("SELECT 1 /* ; */ + 2",)),
        ("SELECT ';''; '; SELECT 2", ("SELECT ';''; '", "SELECT 2")),
        (r"SELECT E'\';'; SELECT 2", (r"SELECT E'\';'", "SELECT 2")),
        (r"SELECT '\'; SELECT 2", (r"SELECT '\'", "SELECT 2")),
        ('DROP TABLE "a;""b"; SELECT 2', ('DROP TABLE "a;""b"', "SELECT 2")),
        ("DO $$BEGIN; END$$; SELECT 2", ("DO $$BEGIN; END$$", "SELECT 2")),
        ("DO $a$ $b$;$b$ $a$; SELECT 2", ("DO $a$ $b$;$b$ $a$", "SELECT 2")),
        ("SELECT a$b$ FROM t; SELECT 2", ("SELECT a$b$ FROM t", "SELECT 2")),
        ("PREPARE p AS SELECT $1; SELECT 2", ("PREPARE p AS SELECT $1", "SELECT 2")),
        ("SELECT '--'; SELECT 2", ("SELECT '--'", "SELECT 2")),
        (
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
            ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"),
        ),
        (f"{ROUTINE};\nSELECT 2;", (ROUTINE, "SELECT 2")),
        ("BEGIN; SELECT 1; END; SELECT 2", ("BEGIN", "SELECT 1", "END", "SELECT 2")),
        ("SELECT CASE WHEN a THEN 1 END; SELECT 2",
         ("SELECT CASE WHEN a THEN 1 END", "SELECT 2")),
        ("SELECT 'never closed; SELECT 2", ("SELECT 'never closed; SELECT 2",)),
    ],
)  # fmt: skip
def test_splits_at_the_semicolons_that_end_a_statement(
    text: str, statements: tuple[str, ...]
) -> None:
    assert split_statements(text) == statements


@pytest.mark.parametrize(
    ("text", "terminated"),
    [
        ("SELECT 1", "SELECT 1;"),
        ("SELECT 1; ", "SELECT 1; "),
        ("SELECT 1 -- one;", "SELECT 1; -- one;"),
        ("-- nothing", "-- nothing"),
    ],
)
def test_terminates_what_is_not(text: str, terminated: str) -> None:
    assert terminate(text) == terminated


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("create unique index concurrently i on t (a)", True),
        ('DROP INDEX CONCURRENTLY IF EXISTS "a"', True),
        ("REINDEX TABLE CONCURRENTLY t", True),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", True),
        ("VACUUM t", True),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", False),
        ("CREATE INDEX i ON t (a)", False),
        ("ALTER TYPE mood ADD VALUE 'sad'", False),
    ],
)
def test_knows_what_cannot_run_in_a_transaction(statement: str, expected: bool) -> None:
    assert needs_no_transaction(statement) is expected


@pytest.mark.parametrize(
    ("text", "down"),
    [
        (
            "DROP TABLE t;",
            Script(text="DROP TABLE t;", statements=("DROP TABLE t",),
                   transactional=True),
        ),
        (
            "-- dbops: no-transaction\nDROP INDEX CONCURRENTLY i;",
            Script(text="-- dbops: no-transaction\nDROP INDEX CONCURRENTLY i;",
                   statements=("DROP INDEX CONCURRENTLY i",), transactional=False),
        ),
        (
            "  --dbops:nothing to do  \r\n",
            Script(text="  --dbops:nothing to do  \r\n", statements=(),
                   transactional=True),
        ),
        ("-- dbops: irreversible: gone: for ever", Irreversible(
            reason="gone: for ever")),
        ("SELECT 1;\n-- dbops: irreversible: gone", Irreversible(reason="gone")),
        ("-- dbops: not written: a\nSELECT 1;\n-- dbops: not written: b",
         Unwritten(reason="a; b")),
        ("-- dbops: not written: a\n-- dbops: irreversible: b", Unwritten(reason="a")),
        (
            "-- dbops: not written: write it, or: -- dbops: irreversible: <reason>",
            Unwritten(reason="write it, or: -- dbops: irreversible: <reason>"),
        ),
        ("", Unwritten(reason="there is no statement in it")),
        ("-- dbops: generated 0123456789abcdef\n",
         Unwritten(reason="there is no statement in it")),
        ("ROLLBACK TO SAVEPOINT a", Script(text="ROLLBACK TO SAVEPOINT a",
            statements=("ROLLBACK TO SAVEPOINT a",), transactional=True)),
    ],
)  # fmt: skip
def test_reads_what_a_down_file_is(text: str, down: Down) -> None:
    assert parse_down(text) == down


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; -- dbops: irreversible: behind a statement",
        "DO $$\n-- dbops: irreversible: in a body\n$$;",
        "SELECT '\n-- dbops: irreversible: in a string\n';",
        "/*\n-- dbops: irreversible: in a comment\n*/ SELECT 1;",
        "-- see dbops: irreversible: in a sentence\nSELECT 1;",
    ],
)
def test_a_directive_has_a_line_of_its_own(text: str) -> None:
    assert isinstance(parse_down(text), Script)


@pytest.mark.parametrize(
    ("text", "line", "statement"),
    [
        ("SELECT 1;\nBEGIN;", 2, "BEGIN"),
        ("commit work;", 1, "commit work"),
        ("-- a\n-- b\nSTART TRANSACTION;", 3, "START TRANSACTION"),
        ("ROLLBACK;", 1, "ROLLBACK"),
        ("-- dbops: no-transaction\nEND;", 2, "END"),
    ],
)
def test_refuses_a_transaction_of_its_own(text: str, line: int, statement: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_down(text)

    assert caught.value.message == (
        f'line {line}: "{statement}" is in the script, and dbops opens and ends the '
        "transaction itself"
    )
    assert caught.value.hint == "delete the statement"


META = r'line 2: "\i" is a command of psql, and the server knows only SQL'
COPY = 'line 1: "COPY t FROM STDIN" moves data through the client'
INDEX = 'line 1: "DROP INDEX CONCURRENTLY i" cannot run inside a transaction'
NOTHING = "line 2: there is a statement in a script that says there is nothing to do"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;\n\\i other.sql", META),
        ("COPY t FROM STDIN;", COPY),
        ("DROP INDEX\nCONCURRENTLY i", INDEX),
        ("\n-- dbops: irreversible:", 'line 2: "irreversible" needs a reason'),
        ("-- dbops: irreversable: x", 'line 1: there is no directive "irreversable"'),
        ("-- dbops: nothing to do\nSELECT 1;", NOTHING),
    ],
)
def test_refuses_what_it_could_not_run(text: str, message: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_down(text)

    assert caught.value.message == message
    assert caught.value.hint


def test_a_routine_may_begin_and_end() -> None:
    assert parse_down(f"{ROUTINE};") == Script(
        text=f"{ROUTINE};", statements=(ROUTINE,), transactional=True
    )


def test_a_seal_outlives_other_line_endings_and_nothing_else() -> None:
    text = seal("Made by a machine.", "\nSELECT 1;\n\n")

    assert text.endswith("\n\nSELECT 1;\n")
    assert is_untouched(text.replace("\n", "\r\n"))
    assert not is_untouched(text.replace("1", "2"))
    assert not is_untouched(text.replace("generated", "invented"))
