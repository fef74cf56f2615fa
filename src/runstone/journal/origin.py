"""Whose error it is: one that a signal handler raised in the middle of our code is for somebody above."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = str(Path(__file__).parent.parent)
_STDLIB = str(Path(os.__file__).parent)


def is_ours(error: Exception) -> bool:
    """Whether an error arose in our own code, or in what the standard library does for it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    file = place.tb_frame.f_code.co_filename if place is not None else ""
    if file.startswith((_PACKAGE, "<frozen")):
        return True
    return file.startswith(_STDLIB) and "site-packages" not in file
