"""A script to be swept, and what tests do with its sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psutil

from runstone import Run, SweepConfig, SweepRun
from runstone.sdk.sweeps import (
    GridParameterSampling,
    HyperParameterSampling,
    PrimaryMetricGoal,
)
from tests.launch.conftest import Bench

# Logs a hill with its top at x = 3, in three steps.
HILL = """
import argparse
from azureml.core import Run
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--width", type=int, default=1)
args = parser.parse_args()
run = Run.get_context(allow_offline=False)
for step in range(3):
    run.log("score", step - (args.x - 3) ** 2)
"""
WAITS = "import time\nprint('ready', flush=True)\ntime.sleep(600)\n"


def config(bench: Bench, text: str, sampling: HyperParameterSampling | Mapping[str, Any], **more: Any) -> Any:
    """A sweep of a script with this text, over a grid unless another sampling is given."""
    made = sampling if isinstance(sampling, HyperParameterSampling) else GridParameterSampling(sampling)
    given = {"primary_metric_name": "score", "primary_metric_goal": PrimaryMetricGoal.MAXIMIZE, **more}
    return SweepConfig(
        made, max_total_runs=given.pop("max_total_runs", 10), run_config=bench.config(text), **given
    )


def submit(
    bench: Bench, text: str, sampling: HyperParameterSampling | Mapping[str, Any], **more: Any
) -> SweepRun:
    """Submit such a sweep."""
    run = bench.experiment.submit(config(bench, text, sampling, **more))
    assert isinstance(run, SweepRun)
    return run


def of(sweep: Run) -> list[Run]:
    """The runs of a sweep, as they were started."""
    return sorted(sweep.get_children(), key=lambda run: run.number)


def statuses(sweep: Run) -> list[str]:
    return [run.get_status() for run in of(sweep)]


def driver(bench: Bench, sweep: SweepRun) -> psutil.Process:
    """The process that drives a sweep, not the shell above it."""
    found = [process for process in bench.processes(sweep) if "python" in process.name()]
    return next(process for process in found if "runstone.sdk.sweeps.driver" in process.cmdline())
