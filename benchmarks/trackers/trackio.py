"""trackio on its local database. What is logged waits in a queue in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trackio
from trackio.sqlite_storage import SQLiteStorage

PROJECT = "bench"


class Tracker:
    """Runs of a project."""

    def __init__(self) -> None:
        self.run = ""

    def start(self) -> None:
        made = trackio.init(project=PROJECT, embed=False, auto_log_gpu=False, auto_log_cpu=False)
        self.run = str(made.name)

    def create(self) -> None:
        """It knows no run that was not started."""

    def log(self, name: str, value: float, *, step: int) -> None:
        trackio.log({name: value}, step=step)

    def log_many(self, values: Mapping[str, float], step: int) -> None:
        trackio.log(dict(values), step=step)

    def bulk(self, name: str, values: Sequence[float]) -> None:
        for step, value in enumerate(values):
            trackio.log({name: value}, step=step)

    def settle(self) -> None:
        """Only ``finish`` waits for the queue."""

    def finish(self) -> None:
        trackio.finish()

    def read(self, name: str) -> int:
        return len(SQLiteStorage.get_logs(PROJECT, self.run))
