"""SweepConfig: one script, a search space, and how far to go."""

from __future__ import annotations

import enum
import logging
from collections.abc import Sequence
from typing import Any

from runstone.model.errors import HyperDriveException
from runstone.sdk.script_run_config import ScriptRunConfig
from runstone.sdk.submitting import SWEEP_TYPE
from runstone.sdk.sweeps.bounds import positive, whole
from runstone.sdk.sweeps.policies import EarlyTerminationPolicy, NoTerminationPolicy
from runstone.sdk.sweeps.sampling import BayesianParameterSampling, HyperParameterSampling

WEEK = 7 * 24 * 60
# Runs for each parameter that Bayesian sampling needs to pay, as the original recommends.
WORTH_IT = 20

_log = logging.getLogger("runstone")


class PrimaryMetricGoal(str, enum.Enum):
    """Whether the greater or the smaller value of the primary metric is the better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> float:
        """By what a value is multiplied, so that the greater is the better."""
        return 1.0 if self is PrimaryMetricGoal.MAXIMIZE else -1.0


class SweepConfig:
    """Many runs of one script: Azure ML SDK v1's ``HyperDriveConfig``.

    Args:
        hyperparameter_sampling: GridParameterSampling, RandomParameterSampling or BayesianParameterSampling.
        primary_metric_name: the metric by which runs are compared, as the script logs it.
        primary_metric_goal: PrimaryMetricGoal.MAXIMIZE or MINIMIZE.
        max_total_runs: at most so many; fewer where the space holds fewer combinations.
        max_concurrent_runs: so many at a time; None starts them all at once.
        max_duration_minutes: then the sweep and what still runs of it are cancelled; a week by default.
        policy: ends runs that fall behind; none by default.
        run_config: a ScriptRunConfig; each run gets ``--name value`` for each parameter behind its arguments.
        resume_from: a sweep's run, or a list of them, from which sampling and policy learn.
        custom_run_id: the id of the sweep's run; ``HD_`` and a GUID by default.
        estimator, pipeline, resume_child_runs: what only the original has; refused.

    Raises:
        HyperDriveException: an argument cannot be; the message says which, and what would be right.
    """

    def __init__(
        self,
        hyperparameter_sampling: HyperParameterSampling,
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal | str,
        max_total_runs: int,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float = WEEK,
        policy: EarlyTerminationPolicy | None = None,
        estimator: Any = None,
        run_config: ScriptRunConfig | None = None,
        resume_from: Any = None,
        resume_child_runs: Any = None,
        pipeline: Any = None,
        debug_flag: Any = None,
        custom_run_id: str | None = None,
    ) -> None:
        _refuse(estimator=estimator, pipeline=pipeline, resume_child_runs=resume_child_runs)
        self.hyperparameter_sampling = _a(
            hyperparameter_sampling, HyperParameterSampling, "hyperparameter_sampling"
        )
        self.run_config = _a(run_config, ScriptRunConfig, "run_config")
        self.policy = _a(policy or NoTerminationPolicy(), EarlyTerminationPolicy, "policy")
        self.primary_metric_name = _metric(primary_metric_name)
        self.primary_metric_goal = _goal(primary_metric_goal)
        self.max_total_runs = whole("max_total_runs", max_total_runs, least=1)
        self.max_concurrent_runs = (
            self.max_total_runs
            if max_concurrent_runs is None
            else whole("max_concurrent_runs", max_concurrent_runs, least=1)
        )
        self.max_duration_minutes = positive("max_duration_minutes", max_duration_minutes)
        self.resume_from = [_sweep(run) for run in _listed(resume_from)]
        self.custom_run_id = custom_run_id
        self._advise()

    def document(self) -> dict[str, Any]:
        """What is to be done, as JSON."""
        return {
            "sampling": self.hyperparameter_sampling.document(),
            "policy": self.policy.document(),
            "primary_metric": {"name": self.primary_metric_name, "goal": self.primary_metric_goal.value},
            "max_total_runs": self.max_total_runs,
            "max_concurrent_runs": self.max_concurrent_runs,
            "max_duration_minutes": self.max_duration_minutes,
            "resume_from": [run.id for run in self.resume_from],
        }

    def __repr__(self) -> str:
        aim = f"{self.primary_metric_goal.value} {self.primary_metric_name}"
        sampling = type(self.hyperparameter_sampling).__name__
        return f"{type(self).__name__}({aim}, {sampling}, {self.max_total_runs} runs)"

    def _advise(self) -> None:
        wanted = WORTH_IT * len(self.hyperparameter_sampling.parameter_space)
        if (
            isinstance(self.hyperparameter_sampling, BayesianParameterSampling)
            and self.max_total_runs < wanted
        ):
            _log.warning(
                "Bayesian sampling pays with %d runs or more, 20 for each parameter; max_total_runs is %d.",
                wanted,
                self.max_total_runs,
            )


def _a(given: Any, kind: type, name: str) -> Any:
    if not isinstance(given, kind):
        raise HyperDriveException(f"{name} is no {kind.__name__}; got {given!r}.")
    return given


def _refuse(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise HyperDriveException(
                f"{name} is not supported; give the script as run_config=ScriptRunConfig(...), and "
                f"earlier sweeps as resume_from."
            )


def _metric(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise HyperDriveException(
            f"primary_metric_name is the name of a metric, like 'accuracy'; got {name!r}."
        )
    return name


def _goal(given: Any) -> PrimaryMetricGoal:
    try:
        return PrimaryMetricGoal(given.lower() if isinstance(given, str) else given)
    except ValueError:
        raise HyperDriveException(
            f"primary_metric_goal is PrimaryMetricGoal.MAXIMIZE or PrimaryMetricGoal.MINIMIZE; got {given!r}."
        ) from None


def _listed(given: Any) -> Sequence[Any]:
    return [] if given is None else given if isinstance(given, list | tuple) else [given]


def _sweep(run: Any) -> Any:
    if getattr(run, "type", None) != SWEEP_TYPE:
        raise HyperDriveException(f"resume_from takes the runs of sweeps; got {run!r}.")
    return run
