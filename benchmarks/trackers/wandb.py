"""Weights & Biases offline. It keeps a log to be sent to a server, and cannot read it back itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import wandb


class Tracker:
    """Offline runs of a project."""

    def __init__(self) -> None:
        self.run: Any = None

    def start(self) -> None:
        self.run = wandb.init(project="bench", mode="offline")

    def create(self) -> None:
        """It knows no run that was not started."""

    def log(self, name: str, value: float, *, step: int) -> None:
        self.run.log({name: value}, step=step)

    def log_many(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def bulk(self, name: str, values: Sequence[float]) -> None:
        for step, value in enumerate(values):
            self.run.log({name: value}, step=step)

    def settle(self) -> None:
        """Only ``finish`` waits for the service process."""

    def finish(self) -> None:
        self.run.finish()

    def close(self) -> None:
        """Wait for the service process, so that its CPU time is counted."""
        wandb.teardown()

    def read(self, name: str) -> int:
        return 0
