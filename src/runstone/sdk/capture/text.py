"""Makes names and values of the machine's fit to be kept: whole characters, no controls, a bounded length."""

from __future__ import annotations

VALUE_LIMIT = 5_000


def printable(text: str, limit: int = VALUE_LIMIT) -> str:
    """The text with control characters and stray bytes spelt out (`\\n`, `\\x1b`), cut at `limit`."""
    spelt = "".join(character if _is_plain(character) else _spelt(character) for character in text)
    return spelt if len(spelt) <= limit else spelt[: limit - 1] + "…"


def _is_plain(character: str) -> bool:
    is_control = character < " " or "\x7f" <= character <= "\x9f"
    return not is_control and not "\ud800" <= character <= "\udfff"


def _spelt(character: str) -> str:
    # Python keeps a byte that is no text as a surrogate from U+DC80 on.
    is_byte = "\udc80" <= character <= "\udcff"
    return (
        f"\\x{ord(character) & 0xFF:02x}" if is_byte else character.encode("unicode_escape").decode("ascii")
    )
