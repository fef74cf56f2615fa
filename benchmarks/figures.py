"""Figures, and the table that they make. Of every figure less is better."""

from __future__ import annotations

import math
import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

WIDTHS = (59, 9, 33, 9, 11)


@dataclass(frozen=True)
class Goal:
    """What a figure may be at most; ``ratio``: not itself, but as a multiple of the other."""

    most: float
    ratio: bool = False


@dataclass(frozen=True)
class Figure:
    """One line: what was measured of ours, and beside it the same elsewhere, measured in the same run.

    ``theirs`` is NaN when it is not to be had; then ``beside`` says why. Units: s, B, MiB, or none.
    """

    what: str
    ours: float
    unit: str
    beside: str = ""
    theirs: float = math.nan
    goal: Goal | None = None

    @property
    def ratio(self) -> float:
        """Ours as a multiple of theirs."""
        return self.ours / self.theirs if self.theirs else math.nan

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return (self.ratio if self.goal.ratio else self.ours) <= self.goal.most


def beside(figure: Figure, others: Mapping[str, float | str]) -> Iterator[Figure]:
    """The figure beside each of the others: a value by its name, or the reason for which there is none."""
    if not others:
        yield figure
    for name, value in others.items():
        if isinstance(value, str):
            yield replace(figure, beside=f"{name}: {value}")
        else:
            yield replace(figure, beside=name, theirs=value)


def header() -> str:
    """The heading of the table."""
    return (
        _line("what", "ours", "beside", "theirs", "ours:theirs") + "  goal\n" + "-" * (sum(WIDTHS) + 8 + 24)
    )


def line(figure: Figure) -> str:
    """One line of the table."""
    shown = (shown_value(value, figure.unit) for value in (figure.ours, figure.theirs))
    ours, theirs = shown
    return _line(figure.what, ours, figure.beside, theirs, _ratio(figure.ratio)) + _goal(figure)


def shown_value(value: float, unit: str) -> str:
    """A value with three digits and its unit; a dash when there is none."""
    if math.isnan(value):
        return "-"
    if unit != "s":
        return f"{_digits(value)} {unit}".strip()
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1 or name == "µs":
            return f"{_digits(value * factor)} {name}"
    raise AssertionError(value)


def machine() -> dict[str, str]:
    """Where and when this is measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}"
    return {
        "when": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {system}",
        "software": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "load": load(),
    }


def load() -> str:
    """The load of the machine over the last 1, 5 and 15 minutes."""
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def _line(*cells: str) -> str:
    what, ours, beside, theirs, ratio = cells
    a, b, c, d, e = WIDTHS
    return f"{what:<{a}}  {ours:>{b}}  {beside:<{c}}  {theirs:>{d}}  {ratio:>{e}}"


def _ratio(value: float) -> str:
    if math.isnan(value) or value <= 0:
        return "-"
    return f"{_digits(value)}" if value >= 1 else f"1/{_digits(1 / value)}"


def _goal(figure: Figure) -> str:
    goal = figure.goal
    if goal is None:
        return ""
    most = f"{_digits(goal.most)} times" if goal.ratio else shown_value(goal.most, figure.unit)
    return f"  at most {most}: {'yes' if figure.met else 'NO'}"


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
