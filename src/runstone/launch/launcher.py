"""What every launcher does: start one, ask after all of them at once, stop one."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from runstone.model.errors import Invalid
from runstone.model.jobs import Job, Target

# What an engine says of a job of ours.
WAITING, RUNNING, GONE, UNKNOWN = "waiting", "running", "gone", "unknown"
GROUP = "runstone.launchers"
OURS = {
    "local": "runstone.launch.local:Local",
    "ray": "runstone.launch.ray:Ray",
    "slurm": "runstone.launch.slurm:Slurm",
}


@dataclass(frozen=True)
class Seen:
    """What an engine says of a job: waiting, running, gone, or unknown (it could not be asked); and why."""

    state: str
    why: str = ""


class Launcher(Protocol):
    """A place where jobs run. Its three duties, and how many jobs it may have at a time (None: its own
    affair)."""

    concurrent: int | None
    # Seconds between two questions to the engine.
    every: float

    def start(self, job: Job, command: Sequence[str], *, folder: Path) -> str:
        """Have the supervisor's command run somewhere; the engine's name for it. Asking twice starts one."""

    def ask(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        """What became of all of these, in one call to the engine."""

    def stop(self, handle: str) -> None:
        """Have the engine end it; one that is gone already is no error."""


def launcher_for(target: Target) -> Launcher:
    """The launcher of a target: one of ours, or one that a plug-in's entry point names.

    Raises:
        Invalid: there is none of that type; the message names those that there are.
    """
    known = {**OURS, **{point.name: point.value for point in entry_points(group=GROUP)}}
    if target.type not in known:
        raise Invalid(
            f"There is no launcher of the type {target.type!r}; there are: {', '.join(sorted(known))}."
        )
    module, _, name = known[target.type].partition(":")
    found: Launcher = getattr(importlib.import_module(module), name)(target.config)
    return found


def name_of(job: Job) -> str:
    """What an engine calls an attempt, so that a submission whose answer was lost is found again."""
    return f"runstone-{hashlib.sha256(job.run.encode()).hexdigest()[:16]}-{job.attempt}"
