"""Does the name of a migration say what it does?"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

EXAMPLE = "add_thread_description"

GENERIC = frozenset(
    """
    add added adds adjust adjustments alter altered alters amend change changed changes
    clean cleanup convert correct corrections create created creates delete deleted
    deletes do done drop dropped drops edit edited edits enhance enhancements extend
    fix fixed fixes fixing fixup generate generated improve improved improvements
    insert make migrate migrated migrating modified modify move new refactor refactored
    refactoring remove removed removes rename renamed renames replace reset revert run
    set squash squashed sync tidy tweak tweaks update updated updates updating upgrade
    write

    app apps backend bug bugs code column columns constraint constraints data database
    databases db dbs ddl django entities entity feature features field fields index
    indexes indices issue issues migration migrations model models object objects orm
    postgres postgresql problem problems schema schemas script scripts sql structure
    structures stuff table tables thing things ticket tickets work

    again all and another auto bar baz better big bugfix custom debug default dev draft
    dummy empty example experiment final finally foo hotfix initial last latest local
    main major manual merge minor misc miscellaneous missing more next none noname
    now old other patch pr prod production quick real release retry several
    small some something sprint staging temp temporary test testing tests tmp todo try
    unnamed untitled various version versions wip

    january february march april may june july august september october november
    december jan feb mar apr jun jul aug sep oct nov dec

    a an at by for from in into is it its my of on our that the these this to with
    """.split()  # noqa: SIM905  A list of words reads best as one.
)
"""Words that any migration could have; a name needs another one."""

SHORTEST = 3
STATEMENT = re.compile(
    r"""\s*(?:(?P<verb>create|alter|drop)\s+(?:or\s+replace\s+|unique\s+)?
        (?P<kind>table|view|index|function|trigger|type|domain|extension|policy
            |sequence|schema|materialized\s+view)
        |(?P<data>update(?:\s+only)?|insert\s+into|delete\s+from))\s+
        (?:concurrently\s+)?(?:if\s+(?:not\s+)?exists\s+)?
        (?P<name>(?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))?)""",
    re.IGNORECASE | re.VERBOSE,
)
"""How a statement begins that says what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFault:
    """Why a name says nothing, and one that would."""

    reason: str
    example: str


def find_fault(
    name: str,
    *,
    is_initial: bool = False,
    is_merge: bool = False,
    subjects: Collection[str] = (),
    example: str = EXAMPLE,
) -> NameFault | None:
    """Return what is wrong with a migration's name, with or without its number.

    `is_initial` is for an app's first migrations, the only ones that may be called
    so; `is_merge` for one that only joins others. `subjects` are the models and fields
    that the migration is about: a word among them says something, even when it is a
    common one.

    >>> find_fault("0002_add_thread_description")
    >>> find_fault("0003_auto_20261123_0630").reason
    'it is the one that Django makes up when it knows no better'
    >>> find_fault("update_schema").reason
    'any migration could be called "update_schema"'
    >>> find_fault("update_schema", subjects=["Schema"])
    """
    bare = re.sub(r"^\d+(_|$)", "", name)
    words = _split(bare)
    known = {word for subject in subjects for word in _split(subject)}
    telling = [word for word in words if word in known or word not in GENERIC]
    if (is_initial and bare == "initial") or (is_merge and bare.startswith("merge")):
        return None
    if not words:
        reason = "it is only a number"
    elif bare == "initial":
        reason = "only an app's first migration is the initial one"
    elif re.fullmatch(r"auto_\d+_\d+", bare):
        reason = "it is the one that Django makes up when it knows no better"
    elif not telling:
        reason = f'any migration could be called "{bare}"'
    elif len("".join(words)) < SHORTEST:
        reason = "it is too short to say anything"
    else:
        return None
    return NameFault(reason=reason, example=example)


def suggest_from_sql(text: str) -> str | None:
    """Return a name for a migration that begins with this statement.

    >>> suggest_from_sql('CREATE OR REPLACE VIEW "Zoo"."Happy Cats" AS SELECT 1')
    'create_happy_cats_view'
    >>> suggest_from_sql("UPDATE ONLY cats SET a = 1"), suggest_from_sql("SELECT 1")
    ('update_cats', None)
    """
    hit = STATEMENT.match(text)
    if hit is None:
        return None
    last = re.split(r"\.(?=[^.]*$)", hit["name"])[-1]
    words = [(hit["verb"] or hit["data"]).split()[0], last, hit["kind"] or ""]
    spread = re.sub(r"\W+", "_", " ".join(words)).strip("_").lower()
    return re.sub(r"_{2,}", "_", spread)


def _split(name: str) -> list[str]:
    """Return the words of a name in lower case, without the numbers.

    >>> _split("UserProfile_2_oauth2Key_v3")
    ['user', 'profile', 'oauth', 'key']
    """
    spread = re.sub(r"(?<=[^\W_A-Z])(?=[A-Z])", "_", name).lower()
    words = (word.rstrip("0123456789") for word in spread.split("_"))
    return [word for word in words if word not in ("", "v")]
