"""What is told of a run: the original's details dictionary, the printed output, the card of a notebook."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runstone.model import runs as model
from runstone.sdk import data_of_run

if TYPE_CHECKING:
    from runstone.sdk.lifecycle import Lifecycle
    from runstone.sdk.run import Run

SPARKLINES = 6


def details(run: Lifecycle, logs: Mapping[str, str]) -> dict[str, Any]:
    """The dictionary of ``get_details``; keys without a value are left out, as the original leaves them."""
    record = run._record
    found: dict[str, Any] = {
        "runId": record.id,
        "target": record.target,
        "status": str(record.status),
        "startTimeUtc": model.iso(record.started),
        "endTimeUtc": model.iso(record.ended),
        "services": {},
        "error": error_document(record)
        if record.error and record.status is not model.Status.COMPLETED
        else None,
        "properties": dict(record.properties),
        **data_of_run.shown(run),
        "runDefinition": record.definition,
        "logFiles": dict(logs),
        "submittedBy": record.submitter,
    }
    return {key: value for key, value in found.items() if value is not None}


def error_document(record: model.Run) -> dict[str, Any]:
    """The error as the original shows it, our reason and traceback added."""
    return {"error": dict(record.error or {})}


def address(run: Lifecycle, name: str) -> str:
    """The address of a file of the run."""
    return f"{run.get_portal_url()}/files/{name}"


def print_output(run: Lifecycle, raise_on_error: bool) -> None:
    """Print what ``wait_for_completion(show_output=True)`` prints; people parse these lines."""
    web = run.get_portal_url()
    print(f"RunId: {run.id}\nWeb View: {web}\n")
    for name in run._log_names():
        text = run._log_text(name)
        heading = f"Streaming {name}"
        print(f"{heading}\n{'=' * len(heading)}\n\n{text}")
    print(f"Execution Summary\n=================\nRunId: {run.id}\nWeb View: {web}\n")
    if run._record.status is model.Status.FAILED and not raise_on_error:
        print(f"Error:\n{json.dumps(error_document(run._record), indent=4)}\n")


def card(run: Run) -> dict[str, str]:
    """The fields that a notebook shows."""
    fields = {"Experiment": run.experiment.name, "Id": run.id, "Type": str(run.type), "Status": run.status}
    if run._record.display_name:
        fields = {"Name": run._record.display_name, **fields}
    return {**fields, "Details Page": run.get_portal_url()}


def sparklines(run: Run) -> dict[str, Sequence[float]]:
    """The course of the run's first metrics, for small pictures."""
    found: dict[str, Sequence[float]] = {}
    latest = run._service.metrics.latest(run._ref)
    for name in [name for name in latest if not name.startswith("system.")][:SPARKLINES]:
        if latest[name].points > 1:
            chart = run._service.metrics.chart(run._ref, name, buckets=60)
            found[name] = [float(value) for value in chart.mean if not math.isnan(value)]
    return found
