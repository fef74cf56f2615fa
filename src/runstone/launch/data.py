"""The data of a job: its inputs as local paths before the script begins, its outputs uploaded at its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.data import DIRECT, DOWNLOAD, FILE, TABULAR, Data, Recipe, Source, filled
from runstone.model.errors import UserErrorException
from runstone.model.lineage import OUTPUT
from runstone.service import data as files_of
from runstone.service.datasets import Datasets, link_to, noted
from runstone.service.datastores import Datastores
from runstone.service.folders import walk_folder

if TYPE_CHECKING:
    from runstone.launch.folders import Folder
    from runstone.model.jobs import Job
    from runstone.service.connect import Service

_PLACE = re.compile(r"(?:DatasetConsumptionConfig:|\$AZUREML_DATAREFERENCE_)([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Given:
    """Where a job's inputs and outputs are for its script, by name."""

    paths: Mapping[str, str]

    def words(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """The command, with paths where its arguments name inputs and outputs."""
        return tuple(_PLACE.sub(lambda found: self.paths.get(found[1], found[0]), word) for word in command)

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment, with the paths in variables; none that is there gives way."""
        named = {f"AZUREML_DATAREFERENCE_{name}": path for name, path in self.paths.items()}
        # those of the run that submitted this one are no longer right
        old = {
            name for name in self.paths if environ.get(name) == environ.get(f"AZUREML_DATAREFERENCE_{name}")
        }
        kept = {name: value for name, value in environ.items() if name not in old}
        return {**self.paths, **kept, **named}


class JobData:
    """What a job's specification says of data, done on the machine that runs it."""

    def __init__(self, service: Service, job: Job, *, folder: Folder) -> None:
        self._service = service
        self._run = job.run
        self._workspace = job.run.partition("/")[0]
        self._folder = folder
        self._inputs: list[Mapping[str, Any]] = (job.spec.data or {}).get("inputs", [])
        self._outputs: list[Mapping[str, Any]] = (job.spec.data or {}).get("outputs", [])

    def prepare(self, environ: Mapping[str, str], *, look: Callable[[], None]) -> Given:
        """Have all inputs on this machine, and a directory for each output; ``look`` is called in between,
        and may raise."""
        paths = {one["name"]: self._input(one, environ, look) for one in self._inputs}
        for one in self._outputs:
            place = self._place(one, "outputs", one["source"])
            place.mkdir(parents=True, exist_ok=True)
            paths[one["name"]] = str(place)
        return Given(paths)

    def deliver(
        self, environ: Callable[[], Mapping[str, str]], *, completed: bool, look: Callable[[], None]
    ) -> None:
        """Upload what the outputs hold, and record it; when the run has completed, register what is to be."""
        for one in self._outputs:
            place = self._place(one, "outputs", one["source"])
            if place.is_dir():
                self._upload(one, place, environ(), look)
                self._record(one, completed)

    def _input(self, one: Mapping[str, Any], environ: Mapping[str, str], look: Callable[[], None]) -> str:
        if one["mechanism"] == DIRECT:
            return str(one["id"])
        stores = self._stores(environ)
        recipe = Recipe.of(one["recipe"])
        whole = None if one["mechanism"] == DOWNLOAD or one["path"] else files_of.whole_folder(stores, recipe)
        if whole is not None:
            return str(whole)
        if one.get("made"):
            files_of.make_folder(stores, recipe)
            return self._input({**one, "made": False}, environ, look)
        target = self._place(one, "inputs", one["path"])
        found = files_of.files(stores, recipe)
        if not found:
            raise UserErrorException(f"The input {one['name']!r} has no files.")
        bring = files_of.download if one["mechanism"] == DOWNLOAD else files_of.mount
        bring(found, target, between=look)
        return str(target)

    def _upload(
        self, one: Mapping[str, Any], place: Path, environ: Mapping[str, str], look: Callable[[], None]
    ) -> None:
        folder = self._destination(one)
        prefix = f"{folder}/" if folder else ""
        pairs = [(prefix + relative, path) for relative, path in walk_folder(place)]
        storage = self._stores(environ).storage(one["datastore"])
        files_of.upload(storage, pairs, overwrite=one["overwrite"], between=look)

    def _record(self, one: Mapping[str, Any], completed: bool) -> None:
        folder = self._destination(one)
        path = f"{folder}/{one['pattern']}" if folder else one["pattern"]
        kind = TABULAR if one["reading"] else FILE
        data = Data(Recipe(kind, (Source(path, one["datastore"]),), one["reading"]))
        asked, kept = one["registered"], Datasets(self._service, self._workspace)
        if asked and completed:
            described = noted(data, description=asked["description"], tags=asked["tags"])
            data = kept.register(described, asked["name"], again=True)
        else:
            kept.keep(data)
        self._service.lineage.record(self._run, link_to(data, OUTPUT, name=one["name"]))

    def _destination(self, one: Mapping[str, Any]) -> str:
        return filled(one["path"], run=self._run.partition("/")[2], output=one["name"])

    def _place(self, one: Mapping[str, Any], kind: str, path: str | None) -> Path:
        if path is None:
            return self._folder.root / kind / str(one["name"])
        return self._folder.code.joinpath(*path.split("/"))

    def _stores(self, environ: Mapping[str, str]) -> Datastores:
        return Datastores(self._service, self._workspace, environ=environ)
