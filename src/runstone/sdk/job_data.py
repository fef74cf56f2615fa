"""The data of a run that is submitted: what its arguments say of inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from runstone.model.data import DIRECT, DOWNLOAD, FILE, MOUNT, Data, Recipe, Source
from runstone.model.errors import UserErrorException
from runstone.model.jobs import Spec
from runstone.model.lineage import INPUT, Link
from runstone.sdk.consumption import (
    ANYWHERE,
    MODES,
    DatasetConsumptionConfig,
    OutputFileDatasetConfig,
    inside,
)
from runstone.sdk.data_paths import DataReference
from runstone.sdk.script_run_config import ScriptRunConfig
from runstone.sdk.workspace import Workspace
from runstone.service.datasets import Datasets, link_to


def given(config: ScriptRunConfig) -> list[Any]:
    """What stands among the arguments of a configuration for data."""
    kinds = (DatasetConsumptionConfig, OutputFileDatasetConfig, DataReference)
    found = [one for one in _words(config) if isinstance(one, kinds)]
    unique = {id(one): one for one in found}
    names = [_name(one) for one in unique.values()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserErrorException(
            f"Inputs and outputs of a run have names of their own; {twice} are given twice."
        )
    return [*unique.values()]


def document(workspace: Workspace, config: ScriptRunConfig) -> dict[str, Any] | None:
    """What the supervisors of a configuration's runs have to know of inputs and outputs; None without any.

    The data of inputs are kept, so that they are found again.
    """
    kept = Datasets(workspace._service, workspace.name)
    inputs, outputs = [], []
    for one in given(config):
        if isinstance(one, DatasetConsumptionConfig):
            _of_workspace(one, workspace)
            data = kept.keep(one.dataset._data)
            inputs.append(_input(one.name, MODES[one.mode], data=data, path=one.path_on_compute))
        elif isinstance(one, OutputFileDatasetConfig):
            outputs.append(_output(workspace, one))
        elif one.mode == "upload":
            outputs.append(_uploaded(one))
        else:
            data = kept.keep(Data(Recipe(FILE, (Source(one.path_on_datastore, one.datastore.name),))))
            mode = DOWNLOAD if one.mode == "download" else MOUNT
            path = inside(one.path_on_compute)
            given_there = _input(one.data_reference_name, mode, data=data, path=path)
            # older scripts write into what they mount
            inputs.append({**given_there, "made": mode == MOUNT})
    return {"inputs": inputs, "outputs": outputs} if inputs or outputs else None


def links_of(spec: Spec) -> tuple[Link, ...]:
    """What a run reads that is to do this."""
    return tuple(Link(**one["link"]) for one in (spec.data or {}).get("inputs", ()))


def _words(config: ScriptRunConfig) -> Iterator[Any]:
    for words in (config.arguments, config.command):
        if words is not None and not isinstance(words, str):
            yield from words
    more = getattr(config.run_config, "data", None)
    if isinstance(more, Mapping):
        yield from more.values()


def _name(one: Any) -> str:
    return str(one.data_reference_name if isinstance(one, DataReference) else one.name)


def _input(name: str, mechanism: str, *, data: Data, path: str | None) -> dict[str, Any]:
    link = asdict(link_to(data, INPUT, name=name, mechanism=mechanism, pathOnCompute=path))
    found = {"name": name, "mechanism": mechanism, "link": link}
    if mechanism == DIRECT:
        return {**found, "id": data.id}
    return {**found, "recipe": data.recipe.document(), "path": path}


def _output(workspace: Workspace, one: OutputFileDatasetConfig) -> dict[str, Any]:
    datastore, path = one.destination or (workspace.get_default_datastore(), "")
    return {
        "name": one.name,
        "datastore": datastore.name,
        "path": path or ANYWHERE,
        "overwrite": one.overwrite,
        "source": one.source,
        "registered": one.registered,
        "reading": one.reading,
        "pattern": one.pattern,
    }


def _uploaded(one: DataReference) -> dict[str, Any]:
    return {
        "name": one.data_reference_name,
        "datastore": one.datastore.name,
        "path": one.path_on_datastore,
        "overwrite": one.overwrite,
        "source": inside(one.path_on_compute),
        "registered": None,
        "reading": {},
        "pattern": "**",
    }


def _of_workspace(one: DatasetConsumptionConfig, workspace: Workspace) -> None:
    theirs = one.dataset._workspace
    if theirs is not None and theirs != workspace:
        raise UserErrorException(
            f"The input {one.name!r} is of the workspace {theirs.name!r}, and the run of {workspace.name!r}."
        )
