"""A real PostgreSQL for the tests, as root and as a normal user, on a socket of its own."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
OWNERS = ("postgres", "nobody")
PATIENCE = 60.0  # seconds; a machine with two cores may be busy
MISSING = """These tests need a real PostgreSQL and found none: initdb is neither on the PATH nor in
{folders}.
Install the package postgresql (Debian: apt-get install postgresql; Fedora: dnf install postgresql-server;
macOS: brew install postgresql), or name a server in which they may make databases:
TEST_POSTGRES_URL=postgresql://user@host/postgres"""
OPTIONS = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_connections=200",
    "shared_buffers=64MB",
)


class Postgres:
    """One server; each test gets a database of its own, cloned from a template."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = (f"runstone_{os.getpid()}_{number}" for number in itertools.count(1))
        self._templates: dict[str, str] = {}

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Postgres]:
        """The server of TEST_POSTGRES_URL, else one of our own that stops at the end."""
        given = os.environ.get("TEST_POSTGRES_URL")
        with ExitStack() as stack:
            server = cls(given or stack.enter_context(_own_server()))
            stack.callback(server._drop_templates)
            yield server

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The address of a new database, gone afterwards whoever is still connected."""
        name = next(self._names)
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield self._address(name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """The name of a template that `prepare(url)` fills, once a session; hand it to `database`."""
        if key not in self._templates:
            name = next(self._names)
            self._run("CREATE DATABASE {}", name)
            self._templates[key] = name
            prepare(self._address(name))
        return self._templates[key]

    def _drop_templates(self) -> None:
        for name in self._templates.values():
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _address(self, name: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))


def programs() -> Path | None:
    """The folder of initdb and postgres, the newest version first."""
    found = [path for folder in FOLDERS for path in glob.glob(f"{folder}/initdb")]
    newest = max(found, key=_version, default=None)
    initdb = newest or shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


@contextmanager
def _own_server() -> Iterator[str]:
    folder = programs()
    if folder is None:
        pytest.fail(MISSING.format(folders=", ".join(FOLDERS)), pytrace=False)
    owner = _owner()
    # not under TMPDIR: the path of a Unix socket has room for about 100 bytes
    home = Path(tempfile.mkdtemp(prefix="runstone-pg-", dir="/tmp"))
    try:
        if owner:
            shutil.chown(home, owner)
        _initialize(folder, home, owner)
        with _running(folder, home, owner) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _version(initdb: str) -> list[int]:
    digits = "".join(letter if letter.isdigit() else " " for letter in str(Path(initdb).parent.parent.name))
    return [int(part) for part in digits.split()]


def _owner() -> str | None:
    """PostgreSQL refuses to run as root, so it runs as somebody else there."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in OWNERS if name in known)


def _initialize(folder: Path, home: Path, owner: str | None) -> None:
    locale = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    command: list[str | Path] = [folder / "initdb", "-D", home / "data", "-U", "runstone", "-A", "trust"]
    command += ["--no-sync", "-E", "UTF8", f"--locale={locale}"]
    with _process(command, home, owner) as process:
        code = process.wait()
    if code:
        pytest.fail(f"initdb in {folder} failed:\n{_log(home)}", pytrace=False)


@contextmanager
def _running(folder: Path, home: Path, owner: str | None) -> Iterator[str]:
    command: list[str | Path] = [*_tied(), folder / "postgres", "-D", home / "data", "-h", "", "-k", home]
    command += [part for option in OPTIONS for part in ("-c", option)]
    with _process(command, home, owner) as process:
        try:
            url = f"postgresql://runstone@/postgres?host={home}"
            _wait(process, url, home)
            yield url
        finally:
            _stop(process)


@contextmanager
def _process(command: list[str | Path], home: Path, owner: str | None) -> Iterator[subprocess.Popen[bytes]]:
    who = pwd.getpwnam(owner) if owner else None
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=home,
            user=who and who.pw_uid,
            group=who and who.pw_gid,
            extra_groups=[] if who else None,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for the tests
        )
    with process:
        yield process


def _tied() -> list[str | Path]:
    """What goes before a command that must not outlive tests that were killed; Linux alone can promise it."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "QUIT"] if setpriv else []


def _wait(process: subprocess.Popen[bytes], url: str, home: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"PostgreSQL did not start:\n{_log(home)}", pytrace=False)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # "fast": open sessions are ended
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)


def _log(home: Path) -> str:
    return (home / "log").read_text(errors="replace")
