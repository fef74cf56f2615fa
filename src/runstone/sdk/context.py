"""The run of this script: the submitted one by the environment, else one of its own in the embedded
workspace."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING

from runstone.model.errors import Gone, NotFound, RunEnvironmentException
from runstone.sdk import places, starting
from runstone.service.connect import announce, settings

if TYPE_CHECKING:
    from runstone.sdk.run import Run

NOT_SUBMITTED = (
    "Could not load a submitted run, if outside of an execution context, use experiment.start_logging to "
    "initialize an azureml.core.Run."
)

_current: dict[str, Run] = {}


def current(allow_offline: bool, *, verbose: bool) -> Run:
    """The run of this script, the same one at every call; another one after it ended, where it was not
    submitted."""
    run_id = settings().run_id
    if run_id is None and not allow_offline:
        raise RunEnvironmentException(NOT_SUBMITTED)
    known = _current.get("run")
    if known is None or (run_id is None and known._record.status.terminal):
        known = _current["run"] = _submitted(run_id) if run_id else _shared() or _offline()
    if verbose:
        _let_speak(known)
    return known


def _submitted(run_id: str) -> Run:
    from runstone.sdk.submitted import _SubmittedRun  # a kind of run, and a run asks for its context
    from runstone.sdk.workspace import Workspace

    workspace = Workspace.from_config()
    record = workspace._service.runs.get(workspace._reference(run_id))
    return _SubmittedRun._of_workspace(workspace, record)


def _shared() -> Run | None:
    """In a worker of multiprocessing or joblib, which runs the script anew: the run of who started it."""
    from runstone.sdk.submitted import _OfflineRun  # a kind of run, and a run asks for its context
    from runstone.sdk.workspace import Workspace

    run_id = settings().context
    if run_id is None or not _is_worker():
        return None
    workspace = Workspace.from_config()
    try:
        return _OfflineRun._of_workspace(workspace, workspace._service.runs.get(workspace._reference(run_id)))
    except (NotFound, Gone):
        return None


def _let_speak(run: Run) -> None:
    from runstone.sdk.submitted import _OfflineRun  # a kind of run, and a run asks for its context

    if isinstance(run, _OfflineRun):
        run.verbose = True


def _is_worker() -> bool:
    # a process that multiprocessing has started has loaded it; any other need not, only to be asked
    processes = sys.modules.get("multiprocessing.process")
    if processes is None:
        return False
    # while the script is imported anew, who started it is not known yet
    beginning = getattr(processes.current_process(), "_inheriting", False)
    return bool(beginning) or processes.parent_process() is not None


def _offline() -> Run:
    from runstone.sdk.experiment import Experiment  # a run asks for its context
    from runstone.sdk.submitted import _OfflineRun
    from runstone.sdk.workspace import Workspace, _here

    workspace = Workspace.from_config()
    experiment = Experiment(workspace, places.locate(_here(), settings()).experiment)
    run = starting.start_run(
        experiment,
        run_id=f"OfflineRun_{uuid.uuid4()}",
        kind=_OfflineRun,
        display_name=settings().run_name,
    )
    announce(run.id)
    print(
        f"Runstone: this script was not submitted; it logs to the run {run.id} of the experiment "
        f"{experiment.name!r} in {workspace.location}",
        file=sys.stderr,
    )
    return run
