"""RunDetails: a run as it goes on, in a notebook or in a terminal."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from runstone.model import runs as model
from runstone.model.errors import ServiceException, UserErrorException
from runstone.sdk import details, display, finding
from runstone.sdk.readable import Readable
from runstone.sdk.run import Run

# How often a notebook's picture is renewed, and what of a run it has.
SECONDS = 2.0
CHILDREN = 20
LOG_LINES = 15

_LOG_BYTES = 16 * 1024
# Where the output of a script is, the likeliest first.
_LOGS = ("user_logs/std_log", "logs/user_log", "azureml-logs/70_driver_log")


class RunDetails:
    """Shows a run: its state, metrics, children and the end of its log.

    Args:
        run_instance: the run.
    """

    def __init__(self, run_instance: Run) -> None:
        if not isinstance(run_instance, Run):
            raise UserErrorException(f"RunDetails shows a run; got a {type(run_instance).__name__}.")
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Show the run and return at once; a notebook's picture follows the run until it has ended, a
        terminal gets the present state as text.

        Args:
            render_lib: the original's other ways of drawing; not needed.
            widget_settings: the original's settings; not needed.
        """
        self._run._refresh()
        if not _in_notebook():
            print(self._text())
            return
        # a notebook has it; nobody else needs it
        from IPython.display import HTML
        from IPython.display import display as shown

        handle = shown(HTML(self._repr_html_()), display_id=True)
        if handle is None or self._ended():
            return
        follow = threading.Thread(
            target=self._follow, args=(handle, HTML), name="runstone-run-details", daemon=True
        )
        follow.start()

    def get_widget_data(self, widget_settings: Any = None) -> dict[str, Any]:
        """What is shown, as data under the original's keys: status, properties, metrics, children, log."""
        run = self._run
        run._refresh()
        return {
            "status": run.status,
            "workbench_run_details_uri": run.get_portal_url(),
            "run_id": run.id,
            "run_properties": _properties(run),
            "child_runs": [_properties(child) for child in self._children()],
            "children_metrics": {},
            "run_metrics": [
                {"name": name, "run_id": run.id, "series": [{"data": list(values)}]}
                for name, values in details.sparklines(run).items()
            ],
            "run_logs": self._log(),
            "graph": {},
            "widget_settings": dict(widget_settings or {}),
            "loading": False,
        }

    def __repr__(self) -> str:
        return f"RunDetails({self._run!r})"

    def _repr_html_(self) -> str:
        parts = [self._run._repr_html_(), display.rows_html([_row(child) for child in self._children()])]
        return "".join([*parts, display.log_html(self._log())])

    def _follow(self, handle: Any, html: Any) -> None:
        while not self._ended():
            time.sleep(SECONDS)
            try:
                self._run._refresh()
                handle.update(html(self._repr_html_()))
            except ServiceException as error:
                if error.status < 500:
                    # the run was deleted: the last picture stays
                    return

    def _ended(self) -> bool:
        return model.Status(self._run.status).terminal

    def _text(self) -> str:
        lines = [f"{name}: {value}" for name, value in details.card(self._run).items()]
        for name, values in details.sparklines(self._run).items():
            lines.append(f"  {name}: {display.number_text(values[-1])}" if len(values) else f"  {name}")
        lines += [f"  child {child.id}: {child.status}" for child in self._children()]
        log = self._log()
        return "\n".join([*lines, "", log] if log else lines)

    def _children(self) -> list[Run]:
        clause = f"parent = {finding.quoted(self._run.id)}"
        return list(self._run.experiment.workspace.search_runs(clause, limit=CHILDREN))

    def _log(self) -> str:
        """The last lines of what the script has printed; empty when it has printed nothing."""
        logs, ref = self._run._service.logs, self._run._ref
        names = logs.names(ref)
        name = next((name for like in _LOGS for name in names if name.startswith(like)), None)
        if name is None:
            return ""
        readable = Readable()
        text = readable.shown(logs.read(ref, name, offset=-_LOG_BYTES), last=True)
        return "\n".join(text.splitlines()[-LOG_LINES:])


def _properties(run: Run) -> dict[str, Any]:
    record = run._record
    return {
        "run_id": run.id,
        "run_number": run.number,
        "run_type": run.type,
        "status": run.status,
        "created_utc": model.iso(record.created),
        "start_time_utc": model.iso(record.started),
        "end_time_utc": model.iso(record.ended),
        "properties": run.properties,
        "tags": run.tags,
    }


def _row(run: Run) -> dict[str, str]:
    return {"Child": run.display_name, "Status": run.status, "Started": model.iso(run._record.started) or ""}


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell and hasattr(shell, "get_ipython") else None
    return running is not None and hasattr(running, "kernel")
