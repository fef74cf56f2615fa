"""What objects show in a notebook: whole HTML whatever names hold, pictures of any values (b20, b27, c18)."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstone.sdk.display import HEIGHT, TEXT_LIMIT, WIDTH, number_text, run_html, sparkline, table_html

TAGS = {"table", "tr", "th", "td", "bdi", "span", "a", "svg", "title", "polyline", "circle"}
ATTRIBUTES = {
    *(
        "style",
        "aria-hidden",
        "href",
        "target",
        "rel",
        "role",
        "xmlns",
        "width",
        "height",
        "viewbox",
        "points",
    ),
    *("fill", "stroke", "stroke-width", "cx", "cy", "r"),
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</bdi></td></table><iframe src=//evil>",
    "<style>*{display:none}</style>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    'https://example.com/" onclick="alert(1)',
    "&lt;script&gt;",
    "<!-- ",
    "]]>",
    "{{constructor.constructor('alert(1)')()}}",
    "\u202egnp.exe",
    "a\u200bb\u2066c",
    "e\u0301\u0327 훈련 🙂 مرحبا",
    "\x00\x08\x1b[31m\x7f\x85",
    "\ud800 lone \udfff",
    "line\r\nline\u2028line",
    "x" * 100_000,
    "<" * 10_000,
    "",
]


class Page(HTMLParser):
    """Reads HTML strictly: known tags only, each closed in its turn."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.texts: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        assert "url(" not in (dict(attrs).get("style") or "")
        self.links += [value or "" for name, value in attrs if name == "href"]
        self.open.append(tag)
        self.seen.add(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    text.encode("utf-8")
    return page


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_a_text_holds_the_page_stays_whole(hostile):
    fields = {"Experiment": hostile, hostile: "x", "Status": hostile, "Details Page": hostile}
    page = read(run_html(fields, {hostile: [1.0, 2.0]}))
    assert page.seen <= TAGS
    assert page.links == []
    if 0 < len(hostile) <= TEXT_LIMIT and hostile.isprintable():
        assert page.texts.count(hostile) == 5


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=200), max_size=5), st.text(max_size=40))
def test_no_text_whatsoever_breaks_the_page(fields, name):
    read(run_html(fields, {name: [0.5, math.nan, 1.0]}))


def test_a_long_text_is_cut():
    assert f"<bdi>{'x' * (TEXT_LIMIT - 1)}…</bdi>" in table_html({"Id": "x" * 10_000})


def test_a_text_is_isolated_and_shown_without_its_controls():
    assert "<bdi>\u202eabc�</bdi>" in table_html({"Id": "\u202eabc\x00"})


@pytest.mark.parametrize(
    ("status", "shape"),
    [
        ("Running", "●"),
        ("Completed", "✔"),
        ("Failed", "✖"),
        ("Canceled", "■"),
        ("NotResponding", "▲"),
        ("Queued", "○"),
        ("Preparing", "○"),
        ("anything else", "○"),
    ],
)
def test_a_status_has_a_colour_a_shape_and_its_word(status, shape):
    html = run_html({"Status": status}, {})
    assert re.search(
        rf'<span style="color:#[0-9a-f]{{6}}" aria-hidden="true">{shape}</span> <bdi>{status}</bdi>', html
    )


def test_a_page_s_address_is_a_link_and_nothing_else_is():
    fields = {
        "Details Page": "http://localhost:8000/runs/1?a=1&b=2",
        "Name": "https://example.com",
        "Report Page": "/home of nothing",
        "Docs Page": "javascript:alert(1)//https://example.com",
    }
    page = read(table_html(fields))
    assert page.links == ["http://localhost:8000/runs/1?a=1&b=2"]
    assert 'rel="noopener noreferrer"' in table_html(fields)


def test_a_card_shows_fields_in_their_order_and_a_line_for_each_metric():
    page = read(
        run_html({"Experiment": "e", "Id": "1", "Status": "Running"}, {"loss": [3, 1, 2], "acc": [0.5]})
    )
    words = [text.strip() for text in page.texts if text.strip()]
    assert words[:3] == ["Experiment", "Id", "Status"]
    assert words[words.index("loss") :][:5] == ["loss", "from 1 to 3", "2", "1", "3"]
    assert words[words.index("acc") :][:5] == ["acc", "from 0.5 to 0.5", "0.5", "0.5", "0.5"]


def test_without_series_there_is_no_second_table():
    assert run_html({"Id": "1"}, {}) == table_html({"Id": "1"})


def points(svg: str) -> list[list[tuple[float, float]]]:
    """The coordinates of each piece of a line."""
    found = [
        [tuple(map(float, pair.split(","))) for pair in line.split()]
        for line in re.findall(r'points="([^"]+)"', svg)
    ]
    return found + [[(float(x), float(y))] for x, y in re.findall(r'cx="([^"]+)" cy="([^"]+)"', svg)]


def test_a_line_rises_and_falls_with_its_values():
    ((first, second, third),) = points(sparkline([1, 3, 2]))
    assert first[0] < second[0] < third[0]
    assert second[1] < third[1] < first[1]


@pytest.mark.parametrize(
    "values", [[], [math.nan], [math.inf, -math.inf, math.nan], [None], ["x"], [10**400]]
)
def test_where_there_is_nothing_to_draw_nothing_is_drawn(values):
    assert sparkline(values) == ""


@pytest.mark.parametrize(
    ("values", "lengths"),
    [
        ([5.0], [1]),
        ([2.0, 2.0, 2.0], [3]),
        ([1, math.nan, 2, 3], [2, 1]),
        ([math.nan, 1, 2, math.inf, math.nan, 3, 4, math.nan], [2, 2]),
        ([1e308, -1e308, 0.0], [3]),
        ([5e-324, 0.0], [2]),
        ([-0.0, 0.0], [2]),
        ([10**400, 1, 2], [2]),
        ([True, False], [2]),
        (range(1_000_000), [120]),
    ],
)
def test_odd_values_are_drawn_within_the_picture(values, lengths):
    svg = sparkline(values)
    read(svg)
    assert [len(piece) for piece in points(svg)] == lengths
    for piece in points(svg):
        for x, y in piece:
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_no_peak_is_lost_among_many_values():
    values = [0.0] * 100_000
    values[54_321] = 7.0
    values[12_345] = -7.0
    heights = [y for _, y in points(sparkline(values))[0]]
    assert heights.count(min(heights)) == 1
    assert heights.count(max(heights)) == 1


@given(st.lists(st.floats() | st.integers(), max_size=300))
def test_any_numbers_can_be_drawn_and_told(values):
    page = read(run_html({"Status": "Running"}, {"m": values}))
    assert "m" in page.texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (1.0, "1"),
        (1234.5678, "1,235"),
        (12345678, "12,345,678"),
        (-1234, "-1,234"),
        (1.5e-9, "1.5e-09"),
        (2.5e15, "2.5e+15"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_are_written_for_people(value, text):
    assert number_text(value) == text
