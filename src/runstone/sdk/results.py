"""The result of a search: runs, and the same as a data frame."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from runstone.model import runs as model
from runstone.model.errors import UserErrorException
from runstone.model.metrics import Latest

if TYPE_CHECKING:
    from runstone.sdk.run import Run
    from runstone.sdk.workspace import Workspace


# The columns that every table has, also one without runs.
ATTRIBUTES: Mapping[str, Callable[[model.Run], Any]] = {
    "run_id": lambda record: record.id,
    "run_number": lambda record: record.number,
    "experiment": lambda record: record.experiment,
    "display_name": lambda record: record.shown_name,
    "status": lambda record: str(record.status),
    "created": lambda record: model.iso(record.created),
    "started": lambda record: model.iso(record.started),
    "ended": lambda record: model.iso(record.ended),
    "duration": lambda record: record.duration,
    "parent": lambda record: record.parent,
    "submitter": lambda record: record.submitter,
}


class RunList(list["Run"]):
    """Runs in the order that was asked for.

    ``cursor`` leads to the next page (None at the end); ``warnings`` says what the asker should know, such
    as a metric that no run has.
    """

    def __init__(self, workspace: Workspace, page: model.Page) -> None:
        from runstone.sdk.experiment import _reopen  # runs and experiments are found by workspaces
        from runstone.sdk.run import Run

        ids = {record.experiment_id for record in page.runs}
        experiments = {id: _reopen(workspace, id) for id in ids}
        super().__init__(Run._of(experiments[record.experiment_id], record) for record in page.runs)
        self.cursor = page.cursor
        self.warnings = page.warnings

    def to_columns(self) -> dict[str, list[Any]]:
        """One list for each column: the attributes, then ``params.*``, ``tags.*``, ``metrics.*`` (last
        values).

        A run without a param, tag or metric has None there. Times are ISO 8601 texts (UTC), ``duration``
        seconds.
        """
        latest = self[0]._service.metrics.latest_of([run._ref for run in self]) if self else {}
        rows = [_row(run, latest[run._ref]) for run in self]
        columns = {**dict.fromkeys(ATTRIBUTES), **{name: None for row in rows for name in row}}
        ordered = [name for name in columns if "." not in name] + sorted(
            name for name in columns if "." in name
        )
        return {name: [row.get(name) for row in rows] for name in ordered}

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``, a row for each run."""
        return _module("pandas").DataFrame(self.to_columns())

    def to_polars(self) -> Any:
        """A ``polars.DataFrame``, a row for each run."""
        return _module("polars").DataFrame(self.to_columns(), strict=False)

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table``, a row for each run."""
        return _module("pyarrow").table(self.to_columns())

    def _repr_html_(self) -> str:
        # only notebooks show themselves
        from runstone.sdk import details, display

        return display.table_html(*({"Name": run.display_name, **details.card(run)} for run in self))


def _row(run: Run, metrics: Mapping[str, Latest]) -> dict[str, Any]:
    record = run._record
    return {
        **{name: of(record) for name, of in ATTRIBUTES.items()},
        **_prefixed("params", record.params),
        **_prefixed("tags", record.tags),
        **_prefixed("metrics", {name: one.last for name, one in metrics.items() if one.last is not None}),
    }


def _prefixed(group: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{group}.{key}": value for key, value in values.items()}


def _module(name: str) -> Any:

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserErrorException(
            f"{name} is not installed, and this result was asked for as its table: pip install {name}"
        ) from error
