"""The format of a journal: a file of version 1 that is never renewed, and the documented example."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from runstone.journal import frames, segment
from runstone.journal.frames import DAMAGED, HEAD, RECORD, SHAPE, Point, Shape
from runstone.journal.reader import Reader
from runstone.journal.segment import Head
from tests.journals import said

GOLDEN = Path(__file__).parent / "golden" / "journal-v1.rsj"
DOCUMENT = Path(__file__).parents[2] / "docs" / "journal-format.md"
TIME = 1_700_000_000_000_000_000
FLOAT = Shape(16, "none", (("loss", "float"),))
MIXED = Shape(17, "int", (("loss", "float"), ("count", "int"), ("good", "bool")))
STEPPED = Shape(18, "float", (("손실/학습", "float"),))
POINTS = [
    Point(TIME, None, (0.5,)),
    Point(TIME + 2, None, (-0.0,)),
    Point(TIME + 3, -5, (math.inf, 2**63 - 1, True)),
    Point(TIME + 4, 2**63 - 1, (5e-324, -(2**63), False)),
    Point(TIME + 5, 0.25, (1.5,)),
    Point(TIME + 17, None, (1.0,)),
]
RECORDS: list[dict[str, Any]] = [
    {"kind": "value", "name": "note", "type": "text", "value": "텍스트 🙂", "step": None},
    {"kind": "value", "name": "big", "type": "int", "value": "1180591620717411303424", "step": 1.5},
    {"kind": "list", "name": "l", "items": [1, 2.5, None, "x", True, math.nan, -math.inf], "more": True},
    {"kind": "list", "name": "l", "items": [], "more": False},
    {"kind": "row", "name": "r", "columns": {"x": 1, "y": math.inf}},
    {"kind": "table", "name": "t", "columns": {"x": [1, 2], "y": ["a", None]}},
    {
        "kind": "artifact",
        "name": "roc",
        "type": "image",
        "uri": "aml://artifactId/ExperimentRun/dcid.a/roc.png",
    },
    {"kind": "describe", "name": "loss", "text": "what it means"},
    {"kind": "count", "refused": 1, "none": 2},
    {"kind": "operation", "call": "runs.tag", "arguments": {"tags": {"$float": "NaN", "$": None}}},
]


@pytest.fixture
def data() -> bytes:
    return GOLDEN.read_bytes()


def test_the_head_of_version_1_is_read():
    assert segment.head(GOLDEN) == Head(
        run="a run",
        writer="0123456789abcdef0123456789abcdef",
        segment=3,
        first=101,
        lost=2,
        host="somewhere",
        boot="d3adb33f-0000-4000-8000-000000000001/4026531836",
        pid=4711,
        start=123456,
        created_us=TIME // 1000,
    )


def test_every_frame_of_version_1_is_found_and_damage_is_stepped_over(data: bytes):
    found = [frame.shape for frame in frames.scan(data, len(frames.PREAMBLE))]
    points = [SHAPE, 16, 16, 16, SHAPE, 17, 17, SHAPE, 18]
    assert found == [HEAD, *points, *[RECORD] * len(RECORDS), DAMAGED, 16]


def test_shapes_and_points_of_version_1_are_read(data: bytes):
    walked = list(frames.walk(data, len(frames.PREAMBLE)))
    shapes = [frames.shape(data, frame) for frame in walked if frame.shape == SHAPE]
    assert shapes == [FLOAT, MIXED, STEPPED]
    known = {shape.id: shape for shape in shapes}
    found = [known[frame.shape].point(data, frame.offset) for frame in walked if frame.shape in known]
    (nan,) = [point for point in found if point.time == TIME + 1]
    assert math.isnan(nan.values[0])
    found.remove(nan)
    assert found == POINTS
    assert math.copysign(1, found[1].values[0]) == -1
    assert [type(value) for value in found[2].values] == [float, int, bool]


def test_records_of_version_1_are_read(data: bytes):
    found = [frames.body(data, frame) for frame in frames.walk(data, 8) if frame.shape == RECORD]
    assert [body.pop("time") for body in found] == [TIME + 6 + n for n in range(len(RECORDS))]
    assert repr(found) == repr(RECORDS), "repr, as NaN is not equal to itself"


def test_a_segment_of_version_1_is_delivered(data: bytes, tmp_path: Path):
    writer = "0123456789abcdef0123456789abcdef"
    (tmp_path / writer).mkdir()
    (tmp_path / writer / "00000003.rsj").write_bytes(data)
    reader = Reader(tmp_path, writer, after=98)
    (batch,) = reader.batches()
    assert (batch.run, batch.first, batch.last, batch.lost) == ("a run", 101, 117, 2)
    assert len(list(said(batch.records))) == 17
    assert reader.damaged == 28


@pytest.mark.parametrize("version", [0, 2, 256])
def test_a_segment_of_another_version_is_left_alone(data: bytes, tmp_path: Path, version: int):
    file = tmp_path / "00000001.rsj"
    file.write_bytes(data[:4] + version.to_bytes(2, "little") + data[6:])
    assert segment.head(file) is None
    assert not segment.is_empty(file)


def documented() -> bytes:
    lines = re.findall(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} )+)", DOCUMENT.read_text(encoding="utf-8"), re.M)
    return bytes.fromhex("".join(lines))


def test_the_example_in_the_documentation_is_what_is_written():
    shape = Shape(16, "int", (("loss", "float"),))
    head = {"run": "digits", "writer": "5e" * 16, "segment": 1, "first": 1, "lost": 0}
    process = {"host": "desk", "boot": "b", "pid": 7, "start": 9, "created_us": TIME // 1000}
    text = {"kind": "value", "time": TIME + 1, "name": "note", "type": "text", "value": "hi", "step": None}
    assert documented() == b"".join(
        [
            frames.PREAMBLE,
            frames.encode(HEAD, {**head, **process}),
            shape.definition(),
            frames.seal(shape.packer.pack(shape.length, shape.id, TIME, 3, 0.5)),
            frames.encode(RECORD, text),
        ]
    )


def test_the_offsets_in_the_documentation_are_right():
    rows = re.findall(
        r"^\| ([0-9a-f]{4}) \| .*?0x[0-9a-f]+ = (\d+) bytes", DOCUMENT.read_text(encoding="utf-8"), re.M
    )
    found = [(frame.offset, frame.length) for frame in frames.walk(documented(), 8)]
    assert [(int(offset, 16), int(length)) for offset, length in rows] == found
