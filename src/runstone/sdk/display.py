"""HTML for notebooks: the card of a run, tables of what is worth knowing, small pictures of metrics."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence

WIDTH = 120
HEIGHT = 24
TEXT_LIMIT = 500

_MARGIN = 2.0
_BUCKETS = 60
_STATUS = "Status"
# A page's address becomes a link; any other text that looks like one might lead anywhere.
_LINKS = "Page"
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
_UNSHOWN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# A shape beside the colour: nobody has to tell green from red. Contrast is at least 3, on white and black.
_GREY, _BLUE, _GREEN, _RED, _AMBER, _VIOLET = "#808080", "#3f74e0", "#1f9d55", "#dc4040", "#b7791f", "#8b5cf6"
_LOOKS = {
    "Running": ("●", _BLUE),
    "Finalizing": ("●", _BLUE),
    "Completed": ("✔", _GREEN),
    "Failed": ("✖", _RED),
    "Canceled": ("■", _AMBER),
    "CancelRequested": ("□", _AMBER),
    "NotResponding": ("▲", _VIOLET),
}
_OTHER_LOOK = ("○", _GREY)

_TABLE = "border-collapse:collapse;margin:4px 0;font-variant-numeric:tabular-nums"
_LOG = "margin:4px 0;max-height:20em;overflow:auto;unicode-bidi:isolate"
_CELL = "text-align:left;padding:2px 16px 2px 0;border-bottom:1px solid rgba(128,128,128,.35)"


def run_html(fields: Mapping[str, str], series: Mapping[str, Sequence[float]]) -> str:
    """A run's card: its fields side by side, `Status` with a colour and a shape, then a line for each series
    with picture, last, lowest and highest value. Whatever the texts hold, none of it is taken for HTML."""
    return table_html(fields) + _series_html(series)


def table_html(*rows: Mapping[str, str]) -> str:
    """Rows of values under the names of the first; the value of a field whose name ends in `Page` is a
    link."""
    names = "".join(f'<th style="{_CELL}">{_text(name)}</th>' for row in rows[:1] for name in row)
    values = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f'<table style="{_TABLE}"><tr>{names}</tr>{values}</table>'


def rows_html(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows that have the same names, under these; an empty text for none."""
    if not rows:
        return ""
    heads = "".join(f'<th style="{_CELL}">{_text(name)}</th>' for name in rows[0])
    lines = [
        "".join(f'<td style="{_CELL}">{_value(name, value)}</td>' for name, value in row.items())
        for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table style="{_TABLE}"><tr>{heads}</tr>{body}</table>'


def log_html(text: str) -> str:
    """Lines as they were printed; an empty text for none. None of it is taken for HTML."""
    return f'<pre style="{_LOG}">{html.escape(_UNSHOWN.sub("�", text))}</pre>' if text else ""


def sparkline(values: Iterable[float]) -> str:
    """The course of some values as a small SVG; an empty text where there is nothing to draw. NaN and the
    infinities are gaps; of very many values each bucket's lowest and highest are drawn: no peak is lost."""
    numbers = _thinned([_number(value) for value in values])
    finite = [number for number in numbers if number is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    shapes = "".join(_shape(piece) for piece in _pieces(numbers, low, high))
    return (
        f'<svg role="img" xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" style="vertical-align:middle">'
        f"<title>from {number_text(low)} to {number_text(high)}</title>{shapes}</svg>"
    )


def number_text(value: float) -> str:
    """A number for people: four significant digits, thousands separated."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    whole = abs(value) >= 1000 and abs(value) < 1e12
    return f"{value:,.0f}" if whole else f"{value:.4g}"


def _cells(row: Mapping[str, str]) -> str:
    return "".join(f'<td style="{_CELL}">{_value(name, value)}</td>' for name, value in row.items())


def _series_html(series: Mapping[str, Sequence[float]]) -> str:
    rows = "".join(_series_row(name, values) for name, values in series.items())
    if not rows:
        return ""
    heads = "".join(f'<th style="{_CELL}">{head}</th>' for head in ("Metric", "", "last", "min", "max"))
    return f'<table style="{_TABLE}"><tr>{heads}</tr>{rows}</table>'


def _series_row(name: str, values: Sequence[float]) -> str:
    finite = [number for number in map(_number, values) if number is not None]
    last = number_text(_float(values[-1])) if len(values) else ""
    ends = (number_text(min(finite)), number_text(max(finite))) if finite else ("", "")
    cells = (_text(name), sparkline(values), last, *ends)
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _value(name: str, value: str) -> str:
    if name == _STATUS:
        shape, colour = _LOOKS.get(str(value), _OTHER_LOOK)
        return f'<span style="color:{colour}" aria-hidden="true">{shape}</span> {_text(value)}'
    if name.endswith(_LINKS) and _ADDRESS.fullmatch(str(value)):
        address = html.escape(str(value), quote=True)
        return f'<a href="{address}" target="_blank" rel="noopener noreferrer">{_text(value)}</a>'
    return _text(value)


def _text(value: object) -> str:
    text = str(value)
    shown = text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"
    # Isolated, so that a text that runs from right to left cannot turn round what stands beside it.
    return f"<bdi>{html.escape(_UNSHOWN.sub('�', shown), quote=True)}</bdi>"


def _number(value: float) -> float | None:
    number = _float(value)
    return number if math.isfinite(number) else None


def _float(value: float) -> float:
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return math.nan


def _thinned(numbers: Sequence[float | None]) -> Sequence[float | None]:
    if len(numbers) <= 2 * _BUCKETS:
        return numbers
    size = math.ceil(len(numbers) / _BUCKETS)
    return [end for start in range(0, len(numbers), size) for end in _ends(numbers[start : start + size])]


def _ends(bucket: Sequence[float | None]) -> tuple[float | None, float | None]:
    finite = [(number, place) for place, number in enumerate(bucket) if number is not None]
    if not finite:
        return None, None
    first, second = sorted((min(finite), max(finite)), key=lambda end: end[1])
    return first[0], second[0]


def _pieces(numbers: Sequence[float | None], low: float, high: float) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    across = (WIDTH - 2 * _MARGIN) / max(len(numbers) - 1, 1)
    for place, number in enumerate(numbers):
        if number is None:
            pieces.append([])
            continue
        pieces[-1].append((_MARGIN + place * across, _height(number, low, high)))
    return [piece for piece in pieces if piece]


def _height(number: float, low: float, high: float) -> float:
    # Halves, for the difference of two large numbers may be no number any more.
    span = high / 2 - low / 2
    share = (number / 2 - low / 2) / span if span > 0 else 0.5
    return HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN)


def _shape(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        x, y = points[0]
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.5" fill="{_BLUE}"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{_BLUE}" stroke-width="1.5"/>'
