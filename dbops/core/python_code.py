"""Calls, written as a person would write them in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

WIDTH = 88
MODELS = "django.db.models"
STANDARD = frozenset({"decimal"})


@dataclass(frozen=True, slots=True)
class Name:
    """An expression that stands as it is, `Mood.choices` say."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of something by its dotted path, or of a method of another call."""

    path: str
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    of: Call | None = None
    """Whose method `path` is."""


@dataclass(slots=True)
class Imports:
    """What the module needs to import."""

    names: dict[str, set[str]] = field(default_factory=dict)

    def take(self, path: str) -> str:
        """Return how the module says it, and remember where it comes from."""
        module, _, name = path.rpartition(".")
        if module == MODELS:
            self.names.setdefault("django.db", set()).add("models")
            return f"models.{name}"
        self.names.setdefault(module, set()).add(name)
        return name

    def write(self) -> str:
        """Return the import statements, sorted."""
        lines = {True: "", False: ""}
        for module, names in sorted(self.names.items()):
            lines[module in STANDARD] += _write_import(module, sorted(names))
        return "\n".join(lines[each] for each in (True, False) if lines[each])


def _write_import(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}\n"
    if len(line) <= WIDTH + 1:
        return line
    inner = "".join(f"    {name},\n" for name in names)
    return f"from {module} import (\n{inner})\n"


def write_value(value: object, imports: Imports, *, used: int, indent: int) -> str:
    """Return the value as code, on one line where it fits.

    `used` is how many columns of its first line are taken.

    >>> call = Call("django.db.models.CharField", (), {"max_length": 20})
    >>> write_value(call, Imports(), used=0, indent=0)
    'models.CharField(max_length=20)'
    """
    line = _write_line(value, imports)
    if used + len(line) <= WIDTH:
        return line
    inner = indent + 4
    match value:
        case Call():
            items = [("", each) for each in value.args]
            items += [(f"{name}=", each) for name, each in value.kwargs.items()]
            if not items:
                return line
            head, opening, closing = _write_head(value, imports), "(", ")"
        case tuple() | list() if value:
            items = [("", each) for each in value]
            head, (opening, closing) = "", _get_brackets(value)
        case _:
            return line
    space = " " * inner
    body = "".join(
        f"\n{space}{name}"
        + write_value(each, imports, used=inner + len(name) + 1, indent=inner)
        + ","
        for name, each in items
    )
    return f"{head}{opening}{body}\n{' ' * indent}{closing}"


def _write_line(value: object, imports: Imports) -> str:
    match value:
        case Name():
            return value.text
        case Call():
            items = [_write_line(each, imports) for each in value.args]
            items += [
                f"{name}={_write_line(each, imports)}"
                for name, each in value.kwargs.items()
            ]
            return f"{_write_head(value, imports)}({', '.join(items)})"
        case tuple() | list():
            opening, closing = _get_brackets(value)
            end = "," if len(value) == 1 and isinstance(value, tuple) else ""
            inner = ", ".join(_write_line(each, imports) for each in value)
            return f"{opening}{inner}{end}{closing}"
        case str():
            return quote(value)
        case _:
            return repr(value)


def _write_head(call: Call, imports: Imports) -> str:
    if call.of is not None:
        return f"{_write_line(call.of, imports)}.{call.path}"
    return imports.take(call.path)


def _get_brackets(value: Sequence[object]) -> tuple[str, str]:
    return ("(", ")") if isinstance(value, tuple) else ("[", "]")


def quote(text: str) -> str:
    r"""Return the text as a string of Python, in double quotes where that is easy.

    >>> quote("a"), quote('say "a"')
    ('"a"', '\'say "a"\'')
    """
    plain = repr(text)
    if plain.startswith("'") and '"' not in text:
        return '"' + plain[1:-1].replace("\\'", "'") + '"'
    return plain
