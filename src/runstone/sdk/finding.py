"""From the original's arguments (type, tags, properties, status) to the one filter language, and pages of
runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runstone.model.documents import read_json
from runstone.model.errors import Invalid, UserErrorException

if TYPE_CHECKING:
    from runstone.sdk.run import Run
    from runstone.sdk.workspace import Workspace

PAGE = 500

_log = logging.getLogger("runstone")


def runs(workspace: Workspace, clauses: Iterable[str], order_by: str = "") -> Iterator[Run]:
    """The runs that satisfy every clause, page by page."""
    text = " and ".join(clause for clause in clauses if clause)
    cursor: str | None = None
    while True:
        page = workspace.search_runs(text, order_by, limit=PAGE, cursor=cursor)
        yield from page
        cursor = page.cursor
        if cursor is None:
            return


def equals(field: str, value: str | None) -> str:
    """``field = 'value'``; nothing when there is no value."""
    return "" if value is None else f"{field} = {quoted(value)}"


def given(filter: str) -> str:
    """A person's filter as one clause among others; FilterError, at its own characters, for what is none."""
    # a fifth of what the SDK takes to import, and a script that only logs has no filter
    from runstone.model.query import parse

    return "" if parse(filter) is None else f"({filter})"


def typed(type: str | None) -> str:
    """Runs of a type: the run's own, or the property by which the original marks it."""
    if type is None:
        return ""
    return f"(type = {quoted(type)} or properties.`azureml.runsource` = {quoted(type)})"


def having(group: str, wanted: str | Mapping[str, Any] | None) -> list[str]:
    """Clauses for tags or properties: a key that must be there, or keys with their values."""
    return [
        f"has {group}.{named(key)}" if value is None else f"{group}.{named(key)} = {quoted(value)}"
        for key, value in sought(group, wanted).items()
    ]


def sought(group: str, wanted: str | Mapping[str, Any] | None) -> dict[str, str | None]:
    """Keys with the values that they must have; None is any."""
    if wanted is None:
        return {}
    if isinstance(wanted, str):
        return {wanted: None}
    if not isinstance(wanted, Mapping):
        raise UserErrorException(f"{group} are asked for by a key or a dict, not by {wanted!r}.")
    return {str(key): None if value is None else str(value) for key, value in wanted.items()}


def quoted(value: str) -> str:
    """The value as a literal of the filter language."""
    if not isinstance(value, str):
        raise UserErrorException(f"Runs are asked for by one text, like 'Running'; got {value!r}.")
    return "'" + value.replace("'", "''") + "'"


def named(name: str) -> str:
    """The name as the filter language takes any text."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if "`" in name else f"`{name}`"


def texts(values: Mapping[str, Any], noun: str) -> dict[str, str | None]:
    """Keys and values as text; anything else is converted, with the original's warning."""
    if not isinstance(values, Mapping):
        raise UserErrorException(
            f"{noun} values are given as a dict, like {{'quality': 'good'}}; got {values!r}."
        )
    converted: dict[str, str | None] = {}
    for key, value in values.items():
        if value is not None and not isinstance(value, str):
            _log.warning("Converting non-string %s to string: (%s: %s)", noun, key, value)
        converted[str(key)] = None if value is None else str(value)
    return converted


def tags(values: Mapping[str, Any] | str) -> dict[str, str | None]:
    """Tags as text; a text is one tag without a value, or a JSON object of them."""
    if not isinstance(values, str):
        return texts(values, "tag")
    try:
        found = read_json(values, "tags")
    except Invalid:
        return {values: None}
    return texts(found, "tag") if isinstance(found, dict) else {values: None}


def properties(values: Mapping[str, Any]) -> dict[str, str]:
    """Properties as text; they have no None."""
    return {key: str(value) for key, value in texts(values, "property").items()}


def params(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as text, whatever they are."""
    if not isinstance(values, Mapping):
        raise UserErrorException(f"Parameters are given as a dict, like {{'lr': 0.01}}; got {values!r}.")
    return {str(key): str(value) for key, value in values.items()}


def keys(wanted: Iterable[str] | str) -> list[str]:
    """Keys as a list; a single one may be given as it is."""
    if not isinstance(wanted, Iterable):
        raise UserErrorException(f"Keys are given as a list, like ['quality']; got {wanted!r}.")
    return [wanted] if isinstance(wanted, str) else [str(key) for key in wanted]
