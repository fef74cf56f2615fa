"""What a ``with run:`` block prints: shown as ever, and kept as ``logs/user_log.txt``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from runstone.model.errors import RunstoneError
from runstone.sdk.handle import warn
from runstone.service.recovery import spool_of

if TYPE_CHECKING:
    from runstone.sdk.lifecycle import Lifecycle

NAME = "logs/user_log.txt"


class Tee:
    """A copy of stdout in the history's spool, where it survives the process, until the run keeps it as a
    file."""

    def __init__(self, root: Path, ref: str) -> None:
        self._path = spool_of(root, ref) / NAME
        self._shown: TextIO | None = None
        self._kept: TextIO | None = None

    def begin(self) -> None:
        """From now on."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._kept = open(self._path, "a", encoding="utf-8", errors="replace", buffering=1)  # noqa: SIM115
        except OSError:
            # no room for a copy: what is printed is shown all the same
            return
        self._shown = sys.stdout
        sys.stdout = self

    def end(self, run: Lifecycle) -> None:
        """Until now; the copy becomes a file of the run, if anything was printed."""
        if self._shown is not None and sys.stdout is self:
            sys.stdout = self._shown
        if self._kept is None:
            return
        try:
            self._kept.close()
            if self._path.stat().st_size:
                with open(self._path, "rb") as stream:
                    run._service.artifacts.upload(run._ref, NAME, content=stream)
            self._path.unlink(missing_ok=True)
        except (RunstoneError, OSError) as error:
            # the copy stays in the spool; how the block ended is more important
            warn(f"What run {run.id} printed could not be kept as {NAME}: {error}")

    def write(self, text: str) -> int:
        """As the stream that it stands for."""
        assert self._shown is not None
        if self._kept is not None:
            try:
                self._kept.write(text)
            except (OSError, ValueError):
                # a full disk, or a print() after the end: the script's own output goes on
                self._kept = None
        return self._shown.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As the stream that it stands for."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shown, name)
