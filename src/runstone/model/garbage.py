"""What a history could do without."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Garbage:
    """What is to go, or has gone: runs that were deleted long ago, with what belongs to them.

    ``files`` and ``bytes`` are those that the runs name, contents that other runs share included;
    ``journals`` are left by such runs, or by runs that are no more. ``contents`` were removed from the disk,
    as nobody refers to them; None before anything was.
    """

    runs: int = 0
    files: int = 0
    bytes: int = 0
    journals: int = 0
    contents: int | None = None
