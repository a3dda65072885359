"""Random edits of models, as a day of development makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

KINDS = {
    "models.IntegerField({})": ("default=5", "17"),
    "models.CharField(max_length=40{})": ("default='x'", "'some text'"),
    "models.TextField({})": ("default=''", "'more text'"),
    "models.BooleanField({})": ("default=True", "false"),
    "models.DateField({})": ("default='2026-01-02'", "'2025-05-05'"),
    "models.DecimalField(max_digits=9, decimal_places=2{})": ("default=1", "3.25"),
    "models.UUIDField({})": (
        "default='00000000-0000-0000-0000-000000000001'",
        "gen_random_uuid()",
    ),
    "models.JSONField({})": ("default=dict", "'{\"a\": 1}'"),
}
WIDER = {
    "models.IntegerField({})": "models.BigIntegerField({})",
    "models.CharField(max_length=40{})": "models.TextField({})",
}
KINDS["models.BigIntegerField({})"] = KINDS["models.IntegerField({})"]


@dataclass(slots=True)
class Column:
    """One field."""

    kind: str
    null: bool
    indexed: bool = False
    db_default: bool = False

    def write(self) -> str:
        """Return the field as code."""
        default = KINDS[self.kind][0]
        if self.db_default and default != "default=dict":
            default = f"db_{default}"
        options = ["null=True"] if self.null else [default]
        if self.indexed:
            options.append("db_index=True")
        text = ", ".join(options)
        alone = self.kind.endswith("({})")
        return self.kind.format(text if alone else f", {text}")


@dataclass(slots=True)
class Table:
    """One model."""

    columns: dict[str, Column] = field(default_factory=dict)
    parent: str | None = None
    together: tuple[str, ...] = ()
    checked: str | None = None


@dataclass(slots=True)
class Walk:
    """Models on their way."""

    random: Random
    tables: dict[str, Table] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        for _ in range(2):
            self._add_table()

    def edit(self) -> None:
        """Make one to three edits."""
        for _ in range(self.random.randint(1, 3)):
            edits = [
                self._add_column,
                self._add_column,
                self._remove_column,
                self._toggle_null,
                self._widen,
                self._toggle_index,
                self._toggle_db_default,
                self._toggle_parent,
                self._toggle_check,
                self._toggle_together,
                self._add_table,
                self._remove_table,
                self._rename_column,
            ]
            self.random.choice(edits)()

    def give_in(self) -> None:
        """Take back what rows stand against."""
        for each in self.tables.values():
            each.together = ()

    def write_rows(self, app: str) -> Iterator[str]:
        """Yield an INSERT for each table without a parent."""
        for name, table in self.tables.items():
            if table.parent or table.together:
                continue
            columns = list(table.columns)
            values = [KINDS[table.columns[each].kind][1] for each in columns]
            yield (
                f"INSERT INTO {app}_{name.lower()} ({', '.join(columns)})"
                f" VALUES ({', '.join(values)})"
            )

    def _name(self, start: str) -> str:
        self.count += 1
        return f"{start}{self.count}"

    def _pick(self) -> Table:
        return self.tables[self.random.choice(sorted(self.tables))]

    def _pick_column(self) -> tuple[Table, str]:
        table = self._pick()
        return table, self.random.choice(sorted(table.columns))

    def _add_table(self) -> None:
        table = self.tables[self._name("Table")] = Table()
        for _ in range(2):
            self._add_column(table)

    def _remove_table(self) -> None:
        name = self.random.choice(sorted(self.tables))
        if len(self.tables) > 1 and not any(
            each.parent == name for each in self.tables.values()
        ):
            del self.tables[name]

    def _add_column(self, table: Table | None = None) -> None:
        kind = self.random.choice(sorted(KINDS))
        null = self.random.random() < 0.5
        (table or self._pick()).columns[self._name("field")] = Column(kind, null)

    def _remove_column(self) -> None:
        table, name = self._pick_column()
        if len(table.columns) > 1 and name not in (*table.together, table.checked):
            del table.columns[name]

    def _rename_column(self) -> None:
        table, name = self._pick_column()
        if name not in (*table.together, table.checked):
            table.columns[self._name("field")] = table.columns.pop(name)

    def _toggle_null(self) -> None:
        table, name = self._pick_column()
        table.columns[name].null = not table.columns[name].null

    def _widen(self) -> None:
        table, name = self._pick_column()
        column = table.columns[name]
        column.kind = WIDER.get(column.kind, column.kind)

    def _toggle_index(self) -> None:
        table, name = self._pick_column()
        column = table.columns[name]
        column.indexed = not column.indexed and "JSON" not in column.kind

    def _toggle_db_default(self) -> None:
        table, name = self._pick_column()
        table.columns[name].db_default = not table.columns[name].db_default

    def _toggle_parent(self) -> None:
        name, other = (self.random.choice(sorted(self.tables)) for _ in range(2))
        table = self.tables[name]
        table.parent = None if table.parent or name == other else other

    def _toggle_check(self) -> None:
        table = self._pick()
        numbers = [n for n, each in table.columns.items() if "Integer" in each.kind]
        table.checked = None if table.checked or not numbers else numbers[0]

    def _toggle_together(self) -> None:
        table = self._pick()
        table.together = () if table.together else tuple(sorted(table.columns)[:2])
        if any("JSON" in table.columns[each].kind for each in table.together):
            table.together = ()


def write_models(tables: dict[str, Table]) -> str:
    """Return models.py."""
    text = "from django.db import models\n"
    for name, table in tables.items():
        text += f"\n\nclass {name}(models.Model):\n"
        for column, each in table.columns.items():
            text += f"    {column} = {each.write()}\n"
        if table.parent:
            text += (
                f"    parent = models.ForeignKey('{table.parent}', models.CASCADE,"
                " null=True, related_name='+')\n"
            )
        constraints = []
        if table.together:
            constraints.append(
                f"models.UniqueConstraint(fields={list(table.together)!r},"
                f" name='%(app_label)s_%(class)s_together')"
            )
        if table.checked:
            constraints.append(
                f"models.CheckConstraint(condition=models.Q({table.checked}__gte=-9),"
                f" name='%(app_label)s_%(class)s_check')"
            )
        if constraints:
            inner = ", ".join(constraints)
            text += f"\n    class Meta:\n        constraints = [{inner}]\n"
    return text
