"""JSON that somebody else wrote, read within limits: size and depth are checked before anything is built."""

from __future__ import annotations

import json
import re
from typing import Any

from runstone.model.errors import Invalid

SIZE = 16 * 1024 * 1024
DEPTH = 64
# A longer run of digits would take the parser minutes (and from Python 3.11 on raises).
DIGITS = 4_000

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_LONG_NUMBER = re.compile(rf"\d{{{DIGITS + 1}}}")


def read_json(text: str, what: str) -> Any:
    """The value of a JSON text.

    Raises:
        Invalid: it is no JSON, larger than 16 MiB, nested deeper than 64, or has an object with a key twice.
    """
    if len(text) > SIZE:
        raise Invalid(f"The {what} is over the size limit: Limit={SIZE:,} characters, Size={len(text):,}.")
    if depth(text) > DEPTH:
        raise Invalid(f"The {what} is nested deeper than {DEPTH} levels; flatten it.")
    if _LONG_NUMBER.search(text):
        raise Invalid(f"The {what} holds a number of more than {DIGITS:,} digits; write it as text.")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, what))
    except ValueError as error:
        raise Invalid(f"The {what} is no JSON: {error}.") from None


def depth(text: str) -> int:
    """How deep brackets are nested, without parsing (and so without recursion)."""
    deepest = level = 0
    for match in _BRACKETS.finditer(text):
        if match[0] in "[{":
            level += 1
            deepest = max(deepest, level)
        elif match[0] in "]}":
            level -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Invalid(f"The {what} has the key {twice!r} twice in one object; keep one of them.")
    return values
