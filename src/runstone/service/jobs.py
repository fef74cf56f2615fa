"""Operations on jobs and compute targets: submitting, the work of agents and supervisors, cancelling."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runstone.model.errors import Conflict, Invalid, NotFound
from runstone.model.jobs import DRIVERS, ENDED, LOCAL, QUEUED, STARTED, Job, Spec, Target
from runstone.model.runs import NewRun, Process, Run, Status
from runstone.service import surroundings
from runstone.service.operation import operation
from runstone.store import experiments, jobs, runs
from runstone.store.database import Database, Transaction

MOST_NAMED = 5
CANCELED = {"code": "Canceled", "message": "Canceled by the user.", "reason": "user"}


class Jobs:
    """The submitted runs of a history, seen by those who execute them."""

    def __init__(self, database: Database, *, settle: Callable[[], None], root: Path) -> None:
        self._database = database
        self._settle = settle
        self._root = root

    @operation("POST /workspaces/{workspace}/jobs")
    def submit(
        self,
        workspace: str,
        new: NewRun,
        *,
        spec: Spec,
        target: str = LOCAL,
        priority: int = 0,
        definition: Mapping[str, Any] | None = None,
    ) -> Run:
        """Create a run, Queued, and its job, in one transaction; NotFound for a target that nobody has
        named, Conflict for a child of a run whose end was asked for."""
        if not spec.command:
            raise Invalid("A job needs a command: the script and its arguments, or an argument vector.")
        with self._database.write() as tx:
            self._known(tx, workspace, target)
            _wanted(tx, new)
            queued = replace(new, status=Status.QUEUED, target=target)
            n = runs.create(tx, [queued], now=_now())[0]
            queue = target if spec.plan is None else DRIVERS
            jobs.add(
                tx, n, target=queue, spec=spec, priority=priority, definition=definition or {}, now=_now()
            )
            return runs.load(tx, [n])[0]

    @operation("GET /runs/{run}/job")
    def get(self, run: str) -> Job:
        """The job of a run; NotFound for one that was not submitted."""
        with self._database.read() as tx:
            return self._job(tx, run)

    @operation("GET /jobs")
    def active(self) -> tuple[Job, ...]:
        """Every job that has not ended, the most urgent first, then the oldest."""
        with self._database.read() as tx:
            return tuple(jobs.active(tx))

    @operation("POST /targets/{target}/claims")
    def claim(
        self, target: str, *, agent: str, workspace: str | None = None, most: int = 1, run: str | None = None
    ) -> tuple[Job, ...]:
        """Take queued jobs for an agent: each is given to one agent alone, and its attempt is counted.

        Only those of ``workspace``, if it is given: another workspace may have another target of that name.
        Only that of ``run``, if it is given.
        """
        with self._database.write() as tx:
            n = 0 if run is None else runs.find(tx, run)["n"]
            wanted = jobs.Wanted(target, workspace, n, most)
            return tuple(jobs.claim(tx, wanted, agent=agent, now=_now()))

    @operation("POST /runs/{run}/job/begin")
    def begin(self, run: str, *, attempt: int, supervisor: Process) -> Job:
        """Say that a supervisor has the job now; the job, with the attempt that this is.

        An engine that starts a job a second time makes another attempt of it: the answer's ``attempt`` is a
        new one, and the first is refused from then on. Conflict for an attempt that has been replaced
        already, and for a job that has ended.
        """
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            job = _going(self._job(tx, run))
            again = job.state == STARTED and job.attempt == attempt
            fields = {"attempt": attempt + 1, "script": None} if again else {}
            jobs.change(tx, n, only=attempt, now=_now(), state=STARTED, supervisor=supervisor, **fields)
            return self._job(tx, run)

    @operation("POST /runs/{run}/job/progress")
    def progress(
        self,
        run: str,
        *,
        attempt: int,
        handle: str | None = None,
        supervisor: Process | None = None,
        script: Process | None = None,
    ) -> Job:
        """Say who executes the job now, and that they live; Conflict for an attempt that has been replaced,
        and for a new supervisor of a job that has ended.

        The answer's ``cancel`` tells whether the job's end was asked for.
        """
        given = {"handle": handle, "supervisor": supervisor, "script": script}
        fields: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        if supervisor is not None:
            fields["state"] = STARTED
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            if supervisor is not None:
                _going(self._job(tx, run))
            jobs.change(tx, n, only=attempt, now=_now(), **fields)
            runs.beat(tx, n, _now())
            return self._job(tx, run)

    @operation("POST /runs/{run}/job/return")
    def give_back(self, run: str, *, attempt: int) -> Job:
        """Queue a claimed job again: whoever had it could not start it."""
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            _going(self._job(tx, run))
            jobs.change(tx, n, only=attempt, now=_now(), state=QUEUED, agent=None, handle=None)
            return self._job(tx, run)

    @operation("POST /runs/{run}/job/end")
    def end(self, run: str, *, attempt: int) -> None:
        """Say that nothing of the job runs any more; what became of it is the status of the run."""
        with self._database.write() as tx:
            n = runs.find(tx, run, deleted=True)["n"]
            jobs.change(tx, n, only=attempt, now=_now(), state=ENDED)

    @operation("POST /runs/{run}/cancel")
    def cancel(self, run: str, *, children: bool = True) -> Run:
        """Ask for the end of a submitted run, and of its descendants; returns when the request is recorded.

        A job that nobody has taken yet is Canceled at once; else the run is CancelRequested until its last
        process is gone. A run that was not submitted is Canceled at once. Conflict when the run has ended;
        if that was only said, and its script still runs, that is ended all the same.
        """
        with self._database.write() as tx:
            row = runs.find(tx, run)
            ended = Status(row["status"]).terminal
            family = [row["n"], *(runs.descendants(tx, row["n"]) if children and not ended else ())]
            never_begun = [job.run for n in family if (job := _cancel(tx, n))]
            found = runs.load(tx, [row["n"]])[0]
        for ref in never_begun:
            # no supervisor will
            surroundings.remove(self._root, ref)
        if ended:
            raise Conflict(
                f"The run {row['id']!r} is {row['status']} already; a run that has ended cannot be "
                f"cancelled.",
                expected=row["status"],
            )
        return found

    @operation("PUT /workspaces/{workspace}/targets")
    def attach(self, workspace: str, target: Target) -> Target:
        """Name a compute target in a workspace; a name that is known gets the new meaning."""
        if target.name in (LOCAL, DRIVERS):
            raise Invalid(f"The name {target.name!r} is this machine's, in every workspace; choose another.")
        with self._database.write() as tx:
            jobs.set_target(tx, experiments.workspace(tx, workspace).id, target, now=_now())
        return target

    @operation("DELETE /workspaces/{workspace}/targets/{name}")
    def detach(self, workspace: str, name: str) -> None:
        """Forget a compute target; NotFound when there is none of the name.

        Runs that wait for it are Failed, for nothing else would ever become of them. Conflict, naming them,
        while runs are under way there.
        """
        with self._database.write() as tx:
            id = experiments.workspace(tx, workspace).id
            if not jobs.remove_target(tx, id, name):
                raise NotFound(f"There is no compute target {name!r} in the workspace {workspace!r}.")
            left = jobs.of_target(tx, id, name)
            going = [job.run.partition("/")[2] for n, job in left.items() if not _given_up(tx, n, job)]
            if going:
                more = f" and {len(going) - MOST_NAMED} more" if len(going) > MOST_NAMED else ""
                raise Conflict(
                    f"The compute target {name!r} cannot be detached while runs are under way there: "
                    f"{', '.join(going[:MOST_NAMED])}{more}. Cancel them, or wait for their end."
                )
        for job in left.values():
            surroundings.remove(self._root, job.run)

    @operation("GET /workspaces/{workspace}/targets")
    def targets(self, workspace: str) -> tuple[Target, ...]:
        """The compute targets of a workspace: ``local``, then those that were attached, by name."""
        with self._database.read() as tx:
            named = jobs.targets(tx, experiments.workspace(tx, workspace).id)
        return (Target(LOCAL, LOCAL), *named)

    def _known(self, tx: Transaction, workspace: str, target: str) -> None:
        names = [LOCAL, *(t.name for t in jobs.targets(tx, experiments.workspace(tx, workspace).id))]
        if target not in names:
            raise NotFound(
                f"There is no compute target {target!r} in the workspace {workspace!r}; there are: "
                f"{', '.join(names)}. Attach it with ComputeTarget.attach."
            )

    def _job(self, tx: Transaction, run: str) -> Job:
        row = runs.find(tx, run)
        job = jobs.of_run(tx, row["n"])
        if job is None:
            raise NotFound(f"The run {row['id']!r} was not submitted: it has no job.")
        return job


def _given_up(tx: Transaction, n: int, job: Job) -> bool:
    """End a job whose target is detached; False for one that is under way."""
    status = runs.load(tx, [n])[0].status
    begun = job.state != QUEUED and (job.cancel is None or job.supervisor is not None)
    if begun and not status.terminal:
        return False
    if not status.terminal and job.cancel is not None:
        runs.move(tx, n, Status.CANCELED, now=_now(), error=CANCELED)
    elif not status.terminal:
        message = f"The compute target {job.target!r}, for which the run waited, was detached."
        error = {"code": "TargetDetached", "message": message, "reason": "user"}
        runs.move(tx, n, Status.FAILED, now=_now(), error=error)
    jobs.change(tx, n, only=None, now=_now(), state=ENDED)
    return True


def _going(job: Job) -> Job:
    if job.state == ENDED:
        raise Conflict(f"The job of {job.run!r} has ended; nobody can have it any more.", expected=ENDED)
    return job


def _wanted(tx: Transaction, new: NewRun) -> None:
    """Refuse a child that a cancel of its parent, which has looked for children already, would not reach."""
    parent = runs.find(tx, new.parent) if new.parent else None
    if parent is not None and parent["status"] in (Status.CANCEL_REQUESTED, Status.CANCELED):
        raise Conflict(
            f"The run {parent['id']!r} is {parent['status']}: it gets no more children to execute.",
            expected=parent["status"],
        )


def _cancel(tx: Transaction, n: int) -> Job | None:
    """The job, if it ends with this: nobody had taken it."""
    run = runs.load(tx, [n])[0]
    job = jobs.of_run(tx, n)
    if job is None or job.state == QUEUED:
        if not run.status.terminal:
            runs.move(tx, n, Status.CANCELED, now=_now(), error=CANCELED)
        if job is not None:
            jobs.change(tx, n, only=None, now=_now(), state=ENDED, cancel=_now())
        return job
    if job.cancel is None and job.state != ENDED:
        jobs.change(tx, n, only=None, now=_now(), cancel=_now())
    if not run.status.terminal and run.status is not Status.CANCEL_REQUESTED:
        runs.move(tx, n, Status.CANCEL_REQUESTED, now=_now())
    return None


def _now() -> int:
    return time.time_ns() // 1000
