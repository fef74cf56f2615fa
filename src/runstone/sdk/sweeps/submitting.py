"""Handing a sweep over: the script's code is kept once, and a driver starts and watches its runs."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from runstone.model.errors import AzureMLException, HyperDriveException, NotFound
from runstone.model.jobs import Spec
from runstone.model.runs import NewRun
from runstone.model.runs import Run as Record
from runstone.sdk import submitting
from runstone.sdk.capture import mask_arguments
from runstone.sdk.sweeps.config import SweepConfig
from runstone.sdk.sweeps.sampling import GridParameterSampling, HyperParameterSampling, Sample

if TYPE_CHECKING:
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.run import Run

DRIVER = ("python", "-m", "runstone.sdk.sweeps.driver")
# The tag by which people find a run of a sweep; longer ones are in its definition alone.
TAG = "hyperparameters"
MOST_TAG, MOST_NAME = 5_000, 250


def submit(experiment: Experiment, config: Any, *, tags: Mapping[str, Any] | None, parent: str | None) -> Run:
    """Queue a sweep; returns at once.

    Raises:
        AzureMLException: nothing that can be submitted was given.
        HyperDriveException: there is a run of that ``custom_run_id``.
        ExperimentExecutionException, SnapshotException, UserErrorException: its script cannot be run.
    """
    from runstone.sdk.sweeps.run import SweepRun  # a run submits runs

    if not isinstance(config, SweepConfig):
        raise AzureMLException("Method to be submitted has not been registered.")
    new = _new(experiment, config, tags=tags, parent=parent)
    script = submitting.spec_of(experiment.workspace, config.run_config)
    document = _document(config)
    definition = submitting.definition(config.run_config, script)
    plan = {
        **document,
        "spec": asdict(script),
        "definition": definition,
        "target": submitting.target_of(config.run_config),
        "priority": config.run_config.priority,
    }
    record = submitting.queue(
        experiment,
        new,
        spec=Spec(DRIVER, snapshot=script.snapshot, interpreter=script.interpreter, plan=plan),
        target=plan["target"],
        priority=plan["priority"],
        definition={**definition, "hyperdrive": document},
    )
    return SweepRun._of(experiment, record)


def submit_sample(
    sweep: Run, plan: Mapping[str, Any], number: int, *, sampling: HyperParameterSampling, sample: Sample
) -> Record:
    """Queue the script with one sample, as a child of the sweep."""
    words = [*plan["spec"]["command"], *sampling.words(sample)]
    spec = Spec(**{**plan["spec"], "command": tuple(words)})
    definition = {**plan["definition"], TAG: sample}
    if definition["script"]:
        definition["arguments"] = mask_arguments(words[2:])
    else:
        definition["command"] = " ".join(mask_arguments(words))
    told = json.dumps(sample)
    new = NewRun(
        id=f"{sweep.id}_{number}",
        experiment=sweep.experiment.id,
        parent=sweep._ref,
        type=submitting.RUN_TYPE,
        display_name=sampling.described(sample)[:MOST_NAME],
        submitter=sweep._record.submitter,
        tags={TAG: told} if len(told) <= MOST_TAG else {},
        properties={"azureml.runsource": submitting.RUN_TYPE},
        params=submitting.params_of(words),
    )
    return submitting.queue(
        sweep.experiment,
        new,
        spec=spec,
        target=plan["target"],
        priority=plan["priority"],
        definition=definition,
    )


def _new(
    experiment: Experiment, config: SweepConfig, *, tags: Mapping[str, Any] | None, parent: str | None
) -> NewRun:
    new = submitting.new_run(experiment, config.run_config, tags=tags, parent=parent)
    id = config.custom_run_id or f"HD_{uuid.uuid4()}"
    with suppress(NotFound):
        experiment.workspace._service.runs.get(experiment.workspace._reference(id))
        raise HyperDriveException(f"There is a run {id!r} already; choose another custom_run_id.")
    goal = {"name": config.primary_metric_name, "goal": config.primary_metric_goal.value}
    size = config.hyperparameter_sampling.size
    properties = {
        **new.properties,
        "azureml.runsource": submitting.SWEEP_TYPE,
        "runTemplate": "HyperDrive",
        "primary_metric_config": json.dumps(goal),
        "resume_from": json.dumps([run.id for run in config.resume_from] or None),
        **({} if size is None else {"space_size": str(size)}),
    }
    return replace(new, id=id, type=submitting.SWEEP_TYPE, properties=properties, params={})


def _document(config: SweepConfig) -> dict[str, Any]:
    document = config.document()
    if not isinstance(config.hyperparameter_sampling, GridParameterSampling):
        # a driver that has to begin anew goes the same way, and so does who wants the same sweep again
        document["sampling"].setdefault("properties", {"seed": secrets.randbelow(2**32)})
    return document
