"""The driver of a sweep: starts its runs, learns from them, ends those that fall behind, tells how it ended.

``python -m runstone.sdk.sweeps.driver`` is what the job of a sweep runs; a supervisor stands beside it, as
beside any script.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from runstone.model.errors import Busy, Conflict, Gone, NotFound
from runstone.model.runs import Status
from runstone.sdk.run import Run
from runstone.sdk.sweeps.policies import Curves, NoTerminationPolicy, policy
from runstone.sdk.sweeps.results import Goal, Result, results
from runstone.sdk.sweeps.sampling import Sample, sampling
from runstone.sdk.sweeps.submitting import submit_sample
from runstone.service import surroundings
from runstone.store.runs import reference

LEAST_PAUSE, MOST_PAUSE = 0.1, 0.5
# The longest that runs take to end once they are asked to, and then some.
ENDING_SECONDS = 60.0
STOPPED_TAG = "early_termination"


@dataclass
class Child:
    """A run of the sweep, as the driver knows it: what it has logged, and up to where that was judged."""

    ref: str
    number: int
    sample: Sample
    logged: list[float] = field(default_factory=list)
    reports: int = 0
    judged: int = 0
    stopped: bool = False
    status: Status | None = None
    best: float | None = None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.ref.partition("/")[2]


class TimeIsUp(Exception):
    """The sweep has taken as long as it may."""


class Driver:
    """One sweep, from its first run to its end."""

    def __init__(self, sweep: Run, plan: Mapping[str, Any]) -> None:
        self._sweep = sweep
        self._service = sweep._service
        self._plan = plan
        self._goal = Goal.of(plan)
        self._sampling = sampling(plan["sampling"])
        self._sampler = self._sampling.sampler()
        self._policy = policy(plan["policy"])
        self._children: list[Child] = []
        self._past: dict[str, list[float]] = {}
        self._next: Sample | None = None
        self._until = time.monotonic() + plan["max_duration_minutes"] * 60

    def drive(self) -> int:
        """Do the whole sweep; the exit code."""
        try:
            self._remember()
            self._go_on()
            self._leave_if_cancelled()
        except TimeIsUp:
            return self._end_late()
        except Exception:
            # nobody would look after them; of those of a cancelled sweep the cancel has taken care
            self._cancel(self._going())
            raise
        return self._conclude()

    def _remember(self) -> None:
        """Learn from the sweeps that went before; go on where a driver before us was killed at its start."""
        workspace = self._sweep.experiment.workspace
        for id in self._plan["resume_from"]:
            # it may have been deleted since
            with suppress(Gone, NotFound):
                self._learn_from(workspace.get_run(id))
        for one in results(self._sweep, self._goal):
            child = _known(one)
            self._sampler.took(child.sample)
            self._children.append(child)

    def _learn_from(self, sweep: Run) -> None:
        for one in results(sweep, self._goal):
            self._past[one.run._ref] = self._values([one.run._ref])[one.run._ref]
            if self._sampling.holds(one.sample):
                self._sampler.tell(dict(one.sample), self._goal.worth(one.best))

    def _go_on(self) -> None:
        pause = LEAST_PAUSE
        while True:
            changed = False
            with suppress(Busy):
                # a history that is busy is asked again
                changed = self._step()
                if not self._going() and self._asked_for() is None:
                    return
            if time.monotonic() > self._until:
                raise TimeIsUp
            pause = LEAST_PAUSE if changed else min(MOST_PAUSE, pause * 1.3)
            time.sleep(pause)

    def _step(self) -> bool:
        """One look at everything; whether anything has happened."""
        # whoever looks at a run also sees to it that there is an agent
        self._leave_if_cancelled()
        ended = self._see_ended()
        judged = self._judge()
        started = False
        while len(self._going()) < self._plan["max_concurrent_runs"] and self._asked_for() is not None:
            self._start()
            started = True
        return ended or judged or started

    def _asked_for(self) -> Sample | None:
        """The sample that comes next; None when there are enough, or no more."""
        if len(self._children) >= self._plan["max_total_runs"]:
            return None
        self._next = self._next or self._sampler.ask()
        return self._next

    def _start(self) -> None:
        sample = self._asked_for()
        assert sample is not None
        number = len(self._children)
        try:
            record = submit_sample(self._sweep, self._plan, number, sampling=self._sampling, sample=sample)
        except Conflict:
            self._leave_if_cancelled()
            raise
        self._next = None
        child = Child(reference(self._sweep.experiment.workspace.name, record.id), number, sample)
        self._children.append(child)
        print(f"{child.id}: started with {self._sampling.described(sample)}")

    def _going(self) -> list[Child]:
        return [child for child in self._children if child.status is None]

    def _see_ended(self) -> bool:
        """Take leave of the runs whose jobs have ended."""
        executed = {job.run for job in self._service.jobs.active()}
        ended = [child for child in self._going() if child.ref not in executed and self._has_ended(child)]
        for child in ended:
            self._take_leave(child)
        return bool(ended)

    def _has_ended(self, child: Child) -> bool:
        try:
            status = self._service.runs.get(child.ref).status
        except (Gone, NotFound):
            # who deletes a run wants nothing of it
            status = Status.CANCELED
        child.status = status if status.terminal else None
        return status.terminal

    def _take_leave(self, child: Child) -> None:
        with suppress(Gone, NotFound):
            child.best = self._goal.best(self._service.metrics.latest_of([child.ref])[child.ref])
            if self._judges:
                child.logged = self._values([child.ref])[child.ref]
        self._sampler.tell(child.sample, self._goal.worth(child.best))
        print(f"{child.id}: {child.status}, {self._goal.metric} {_shown(child.best)}")
        best = self._best()
        if best is child:
            self._sweep.log(f"best_{self._goal.metric}", child.best, step=child.number)

    def _best(self) -> Child | None:
        valued = [child for child in self._children if child.best is not None]
        return max(valued, key=lambda child: self._goal.worth(child.best) or 0.0, default=None)

    @property
    def _judges(self) -> bool:
        return not isinstance(self._policy, NoTerminationPolicy)

    def _judge(self) -> bool:
        """Have the policy look at the runs that have logged something since; whether it has ended any."""
        going = self._going()
        if not self._judges or not going or not self._read(going):
            return False
        logged = {**self._past, **{child.ref: child.logged for child in self._children}}
        ended = [*self._past, *(child.ref for child in self._children if child.status is not None)]
        curves = Curves.of(logged, sign=self._goal.goal.sign, ended=ended)
        return any([self._stop(child, curves) for child in going if not child.stopped])

    def _read(self, going: Sequence[Child]) -> bool:
        """Read what runs have logged since the last look; whether any has."""
        latest = self._service.metrics.latest_of([child.ref for child in going])
        grown = []
        for child in going:
            found = latest[child.ref].get(self._goal.metric)
            reports = found.count if found else 0
            if reports > child.reports:
                child.reports = reports
                grown.append(child)
        values = self._values([child.ref for child in grown]) if grown else {}
        for child in grown:
            child.logged = values[child.ref]
        return bool(grown)

    def _values(self, refs: Sequence[str]) -> dict[str, list[float]]:
        found = self._service.metrics.values(refs, self._goal.metric)
        return {ref: found[ref][self._goal.metric].values.tolist() if found[ref] else [] for ref in refs}

    def _stop(self, child: Child, curves: Curves) -> bool:
        for interval in self._policy.due(len(child.logged), since=child.judged):
            child.judged = interval
            why = self._policy.verdict(child.ref, interval, curves)
            if why is None:
                continue
            name = type(self._policy).__name__
            print(f"{child.id}: stopped by {name} at interval {interval}: {why}")
            with suppress(Gone, NotFound):
                self._service.runs.tag(child.ref, {STOPPED_TAG: f"{name} at interval {interval}: {why}"})
            self._cancel([child])
            child.stopped = True
            return True
        return False

    def _cancel(self, children: Sequence[Child]) -> None:
        for child in children:
            # it may have ended, or been deleted, since
            with suppress(Conflict, Gone, NotFound):
                self._service.jobs.cancel(child.ref)

    def _leave_if_cancelled(self) -> None:
        """A sweep whose runs were cancelled with it is not to be told as one of which none has completed."""
        if self._sweep.cancel_requested:
            # the supervisor is about to end us
            time.sleep(ENDING_SECONDS)
            raise SystemExit(1)

    def _end_late(self) -> int:
        minutes = self._plan["max_duration_minutes"]
        message = f"The sweep took longer than its max_duration_minutes of {minutes:g} and was cancelled."
        print(message)
        self._cancel(self._going())
        deadline = time.monotonic() + ENDING_SECONDS
        while self._going() and time.monotonic() < deadline:
            time.sleep(LEAST_PAUSE)
            self._see_ended()
        self._tell_best()
        self._sweep.flush()
        error = {"code": "TimeLimit", "message": message, "reason": "time-limit"}
        with suppress(Conflict):
            self._service.runs.move(self._sweep._ref, Status.CANCELED, error=error)
        return 0

    def _conclude(self) -> int:
        completed = [child for child in self._children if child.status is Status.COMPLETED]
        print(f"{len(completed)} of {len(self._children)} runs have completed.")
        if not completed:
            return self._fail("NoRunCompleted", self._none_completed())
        if self._best() is None:
            return self._fail("PrimaryMetricNotFound", self._not_logged(completed))
        self._tell_best()
        return 0

    def _tell_best(self) -> None:
        best = self._best()
        if best is None:
            return
        told = {"best_child_run_id": best.id, "score": str(best.best), "best_metric_status": "Succeeded"}
        self._sweep.add_properties(told)
        print(
            f"The best is {best.id}: {self._goal.metric} {_shown(best.best)}, "
            f"{self._sampling.described(best.sample)}"
        )

    def _fail(self, code: str, message: str) -> int:
        print(message)
        self._sweep.fail(message, code)
        return 1

    def _none_completed(self) -> str:
        failed = [child for child in self._children if child.status is Status.FAILED]
        counts = f"{len(failed)} failed, {len(self._children) - len(failed)} were canceled"
        why = ""
        if failed:
            error = self._service.runs.get(failed[0].ref).error or {}
            lines = " / ".join(error.get("lastLines", [])[-1:])
            why = f" {failed[0].id}: {error.get('message', '')} {lines}"
        return f"None of the {len(self._children)} runs has completed: {counts}.{why}"

    def _not_logged(self, completed: Sequence[Child]) -> str:
        names = [
            name for name in self._service.metrics.names(completed[0].ref) if not name.startswith("system.")
        ]
        return (
            f"No run has logged a number as {self._goal.metric!r}, the primary metric; {completed[0].id} has "
            f"logged: {', '.join(names) or 'nothing'}."
        )


def main() -> int:
    """Drive the sweep whose job this process is."""
    signal.signal(signal.SIGTERM, _leave)
    sweep = Run.get_context(allow_offline=False)
    spec = sweep._service.jobs.get(sweep._ref).spec
    plan = surroundings.whole(sweep._service.root, sweep._ref, spec=spec).plan
    assert plan is not None
    return Driver(sweep, plan).drive()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _known(one: Result) -> Child:
    record = one.run._record
    status = record.status if record.status.terminal else None
    number = int(record.id.rpartition("_")[2])
    return Child(one.run._ref, number, dict(one.sample), status=status, best=one.best)


def _shown(value: float | None) -> str:
    return "was not logged" if value is None else f"{value:.6g}"


if __name__ == "__main__":
    sys.exit(main())
