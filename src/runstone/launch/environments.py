"""Preparing the interpreter of a job: the user's own, or one made of requirements and kept by their
content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from runstone.model.errors import Invalid
from runstone.model.jobs import Spec
from runstone.store.claim import waiting_claim


def prepare(spec: Spec, history: Path, log: Path) -> str:
    """The path of the interpreter for a job; making a new environment is told in the job's log.

    Raises:
        Invalid: the requirements cannot be installed; the message holds the installer's last lines.
    """
    python: Mapping[str, Any] = (spec.environment or {}).get("python", {})
    requirements = [str(line) for line in python.get("requirements", ())]
    if not spec.environment or python.get("user_managed_dependencies") or not requirements:
        own = python.get("interpreter_path", "python")
        return spec.interpreter or sys.executable if own == "python" else str(own)
    wanted = {"python": python.get("version") or "", "requirements": sorted(requirements), "own": _own()}
    key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:32]
    folder = history / "environments" / key
    interpreter = folder / "bin" / "python"
    # two jobs of one new environment: one makes it, the other waits
    with waiting_claim(history / "environments", key):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, str(wanted["python"]), [*requirements, *_own()], log)
            (folder / "complete").touch()
    return str(interpreter)


def _make(folder: Path, version: str, requirements: Sequence[str], log: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        chosen = ["--python", version or sys.executable]
        _call([uv, "venv", "--quiet", *chosen, str(folder)], log)
        python = str(folder / "bin" / "python")
        _call([uv, "pip", "install", "--quiet", "--python", python, *requirements], log)
        return
    interpreter = shutil.which(f"python{version}") if version else sys.executable
    if interpreter is None:
        raise Invalid(f"There is no Python {version} on this machine, and no uv to fetch one: pip install uv")
    _call([interpreter, "-m", "venv", str(folder)], log)
    _call([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements], log)


def _call(command: Sequence[str], log: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, errors="replace", check=False)
    with open(log, "a", encoding="utf-8") as stream:
        stream.write(done.stdout + done.stderr)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise Invalid(f"{' '.join(command[:3])} ended with the exit code {done.returncode}:\n{last}")


def _own() -> list[str]:
    """What Runstone itself needs: it is linked into the environment, its dependencies are installed there."""
    return [line for line in metadata.requires("runstone") or () if "extra ==" not in line]
