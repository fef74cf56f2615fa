"""What is printed of a run: its JSON document, and the row of a table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runstone.cli.values import local, number, plain, spoken

if TYPE_CHECKING:
    from runstone.model.runs import Run
    from runstone.service.connect import Service

KEY_METRICS = 3
LAST_LINES = 20
_LOGS = ("logs/", "user_logs/", "system_logs/", "azureml-logs/")


def document(service: Service, run: Run, *, workspace: str) -> dict[str, Any]:
    """The run under the names of the contract; ``metrics`` are last values, times ISO 8601 in UTC."""
    return next(documents(service, [run], workspace=workspace))


def documents(
    service: Service, runs: Sequence[Run], *, workspace: str, minimal: bool = False
) -> Iterator[dict[str, Any]]:
    """The same of several runs, in their order; ``minimal`` leaves out what is not in their records."""
    from runstone.store.runs import reference  # loaded by the commands that need it: `--help` is quick

    refs = {run.id: reference(workspace, run.id) for run in runs}
    # of a run that was deleted the record alone can be read
    whole = [] if minimal else [refs[run.id] for run in runs if not run.deleted]
    latest = service.metrics.latest_of(whole) if whole else {}
    for run in runs:
        ref = refs[run.id]
        logs = _logs(service, ref, run.id) if ref in latest else {}
        last = {name: _last(one) for name, one in sorted(latest.get(ref, {}).items())}
        yield {
            **_record(run),
            "metrics": last,
            "error": dict(run.error) if run.error else None,
            "logFiles": logs,
        }


def table(documents: Sequence[Mapping[str, Any]], order_by: str = "") -> list[dict[str, str]]:
    """A row for each document: what a person looks for first, and the metrics that most of them have."""
    names = key_metrics(documents, order_by)
    found = [
        {
            "Run": row["runId"],
            "Name": "" if row["displayName"] == row["runId"] else row["displayName"],
            "Experiment": row["experimentName"],
            "Status": row["status"],
            "Started": local(row["startTimeUtc"]),
            "Duration": _duration(row),
            **{name: number(row["metrics"].get(name)) for name in names},
        }
        for row in documents
    ]
    if not any(row["Name"] for row in found):
        return [{name: text for name, text in row.items() if name != "Name"} for row in found]
    return found


def key_metrics(documents: Sequence[Mapping[str, Any]], order_by: str = "") -> list[str]:
    """The metrics that are ordered by, then those that most runs have; never those of the machine, nor those
    without a last value, such as tables."""
    counts = Counter(
        name
        for row in documents
        for name, value in row["metrics"].items()
        if value is not None and not name.startswith("system.")
    )
    asked = [name for name in counts if f"metrics.{name}" in order_by or f"metrics.`{name}`" in order_by]
    common = [name for name, _ in counts.most_common() if name not in asked]
    return (asked + common)[:KEY_METRICS]


def _record(run: Run) -> dict[str, Any]:
    from runstone.model.runs import iso  # loaded by the commands that need it: `--help` is quick

    return {
        "runId": run.id,
        "runNumber": run.number,
        "experimentName": run.experiment,
        "experimentId": run.experiment_id,
        "displayName": run.shown_name,
        "description": run.description,
        "status": str(run.status),
        "runType": run.type,
        "target": run.target,
        "submittedBy": run.submitter,
        "parentRunId": run.parent,
        "rootRunId": run.root,
        "createdUtc": iso(run.created),
        "startTimeUtc": iso(run.started),
        "endTimeUtc": iso(run.ended),
        "durationSeconds": run.duration,
        "tags": dict(run.tags),
        "properties": dict(run.properties),
        "params": dict(run.params),
    }


def card(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """One document as lines of name and value, what is empty left out."""
    lines = [
        ("Run", row["runId"]),
        ("Name", "" if row["displayName"] == row["runId"] else row["displayName"]),
        ("Experiment", f"{row['experimentName']}, run {row['runNumber']}"),
        ("Status", row["status"]),
        ("Error", _error(row["error"])),
        ("Started", local(row["startTimeUtc"])),
        ("Duration", _duration(row)),
        ("By", row["submittedBy"] or ""),
        ("Parent", row["parentRunId"] or ""),
        ("Description", row["description"] or ""),
    ]
    for title, key in (("Tags", "tags"), ("Params", "params"), ("Metrics", "metrics")):
        lines += _group(title, {name: value for name, value in row[key].items() if not _machine(key, name)})
    lines += _group(
        "Properties", {k: v for k, v in row["properties"].items() if not k.startswith("runstone.")}
    )
    return [(name, text) for name, text in lines if text]


def _last(latest: Any) -> Any:
    return latest.value if latest.last is None else plain(latest.last)


def _logs(service: Service, ref: str, id: str) -> dict[str, str]:
    workspace = ref.partition("/")[0]
    names = [artifact.name for artifact in service.artifacts.list(ref) if artifact.name.startswith(_LOGS)]
    return {name: f"runstone://{workspace}/runs/{id}/files/{name}" for name in names}


def _duration(row: Mapping[str, Any]) -> str:
    seconds = row["durationSeconds"]
    if seconds is None and row["startTimeUtc"] and row["endTimeUtc"] is None:
        begun = datetime.fromisoformat(row["startTimeUtc"].replace("Z", "+00:00")).timestamp()
        return f"{spoken(max(0.0, time.time() - begun))} so far"
    return "" if seconds is None else spoken(seconds)


def _error(error: Mapping[str, Any] | None) -> str:
    if error is None:
        return ""
    said = f"{error.get('code')}: {error.get('message') or ''}".rstrip(": ")
    last = error.get("lastLines") or str(error.get("traceback") or "").splitlines()
    return "\n".join([said, *map(str, last[-LAST_LINES:])])


def _group(title: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [name if value is None else f"{name} = {number(value)}" for name, value in values.items()]
    return [(title if at == 0 else " ", line) for at, line in enumerate(lines)]


def _machine(key: str, name: str) -> bool:
    return key == "metrics" and name.startswith("system.")
