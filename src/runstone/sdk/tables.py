"""Runs as a table in a file: CSV, Parquet, or a JSON document a line. Written in parts, however many runs."""

from __future__ import annotations

import csv
import importlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runstone.model import runs as model
from runstone.model.errors import Full, Invalid, UserErrorException
from runstone.model.metrics import Latest
from runstone.model.portable import Exported
from runstone.sdk.transfer import Progress, searched
from runstone.store.runs import reference

if TYPE_CHECKING:
    from runstone.service.connect import Service

# Runs that are in memory at once.
PART = 500
# What a spreadsheet takes for a formula, when a cell begins with it.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
# The columns that every table has, in this order; then params.*, tags.*, properties.* and metrics.*.
TEXT, WHOLE, NUMBER = "text", "whole", "number"
ATTRIBUTES = {
    "run_id": TEXT,
    "run_number": WHOLE,
    "experiment": TEXT,
    "experiment_id": TEXT,
    "display_name": TEXT,
    "description": TEXT,
    "status": TEXT,
    "type": TEXT,
    "target": TEXT,
    "submitter": TEXT,
    "parent": TEXT,
    "root": TEXT,
    "created": TEXT,
    "started": TEXT,
    "ended": TEXT,
    "duration": NUMBER,
    "error": TEXT,
}
GROUPS = ("params", "tags", "properties", "metrics")


@dataclass(frozen=True)
class Table:
    """A table that is to be written: where, as csv, parquet or ndjson, and whether for machines."""

    path: Path
    form: str
    machine: bool = False


def export_table(
    service: Service, workspace: str, *, filter: str, table: Table, progress: Progress
) -> Exported:
    """Write the runs that match, newest first; the file is there whole, or not at all."""
    total = service.runs.count(workspace, filter)
    found = _noted(searched(service, workspace, filter), total, progress)
    documents = _documents(service, workspace, found)
    with _placed(table.path) as file:
        if table.form == "ndjson":
            runs = _write_lines(file, (_nested(one) for one in documents))
        else:
            runs = _write_columns(file, table, documents)
    return Exported(runs, table.path.stat().st_size)


def guarded(value: Any) -> Any:
    """A cell of CSV that no spreadsheet takes for a formula: a ``'`` stands before a text that looks so."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def _noted(found: Iterator[model.Run], total: int, progress: Progress) -> Iterator[model.Run]:
    done = 0
    for run in found:
        progress(done, max(total, done + 1), text=run.id)
        yield run
        done += 1
    progress(done, done, text="")


def _documents(service: Service, workspace: str, found: Iterator[model.Run]) -> Iterator[dict[str, Any]]:
    while part := list(islice(found, PART)):
        latest = service.metrics.latest_of([reference(workspace, run.id) for run in part])
        yield from (_document(run, latest[reference(workspace, run.id)]) for run in part)


def _document(run: model.Run, latest: Mapping[str, Latest]) -> dict[str, Any]:
    error = run.error or {}
    return {
        "run_id": run.id,
        "run_number": run.number,
        "experiment": run.experiment,
        "experiment_id": run.experiment_id,
        "display_name": run.shown_name,
        "description": run.description,
        "status": str(run.status),
        "type": run.type,
        "target": run.target,
        "submitter": run.submitter,
        "parent": run.parent,
        "root": run.root,
        "created": model.iso(run.created),
        "started": model.iso(run.started),
        "ended": model.iso(run.ended),
        "duration": run.duration,
        "error": error.get("message") or error.get("code"),
        "params": dict(run.params),
        "tags": dict(run.tags),
        "properties": dict(run.properties),
        "metrics": {name: one.last for name, one in sorted(latest.items()) if one.last is not None},
    }


def _nested(document: Mapping[str, Any]) -> dict[str, Any]:
    metrics = {name: _plain(value) for name, value in document["metrics"].items()}
    return {**document, "metrics": metrics}


def _plain(value: float) -> float | str:
    # JSON has no word for these three
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _write_lines(file: IO[bytes], documents: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    for document in documents:
        file.write(json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        count += 1
    return count


def _write_columns(file: IO[bytes], table: Table, documents: Iterable[Mapping[str, Any]]) -> int:
    """The columns are known when the last run is: until then the rows wait in a file."""
    names: dict[str, set[str]] = {group: set() for group in GROUPS}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        count = 0
        for document in documents:
            for group, known in names.items():
                known.update(document[group])
            waiting.write(json.dumps(document) + "\n")
            count += 1
        waiting.seek(0)
        columns = dict(ATTRIBUTES)
        for group, known in names.items():
            kind = NUMBER if group == "metrics" else TEXT
            columns |= {f"{group}.{name}": kind for name in sorted(known)}
        rows = (_flat(json.loads(line)) for line in waiting)
        write = _write_csv if table.form == "csv" else _write_parquet
        write(file, columns, rows, table.machine)
    return count


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    groups = {group: document.pop(group) for group in GROUPS}
    # a tag without a value is there all the same
    groups["tags"] = {key: value or "" for key, value in groups["tags"].items()}
    named = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    return document | named


def _write_csv(
    file: IO[bytes], columns: Mapping[str, str], rows: Iterator[dict[str, Any]], machine: bool
) -> None:
    safe: Callable[[Any], Any] = (lambda value: value) if machine else guarded
    text = _Encoded(file)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([safe(name) for name in columns])
    for row in rows:
        writer.writerow([safe(row.get(name)) for name in columns])


def _write_parquet(
    file: IO[bytes], columns: Mapping[str, str], rows: Iterator[dict[str, Any]], machine: bool
) -> None:
    arrow, parquet = _module("pyarrow"), _module("pyarrow.parquet")
    types = {TEXT: arrow.string(), WHOLE: arrow.int64(), NUMBER: arrow.float64()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])
    with parquet.ParquetWriter(file, schema) as writer:
        while part := list(islice(rows, PART)):
            values = {name: [row.get(name) for row in part] for name in columns}
            writer.write_table(arrow.table(values, schema=schema))


class _Encoded:
    """What csv writes to: texts as UTF-8."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode("utf-8", "replace"))


@contextmanager
def _placed(path: Path) -> Iterator[IO[bytes]]:
    """A file beside its place, and put there when nothing has failed."""
    if path.exists() and not path.is_file():
        raise Invalid(f"{path} is no file, and would become one; name another place.")
    part = path.with_name(f"{path.name}.part")
    try:
        file = open(part, "wb")  # noqa: SIM115  (closed below, before it is renamed)
    except OSError as error:
        raise Invalid(f"{path} cannot be written ({error.strerror}); name another place.") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise Full(f"{path} cannot be written ({error.strerror}); nothing is left of it.") from error
    finally:
        part.unlink(missing_ok=True)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserErrorException(
            "Parquet is written with pyarrow, which is not installed: pip install 'runstone[frames]'."
        ) from error
