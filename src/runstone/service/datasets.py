"""Data sets as assets: registered in versions under a name, or kept by the id of their recipe alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runstone.model.assets import Asset
from runstone.model.data import DATASET, DEFINITION, Data, Recipe
from runstone.model.errors import Conflict, NotFound
from runstone.model.lineage import Link

if TYPE_CHECKING:
    from runstone.service.connect import Service


class Datasets:
    """The data sets of a workspace."""

    def __init__(self, service: Service, workspace: str) -> None:
        self._assets = service.assets
        self._workspace = workspace

    def register(self, data: Data, name: str, *, again: bool) -> Data:
        """A new version of a name; the latest one when it is the same and not ``again``.

        Conflict when the name stands for other data and a new version was not asked for.
        """
        body = {"recipe": data.recipe.document(), "description": data.description, "tags": dict(data.tags)}
        known = self._assets.versions(self._workspace, DATASET, name=name)
        if known and not again and known[-1].body != body:
            raise Conflict(
                f"There is already a dataset registered under name {name!r}. Specify "
                f"`create_new_version=True` to register the dataset as a new version."
            )
        asset = self._assets.register(self._workspace, DATASET, name=name, body=body, again=again)
        return self.keep(_data(asset))

    def keep(self, data: Data) -> Data:
        """Have the data found by their id from now on. Repeating is harmless."""
        body = {"recipe": data.recipe.document(), "name": data.name, "version": data.version}
        self._assets.register(self._workspace, DEFINITION, name=data.id, body=body)
        return data

    def get(self, name: str, version: int | None = None) -> Data:
        """A registered version, the latest by default; NotFound names those that there are."""
        return _data(self._assets.get(self._workspace, DATASET, name=name, version=version))

    def latest(self) -> list[Data]:
        """The latest version of each name, by name."""
        return [_data(asset) for asset in self._assets.list(self._workspace, DATASET)]

    def find(self, id: str) -> Data:
        """The data of that id; NotFound when nobody has registered or used them."""
        try:
            body = self._assets.get(self._workspace, DEFINITION, name=id).body
        except NotFound:
            raise NotFound(
                f"There is no data set with the id {id!r} in the workspace {self._workspace!r}."
            ) from None
        if body["name"] is not None:
            return self.get(body["name"], body["version"])
        return Data(Recipe.of(body["recipe"]))

    def linked(self, link: Link) -> Data:
        """The data that a run's link leads to."""
        return self.get(link.asset, link.version) if link.kind == DATASET else self.find(link.asset)


def link_to(data: Data, direction: str, *, name: str, **details: Any) -> Link:
    """A run's link to data that are registered or kept."""
    given = {"id": data.id, **details}
    if data.name is None or data.version is None:
        return Link(direction, name, DEFINITION, data.id, 1, given)
    return Link(direction, name, DATASET, data.name, data.version, given)


def noted(data: Data, *, description: str | None, tags: Mapping[str, Any] | None) -> Data:
    """The same data, described; tags as texts."""
    given = {str(key): str(value) for key, value in (tags or {}).items()}
    return replace(data, description=description, tags=given)


def _data(asset: Asset) -> Data:
    body = asset.body
    notes = (body.get("description"), body.get("tags", {}))
    return Data(Recipe.of(body["recipe"]), asset.name, asset.version, *notes)
