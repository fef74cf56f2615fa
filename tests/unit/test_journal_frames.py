"""Frames: what is written is what is read, damage is stepped over, a torn tail is normal."""

from __future__ import annotations

import math
import random
import struct
from decimal import Decimal
from zlib import crc32

import numpy
import pytest

from runstone.journal import frames
from runstone.journal.frames import DAMAGED, RECORD, Run, Shape

LOSS = Shape(16, "int", (("loss", "float"),))
ACCURACY = Shape(17, "int", (("acc", "float"),))
WIDE = Shape(18, "float", (("a", "float"), ("b", "int"), ("c", "bool")))
BARE = Shape(19, "none", (("x", "float"),))


def point(shape: Shape, *numbers: float, time: int = 7) -> bytes:
    return frames.seal(shape.packer.pack(shape.length, shape.id, time, *numbers))


def test_a_frame_is_laid_out_as_documented():
    frame = point(LOSS, 3, 0.5)
    assert frame[:-4] == struct.pack("<IIqqd", 36, 16, 7, 3, 0.5)
    assert frame[-4:] == struct.pack("<I", crc32(frame[:-4]))


@pytest.mark.parametrize(
    ("shape", "numbers", "step", "values"),
    [
        (LOSS, (3, 0.5), 3, (0.5,)),
        (WIDE, (0.25, 1.5, -(2**63), 1), 0.25, (1.5, -(2**63), True)),
        (BARE, (-0.0,), None, (-0.0,)),
    ],
)
def test_points_come_back_as_they_were_packed(
    shape: Shape, numbers: tuple[float, ...], step: object, values: object
):
    found = shape.point(point(shape, *numbers))
    assert (found.time, found.step, found.values) == (7, step, values)
    assert [type(value) for value in found.values] == [type(value) for value in values]


def test_a_definition_gives_the_shape_back():
    data = WIDE.definition()
    assert frames.shape(data, next(frames.walk(data))) == WIDE


@pytest.mark.parametrize(
    "body",
    [
        {"a": 1, "b": [1.5, "x", None, True], "c": {"d": []}},
        {"items": [math.inf, -math.inf, 1e308], "한국어": "é\u202e🙂\x00"},
        {"$float": "NaN", "nested": {"$float": "NaN", "$$": 1}},
        {"$float": "anything"},
    ],
)
def test_bodies_come_back_as_they_were_encoded(body: dict[str, object]):
    data = frames.encode(RECORD, body)
    assert frames.body(data, next(frames.walk(data))) == body


def test_not_a_number_travels_through_a_body():
    data = frames.encode(RECORD, {"value": math.nan})
    assert math.isnan(frames.body(data, next(frames.walk(data)))["value"])


def test_a_lone_surrogate_in_a_body_is_replaced():
    data = frames.encode(RECORD, {"text": "a\ud800b"})
    assert frames.body(data, next(frames.walk(data))) == {"text": "a?b"}


def test_every_whole_frame_has_the_same_checksum():
    for data in (point(LOSS, 1, 2.0), frames.encode(RECORD, {"kind": "x"}), WIDE.definition()):
        assert crc32(data) == frames.RESIDUE


def test_a_tail_torn_at_any_byte_ends_the_walk_and_nothing_else():
    whole = point(LOSS, 1, 0.5) + frames.encode(RECORD, {"kind": "list"})
    torn = point(WIDE, 0.5, 1.0, 2, 1)
    for length in range(len(torn)):
        data = whole + torn[:length]
        assert [frame.length for frame in frames.scan(data)] == [36, len(whole) - 36]
        assert sum(run.count for run in frames.runs(data)) == 2


def test_damage_anywhere_costs_the_frames_that_it_touches_and_no_other(rng: random.Random):
    parts = [point(LOSS, n, n / 2) for n in range(20)] + [frames.encode(RECORD, {"n": n}) for n in range(20)]
    rng.shuffle(parts)
    data = bytearray(b"".join(parts))
    starts = {sum(map(len, parts[:n])): part for n, part in enumerate(parts)}
    for _ in range(200):
        at = rng.randrange(len(data) - len(parts[-1]))
        hit = max(start for start in starts if start <= at)
        damaged = bytearray(data)
        damaged[at] ^= rng.randrange(1, 256)
        found = list(frames.scan(bytes(damaged)))
        good = {frame.offset for frame in found if frame.shape != DAMAGED}
        assert good == starts.keys() - {hit}
        assert [frame.offset for frame in found if frame.shape == DAMAGED] == [hit]
        assert sum(run.count for run in frames.runs(bytes(damaged))) == len(parts) - 1


def test_rubbish_of_any_kind_is_walked_without_an_error(rng: random.Random):
    for length in (0, 1, 11, 12, 1000, 50_000):
        for rubbish in (
            rng.randbytes(length),
            bytes(length),
            b"\xff" * length,
            b"\x10\0\0\0" * (length // 4),
        ):
            assert list(frames.walk(rubbish)) == []
            assert list(frames.runs(rubbish)) == []
            data = rubbish + point(LOSS, 1, 1.0)
            assert [frame.offset for frame in frames.walk(data)] == [len(rubbish)]


def test_neighbours_of_equal_length_are_one_run_whatever_their_shapes():
    data = b"".join(point(LOSS if n % 2 else ACCURACY, n, n / 2) for n in range(1000))
    data += point(WIDE, 0.5, 1.0, 2, 1) + point(BARE, 1.0) * 3
    found = list(frames.runs(data))
    assert found == [Run(0, 36, 1000), Run(36_000, 52, 1), Run(36_052, 28, 3)]
    assert [frames.shapes_of(data, run) for run in found] == [{16, 17}, {18}, {19}]


def test_runs_and_the_walk_agree(rng: random.Random):
    for _ in range(50):
        parts = [
            rng.choice(
                [point(LOSS, 1, 2.0), point(BARE, 1.0), frames.encode(RECORD, {"n": "x" * rng.randrange(9)})]
            )
            for _ in range(100)
        ]
        data = bytearray(b"".join(parts))
        for _ in range(rng.randrange(3)):
            data[rng.randrange(len(data))] ^= 0x55
        data = bytes(data)
        singly = [(frame.offset, frame.length) for frame in frames.walk(data)]
        together = [
            (run.offset + n * run.length, run.length) for run in frames.runs(data) for n in range(run.count)
        ]
        assert together == singly


def test_a_number_of_another_library_can_be_in_a_body():
    data = frames.encode(
        RECORD, {"items": [numpy.int64(3), numpy.float32(0.5), Decimal("1.5"), numpy.float64("nan")]}
    )
    items = frames.body(data, next(frames.walk(data)))["items"]
    assert items[:3] == [3, 0.5, 1.5]
    assert math.isnan(items[3])


def test_what_is_no_json_is_refused_by_name():
    with pytest.raises(TypeError, match="object is no JSON"):
        frames.encode(RECORD, {"x": object()})
