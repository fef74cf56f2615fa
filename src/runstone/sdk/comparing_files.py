"""Source files side by side: unified diffs of texts, within bounds; of the rest, that they differ."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from runstone.model.differences import ABSENT, Change

# Of one file that is compared line by line; of the lines that are shown of it; of such files.
MOST_BYTES = 256 * 1024
MOST_LINES = 400
MOST_FILES = 100


@dataclass(frozen=True)
class Content:
    """A file of a run by its hash, and how it is opened."""

    sha256: str
    size: int
    open: Callable[[], BinaryIO]


def compared_files(a: Mapping[str, Content], b: Mapping[str, Content]) -> Iterator[Change]:
    """A change for each file that only one side has, or that differs, by name."""
    shown = 0
    for name in sorted(a.keys() | b.keys()):
        left, right = a.get(name), b.get(name)
        if left is None or right is None:
            yield Change(name, _told(left), _told(right))
        elif left.sha256 != right.sha256:
            lines, note = _lines(name, left, right) if shown < MOST_FILES else ((), _beyond())
            shown += 1
            yield Change(name, _told(left), _told(right), text=lines, note=note)


def _told(content: Content | None) -> object:
    return ABSENT if content is None else {"sha256": content.sha256, "size": content.size}


def _beyond() -> str:
    return f"not compared line by line: {MOST_FILES} files before it were"


def _lines(name: str, a: Content, b: Content) -> tuple[tuple[str, ...], str | None]:
    if max(a.size, b.size) > MOST_BYTES:
        return (), f"not compared line by line: larger than {MOST_BYTES // 1024} KiB"
    left, right = _text(a), _text(b)
    if left is None or right is None:
        return (), "binary files differ"
    found = list(
        difflib.unified_diff(
            left.split("\n"), right.split("\n"), fromfile=f"A/{name}", tofile=f"B/{name}", lineterm=""
        )
    )
    if not found:
        return (), "they differ in how they are encoded"
    more = len(found) - MOST_LINES
    return tuple(found[:MOST_LINES]), f"{more:,} more lines differ or surround these" if more > 0 else None


def _text(content: Content) -> str | None:
    """The text of a file, or None where it is none."""
    with content.open() as stream:
        data = stream.read()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
