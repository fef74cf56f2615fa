"""How texts look on a terminal: rows in columns that fit its width, a card of names and values."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence

from runstone.cli import colours

GAP = "  "
# A column gives way to a narrow terminal down to this width; these stay whole, and a number is never cut.
LEAST = 8
WHOLE = ("Status", "Started")
# What a narrow terminal goes without, in this order, before it is too wide all the same.
SPARE = ("Duration", "Started", "Experiment")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def grid(rows: Sequence[Mapping[str, str]], room: int | None) -> list[str]:
    """Rows under their headings, in columns; numbers to the right. To fit the width, long texts are cut, then
    columns that can be spared are left out."""
    if not rows:
        return []
    shown = {name: [clean(row[name]) for row in rows] for name in rows[0]}
    for spare in SPARE:
        if room is None or _total(_least(shown)) <= room:
            break
        # the first column says what the row is of
        if spare != next(iter(shown)):
            shown.pop(spare, None)
    names, cells = list(shown), list(zip(*shown.values(), strict=True))
    widths = [max(map(columns, [name, *column])) for name, column in shown.items()]
    if room is not None:
        widths = _fitted(widths, _least(shown), room)
    right = [all(map(_numeric, column)) for column in shown.values()]
    whole = [
        [_padded(cell, size, end) for cell, size, end in zip(line, widths, right, strict=True)]
        for line in [names, ["-" * size for size in widths], *cells]
    ]
    if "Status" in names and colours.wanted():
        at = names.index("Status")
        whole = [[*line[:at], colours.status(line[at]), *line[at + 1 :]] for line in whole]
    return [GAP.join(line).rstrip() for line in whole]


def card(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names and values, a line each; further lines of a value stand below its first."""
    size = max((columns(name) for name, _ in pairs), default=0)
    found = []
    for name, text in pairs:
        first, *more = text.splitlines() or [""]
        found.append(f"{_padded(name, size, False)}{GAP}{clean(first)}".rstrip())
        found += [f"{' ' * size}{GAP}{clean(line)}".rstrip() for line in more]
    return found


def width() -> int | None:
    """The terminal's width; None where the output is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def clean(text: str) -> str:
    """The text on one line, without what would move the cursor, change colours or turn the direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(one) in _UNSEEN else one for one in text)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: Han and Hangul take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def _least(shown: Mapping[str, Sequence[str]]) -> list[int]:
    found = []
    for at, (name, column) in enumerate(shown.items()):
        widest = max(map(columns, column))
        heading = columns(name)
        # the first column, the id, is what people copy: it is never cut
        if at == 0 or name in WHOLE:
            found.append(max(heading, widest))
        elif all(map(_numeric, column)):
            found.append(max(widest, min(heading, LEAST)))
        else:
            found.append(min(max(heading, widest), LEAST))
    return found


def _fitted(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    widths = list(widths)
    while _total(widths) > room:
        loose = [at for at, size in enumerate(widths) if size > least[at]]
        if not loose:
            break
        widths[max(loose, key=lambda at: widths[at])] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _padded(text: str, size: int, right: bool) -> str:
    if columns(text) > size:
        kept = ""
        for one in text:
            if columns(kept + one) > size - 1:
                break
            kept += one
        text = kept + "…"
    gap = " " * (size - columns(text))
    return gap + text if right else text + gap


def _numeric(text: str) -> bool:
    return (
        not text or text.lstrip("-").replace(".", "", 1).replace("e-", "", 1).replace("e+", "", 1).isdigit()
    )
