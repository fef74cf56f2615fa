"""Handing a script over: its code is kept, its run is queued, and an agent of this machine sees to it."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runstone.model.errors import ExperimentExecutionException
from runstone.model.jobs import LOCAL, Spec
from runstone.model.runs import NewRun
from runstone.model.runs import Run as Record
from runstone.sdk import capturing, finding, job_data, snapshots
from runstone.sdk.capture import mask_arguments, mask_environment, mask_text
from runstone.sdk.capture.environment import user_name
from runstone.sdk.script_run_config import ScriptRunConfig
from runstone.service import surroundings
from runstone.service.agents import start_agent
from runstone.service.connect import environment

if TYPE_CHECKING:
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.run import Run
    from runstone.sdk.workspace import Workspace

RUN_TYPE = "azureml.scriptrun"
SWEEP_TYPE = "hyperdrive"


def submit(
    experiment: Experiment,
    config: Any,
    *,
    tags: Mapping[str, Any] | None = None,
    parent: str | None = None,
) -> Run:
    """Queue a run; returns at once.

    Raises:
        AzureMLException: nothing that can be submitted was given.
        ExperimentExecutionException, SnapshotException, UserErrorException: the configuration cannot be run.
    """
    from runstone.sdk.script_run import ScriptRun  # a run submits runs

    if not isinstance(config, ScriptRunConfig):
        from runstone.sdk.sweeps import submitting as sweeps  # few scripts submit sweeps

        return sweeps.submit(experiment, config, tags=tags, parent=parent)
    spec = spec_of(experiment.workspace, config)
    record = queue(
        experiment,
        new_run(experiment, config, tags=tags, parent=parent),
        spec=spec,
        target=target_of(config),
        priority=config.priority,
        definition=definition(config, spec),
    )
    return ScriptRun._of(experiment, record)


def queue(
    experiment: Experiment,
    new: NewRun,
    *,
    spec: Spec,
    target: str,
    priority: int,
    definition: Mapping[str, Any],
) -> Record:
    """Queue a run and its job, leave the environment for who starts it, and see that somebody does."""
    service = experiment.workspace._service
    if "://" in service.address:
        raise ExperimentExecutionException(
            f"Scripts are not yet submitted through a server ({service.address}): submit where the history's "
            f"directory is, or run the script itself, which logs to the server."
        )
    masked = _masked(spec)
    ref = experiment.workspace._reference(new.id)
    # before there is a job: an agent may take it at once
    surroundings.leave(service.root, ref, environ=environment())
    if masked.aside:
        surroundings.put_aside(service.root, ref, spec=spec)
    try:
        record = service.jobs.submit(
            experiment.workspace.name,
            replace(new, links=job_data.links_of(spec)),
            spec=masked,
            target=target,
            priority=priority,
            definition=definition,
        )
    except BaseException:
        surroundings.remove(service.root, ref)
        raise
    start_agent(service.root, environment())
    return record


def spec_of(workspace: Workspace, config: ScriptRunConfig) -> Spec:
    """What a supervisor needs to know; the source directory is kept now."""
    words = config.words()
    limit = config.limit()
    config.check_processes()
    variables = dict(getattr(config.environment, "environment_variables", None) or {})
    return Spec(
        command=words,
        snapshot=snapshots.take(workspace._service, config.source_directory or "."),
        environment=config.environment.document() if config.environment is not None else None,
        variables={str(name): str(value) for name, value in variables.items()},
        interpreter=sys.executable,
        max_seconds=limit,
        data=job_data.document(workspace, config),
    )


def _masked(spec: Spec) -> Spec:
    """The same as the database may have it; secrets are for the supervisor alone."""
    plain = {"command": [*spec.command], "variables": spec.variables, "environment": spec.environment}
    masked = without_secrets({**plain, "plan": spec.plan})
    if masked == {**plain, "plan": spec.plan}:
        return spec
    return replace(spec, **{**masked, "command": tuple(masked["command"])}, aside=True)


def without_secrets(part: Any, key: str = "") -> Any:
    """A document as everybody may see it, its secrets masked."""
    if isinstance(part, str):
        return mask_text(part)
    if isinstance(part, Mapping) and key in ("variables", "environment_variables", "environmentVariables"):
        return mask_environment(part)
    if isinstance(part, Mapping):
        return {name: without_secrets(value, name) for name, value in part.items()}
    if not isinstance(part, (list, tuple)):
        return part
    return mask_arguments(part) if key == "command" else [without_secrets(value) for value in part]


def new_run(
    experiment: Experiment, config: ScriptRunConfig, *, tags: Mapping[str, Any] | None, parent: str | None
) -> NewRun:
    """The run that a configuration becomes."""
    begun = capturing.begin(None)
    return NewRun(
        id=f"{experiment.name}_{int(time.time())}_{uuid.uuid4().hex[:8]}",
        experiment=experiment.id,
        parent=parent,
        type=RUN_TYPE,
        submitter=user_name(environment()),
        tags=finding.texts(tags or {}, "tag"),
        properties={**begun.quick.properties, "azureml.runsource": RUN_TYPE},
        params=params_of(config.words()),
    )


def params_of(words: Sequence[str]) -> dict[str, str]:
    """Arguments of the form ``--key value`` and ``--key=value``, as parameters; secrets masked."""
    masked = list(mask_arguments(words))
    params: dict[str, str] = {}
    for word, following in zip(masked, [*masked[1:], None], strict=True):
        if not word.startswith("--") or len(word) == 2:
            continue
        key, equals, value = word[2:].partition("=")
        if not equals:
            value = "True" if following is None or following.startswith("--") else following
        params[key] = value
    return params


def target_of(config: ScriptRunConfig) -> str:
    """The name of the compute target."""
    given = config.compute_target
    return str(getattr(given, "name", given) or LOCAL)


def definition(config: ScriptRunConfig, spec: Spec) -> dict[str, Any]:
    """What was asked for, under the original's keys, for everybody who may see the run."""
    environment = None if spec.environment is None else without_secrets(spec.environment["definition"])
    words = mask_arguments(spec.command)
    return {
        "script": words[1] if config.script else None,
        "command": " ".join(words) if config.command else "",
        "useAbsolutePath": False,
        "arguments": words[2:] if config.script else [],
        "framework": "Python",
        "communicator": "None",
        "target": target_of(config),
        "maxRunDurationSeconds": config.max_run_duration_seconds,
        "nodeCount": spec.nodes,
        "priority": config.priority,
        "environment": environment,
    }
