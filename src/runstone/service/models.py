"""Operations on registered models: files that a workspace keeps by name and version."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import BinaryIO

from runstone.model.errors import Busy, Invalid, NotFound
from runstone.model.models import Model, ModelChange, ModelFile, NewModel
from runstone.model.names import folder_name, relative_name
from runstone.service.operation import operation
from runstone.store import assets, experiments, models, runs
from runstone.store.blobs import Blobs
from runstone.store.database import Database, Transaction


class Models:
    """The models of a workspace. A model has files of its own: it outlives the run that it came from."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    @operation("POST /workspaces/{workspace}/models")
    def register(self, workspace: str, new: NewModel) -> Model:
        """A new version of the name, of a file or a folder of a run, or of files whose contents were kept.

        NotFound when the run has no such file, naming those that it has; Invalid when there are no files.
        """
        with self._database.write() as tx:
            n = experiments.workspace(tx, workspace).id
            experiment = None
            if new.run is not None:
                run = runs.find(tx, runs.reference(workspace, new.run))
                experiment = experiments.by_id(tx, run["experiment"]).name
                new = _of_run(tx, run["n"], new)
            made = models.register(tx, n, _checked(new), experiment=experiment, now=_now())
            for file in new.files:
                if not self._blobs.exists(file.sha256, size=file.size):
                    raise Busy(f"The content of {file.path!r} is not there, or no longer; upload it again.")
        return made

    @operation("GET /workspaces/{workspace}/models/{name}")
    def get(self, workspace: str, name: str, *, version: int | None = None) -> Model:
        """One version, the latest by default; NotFound names those that there are."""
        with self._database.read() as tx:
            return models.get(tx, experiments.workspace(tx, workspace).id, name, version=version)

    @operation("GET /workspaces/{workspace}/models")
    def list(
        self, workspace: str, *, name: str | None = None, run: str | None = None, latest: bool = False
    ) -> tuple[Model, ...]:
        """The versions, newest first: of one name, of one run, of each name only the latest, as asked for."""
        with self._database.read() as tx:
            n = experiments.workspace(tx, workspace).id
            found = models.every(tx, n, name=name, latest=latest)
        return tuple(model for model in found if run in (None, model.run))

    @operation("GET /workspaces/{workspace}/models/{name}/versions/{version}/files")
    def files(self, workspace: str, name: str, *, version: int) -> tuple[ModelFile, ...]:
        """What a version is made of, by path: the first part is the model's ``path``."""
        with self._database.read() as tx:
            n = experiments.workspace(tx, workspace).id
            return tuple(models.files(tx, n, name, version=version))

    @operation("PATCH /workspaces/{workspace}/models/{name}/versions/{version}")
    def change(self, workspace: str, name: str, *, version: int, wanted: ModelChange) -> Model:
        """Change tags and description, add properties, all of it or nothing; Conflict for a property that
        has another value already."""
        with self._database.write() as tx:
            n = experiments.workspace(tx, workspace).id
            return models.change(tx, n, name, version=version, wanted=wanted)

    @operation("DELETE /workspaces/{workspace}/models/{name}/versions/{version}")
    def delete(self, workspace: str, name: str, *, version: int) -> None:
        """Delete one version; its number is never given again, and its contents go a day later."""
        with self._database.write() as tx:
            n = experiments.workspace(tx, workspace).id
            assets.delete(tx, n, models.KIND, name=name, version=version, now=_now())

    def open(self, workspace: str, name: str, *, version: int, path: str, offset: int = 0) -> BinaryIO:
        """The bytes of one file (GET /workspaces/{workspace}/models/{name}/versions/{version}/content).

        Read from start to end they are verified: Unreadable comes with the last read at the latest.
        """
        there = self.files(workspace, name, version=version)
        for file in there:
            if file.path == path:
                return self._blobs.open(file.sha256, offset=offset)
        raise NotFound(
            f"The model {name}:{version} has no file {path!r}; it has: {[file.path for file in there[:20]]}."
        )


def _of_run(tx: Transaction, run: int, new: NewModel) -> NewModel:
    path = folder_name(new.path)
    if not path:
        raise Invalid(
            "A model is a file or a folder of the run, as 'outputs/model.pkl' or 'outputs'; got all of it."
        )
    return replace(new, path=path.rpartition("/")[2], files=models.of_run(tx, run, path))


def _checked(new: NewModel) -> NewModel:
    """The files under one top, each path once and harmless: a download may write them as they are."""
    if not new.files:
        raise Invalid(f"The model {new.name!r} has no files; give a file, or a folder that holds some.")
    paths = [relative_name(file.path) for file in new.files]
    if len(set(paths)) < len(paths):
        raise Invalid(f"The model {new.name!r} has two files of one path.")
    outside = [path for path in paths if path != new.path and not path.startswith(f"{new.path}/")]
    if outside:
        raise Invalid(f"The file {outside[0]!r} of the model {new.name!r} is not below {new.path!r}.")
    return new


def _now() -> int:
    return time.time_ns() // 1000
