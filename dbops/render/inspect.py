"""The report of `dbops_inspect` as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbops.core.relation import ColumnView, ForeignKey, Grant, Relation
from dbops.core.words import count_of, format_size, shorten
from dbops.operations.develop.inspect import InspectReport, Named
from dbops.render.text import build_facts, build_verdict

LONGEST = 70
SECTIONS = ("enums", "domains", "types", "sequences", "functions", "extensions")
SHORT = {
    "table": "",
    "materialized view": "matview",
    "partitioned table": "partitioned",
    "foreign table": "foreign",
}
UNKNOWN = "-"
ROWS = {"": "", UNKNOWN: "never analysed"}
WIDEST_NAME = 30
SIZED = frozenset({"table", "partition", "materialized view"})


def render_inspect(report: InspectReport) -> RenderableType:
    """Return the list of all, or each named relation with all its parts.

    With Mermaid, nothing but that.
    """
    if report.mermaid is not None:
        return Text(report.mermaid)
    if report.diagram is not None:
        return _build_verdict(report)
    parts: list[RenderableType] = [
        build_facts(
            [
                ("Database", f"{report.place}, {report.server}"),
                (
                    "Not read",
                    "\n".join(
                        f"{what}: {why}" for what, why in report.not_read.items()
                    ),
                ),
            ]
        )
    ]
    if report.details:
        for each in report.relations:
            parts += ["", *_tell_relation(each)]
    else:
        parts += ["", _build_list(report.relations)]
        if any(_tell_rows(each) == UNKNOWN for each in report.relations):
            parts.append(Text("- rows: never analysed (ANALYZE estimates)", "dim"))
    for name in SECTIONS:
        parts += _tell_section(name, getattr(report, name))
    if not report.details:
        parts += _tell_grants(report.grants)
    return Group(*parts, _build_verdict(report))


def _build_list(relations: Iterable[Relation]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    listed = list(relations)
    table.add_column("relation", overflow="fold", width=_find_width(listed))
    table.add_column("kind", no_wrap=True)
    for heading in ("rows", "size", "indexes"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("refers to", overflow="fold")
    for each in listed:
        targets = dict.fromkeys(key.target for key in each.foreign_keys)
        table.add_row(
            Text(each.name),
            SHORT.get(each.kind, each.kind),
            _tell_rows(each),
            _tell_size(each, each.size_bytes),
            _tell_size(each, each.index_bytes),
            Text(", ".join(targets)),
        )
    return table


def _tell_rows(each: Relation) -> str:
    if each.kind in {"view", "foreign table"}:
        return ""
    return UNKNOWN if each.rows is None else f"~{each.rows:,}"


def _tell_size(each: Relation, size: int | None) -> str:
    if each.kind not in SIZED:
        return ""
    return "locked" if size is None else format_size(size)


def _tell_relation(each: Relation) -> Iterator[RenderableType]:
    yield Text(f"{each.name}", style="bold")
    rows = _tell_rows(each)
    size = _tell_size(each, each.size_bytes)
    indexes = _tell_size(each, each.index_bytes)
    yield build_facts(
        [
            ("Kind", each.definition if each.kind != "table" else ""),
            ("Comment", each.comment or ""),
            ("Owner", each.owner),
            ("Rows", ROWS.get(rows, f"{rows} (estimate)")),
            ("Size", f"{size}, indexes {indexes}" if size else ""),
            ("Partitions", str(each.partitions or "")),
        ]
    )
    yield Padding(_build_columns(each.columns), (0, 0, 0, 2))
    for heading, lines in _list_parts(each):
        if lines:
            yield Text(heading, style="dim")
            yield _indent(lines)


def _indent(lines: Iterable[str]) -> Table:
    """Return the lines set in, each folded where it is too long, never cut."""
    table = Table.grid()
    table.add_column(width=2)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row("", Text(line))
    return table


def _find_width(relations: Iterable[Relation]) -> int:
    """Return a width that most names fit into."""
    longest = max((len(each.name) for each in relations), default=0)
    return min(max(longest, len("relation")), WIDEST_NAME)


def _build_columns(columns: Iterable[ColumnView]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(overflow="fold")
    for each in columns:
        told = [
            "not null" if each.not_null else "",
            each.value,
            f"-- {each.comment}" if each.comment else "",
        ]
        table.add_row(
            Text(each.name),
            Text(each.key, style="cyan"),
            Text(each.type),
            Text(" ".join(part for part in told if part)),
        )
    return table


def _list_parts(each: Relation) -> Iterator[tuple[str, list[str]]]:
    yield "Refers to", [_tell_key(key, out=True) for key in each.foreign_keys]
    yield "Referred to by", [_tell_key(key, out=False) for key in each.referenced_by]
    for heading, parts in (
        ("Constraints", each.constraints),
        ("Indexes", each.indexes),
        ("Triggers", each.triggers),
        ("Policies", each.policies),
        ("Rules", each.rules),
    ):
        yield heading, [f"{part.name}: {part.definition}" for part in parts]
    yield "Granted", [_tell_grant(grant) for grant in each.grants]
    yield "Query", (each.query or "").strip().splitlines()


def _tell_key(key: ForeignKey, *, out: bool) -> str:
    here, there = ", ".join(key.columns), ", ".join(key.target_columns)
    actions = f" {key.actions}" if key.actions else ""
    if out:
        return f"{here} -> {key.target} ({there}){actions}: {key.name}"
    return f"{key.table} ({here}) -> {there}{actions}: {key.name}"


def _tell_grant(grant: Grant) -> str:
    return f"{grant.privileges} on {grant.kind} {grant.object} to {grant.role}"


def _tell_section(name: str, found: tuple[Named, ...]) -> Iterator[RenderableType]:
    if found:
        yield Text("")
        yield Text(name.capitalize(), style="bold")
        table = Table.grid(padding=(0, 2))
        table.add_column(overflow="fold")
        table.add_column(overflow="fold", style="dim")
        for each in found:
            table.add_row(Text(each.name), Text(shorten(each.definition, LONGEST)))
        yield table


def _tell_grants(grants: tuple[Grant, ...]) -> Iterator[RenderableType]:
    if grants:
        yield Text("")
        yield Text("Grants", style="bold")
        table = Table.grid()
        table.add_column(overflow="fold")
        for each in grants:
            table.add_row(Text(_tell_grant(each)))
        yield table


def _build_verdict(report: InspectReport) -> RenderableType:
    tables = [each for each in report.relations if "view" not in each.kind]
    views = len(report.relations) - len(tables)
    told = count_of(len(tables), "table")
    if views:
        told += f", {count_of(views, 'view')}"
    if report.diagram:
        return build_verdict(f"Drawn: {report.diagram} ({told})", good=True)
    hint = None if report.details else "manage.py dbops_inspect TABLE"
    return build_verdict(told, good=not report.not_read, hint=hint)
