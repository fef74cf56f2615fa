"""What came of the runs of a sweep: each with its sample, and its best value of the primary metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runstone.model.metrics import Latest
from runstone.sdk.sweeps.config import PrimaryMetricGoal
from runstone.sdk.sweeps.submitting import TAG

if TYPE_CHECKING:
    from runstone.sdk.run import Run


@dataclass(frozen=True)
class Goal:
    """The primary metric, and which of its values are the better."""

    metric: str
    goal: PrimaryMetricGoal

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> Goal:
        """The goal of a sweep's plan."""
        return cls(plan["primary_metric"]["name"], PrimaryMetricGoal(plan["primary_metric"]["goal"]))

    def best(self, logged: Mapping[str, Latest]) -> float | None:
        """The best of what a run has logged; None when that is no number."""
        latest = logged.get(self.metric)
        if latest is None:
            return None
        value = latest.max if self.goal is PrimaryMetricGoal.MAXIMIZE else latest.min
        return value if value is not None and math.isfinite(value) else None

    def worth(self, value: float | None) -> float | None:
        """A value of which the greater is the better."""
        return None if value is None else value * self.goal.sign


@dataclass(frozen=True)
class Result:
    """One run of a sweep, its sample, and its best value (None when it has logged none)."""

    run: Run
    sample: Mapping[str, Any]
    best: float | None


def results(sweep: Run, goal: Goal) -> Sequence[Result]:
    """The runs of a sweep with what they have come to so far, in the order in which they were started."""
    runs = sorted(of_sweep(sweep), key=lambda run: run._record.number)
    logged = sweep._service.metrics.latest_of([run._ref for run in runs])
    return [Result(run, (run._record.definition or {})[TAG], goal.best(logged[run._ref])) for run in runs]


def of_sweep(sweep: Run) -> Sequence[Run]:
    """The children that the driver has started: the scripts may have made others."""
    return [run for run in sweep.get_children() if TAG in (run._record.definition or {})]
