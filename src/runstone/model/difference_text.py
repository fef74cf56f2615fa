"""A difference of two runs as text for a terminal and as Markdown for an issue or a review."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runstone.model.differences import Change, Difference, Section

SHORT = 12
_TICKS = re.compile(r"`+")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|&#~])")


def text(found: Difference) -> Iterator[str]:
    """Lines; none when nothing differs."""
    if found.same:
        return
    for sign, name, side in (("---", "A", found.a), ("+++", "B", found.b)):
        yield f"{sign} {name} {side.id} ({side.experiment}, run {side.number})"
    for section in found.sections.values():
        yield ""
        yield section.name
        if section.note:
            yield f"  {section.note}"
        for change in section.changes:
            yield from _told(change)


def markdown(found: Difference) -> Iterator[str]:
    """The lines of a Markdown document; none when nothing differs."""
    if found.same:
        return
    yield "# Two runs compared"
    yield ""
    for name, side in (("A", found.a), ("B", found.b)):
        yield f"- {name}: {_code(side.id)} ({_safe(side.experiment)}, run {side.number})"
    for section in found.sections.values():
        yield ""
        yield f"## {section.name.capitalize()}"
        yield ""
        if section.note:
            yield _safe(section.note)
        yield from _tabulated(section)


def _told(change: Change) -> Iterator[str]:
    name = f"{change.name} {change.part}" if change.part else change.name
    if change.only:
        yield f"  {name}: only in {change.only}: {_value(change.b if change.only == 'B' else change.a)}"
    else:
        yield f"  {name}: {_value(change.a)} -> {_value(change.b)}{_percent(change)}"
    yield from (f"    {line}" for line in change.text)
    if change.note:
        yield f"    ({change.note})"


def _tabulated(section: Section) -> Iterator[str]:
    if section.changes:
        yield "| | A | B | change |"
        yield "|---|---|---|---|"
    for change in section.changes:
        name = f"{change.name} {change.part}" if change.part else change.name
        cells = [name, "" if change.only == "B" else _value(change.a)]
        cells.append("" if change.only == "A" else _value(change.b))
        cells.append(f"only in {change.only}" if change.only else _percent(change).strip(" ()"))
        yield f"| {' | '.join(_safe(cell) for cell in cells)} |"
    for change in section.changes:
        if change.text or change.note:
            yield ""
            yield f"{_code(change.name)}{': ' + _safe(change.note) if change.note else ''}"
        if change.text:
            yield from _fenced(change.text)


def _fenced(lines: tuple[str, ...]) -> Iterator[str]:
    # longer than any fence inside, so that nothing of the file ends it
    longest = max((len(found) for line in lines for found in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield ""
    yield f"{fence}diff"
    yield from (line.replace("\r", "") for line in lines)
    yield fence


def _percent(change: Change) -> str:
    return "" if change.relative is None else f" ({100 * change.relative:+.4g} %)"


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and "sha256" in value:
        return f"{value['size']:,} bytes, sha256 {value['sha256'][:SHORT]}"
    if isinstance(value, str):
        return value if value.isprintable() and value == value.strip() and value else json.dumps(value)
    return "none" if value is None else str(value)


def _code(text: str) -> str:
    ticks = "`" * (1 + max((len(found) for found in _TICKS.findall(text)), default=0))
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{_line(text)}{pad}{ticks}"


def _safe(text: str) -> str:
    """A text as Markdown shows it, and no markup of it."""
    return _SPECIAL.sub(r"\\\1", _line(text))


def _line(text: str) -> str:
    return " ".join(text.splitlines())
