"""What a script printed, part by part, as text that a terminal or a notebook can show."""

from __future__ import annotations

import codecs
import re

# Not the tabulator, the line feed, the carriage return, and the escape that colours begin with.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


class Readable:
    """Bytes become text: characters whole that were cut in two, control characters spelled out, and of what
    a progress bar showed in one part the last alone."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def shown(self, part: bytes, *, last: bool = False) -> str:
        """The text of the next part; the ``last`` one gives what was held back, too."""
        text = (self._held + self._decoder.decode(part, last)).replace("\r\n", "\n")
        # whether it begins a line anew or ends one, the next part tells
        self._held = "\r" if text.endswith("\r") and not last else ""
        text = text[: len(text) - len(self._held)]
        shown = "\n".join(map(_last, text.split("\n")))
        shown = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", shown)
        return f"\r{shown}" if text.startswith("\r") else shown


def _last(line: str) -> str:
    """What is left on the screen of a line that was written over."""
    return line.rstrip("\r").rpartition("\r")[2]
