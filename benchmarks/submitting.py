"""What a submitted run costs: the call, the time beside the script's own, and a printed line until it is
seen."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median, quantiles
from typing import cast

from benchmarks.figures import Figure, Goal, beside
from benchmarks.peers import measured
from benchmarks.timing import run
from runstone import Experiment, ScriptRunConfig, Workspace
from runstone.model.runs import Status
from runstone.sdk.script_run import ScriptRun

AT_A_TIME = 4
LINES = 20
# The lines of a talking script are this far apart, so that each is waited for.
APART = 0.25
TALK = f"""import time
for _ in range({LINES}):
    print(time.time(), flush=True)
    time.sleep({APART})
"""


def figures(count: int) -> Iterator[Figure]:
    """Lines for so many runs that do nothing, four at a time, and for one that talks."""
    found = measured("submitting", str(count))
    shown = f"{count:,} no-op runs, {AT_A_TIME} at a time"
    bare = {f"a bare Python, {AT_A_TIME} at a time": found["bare"]}
    yield from beside(Figure(f"{shown}: median beyond it", found["overhead"], "s", goal=Goal(0.4)), bare)
    yield from beside(Figure(f"{shown}: a run's share of all", found["share"], "s"), bare)
    yield Figure("submit(): median", found["submit"], "s", goal=Goal(0.1))
    yield Figure("submit(): 95 of 100 are quicker", found["submit late"], "s")
    yield Figure("a printed line until it is seen: median", found["line"], "s", goal=Goal(0.5))
    yield Figure("a printed line until it is seen: the slowest", found["line late"], "s", goal=Goal(0.5))


def main(count: int) -> None:
    """Print what was measured, in seconds."""
    os.environ["RUNSTONE_LOCAL_RUNS"] = str(AT_A_TIME)
    bare = _bare()
    experiment = Experiment(Workspace.from_config(), "bench")
    lines = _lines(experiment)
    took, begun, runs = [], time.perf_counter(), []
    Path("source").mkdir()
    Path("source", "nothing.py").touch()
    for _ in range(count):
        start = time.perf_counter()
        runs.append(experiment.submit(ScriptRunConfig("source", "nothing.py")))
        took.append(time.perf_counter() - start)
    for each in runs:
        each.wait_for_completion()
    share = (time.perf_counter() - begun) * AT_A_TIME / count
    overhead = median(_seconds(cast(ScriptRun, each)) for each in runs) - bare
    found = {"bare": bare, "overhead": overhead, "share": share - bare, "submit": median(took)}
    late = {"submit late": quantiles(took, n=20)[-1], "line": median(lines), "line late": max(lines)}
    print(json.dumps({**found, **late}))


def _seconds(run: ScriptRun) -> float:
    """From the moment a supervisor has the job until everybody is told its end."""
    events = run._service.runs.events(run._ref)
    at = {Status(event.body["new_status"]): event.time for event in events}
    return (at[Status.COMPLETED] - at[Status.PREPARING]) / 1e6


def _bare() -> float:
    """The median time of an interpreter that does nothing, among as many others."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        costs = pool.map(
            lambda _: run([sys.executable, "-c", "pass"], environment=os.environ, directory=Path()), range(40)
        )
        return median(cost.wall for cost in costs)


class _Clock(io.StringIO):
    """Standard output that knows when the numbers were written to it, and how old they were."""

    def __init__(self) -> None:
        super().__init__()
        self.ages: list[float] = []

    def write(self, text: str) -> int:
        now = time.time()
        self.ages += [now - float(line) for line in text.split() if line.count(".") == 1 and line[:1] == "1"]
        return len(text)


def _lines(experiment: Experiment) -> list[float]:
    """The ages of lines when ``wait_for_completion(show_output=True)`` shows them."""
    Path("talking").mkdir()
    Path("talking", "talk.py").write_text(TALK)
    with redirect_stdout(_Clock()) as clock:
        experiment.submit(ScriptRunConfig("talking", "talk.py")).wait_for_completion(show_output=True)
    if len(clock.ages) != LINES:
        raise AssertionError(f"{LINES} lines were printed, and {len(clock.ages)} were seen")
    return clock.ages


if __name__ == "__main__":
    main(int(sys.argv[1]))
