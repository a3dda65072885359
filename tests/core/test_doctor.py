"""The corners of the doctor's judgement; `tests/operations` makes each finding."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from dbops.core import doctor, doctor_access
from dbops.core.doctor import judge_enums, judge_replicas
from dbops.core.doctor_access import (
    find_foreign_parts,
    judge_refusal,
    judge_version,
)
from dbops.core.doctor_facts import (
    ChoiceField,
    EnumColumn,
    Replica,
    Sequence,
    Server,
)
from dbops.core.doctor_sequences import find_end, find_used_share, judge_sequences
from dbops.core.finding import Level
from dbops.postgres.doctor import get_libpq_keywords

SEQUENCE = Sequence(
    name="public.a_id_seq",
    increment=1,
    least=1,
    greatest=2**63 - 1,
    last_value=1,
    permitted=True,
    locked=False,
    column_table="public.a",
    column_name="id",
    column_type="integer",
    column_bits=32,
    column_identity=False,
)
SERVER = Server(
    version_number=180004,
    version="18.4",
    database="app",
    database_name="app",
    in_recovery=False,
    read_only_source=None,
    database_size_bytes=1,
    data_directory=None,
)


def test_docstrings_are_true() -> None:
    assert doctest.testmod(doctor).failed == 0
    assert doctest.testmod(doctor_access).failed == 0


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgres://u:p@h:5432/d?sslmode=require&connect_timeout=3", ()),
        ("postgres://u:p@h/d?schema=public", ('option "schema"',)),
        ("postgresql+psycopg://u:p@h/d", ('driver "psycopg"',)),
        (
            "postgresql+asyncpg://u:p@h/d?pgbouncer=true&sslmode=require&pgbouncer=1",
            ('driver "asyncpg"', 'option "pgbouncer"'),
        ),
        ("postgres://u:pa?ss=word@h/d", ()),
        ("postgres://u:pa#ss?schema=x@h/d", ()),
        ("postgres://[u:p@h/d", ()),
        ("hunter2", ()),
        ("hunter2+x:y", ()),
        ("postgres://h/d?hun%20ter2", ()),
        ("", ()),
    ],
)
def test_names_what_is_not_of_libpq_and_never_the_password(
    url: str, parts: tuple[str, ...]
) -> None:
    assert find_foreign_parts(url, get_libpq_keywords()) == parts


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        (
            'FATAL: role "a""b" does not exist',
            'CREATE ROLE "a""""b" LOGIN, or name another user in DATABASE_URL',
        ),
        (
            'database "my app" does not exist',
            'CREATE DATABASE "my app", or name another one in DATABASE_URL',
        ),
        ("server does not support SSL, but SSL was required", "enable SSL"),
        ("no pg_hba.conf entry for host", "allow this client"),
        ("fe_sendauth: no password supplied", "add the password"),
        ("anything else", "fallback"),
    ],
)
def test_knows_the_cure_of_a_refusal(message: str, cure: str) -> None:
    assert judge_refusal(message, "fallback").hint.startswith(cure)


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({"last_value": None}, 0.0),
        ({"last_value": 2**31 - 1}, 1.0),
        ({"last_value": 2**31}, 1.0),
        ({"column_bits": 64, "last_value": 2**31 - 1}, 0.0),
        ({"column_bits": None, "greatest": 1000, "last_value": 900}, 0.9),
        ({"column_bits": 16, "greatest": 2**31 - 1, "last_value": 2**14}, 0.5),
        ({"increment": -1, "least": -(2**63), "greatest": -1, "last_value": -1}, 0.0),
        (
            {
                "increment": -1,
                "least": -(2**63),
                "greatest": -1,
                "last_value": -(2**30),
            },
            0.5,
        ),
        # Begun in negative numbers: at 0 nothing is lost yet.
        ({"least": -(2**31), "last_value": 0}, 0.0),
        ({"increment": -1, "least": 1, "greatest": 100, "last_value": 10}, 0.91),
        ({"least": 5, "greatest": 5, "last_value": 5}, 1.0),
    ],
)
def test_measures_a_sequence_by_its_narrowest_limit(
    changes: dict[str, int | None], share: float
) -> None:
    sequence = replace(SEQUENCE, **changes)  # type: ignore[arg-type]

    assert find_used_share(sequence) == pytest.approx(share, abs=0.01)
    assert find_end(sequence) is not None


@pytest.mark.parametrize(
    ("used", "level"),
    [(0.79, None), (0.801, Level.WARNING), (0.94, Level.WARNING), (0.951, Level.ERROR)],
)
def test_warns_of_a_sequence_before_it_ends(used: float, level: Level | None) -> None:
    sequence = replace(SEQUENCE, last_value=int((2**31 - 1) * used))

    found = [each.level for each in judge_sequences([sequence], role="a")]

    assert found == ([level] if level else [])


def test_gives_a_cure_that_fits_the_sequence() -> None:
    last = replace(SEQUENCE, last_value=2**31 - 1)
    cases = [
        last,
        replace(last, column_identity=True),
        replace(last, column_bits=None, greatest=2**31 - 1),
        replace(last, greatest=5000, last_value=5000),
        replace(last, column_bits=64, last_value=2**63 - 1),
    ]

    cures = [each.hint for each in judge_sequences(cases, role="a")]

    widen = "ALTER TABLE public.a ALTER COLUMN id TYPE bigint (rewrites the table)"
    assert cures == [
        f"{widen}, and ALTER SEQUENCE public.a_id_seq AS bigint",
        widen,
        "ALTER SEQUENCE public.a_id_seq AS bigint NO MAXVALUE",
        "ALTER SEQUENCE public.a_id_seq AS bigint NO MAXVALUE",
        "ALTER SEQUENCE public.a_id_seq RESTART, where the values are free",
    ]


def test_compares_choices_with_labels() -> None:
    column = EnumColumn(table="a", column="b", type="public.c", labels=["x", "old"])
    field = ChoiceField(label="app.A.b", table="a", column="b", values=("x", "it's"))

    (finding,) = judge_enums([column], [field])

    assert finding.message == (
        'the choices of "app.A.b" are not the labels of type "public.c": '
        'it lacks "it\'s"; it has also "old"'
    )
    assert finding.hint == "ALTER TYPE public.c ADD VALUE 'it''s'"
    assert not list(judge_enums([column], [replace(field, values=("old", "x"))]))
    assert not list(judge_enums([column], [replace(field, table="other")]))


@pytest.mark.parametrize(
    ("lag_s", "lag_bytes", "behind"),
    [
        (None, 0, None),
        (59.0, 10, None),
        (61.0, 10, "1 min, 10 B"),
        (None, 2_000_000_000, "2.0 GB"),
        (None, None, None),
    ],
)
def test_tells_how_far_a_replica_is_behind(
    lag_s: float | None, lag_bytes: int | None, behind: str | None
) -> None:
    replica = Replica(
        name="walreceiver",
        address="10.0.0.2",
        state="streaming",
        lag_s=lag_s,
        lag_bytes=lag_bytes,
    )

    told = [each.message for each in judge_replicas([replica])]

    assert told == (
        [f'replica "walreceiver" on 10.0.0.2 is behind by {behind} (streaming)']
        if behind
        else []
    )


def test_tells_of_a_server_that_is_newer_than_the_tests() -> None:
    newer = replace(SERVER, version_number=190001, version="19.1")

    assert not list(judge_version(SERVER))
    assert [each.level for each in judge_version(newer)] == [Level.INFO]
