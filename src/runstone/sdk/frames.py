"""Tabular data in pandas: files read as a recipe says, then what it does with rows and columns."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model.errors import UserErrorException
from runstone.model.names import relative_name
from runstone.sdk.expressions import holds
from runstone.sdk.readings import columns_in

if TYPE_CHECKING:
    import pandas

    from runstone.model.data import Recipe
    from runstone.service.data import File

PATH_COLUMN = "Path"
_A_DATE = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?"
_CODINGS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8-sig",
    "iso88591": "iso-8859-1",
    "latin1": "latin-1",
    "utf16": "utf-16",
    "windows1252": "cp1252",
}


def frame(recipe: Recipe, files: Sequence[File]) -> pandas.DataFrame:
    """The recipe's rows; files are read one after the other, and no more of them than its steps need."""
    pandas = _pandas()
    steps = [*recipe.steps]
    wanted = int(steps[0]["count"]) if steps and steps[0]["do"] == "take" else None
    parts: list[Any] = []
    for file in files:
        parts.append(_read(recipe.reading, file, wanted))
        if wanted is not None:
            wanted -= len(parts[-1])
            if wanted <= 0:
                break
    table = pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame()
    for step in steps:
        table = _done(table, step).reset_index(drop=True)
    return table


def _read(reading: Mapping[str, Any], file: File, wanted: int | None) -> pandas.DataFrame:
    readers = {"delimited": _delimited, "parquet": _parquet, "json-lines": _json_lines}
    try:
        table = readers[reading["format"]](reading, file, wanted)
    except (ValueError, UnicodeError, OSError) as error:
        raise UserErrorException(f"{file.name} cannot be read as {reading['format']}: {error}") from error
    if wanted is not None:
        table = table.head(wanted)
    if reading.get("partition_format"):
        found = columns_in(file.path, reading["partition_format"])
        table = table.assign(**found)[[*found, *(name for name in table.columns if name not in found)]]
    if reading["include_path"]:
        table.insert(0, PATH_COLUMN, f"/{file.name}")
    return _typed(table, reading)


def _delimited(reading: Mapping[str, Any], file: File, wanted: int | None) -> pandas.DataFrame:
    separator = reading["separator"]
    texts = {} if reading["infer"] else {"dtype": str, "keep_default_na": False}
    absent = {"keep_default_na": False} if reading["empty_as_string"] else {}
    with file.open() as stream:
        table = _pandas().read_csv(
            stream,
            sep=separator,
            engine="c" if len(separator) == 1 else "python",
            header=0 if reading["header"] else None,
            encoding=_CODINGS.get(reading["encoding"], reading["encoding"]),
            nrows=wanted,
            **{**texts, **absent},
        )
    if not reading["header"]:
        table.columns = [f"Column{number}" for number in range(1, len(table.columns) + 1)]
    return _with_dates(table, reading["types"]) if reading["infer"] else table


def _parquet(reading: Mapping[str, Any], file: File, wanted: int | None) -> pandas.DataFrame:
    pandas = _pandas()
    local = file.local()
    try:
        if local is not None:
            return pandas.read_parquet(local)
        with file.open() as stream:
            return pandas.read_parquet(io.BytesIO(stream.read()))
    except ImportError:
        raise _missing() from None


def _json_lines(reading: Mapping[str, Any], file: File, wanted: int | None) -> pandas.DataFrame:
    coding = _CODINGS.get(reading["encoding"], reading["encoding"])
    with file.open() as stream, io.TextIOWrapper(stream, encoding=coding) as text:
        filled = (line for line in text if line.strip())
        rows = [json.loads(line) for line in itertools.islice(filled, wanted)]
    return _with_dates(_pandas().DataFrame(rows), reading["types"])


def _with_dates(table: pandas.DataFrame, types: Mapping[str, Any]) -> pandas.DataFrame:
    """Columns of texts that are all dates of ISO 8601, as dates."""
    pandas = _pandas()
    for name in table.columns:
        column = table[name].dropna()
        if str(name) in types or column.empty or not all(isinstance(value, str) for value in column.head(1)):
            continue
        texts = column.astype(str)
        if texts.str.fullmatch(_A_DATE).all():
            dates = pandas.to_datetime(table[name], format="ISO8601", errors="coerce")
            # as they were, where one of them is no day of the calendar
            table[name] = dates if dates.notna().sum() == len(texts) else table[name]
    return table


def _typed(table: pandas.DataFrame, reading: Mapping[str, Any]) -> pandas.DataFrame:
    pandas = _pandas()
    for name, wanted in reading["types"].items():
        if name not in table.columns:
            raise UserErrorException(
                f"There is no column {name!r} to be made {wanted['type']}; there are: {[*table]}."
            )
        column = table[name]
        if wanted["type"] == "datetime":
            table[name] = pandas.to_datetime(column, format=wanted.get("format") or "mixed", errors="coerce")
        elif wanted["type"] in ("float", "long"):
            numbers = pandas.to_numeric(column, errors="coerce")
            table[name] = numbers.astype("Int64") if wanted["type"] == "long" else numbers.astype(float)
        elif wanted["type"] == "bool":
            said = column.astype(str).str.lower()
            table[name] = said.map({"true": True, "1": True, "false": False, "0": False}).astype("boolean")
        else:
            table[name] = column.astype("string").astype(object)
    return table


def _done(table: pandas.DataFrame, step: Mapping[str, Any]) -> pandas.DataFrame:
    do = step["do"]
    if do == "take":
        return table.head(step["count"])
    if do == "skip":
        return table.iloc[step["count"] :]
    if do in ("sample", "split"):
        return table[_chosen(len(table), step)]
    if do == "keep":
        return table[_known(table, step["columns"])]
    if do == "drop":
        return table.drop(columns=_known(table, step["columns"]))
    return table[holds(table, step["where"])]


def _chosen(rows: int, step: Mapping[str, Any]) -> Any:
    """Which rows chance has chosen: by the seed and a row's number alone."""
    import numpy  # slow to load, and not needed by every script

    chosen = numpy.random.default_rng(step["seed"]).random(rows) < step["share"]
    return ~chosen if step.get("first") is False else chosen


def _known(table: pandas.DataFrame, columns: Sequence[str]) -> list[str]:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise UserErrorException(f"There are no columns {missing}; there are: {[*table.columns]}.")
    return [*columns]


def write_parts(table: pandas.DataFrame, keys: Sequence[str], folder: Path) -> None:
    """Write the rows as Parquet, in a folder for each combination of the keys' values."""
    for values, rows in table.groupby(_known(table, keys), dropna=False):
        parts = [relative_name(str(value)) for value in values]
        if any("/" in part for part in parts):
            raise UserErrorException(f"The values {values} of {keys} cannot be folders: they hold a slash.")
        place = folder.joinpath(*parts)
        place.mkdir(parents=True)
        rows.drop(columns=[*keys]).to_parquet(place / "part-00000.parquet", index=False)


def columns_of(given: Any) -> list[str]:
    """Names of columns: one text, or several."""
    found = [given] if isinstance(given, str) else [*_texts(given)]
    if not found:
        raise UserErrorException("Name one column or more.")
    return found


def _texts(given: Any) -> Iterator[str]:
    for name in given:
        if not isinstance(name, str):
            raise UserErrorException(f"A column is named by a text; got {name!r}.")
        yield name


def _pandas() -> Any:
    try:
        import pandas  # an extra
    except ImportError:
        raise _missing() from None
    return pandas


def _missing() -> UserErrorException:
    return UserErrorException("Tabular data need more than is installed: pip install runstone[frames]")
