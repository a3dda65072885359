"""What a statement will lock, scan and rewrite, before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dbops.core.enum_change import find_guard
from dbops.core.hazards import other_statements as other
from dbops.core.hazards import rows
from dbops.core.hazards.act import Act, name_of
from dbops.core.hazards.alter_table import read_alter_table
from dbops.core.hazards.drops import read_drop
from dbops.core.hazards.facts import Facts
from dbops.core.hazards.parsing import Node, Parsed, get_kind, parse_statements, unwrap
from dbops.core.hazards.rule import Effect, Role, Work
from dbops.core.hazards.rules import RULES
from dbops.core.lock_modes import LockMode
from dbops.core.table_name import TableName

Reader = Callable[[Node, Facts], Iterator[Act]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedLock:
    """One relation that a statement locks, and what it does to it meanwhile."""

    relation: TableName
    mode: LockMode
    work: Work | None = None
    """What takes as long as the relation is large; None: it takes no time."""
    builds: bool = False
    """At least one index is built."""
    role: Role = Role.TABLE
    table: TableName | None = None
    """The table that the statement is about, where this is another one."""
    rule: str = ""
    """The rule that asks for the most of it."""
    subject: str = ""
    assumed: str = ""
    whole: bool = False
    """All of its rows are changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What one statement does."""

    sql: str
    kind: str
    """The parse node, as in `AlterTableStmt`."""
    rules: tuple[str, ...]
    locks: tuple[PredictedLock, ...]
    creates: TableName | None = None
    """The table that it makes."""
    renames: tuple[TableName, TableName] | None = None


def predict_statements(text: str, facts: Facts) -> tuple[Prediction, ...]:
    """Return what each statement of the text does.

    Raises:
        NotUnderstood: the parser does not know what it is.
    """
    return tuple(predict(each, facts) for each in parse_statements(text))


def predict_locks(text: str, facts: Facts) -> tuple[PredictedLock, ...]:
    """Return what the text locks, each relation once, in its strongest mode.

    Raises:
        NotUnderstood: the parser does not know what it is.
    """
    found = [lock for each in predict_statements(text, facts) for lock in each.locks]
    return _merge(found)


def predict(statement: Parsed, facts: Facts) -> Prediction:
    """Return what one statement does."""
    reader = READERS.get(statement.kind, _read_no_table)
    acts = tuple(reader(statement.node, facts))
    locks = [lock for act in acts for lock in _apply(act, facts)]
    return Prediction(
        sql=statement.sql,
        kind=statement.kind,
        rules=tuple(dict.fromkeys(each.rule for each in acts)),
        locks=_merge(locks),
        creates=_find_created(statement, facts),
        renames=_find_renamed(statement, facts),
    )


def _apply(act: Act, facts: Facts) -> Iterator[PredictedLock]:
    rule = RULES[act.rule]
    effects = rule.list_effects(facts.version)
    if act.mode:
        effects = (Effect(Role.TABLE, act.mode),)
    subjects = act.roles.get(Role.TABLE, ())
    for effect in effects:
        for name in act.roles.get(effect.role, ()):
            relation = facts.get(name)
            work = None if relation.kind in ("p", "v", "S") else effect.work
            builds = work is Work.BUILD or (
                work is Work.REWRITE and (bool(relation.indexes) or not facts.known)
            )
            yield PredictedLock(
                relation=name,
                mode=effect.mode,
                work=work,
                builds=builds,
                role=effect.role,
                table=subjects[0] if subjects and subjects[0] != name else None,
                rule=act.rule,
                subject=act.subject,
                assumed=act.assumed,
                whole=act.whole and effect.role in (Role.TABLE, Role.BELOW),
            )


WORKS = (None, Work.SCAN, Work.BUILD, Work.REWRITE)
"""From the least to the most."""


def _merge(locks: list[PredictedLock]) -> tuple[PredictedLock, ...]:
    found: dict[TableName, PredictedLock] = {}
    for lock in locks:
        old = found.get(lock.relation)
        if old is None:
            found[lock.relation] = lock
            continue
        most = max(old, lock, key=lambda each: WORKS.index(each.work))
        found[lock.relation] = PredictedLock(
            relation=lock.relation,
            mode=max(old.mode, lock.mode),
            work=most.work,
            builds=old.builds or lock.builds,
            role=min(old.role, lock.role, key=list(Role).index),
            table=most.table,
            rule=most.rule,
            subject=most.subject,
            assumed=most.assumed,
            whole=old.whole or lock.whole,
        )
    return tuple(found.values())


def _find_created(statement: Parsed, facts: Facts) -> TableName | None:
    node = statement.node
    match statement.kind:
        case "CreateStmt":
            relation = node.relation
        case "CreateTableAsStmt":
            relation = node.into.rel
        case _:
            return None
    name = name_of(relation, facts)
    if relation.relpersistence != "t" and facts.known and name in facts.relations:
        return None
    return name


def _find_renamed(
    statement: Parsed, facts: Facts
) -> tuple[TableName, TableName] | None:
    node = statement.node
    if statement.kind != "RenameStmt" or not node.HasField("relation"):
        return None
    name = name_of(node.relation, facts)
    if name in facts.indexes or node.subname:
        return None
    return name, TableName(name.schema, node.newname)


def _read_no_table(_node: Node, _facts: Facts) -> Iterator[Act]:
    yield Act(rule="no-table")


def _read_opaque(_node: Node, _facts: Facts) -> Iterator[Act]:
    yield Act(rule="opaque")


def _read_do(node: Node, facts: Facts) -> Iterator[Act]:
    bodies = [unwrap(unwrap(each).arg).sval for each in node.args
              if unwrap(each).defname == "as"]  # fmt: skip
    query = find_guard(bodies[0]) if bodies else None
    if query is None:
        yield Act(rule="opaque")
        return
    for each in parse_statements(query):
        yield from READERS.get(each.kind, _read_no_table)(each.node, facts)


def _read_create_as(node: Node, _facts: Facts) -> Iterator[Act]:
    yield Act(rule="create-table-as", subject=node.into.rel.relname)


def _read_refresh(node: Node, facts: Facts) -> Iterator[Act]:
    name = name_of(node.relation, facts)
    rule = "refresh-view"
    if node.concurrent:
        rule = "refresh-view-concurrently"
    elif node.skip_data:
        rule = "change-view"
    yield Act(rule=rule, roles={Role.TABLE: (name,)}, subject=name.name)


def _read_view(node: Node, facts: Facts) -> Iterator[Act]:
    name = name_of(node.view, facts)
    exists = node.replace and (not facts.known or name in facts.relations)
    yield Act(rule="change-view", roles={Role.TABLE: (name,) if exists else ()})


def _read_owner(node: Node, facts: Facts) -> Iterator[Act]:
    if node.HasField("relation"):
        yield Act(
            rule="alter-table", roles={Role.TABLE: (name_of(node.relation, facts),)}
        )
    else:
        yield Act(rule="no-table")


def _read_cluster(node: Node, facts: Facts) -> Iterator[Act]:
    names = (name_of(node.relation, facts),) if node.HasField("relation") else ()
    yield Act(rule="cluster", roles={Role.TABLE: names})


def _read_explain(node: Node, facts: Facts) -> Iterator[Act]:
    inner = unwrap(node.query)
    yield from READERS.get(get_kind(inner), _read_no_table)(inner, facts)


READERS: Mapping[str, Reader] = {
    **rows.READERS,
    "AlterTableStmt": read_alter_table,
    "AlterDomainStmt": other.read_domain,
    "AlterObjectSchemaStmt": other.read_schema_change,
    "AlterOwnerStmt": _read_owner,
    "AlterPolicyStmt": other.build_reader("change-policy", "table"),
    "AlterSeqStmt": other.read_sequence_change,
    "CallStmt": _read_opaque,
    "ClusterStmt": _read_cluster,
    "CommentStmt": other.read_comment,
    "CopyStmt": rows.read_copy,
    "CreatePolicyStmt": other.build_reader("change-policy", "table"),
    "CreateStatsStmt": other.read_statistics,
    "CreateStmt": other.read_create_table,
    "CreateTableAsStmt": _read_create_as,
    "CreateTrigStmt": other.read_trigger,
    "DoStmt": _read_do,
    "DropStmt": read_drop,
    "ExplainStmt": _read_explain,
    "IndexStmt": other.read_index,
    "LockStmt": rows.read_lock,
    "RefreshMatViewStmt": _read_refresh,
    "ReindexStmt": other.read_reindex,
    "RenameStmt": other.read_rename,
    "RuleStmt": other.build_reader("change-rule", "relation"),
    "TruncateStmt": other.read_truncate,
    "VacuumStmt": other.read_vacuum,
    "ViewStmt": _read_view,
}
"""By the parse node; what is not here touches no table of an application."""
