"""b56: a log may hold anything, in any amount: it is streamed by offset, and shown readable."""

from __future__ import annotations

import io
import random
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from runstone import Run
from runstone.launch.folders import Folder
from runstone.model.artifacts import LogPart
from runstone.sdk.files import MOST_LOG_BYTES
from runstone.sdk.readable import Readable
from tests.launch.conftest import LOG, Bench

SIZE = (64 << 20) + len("the end\n")
HOSTILE = """
import os, sys, time
out = sys.stdout.buffer
for percent in range(2_000):
    out.write(b"\\r%d %%" % percent)
out.write(b"\\n")
out.write("\uac00".encode() * 700_000 + b"\\n")
out.write(b"\\x00\\x07\\xff\\x1b[31mred\\x1b[0m no newline")
"""


def test_a_hostile_log_streams_readable_and_is_kept_byte_for_byte(bench: Bench):
    run = bench.submit(HOSTILE)
    shown = io.StringIO()
    with redirect_stdout(shown):
        run.wait_for_completion(show_output=True)
    text = shown.getvalue()
    assert text.count(" %") < 200
    assert "1999 %\n" in text
    assert text.count("\uac00") == 700_000
    assert "\\x00\\x07\ufffd\x1b[31mred\x1b[0m no newline" in text
    logs = run._service.logs
    end = b"\x00\x07\xff\x1b[31mred\x1b[0m no newline"
    size = 2_100_002 + len(end) + sum(len(b"\r%d %%" % percent) for percent in range(2_000))
    assert logs.read(run._ref, LOG, offset=size - len(end)) == end
    assert logs.read(run._ref, LOG, offset=size) == b""
    assert logs.read(run._ref, LOG, offset=1, most=3) == b"0 %"


LONG = """
import os, time
os.ftruncate(1, 64 << 20)
print("the end", flush=True)
while not os.path.exists("stop"): time.sleep(0.01)
"""


def test_a_long_log_is_read_from_its_end_and_never_whole(bench: Bench, tmp_path: Path):
    run = bench.submit(LONG)
    bench.until(lambda: run._service.logs.names(run._ref) == (LOG,))
    bench.until(lambda: run._service.logs.part(run._ref, LOG).size > 64 << 20)
    for grows in (True, False):
        part = run._service.logs.part(run._ref, LOG, offset=-4)
        assert (part.data, part.size, part.offset + 4, part.grows) == (b"end\n", SIZE, SIZE, grows)
        assert run._service.logs.part(run._ref, LOG, offset=SIZE).data == b""
        text = run.get_details_with_logs()["logFiles"][LOG]
        assert text.startswith(
            f"[{SIZE - MOST_LOG_BYTES:,} of {SIZE:,} bytes are left out here; get_all_logs"
        )
        assert text.endswith("the end\n")
        assert len(text) < MOST_LOG_BYTES + 200
        (path,) = run.get_all_logs(tmp_path / str(grows))
        assert Path(path).stat().st_size == SIZE
        if grows:
            Path(_code(bench, run), "stop").touch()
            run.wait_for_completion()
    assert run._service.logs.part(run._ref, LOG, offset=-2 * SIZE, most=1) == LogPart(0, b"\0", SIZE, False)


def _code(bench: Bench, run: Run) -> Path:
    return Folder.of(bench.history, run._ref, attempt=1).code


def test_a_script_that_prints_nothing_streams_nothing(bench: Bench):
    run = bench.submit("pass")
    with redirect_stdout(io.StringIO()):
        assert run.wait_for_completion(show_output=True)["status"] == "Completed"


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([b"a\r\nb\n"], "a\nb\n"),
        ([b"1%\r2%\r3%\n"], "3%\n"),
        ([b"1%", b"\r2%\r3%", b"\r4%\n"], "1%\r3%\r4%\n"),
        ([b"1%\r", b"2%\r", b"\n"], "1%\r2%\n"),
        (["\uac00".encode()[:2], "\uac00".encode()[2:]], "\uac00"),
        ([b"\xea\xb0"], "\ufffd"),
        ([b"\x00\x1b[1m\t"], "\\x00\x1b[1m\t"),
    ],
)
def test_parts_of_a_log_become_text(parts: list[bytes], shown: str):
    readable = Readable()
    assert "".join(map(readable.shown, parts)) + readable.shown(b"", last=True) == shown


def test_text_is_the_same_however_it_is_cut(rng: random.Random):
    text = "".join(rng.choice("ab\n\uac00\U0001f600\u00e9") for _ in range(2_000))
    data, readable, found = text.encode(), Readable(), ""
    while data:
        size = rng.randint(1, 9)
        found, data = found + readable.shown(data[:size]), data[size:]
    assert found + readable.shown(b"", last=True) == text
