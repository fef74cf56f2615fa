"""The source code of a run: the directory that it was started from, kept and given back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from runstone.model.errors import Conflict, SnapshotException
from runstone.sdk.handle import Handle, warn


class Source(Handle):
    """The part of a run that keeps the code that ran."""

    def get_snapshot_id(self) -> str | None:
        """The id of the run's snapshot; None when it has none."""
        return self._service.snapshots.of_run(self._ref)

    def take_snapshot(self, file_or_folder_path: Any) -> str:
        """Keep a directory, or a file, as the run's snapshot; its id.

        Raises:
            SnapshotException: the run has a snapshot already, or this one is too large.
        """
        # only those who keep code need to match patterns and hash files
        from runstone.sdk import snapshots

        id = snapshots.take(self._service, file_or_folder_path)
        try:
            self._service.snapshots.give(self._ref, id)
        except Conflict as error:
            raise SnapshotException(error.message) from None
        return id

    def _keep_source(self, directory: Any) -> None:
        """Keep a directory as the snapshot, else the script alone: a run goes on without either."""
        try:
            self.take_snapshot(directory)
        except (SnapshotException, OSError) as error:
            script = Path(sys.argv[0])
            if script.is_file():
                self.take_snapshot(script)
            warn(
                f"{error} The run {self.id} keeps {'the script alone' if script.is_file() else 'no source'}."
            )

    def restore_snapshot(self, snapshot_id: str | None = None, path: Any = None) -> str:
        """Write a snapshot (the run's own by default) as a ZIP file; its path.

        Args:
            path: the file, or a directory that gets it; the current directory by default.

        Raises:
            SnapshotException: the run has none.
        """
        from runstone.sdk import snapshots  # see take_snapshot

        wanted = snapshot_id or self.get_snapshot_id()
        if wanted is None:
            raise SnapshotException(f"The run {self.id} has no snapshot to restore.")
        return str(snapshots.restore(self._service, wanted, Path(path or ".")))
