"""``runstone watch``: the runs that go on, seen from a terminal."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import completing, options, output, rows, tables
from runstone.cli.opening import Opened, Scope
from runstone.cli.values import number

if TYPE_CHECKING:
    from runstone.model.runs import Run

MOST = 50
METRICS = 3
BUCKETS = 16
BARS = "▁▂▃▄▅▆▇█"
HOME, CLEAR_LINE, CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"
CLEAR = "\x1b[2J"


@dataclass(frozen=True)
class View:
    """What is looked at: one run, or all of an experiment or a workspace that go on."""

    opened: Opened
    run: str | None = None
    experiment: str | None = None

    def runs(self) -> Sequence[Run]:
        """The runs, the newest first."""
        if self.run is not None:
            return [self.opened.service.runs.get(self.opened.ref(self.run))]
        from runstone.model.runs import TERMINAL, Status  # loaded by the commands that need it
        from runstone.sdk import finding

        states = ", ".join(finding.quoted(str(one)) for one in Status if one not in TERMINAL)
        clauses = [f"status in ({states})", finding.equals("experiment", self.experiment)]
        text = " and ".join(clause for clause in clauses if clause)
        return self.opened.service.runs.search(self.opened.workspace, text, limit=MOST).runs


@click.command("watch")
@click.option(
    "--run", "-r", "run_id", shell_complete=completing.runs, help="Only this run, until it has ended."
)
@options.experiment("Only runs of this experiment.")
@click.option(
    "--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Look once, and end.")
@options.scope
@options.common
def watch(
    scope: Scope, *, run_id: str | None, experiment_name: str | None, interval: float, once: bool
) -> None:
    """Watch the runs that go on: their status, their last metrics and how these went.

    On a terminal the view is renewed in place until Ctrl-C; elsewhere there is a line for each change.

    \b
    runstone watch
    runstone watch -r 3f1c
    runstone watch -e digits --once
    """
    opened = scope.open()
    view = View(opened, opened.record(run_id).id if run_id else None, experiment_name)
    try:
        if sys.stdout.isatty() and not once:
            _redraw(view, interval)
        else:
            _report(view, interval, once=once)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped watching; the runs go on.") from None


def _redraw(view: View, interval: float) -> None:
    sys.stdout.write(CLEAR)
    while True:
        runs = view.runs()
        lines = tables.grid([*_table(view, runs)], tables.width()) or ["No run goes on."]
        sys.stdout.write(HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in lines) + CLEAR_REST)
        sys.stdout.flush()
        if view.run is not None and runs[0].status.terminal:
            return
        time.sleep(interval)


def _report(view: View, interval: float, *, once: bool) -> None:
    """A line for each run whose status or metrics are not those of the look before."""
    told: dict[str, str] = {}
    while True:
        runs = view.runs()
        for run in runs:
            line = _line(view, run)
            if told.get(run.id) != line:
                told[run.id] = line
                output.lines([line])
        sys.stdout.flush()
        if once or (view.run is not None and runs[0].status.terminal):
            return
        time.sleep(interval)


def _table(view: View, runs: Sequence[Run]) -> Iterator[dict[str, str]]:
    documents = rows.documents(view.opened.service, runs, workspace=view.opened.workspace, minimal=True)
    for run, row in zip(runs, documents, strict=True):
        shown = rows.table([row])[0]
        yield {
            "Run": run.id,
            "Name": row["displayName"] if row["displayName"] != run.id else "",
            "Status": row["status"],
            "Duration": shown["Duration"],
            "Metrics": "  ".join(f"{name} {spark} {last}" for name, spark, last in _metrics(view, run)),
        }


def _line(view: View, run: Run) -> str:
    metrics = "  ".join(f"{name}={last}" for name, _, last in _metrics(view, run))
    return tables.clean(f"{run.id}  {run.status}  {metrics}".rstrip())


def _metrics(view: View, run: Run) -> Iterator[tuple[str, str, str]]:
    """Name, course and last value of a run's first metrics."""
    ref, metrics = view.opened.ref(run.id), view.opened.service.metrics
    latest = {name: one for name, one in metrics.latest(ref).items() if not name.startswith("system.")}
    for name in [*latest][:METRICS]:
        one = latest[name]
        course: Any = metrics.chart(ref, name, buckets=BUCKETS).mean if one.points > 1 else ()
        yield (
            name,
            sparkline([float(value) for value in course]),
            number(one.value if one.last is None else one.last),
        )


def sparkline(values: Sequence[float]) -> str:
    """A small picture of a series; what is no finite number is left out."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return "".join(BARS[min(len(BARS) - 1, round((value - low) / step))] for value in finite)
