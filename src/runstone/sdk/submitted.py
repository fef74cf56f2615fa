"""The kinds of run that ``Run.get_context`` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runstone.sdk.run import Run


class _SubmittedRun(Run):
    """The run that a submitted script belongs to."""


class _OfflineRun(Run):
    """A run of a script that was not submitted: a full run in the embedded workspace."""


class _VerboseOfflineRun(_OfflineRun):
    """The same, printing what the original's offline run printed."""

    def log(self, name: str, value: Any, description: str = "", step: float | None = None) -> None:
        print(f"Attempted to log scalar metric {name}:\n{value}")
        super().log(name, value, description, step)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        value = list(value)
        print(f"Attempted to log list metric {name}:\n{value}")
        super().log_list(name, value, description)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        print(f"Attempted to log row metric {name}:\n{kwargs}")
        super().log_row(name, description, **kwargs)

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        print(f"Attempted to log table metric {name}:\n{value}")
        super().log_table(name, value, description)

    def log_image(self, name: str, path: Any = None, plot: Any = None, description: str = "") -> None:
        print(f"Attempted to log image metric {name}:\n{path if path is not None else plot}")
        super().log_image(name, path, plot, description)

    def _keep_document(self, kind: str, name: str, value: str | Mapping[str, Any], description: str) -> None:
        noun = "residual" if kind == "residuals" else kind
        print(f"Attempted to log {noun} metric {name}:\n{value}")
        super()._keep_document(kind, name, value, description)

    def upload_file(
        self, name: str, path_or_stream: Any, datastore_name: str | None = None, *, overwrite: bool = True
    ) -> Any:
        print(f"Attempted to track file {name} at {path_or_stream}")
        return super().upload_file(name, path_or_stream, datastore_name, overwrite=overwrite)

    def upload_folder(
        self, name: str, path: Any, datastore_name: str | None = None, *, overwrite: bool = True
    ) -> Any:
        print(f"Attempted to track folder {name} at {path}")
        return super().upload_folder(name, path, datastore_name, overwrite=overwrite)

    def tag(self, key: str, value: Any = None) -> None:
        print(f"Attempted to add tag {key} with value {value}")
        super().set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any] | str) -> None:
        print(f"Attempted to set tags {tags}")
        super().set_tags(tags)

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        print(f"Attempted to add properties {properties}")
        super().add_properties(properties)

    def fail(
        self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True
    ) -> None:
        print(f"Run failed with error code {error_code}:\n{error_details}")
        super().fail(error_details, error_code, _set_status)

    def flush(self, timeout_seconds: float = 300.0) -> None:
        print(f"Attempted to flush run with id {self.id}")
        super().flush(timeout_seconds)

    def __enter__(self) -> _VerboseOfflineRun:
        print(f"[START] Run {self.id} context")
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        print(f"[STOP] Run {self.id} context")
        super().__exit__(*error)
