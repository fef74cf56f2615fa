"""Jobs: what a submitted run is to do, where, and how far it has come; compute targets; snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runstone.model.runs import Process

LOCAL = "local"
# Where jobs with a plan wait: beside the runs of this machine, of which they take no place.
DRIVERS = "local/drivers"
QUEUED, CLAIMED, STARTED, ENDED = "queued", "claimed", "started", "ended"


@dataclass(frozen=True)
class Spec:
    """What a supervisor needs to know to run something.

    ``command`` is the argument vector, its first element ``python`` where the environment's interpreter is
    meant. ``environment`` is the document of an ``Environment`` (None: the interpreter that submitted).
    ``plan`` is what a job of our own needs to know that starts and watches other runs, such as a sweep; its
    ``snapshot`` is theirs.
    ``aside`` says that secrets are masked here, and that the whole of it was left for the supervisor alone.
    ``data`` are its inputs and outputs, each with what has to be done for it (see ``launch.data``).
    """

    command: tuple[str, ...]
    snapshot: str | None = None
    environment: Mapping[str, Any] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    interpreter: str | None = None
    max_seconds: float | None = None
    grace_seconds: float = 10.0
    nodes: int = 1
    processes: int = 1
    plan: Mapping[str, Any] | None = None
    aside: bool = False
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Job:
    """A run that is to be executed. ``run`` is its reference, ``above`` are those of its parent and of the
    first of its family; times are microseconds since 1970, UTC."""

    run: str
    target: str
    state: str
    spec: Spec
    priority: int = 0
    attempt: int = 0
    agent: str | None = None
    supervisor: Process | None = None
    script: Process | None = None
    handle: str | None = None
    cancel: int | None = None
    created: int = 0
    beat: int = 0
    above: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """Where runs can be computed: a name, the type of its launcher, and what that needs to know."""

    name: str
    type: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SnapshotFile:
    """One file of a snapshot, by its path in the source directory (``/`` between parts)."""

    path: str
    sha256: str
    size: int
    executable: bool = False


@dataclass(frozen=True)
class Snapshot:
    """A source directory as it was; ``id`` is the SHA-256 of its manifest, so equal directories are one."""

    id: str
    files: tuple[SnapshotFile, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)
