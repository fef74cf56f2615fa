"""What a run prints, as a terminal may have it: read while it grows, to its end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runstone.cli.opening import Opened

LOOK_SECONDS = 0.2
# Where what a script prints is, the most telling first.
MAIN = ("user_logs/std_log.txt", "logs/user_log.txt")
# An escape that begins no colour, and the C1 controls: a terminal would obey them.
_OBEYED = re.compile("\x1b(?!\\[[0-9;]*m)|[\x80-\x9f]")
_CUT = re.compile("\x1b(\\[[0-9;]*)?$")


def main_log(names: Sequence[str]) -> str | None:
    """The log that people mean when they name none."""
    return next((name for name in (*MAIN, *names) if name in names), None)


def text(opened: Opened, ref: str, *, name: str, follow: bool) -> Iterator[str]:
    """The parts of a log; with ``follow`` also what comes, until the run has ended."""
    from runstone.model.errors import NotFound  # loaded by the commands that need it: `--help` is quick
    from runstone.sdk.readable import Readable

    readable, offset, held = Readable(), 0, ""
    while True:
        ended = not follow or opened.service.runs.get(ref).status.terminal
        try:
            while part := opened.service.logs.read(ref, name, offset=offset):
                offset += len(part)
                shown = held + readable.shown(part)
                cut = _CUT.search(shown)
                held = cut[0] if cut else ""
                yield _harmless(shown[: len(shown) - len(held)])
        except NotFound:
            # nothing yet, or nothing at all
            if not follow:
                raise
        if ended:
            yield _harmless(held + readable.shown(b"", last=True))
            return
        time.sleep(LOOK_SECONDS)


def _harmless(shown: str) -> str:
    return _OBEYED.sub(lambda found: f"\\x{ord(found[0]):02x}", shown)
