"""What is captured without asking, joined to a run: the quick part at its start, the slow part beside it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runstone.model.errors import Conflict, RunstoneError
from runstone.sdk import finding, tracking
from runstone.sdk.capture import Capture, Captured, Sampler, Subject, capture_at_start, capture_behind
from runstone.sdk.handle import warn
from runstone.service.connect import environment, settings

if TYPE_CHECKING:
    from runstone.sdk.run import Run

# The end of a run waits so long for what is still being captured.
WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Begun:
    """A capture of which the quick part is done."""

    options: Capture
    subject: Subject
    quick: Captured


def begin(choice: str | bool | Iterable[str] | None) -> Begun:
    """Capture what takes no time; ``choice`` is what RUNSTONE_CAPTURE could hold, which it overrides."""
    environ = environment()
    if isinstance(choice, bool):
        choice = "all" if choice else "none"
    if choice is not None and not isinstance(choice, str):
        choice = ",".join(finding.keys(choice)) or "none"
    options = Capture.chosen(settings().capture if choice is None else choice)
    subject = Subject.of(environ=environ)
    return Begun(options, subject, capture_at_start(options, subject))


def follow(run: Run, begun: Begun) -> None:
    """Capture the rest in a thread of its own, and sample the use of the machine until the run ends."""
    thread = threading.Thread(target=_rest, args=(run, begun), name="runstone-capture", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # no thread is to be had: the interpreter is ending, or the machine is at its limit
        _rest(run, begun)
        return
    tracking.beside(run, lambda: thread.join(WAIT_SECONDS))
    if begun.options.system_metrics:
        sampler = Sampler(run.log_metrics, begun.subject.environ)
        sampler.start()
        tracking.beside(run, sampler.stop)


def _rest(run: Run, begun: Begun) -> None:
    found = capture_behind(begun.options, begun.subject)
    try:
        for name, value in found.properties.items():
            # the script may have set one of these itself, and knows better
            with suppress(Conflict):
                run._service.runs.add_properties(run._ref, {name: value})
        for name, content in found.files.items():
            run._service.artifacts.upload(run._ref, name, content=io.BytesIO(content))
    except (RunstoneError, OSError) as error:
        warn(f"What was captured about run {run.id} is not complete: {error}")


def merged(begun: Begun, properties: Mapping[str, str]) -> dict[str, str]:
    """The properties of a new run: what was captured, and over it what the script says."""
    return {**begun.quick.properties, **properties}
