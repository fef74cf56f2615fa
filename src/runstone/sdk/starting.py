"""How a run begins: its id, who runs it, what is captured, and from then on it is tracked."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runstone.journal.identity import here
from runstone.model.errors import UserErrorException
from runstone.model.runs import NewRun, Status
from runstone.sdk import capturing, finding, tracking
from runstone.sdk.capture.environment import user_name
from runstone.service.connect import environment

if TYPE_CHECKING:
    from runstone.sdk.experiment import Experiment
    from runstone.sdk.handle import Handle
    from runstone.sdk.run import Run


def start_run(
    experiment: Experiment,
    *,
    outputs: str | bool | None = True,
    capture: str | bool | None = None,
    run_id: str | None = None,
    kind: type[Run] | None = None,
    **more: Any,
) -> Run:
    """Start a run in this process, Running, tracked, with what is captured without asking."""
    from runstone.sdk.run import Run  # a run starts runs

    begun = capturing.begin(capture)
    more["properties"] = capturing.merged(begun, more.get("properties"))
    record = _create(experiment, _new(experiment, run_id or str(uuid.uuid4()), Status.RUNNING, **more))
    run = (kind or Run)._of(experiment, record)
    run._outputs = _directory(outputs)
    tracking.track(run)
    capturing.follow(run, begun)
    return run


def start_child(parent: Handle, *, run_id: str | None = None, outputs: str | None = None, **more: Any) -> Run:
    """Start a child of a run in this process, Running and tracked."""
    from runstone.sdk.run import Run  # a run starts runs

    inherited = {"parent": parent._ref, "target": parent._record.target}
    new = _new(parent.experiment, run_id or str(uuid.uuid4()), Status.RUNNING, **more, **inherited)
    run = Run._of(parent.experiment, _create(parent.experiment, new))
    run._outputs = _directory(outputs) if outputs else None
    tracking.track(run)
    return run


def create_children(parent: Handle, tags: Sequence[Mapping[str, str | None]]) -> list[Run]:
    """Create one child for each set of tags, in one transaction; they are NotStarted, and nobody's yet."""
    from runstone.sdk.run import Run  # a run starts runs

    new = [
        NewRun(
            id=str(uuid.uuid4()),
            experiment=parent.experiment.id,
            parent=parent._ref,
            target=parent._record.target,
            submitter=user_name(environment()),
            tags=tag,
        )
        for tag in tags
    ]
    if not new:
        return []
    records = parent._service.runs.create(parent.experiment.workspace.name, new)
    return [Run._of(parent.experiment, record) for record in records]


def _new(experiment: Experiment, run_id: str, status: Status, **more: Any) -> NewRun:
    known = {
        "name",
        "display_name",
        "description",
        "parent",
        "tags",
        "properties",
        "params",
        "type",
        "target",
    }
    unknown = set(more) - known
    if unknown:
        raise UserErrorException(
            f"A run is started with {sorted(known - {'parent', 'type', 'target'})}, not {sorted(unknown)}."
        )
    more["tags"] = finding.texts(more.get("tags") or {}, "tag")
    more["properties"] = finding.texts(more.get("properties") or {}, "property")
    more["params"] = {str(key): str(value) for key, value in (more.get("params") or {}).items()}
    return NewRun(
        id=run_id,
        experiment=experiment.id,
        status=status,
        submitter=user_name(environment()),
        process=here(),
        **more,
    )


def _create(experiment: Experiment, new: NewRun) -> Any:
    return experiment.workspace._service.runs.create(experiment.workspace.name, [new])[0]


def _directory(outputs: str | bool | None) -> str | None:
    if outputs is True or outputs is None:
        return "outputs"
    return outputs or None
