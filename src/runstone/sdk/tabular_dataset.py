"""TabularDataset: rows and columns of delimited, Parquet and JSON files."""

from __future__ import annotations

import enum
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.data import TABULAR, Data, Recipe
from runstone.model.errors import UserErrorException
from runstone.sdk import frames
from runstone.sdk.abstract_dataset import AbstractDataset
from runstone.sdk.data_paths import place, sources
from runstone.sdk.expressions import Column, Expression
from runstone.sdk.file_dataset import FileDataset, FileDatasetFactory

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

    def __getitem__(self, name: str) -> Column:
        """A column, for a condition."""
        return Column(frames.columns_of(name)[0])

    def _checked(self, made: TabularDataset, validate: bool) -> TabularDataset:
        if validate:
            made.take(1).to_pandas_dataframe()
        return made


class PromoteHeadersBehavior(enum.Enum):
    """Whether delimited files begin with the names of their columns."""

    NO_HEADERS = 0
    ONLY_FIRST_FILE_HAS_HEADERS = 1
    COMBINE_ALL_FILES_HEADERS = 2
    ALL_FILES_HAVE_SAME_HEADERS = 3


class DataType:
    """The types that columns can be given: ``set_column_types={"when": DataType.to_datetime()}``."""

    def __init__(self, type: str, format: str | None = None) -> None:
        self.document = {"type": type, "format": format}

    @staticmethod
    def to_string() -> DataType:
        """Texts."""
        return DataType("string")

    @staticmethod
    def to_long() -> DataType:
        """Whole numbers; what is none becomes missing."""
        return DataType("long")

    @staticmethod
    def to_float() -> DataType:
        """Numbers; what is none becomes missing."""
        return DataType("float")

    @staticmethod
    def to_bool() -> DataType:
        """True and false (1 and 0); what is neither becomes missing."""
        return DataType("bool")

    @staticmethod
    def to_datetime(formats: Any = None) -> DataType:
        """Times, of one format such as ``%Y-%m-%d``, or of any; what is none becomes missing."""
        given = [formats] if isinstance(formats, str) else [*(formats or ())]
        if len(given) > 1:
            raise UserErrorException(f"Give one format, or none for any; got {given}.")
        return DataType("datetime", given[0] if given else None)


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

        Raises:
            UserErrorException: there are no files, or a path that cannot be.
        """
        reading = {
            "format": "delimited",
            "include_path": bool(include_path),
            "infer": bool(infer_column_types),
            "types": _types(set_column_types),
            "separator": separator,
            "header": bool(getattr(header, "value", header)),
            "empty_as_string": bool(empty_as_string),
            "encoding": encoding,
        }
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
        reading = {
            "format": "parquet",
            "include_path": bool(include_path),
            "types": _types(set_column_types),
        }
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
        reading = {
            "format": "json-lines",
            "include_path": bool(include_path),
            "types": _types(set_column_types),
            "encoding": encoding,
        }
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
    if partition_format is not None:
        raise UserErrorException(
            "partition_format is not known here; include_path=True gives the file of each row as a column."
        )
    found, workspace = sources(path)
    made = TabularDataset(Data(Recipe(TABULAR, found, reading)), workspace)
    return made._validated() if validate else made


def _types(given: Mapping[str, DataType] | None) -> dict[str, Any]:
    wrong = [name for name, wanted in (given or {}).items() if not isinstance(wanted, DataType)]
    if wrong:
        raise UserErrorException(
            f"The types of {wrong} are to be given by DataType, like DataType.to_float()."
        )
    return {name: wanted.document for name, wanted in (given or {}).items()}
