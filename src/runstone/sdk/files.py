"""The files of a run: uploaded, listed, downloaded."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from runstone.model.artifacts import Artifact
from runstone.model.errors import NotFound, UserErrorException
from runstone.model.names import artifact_name, folder_name
from runstone.sdk import capture
from runstone.sdk.handle import Handle, warn
from runstone.service import folders

if TYPE_CHECKING:
    from runstone.service.logs import Logs

# Of a longer log the end alone becomes one text.
MOST_LOG_BYTES = 8 << 20
# What is captured unasked; whatever else a script calls system/... is its own.
CAPTURED = (
    capture.DIFF_FILE,
    capture.GIT_FILE,
    capture.PACKAGES_FILE,
    capture.ENVIRONMENT_FILE,
    "system/script/",
)


class Files(Handle):
    """The part of a run that keeps files, streamed and checked by SHA-256."""

    def upload_file(
        self, name: str, path_or_stream: Any, datastore_name: str | None = None, *, overwrite: bool = True
    ) -> Artifact:
        """Upload a file.

        Args:
            name: what it is called in the run, like ``outputs/model.pkl``; again makes a new version.
            path_or_stream: a path, or a binary stream, read to its end.
            overwrite: False refuses a name that is there already.

        Raises:
            FileNotFoundError: there is no such file.
            UserErrorException: the name leads out of the run, it is no regular file, or the name is taken
                (also a ``ServiceException``, status 409).
        """
        if hasattr(path_or_stream, "read"):
            return self._upload(name, path_or_stream, overwrite)
        return self._upload_path(name, path_or_stream, overwrite)

    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[Any],
        return_artifacts: bool = False,
        timeout_seconds: float | None = None,
        datastore_name: str | None = None,
        *,
        overwrite: bool = True,
    ) -> list[Artifact] | None:
        """Upload several files, one after the other; ``names`` and ``paths`` are of equal length."""
        if len(names) != len(paths):
            raise TypeError(
                f"names and paths must be lists of equal lengths. Names was of length {len(names)} and "
                f"paths of length {len(paths)}."
            )
        artifacts = [
            self.upload_file(name, path, overwrite=overwrite) for name, path in zip(names, paths, strict=True)
        ]
        return artifacts if return_artifacts else None

    def upload_folder(
        self, name: str, path: Any, datastore_name: str | None = None, *, overwrite: bool = True
    ) -> list[Artifact]:
        """Upload every file below a directory as ``name/<relative path>``; links out of it are not
        followed."""
        if not Path(path).is_dir():
            raise UserErrorException(f"Cannot upload path: {path} since it is not a valid directory.")
        prefix = f"{name}/" if folder_name(name) else ""
        return [
            self._upload_path(prefix + relative, file, overwrite)
            for relative, file in folders.walk_folder(path, note=warn)
        ]

    def get_file_names(self) -> list[str]:
        """The names of the run's files, sorted; without what was captured unasked (git state, packages,
        environment and the script, in ``system/``)."""
        return [artifact.name for artifact in self._files(None)]

    def download_file(
        self, name: str, output_file_path: Any = None, _validate_checksum: bool = False
    ) -> None:
        """Download a file.

        Args:
            output_file_path: where to; the name's last part in the current directory by default. A path that
            ends in
                a slash, or a directory, gets the file inside. Missing directories are made.

        Raises:
            UserErrorException: there is no such file; the message names those that there are.
        """
        base = artifact_name(name).rsplit("/", 1)[-1]
        target = Path(output_file_path or base)
        if str(output_file_path or "").endswith(("/", os.sep)) or target.is_dir():
            target = target / base
        self._download(name, target)

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: Any = None,
        output_paths: Sequence[Any] | None = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: float | None = None,
    ) -> None:
        """Download every file, or those below ``prefix``.

        Args:
            output_directory: where to; the current directory by default.
            output_paths: a path for each file instead, in the order of ``get_file_names``.
            append_prefix: keep ``prefix/`` in the paths below ``output_directory``.
        """
        found = [artifact.name for artifact in self._files(prefix)]
        if output_paths is not None and len(output_paths) != len(found):
            raise UserErrorException(
                f"output_paths has {len(output_paths)} paths for {len(found)} files: {found}."
            )
        if output_paths is not None:
            for name, target in zip(found, output_paths, strict=True):
                self._download(name, Path(target))
            return
        root = Path(output_directory or ".")
        folder = "" if append_prefix else folder_name(prefix or "")
        for name in found:
            self._download(name, root / _below(folder, name), inside=root)

    def get_all_logs(self, destination: Any = None) -> list[str]:
        """Download the run's logs, keeping their folders; the local paths. Of a log that still grows, what
        there is.

        Args:
            destination: a directory; one named like the run by default.
        """
        root = Path(destination or self.id)
        kept, paths = self.get_file_names(), []
        for name in self._log_names():
            if name in kept:
                self._download(name, root / name, inside=root)
            else:
                growing = cast(BinaryIO, _Growing(self._service.logs, self._ref, name))
                folders.save(growing, root / name, inside=root)
            paths.append(str(root / name))
        return paths

    def _files(self, prefix: str | None) -> list[Artifact]:
        found = self._service.artifacts.list(self._ref, prefix=prefix)
        return [one for one in found if folder_name(prefix or "") or not one.name.startswith(CAPTURED)]

    def _log_names(self) -> list[str]:
        return [*self._service.logs.names(self._ref)]

    def _log_text(self, name: str) -> str:
        """A log, or of a very long one its end, with a line that says so."""
        part = self._service.logs.part(self._ref, name, offset=-MOST_LOG_BYTES, most=MOST_LOG_BYTES)
        text = part.data.decode("utf-8", "replace")
        if not part.offset:
            return text
        left_out = f"[{part.offset:,} of {part.size:,} bytes are left out here; get_all_logs() has them all]"
        return f"{left_out}\n{text}"

    def _upload(self, name: str, stream: Any, overwrite: bool) -> Artifact:
        if isinstance(stream, io.TextIOBase):
            raise UserErrorException(f"The stream for {name!r} yields text; open it in binary mode ('rb').")
        return self._service.artifacts.upload(self._ref, name, content=stream, overwrite=overwrite)

    def _upload_path(self, name: str, path: Any, overwrite: bool) -> Artifact:
        with folders.opened(path) as stream:
            return self._upload(name, stream, overwrite)

    def _download(self, name: str, target: Path, *, inside: Path | None = None) -> None:
        try:
            stream = self._service.artifacts.open(self._ref, name)
        except NotFound as error:
            raise UserErrorException(error.message) from None
        with stream:
            folders.save(stream, target, inside=inside)


@dataclass
class _Growing:
    """A log that still grows, read from its start to what is its end by then."""

    logs: Logs
    run: str
    name: str
    offset: int = 0

    def read(self, size: int) -> bytes:
        part = self.logs.read(self.run, self.name, offset=self.offset, most=size)
        self.offset += len(part)
        return part


def _below(folder: str, name: str) -> str:
    """The part of a file's name below a folder; its last part when the folder is the file itself."""
    if name == folder:
        return name.rsplit("/", 1)[-1]
    return name.removeprefix(f"{folder}/") if folder else name
