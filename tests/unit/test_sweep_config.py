"""What a sweep is configured with: the original's arguments in its order, and what is refused."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from runstone import ScriptRunConfig, SweepConfig, SweepRun
from runstone.model.errors import HyperDriveException
from runstone.sdk.sweeps import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    PrimaryMetricGoal,
    RandomParameterSampling,
    TruncationSelectionPolicy,
    choice,
    uniform,
)

SCRIPT = ScriptRunConfig(".", "train.py")
SPACE = GridParameterSampling({"lr": choice(0.1, 0.2)})
# As the documentation of the original has them.
ORIGINAL = {
    SweepConfig: "hyperparameter_sampling, primary_metric_name, primary_metric_goal, max_total_runs, "
    "max_concurrent_runs=None, max_duration_minutes=10080, policy=None, estimator=None, run_config=None, "
    "resume_from=None, resume_child_runs=None, pipeline=None, debug_flag=None, custom_run_id=None",
    BanditPolicy: "evaluation_interval=1, slack_factor=None, slack_amount=None, delay_evaluation=0",
    MedianStoppingPolicy: "evaluation_interval=1, delay_evaluation=0",
    TruncationSelectionPolicy: "truncation_percentage, evaluation_interval=1, delay_evaluation=0, "
    "exclude_finished_jobs=False",
    NoTerminationPolicy: "",
    RandomParameterSampling: "parameter_space, properties=None",
    GridParameterSampling: "parameter_space",
    BayesianParameterSampling: "parameter_space, properties=None",
    SweepRun: "experiment, run_id, hyperdrive_config=None",
    SweepRun.get_best_run_by_primary_metric: "self, include_failed=True, include_canceled=True, "
    "include_resume_from_runs=True",
    SweepRun.get_children_sorted_by_primary_metric: "self, top=0, reverse=False, discard_no_metric=False",
}


def make(**given: Any) -> SweepConfig:
    """A configuration that is right but for what is given."""
    right: dict[str, Any] = {
        "hyperparameter_sampling": SPACE,
        "primary_metric_name": "accuracy",
        "primary_metric_goal": PrimaryMetricGoal.MAXIMIZE,
        "max_total_runs": 4,
        "run_config": SCRIPT,
    }
    return SweepConfig(**{**right, **given})


@pytest.mark.parametrize("call", ORIGINAL, ids=lambda call: call.__qualname__)
def test_arguments_are_those_of_the_original_in_its_order(call: Any):
    taken = [
        name if one.default is one.empty else f"{name}={one.default!r}"
        for name, one in inspect.signature(call).parameters.items()
        if one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    assert ", ".join(taken) == ORIGINAL[call]


def test_what_is_not_given_is_as_in_the_original():
    config = make()
    assert isinstance(config.policy, NoTerminationPolicy)
    assert (config.max_concurrent_runs, config.max_duration_minutes) == (4, 10080)
    assert make(primary_metric_goal="MINIMIZE").primary_metric_goal is PrimaryMetricGoal.MINIMIZE
    assert repr(config) == "SweepConfig(maximize accuracy, GridParameterSampling, 4 runs)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_total_runs": 0}, "max_total_runs is a whole number from 1 on; got 0"),
        ({"max_total_runs": None}, "got None"),
        ({"max_total_runs": True}, "got True"),
        ({"max_concurrent_runs": -1}, "max_concurrent_runs is a whole number from 1 on; got -1"),
        ({"max_concurrent_runs": 2.5}, "got 2.5"),
        ({"max_duration_minutes": 0}, "max_duration_minutes is a number above 0; got 0"),
        ({"primary_metric_name": ""}, "primary_metric_name is the name of a metric"),
        ({"primary_metric_name": None}, "got None"),
        (
            {"primary_metric_goal": "best"},
            "PrimaryMetricGoal.MAXIMIZE or PrimaryMetricGoal.MINIMIZE; got 'best'",
        ),
        ({"primary_metric_goal": None}, "got None"),
        (
            {"hyperparameter_sampling": {"lr": uniform(0, 1)}},
            "hyperparameter_sampling is no HyperParameterSampling",
        ),
        ({"policy": "bandit"}, "policy is no EarlyTerminationPolicy; got 'bandit'"),
        ({"run_config": None}, "run_config is no ScriptRunConfig; got None"),
        ({"estimator": object()}, "estimator is not supported; give the script as run_config"),
        ({"pipeline": object()}, "pipeline is not supported"),
        ({"resume_child_runs": []}, "resume_child_runs is not supported"),
        ({"resume_from": "HD_1"}, "resume_from takes the runs of sweeps; got 'HD_1'"),
    ],
)
def test_configurations_that_cannot_be_are_refused_where_they_are_written(given: dict[str, Any], said: str):
    with pytest.raises(HyperDriveException) as caught:
        make(**given)
    assert said in caught.value.message


def test_an_argument_that_nobody_knows_is_the_usual_error():
    with pytest.raises(TypeError, match="max_runs"):
        make(max_runs=3)
