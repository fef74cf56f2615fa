"""Numbers that a sweep is configured with, refused where they are given."""

from __future__ import annotations

import math
from typing import Any

from runstone.model.errors import HyperDriveException


def whole(name: str, given: Any, *, least: int, most: int | None = None) -> int:
    """A whole number from ``least`` to ``most``."""
    counts = hasattr(given, "__index__") and not isinstance(given, bool)
    if not counts or int(given) < least or (most is not None and int(given) > most):
        bounds = f"from {least} on" if most is None else f"from {least} to {most}"
        raise HyperDriveException(f"{name} is a whole number {bounds}; got {given!r}.")
    return int(given)


def number(name: str, given: Any) -> float:
    """A number that is neither NaN nor infinite; whole ones stay whole."""
    try:
        value = math.nan if isinstance(given, str | bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise HyperDriveException(f"{name} is a number; got {given!r}.")
    return int(given) if isinstance(given, int) else value


def positive(name: str, given: Any) -> float:
    """A number above 0."""
    value = number(name, given)
    if value <= 0:
        raise HyperDriveException(f"{name} is a number above 0; got {given!r}.")
    return value
