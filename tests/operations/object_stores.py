"""Object stores as processes on this machine: moto's S3, and azurite."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.operations.conftest import wait_until

BUCKET = "backups"
ACCOUNT = "devstoreaccount1"
# Azurite's own, in its documentation.
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw=="
)
AZURITE = "azurite-blob"
LOCAL = Path(__file__).parents[2] / ".local" / "azurite"
ADDRESS = "127.0.0.1"
# One request at a time: S3's conditional put is atomic, and moto's by itself is not.
S3_SERVER = """
import sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
inner, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
def app(environ, start_response):
    with lock:
        return inner(environ, start_response)
run_simple(sys.argv[1], int(sys.argv[2]), app, threaded=True)
"""


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """A server, and what dbops has to know of it."""

    scheme: str
    endpoint: str
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"{self.scheme}://{BUCKET}"

    @property
    def secret(self) -> str:
        return self.environment[
            "AWS_SECRET_ACCESS_KEY"
            if self.scheme == "s3"
            else "AZURE_STORAGE_ACCOUNT_KEY"
        ]

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the environment, and nothing else of these vendors."""
        for name in list(os.environ):
            if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
                monkeypatch.delenv(name)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)


@contextmanager
def run_s3() -> Iterator[ObjectStore]:
    """Run moto's server with an empty bucket."""
    port = find_free_port()
    endpoint = f"http://{ADDRESS}:{port}"
    with run([sys.executable, "-c", S3_SERVER, ADDRESS, str(port)], port) as process:
        ask("PUT", f"{endpoint}/{BUCKET}")
        yield ObjectStore(
            scheme="s3",
            endpoint=endpoint,
            process=process,
            environment={
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "AKIATESTS",
                "AWS_SECRET_ACCESS_KEY": "kept/secret+by/tests",
                "AWS_REGION": "us-east-1",
            },
        )


@contextmanager
def run_azure(directory: Path, port: int | None = None) -> Iterator[ObjectStore]:
    """Run azurite with a container; what is in the directory is there again."""
    path = os.pathsep.join([os.environ["PATH"], str(LOCAL / "node_modules" / ".bin")])
    command = shutil.which(AZURITE, path=path)
    if command is None:
        pytest.skip(
            "no azurite: with node, run npm install --prefix .local/azurite azurite"
        )
    port = port or find_free_port()
    endpoint = f"http://{ADDRESS}:{port}/{ACCOUNT}"
    options = ["--blobHost", ADDRESS, "--blobPort", str(port), "--silent"]
    options += ["--location", str(directory), "--disableTelemetry"]
    with run([command, *options], port) as process:
        make_container(endpoint)
        yield ObjectStore(
            scheme="az",
            endpoint=endpoint,
            process=process,
            environment={
                "AZURE_ENDPOINT": endpoint,
                "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
                "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
            },
        )


def ask(method: str, url: str, data: bytes = b"", **headers: str) -> int:
    """Send a request that nothing signs, and return the status."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent.setdefault("Content-Type", "application/octet-stream")
    with urlopen(Request(url, data=data, method=method, headers=sent)) as response:
        return int(response.status)


def make_container(endpoint: str) -> None:
    """Make the container; it may be there.

    Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    date, version, kind = formatdate(usegmt=True), "2021-08-06", "text/plain"
    signed = (
        f"PUT\n\n\n\n\n{kind}\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n"
        f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    )
    digest = hmac.digest(base64.b64decode(ACCOUNT_KEY), signed.encode(), hashlib.sha256)
    try:
        ask(
            "PUT",
            f"{endpoint}/{BUCKET}?restype=container",
            x_ms_date=date,
            x_ms_version=version,
            Content_Type=kind,
            Authorization=f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        )
    except OSError as error:
        if getattr(error, "code", 0) != 409:
            raise


@contextmanager
def run(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until(lambda: listens(process, port), f"{command[0]} to listen")
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the server ended with exit code {process.returncode}")
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
