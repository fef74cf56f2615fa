"""A progress bar on a terminal's stderr; elsewhere a plain line for each part that is done."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType

from runstone.cli.tables import columns

WIDTH = 24


class Progress:
    """How far a piece of work of ``total`` steps has come. A context manager: the bar goes at its end."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._shown = sys.stderr.isatty()

    def step(self, text: str) -> None:
        """One more step is done; ``text`` says what is being worked on."""
        self.at(self._done + 1, self._total, text=text)

    def at(self, done: int, total: int, *, text: str) -> None:
        """So many steps are done, of so many; for work whose length is not known before."""
        self._done, self._total = done, max(1, done, total)
        if not self._shown:
            return
        full = WIDTH * self._done // self._total
        line = f"[{'#' * full}{'.' * (WIDTH - full)}] {100 * self._done // self._total:3}%  {text}"
        room = shutil.get_terminal_size().columns - 1
        line = line if columns(line) <= room else line[: room - 1] + "…"
        sys.stderr.write(f"\r{line}\x1b[K")
        sys.stderr.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        sys.stderr.write(f"\r{text}\x1b[K\n" if self._shown else f"{text}\n")
        sys.stderr.flush()

    def skip(self, steps: int) -> None:
        """Steps that need not be done."""
        self._done += steps

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
