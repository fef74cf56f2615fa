"""FileDataset: data that are files, wherever they are, and local paths to them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from runstone.model.data import FILE, Data, Recipe
from runstone.model.errors import UserErrorException
from runstone.sdk.abstract_dataset import AbstractDataset
from runstone.sdk.consumption import DatasetConsumptionConfig
from runstone.sdk.data_paths import place, sources
from runstone.service import data as files_of

if TYPE_CHECKING:
    from runstone.service.data import File


class FileDataset(AbstractDataset):
    """Files of datastores, of this machine or behind addresses."""

    def to_path(self) -> list[str]:
        """The files' names, each beginning with ``/``."""
        return [f"/{file.name}" for file in self._files()]

    def download(
        self, target_path: Any = None, overwrite: bool = False, ignore_not_found: bool = False
    ) -> list[str]:
        """Copy the files to a directory, a new temporary one by default; their paths.

        Raises:
            UserErrorException: one of them is there already and ``overwrite`` is False (nothing is written
                then), or there are none and ``ignore_not_found`` is False.
        """
        found = self._files()
        if not found and not ignore_not_found:
            raise UserErrorException("The data set has no files; nothing was downloaded.")
        target = Path(target_path or tempfile.mkdtemp(prefix="runstone-"))
        return [str(path) for path in files_of.download(found, target, overwrite=overwrite)]

    def mount(self, mount_point: Any = None, **_: Any) -> MountContext:
        """A context in which the files are below a local path, for reading.

        A folder of a directory is that folder itself. Otherwise it is a new directory, with links to files of
        this machine and copies of all others, removed at the end of the context.

        Args:
            mount_point: an empty directory, or one that is made.
        """
        return MountContext(self, mount_point)

    def as_mount(self, path_on_compute: Any = None) -> DatasetConsumptionConfig:
        """The files as an input of a run, under a name of its own; see ``DatasetConsumptionConfig``."""
        return self.as_named_input(self._input_name()).as_mount(path_on_compute)

    def as_download(self, path_on_compute: Any = None) -> DatasetConsumptionConfig:
        """The files as an input of a run, copied, under a name of its own."""
        return self.as_named_input(self._input_name()).as_download(path_on_compute)

    def as_hdfs(self) -> NoReturn:
        """Refused: there is no Hadoop file system here."""
        self.as_named_input(self._input_name()).as_hdfs()

    def _input_name(self) -> str:
        return f"input_{self.id[:8]}"


class MountContext:
    """Files below a local path, from ``start()`` (or ``with``) to ``stop()``."""

    def __init__(self, dataset: FileDataset, mount_point: Any) -> None:
        self._dataset = dataset
        self._wanted = mount_point
        self._point: Path | None = None
        self._made: tempfile.TemporaryDirectory[str] | None = None

    @property
    def mount_point(self) -> str:
        """The local path.

        Raises:
            UserErrorException: before the start, and after the stop.
        """
        if self._point is None:
            raise UserErrorException("The data are not mounted: use `with dataset.mount() as mounted`.")
        return str(self._point)

    def start(self) -> None:
        """Make the files be there."""
        stores, recipe = self._dataset._stores(), self._dataset._data.recipe
        whole = files_of.whole_folder(stores, recipe) if self._wanted is None else None
        if whole is None:
            found: list[File] = files_of.files(stores, recipe)
            files_of.mount(found, self._place())
        else:
            self._point = whole

    def stop(self) -> None:
        """Take away what was made."""
        self._point = None
        if self._made is not None:
            self._made.cleanup()
            self._made = None

    def __enter__(self) -> MountContext:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __fspath__(self) -> str:
        return self.mount_point

    def __str__(self) -> str:
        return self.mount_point

    def _place(self) -> Path:
        if self._wanted is None:
            self._made = tempfile.TemporaryDirectory(prefix="runstone-")
            self._point = Path(self._made.name)
            return self._point
        point = Path(self._wanted)
        if point.exists() and (not point.is_dir() or any(point.iterdir())):
            raise UserErrorException(f"{point} is no empty directory; choose another mount_point.")
        self._point = point
        return point


class FileDatasetFactory:
    """Makes data sets of files; as ``Dataset.File``."""

    @staticmethod
    def from_files(
        path: Any, validate: bool = True, partition_format: str | None = None, is_file: bool = False
    ) -> FileDataset:
        """A data set of the files of a path.

        Args:
            path: a local path, an http(s) address, ``(datastore, path)``, a DataPath, or a list of these. A
                path is a file, a folder, or a pattern with ``*``, ``?`` and ``**``.
            validate: look now whether there are any.

        Raises:
            UserErrorException: there are none, a path that cannot be, or a partition_format.
        """
        if partition_format is not None:
            raise UserErrorException("partition_format is for tabular data sets; files keep their names.")
        found, workspace = sources(path)
        made = FileDataset(Data(Recipe(FILE, found)), workspace)
        return made._validated() if validate else made

    @staticmethod
    def upload_directory(
        src_dir: Any,
        target: Any,
        pattern: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> FileDataset:
        """Upload a directory's files, and make a data set of where they are now.

        Args:
            target: a datastore, ``(datastore, path)`` or a DataPath.
            pattern: which files, by ``*``, ``?`` and ``**``; all by default.
        """
        datastore, folder = place(target)
        if pattern is None:
            datastore.upload(src_dir, folder, overwrite, show_progress)
        else:
            chosen = FileDatasetFactory.from_files(str(Path(src_dir) / pattern))
            paths = [local for file in chosen._files() if (local := file.local())]
            datastore.upload_files(paths, Path(src_dir).resolve(), folder, overwrite, show_progress)
        return FileDatasetFactory.from_files((datastore, f"{folder}/**" if folder else "**"))
