"""JSON that somebody else wrote, read within limits: size and depth are checked before anything is built."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from runstone.model.errors import Invalid

SIZE = 16 * 1024 * 1024
DEPTH = 64
# A longer run of digits would take the parser minutes (and from Python 3.11 on raises).
DIGITS = 4_000

# None of these looks at a character more than once or twice: a longer text only takes longer in proportion.
_MARKS = re.compile(r'\\.|["\[\]{}]', re.S)
_LONG_NUMBER = re.compile(rf"(?<![0-9])[0-9]{{{DIGITS + 1}}}")


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
    """How deep brackets are nested, counted to one beyond DEPTH, without parsing (and so recursion)."""
    deepest = level = 0
    within_text = False
    for match in _MARKS.finditer(text):
        mark = match[0]
        if mark == '"':
            within_text = not within_text
        elif within_text or mark[0] == "\\":
            continue
        elif mark in "[{":
            level += 1
            deepest = max(deepest, level)
            if deepest > DEPTH:
                break
        else:
            level -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = next(key for key, times in counted.items() if times > 1)
        raise Invalid(f"The {what} has the key {twice!r:.80} twice in one object; keep one of them.")
    return values
