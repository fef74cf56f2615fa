"""What a registered version of a model says of itself."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from runstone.model import models as model
from runstone.model import runs

if TYPE_CHECKING:
    from runstone.sdk.run import Run
    from runstone.sdk.workspace import Workspace


class ModelRecord:
    """The part of a model that can be read: as last fetched, or as the last change left it."""

    workspace: Workspace
    _record: model.Model

    @property
    def name(self) -> str:
        """The name under which it is registered."""
        return self._record.name

    @property
    def version(self) -> int:
        """The version, from 1."""
        return self._record.version

    @property
    def id(self) -> str:
        """``name:version``."""
        return f"{self._record.name}:{self._record.version}"

    @property
    def tags(self) -> dict[str, str | None]:
        """The tags; they can be changed."""
        return dict(self._record.tags)

    @property
    def properties(self) -> dict[str, str]:
        """The properties; more can be added, and none changed."""
        return dict(self._record.properties)

    @property
    def description(self) -> str | None:
        """What it is."""
        return self._record.description

    @property
    def created_time(self) -> datetime:
        """When it was registered, in UTC."""
        return datetime.fromtimestamp(self._record.created / 1e6, timezone.utc)

    @property
    def run_id(self) -> str | None:
        """The run that has registered it; None when no run did."""
        return self._record.run

    @property
    def run(self) -> Run | None:
        """The run that has registered it, fetched now; None when no run did.

        Raises:
            UserErrorException: the run was deleted. The model stays.
        """
        from runstone.sdk.run import Run  # a run registers models

        return Run.get(self.workspace, self.run_id) if self.run_id else None

    @property
    def experiment_name(self) -> str | None:
        """The experiment of that run."""
        return self._record.experiment

    @property
    def model_framework(self) -> str | None:
        """The framework that it was made with."""
        return self._record.framework

    @property
    def model_framework_version(self) -> str | None:
        """The version of the framework."""
        return self._record.framework_version

    @property
    def url(self) -> str:
        """Its address: ``runstone://<workspace>/models/<name>:<version>``."""
        return f"runstone://{self.workspace.name}/models/{self.id}"

    @property
    def datasets(self) -> dict[str, list[str]]:
        """The ids of the data sets that it was registered with, by the word that says what for."""
        found: dict[str, list[str]] = {}
        for purpose, id in self._record.more.get("datasets", []):
            found.setdefault(purpose, []).append(id)
        return found

    @property
    def sample_input_dataset(self) -> str | None:
        """The id of the data set that shows what it takes."""
        return self._record.more.get("sample_input_dataset")

    @property
    def sample_output_dataset(self) -> str | None:
        """The id of the data set that shows what it gives."""
        return self._record.more.get("sample_output_dataset")

    @property
    def resource_configuration(self) -> dict[str, Any] | None:
        """What it needs to run, as it was given."""
        return self._record.more.get("resource_configuration")

    def serialize(self) -> dict[str, Any]:
        """All of it as JSON takes it, under the original's keys."""
        return {
            "createdTime": runs.iso(self._record.created),
            "datasets": self.datasets,
            "description": self.description,
            "experimentName": self.experiment_name,
            "framework": self.model_framework,
            "frameworkVersion": self.model_framework_version,
            "id": self.id,
            "name": self.name,
            "properties": self.properties,
            "resourceConfiguration": self.resource_configuration,
            "runId": self.run_id,
            "sampleInputDatasetId": self.sample_input_dataset,
            "sampleOutputDatasetId": self.sample_output_dataset,
            "size": self._record.size,
            "tags": self.tags,
            "url": self.url,
            "version": self.version,
            "workspaceName": self.workspace.name,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelRecord) and (self.workspace, self.id) == (other.workspace, other.id)

    def __hash__(self) -> int:
        return hash((self.workspace, self.id))

    def __repr__(self) -> str:
        return (
            f"Model(workspace={self.workspace!r}, name={self.name}, id={self.id}, version={self.version}, "
            f"tags={self.tags}, properties={self.properties})"
        )

    def _repr_html_(self) -> str:
        # only notebooks show themselves
        from runstone.sdk import display

        fields = {"Name": self.name, "Version": str(self.version), "Registered": str(self.created_time)[:19]}
        fields |= {"Files": f"{self._record.files:,}", "Bytes": f"{self._record.size:,}"}
        fields |= {"Run": self.run_id or "", "Framework": self.model_framework or ""}
        fields |= {"Tags": json.dumps(self.tags, ensure_ascii=False) if self.tags else ""}
        fields |= {"Description": self.description or ""}
        return display.table_html({name: text for name, text in fields.items() if text})
