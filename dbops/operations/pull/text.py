"""models.py, as a person would write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dbops.core.python_code import WIDTH, Imports, quote, write_value
from dbops.core.words import shorten
from dbops.operations.pull.plan import EnumPlan, FieldPlan, ModelPlan, ModelsPlan

HEAD = '''"""Models of database "{}", written by `manage.py dbops_pull`."""

'''


def write_models(
    plan: ModelsPlan, database: str, unsaid: Mapping[str, Sequence[str]]
) -> str:
    """Return the text of models.py.

    `unsaid` has, by table, what the models do not say and the migration does by SQL.
    """
    imports = Imports()
    imports.take("django.db.models.Model")
    blocks = [_write_enum(each) for each in plan.enums]
    blocks += [
        _write_model(each, imports, unsaid.get(each.table, ())) for each in plan.models
    ]
    name = database.replace("\\", "").replace('"', "'")
    body = "".join(f"\n\n{block}" for block in blocks)
    return f"{HEAD.format(name)}{imports.write()}{body}"


def _write_enum(each: EnumPlan) -> str:
    lines = [f"class {each.class_name}(models.TextChoices):"]
    lines += [
        f"    {name} = {quote(label)}, {quote(label)}" for name, label in each.members
    ]
    if not each.members:
        lines.append("    pass")
    return "\n".join(lines) + "\n"


def _write_model(each: ModelPlan, imports: Imports, unsaid: Sequence[str]) -> str:
    lines = [f"class {each.class_name}(models.Model):"]
    for field in each.fields:
        lines += _write_field(field, imports)
    lines += ["", "    class Meta:"]
    for name, value in each.meta.items():
        head = f"        {name} = "
        text = write_value(value, imports, used=len(head), indent=8)
        lines.append(f"{head}{text}")
    told = [*each.remarks, *unsaid]
    if told:
        lines.append("")
        lines += (f"    # {shorten(text, WIDTH - 6)}" for text in told)
    return "\n".join(lines) + "\n"


def _write_field(field: FieldPlan, imports: Imports) -> Iterator[str]:
    for remark in field.remarks:
        yield f"    # {shorten(remark, WIDTH - 6)}"
    head = f"    {field.name} = "
    yield head + write_value(field.call, imports, used=len(head), indent=4)
