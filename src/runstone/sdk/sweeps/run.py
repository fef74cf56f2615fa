"""SweepRun: a sweep that was submitted, and what has come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runstone.model.errors import Conflict, Gone, HyperDriveException, NotFound
from runstone.model.runs import Status
from runstone.sdk.script_run import ScriptRun
from runstone.sdk.submitting import SWEEP_TYPE
from runstone.sdk.sweeps.bounds import whole
from runstone.sdk.sweeps.results import Goal, Result, of_sweep, results

if TYPE_CHECKING:
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.run import Run


class SweepRun(ScriptRun):
    """A sweep, Azure ML SDK v1's ``HyperDriveRun``: the parent of the runs that it starts.

    It is Completed when its runs have ended and at least one of them has completed, whatever became of the
    others; Failed when none has, or when none has logged the primary metric; Canceled by ``cancel()``, or
    after ``max_duration_minutes``.

    Args:
        experiment: the experiment of the sweep.
        run_id: the id of a sweep that exists.
        hyperdrive_config: accepted; what was asked for is kept with the run.

    Raises:
        UserErrorException: there is no such run, or it is no sweep.
    """

    RUN_TYPE = SWEEP_TYPE

    def __init__(
        self, experiment: Experiment, run_id: str, hyperdrive_config: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(experiment, run_id, **kwargs)
        if self.type != SWEEP_TYPE:
            raise HyperDriveException(f"The run {run_id!r} is no sweep; its type is {self.type!r}.")

    def get_best_run_by_primary_metric(
        self,
        include_failed: bool = True,
        include_canceled: bool = True,
        include_resume_from_runs: bool = True,
    ) -> Run | None:
        """The run with the best value of the primary metric, at whatever moment it had logged it.

        Args:
            include_failed, include_canceled: also runs that ended so.
            include_resume_from_runs: also the runs of sweeps that this one was to learn from.

        Returns:
            The first of the best; None when none has logged the metric.
        """
        left_out = {Status.FAILED: not include_failed, Status.CANCELED: not include_canceled}
        found = list(self._results())
        for sweep in self._resumed() if include_resume_from_runs else ():
            found += sweep._results(self._goal)
        found = [one for one in found if not left_out.get(one.run._record.status)]
        ranked = _ranked(found, self._goal)
        return ranked[0].run if ranked else None

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> list[dict[str, Any]]:
        """The runs, the best first, as ``run_id``, ``hyperparameters`` (JSON), ``best_primary_metric``,
        ``status``.

        Args:
            top: only so many; 0 is all.
            reverse: the worst first.
            discard_no_metric: leave out the runs without the metric, which are the last ones otherwise.
        """
        whole("top", top, least=0)
        found = self._results()
        listed = _ranked(found, self._goal, reverse=reverse)
        if not discard_no_metric:
            listed += [one for one in found if one.best is None]
        return [_shown(one) for one in (listed[:top] if top else listed)]

    def get_hyperparameters(self) -> dict[str, str]:
        """What each run was started with, as JSON, by its id."""
        return {one.run.id: json.dumps(one.sample) for one in self._results()}

    def get_metrics(
        self,
        name: str | None = None,
        recursive: bool = False,
        run_type: str | None = None,
        populate: bool = False,
    ) -> dict[str, Any]:
        """The metrics of all runs of the sweep, by their ids; see ``Run.get_metrics``.

        The sweep's own, ``best_<primary metric>``, is read with ``get_metric_series``.
        """
        found = super().get_metrics(name, True, run_type, populate)
        return {id: metrics for id, metrics in found.items() if id != self.id}

    def cancel(self, children: bool = True) -> bool:  # type: ignore[override] # as the original answers
        """Ask for the end of the sweep and of its runs; returns when the request is recorded.

        Returns:
            Whether there was anything to cancel: of a sweep that has ended, the runs that still go on.
        """
        if not Status(self.get_status()).terminal:
            super().cancel(children)
            return True
        going = [run for run in of_sweep(self) if not run._record.status.terminal] if children else []
        for run in going:
            # it may have ended since
            with suppress(Conflict):
                self._service.jobs.cancel(run._ref)
        return bool(going)

    @cached_property
    def _plan(self) -> Mapping[str, Any]:
        return self._service.jobs.get(self._ref).spec.plan or {}

    @cached_property
    def _goal(self) -> Goal:
        return Goal.of(self._plan)

    def _results(self, goal: Goal | None = None) -> Sequence[Result]:
        return results(self, goal or self._goal)

    def _resumed(self) -> Sequence[SweepRun]:
        found = []
        for id in self._plan["resume_from"]:
            # it may have been deleted since
            with suppress(NotFound, Gone):
                run = type(self).get(self.experiment.workspace, id)
                found += [run] if isinstance(run, SweepRun) else []
        return found


def _ranked(found: Sequence[Result], goal: Goal, *, reverse: bool = False) -> list[Result]:
    valued = [one for one in found if one.best is not None]
    return sorted(valued, key=lambda one: goal.worth(one.best) or 0.0, reverse=not reverse)


def _shown(one: Result) -> dict[str, Any]:
    return {
        "run_id": one.run.id,
        "hyperparameters": json.dumps(one.sample),
        "best_primary_metric": one.best,
        "status": one.run.status,
    }
