"""What a tracker must do to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Tracker(Protocol):
    """One run at a time of one tracker. Where it keeps its data is said by the environment."""

    def start(self) -> None:
        """Start a run."""

    def create(self) -> None:
        """Create a run that another process may start; only asked of those that can."""

    def log(self, name: str, value: float, *, step: int) -> None:
        """Log one value."""

    def log_many(self, values: Mapping[str, float], step: int) -> None:
        """Log several values of one step in one call, where the tracker has such a call."""

    def bulk(self, name: str, values: Sequence[float]) -> None:
        """Log a long series in the cheapest way that the tracker offers."""

    def settle(self) -> None:
        """Wait until everything that was logged is where it stays."""

    def finish(self) -> None:
        """End the run."""

    def read(self, name: str) -> int:
        """Read a series of the run back; the number of its points, 0 when the tracker has no way to do so."""
