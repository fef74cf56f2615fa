"""How the files of tabular data are read: formats, types of columns, and what paths say of their rows."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from runstone.model.errors import UserErrorException

_FIELD = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}")
# The parts of a date in a partition_format, as the original spells them.
_DATE = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_DATE_PART = re.compile("|".join([*_DATE, "."]))


def delimited(
    *,
    include_path: bool = False,
    infer_column_types: bool = True,
    set_column_types: Mapping[str, DataType] | None = None,
    separator: str = ",",
    header: Any = True,
    empty_as_string: bool = False,
    encoding: str = "utf8",
) -> dict[str, Any]:
    """How delimited files are read, as it is kept in a recipe."""
    return {
        "format": "delimited",
        "include_path": bool(include_path),
        "infer": bool(infer_column_types),
        "types": _types(set_column_types),
        "separator": separator,
        "header": bool(getattr(header, "value", header)),
        "empty_as_string": bool(empty_as_string),
        "encoding": encoding,
    }


def parquet(
    *, include_path: bool = False, set_column_types: Mapping[str, DataType] | None = None
) -> dict[str, Any]:
    """How Parquet files are read."""
    types = _types(set_column_types)
    return {"format": "parquet", "include_path": bool(include_path), "types": types}


def json_lines(
    *,
    include_path: bool = False,
    set_column_types: Mapping[str, DataType] | None = None,
    encoding: str = "utf8",
) -> dict[str, Any]:
    """How files with one JSON object a line are read."""
    types = _types(set_column_types)
    return {"format": "json-lines", "include_path": bool(include_path), "types": types, "encoding": encoding}


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


def checked_format(partition_format: str | None) -> str | None:
    """A partition_format as it is kept; UserErrorException for one that names no column, or one twice."""
    if partition_format is None:
        return None
    names = [field[1] for field in _FIELD.finditer(str(partition_format))]
    if not names or len(set(names)) < len(names):
        raise UserErrorException(
            f"A partition_format names columns, each once, as '{{city}}/{{day:yyyy-MM-dd}}/x.csv'; got "
            f"{partition_format!r}."
        )
    return str(partition_format).lstrip("/")


def columns_in(path: str, partition_format: str) -> dict[str, Any]:
    """What a file's path says of its rows: texts, and dates where the format spells them.

    UserErrorException for a path that does not end as the format says.
    """
    found = re.search(f"(?:^|/){_pattern(partition_format)}$", path, re.S)
    if found is None:
        raise UserErrorException(
            f"The path {path!r} does not end like the partition_format {partition_format!r}."
        )
    fields = list(_FIELD.finditer(partition_format))
    return {
        field[1]: text if field[2] is None else _date(text, field[2], path)
        for field, text in zip(fields, found.groups(), strict=True)
    }


def _pattern(partition_format: str) -> str:
    text, at = "", 0
    for field in _FIELD.finditer(partition_format):
        text += re.escape(partition_format[at : field.start()])
        text += "([^/]+)" if field[2] is None else f"({_digits(field[2])})"
        at = field.end()
    rest = partition_format[at:]
    # where the format ends with a folder, the file may be called anything
    return text + re.escape(rest) + ("[^/]+" if rest.endswith("/") else "")


def _digits(spelled: str) -> str:
    widths = {part: f"[0-9]{{{len(part)}}}" for part in _DATE}
    return "".join(widths.get(part, re.escape(part)) for part in _DATE_PART.findall(spelled))


def _date(text: str, spelled: str, path: str) -> datetime:
    form = "".join(_DATE.get(part, part.replace("%", "%%")) for part in _DATE_PART.findall(spelled))
    try:
        return datetime.strptime(text, form)
    except ValueError:
        raise UserErrorException(f"The path {path!r} has {text!r} for a date like {spelled!r}.") from None


def _types(given: Mapping[str, DataType] | None) -> dict[str, Any]:
    wrong = [name for name, wanted in (given or {}).items() if not isinstance(wanted, DataType)]
    if wrong:
        raise UserErrorException(
            f"The types of {wrong} are to be given by DataType, like DataType.to_float()."
        )
    return {name: wanted.document for name, wanted in (given or {}).items()}
