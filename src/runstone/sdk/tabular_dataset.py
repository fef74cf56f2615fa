"""TabularDataset: rows and columns of delimited, Parquet and JSON files."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.data import TABULAR, Data, Recipe
from runstone.model.errors import UserErrorException
from runstone.sdk import frames, readings
from runstone.sdk.abstract_dataset import AbstractDataset
from runstone.sdk.data_paths import place, sources
from runstone.sdk.expressions import Column, Expression
from runstone.sdk.file_dataset import FileDataset, FileDatasetFactory
from runstone.sdk.readings import DataType

if TYPE_CHECKING:
    import pandas

    from runstone.sdk.workspace import Workspace

MANAGED = "managed-dataset"


class TabularDataset(AbstractDataset):
    """Rows and columns, read when they are asked for; needs ``runstone[frames]``."""

    def to_pandas_dataframe(
        self, on_error: str = "null", out_of_range_datetime: str = "null"
    ) -> pandas.DataFrame:
        """All rows as a pandas DataFrame, in the order of the files' names.

        Raises:
            UserErrorException: a file cannot be read, a column is not there, or pandas is not installed.
        """
        return frames.frame(self._data.recipe, self._files())

    def keep_columns(self, columns: Any, validate: bool = False) -> TabularDataset:
        """Only these columns, in this order; ``validate`` looks now whether they are there."""
        return self._checked(self._then(do="keep", columns=frames.columns_of(columns)), validate)

    def drop_columns(self, columns: Any) -> TabularDataset:
        """All but these columns."""
        return self._then(do="drop", columns=frames.columns_of(columns))

    def filter(self, expression: Expression) -> TabularDataset:
        """The rows for which a condition holds, such as ``(dataset["age"] > 30) & (dataset["n"] != 0)``."""
        if not isinstance(expression, Expression):
            raise UserErrorException(
                f"A condition compares columns of the data set, like dataset['age'] > 30; got {expression!r}."
            )
        return self._then(do="filter", where=expression.document)

    def to_csv_files(self, separator: str = ",") -> FileDataset:
        """The rows as a delimited file of the machine's temporary directory."""
        path = Path(tempfile.mkdtemp(prefix="runstone-")) / "part-00000.csv"
        self.to_pandas_dataframe().to_csv(path, sep=separator, index=False)
        return FileDatasetFactory.from_files(path)

    def to_parquet_files(self) -> FileDataset:
        """The rows as a Parquet file of the machine's temporary directory."""
        path = Path(tempfile.mkdtemp(prefix="runstone-")) / "part-00000.parquet"
        self.to_pandas_dataframe().to_parquet(path, index=False)
        return FileDatasetFactory.from_files(path)

    def partition_by(
        self, partition_keys: Any, target: Any, name: str | None = None, show_progress: bool = True
    ) -> TabularDataset:
        """Write the rows as Parquet files to a datastore, a folder for each value of the key columns.

        Args:
            partition_keys: names of columns; their values become parts of paths, and texts.
            target: a datastore, ``(datastore, path)`` or a DataPath.
            name: register the result as a new version of that name.

        Raises:
            UserErrorException: a column is not there, or a value cannot be a folder's name.
        """
        datastore, folder = place(target)
        keys = frames.columns_of(partition_keys)
        inside = "/".join(filter(None, [folder, MANAGED, str(uuid.uuid4())]))
        with tempfile.TemporaryDirectory(prefix="runstone-") as made:
            frames.write_parts(self.to_pandas_dataframe(), keys, Path(made))
            datastore.upload(made, inside, show_progress=show_progress)
        form = "".join(f"{{{key}}}/" for key in keys)
        found = TabularDatasetFactory.from_parquet_files((datastore, f"{inside}/**"), partition_format=form)
        return found if name is None else found.register(datastore.workspace, name, create_new_version=True)

    def __getitem__(self, name: str) -> Column:
        """A column, for a condition."""
        return Column(frames.columns_of(name)[0])

    def _checked(self, made: TabularDataset, validate: bool) -> TabularDataset:
        if validate:
            made.take(1).to_pandas_dataframe()
        return made


class TabularDatasetFactory:
    """Makes tabular data sets; as ``Dataset.Tabular``."""

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: Mapping[str, DataType] | None = None,
        separator: str = ",",
        header: Any = True,
        partition_format: str | None = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: str = "utf8",
    ) -> TabularDataset:
        """A data set of the rows of delimited files, such as CSV.

        Args:
            path: a local path, an http(s) address, ``(datastore, path)``, a DataPath, or a list of these.
            validate: look now whether there are any files.
            include_path: the file of each row as the column ``Path``.
            infer_column_types: numbers, truth values and dates are found; False keeps texts.
            set_column_types: types for columns, which go before what is found.
            header: whether files begin with the columns' names; without, these are ``Column1`` and so on.
            empty_as_string: empty fields are empty texts, instead of missing.
            partition_format: how paths end and the columns in them: ``{city}/{day:yyyy-MM-dd}/x.csv``.

        Raises:
            UserErrorException: there are no files, or a path that cannot be.
        """
        reading = readings.delimited(
            include_path=include_path,
            infer_column_types=infer_column_types,
            set_column_types=set_column_types,
            separator=separator,
            header=header,
            empty_as_string=empty_as_string,
            encoding=encoding,
        )
        return _made(path, reading, validate, partition_format)

    @staticmethod
    def from_parquet_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Mapping[str, DataType] | None = None,
        partition_format: str | None = None,
    ) -> TabularDataset:
        """A data set of the rows of Parquet files; arguments as for ``from_delimited_files``."""
        reading = readings.parquet(include_path=include_path, set_column_types=set_column_types)
        return _made(path, reading, validate, partition_format)

    @staticmethod
    def from_json_lines_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Mapping[str, DataType] | None = None,
        partition_format: str | None = None,
        invalid_lines: str = "error",
        encoding: str = "utf8",
    ) -> TabularDataset:
        """A data set of files with one JSON object a line; arguments as for ``from_delimited_files``."""
        if invalid_lines != "error":
            raise UserErrorException("Lines that are no JSON are an error here; mend the file.")
        reading = readings.json_lines(
            include_path=include_path, set_column_types=set_column_types, encoding=encoding
        )
        return _made(path, reading, validate, partition_format)

    @staticmethod
    def register_pandas_dataframe(
        dataframe: pandas.DataFrame,
        target: Any,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        show_progress: bool = True,
    ) -> TabularDataset:
        """Write a DataFrame as Parquet to a datastore, and register it as a new version of a name.

        Args:
            target: a datastore, ``(datastore, path)`` or a DataPath.
        """
        datastore, folder = place(target)
        inside = "/".join(filter(None, [folder, MANAGED, str(uuid.uuid4())]))
        with tempfile.TemporaryDirectory(prefix="runstone-") as made:
            file = Path(made) / "part-00000.parquet"
            dataframe.to_parquet(file, index=False)
            datastore.upload_files([file], target_path=inside, show_progress=show_progress)
        found = TabularDatasetFactory.from_parquet_files((datastore, f"{inside}/*.parquet"))
        workspace: Workspace = datastore.workspace
        return found.register(workspace, name, description, tags, create_new_version=True)


def _made(path: Any, reading: Mapping[str, Any], validate: bool, partition_format: Any) -> TabularDataset:
    found, workspace = sources(path)
    read = {**reading, "partition_format": readings.checked_format(partition_format)}
    made = TabularDataset(Data(Recipe(TABULAR, found, read)), workspace)
    return made._validated() if validate else made
