"""Entity-relationship diagrams as text: Mermaid, and Graphviz's DOT."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dbops.core.relation import ColumnView, ForeignKey, Relation, bare_name

MOST_COLUMNS = 24
"""A table with more is cut short."""
FEW_TABLES = 30
"""Up to here all columns are shown; from there keys alone."""
HUB = 7
"""A table that so many others refer to is named beside the column, not linked."""
COLORS = ("#dbe9f6", "#e3f1dc", "#fdebd3", "#ece4f4", "#fbe0e0", "#e0f2f1", "#f3f0d7")
LONGEST_WORD = 40


def find_neighbours(
    relations: Iterable[Relation], names: Iterable[str]
) -> tuple[Relation, ...]:
    """Return the named relations, and those that a foreign key ties to one of them."""
    listed, chosen = list(relations), set(names)
    near = set(chosen)
    for each in listed:
        for key in each.foreign_keys:
            if key.table in chosen or key.target in chosen:
                near |= {key.table, key.target}
    return tuple(each for each in listed if each.name in near)


def write_mermaid(relations: Sequence[Relation]) -> str:
    """Return an `erDiagram`, as GitHub and Mermaid draw it.

    Source: https://mermaid.js.org/syntax/entityRelationshipDiagram.html
    """
    lines = ["erDiagram"]
    for each in relations:
        lines.append(f"    {_quote_mermaid(each.name)} {{")
        lines += [f"        {_write_attribute(column)}" for column in each.columns]
        lines.append("    }")
    known = {each.name for each in relations}
    for each in relations:
        for key in each.foreign_keys:
            if key.target in known:
                lines.append(f"    {_write_relationship(key)}")
    return "\n".join(lines) + "\n"


def _write_attribute(column: ColumnView) -> str:
    words = [_clean(column.type, "_()[]"), _clean(bare_name(column.name), "_")]
    if column.key:
        words.append(column.key.replace(" ", ", "))
    if column.comment:
        comment = " ".join(column.comment.split()).replace('"', "'")
        words.append(f'"{comment}"')
    return " ".join(words)


def _clean(text: str, kept: str) -> str:
    """Return a word that Mermaid takes: it starts with a letter.

    >>> _clean("character varying(20)", "_()[]"), _clean("2nd", "_"), _clean("pk", "_")
    ('character_varying(20)', '_2nd', '_pk')
    """
    word = re.sub(rf"[^A-Za-z0-9{re.escape(kept)}]+", "_", text)
    is_key = word.upper() in {"PK", "FK", "UK"}
    return word if re.match("[A-Za-z_]", word) and not is_key else f"_{word}"


def _quote_mermaid(name: str) -> str:
    text = bare_name(name)
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text):
        return text
    return '"' + text.replace('"', "'").replace("%", "_").replace("\\", "_") + '"'


def _write_relationship(key: ForeignKey) -> str:
    one = "|o" if key.is_optional else "||"
    many = "o|" if key.is_unique else "o{"
    label = ", ".join(map(bare_name, key.columns)).replace('"', "'")
    target, table = _quote_mermaid(key.target), _quote_mermaid(key.table)
    return f'{target} {one}--{many} {table} : "{label}"'


def write_dot(relations: Sequence[Relation]) -> list[str]:
    """Return one graph for each group of tables that are tied to each other.

    In a large schema lines are drawn within one app alone (names that begin alike), and
    not to a table that most others refer to (users, say): all would be one tangle. The
    table's name stands beside the column instead.
    """
    drawn = list(_list_links(relations))
    is_large = len(relations) > FEW_TABLES
    groups = _find_groups(relations, drawn, _find_apps(relations) if is_large else {})
    linked = {(key.table, key.name) for key in drawn}
    colors = _choose_colors(relations)
    return [
        _write_graph(title, group, drawn, linked, colors, with_all=not is_large)
        for title, group in sorted(groups, key=lambda each: -len(each[1]))
    ]


def _list_links(relations: Sequence[Relation]) -> Iterator[ForeignKey]:
    names = {each.name for each in relations}
    keys = [key for each in relations for key in each.foreign_keys]
    sources = Counter(target for target, _ in {(key.target, key.table) for key in keys})
    apps = _find_apps(relations)
    for key in keys:
        if key.target not in names:
            continue
        if len(relations) > FEW_TABLES:
            far = apps[key.table] != apps[key.target]
            if far or (sources[key.target] > HUB and key.table != key.target):
                continue
        yield key


def _find_apps(relations: Iterable[Relation]) -> dict[str, str]:
    """Return what the names of each table's kind begin with; empty for none."""
    found = {each.name: _find_prefix(each.name) for each in relations}
    shared = Counter(found.values())
    return {
        name: prefix if shared[prefix] > 1 else "" for name, prefix in found.items()
    }


def _find_groups(
    relations: Sequence[Relation],
    links: Iterable[ForeignKey],
    apps: Mapping[str, str],
) -> list[tuple[str, list[Relation]]]:
    """Return the tables of each app under its name, others as links tie them."""
    leader = {each.name: each.name for each in relations}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for key in links:
        leader[find(key.table)] = find(key.target)
    groups: dict[tuple[str, str], list[Relation]] = {}
    for each in relations:
        app = apps.get(each.name, "")
        groups.setdefault((app, "" if app else find(each.name)), []).append(each)
    return [(app, group) for (app, _), group in groups.items()]


def _choose_colors(relations: Iterable[Relation]) -> dict[str, str]:
    """Give tables whose names begin alike (those of an app) one color."""
    prefixes = Counter(_find_prefix(each.name) for each in relations)
    shared = [name for name, number in prefixes.most_common() if number > 1]
    return {name: COLORS[at % len(COLORS)] for at, name in enumerate(shared)}


def _find_prefix(name: str) -> str:
    return bare_name(name).split(".")[-1].split("_")[0]


def _write_graph(
    title: str,
    group: Sequence[Relation],
    links: Iterable[ForeignKey],
    linked: set[tuple[str, str]],
    colors: dict[str, str],
    *,
    with_all: bool,
) -> str:
    names = {each.name for each in group}
    lines = [
        "digraph {",
        "graph [rankdir=LR, nodesep=0.25, ranksep=0.9, pad=0.3]",
        'node [shape=plain, fontname="Helvetica", fontsize=10]',
        'edge [color="#7a8794", arrowsize=0.7, penwidth=1.1]',
    ]
    if title:
        style = 'fontsize=14, color="#c5ccd3", style=rounded, margin=14, labeljust=l'
        label = f'label=<<B>{html.escape(title)}</B>>, fontname="Helvetica"'
        lines += ["subgraph cluster {", f"graph [{label}, {style}]"]
    for each in group:
        color = colors.get(_find_prefix(each.name), COLORS[0])
        label = _write_label(each, linked, color, with_all=with_all)
        lines.append(f"{_quote(each.name)} [label=<{label}>]")
    lines += [_write_edge(key) for key in links if key.table in names]
    lines += ["}"] * (2 if title else 1)
    return "\n".join(lines) + "\n"


def _write_edge(key: ForeignKey) -> str:
    tail = "none" if key.is_unique else "crow"
    head = "teeodot" if key.is_optional else "teetee"
    return (
        f"{_quote(key.table)}:{_quote(key.columns[0])}:e -> "
        f"{_quote(key.target)}:{_quote('')}:w "
        f"[dir=both, arrowtail={tail}, arrowhead={head}]"
    )


def _write_label(
    each: Relation, linked: set[tuple[str, str]], color: str, *, with_all: bool
) -> str:
    targets = {
        column: key.target
        for key in each.foreign_keys
        if (each.name, key.name) not in linked
        for column in key.columns
    }
    shown = [column for column in each.columns if with_all or column.key]
    shown = shown[:MOST_COLUMNS]
    rows = [_write_row(column, targets.get(column.name)) for column in shown]
    hidden = len(each.columns) - len(shown)
    if hidden:
        more = f"{hidden} more" if shown else f"{hidden} columns"
        rows.append(
            '<TR><TD ALIGN="LEFT" COLSPAN="2">'
            f'<FONT COLOR="#8a8a8a">{more}</FONT></TD></TR>'
        )
    title = html.escape(_shorten(bare_name(each.name)))
    kind = "" if each.kind == "table" else f" <I>({each.kind})</I>"
    return (
        '<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="4" '
        'COLOR="#a9b4bf" BGCOLOR="white">'
        f'<TR><TD PORT={_quote("")} BGCOLOR="{color}" COLSPAN="2">'
        f"<B>{title}</B>{kind}</TD></TR>{''.join(rows)}</TABLE>"
    )


def _write_row(column: ColumnView, target: str | None) -> str:
    name = html.escape(_shorten(bare_name(column.name)))
    if "PK" in column.key:
        name = f"<U>{name}</U>"
    if not column.not_null:
        name = f"<I>{name}</I>"
    text = html.escape(_shorten(column.type))
    if target:
        text = f"<B>→ {html.escape(_shorten(bare_name(target)))}</B>"
    return (
        f'<TR><TD ALIGN="LEFT" SIDES="LB">{name}</TD>'
        f'<TD ALIGN="LEFT" SIDES="RB" PORT={_quote(column.name)}>'
        f'<FONT COLOR="#5b6b7a">{text}</FONT></TD></TR>'
    )


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_WORD else f"{text[: LONGEST_WORD - 1]}…"


def _quote(text: str) -> str:
    """Return an identifier of DOT that no name can break out of.

    >>> _quote('a"b'), _quote("")
    ('"c612262"', '"c"')
    """
    return '"c' + text.encode().hex() + '"'
