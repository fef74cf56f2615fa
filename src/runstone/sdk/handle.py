"""What every part of a run stands on: its record, its operations, its journal."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runstone.journal.writer import Writer
from runstone.model import runs as model
from runstone.model.errors import ServiceException
from runstone.store.runs import reference

if TYPE_CHECKING:
    from runstone.sdk.experiment import Experiment
    from runstone.service.connect import Service

# Escape sequences of terminals, and the control characters but for tabs and ends of lines.
_UNPRINTABLE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

PACKAGE = "runstone."

_log = logging.getLogger("runstone")


class _Journal:
    """A handle's journal, made at the first log(), as most handles only read; then the handle has it itself.

    Threads and signal handlers may come at once, and in a forked child no lock of its parent's is waited for.
    """

    making = threading.RLock()

    def __get__(self, run: Any, kind: type | None = None) -> Any:
        if run is None:
            return self
        with _Journal.making:
            if "_journal" not in run.__dict__:
                run.__dict__.setdefault("_journal", run._service.shipper.writer(run._ref))
            return run.__dict__["_journal"]


class Handle:
    """A run's place in a history. The record is what was last fetched; operations bring it up to date."""

    _journal: Writer = _Journal()  # type: ignore[assignment]

    def __init__(self, experiment: Experiment, record: model.Run) -> None:
        self._experiment = experiment
        self._record = record
        self._outputs: str | None = None
        self._ref = reference(experiment.workspace.name, record.id)

    @property
    def id(self) -> str:
        """The run's id, unique in its workspace."""
        return self._record.id

    @property
    def experiment(self) -> Experiment:
        """The experiment of the run."""
        return self._experiment

    @property
    def portal_url(self) -> str:
        """The address of the run."""
        return self.get_portal_url()

    def get_portal_url(self) -> str:
        """The address of the run: ``runstone://<workspace>/runs/<id>``."""
        return f"runstone://{self._experiment.workspace.name}/runs/{self.id}"

    @property
    def _service(self) -> Service:
        return self._experiment.workspace._service

    def _refresh(self) -> model.Run:
        self._record = self._service.runs.get(self._ref)
        return self._record

    def _operate(self, call: str, arguments: Mapping[str, Any]) -> None:
        """Carry out an operation now; when the history cannot answer, leave it in the journal, and warn
        once."""
        try:
            self._record = getattr(self._service.runs, call)(self._ref, **arguments)
        except ServiceException as error:
            if error.status < 500 or self._service.settings.strict:
                raise
            kept = {
                name: asdict(value) if isinstance(value, model.Process) else value
                for name, value in arguments.items()
            }
            self._journal.record({"kind": "operation", "call": f"runs.{call}", "arguments": kept})
            warn(
                f"{error.message} The call {call}({arguments}) of run {self.id} is kept and carried out "
                f"later."
            )

    def _flushed(self, timeout: float | None) -> bool:
        """Ship what this process has logged to the run; whether all of it has arrived."""
        writer = self._writing()
        return writer is None or self._service.shipper.drain(writer, timeout=timeout)

    def _leave(self, timeout: float) -> None:
        """Nothing more is expected of this process: its journal goes once all of it has arrived."""
        writer = self._writing()
        if writer is not None:
            self._service.shipper.finish(writer, timeout=timeout)

    def _writing(self) -> Writer | None:
        # another handle of this process may have logged, like the parent of a child
        return self.__dict__.get("_journal") or self._service.shipper.known(self._ref)


def warn(message: str) -> None:
    """Say something to the person who runs the script, without ever stopping the script."""
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=_outside())
    except RuntimeWarning:
        # warnings were made errors by the script: say it by another way
        _log.warning(message)


def _outside() -> int:
    """How far up the line of the script is: a warning shows it, and not one of ours."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


def told(error: BaseException) -> str:
    """An exception with its traceback, as text, the end of it when it is very long."""
    text = printable("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    return text if len(text) <= 12_000 else "...\n" + text[-12_000:]


def said(error: BaseException) -> str:
    """What an exception says; its own code is not ours, and may raise anything."""
    return "".join(traceback.format_exception_only(type(error), error)).strip().partition(": ")[2]


def printable(text: str) -> str:
    """A text as it can be kept and shown everywhere: no colours, control characters or lone surrogates."""
    return _UNPRINTABLE.sub("", text).encode("utf-8", "replace").decode("utf-8")


def _forked() -> None:
    _Journal.making = threading.RLock()


os.register_at_fork(after_in_child=_forked)
