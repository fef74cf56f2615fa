"""Making an environment of its own: with uv where there is one, else with venv and pip."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runstone.model.errors import Invalid

LOOK_SECONDS = 0.2
GRACE_SECONDS = 2.0
TAIL_BYTES = 8 * 1024
# What pip is told, and how uv wants to hear it.
_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
# These would lead an installer to another environment than the one that is being made.
_MISLEADING = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME")


class Stopped(Exception):
    """The end of the job was asked for while it was being prepared."""


@dataclass(frozen=True)
class Wanted:
    """An environment to be made. ``base`` is the interpreter to make it of where no ``version`` is asked;
    ``ours`` is what Runstone's part of a script can do more with."""

    name: str
    version: str
    base: str
    requirements: tuple[str, ...]
    ours: tuple[str, ...] = ()


class Installer:
    """Runs the programs that make an environment; what they say goes into the job's log."""

    def __init__(self, log: Path, *, environ: Mapping[str, str], cancelled: Callable[[], bool]) -> None:
        self._log = log
        self._cancelled = cancelled
        self._environ = {name: value for name, value in environ.items() if name not in _MISLEADING}
        self._environ |= {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def make(self, wanted: Wanted, folder: Path) -> None:
        """Make the environment in a folder that is not there yet.

        Raises:
            Invalid: there is no such Python, or a requirement cannot be installed.
            Stopped: the job's end was asked for.
        """
        named = f" {wanted.name!r}" if wanted.name else ""
        self._say(f"Preparing the environment{named}: {len(wanted.requirements)} requirements")
        folder.parent.mkdir(parents=True, exist_ok=True)
        install = self._begin(wanted, folder)
        if wanted.requirements:
            with _listed(wanted, folder.parent / "requirements.txt") as listed:
                self._call([*install, "-r", str(listed)])
        try:
            self._call([*install, *wanted.ours])
        except Invalid:
            # a script logs without them; it samples and reads back less
            self._say(f"Not all of Runstone's own requirements are installed: {', '.join(wanted.ours)}")

    def pause(self) -> None:
        """Wait a little for somebody else's work; Stopped when the job's end was asked for."""
        if self._cancelled():
            raise Stopped
        time.sleep(LOOK_SECONDS)

    def _begin(self, wanted: Wanted, folder: Path) -> list[str]:
        """Make the environment without any package; the command that installs into it."""
        uv = self._uv(wanted.base)
        python = str(folder / "bin" / "python")
        if uv is None:
            self._with_pip(wanted, folder)
            return [python, "-m", "pip", "install", "--quiet", "--no-input"]
        self._environ = {**uv_settings(self._environ), **self._environ}
        self._with_uv(uv, wanted, folder)
        return [uv, "pip", "install", "--python", python]

    def _with_uv(self, uv: str, wanted: Wanted, folder: Path) -> None:
        found = self._interpreter(wanted)
        for number, python in enumerate([found] if found else _requests(wanted.version)):
            if number:
                self._say(f"Python {wanted.version} cannot be had; trying {python}")
            try:
                self._call([uv, "venv", "--quiet", "--python", python, str(folder)])
                return
            except Invalid as error:
                shutil.rmtree(folder, ignore_errors=True)
                why = error
        raise why

    def _with_pip(self, wanted: Wanted, folder: Path) -> None:
        found = self._interpreter(wanted)
        if found is None:
            raise Invalid(
                f"There is no Python {wanted.version} on this machine, and no uv to fetch one: pip install uv"
            )
        self._call([found, "-m", "venv", str(folder)])

    def _interpreter(self, wanted: Wanted) -> str | None:
        """An interpreter of this machine with the version that is asked for, or else its minor version."""
        if not wanted.version:
            return wanted.base
        there = {python: version for python in self._there(wanted) if (version := _version_of(python))}
        for asked in _requests(wanted.version):
            for python, version in there.items():
                if version == asked or version.startswith(f"{asked}."):
                    self._say(f"Python {version} for the {wanted.version} that is asked for: {python}")
                    return python
        return None

    def _there(self, wanted: Wanted) -> Iterator[str]:
        """Interpreters that may have the version: the submitting one, one on the path, those of pyenv."""
        yield wanted.base
        for asked in _requests(wanted.version):
            found = shutil.which(f"python{asked}", path=self._environ.get("PATH"))
            if found:
                yield found
        root = self._environ.get("PYENV_ROOT") or str(Path(self._environ.get("HOME") or "/") / ".pyenv")
        for asked in _requests(wanted.version):
            yield from sorted(map(str, Path(root).glob(f"versions/{asked}*/bin/python")), reverse=True)

    def _uv(self, base: str) -> str | None:
        beside = [str(Path(each).parent) for each in (base, sys.executable)]
        places = [self._environ.get("PATH") or os.defpath, *beside]
        return next((found for place in places if (found := shutil.which("uv", path=place))), None)

    def _call(self, command: Sequence[str]) -> None:
        begun = self._log.stat().st_size if self._log.exists() else 0
        with open(self._log, "ab", buffering=0) as log:
            program = subprocess.Popen(
                command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            code = self._wait(program)
        finally:
            _end(program)
        if code:
            said = "\n".join(self._last(begun).splitlines()[-10:])
            shown = " ".join([Path(command[0]).name, *command[1:3]])
            raise Invalid(f"{shown} ended with the exit code {code}:\n{said}")

    def _wait(self, program: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return program.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if self._cancelled():
                    raise Stopped from None

    def _say(self, text: str) -> None:
        with open(self._log, "ab", buffering=0) as log:
            log.write(f"{text}\n".encode())

    def _last(self, begun: int) -> str:
        with open(self._log, "rb") as log:
            log.seek(max(begun, self._log.stat().st_size - TAIL_BYTES))
            return log.read().decode("utf-8", "replace")


@contextmanager
def _listed(wanted: Wanted, path: Path) -> Iterator[Path]:
    """The requirements as a file for a moment: an index may be named with a password."""
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(file, "w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in wanted.requirements)
        yield path
    finally:
        path.unlink(missing_ok=True)


def uv_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What pip was told about indexes, by its files and variables, in the words of uv."""
    told: dict[str, str] = {}
    for file in _pip_files(environ):
        # pip itself reads the same files without interpolation
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        with suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read(file, encoding="utf-8")
        for section in ("global", "install"):
            told |= dict(parser[section]) if parser.has_section(section) else {}
    for key in _SETTINGS:
        value = environ.get(f"PIP_{key.upper().replace('-', '_')}")
        told |= {key: value} if value else {}
    found = {name: told[key].split() for key, name in _SETTINGS.items() if told.get(key)}
    if "UV_INDEX" in found:
        # pip takes the best of all its indexes, where uv would stop at the first one
        found["UV_INDEX_STRATEGY"] = ["unsafe-best-match"]
    return {
        name: ",".join(words) if name == "UV_FIND_LINKS" else " ".join(words) for name, words in found.items()
    }


def _requests(version: str) -> list[str]:
    """The version, and its minor version, which is as good where the very same cannot be had."""
    minor = re.fullmatch(r"(\d+\.\d+)\.\d+", version)
    return [version, minor[1]] if minor else [version]


def _version_of(python: str) -> str:
    """What an interpreter says that it is; empty when it does not run."""
    code = "import platform; print(platform.python_version())"
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [python, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=20
        )
        return done.stdout.strip()
    return ""


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where pip's settings are; a later file stands over an earlier one."""
    home = Path(environ.get("HOME") or "/")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if environ.get("PIP_CONFIG_FILE"):
        yield Path(environ["PIP_CONFIG_FILE"])


def _end(program: subprocess.Popen[bytes]) -> None:
    """Leave nothing of an installer behind, whatever it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if program.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(program.pid, number)
        with suppress(subprocess.TimeoutExpired):
            program.wait(GRACE_SECONDS)
