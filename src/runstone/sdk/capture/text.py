"""Makes names and values of the machine's fit to be kept: whole characters, no controls, a bounded length."""

from __future__ import annotations

VALUE_LIMIT = 5_000


def printable(text: str, limit: int = VALUE_LIMIT) -> str:
    """The text with control characters and stray bytes spelt out (`\\n`, `\\x1b`), cut at `limit`."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    spelt = "".join(character if _is_plain(character) else _spelt(character) for character in whole)
    return spelt if len(spelt) <= limit else spelt[: limit - 1] + "…"


def _is_plain(character: str) -> bool:
    return character >= " " and not "\x7f" <= character <= "\x9f"


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
