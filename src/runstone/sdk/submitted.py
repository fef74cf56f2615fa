"""The kinds of run that ``Run.get_context`` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runstone.sdk.run import Run


class _SubmittedRun(Run):
    """The run that a submitted script belongs to."""


class _OfflineRun(Run):
    """A run of a script that was not submitted: a full run in the embedded workspace.

    With ``verbose`` it prints what the original's offline run printed.
    """

    verbose = False

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        self._say("Attempted to log scalar metric {}:\n{}", name, value)
        super().log(name, value, description, step)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        if self.verbose and isinstance(value, Iterator):
            value = list(value)
        self._say("Attempted to log list metric {}:\n{}", name, value)
        super().log_list(name, value, description)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        self._say("Attempted to log row metric {}:\n{}", name, kwargs)
        super().log_row(name, description, **kwargs)

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        self._say("Attempted to log table metric {}:\n{}", name, value)
        super().log_table(name, value, description)

    def log_image(self, name: str, path: Any = None, plot: Any = None, description: str = "") -> None:
        self._say("Attempted to log image metric {}:\n{}", name, path if path is not None else plot)
        super().log_image(name, path, plot, description)

    def _keep_document(self, kind: str, name: str, value: str | Mapping[str, Any], description: str) -> None:
        noun = "residual" if kind == "residuals" else kind
        self._say("Attempted to log {} metric {}:\n{}", noun, name, value)
        super()._keep_document(kind, name, value, description)

    def upload_file(
        self, name: str, path_or_stream: Any, datastore_name: str | None = None, *, overwrite: bool = True
    ) -> Any:
        self._say("Attempted to track file {} at {}", name, path_or_stream)
        return super().upload_file(name, path_or_stream, datastore_name, overwrite=overwrite)

    def upload_folder(
        self, name: str, path: Any, datastore_name: str | None = None, *, overwrite: bool = True
    ) -> Any:
        self._say("Attempted to track folder {} at {}", name, path)
        return super().upload_folder(name, path, datastore_name, overwrite=overwrite)

    def tag(self, key: str, value: Any = None) -> None:
        self._say("Attempted to add tag {} with value {}", key, value)
        super().set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any] | str) -> None:
        self._say("Attempted to set tags {}", tags)
        super().set_tags(tags)

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        self._say("Attempted to add properties {}", properties)
        super().add_properties(properties)

    def fail(
        self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True
    ) -> None:
        self._say("Run failed with error code {}:\n{}", error_code, error_details)
        super().fail(error_details, error_code, _set_status)

    def flush(self, timeout_seconds: float = 300.0) -> None:
        self._say("Attempted to flush run with id {}", self.id)
        super().flush(timeout_seconds)

    def __enter__(self) -> _OfflineRun:
        self._say("[START] Run {} context", self.id)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        self._say("[STOP] Run {} context", self.id)
        super().__exit__(*error)

    def _say(self, text: str, *values: Any) -> None:
        if self.verbose:
            print(text.format(*values))
