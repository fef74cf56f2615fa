"""What every data set has: a recipe, a place in the workspace, parts of it, and its use by runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from runstone.model.data import DATASET, FILE, Data
from runstone.model.errors import UserErrorException
from runstone.model.lineage import INPUT
from runstone.sdk.consumption import DatasetConsumptionConfig
from runstone.sdk.handle import warn
from runstone.service import data as files_of
from runstone.service import datasets
from runstone.service.connect import environment
from runstone.service.datasets import Datasets
from runstone.service.datastores import Datastores

if TYPE_CHECKING:
    from runstone.sdk.run import Run
    from runstone.sdk.workspace import Workspace
    from runstone.service.data import File

PAGE = 100

Me = TypeVar("Me", bound="AbstractDataset")


class AbstractDataset:
    """Data by a recipe: immutable, and read when they are asked for.

    Made by ``Dataset.Tabular`` and ``Dataset.File``, and by the methods of another data set.
    """

    def __init__(self, data: Data, workspace: Workspace | None) -> None:
        self._data = data
        self._workspace = workspace

    @property
    def id(self) -> str:
        """The id of a registered version, or of the recipe."""
        return self._data.id

    @property
    def name(self) -> str | None:
        """The name that it is registered under; None when it is not."""
        return self._data.name

    @property
    def version(self) -> int | None:
        """The registered version, from 1; None when it is not registered."""
        return self._data.version

    @property
    def description(self) -> str | None:
        """What was said of it when it was registered."""
        return self._data.description

    @property
    def tags(self) -> dict[str, str]:
        """The tags that it was registered with."""
        return dict(self._data.tags)

    def register(
        self: Me,
        workspace: Workspace,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        create_new_version: bool = False,
    ) -> Me:
        """Keep the recipe under a name; the data stay where they are.

        Args:
            create_new_version: add a version to a name that is there. Without it, the same recipe,
                description and tags again give the version that there is.

        Raises:
            UserErrorException: the name stands for other data and ``create_new_version`` is False, or the
                paths are of another workspace's datastores.
        """
        if self._workspace is not None and self._workspace != workspace:
            raise UserErrorException(
                f"The data are in datastores of the workspace {self._workspace.name!r}; register them there."
            )
        noted = datasets.noted(Data(self._data.recipe), description=description, tags=tags)
        kept = Datasets(workspace._service, workspace.name)
        found = kept.register(noted, name, again=create_new_version)
        return type(self)(found, workspace)

    def unregister_all_versions(self) -> None:
        """Forget the name; the data stay where they are, and what runs used is still found by its id.

        Raises:
            UserErrorException: it is not registered.
        """
        if self._data.name is None or self._workspace is None:
            raise UserErrorException("The data set is not registered: there is no name to forget.")
        service, space = self._workspace._service, self._workspace.name
        for asset in service.assets.versions(space, DATASET, name=self._data.name):
            service.assets.delete(space, DATASET, name=self._data.name, version=asset.version)

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """The data as a run's input: an argument of a script, and ``run.input_datasets[name]`` in it.

        Args:
            name: letters, digits and underscores, no digit first.
        """
        return DatasetConsumptionConfig(name, self)

    def get_runs(self, workspace: Workspace | None = None) -> Iterator[Run]:
        """The runs that read or made this version, newest first.

        Args:
            workspace: where to look; the data set's own by default.
        """
        from runstone.sdk.run import Run  # runs have data sets

        space = workspace or self._workspace
        if space is None:
            return
        link = datasets.link_to(self._data, INPUT, name="any")
        after: str | None = None
        while True:
            links = space._service.lineage.of_asset(
                space.name, link.kind, name=link.asset, version=link.version, after=after, limit=PAGE
            )
            for id in dict.fromkeys(one.run for one in links):
                yield Run.get(space, id)
                after = id
            if not links:
                return

    def take(self: Me, count: int) -> Me:
        """The first ``count`` of it: rows, or files."""
        return self._then(do="take", count=_count(count))

    def skip(self: Me, count: int) -> Me:
        """All but the first ``count`` of it: rows, or files."""
        return self._then(do="skip", count=_count(count))

    def take_sample(self: Me, probability: float, seed: int | None = None) -> Me:
        """About that share of it, by chance; with a seed, the same every time."""
        share = _share(probability, "probability")
        return self._then(do="sample", share=share, seed=_seed(seed))

    def random_split(self: Me, percentage: float, seed: int | None = None) -> tuple[Me, Me]:
        """Two parts by chance, the first of about ``percentage`` (0 to 1) of it: together they are all of it.

        With a seed they are the same every time; a file stays on its side when others come.
        """
        given = {"do": "split", "share": _share(percentage, "percentage"), "seed": _seed(seed)}
        return self._then(**given, first=True), self._then(**given, first=False)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, AbstractDataset) and type(self) is type(other)
        return same and self.id == getattr(other, "id", None)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        fields = {"source": [_shown(one) for one in self._data.recipe.sources], "definition": []}
        fields["definition"] = [str(step["do"]) for step in self._data.recipe.steps]
        named = f", name={self.name!r}, version={self.version}" if self.name else ""
        return f"{type(self).__name__}(id={self.id!r}{named}, {fields})"

    def _then(self: Me, **step: Any) -> Me:
        recipe = self._data.recipe
        return type(self)(Data(replace(recipe, steps=(*recipe.steps, step))), self._workspace)

    def _stores(self) -> Datastores:
        space = self._workspace
        service = None if space is None else space._service
        return Datastores(service, "" if space is None else space.name, environ=environment(), note=warn)

    def _files(self) -> list[File]:
        return files_of.files(self._stores(), self._data.recipe)

    def _validated(self: Me) -> Me:
        recipe = replace(self._data.recipe, steps=())
        if all(source.remote for source in recipe.sources):
            for file in files_of.files(self._stores(), recipe):
                file.open().close()
            return self
        if not files_of.files(self._stores(), recipe):
            paths = ", ".join(_shown(source) for source in recipe.sources)
            raise UserErrorException(
                f"There are no files at {paths}; validate=False makes the data set all the same."
            )
        return self


def dataset_of(workspace: Workspace, data: Data) -> AbstractDataset:
    """The data set of some data: of files, or tabular."""
    from runstone.sdk.file_dataset import FileDataset  # the kinds of it
    from runstone.sdk.tabular_dataset import TabularDataset

    return FileDataset(data, workspace) if data.recipe.kind == FILE else TabularDataset(data, workspace)


def _shown(source: Any) -> str:
    return f"{source.datastore}:{source.path}" if source.datastore else str(source.path)


def _count(count: Any) -> int:
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    raise UserErrorException(f"A count is a whole number, 0 or more; got {count!r}.")


def _share(given: Any, what: str) -> float:
    if isinstance(given, int | float) and 0 <= given <= 1:
        return float(given)
    raise UserErrorException(f"The {what} is a number from 0 to 1; got {given!r}.")


def _seed(seed: Any) -> int:
    if seed is None:
        return secrets.randbelow(2**31)
    if isinstance(seed, int) and seed >= 0:
        return int(seed)
    raise UserErrorException(f"A seed is a whole number, 0 or more; got {seed!r}.")
