"""The rule table as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbops.core.hazards.rule import Effect, Rule, Work
from dbops.core.hazards.rules_columns import COLUMN_RULES
from dbops.core.hazards.rules_constraints import CONSTRAINT_RULES
from dbops.core.hazards.rules_others import OTHER_RULES
from dbops.core.hazards.rules_tables import TABLE_RULES
from dbops.core.lock_modes import CONFLICTS, LockMode

HEAD = """\
# Lock rules

What PostgreSQL locks, reads and rewrites for each kind of statement that a migration
runs. `dbops_check` judges migrations by this table: see
[check migrations](../how-to/check-migrations.md). The table is not believed: it is held
to what was measured on PostgreSQL 15, 16 and 18 for the statements of
`benchmarks/locks/cases.sql`, and measured again in the tests. PostgreSQL 17 was not
measured; where 16 and 18 differ, the stronger lock is told for it.

The time that counts is not that of the statement: a lock is kept until the transaction
ends. *Scan* reads all rows, *build* reads them and builds an index, *rewrite* writes
all rows and all indexes again; these take as long as the table is large. The rest takes
a moment.
"""
WORK = {None: "", Work.SCAN: "scan", Work.BUILD: "build", Work.REWRITE: "rewrite"}
GROUPS = {
    "Columns": COLUMN_RULES,
    "Constraints and triggers": CONSTRAINT_RULES,
    "Tables, partitions, views, sequences": TABLE_RULES,
    "Indexes, types, rows": OTHER_RULES,
}


def render_page() -> str:
    """Return the page in Markdown."""
    parts = [HEAD, _render_modes()]
    for title, rules in GROUPS.items():
        parts += [f"## {title}\n", _render_table(rules)]
        parts += [_render_rule(each) for each in rules if each.bad]
    return "\n".join(parts)


def _render_modes() -> str:
    lines = [
        "## Lock modes",
        "",
        "| mode | others cannot | conflicts with |",
        "|---|---|---|",
    ]
    words = {"reads": "read or write", "writes": "write", "none": ""}
    for mode in LockMode:
        others = ", ".join(each.sql_name for each in sorted(CONFLICTS[mode]))
        lines.append(f"| {mode.sql_name} | {words[mode.blocks]} | {others} |")
    return "\n".join(lines) + "\n"


def _render_table(rules: Iterable[Rule]) -> str:
    lines = ["| rule | statement | locks | |", "|---|---|---|---|"]
    for rule in rules:
        since = f" (from {rule.since})" if rule.since > 15 else ""  # noqa: PLR2004
        name = f"[`{rule.id}`](#{rule.id})" if rule.bad else f"`{rule.id}`"
        effects = "; ".join(_list_effects(rule)) or "nothing"
        lines.append(f"| {name} | {rule.syntax}{since} | {effects} | {rule.why} |")
    return "\n".join(lines) + "\n"


def _list_effects(rule: Rule) -> Iterator[str]:
    yield from map(_tell, rule.effects)
    for last, effects in rule.earlier.items():
        if not effects:
            continue
        told = "; ".join(map(_tell, effects))
        yield f"up to {last}: {told}"


def _tell(effect: Effect) -> str:
    work = f", {WORK[effect.work]}" if effect.work else ""
    return f"{effect.role}: {effect.mode.sql_name}{work}"


def _render_rule(rule: Rule) -> str:
    lines = [f"### {rule.id}", "", f"{rule.syntax}: {rule.why}.", ""]
    for title, language, text in (
        ("", "sql", rule.bad),
        ("Instead:", "sql", rule.good),
        ("In Django, this does it:", "python", rule.django),
        ("Instead:", "python", rule.instead),
    ):
        if text:
            lines += [
                *([title, ""] if title else []),
                f"```{language}",
                text,
                "```",
                "",
            ]
    return "\n".join(lines)
