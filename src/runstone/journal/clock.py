"""The clock of the day, and whether somebody has set it while a run was going on."""

from __future__ import annotations

import time

# How far the clock may leave the one that measures spans between two looks: it is also slewed, and read late.
TOLERANCE_NS = 1_000_000_000
# Goes on while the machine sleeps, as the clock of the day does; macOS has that under the other name.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class DayClock:
    """Compares the clock of the day with one that nobody can set."""

    def __init__(self) -> None:
        self._ahead = _ahead()

    def jumped(self) -> bool:
        """Whether it was set forward or back, by more than a second, since this was asked last."""
        before, self._ahead = self._ahead, _ahead()
        return abs(self._ahead - before) > TOLERANCE_NS


def _ahead() -> int:
    return time.time_ns() - time.clock_gettime_ns(_STEADY)
