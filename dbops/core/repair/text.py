"""The canonical text of a schema object, taken apart; names as a statement has them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dbops.core.catalog import SchemaObject
from dbops.core.generated_names import split_name

QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]""")
TYPE = re.compile(
    r'(?P<name>(?:"(?:[^"]|"")*"|[\w$]+)(?:\.(?:"(?:[^"]|"")*"|[\w$]+))?)(?P<rest>.*)',
    re.DOTALL,
)
BUILT_IN_TYPES = frozenset(
    """
    aclitem bigint bit boolean box bpchar bytea character cid cidr circle date
    datemultirange daterange double gtsvector inet int2vector int4multirange int4range
    int8multirange int8range integer interval json jsonb jsonpath line lseg macaddr
    macaddr8 money name numeric nummultirange numrange oid oidvector path pg_lsn
    pg_snapshot point polygon real refcursor regclass regcollation regconfig
    regdictionary regnamespace regoper regoperator regproc regprocedure regrole regtype
    smallint text tid time timestamp tsmultirange tsquery tsrange tstzmultirange
    tstzrange tsvector txid_snapshot uuid xid xid8 xml
    any anyarray anycompatible anycompatiblearray anycompatiblemultirange
    anycompatiblenonarray anycompatiblerange anyelement anyenum anymultirange
    anynonarray anyrange cstring event_trigger internal record trigger unknown void
    """.split()  # noqa: SIM905  A list of words reads best as one.
)


class CannotWriteError(Exception):
    """No statement leads there, or none that is surely right."""


def mask_text(text: str) -> str:
    """Return the text, of the same length, without what is in quotes and parentheses.

    >>> mask_text("CHECK ((x = ')')) comment 'it''s'")
    "CHECK (~~~~~~~~~) comment '~~~~~'"
    """
    masked, depth, at = [], 0, 0
    for hit in QUOTED.finditer(text):
        between = text[at : hit.start()]
        masked.append("~" * len(between) if depth else between)
        at = hit.end()
        match hit[0]:
            case "(":
                masked.append("~" if depth else "(")
                depth += 1
            case ")":
                depth = max(depth - 1, 0)
                masked.append("~" if depth else ")")
            case quoted:
                inner = "~" * (len(quoted) - 2)
                masked.append("~" * len(quoted) if depth else _wrap(quoted, inner))
    masked.append(text[at:])
    return "".join(masked)


def _wrap(quoted: str, inner: str) -> str:
    return f"{quoted[0]}{inner}{quoted[-1]}"


def split_clauses(text: str, starts: Mapping[str, str]) -> dict[str, str]:
    """Return what follows each start, a pattern; they come in the order given.

    What is in front of the first one is under the empty name.

    >>> split_clauses("text not null default 1", {"null": "not null", "to": "default"})
    {'': 'text', 'null': '', 'to': '1'}
    """
    masked, at = mask_text(text), 0
    hits = []
    for name, start in starts.items():
        hit = re.compile(rf"(?:^|(?<= ))(?:{start})(?= |$)").search(masked, at)
        if hit:
            hits.append((name, hit.start(), hit.end()))
            at = hit.end()
    ends = [begin for _, begin, _ in hits] + [len(text)]
    clauses = {"": text[: ends[0]].strip()}
    for (name, _, end), stop in zip(hits, ends[1:], strict=True):
        clauses[name] = text[end:stop].strip()
    return clauses


def split_list(text: str) -> list[str]:
    """Return the items between commas.

    >>> split_list("a, f(b, c), 'd, e'")
    ['a', 'f(b, c)', "'d, e'"]
    """
    edges = [hit.start() for hit in re.finditer(",", mask_text(text))]
    starts = [0, *(edge + 1 for edge in edges)]
    items = [text[i:j] for i, j in zip(starts, [*edges, len(text)], strict=True)]
    return [item.strip() for item in items if item.strip()]


def split_comment(text: str) -> tuple[str, str | None]:
    """Return a definition without its comment, and the comment as an SQL string.

    >>> split_comment("CHECK (x) comment 'why'")
    ('CHECK (x)', "'why'")
    """
    hit = re.search(r"(?:^|(?<= ))(?<!index )comment (?='~*'$)", mask_text(text))
    if hit is None:
        return text, None
    return text[: hit.start()].strip(), text[hit.end() :]


def name_whole(name: str) -> str:
    """Return a name with its schema.

    >>> name_whole("item"), name_whole('audit."a.b"')
    ('public.item', 'audit."a.b"')
    """
    return name if len(split_name(name)) > 1 else f"public.{name}"


def name_type(text: str) -> str:
    """Return a type with its schema, unless it is one of the system's.

    >>> name_type("character varying(10)"), name_type("mood[]"), name_type("a.mood")
    ('character varying(10)', 'public.mood[]', 'a.mood')
    """
    hit = TYPE.fullmatch(text)
    if hit is None or "." in mask_text(hit["name"]) or hit["name"] == '"char"':
        return text
    return text if hit["name"] in BUILT_IN_TYPES else f"public.{text}"


def name_routine(name: str) -> str:
    """Return a function's name with its schema and those of its arguments' types.

    >>> name_routine("f(integer, mood)")
    'public.f(integer, public.mood)'
    """
    at = mask_text(name).index("(")
    types = ", ".join(map(name_type, split_list(name[at + 1 : -1])))
    return f"{name_whole(name[:at])}({types})"


def name_last(name: str) -> str:
    """Return a name's last part."""
    return split_name(name)[-1]


def name_beside(table: str, name: str) -> str:
    """Return the whole name of what is in the schema of the table.

    >>> name_beside("audit.log", "log_pkey")
    'audit.log_pkey'
    """
    return ".".join((*split_name(name_whole(table))[:-1], name))


def name_parent(each: SchemaObject) -> str:
    """Return the whole name of the table that the object is a part of."""
    return name_whole(each.parent or "")


def write_comment(what: str, text: str | None) -> str:
    """Return the statement that comments on an object."""
    return f"COMMENT ON {what} IS {text or 'NULL'}"


def mentions(text: str, whole: str) -> bool:
    """Say whether the text has the name.

    >>> mentions("FROM public.item", "public.item")
    True
    >>> mentions("FROM public.items", "public.item")
    False
    """
    return re.search(rf"(?<![\w$.\"]){re.escape(whole)}(?![\w$])", text) is not None


def change_options(old: str | None, new: str | None, *, head: str) -> list[str]:
    """Return the statements that set and reset storage parameters.

    >>> change_options("(a=1, b=2)", "(a=3)", head="ALTER TABLE t")
    ['ALTER TABLE t RESET (b)', 'ALTER TABLE t SET (a=3)']
    """
    before, after = _read_options(old), _read_options(new)
    gone = ", ".join(name for name in before if name not in after)
    sets = ", ".join(
        f"{name}={value}" for name, value in after.items() if before.get(name) != value
    )
    return [
        *([f"{head} RESET ({gone})"] if gone else []),
        *([f"{head} SET ({sets})"] if sets else []),
    ]


def write_options(text: str | None) -> str:
    """Return a WITH clause, or nothing.

    >>> write_options("(fillfactor=50)")
    ' WITH (fillfactor=50)'
    """
    options = _read_options(text)
    inner = ", ".join(f"{name}={value}" for name, value in options.items())
    return f" WITH ({inner})" if inner else ""


def _read_options(text: str | None) -> dict[str, str]:
    pairs = (item.partition("=") for item in split_list((text or "()")[1:-1]))
    return {name: _quote_value(value) for name, _, value in pairs}


def _quote_value(value: str) -> str:
    plain = re.fullmatch(r"-?[\w.]+", value)
    return value if plain else "'" + value.replace("'", "''") + "'"
