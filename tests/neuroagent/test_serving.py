import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
READY = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere",
    "SECRET_KEY": "a-key-of-somebody",
    "ALLOWED_HOSTS": "chat.example.org",
}


def load(module: str, **environment: str) -> tuple[int, str]:
    """Import a module of the project elsewhere; return exit code and stderr."""
    unset = {*READY, "DEBUG", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import neuroagent.{module}"],
        cwd=PROJECT,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    return child.returncode, child.stderr


each_server = pytest.mark.parametrize("module", ["wsgi", "asgi"])


@each_server
def test_serves_when_everything_is_set(module: str) -> None:
    assert load(module, **READY) == (0, "")


@each_server
def test_serves_a_development_checkout(module: str) -> None:
    assert load(module, DEBUG="on", SECRET_KEY="") == (0, "")


@each_server
def test_refuses_to_serve_and_names_each_gap(module: str) -> None:
    code, stderr = load(
        module, DATABASE_URL=READY["DATABASE_URL"], SECRET_KEY="", ALLOWED_HOSTS="*"
    )
    assert code == 1
    assert (
        "ImproperlyConfigured: DEBUG is off, and SECRET_KEY is not set; "
        'ALLOWED_HOSTS allows every host ("*"). '
        "Set them in the environment or in .env (see .env.example)."
    ) in stderr
