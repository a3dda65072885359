"""Functions, procedures and aggregates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbops.core.catalog import SchemaObject
from dbops.core.describe import quote_text
from dbops.core.repair.text import (
    CannotWriteError,
    mask_text,
    name_routine,
    name_whole,
    split_clauses,
    split_comment,
    write_comment,
)

AGGREGATE = """
    sfunc stype sspace initcond finalfunc finalfunc_extra finalfunc_modify combinefunc
    serialfunc deserialfunc msfunc minvfunc mstype msspace minitcond mfinalfunc
    mfinalfunc_extra mfinalfunc_modify
""".split()  # noqa: SIM905  A list of words reads best as one.
MODIFY = {"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}
BARE_LISTS = frozenset({"search_path", "temp_tablespaces", "session_preload_libraries"})


def name_kind(each: SchemaObject) -> str:
    """Return FUNCTION, PROCEDURE or AGGREGATE with the name, as DROP takes it."""
    return f"{each.definition.split(' ')[0].upper()} {name_routine(each.name)}"


def is_replaceable(old: SchemaObject, new: SchemaObject) -> bool:
    """Say whether CREATE OR REPLACE leads there."""
    one, other = (_take_apart(each) for each in (old, new))
    return one[:3] == other[:3] and one[0] != "aggregate"


def is_parsed(each: SchemaObject) -> bool:
    """Say whether the body is SQL that depends on what it names."""
    return (each.body or "").startswith(("BEGIN ATOMIC", "RETURN ")) and (
        " language sql " in f"{each.definition} "
    )


def write_routine(each: SchemaObject, *, replace: bool = False) -> Iterator[str]:
    """Yield the statements that make the function, or make it again in place."""
    kind, arguments, returns, options = _take_apart(each)
    name = name_whole(each.name[: mask_text(each.name).index("(")])
    if kind == "aggregate":
        yield _write_aggregate(name, arguments, options)
    elif kind in {"function", "procedure"}:
        create = "CREATE OR REPLACE" if replace else "CREATE"
        yield " ".join(
            word
            for word in (
                f"{create} {kind.upper()} {name}{arguments}",
                f"RETURNS {returns}" if returns else "",
                _write_options(kind, options),
                _write_body(each),
            )
            if word
        )
    else:
        raise CannotWriteError
    comment = split_comment(each.definition)[1]
    if comment and not replace:
        yield write_comment(name_kind(each), comment)


def _take_apart(each: SchemaObject) -> tuple[str, str, str, str]:
    """Return the kind, the arguments, the result, and all else."""
    text = split_comment(each.definition)[0]
    clauses = split_clauses(text, {"returns": "returns", "language": "language"})
    at = clauses[""].index("(")
    language = f"language {clauses['language']}"
    return (
        clauses[""][:at].strip(),
        clauses[""][at:],
        clauses.get("returns", ""),
        language,
    )


def _write_options(kind: str, text: str) -> str:
    if re.search(r" language (c|internal) | from '| transform for ", f" {text} "):
        raise CannotWriteError
    plain, *settings = re.split(r" set (?=[\w.]+=)", text)
    words = re.sub(r"^language (\S+)(.*)", lambda hit: (
        f"LANGUAGE {hit[1]}" + hit[2].replace(" volatile", "").upper()
    ), plain)  # fmt: skip
    if " support " in plain:
        raise CannotWriteError
    if kind == "procedure":
        words = words.replace(" VOLATILE", "")
    return " ".join([words, *map(_write_setting, settings)])


def _write_setting(text: str) -> str:
    name, _, value = text.partition("=")
    if name in BARE_LISTS:
        return f"SET {name} TO {value.replace(chr(34) * 2, chr(39) * 2)}"
    return f"SET {name} TO {quote_text(value)}"


def _write_body(each: SchemaObject) -> str:
    body = each.body or ""
    if is_parsed(each):
        return body.strip()
    tag = "$body$"
    while tag in body or body.endswith("$"):
        tag = f"{tag[:-1]}_$"
        if tag not in body:
            break
    return f"AS {tag}{body}{tag}"


def _write_aggregate(name: str, arguments: str, text: str) -> str:
    starts = {word: word for word in AGGREGATE}
    clauses = split_clauses(text, starts)
    if re.search(r"ordered-set|hypothetical-set", clauses[""]) or " sortop " in text:
        raise CannotWriteError
    parts = []
    for word, value in clauses.items():
        if word.endswith("finalfunc_modify"):
            function = word.removesuffix("_modify")
            if function in clauses:
                parts.append(f"{word.upper()} = {MODIFY[value]}")
        elif word.endswith("_extra"):
            parts.append(word.upper())
        elif word:
            parts.append(f"{word.upper()} = {value}")
    parallel = re.search(r"parallel (\w+)", clauses[""])
    if parallel:
        parts.append(f"PARALLEL = {parallel[1].upper()}")
    return f"CREATE AGGREGATE {name}{arguments} ({', '.join(parts)})"
