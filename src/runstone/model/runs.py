"""Runs, experiments and workspaces, and the legal moves of a status."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from runstone.model.lineage import Link


class Status(str, enum.Enum):
    """The states of a run, spelled as Azure ML SDK v1 spells them."""

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    NOT_RESPONDING = "NotResponding"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def terminal(self) -> bool:
        """Whether nothing follows (but the truth, after a state that was only assumed: see ``may_move``)."""
        return self in TERMINAL

    def __str__(self) -> str:
        return self.value


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})

# Reasons that an error document gives in ``reason``.
REASONS = ("user", "code", "out-of-memory", "time-limit", "infrastructure", "preempted", "none")

_WAITING = (Status.NOT_STARTED, Status.STARTING, Status.PROVISIONING, Status.PREPARING, Status.QUEUED)


def may_move(old: Status, new: Status, *, provisional: bool = False) -> bool:
    """Whether a run may go from ``old`` to ``new``.

    The first terminal state wins, but for a provisional one (``Failed`` for the reason ``infrastructure``,
    told by a lost heartbeat), which the true end, or a sign of life, replaces.
    """
    if old.terminal:
        return provisional
    if new.terminal:
        return True
    if old is Status.CANCEL_REQUESTED:
        return new is Status.NOT_RESPONDING
    if new in _WAITING:
        return old in _WAITING
    if new is Status.RUNNING:
        return old in (*_WAITING, Status.NOT_RESPONDING, Status.RUNNING)
    return True


@dataclass(frozen=True)
class Workspace:
    """A name under which experiments are kept; the original's labels come along."""

    id: int
    name: str
    created: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A named set of runs. Times are microseconds since 1970, UTC."""

    id: str
    name: str
    created: int
    archived: int | None = None
    description: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    runs: int = 0


@dataclass(frozen=True)
class Process:
    """A process for ever: no other, now or later, here or elsewhere, has the same.

    ``boot`` names the boot of the host, and the space of process ids within it where there are several;
    ``start`` is the time at which the process began, in the units of the system.
    """

    host: str
    boot: str
    pid: int
    start: int


@dataclass(frozen=True)
class Run:
    """One run as the history remembers it. Times are microseconds since 1970, UTC; durations in seconds."""

    id: str
    number: int
    experiment: str
    experiment_id: str
    status: Status
    created: int
    started: int | None = None
    ended: int | None = None
    elapsed: int | None = None
    parent: str | None = None
    root: str | None = None
    depth: int = 0
    children: int = 0
    type: str | None = None
    target: str = "local"
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    submitter: str | None = None
    error: Mapping[str, Any] | None = None
    process: Process | None = None
    archived: int | None = None
    deleted: int | None = None
    locked: int | None = None
    snapshot: str | None = None
    definition: Mapping[str, Any] | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    quality: Mapping[str, int] = field(default_factory=dict)

    @property
    def shown_name(self) -> str:
        """The display name, or the id where none was given."""
        return self.display_name or self.id

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, whatever the clocks did; None while it runs or before it started."""
        if self.elapsed is not None:
            return self.elapsed / 1e6
        if self.started is None or self.ended is None:
            return None
        return max(0, self.ended - self.started) / 1e6

    @property
    def provisional(self) -> bool:
        """Whether its end was only assumed, from a lost heartbeat."""
        return self.status is Status.FAILED and (self.error or {}).get("reason") == "infrastructure"


@dataclass(frozen=True)
class NewRun:
    """What is known of a run when it is created; ``parent`` is a reference, ``experiment`` an id,
    ``links`` what it reads."""

    id: str
    experiment: str
    status: Status = Status.NOT_STARTED
    parent: str | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    type: str | None = None
    target: str = "local"
    submitter: str | None = None
    process: Process | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Event:
    """One change of a run: ``sequence`` counts from 1 per run, without gaps."""

    sequence: int
    time: int
    category: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """Some results, the cursor that leads to the next ones (None at the end), and what the asker should
    know."""

    runs: tuple[Run, ...]
    cursor: str | None = None
    warnings: tuple[str, ...] = ()


def iso(microseconds: int | None) -> str | None:
    """``2019-01-01T13:08:01.713777Z``; None stays None."""
    if microseconds is None:
        return None
    moment = datetime.fromtimestamp(microseconds // 1_000_000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"
