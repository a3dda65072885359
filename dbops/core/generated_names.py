"""Names of schema objects, and those that nobody chose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from dbops.core.catalog import Key, ObjectKind, SchemaObject

Objects = Mapping[Key, SchemaObject]

RENAMEABLE = frozenset({ObjectKind.CONSTRAINT, ObjectKind.INDEX, ObjectKind.SEQUENCE})

PART = re.compile(r'"(?:[^"]|"")*"|[^".]+')
NAME = r'(?:"(?:[^"]|"")*"|[^"\s()]+)+'
PARTITION_OF = re.compile(f" partition of {NAME}")
IDENTITY = re.compile(
    r"(?P<how>generated (?:always|by default) as identity)"
    rf"(?: \((?:sequence (?P<sequence>{NAME}))? ?(?P<settings>[^()]*)\))?"
)

PRIMARY_KEY = re.compile(r"_pkey\d*$")
POSTGRES_SUFFIX = re.compile(r"_(key|fkey|check|excl|idx|pkey|seq)\d*$")
DJANGO_SUFFIX = re.compile(r"_[0-9a-f]{8}(_(uniq|pk|check|idx|like|fk|fk_.*))?$")
SHORTENED = 60
"""From this length on, PostgreSQL may have cut the table's name short (63 bytes)."""


def split_name(name: str) -> tuple[str, ...]:
    """Return the parts of a dotted name, still quoted.

    >>> split_name('audit."Log.1".id')
    ('audit', '"Log.1"', 'id')
    """
    return tuple(PART.findall(name))


def strip_quotes(part: str) -> str:
    """Return one part of a name as the server stores it.

    >>> strip_quotes('"Log ""1"" "'), strip_quotes("log")
    ('Log "1" ', 'log')
    """
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def looks_generated(name: str, table: str) -> bool:
    """Say whether PostgreSQL or Django made the name up; both without quotes.

    A primary key keeps the name of what its table was called when it was made.

    >>> looks_generated("tag_name_key", "tag"), looks_generated("name_key", "tag")
    (True, False)
    >>> looks_generated("tag_name_91ca879e_uniq", "tag")
    True
    >>> looks_generated("label_pkey", "tag")
    True
    >>> looks_generated("messages_thread_id_d7e51ab5_fk_threads_thread_id", "messages")
    True
    """
    if DJANGO_SUFFIX.search(name) or PRIMARY_KEY.search(name):
        return True
    begins = name.startswith(f"{table}_") or (
        len(name) >= SHORTENED and name[:20] == table[:20]
    )
    return begins and POSTGRES_SUFFIX.search(name) is not None


def pair_generated_names(wanted: Objects, found: Objects) -> dict[Key, str]:
    """Return what each object is called that is there, but for a generated name.

    Both are parts of one table and have one definition; several such pair in order of
    name.
    """
    missing = _group_by_meaning(wanted, found)
    extra = _group_by_meaning(found, wanted)
    return {
        (old.kind, old.name): new.name
        for meaning, olds in missing.items()
        for old, new in zip(olds, extra.get(meaning, ()), strict=False)
    }


def pair_identity_sequences(wanted: Objects, found: Objects) -> dict[Key, str]:
    """Return the found definition of each identity column whose sequence alone has
    another name, if both names end as PostgreSQL's do.
    """
    return {
        key: other.definition
        for key, each in wanted.items()
        if each.kind == ObjectKind.COLUMN
        and (other := found.get(key)) is not None
        and other.definition != each.definition
        and _drop_sequence(other.definition) == _drop_sequence(each.definition)
    }


def give_names(
    wanted: Objects, names: Mapping[Key, str], definitions: Mapping[Key, str]
) -> dict[Key, SchemaObject]:
    """Rename objects, and what mentions them, so that only other things differ."""
    replacements = dict(
        pair for (kind, old), new in names.items() for pair in _mention(kind, old, new)
    )
    texts = "|".join(rf"{re.escape(text)}(?![\w$.])" for text in replacements)
    pattern = re.compile(texts or "(?!)")

    def give(each: SchemaObject) -> SchemaObject:
        key = each.kind, each.name
        definition = definitions.get(key, each.definition)
        return replace(
            each,
            name=names.get(key, each.name),
            definition=pattern.sub(lambda hit: replacements[hit[0]], definition),
        )

    return {(each.kind, each.name): each for each in map(give, wanted.values())}


def _group_by_meaning(
    here: Objects, there: Objects
) -> dict[tuple[str, ...], list[SchemaObject]]:
    groups: dict[tuple[str, ...], list[SchemaObject]] = {}
    for key in sorted(here.keys() - there.keys()):
        each = here[key]
        if each.kind not in RENAMEABLE or each.parent is None:
            continue
        name, table = (
            strip_quotes(split_name(whole)[-1]) for whole in (each.name, each.parent)
        )
        if looks_generated(name, table):
            meaning = PARTITION_OF.sub("", each.definition)
            groups.setdefault((each.kind, each.parent, meaning), []).append(each)
    return groups


def _drop_sequence(definition: str) -> str:
    """Return the definition without an identity's generated sequence name.

    >>> _drop_sequence("integer generated always as identity (sequence a_id_seq1)")
    'integer generated always as identity'
    >>> _drop_sequence("integer generated always as identity (sequence mine)")
    'integer generated always as identity (sequence mine)'
    """

    def drop(hit: re.Match[str]) -> str:
        name = strip_quotes(hit["sequence"] or "")
        if not POSTGRES_SUFFIX.search(name):
            return hit[0]
        return hit["how"] + (f" ({hit['settings']})" if hit["settings"] else "")

    return IDENTITY.sub(drop, definition)


def _mention(kind: ObjectKind, old: str, new: str) -> Iterator[tuple[str, str]]:
    """Yield the texts by which other definitions mention the object."""
    if kind == ObjectKind.SEQUENCE:
        yield f"nextval({_tell_regclass(old)}", f"nextval({_tell_regclass(new)}"
        return
    if kind == ObjectKind.CONSTRAINT:
        old, new = _name_index(old), _name_index(new)
    yield f" partition of {old}", f" partition of {new}"
    start = "replica identity using index"
    yield f"{start} {split_name(old)[-1]}", f"{start} {split_name(new)[-1]}"


def _tell_regclass(name: str) -> str:
    whole = name if len(split_name(name)) > 1 else f"public.{name}"
    return "'" + whole.replace("'", "''") + "'"


def _name_index(constraint: str) -> str:
    """Return the index behind a constraint: its name, in its table's schema.

    >>> _name_index("audit.log.log_pkey")
    'audit.log_pkey'
    """
    *schema, _table, name = split_name(constraint)
    return ".".join((*schema, name))
