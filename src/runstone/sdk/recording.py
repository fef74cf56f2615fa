"""What a run logs: scalars, lists, rows, tables, images and charts; and how they are read back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from runstone.model.errors import AzureMLException, Conflict, UserErrorException
from runstone.sdk import charts, shapes
from runstone.sdk.family import Family


class Recording(Family):
    """The part of a run that scripts call in their loops: each call is one write to the journal, and
    returns."""

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        """Log one value of a metric.

        Args:
            name: to 1,024 characters.
            value: any number (numpy, torch, Decimal, Fraction, bool; NaN and the infinities are kept), a
            text, or a
                dict, which is flattened (``loss/train``). None is counted and not kept.
            description: what the metric means; the last one given is kept.
            step: any number, in any order; the position in the series when left out.

        Raises:
            UserErrorException: the value is a list or an array of several elements, or the step is no number.
        """
        self._journal.log(name, value, step=step)
        if description:
            self._describe(name, description)

    def log_metrics(self, metrics: Mapping[str, Any], step: float | None = None) -> None:
        """Log several metrics of one step as one record.

        Args:
            metrics: names and values, as ``log`` takes them.
            step: the step of them all.
        """
        self._journal.log_metrics(metrics, step=step)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """Log a list of values: any iterable, of any length, generators and arrays included; empty is no
        record."""
        for part in shapes.list_parts(name, value):
            self._record_entry({"kind": "list", "name": name, **part})
        self._describe(name, description)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """Log one row of named columns; rows of one name form a table, missing cells are None.

        Raises:
            AzureMLException: a value is a list.
        """
        for column, value in kwargs.items():
            if isinstance(value, (list, tuple)):
                raise AzureMLException(f"Rows cannot contain list values, column {column} contains a list.")
        columns = {column: shapes.scalar(name, value) for column, value in kwargs.items()}
        self._record_entry({"kind": "row", "name": name, "columns": columns})
        self._describe(name, description)

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        """Log a table: a dict from column name to a list of values; scalars make a table of one row.

        Raises:
            AzureMLException: the columns differ in length.
        """
        if not isinstance(value, Mapping):
            raise UserErrorException(f"log_table takes a dict of columns; got {value!r} for {name!r}.")
        for part in shapes.table_parts(name, value):
            self._record_entry({"kind": "table", "name": name, "columns": part})
        self._describe(name, description)

    def log_image(self, name: str, path: Any = None, plot: Any = None, description: str = "") -> None:
        """Keep an image as an artifact of the run, and as an entry of the metric.

        Args:
            path: a PNG or JPEG file (its content decides), or a binary stream of one; or
            plot: ``matplotlib.pyplot`` or a ``Figure``.

        Raises:
            AzureMLException: neither or both were given.
            UserErrorException: the file is no PNG or JPEG image.
        """
        artifact, image = charts.image(name, path, plot)
        self._keep_artifact("image", name, self._keep_image(name, artifact, image), description)

    def log_confusion_matrix(self, name: str, value: str | Mapping[str, Any], description: str = "") -> None:
        """Keep a confusion matrix: a dict (or its JSON) with ``schema_type``, ``data.class_labels``,
        ``data.matrix``."""
        self._keep_document("confusion_matrix", name, value, description)

    def log_accuracy_table(self, name: str, value: str | Mapping[str, Any], description: str = "") -> None:
        """Keep an accuracy table: schema ``accuracy_table``, version 1.0.1, as a dict or its JSON."""
        self._keep_document("accuracy_table", name, value, description)

    def log_predictions(self, name: str, value: str | Mapping[str, Any], description: str = "") -> None:
        """Keep binned predictions: schema ``predictions``, version 1.0.0, as a dict or its JSON."""
        self._keep_document("predictions", name, value, description)

    def log_residuals(self, name: str, value: str | Mapping[str, Any], description: str = "") -> None:
        """Keep a histogram of residuals: schema ``residuals``, version 1.0.0, as a dict or its JSON."""
        self._keep_document("residuals", name, value, description)

    def get_metrics(
        self,
        name: str | None = None,
        recursive: bool = False,
        run_type: str | None = None,
        populate: bool = False,
    ) -> dict[str, Any]:
        """The metrics, in the shapes of the original: a value that was logged once is that value, else a
        list.

        Args:
            name: only this metric; ``{}`` when there is none of the name.
            recursive: of this run and all its descendants, as ``{run id: metrics}``.
            run_type: with ``recursive``, only of runs of this type.
            populate: the content of images and documents instead of their addresses.
        """
        runs: list[Recording] = [self]
        if recursive:
            runs.extend(self.get_children(recursive=True))
        if recursive and run_type is not None:
            runs = [run for run in runs if run._record.type == run_type]
        name = None if name is None else str(name)
        found = self._service.metrics.values([run._ref for run in runs], name=name)
        pivoted = {run.id: shapes.pivot(_own(found.get(run._ref, {}), name)) for run in runs}
        if populate:
            pivoted = {run.id: charts.populated(run, pivoted[run.id]) for run in runs}
        return pivoted if recursive else pivoted[self.id]

    def get_metric_series(self, name: str, *, start: float | None = None, stop: float | None = None) -> Any:
        """The points of one metric as numpy arrays.

        Args:
            start, stop: only steps from ``start`` on, and before ``stop``.

        Returns:
            ``steps`` (int64 or float64), ``values`` (float64), ``times`` (int64, ms since 1970, UTC), in the
            order in which they were logged; all of shape ``(n,)``.
        """
        return self._service.metrics.series(self._ref, name, start=start, stop=stop)

    def get_metric_chart(self, name: str, *, buckets: int = 1000, x: str = "step") -> Any:
        """An overview of one metric: first, last, min, max and mean in each of at most ``buckets`` buckets.

        Args:
            buckets: 1 to 10,000.
            x: ``step`` or ``time``.
        """
        return self._service.metrics.chart(self._ref, name, buckets=buckets, x=x)

    def get_data_quality(self) -> dict[str, int]:
        """Counts of what was out of the ordinary: late, repeated, NaN, coerced, refused, dropped, thinned,
        lost."""
        self._flushed(None)
        return dict(self._service.metrics.quality(self._ref))

    def _keep_document(self, kind: str, name: str, value: str | Mapping[str, Any], description: str) -> None:
        kept = self._service.artifacts.upload(self._ref, name, content=charts.document(kind, name, value))
        self._keep_artifact(kind, name, kept.name, description)

    def _keep_image(self, name: str, artifact: str | None, image: BinaryIO) -> str:
        if artifact is not None:
            return self._service.artifacts.upload(self._ref, artifact, content=image).name
        names = charts.new_names(name)
        while True:
            # two images of one second are both kept
            with suppress(Conflict):
                image.seek(0)
                artifact = next(names)
                return self._service.artifacts.upload(
                    self._ref, artifact, content=image, overwrite=False
                ).name

    def _keep_artifact(self, kind: str, name: str, artifact: str, description: str) -> None:
        uri = f"{charts.URI}{self.id}/{artifact}"
        self._record_entry({"kind": "artifact", "type": kind, "name": name, "uri": uri})
        self._describe(name, description)

    def _describe(self, name: str, description: str | None) -> None:
        if description:
            self._record_entry({"kind": "describe", "name": name, "text": description})

    def _record_entry(self, body: Mapping[str, Any]) -> None:
        self._journal.record({**body, "name": shapes.metric_name(body["name"]), "time": time.time_ns()})


def _own(metrics: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    # what is sampled of the machine is there too, for those who ask for it by name
    return {key: series for key, series in metrics.items() if name or not key.startswith("system.")}
