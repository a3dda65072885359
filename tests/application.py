"""An application to be smoke-checked: a real HTTP server in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class Application:
    """What it answers, and what it was asked."""

    url: str = ""
    status: Callable[[], int] = lambda: 200
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, headers and body of each request."""


class Server(ThreadingHTTPServer):
    """Serves one application until its end."""

    daemon_threads = True

    def __init__(self, application: Application) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.application = application
        self.end = threading.Event()

    def handle_error(self, *_arguments: object) -> None:
        """A client that hangs up is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the application's status, and other paths in odd ways."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        application = self.server.application
        application.asked.append((self.command, self.path, dict(self.headers), body))
        match path:
            case "/hang":
                self.server.end.wait()
            case "/silent":
                self.close_connection = True
            case "/noise":
                self.wfile.write(b"s3cret\r\n\r\n")
                self.close_connection = True
            case "/stream" | "/drip" | "/empty":
                self.stream(path)
            case "/moved":
                self.say(302, b"", location="/?token=s3cret")
            case _:
                self.say(application.status(), b"it works")

    do_POST = do_GET  # noqa: N815  The library's name.

    def say(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, path: str) -> None:
        """Say one word; then nothing, or a dot now and then."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if path != "/empty":
            self.say_chunk(b"data: one\n\n")
        while path == "/drip" and not self.server.end.wait(0.02):
            self.say_chunk(b".")
        if path == "/stream":
            self.server.end.wait()
        self.wfile.write(b"0\r\n\r\n")

    def say_chunk(self, text: bytes) -> None:
        self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serve_application() -> Iterator[Application]:
    """Serve an application on a port of its own."""
    server = Server(Application())
    server.application.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.application
    finally:
        server.end.set()
        server.shutdown()
        server.server_close()
        thread.join()
