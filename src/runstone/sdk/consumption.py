"""How a run is given data, and gives data: what stands among the arguments of a script."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runstone.model.data import DIRECT, DOWNLOAD, FILE, MOUNT, datastore_path, run_name, token
from runstone.model.errors import UserErrorException
from runstone.model.names import folder_name
from runstone.sdk.data_paths import place

if TYPE_CHECKING:
    from runstone.sdk.abstract_dataset import AbstractDataset

MODES = {"direct": DIRECT, "mount": MOUNT, "download": DOWNLOAD}
# A place for each output of each run.
ANYWHERE = "dataset/{run-id}/{output-name}"


class DatasetConsumptionConfig:
    """A data set as an input of a run.

    Args:
        name: the input's name: letters, digits and underscores, no digit first.
        dataset: the data set.
        mode: ``direct`` (the script gets the data set's id), ``mount`` or ``download`` (a local path).
        path_on_compute: a path in the script's directory, instead of one of the run's own.

    Raises:
        UserErrorException: a name, a mode or a path that cannot be.
    """

    def __init__(
        self, name: str, dataset: AbstractDataset, mode: str = "direct", path_on_compute: Any = None
    ) -> None:
        if mode not in MODES:
            raise UserErrorException(f"An input's mode is one of {[*MODES]}; got {mode!r}.")
        if mode != "direct" and dataset._data.recipe.kind != FILE:
            raise UserErrorException(
                f"A tabular data set is given to a run directly; mode {mode!r} is for data sets of files "
                f"(Dataset.File)."
            )
        self.name = run_name(name)
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = inside(path_on_compute)

    def as_direct(self) -> DatasetConsumptionConfig:
        """Give the script the data set itself."""
        return DatasetConsumptionConfig(self.name, self.dataset, "direct")

    def as_mount(self, path_on_compute: Any = None) -> DatasetConsumptionConfig:
        """Give the script a local path for reading: the files where they are, or copies if elsewhere."""
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: Any = None) -> DatasetConsumptionConfig:
        """Give the script a local path with copies of its own."""
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def as_hdfs(self) -> NoReturn:
        """Refused: there is no Hadoop file system here."""
        raise UserErrorException("Runstone has no Hadoop file system; use as_mount() or as_download().")

    def __str__(self) -> str:
        return self.dataset.id if self.mode == "direct" else token(self.name)

    def __repr__(self) -> str:
        return f"DatasetConsumptionConfig({self.name!r}, {self.dataset!r}, {self.mode!r})"


class OutputFileDatasetConfig:
    """A directory that a script fills, uploaded when the run ends.

    Args:
        name: the output's name: letters, digits and underscores, no digit first; one of its own by default.
        destination: ``(datastore, path)`` or a DataPath; ``{run-id}`` and ``{output-name}`` are filled in. By
            default a folder of the workspace's default datastore for each run.
        source: the directory, a path in the script's directory; one of the run's own by default.
        partition_format: refused: the files are kept as they are named.

    Raises:
        UserErrorException: a name or a path that cannot be.
    """

    def __init__(
        self,
        name: str | None = None,
        destination: Any = None,
        source: Any = None,
        partition_format: str | None = None,
    ) -> None:
        if partition_format is not None:
            raise UserErrorException("partition_format is not known here; the files keep their names.")
        self.name = run_name(name or f"output_{uuid.uuid4().hex[:8]}")
        self.destination = None if destination is None else place(destination)
        self.source = inside(source)
        self.overwrite = False
        self.registered: Mapping[str, Any] | None = None
        self.reading: Mapping[str, Any] = {}
        self.pattern = "**"

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputFileDatasetConfig:
        """Upload the files at the end of the run; ``overwrite`` replaces those that are there."""
        if source_globs is not None:
            raise UserErrorException(
                "source_globs is not known here; every file of the directory is uploaded."
            )
        self.overwrite = overwrite
        return self

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        """The same as ``as_upload()``: the files arrive at the end of the run."""
        return self

    def register_on_complete(
        self, name: str, description: str | None = None, tags: Mapping[str, str] | None = None
    ) -> OutputFileDatasetConfig:
        """Register what was uploaded as a new version of a data set, if the run completes."""
        given = {str(key): str(value) for key, value in (tags or {}).items()}
        self.registered = {"name": name, "description": description, "tags": given}
        return self

    def read_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Any = True,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Any = None,
    ) -> OutputFileDatasetConfig:
        """Make a tabular data set of delimited files of it: of those of ``path_glob``, if it is given."""
        from runstone.sdk import readings  # few scripts make tables

        given = {"include_path": include_path, "set_column_types": set_column_types}
        self.reading = {
            **readings.delimited(**given, separator=separator, header=header),
            "partition_format": readings.checked_format(partition_format),
        }
        self.pattern = datastore_path(path_glob or "**")
        return self

    def read_parquet_files(
        self,
        include_path: bool = False,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Any = None,
    ) -> OutputFileDatasetConfig:
        """Make a tabular data set of Parquet files of it: of those of ``path_glob``, if it is given."""
        from runstone.sdk import readings  # few scripts make tables

        self.reading = {
            **readings.parquet(include_path=include_path, set_column_types=set_column_types),
            "partition_format": readings.checked_format(partition_format),
        }
        self.pattern = datastore_path(path_glob or "**")
        return self

    def __str__(self) -> str:
        return token(self.name)

    def __repr__(self) -> str:
        return f"OutputFileDatasetConfig({self.name!r})"


def inside(path: Any) -> str | None:
    """A path in the script's directory, as it is kept; UserErrorException for one that leads out."""
    if path is None:
        return None
    if Path(str(path)).is_absolute():
        raise UserErrorException(
            f"{path} is absolute, and a run here has no machine of its own: give a path in the script's "
            f"directory, or none; the script's argument says where the data are."
        )
    return folder_name(str(path)) or None
