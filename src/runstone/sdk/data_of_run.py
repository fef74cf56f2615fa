"""The data sets that a run reads and makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runstone.model.data import DATASET, DEFINITION, DIRECT, DOWNLOAD, MOUNT
from runstone.model.errors import UserErrorException
from runstone.model.lineage import INPUT, OUTPUT, Link
from runstone.sdk.handle import Handle
from runstone.service.connect import environment, settings
from runstone.service.datasets import Datasets, link_to

PATH_VARIABLE = "AZUREML_DATAREFERENCE_"


class DataOfRun(Handle):
    """The part of a run that knows its data."""

    @property
    def input_datasets(self) -> RunDatasets:
        """What the run reads, by name; assigning a data set records it.

        In a submitted script an input that was mounted or downloaded is its local path, else the data set.
        """
        return RunDatasets(self, INPUT)

    @property
    def output_datasets(self) -> RunDatasets:
        """What the run makes, by name; assigning a data set records it."""
        return RunDatasets(self, OUTPUT)


class RunDatasets(Mapping[str, Any]):
    """Data sets of a run by name, as they are recorded now."""

    def __init__(self, run: Handle, direction: str) -> None:
        self._run = run
        self._direction = direction

    def __getitem__(self, name: str) -> Any:
        from runstone.sdk.abstract_dataset import dataset_of  # much that few scripts need

        link = self._links()[name]
        path = environment().get(PATH_VARIABLE + name)
        if link.details.get("mechanism") in (MOUNT, DOWNLOAD) and path and settings().run_id == self._run.id:
            return path
        workspace = self._run.experiment.workspace
        return dataset_of(workspace, Datasets(workspace._service, workspace.name).linked(link))

    def __setitem__(self, name: str, dataset: Any) -> None:
        from runstone.sdk.abstract_dataset import AbstractDataset  # much that few scripts need
        from runstone.sdk.consumption import DatasetConsumptionConfig

        given = dataset.dataset if isinstance(dataset, DatasetConsumptionConfig) else dataset
        if not isinstance(given, AbstractDataset):
            raise UserErrorException(f"A run's data are data sets, made by Dataset; got {dataset!r}.")
        workspace = self._run.experiment.workspace
        if given._workspace not in (None, workspace):
            raise UserErrorException(f"The data set is not of the run's workspace, {workspace.name!r}.")
        data = Datasets(workspace._service, workspace.name).keep(given._data)
        link = link_to(data, self._direction, name=name, mechanism=DIRECT)
        workspace._service.lineage.record(self._run._ref, link)

    def __iter__(self) -> Iterator[str]:
        return iter(self._links())

    def __len__(self) -> int:
        return len(self._links())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({[*self]})"

    def _links(self) -> dict[str, Link]:
        found = self._run._service.lineage.of_run(self._run._ref)
        return {link.name: link for link in _data(found, self._direction)}


def shown(run: Handle) -> dict[str, list[dict[str, Any]]]:
    """The run's data as the original's details show them."""
    links = run._service.lineage.of_run(run._ref)
    return {
        "inputDatasets": [_input(link) for link in _data(links, INPUT)],
        "outputDatasets": [_output(link) for link in _data(links, OUTPUT)],
    }


def _data(links: tuple[Link, ...], direction: str) -> list[Link]:
    return [link for link in links if link.direction == direction and link.kind in (DATASET, DEFINITION)]


def _input(link: Link) -> dict[str, Any]:
    consumption = {
        "type": "RunInput",
        "inputName": link.name,
        "mechanism": link.details.get("mechanism", DIRECT),
    }
    if link.details.get("pathOnCompute"):
        consumption["pathOnCompute"] = link.details["pathOnCompute"]
    return {"dataset": {"id": link.details["id"]}, "consumptionDetails": consumption}


def _output(link: Link) -> dict[str, Any]:
    return {
        "identifier": {"savedId": link.details["id"]},
        "outputType": "RunOutput",
        "outputDetails": {"outputName": link.name},
        "dataset": {"id": link.details["id"]},
    }
