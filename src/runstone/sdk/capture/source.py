"""Tells what was started (script, module, notebook, prompt), with which arguments, and from where."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runstone.model.errors import Invalid
from runstone.model.names import artifact_name
from runstone.sdk.capture.secrets import MASK, mask_arguments, mask_source
from runstone.sdk.capture.text import printable

SCRIPT_LIMIT = 1 << 20

_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Source:
    """What was started. `kind` is "script", "module", "command" (python -c), "stdin", "notebook", "repl" or
    "unknown"; `path` is the file's, where there is one; `directory` is where its repository is looked for."""

    kind: str = "unknown"
    path: str = ""
    module: str = ""
    arguments: tuple[str, ...] = ()
    command: str = ""
    directory: str = ""

    @property
    def properties(self) -> dict[str, str]:
        """The properties that say so, those that have nothing to say left out; secrets are masked already."""
        named = {"kind": self.kind, "script": self.path, "module": self.module, "command": self.command}
        return {f"runstone.source.{name}": printable(value) for name, value in named.items() if value}


def running_source(environ: Mapping[str, str]) -> Source:
    """The source of this very process, as the interpreter knows it."""
    kind = _interactive_kind() or _started_kind()
    main = sys.modules.get("__main__")
    file = _notebook(main, environ) if kind == "notebook" else str(getattr(main, "__file__", None) or "")
    path = _absolute(file) if kind in ("script", "module", "notebook") else ""
    spec = getattr(main, "__spec__", None)
    return Source(
        kind=kind,
        path=path,
        module=_module(str(spec.name)) if kind == "module" and spec else "",
        # A kernel's or a shell's own arguments say nothing about the run.
        arguments=() if kind in ("notebook", "repl") else _arguments(sys.argv[1:]),
        command="" if kind in ("notebook", "repl") else _command(sys.orig_argv),
        directory=_home(path),
    )


def given_source(script: str | os.PathLike[str], arguments: Sequence[object]) -> Source:
    """The source of a script that is still to be started."""
    path = _absolute(os.fspath(script))
    given = [str(argument) for argument in arguments]
    return Source(
        kind="script",
        path=path,
        arguments=_arguments(given),
        command=_command(["python", os.fspath(script), *given]),
        directory=_home(path),
    )


def script_file(source: Source) -> dict[str, bytes]:
    """The script itself, masked, by the name it is kept under; nothing if there is none, or a huge one."""
    if source.kind not in ("script", "module") or not source.path:
        return {}
    with contextlib.suppress(OSError, ValueError), open(source.path, "rb") as file:
        text = file.read(SCRIPT_LIMIT + 1)
        if len(text) <= SCRIPT_LIMIT:
            return {_kept_name(source.path): mask_source(text, source.path)}
    return {}


def _interactive_kind() -> str:
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell and hasattr(shell, "get_ipython") else None
    if running is not None:
        return "notebook" if hasattr(running, "kernel") or "google.colab" in sys.modules else "repl"
    return "repl" if hasattr(sys, "ps1") else ""


def _started_kind() -> str:
    main = sys.modules.get("__main__")
    first = sys.argv[0] if sys.argv else ""
    spec = getattr(main, "__spec__", None)
    if spec is not None and getattr(spec, "origin", None):
        return "module"
    if getattr(main, "__file__", None):
        return "stdin" if str(main.__file__) == "<stdin>" else "script"  # type: ignore[union-attr]
    return {"-c": "command", "-": "stdin", "": "stdin"}.get(first, "unknown")


def _notebook(main: object, environ: Mapping[str, str]) -> str:
    return str(getattr(main, "__vsc_ipynb_file__", "") or environ.get("JPY_SESSION_NAME", ""))


def _module(name: str) -> str:
    return name.removesuffix(".__main__")


def _arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    return tuple(printable(argument) for argument in mask_arguments(arguments))


def _command(arguments: Sequence[str]) -> str:
    return " ".join(
        argument if MASK in argument and _needs_no_quotes(argument) else shlex.quote(argument)
        for argument in _arguments(arguments)
    )


def _needs_no_quotes(argument: str) -> bool:
    bare = argument.replace(MASK, "x")
    return shlex.quote(bare) == bare


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path) if path else ""
    except OSError:
        # The current directory is gone.
        return path


def _home(path: str) -> str:
    with contextlib.suppress(OSError, ValueError):
        folder = Path(path).parent if path else None
        if folder and folder.is_dir() and not _is_installed(folder):
            return str(folder)
    try:
        return os.getcwd()
    except OSError:
        return ""


def _is_installed(folder: Path) -> bool:
    # A command that pip installed, pytest for one: the code in question is where it was called.
    return bool(set(folder.parts) & set(_INSTALLED)) or str(folder) == str(Path(sys.executable).parent)


def _kept_name(path: str) -> str:
    with contextlib.suppress(Invalid):
        return artifact_name(f"system/script/{os.path.basename(path)}")
    return "system/script/script"
