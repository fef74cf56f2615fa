"""The part of a workspace that hands runs over, and takes them in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstone.model import runs as model
from runstone.model.errors import UserErrorException
from runstone.model.portable import Exported, Imported

if TYPE_CHECKING:
    from runstone.service.connect import Service


class WorkspaceTransfer:
    """Runs out of a workspace and into another."""

    _service: Service
    _record: model.Workspace

    def export_runs(
        self,
        to: str | Path,
        filter: str = "",
        *,
        format: str | None = None,
        family: bool = True,
        machine: bool = False,
        progress: Any = None,
    ) -> Exported:
        """Write the runs that match to a file: a table, or an archive with everything that belongs to them.

        Args:
            to: the file; it is there whole, or not at all.
            filter: the one filter language; empty for every run.
            format: ``archive``, ``parquet``, ``csv`` or ``ndjson``; told by the file's ending when left out
                (``.runstone``, ``.parquet``, ``.csv``, ``.ndjson``).
            family: with each run, the runs below it and those above it. Only of archives.
            machine: in CSV, leave texts as they are that a spreadsheet takes for formulas; without it a ``'``
                stands before them.
            progress: called as ``progress(done, total, text=run_id)`` before each run, and at the end.

        Raises:
            UserErrorException: the filter or the format cannot be read, or the file cannot be written.
        """
        # half of the package, and only for who exports
        from runstone.sdk import tables, transfer

        path, call = Path(to), progress or _silent
        form = _format(path, format)
        if form == "archive":
            return transfer.export_archive(
                self._service, self._record.name, filter=filter, path=path, family=family, progress=call
            )
        table = tables.Table(path, form, machine)
        return tables.export_table(
            self._service, self._record.name, filter=filter, table=table, progress=call
        )

    def import_runs(self, archive: str | Path, *, progress: Any = None) -> Imported:
        """Take in the runs of an archive. Repeating it is harmless, after a crash in the middle as well.

        Each run comes whole, or not at all. One whose id is there already stays as it is.

        Args:
            archive: a file that ``export_runs`` has written, here or elsewhere.
            progress: called as ``progress(done, total, text=run_id)`` before each run, and at the end.

        Raises:
            UserErrorException: the archive is damaged, or none; what was taken in before is named by its
                runs.
        """
        from runstone.sdk import transfer  # see export_runs

        path, call = Path(archive), progress or _silent
        return transfer.import_archive(self._service, self._record.name, path=path, progress=call)


def _format(path: Path, given: str | None) -> str:
    endings = {".runstone": "archive", ".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson"}
    endings[".jsonl"] = "ndjson"
    found = given or endings.get(path.suffix.lower())
    if found not in endings.values():
        raise UserErrorException(
            f"{str(path)!r} does not tell what to write: end it in {', '.join(endings)}, or give a format of "
            f"{', '.join(sorted(set(endings.values())))}; got {given!r}."
        )
    return str(found)


def _silent(done: int, total: int, *, text: str) -> None:
    return None
