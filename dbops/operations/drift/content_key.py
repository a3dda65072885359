"""What the schema that migrations build depends on, as one hash.

The same key, the same schema: so what was built once need not be built again. It holds
the migrations and all code of the project that they can reach, the settings that
migrations look at, and the versions of everything installed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from django.apps import apps
from django.conf import global_settings, settings
from django.db.migrations import Migration

import dbops
from dbops.operations.check.digest import list_sql

FORMAT = 2
SETTINGS_OF_DJANGO = frozenset(
    """
    AUTH_USER_MODEL DEFAULT_AUTO_FIELD DATABASE_ROUTERS DEFAULT_INDEX_TABLESPACE
    DEFAULT_TABLESPACE INSTALLED_APPS LANGUAGES LANGUAGE_CODE MIGRATION_MODULES
    TIME_ZONE USE_I18N USE_TZ
    """.split()  # noqa: SIM905  A list of words reads best as one.
)
"""Those of Django's own settings that reach the schema; the project's all count."""

IMPORT = re.compile(
    rb"""(?:^|;)[ \t]*(?:
        from[ \t]+[.\w]+[ \t]+import[ \t]*(?:\([^)]*\)|[^\n;]*)
        | import[ \t]+[^\n;]*
    )""",
    re.MULTILINE | re.VERBOSE,
)
"""An import statement; what looks like one within a text does no harm."""


def build_content_key(
    migrations: Sequence[Migration], facts: Mapping[str, object]
) -> str:
    """Return the key of what these migrations build, in this order.

    `facts` are the server's: version, locale, and what else it was built under.
    """
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        digest.update(json.dumps(parts, default=repr, sort_keys=True).encode())

    add(FORMAT, dbops.__version__, platform.python_version(), dict(facts))
    add(_list_distributions())
    add(dict(_list_settings()))
    add(sorted(_list_unmigrated_models()))
    for migration in migrations:
        add(migration.app_label, migration.name, list(list_sql(migration.operations)))
    for name, content in sorted(_read_project_code(migrations)):
        add(name, content)
    return digest.hexdigest()


def digest_file(path: Path) -> str:
    """Return the hash of a file's content; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _list_distributions() -> list[str]:
    """Return the names of all installed packages, with their versions."""
    found = set()
    for place in sys.path:
        try:
            names = [each.name for each in Path(place or ".").iterdir()]
        except OSError:
            continue
        found |= {name for name in names if name.endswith((".dist-info", ".egg-info"))}
    return sorted(found)


def _list_settings() -> Iterator[tuple[str, str]]:
    for name in dir(settings):
        ours = not hasattr(global_settings, name) and name != "DBOPS"
        if not name.isupper() or not (ours or name in SETTINGS_OF_DJANGO):
            continue
        try:
            yield name, json.dumps(getattr(settings, name), sort_keys=True)
        except (TypeError, ValueError):
            continue  # An object has no text that stays the same.


def _list_unmigrated_models() -> Iterator[str]:
    """Yield the tables and keys that a migration may refer to without a migration."""
    for config in apps.get_app_configs():
        if config.models_module is not None:
            for model in config.get_models():
                key = model._meta.pk  # noqa: SLF001  Django's own name for the public.
                yield f"{model._meta.label} {model._meta.db_table} {type(key).__name__}"  # noqa: SLF001


def _read_project_code(migrations: Iterable[Migration]) -> Iterator[tuple[str, str]]:
    """Yield name and hash of each module of the project that migrations can reach."""
    waiting = [sys.modules.get(type(each).__module__) for each in migrations]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module is None or module.__name__ in seen:
            continue
        seen.add(module.__name__)
        path = getattr(module, "__file__", None)
        if path is None or is_installed(path):
            continue
        yield module.__name__, digest_file(Path(path))
        waiting += _list_modules(module)
        waiting += map(sys.modules.get, _list_imports(Path(path), module.__package__))


def _list_modules(module: ModuleType) -> Iterator[ModuleType | None]:
    for value in list(vars(module).values()):
        if isinstance(value, ModuleType):
            yield value
        else:
            name = getattr(value, "__module__", None)
            if isinstance(name, str):
                yield sys.modules.get(name)


def _list_imports(path: Path, package: str | None) -> Iterator[str]:
    """Yield what the module may import, at the top and in functions.

    A constant does not tell where it came from, and a function's import is in no
    namespace.
    """
    try:
        text = path.read_bytes().replace(b"\\\n", b" ")
    except OSError:
        return
    # Parsing all of every file takes most of a second run's time.
    found = [hit[0].strip(b"; \t") for hit in IMPORT.finditer(text)]
    try:
        tree = ast.parse(b"\n".join(found))
    except (SyntaxError, ValueError):
        with suppress(SyntaxError, ValueError):
            yield from _read_imports(ast.parse(text), package)
    else:
        yield from _read_imports(tree, package)


def _read_imports(tree: ast.Module, package: str | None) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                with suppress(ImportError):
                    whole = resolve_name("." * level + (module or ""), package)
                    yield whole
                    yield from (f"{whole}.{each.name}" for each in names)


@cache
def is_installed(path: str) -> bool:
    """Say whether a file belongs to Python or to an installed package."""
    parts = Path(path).parts
    return (
        "site-packages" in parts
        or "dist-packages" in parts
        or any(Path(path).is_relative_to(each) for each in _find_python_places())
    )


@cache
def _find_python_places() -> tuple[str, ...]:
    return tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
