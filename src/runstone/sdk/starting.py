"""How a run begins: its id, who runs it, what is captured, and from then on it is tracked."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
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

# What a script may say of a run that it starts, and what is said by its place in the history.
ATTRIBUTES: dict[str, Callable[[Any], Any]] = {
    "tags": finding.tags,
    "properties": finding.properties,
    "params": finding.params,
}
TAKEN = ("name", "display_name", "description", *ATTRIBUTES)
GIVEN = ("parent", "target", "type")


def start_run(
    experiment: Experiment,
    *,
    outputs: str | bool | None = True,
    capture: str | bool | Iterable[str] | None = None,
    run_id: str | None = None,
    kind: type[Run] | None = None,
    **more: Any,
) -> Run:
    """Start a run in this process, Running, tracked, with what is captured without asking."""
    from runstone.sdk.run import Run  # a run starts runs

    begun = capturing.begin(capture)
    more["properties"] = capturing.merged(begun, finding.properties(more.get("properties") or {}))
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
    unknown = set(more) - {*TAKEN, *GIVEN}
    if unknown:
        raise UserErrorException(f"A run is started with {sorted(TAKEN)}, not {sorted(unknown)}.")
    for name, texts in ATTRIBUTES.items():
        more[name] = {} if more.get(name) is None else texts(more[name])
    return NewRun(
        id=run_id,
        experiment=experiment.id,
        status=status,
        submitter=user_name(environment()),
        process=here(),
        **more,
    )


def _create(experiment: Experiment, new: NewRun) -> Any:
    workspace = experiment.workspace
    ref = workspace._reference(new.id)
    tracking.announce(ref, lambda: workspace.get_run(new.id))
    try:
        return workspace._service.runs.create(workspace.name, [new])[0]
    except Exception:
        # an interrupt is none: it may come when the run is there already
        tracking.retract(ref)
        raise


def _directory(outputs: str | bool | None) -> str | None:
    if outputs is True or outputs is None:
        return "outputs"
    return outputs or None
