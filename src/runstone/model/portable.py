"""What travels between histories: a run as a document, and how its arrival went."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runstone.model.runs import Run


@dataclass(frozen=True)
class Portable:
    """A run without its events, files and metrics, which follow it one by one.

    ``logged`` counts the entries of its series, ``job`` is what a submitted run was to do. ``heartbeat`` is
    microseconds since 1970, UTC.
    """

    run: Run
    logged: int = 0
    heartbeat: int | None = None
    job: Mapping[str, Any] | None = None


class Arrival(str, enum.Enum):
    """What became of a run that was to be taken in."""

    ADDED = "added"
    PRESENT = "present"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Exported:
    """What was written: how many runs, how many bytes, and what the asker should know."""

    runs: int
    bytes: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported:
    """What an archive brought: runs that were added, runs that were there already, and, of the latter, the
    ids of those that are not as in the archive; they stay as they are."""

    added: int = 0
    present: int = 0
    different: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
