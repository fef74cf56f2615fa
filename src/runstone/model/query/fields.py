"""What a filter may name: groups, reducers, attributes, statuses, and the aliases that MLflow uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from runstone.model.runs import Status

# "loose" is what a person gave (params, tags, properties): text, and a number where it reads as one.
Kind = Literal["text", "loose", "number", "status", "time", "duration", "flag"]

ATTRIBUTES: dict[str, Kind] = {
    "status": "status",
    "experiment": "text",
    "experiment_id": "text",
    "display_name": "text",
    "name": "text",
    "description": "text",
    "run_id": "text",
    "run_number": "number",
    "type": "text",
    "target": "text",
    "submitter": "text",
    "created": "time",
    "started": "time",
    "ended": "time",
    "duration": "duration",
    "parent": "text",
    "root": "text",
    "depth": "number",
    "children": "number",
    "archived": "flag",
    "deleted": "flag",
    "artifact_uri": "text",
}

# MLflow's names; what it writes with spaces or capitals is looked up in lower case, with underscores.
ATTRIBUTE_ALIASES = {
    "start_time": "started",
    "end_time": "ended",
    "run_name": "display_name",
    "run_uuid": "run_id",
    "user_id": "submitter",
}

# Tags by which MLflow keeps what is an attribute here: the attribute answers for a run without the tag.
TAG_ALIASES = {
    "mlflow.parentRunId": "parent",
    "mlflow.rootRunId": "root",
    "mlflow.runName": "display_name",
    "mlflow.user": "submitter",
    "mlflow.note.content": "description",
}

GROUPS = {
    "metrics": "metrics",
    "metric": "metrics",
    "params": "params",
    "param": "params",
    "parameters": "params",
    "parameter": "params",
    "tags": "tags",
    "tag": "tags",
    "properties": "properties",
    "property": "properties",
    "system": "system",
    "datasets": "datasets",
    "dataset": "datasets",
    "attributes": "attributes",
    "attribute": "attributes",
    "attr": "attributes",
    "run": "attributes",
}

# How the sampled metrics of `system.` are named among a run's metrics.
SYSTEM = "system."

DATASET_NAMES = ("name", "digest", "context")
REDUCERS = ("last", "min", "max", "first", "count", "mean")
TEXT_OPERATORS = ("like", "ilike", "contains", "startswith")
KEY_WORDS = frozenset({"and", "or", "not", "in", "between", "is", "has", "missing", *TEXT_OPERATORS})

_WAITING = (Status.NOT_STARTED, Status.STARTING, Status.PROVISIONING, Status.PREPARING, Status.QUEUED)
_STATUS_ALIASES: dict[str, tuple[Status, ...]] = {
    "cancelled": (Status.CANCELED,),
    "killed": (Status.CANCELED,),
    "finished": (Status.COMPLETED,),
    "scheduled": _WAITING,
}
STATUSES: dict[str, tuple[Status, ...]] = {
    **{status.value.lower(): (status,) for status in Status},
    **_STATUS_ALIASES,
}


def attribute(name: str) -> str | None:
    """The attribute that a name, in any case or in MLflow's spelling, stands for."""
    plain = name.strip().lower().replace(" ", "_")
    plain = ATTRIBUTE_ALIASES.get(plain, plain)
    return plain if plain in ATTRIBUTES else None


def status_name(text: str) -> str | None:
    """A status as a tree has it: the state's own spelling, or an alias for several in lower case."""
    found = STATUSES.get(text.strip().lower().replace("_", "").replace(" ", ""))
    if found is None:
        return None
    return found[0].value if len(found) == 1 else text.strip().lower()


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, if any is like it at all."""
    # for names that are wrong alone
    import difflib

    lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower()[:120], lower, 1, 0.6)
    return lower[close[0]] if close else None


def shown(text: str) -> str:
    """A piece of a filter for a message, in quotes and cut."""
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"
