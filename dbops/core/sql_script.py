"""SQL files beside a migration: their statements, their directives, their seal.

A directive is a comment that has a line of its own, `-- dbops: <what>`:

    -- dbops: irreversible: <reason>    there is no way back, and a person said so
    -- dbops: not written: <reason>     a person still has to write this file
    -- dbops: nothing to do             going back needs no statement
    -- dbops: no-transaction            run the statements one by one, outside of one
    -- dbops: generated <hash>          written by a machine, and this is its seal
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dbops.errors import Refused

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html
TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<line_comment>--[^\n]*)
    | (?P<block_comment>/\*)
    | (?P<escape_string>[eE]'(?:[^'\\]|\\.|'')*+'?)
    | (?P<string>'(?:[^']|'')*+'?)
    | (?P<quoted_name>"(?:[^"]|"")*+"?)
    | (?P<dollar>\$(?:[A-Za-z_\u0080-\U0010ffff][\w]*)?\$)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
BLOCK_COMMENT_EDGE = re.compile(r"/\*|\*/")
BLANK = ("space", "line_comment", "block_comment")

DIRECTIVE = re.compile(r"--\s*dbops:\s*(?P<what>[^:]*?)\s*(?::\s*(?P<rest>.*?)\s*)?\Z")
NOT_WRITTEN = "not written"
IRREVERSIBLE = "irreversible"
NOTHING_TO_DO = "nothing to do"
NO_TRANSACTION = "no-transaction"
GENERATED = re.compile(r"generated [0-9a-f]{16}")

CREATE_ROUTINE = re.compile(r"create( or replace)? (function|procedure)\b")
TRANSACTION_STATEMENT = re.compile(
    r"(begin|commit|end|abort|start transaction|prepare transaction)\b"
    r"|rollback\b(?!( work| transaction)? to\b)"
)
OUTSIDE_TRANSACTION = re.compile(
    r"(create( unique)? index|drop index) concurrently\b|reindex\b.*\bconcurrently\b"
    r"|alter table\b.*\bdetach partition\b.*\bconcurrently\b"
    r"|vacuum\b|alter system\b|(create|drop) (database|tablespace)\b"
)
IN_TRANSACTION = re.compile(
    r"(alter|create|drop) (?!database|tablespace|subscription|system)"
    r"|(insert|update|delete|merge|truncate|comment|grant|revoke|select|with|set"
    r"|refresh|security|lock|analyze)\b"
)
REPEATABLE = re.compile(r"(vacuum|analyze|reindex|refresh|cluster|checkpoint|set)\b")
REQUIRED_COLUMN = re.compile(r"alter table\b.*\badd( column)?\b.*\bnot null\b")
FILLED_COLUMN = re.compile(r"\b(default|generated|(small|big)?serial)\b")
COPY_FROM_CLIENT = re.compile(r"copy\b.*\b(from stdin|to stdout)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """SQL that can be run as it stands."""

    text: str
    statements: tuple[str, ...]
    transactional: bool
    """False: run the statements one by one, outside a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Irreversible:
    """A person declared that there is no way back."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """A person still has to write the way back."""

    reason: str


Down = Script | Irreversible | Unwritten


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class _Statement:
    text: str
    start: int
    words: str
    """Its unquoted words in lower case, with a space between."""


def split_statements(text: str) -> tuple[str, ...]:
    """Return the statements, without the comments around them and the semicolons.

    >>> split_statements("-- why\\nSELECT ';'; DO $x$ BEGIN; END $x$; -- done")
    ("SELECT ';'", 'DO $x$ BEGIN; END $x$')
    """
    return tuple(each.text for each in _find_statements(text))


def terminate(text: str) -> str:
    """Return the SQL with a semicolon behind its last statement.

    >>> terminate("SELECT 1 -- one")
    'SELECT 1; -- one'
    """
    last = None
    for token in scan(text):
        if token.kind not in BLANK:
            last = token
    if last is None or last.text == ";":
        return text
    return f"{text[: last.end]};{text[last.end :]}"


def needs_no_transaction(statement: str) -> bool:
    """Tell whether the server refuses to run this statement in a transaction.

    >>> needs_no_transaction("CREATE INDEX CONCURRENTLY i ON t (a)")
    True
    >>> needs_no_transaction("COMMENT ON TABLE t IS 'made CONCURRENTLY'")
    False
    """
    return any(
        OUTSIDE_TRANSACTION.match(each.words) for each in _find_statements(statement)
    )


def may_run_in_transaction(text: str) -> bool:
    """Tell whether a transaction around it changes nothing for this SQL.

    No word for what may end a transaction itself (CALL, DO, BEGIN), or is not known.

    >>> may_run_in_transaction("SET CONSTRAINTS a IMMEDIATE; ALTER TABLE t ADD b int")
    True
    >>> may_run_in_transaction("CREATE INDEX CONCURRENTLY i ON t (a)")
    False
    >>> may_run_in_transaction("DO $$ BEGIN COMMIT; END $$")
    False
    """
    statements = tuple(_find_statements(text))
    return bool(statements) and all(
        IN_TRANSACTION.match(each.words) and not OUTSIDE_TRANSACTION.match(each.words)
        for each in statements
    )


def may_run_again(text: str) -> bool:
    """Tell whether it does no harm to run this SQL twice.

    >>> may_run_again("VACUUM t"), may_run_again("INSERT INTO t VALUES (1)")
    (True, False)
    """
    statements = tuple(_find_statements(text))
    return bool(statements) and all(REPEATABLE.match(each.words) for each in statements)


def needs_empty_table(statement: str) -> bool:
    """Tell whether a statement adds a column that rows would have no value for.

    >>> needs_empty_table('ALTER TABLE t ADD COLUMN "default" int NOT NULL')
    True
    >>> needs_empty_table("ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 0")
    False
    """
    return any(
        REQUIRED_COLUMN.match(each.words) and not FILLED_COLUMN.search(each.words)
        for each in _find_statements(statement)
    )


def parse_down(text: str) -> Down:
    """Return what a `down.sql` is: a script, or the reason why it is none.

    Raises:
        Refused: it has a transaction of its own, a command of psql's, or a directive
            that does not exist; the message names the line.

    >>> parse_down("-- dbops: irreversible: the old values are gone")
    Irreversible(reason='the old values are gone')
    """
    directives = _read_directives(text)
    statements = tuple(_find_statements(text))
    _refuse_meta_command(text)
    if unwritten := directives.get(NOT_WRITTEN):
        return Unwritten(reason="; ".join(unwritten))
    if reasons := directives.get(IRREVERSIBLE):
        return Irreversible(reason="; ".join(reasons))
    transactional = NO_TRANSACTION not in directives
    for statement in statements:
        _refuse_statement(text, statement, transactional=transactional)
    if NOTHING_TO_DO in directives:
        if statements:
            raise Refused(
                f"line {_count_line(text, statements[0].start)}: there is a statement "
                f"in a script that says there is nothing to do",
                hint=f'delete the line "-- dbops: {NOTHING_TO_DO}", or the statements',
            )
    elif not statements:
        return Unwritten(reason="there is no statement in it")
    return Script(
        text=text,
        statements=tuple(each.text for each in statements),
        transactional=transactional,
    )


def seal(title: str, body: str) -> str:
    """Return a file's text, with the hash of its body in the head.

    >>> print(seal("Made by a machine.", "SELECT 1;"), end="")
    -- Made by a machine.
    -- dbops: generated b4e0497804e46e0a
    <BLANKLINE>
    SELECT 1;
    """
    body = body.strip("\n") + "\n"
    return f"-- {title}\n-- dbops: generated {_hash(body)}\n\n{body}"


def is_untouched(text: str) -> bool:
    """Tell whether nobody has edited the file since it was generated.

    >>> text = seal("Made by a machine.", "SELECT 1;")
    >>> is_untouched(text), is_untouched(text + "SELECT 2;"), is_untouched("SELECT 1;")
    (True, False, False)
    """
    text = text.replace("\r\n", "\n")
    head = re.match(r"--[^\n]*\n-- dbops: generated ([0-9a-f]{16})\n\n", text)
    return head is not None and head[1] == _hash(text[head.end() :])


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def scan(text: str) -> Iterator[_Token]:
    position = 0
    while match := TOKEN.match(text, position):
        kind = str(match.lastgroup)
        end = match.end()
        if kind == "block_comment":
            end = _find_comment_end(text, position)
        elif kind == "dollar":
            close = text.find(match[0], end)
            end = len(text) if close < 0 else close + len(match[0])
        yield _Token(kind, text[position:end], position)
        position = end


def _find_comment_end(text: str, start: int) -> int:
    depth = 0
    for edge in BLOCK_COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def _find_statements(text: str) -> Iterator[_Statement]:
    tokens: list[_Token] = []
    parentheses = bodies = 0
    words: list[str] = []
    for token in scan(text):
        if token.text == ";" and parentheses <= 0 and bodies == 0:
            if tokens:
                yield _build_statement(text, tokens, words)
            tokens, words, parentheses = [], [], 0
            continue
        if token.kind in BLANK:
            continue
        tokens.append(token)
        parentheses += (token.text == "(") - (token.text == ")")
        if token.kind == "word":
            words.append(token.text.lower())
            if parentheses == 0:
                bodies = _follow_body(bodies, words)
    if tokens:
        yield _build_statement(text, tokens, words)


def _follow_body(depth: int, words: list[str]) -> int:
    """Count how deep in BEGIN ATOMIC ... END we are, by the rule that psql has."""
    word = words[-1]
    if word not in ("begin", "case", "end") or not CREATE_ROUTINE.match(
        " ".join(words[:4])
    ):
        return depth
    if word == "begin" or (word == "case" and depth):
        return depth + 1
    return max(depth - 1, 0) if word == "end" else depth


def _build_statement(text: str, tokens: list[_Token], words: list[str]) -> _Statement:
    start = tokens[0].start
    return _Statement(text[start : tokens[-1].end], start, " ".join(words))


def _read_directives(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for token in scan(text):
        if token.kind != "line_comment" or _get_text_before(text, token):
            continue
        if match := DIRECTIVE.match(token.text.rstrip()):
            what, rest = match["what"], match["rest"] or ""
            _refuse_directive(text, token, what, rest)
            found.setdefault(what, []).append(rest)
    return found


def _get_text_before(text: str, token: _Token) -> str:
    """Return what stands before the token on its line."""
    return text[text.rfind("\n", 0, token.start) + 1 : token.start].strip()


def _refuse_directive(text: str, token: _Token, what: str, rest: str) -> None:
    line = _count_line(text, token.start)
    if what in (IRREVERSIBLE, NOT_WRITTEN):
        if not rest:
            raise Refused(
                f'line {line}: "{what}" needs a reason',
                hint=f"-- dbops: {what}: <reason>",
            )
    elif what not in (NOTHING_TO_DO, NO_TRANSACTION) and not GENERATED.fullmatch(what):
        raise Refused(
            f'line {line}: there is no directive "{what}"',
            hint=f'use one of: "{IRREVERSIBLE}: <reason>", "{NOT_WRITTEN}: <reason>", '
            f'"{NOTHING_TO_DO}", "{NO_TRANSACTION}"',
        )


def _refuse_meta_command(text: str) -> None:
    for token in scan(text):
        if token.text == "\\":
            command = text[token.start :].split(maxsplit=1)[0]
            raise Refused(
                f'line {_count_line(text, token.start)}: "{command}" is a command of '
                "psql, and the server knows only SQL",
                hint="write what it does as SQL",
            )


def _refuse_statement(text: str, statement: _Statement, *, transactional: bool) -> None:
    line = _count_line(text, statement.start)
    told = " ".join(statement.text.split())
    told = told if len(told) <= 60 else f"{told[:57]}..."  # noqa: PLR2004
    if TRANSACTION_STATEMENT.match(statement.words):
        raise Refused(
            f'line {line}: "{told}" is in the script, and dbops opens and ends the '
            "transaction itself",
            hint="delete the statement",
        )
    if COPY_FROM_CLIENT.match(statement.words):
        raise Refused(
            f'line {line}: "{told}" moves data through the client',
            hint="write INSERT statements",
        )
    if transactional and OUTSIDE_TRANSACTION.match(statement.words):
        raise Refused(
            f'line {line}: "{told}" cannot run inside a transaction',
            hint="add the line: -- dbops: no-transaction",
        )


def _count_line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
