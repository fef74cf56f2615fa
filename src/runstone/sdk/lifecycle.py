"""A run's life: started, ended in one way or another, waited for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from runstone.model import names, patience
from runstone.model import runs as model
from runstone.model.errors import ActivityFailedException, Conflict, RunstoneError
from runstone.sdk import details, outputs, tracking
from runstone.sdk.files import Files
from runstone.sdk.handle import printable, said, told, warn
from runstone.sdk.output import Tee
from runstone.service.connect import settings

TROUBLESHOOTING = "https://aka.ms/azureml-run-troubleshooting"
FLUSH_SECONDS = 300.0
# The types of run that somebody else executes.
SUBMITTED = ("azureml.scriptrun", "hyperdrive")

Me = TypeVar("Me", bound="Lifecycle")


class Lifecycle(Files):
    """The part of a run that begins and ends it."""

    _tee: Tee | None = None
    _entered = 0.0

    @property
    def status(self) -> str:
        """The status as last fetched; ``get_status`` asks again."""
        return str(self._record.status)

    def get_status(self) -> str:
        """The status, fetched now, until it is a final one."""
        if not self._record.status.terminal or self._record.provisional:
            self._refresh()
        return self.status

    def start(self) -> None:
        """Say that the run is Running, in this process."""
        tracking.start(self)

    def complete(self, _set_status: bool = True) -> None:
        """Deliver what was logged, upload ``outputs``, and end the run as Completed.

        A run that has ended stays as it is, with a warning (a second ``complete()`` is silent).
        """
        tracking.deliver(self)
        if _set_status:
            self._end(model.Status.COMPLETED, None)

    def fail(
        self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True
    ) -> None:
        """End the run as Failed; the script of a submitted one is stopped, unless it says so itself.

        Args:
            error_details: what went wrong: a text to 16 KiB of characters, or an exception, whose traceback
            is kept.
            error_code: a code of your own; ``UserError`` by default.

        Raises:
            UserErrorException: the text is over the limit.
        """
        error = _error(error_details, error_code)
        tracking.deliver(self)
        if not _set_status:
            return
        self._end(model.Status.FAILED, error)
        if self._record.type in SUBMITTED and settings().run_id != self.id:
            with suppress(Conflict):
                # which says that the run has ended; its script goes on until it is told
                self._service.jobs.cancel(self._ref, children=False)

    def cancel(self) -> None:
        """End the run as Canceled; a submitted one is CancelRequested until its last process is gone."""
        self._flushed(tracking.DELIVERY_SECONDS)
        if self._record.type in SUBMITTED:
            self._ask_to_end(children=True)
            return
        self._end(
            model.Status.CANCELED, {"code": "Canceled", "message": "Canceled by the user.", "reason": "user"}
        )

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> None:
        """Wait until everything logged so far is in the history.

        Raises:
            TimeoutError: it was not within ``timeout_seconds``; nothing is lost, it is delivered later.
        """
        if not self._flushed(timeout_seconds):
            raise TimeoutError(
                f"Not everything arrived within {timeout_seconds} s; it is kept, and delivered later."
            )

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Wait until the run has ended; its details.

        Args:
            show_output: print the run's logs, and a summary at the end.
            raise_on_error: raise when the run has failed (a canceled run never raises).

        Raises:
            ActivityFailedException: the run has failed.
        """
        pause = 0.05
        while not model.Status(self.get_status()).terminal:
            time.sleep(pause)
            pause = min(2.0, pause * 1.5)
        if show_output:
            details.print_output(self, raise_on_error)
        if raise_on_error and self._record.status is model.Status.FAILED:
            raise ActivityFailedException(json.dumps(details.error_document(self._record), indent=4))
        return self.get_details()

    @property
    def cancel_requested(self) -> bool:
        """Whether the run's end was asked for: a script that looks can end in its own time."""
        return self._refresh().status in (model.Status.CANCEL_REQUESTED, model.Status.CANCELED)

    def get_detailed_status(self) -> dict[str, Any]:
        """``{'status': ..., 'details': ...}``: the status, and the error's message if there is one."""
        status = self.get_status()
        return {"status": status, "details": (self._record.error or {}).get("message")}

    def get_details(self) -> dict[str, Any]:
        """What is known of the run, under the original's keys; log files as addresses."""
        self._refresh()
        return details.details(self, {name: details.address(self, name) for name in self._log_names()})

    def get_details_with_logs(self) -> dict[str, Any]:
        """As ``get_details``, with the content of the log files."""
        self._refresh()
        return details.details(self, {name: self._log_text(name) for name in self._log_names()})

    def __enter__(self: Me) -> Me:
        if self._record.status is model.Status.NOT_STARTED:
            self.start()
        self._entered = time.time()
        self._tee = Tee(self._service.root, self._ref)
        self._tee.begin()
        return self

    def __exit__(
        self,
        exit_type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._tee is not None:
            self._tee.end(self)
        outputs.upload_logs(self, self._entered)
        if value is None:
            self.complete()
            return
        try:
            tracking.end(self, value)
        except RunstoneError as trouble:
            # what the script raised is more important, and goes on
            warn(f"The run {self.id} could not be ended ({trouble}); its data are kept.")

    def _ask_to_end(self, *, children: bool) -> None:
        """Have whatever runs of a submitted run ended; a warning when the run has ended already."""
        try:
            self._record = self._service.jobs.cancel(self._ref, children=children)
        except Conflict as error:
            self._refresh()
            warn(error.message)

    def _end(self, status: model.Status, error: Mapping[str, Any] | None) -> None:
        if sys.is_finalizing():
            # said by a finalizer: the script has ended, and its runs with it
            return
        try:
            self._operate("move", {"status": status, "error": error, **tracking.took(self)})
        except Conflict:
            self._refresh()
            if self._record.status is not status:
                warn(
                    f"The run {self.id} is {self.status} already; it stays so, and does not become {status}."
                )
        tracking.forget(self)
        # all that could be delivered was so before; what is left are words about the end
        self._leave(patience.LEAST)
        self._service.recovery.after_end()


def _error(given: Any, code: str | None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code or "UserError", "reason": "code"}
    if isinstance(given, BaseException):
        message = f"User program failed with {type(given).__name__}: {said(given)}"
        error["message"] = printable(message)[: names.ERROR_MESSAGE]
        error["traceback"] = told(given)
        error["detailsUri"] = TROUBLESHOOTING
    elif given is not None:
        error["message"] = names.clean(printable(str(given)), "error message", limit=names.ERROR_MESSAGE)
    return error
