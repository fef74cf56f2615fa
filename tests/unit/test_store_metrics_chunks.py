"""The bytes of a chunk: what goes in comes out, and what an earlier release wrote is read."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runstone.model.errors import Unreadable
from runstone.store import chunks

# Written by the first release: steps 0, 10, 20 and times 1, 2, 4; 1.5, NaN and True.
GOLDEN = bytes.fromhex(
    "0100000003000000000000000000f83f000000000000f03f50000000100000005200000018000000440100000a000000"
    "520000000300000000000000000000000a00000000000000000000000000f83f000000000000f87f000000000000f03f"
    "01000000000000000102000002"
)

sizes = st.shared(st.integers(1, 60), key="size")
int64 = st.integers(-(2**63), 2**63 - 1)
ints = sizes.flatmap(lambda n: arrays(np.int64, n, elements=int64 | st.integers(-200, 200)))
ranges = st.tuples(sizes, int64, st.integers(-(2**40), 2**40)).map(
    lambda given: np.int64(given[1]) + np.arange(given[0]) * np.int64(given[2])
)
floats = sizes.flatmap(lambda n: arrays(np.float64, n) | arrays(np.float64, n, elements=st.floats(width=32)))
kinds = st.none() | sizes.flatmap(lambda n: arrays(np.uint8, n, elements=st.integers(0, 3)))


@given(ints | ranges | floats, floats, ints | ranges, kinds)
def test_what_goes_in_comes_out(
    steps: chunks.Array, values: chunks.Array, times: chunks.Array, kinds: chunks.Array | None
):
    data = chunks.pack(steps, values, times=times, kinds=kinds)
    chunk = chunks.read(data, crc32(data))
    assert chunk.n == len(values)
    assert (chunk.steps().dtype, chunk.steps().tobytes()) == (steps.dtype, steps.tobytes())
    assert chunk.values().tobytes() == values.tobytes()
    assert chunk.times().tobytes() == times.tobytes()
    found = chunk.kinds()
    assert (None if found is None else found.tobytes()) == (None if kinds is None else kinds.tobytes())
    assert np.array(chunks.ends(data[: chunks.HEAD.size])).tobytes() == values[[0, -1]].tobytes()


@pytest.mark.parametrize(
    ("values", "most"),
    [
        (np.full(4096, 0.25), 0.1),
        (np.arange(4096) // 100 * 1.0, 0.3),
        (np.cos(np.arange(4096) / 1e5), 6),
        (np.random.default_rng(1).normal(size=4096), 7.8),
        (np.random.default_rng(1).normal(size=4096).astype(np.float32).astype(float), 4.5),
    ],
)
def test_a_full_chunk_is_small(values: chunks.Array, most: float):
    times = 1_800_000_000_000 + np.cumsum(np.random.default_rng(2).integers(3, 7, 4096))
    data = chunks.pack(np.arange(4096), values, times=times, kinds=None)
    assert len(data) / 4096 < most + 0.6


def test_a_chunk_of_one_point_is_small():
    data = chunks.pack(np.array([7]), np.array([0.5]), times=np.array([1]), kinds=None)
    assert len(data) <= 100


def test_a_chunk_of_the_first_release_is_read():
    chunk = chunks.read(GOLDEN, crc32(GOLDEN))
    assert (chunk.n, chunk.steps().tolist(), chunk.times().tolist()) == (3, [0, 10, 20], [1, 2, 4])
    assert chunk.values().tobytes() == np.array([1.5, np.nan, 1.0]).tobytes()
    kinds = chunk.kinds()
    assert kinds is not None
    assert kinds.tolist() == [0, 0, 2]


def test_other_bytes_are_refused():
    with pytest.raises(Unreadable, match="does not match its checksum"):
        chunks.read(GOLDEN[:-1] + b"x", crc32(GOLDEN))
    newer = b"\x09" + GOLDEN[1:]
    with pytest.raises(Unreadable, match="version 9, and this Runstone knows 1; upgrade"):
        chunks.read(newer, crc32(newer))
