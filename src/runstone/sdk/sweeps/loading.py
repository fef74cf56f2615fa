"""A sweep as a file says it: the form that `az ml run submit-hyperdrive` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runstone.model.errors import HyperDriveException
from runstone.model.yaml_documents import read_yaml
from runstone.sdk.script_run_config import ScriptRunConfig
from runstone.sdk.sweeps.config import PrimaryMetricGoal, SweepConfig
from runstone.sdk.sweeps.policies import (
    BanditPolicy,
    EarlyTerminationPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
)
from runstone.sdk.sweeps.sampling import (
    BayesianParameterSampling,
    GridParameterSampling,
    HyperParameterSampling,
    RandomParameterSampling,
)

SAMPLINGS = {
    "grid": GridParameterSampling,
    "random": RandomParameterSampling,
    "bayesian": BayesianParameterSampling,
}
POLICIES = {
    "banditpolicy": BanditPolicy,
    "medianstoppingpolicy": MedianStoppingPolicy,
    "truncationselectionpolicy": TruncationSelectionPolicy,
    "noterminationpolicy": NoTerminationPolicy,
}
GOALS = {goal.value: goal for goal in PrimaryMetricGoal}
PLAIN = ("primary_metric_name", "max_total_runs", "max_concurrent_runs", "max_duration_minutes")
REQUIRED = ("sampling", "primary_metric_name", "primary_metric_goal", "max_total_runs")


def load(file: Path, run_config: ScriptRunConfig) -> SweepConfig:
    """The sweep that a YAML (or JSON) file describes, of the script of a configuration.

    Raises:
        HyperDriveException: the file lacks what a sweep needs, or says what none understands.
        UserErrorException: it cannot be read.
    """
    document = read_yaml(file.read_text(encoding="utf-8-sig"), f"file {file}")
    if not isinstance(document, Mapping):
        raise HyperDriveException(f"{file} holds no sweep: it has to hold keys and values.")
    missing = [key for key in REQUIRED if key not in document]
    unknown = sorted(set(map(str, document)) - {*REQUIRED, *PLAIN, "policy"})
    if missing or unknown:
        wrong = f"it lacks {', '.join(missing)}" if missing else f"it has the unknown {', '.join(unknown)}"
        raise HyperDriveException(f"{file} is no sweep: {wrong}.")
    return SweepConfig(
        _sampling(document["sampling"]),
        primary_metric_goal=_one(GOALS, document["primary_metric_goal"], "primary_metric_goal"),
        policy=_policy(document["policy"]) if document.get("policy") else None,
        run_config=run_config,
        **{key: document[key] for key in PLAIN if key in document},
    )


def _sampling(given: Any) -> HyperParameterSampling:
    if not isinstance(given, Mapping):
        raise HyperDriveException(f"sampling has a type and a parameter_space; got {given!r}.")
    kind = _one(SAMPLINGS, given.get("type"), "type of sampling")
    found: HyperParameterSampling = kind(_space(given.get("parameter_space")))
    return found


def _space(given: Any) -> dict[str, Any]:
    """A space as a mapping, or as the original's list of name, expression and values."""
    if isinstance(given, Mapping):
        return dict(given)
    entries = given if isinstance(given, list) else [given]
    space = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or not {"name", "expression", "values"} <= set(entry):
            raise HyperDriveException(
                f"A parameter has a name, an expression and values, like {{name: --lr, expression: uniform, "
                f"values: [0.01, 0.1]}}; got {entry!r}."
            )
        values = entry["values"] if isinstance(entry["values"], list) else [entry["values"]]
        call = str(entry["expression"])
        space[str(entry["name"])] = [call, [values] if call == "choice" else values]
    return space


def _policy(given: Any) -> EarlyTerminationPolicy:
    if not isinstance(given, Mapping):
        raise HyperDriveException(f"policy has a type, and what that type takes; got {given!r}.")
    more = {str(key): value for key, value in given.items() if key != "type"}
    kind: Any = _one(POLICIES, given.get("type"), "type of policy")
    try:
        found: EarlyTerminationPolicy = kind(**more)
    except TypeError as error:
        raise HyperDriveException(f"The policy {given.get('type')!r} takes other values: {error}.") from None
    return found


def _one(known: Mapping[str, Any], given: Any, what: str) -> Any:
    found = known.get(str(given).lower())
    if found is None:
        raise HyperDriveException(f"The {what} is one of {', '.join(known)}; got {given!r}.")
    return found
