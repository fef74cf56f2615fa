"""Preparing the interpreter of a job: the one that submitted, the user's own, or one made of requirements and
kept by their content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import sysconfig
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from runstone.launch import installing, pruning
from runstone.launch.folders import Folder
from runstone.model.errors import Conflict, Invalid
from runstone.model.jobs import Spec
from runstone.model.requirements import name_of
from runstone.store.claim import Claim

_LOCAL = re.compile(r"(?:-e |-c |--editable |--constraint )?(?:.*@ )?(?:file://)?(?P<path>/[^;#]+)")
_PASSED_OVER = {".git", "__pycache__", "build", "dist", ".venv"}


@dataclass(frozen=True)
class Prepared:
    """An interpreter, and the directory of its programs where these are to be found before others."""

    interpreter: str
    programs: str | None = None

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """An environment in which ``python`` and installed programs are this interpreter's."""
        if self.programs is None:
            return dict(environ)
        path = os.pathsep.join(filter(None, [self.programs, environ.get("PATH")]))
        return {**environ, "PATH": path, "VIRTUAL_ENV": str(Path(self.programs).parent)}


def prepare(
    spec: Spec,
    history: Path,
    *,
    folder: Folder,
    environ: Mapping[str, str],
    cancelled: Callable[[], bool] = lambda: False,
) -> Prepared:
    """The interpreter for a job, made now if nobody has needed one like it before.

    Args:
        spec: what is to be run.
        history: where environments are kept: ``environments/<key of the content>``.
        folder: the job's; while it is there, the environment is kept. Its log gets what the installer says.
        environ: the environment of the script, by which the installer finds its indexes.
        cancelled: asked a few times a second while an installer works or is waited for.

    Raises:
        Invalid: there is no such interpreter, or the requirements cannot be installed; the message holds the
        installer's last lines.
        installing.Stopped: ``cancelled`` said so.
    """
    document = spec.environment or {}
    python: Mapping[str, Any] = document.get("python", {})
    requirements = [str(line) for line in python.get("requirements", ())]
    version = str(python.get("version") or "")
    base = spec.interpreter if spec.interpreter and os.access(spec.interpreter, os.X_OK) else sys.executable
    if python.get("user_managed_dependencies"):
        return _own(str(python.get("interpreter_path") or "python"), base, environ)
    if not requirements and not version:
        return Prepared(base)
    wanted = installing.Wanted(
        name=str(document.get("name") or ""),
        version=version,
        base=base,
        requirements=tuple(requirements),
        ours=tuple(_ours(requirements)),
    )
    environment = history / "environments" / _key(wanted)
    pruning.use(environment, folder.root)
    made = _made(environment)
    if made is None:
        installer = installing.Installer(folder.log, environ=environ, cancelled=cancelled)
        made = _make(environment, wanted, installer)
        pruning.prune(environment.parent)
    return Prepared(str(made / "bin" / "python"), str(made / "bin"))


def _own(path: str, base: str, environ: Mapping[str, str]) -> Prepared:
    if path == "python":
        return Prepared(base)
    found = shutil.which(os.path.expanduser(path), path=environ.get("PATH"))
    if found is None:
        raise Invalid(
            f"There is no interpreter {path!r} on this machine; python.interpreter_path has to name one, or "
            f"be 'python' for the one that submits."
        )
    return Prepared(found, str(Path(found).parent))


def _ours(requirements: Sequence[str]) -> list[str]:
    """What Runstone's part of a script imports, by name alone: the versions are those that suit the
    others."""
    theirs = {name_of(line) for line in requirements}
    ours = [name_of(line) for line in metadata.requires("runstone") or () if "extra ==" not in line]
    return [name for name in ours if name not in theirs]


def _key(wanted: installing.Wanted) -> str:
    """Equal requirements make equal keys; of what lies in local files, the content counts."""
    base = f"{sysconfig.get_platform()} {'' if wanted.version else os.path.realpath(wanted.base)}"
    content = [*map(_content, wanted.requirements)]
    described = json.dumps([wanted.version, base, wanted.ours, *content])
    return hashlib.sha256(described.encode()).hexdigest()[:32]


def _content(line: str) -> list[str]:
    local = _LOCAL.fullmatch(line.strip())
    path = Path(local["path"].strip()) if local else None
    if path is None or not path.exists():
        return [line]
    if path.is_file():
        return [line, hashlib.sha256(path.read_bytes()).hexdigest()]
    return [line, *_listed(path)]


def _listed(folder: Path) -> Iterator[str]:
    """What a package's directory holds, by size and time of change."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER and ".egg" not in name)
        for name in sorted(files):
            with suppress(OSError):
                found = os.stat(os.path.join(root, name))
                yield f"{root}/{name} {found.st_size} {found.st_mtime_ns}"


def _made(folder: Path) -> Path | None:
    """The environment that the folder says is complete."""
    with suppress(OSError):
        made = folder / (folder / "ready").read_text(encoding="utf-8").strip()
        # the interpreter that it was made of may have been removed since
        if (made / "bin" / "python").exists():
            return made
    return None


def _make(folder: Path, wanted: installing.Wanted, installer: installing.Installer) -> Path:
    with ExitStack() as turn:
        # two jobs of one new environment: one makes it, the other waits
        while not _entered(turn, Claim(folder, "making")):
            installer.pause()
        made = _made(folder)
        if made is not None:
            return made
        for left in folder.glob("made-*"):
            # of one that was killed at this work
            shutil.rmtree(left, ignore_errors=True)
        made = folder / f"made-{uuid.uuid4().hex[:8]}"
        turn.callback(_remove_unless_made, folder, made)
        installer.make(wanted, made)
        (folder / "ready.new").write_text(made.name, encoding="utf-8")
        os.replace(folder / "ready.new", folder / "ready")
        return made


def _remove_unless_made(folder: Path, made: Path) -> None:
    if _made(folder) != made:
        shutil.rmtree(made, ignore_errors=True)


def _entered(turn: ExitStack, claim: Claim) -> bool:
    try:
        turn.enter_context(claim)
    except Conflict:
        return False
    return True
