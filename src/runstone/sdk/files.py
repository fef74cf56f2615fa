"""The files of a run: uploaded, listed, downloaded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runstone.model.artifacts import Artifact
from runstone.model.errors import NotFound, UserErrorException
from runstone.sdk import folders
from runstone.sdk.handle import Handle

LOG_FOLDERS = ("logs/", "user_logs/", "system_logs/", "azureml-logs/")
CAPTURED = "system/"


class Files(Handle):
    """The part of a run that keeps files, streamed and checked by SHA-256."""

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> Artifact:
        """Upload a file.

        Args:
            name: what it is called in the run, like ``outputs/model.pkl``; again makes a new version.
            path_or_stream: a path, or a binary stream, read to its end.

        Raises:
            FileNotFoundError: there is no such file.
            UserErrorException: the name leads out of the run.
        """
        if hasattr(path_or_stream, "read"):
            return self._upload(name, path_or_stream)
        with open(path_or_stream, "rb") as stream:
            return self._upload(name, stream)

    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[Any],
        return_artifacts: bool = False,
        timeout_seconds: float | None = None,
        datastore_name: str | None = None,
    ) -> list[Artifact] | None:
        """Upload several files; ``names`` and ``paths`` are of equal length."""
        if len(names) != len(paths):
            raise TypeError(
                f"names and paths must be lists of equal lengths. Names was of length {len(names)} and "
                f"paths of length {len(paths)}."
            )
        artifacts = [self.upload_file(name, path) for name, path in zip(names, paths, strict=True)]
        return artifacts if return_artifacts else None

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> list[Artifact]:
        """Upload every file below a directory as ``name/<relative path>``; links out of it are not
        followed."""
        root = Path(path)
        if not root.is_dir():
            raise UserErrorException(f"Cannot upload path: {path} since it is not a valid directory.")
        prefix = name.rstrip("/")
        return [
            self.upload_file(f"{prefix}/{relative}", file) for relative, file in folders.walk_folder(root)
        ]

    def get_file_names(self) -> list[str]:
        """The names of the run's files, sorted; without what was captured unasked, which is below
        ``system/``."""
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
        base = name.rsplit("/", 1)[-1]
        target = Path(output_file_path) if output_file_path is not None else Path(base)
        if str(output_file_path or "").endswith("/") or target.is_dir():
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
        root = Path(output_directory or ".")
        cut = len(prefix.rstrip("/")) + 1 if prefix and not append_prefix else 0
        targets = (
            [Path(path) for path in output_paths] if output_paths else [root / name[cut:] for name in found]
        )
        if len(targets) != len(found):
            raise UserErrorException(
                f"output_paths has {len(targets)} paths for {len(found)} files: {found}."
            )
        for name, target in zip(found, targets, strict=True):
            self._download(name, target)

    def get_all_logs(self, destination: Any = None) -> list[str]:
        """Download the run's logs, keeping their folders; the local paths.

        Args:
            destination: a directory; one named like the run by default.
        """
        root = Path(destination or self.id)
        paths = []
        for name in self._log_names():
            self._download(name, root / name)
            paths.append(str(root / name))
        return paths

    def _files(self, prefix: str | None) -> list[Artifact]:
        found = self._service.artifacts.list(self._ref, prefix=prefix)
        return [artifact for artifact in found if prefix or not artifact.name.startswith(CAPTURED)]

    def _log_names(self) -> list[str]:
        return [name for name in self.get_file_names() if name.startswith(LOG_FOLDERS)]

    def _log_text(self, name: str) -> str:
        with self._service.artifacts.open(self._ref, name) as stream:
            return stream.read().decode("utf-8", "replace")

    def _upload(self, name: str, stream: Any) -> Artifact:
        if isinstance(stream, io.TextIOBase):
            raise UserErrorException(f"The stream for {name!r} yields text; open it in binary mode ('rb').")
        return self._service.artifacts.upload(self._ref, name, content=stream)

    def _download(self, name: str, target: Path) -> None:
        try:
            stream = self._service.artifacts.open(self._ref, name)
        except NotFound as error:
            raise UserErrorException(error.message) from None
        with stream:
            folders.save(stream, target)
