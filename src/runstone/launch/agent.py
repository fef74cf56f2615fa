"""The agent of a history on this machine: claims what is queued, has it started, and looks after what was
started.

``python -m runstone.launch.agent <history>`` works until nothing has been to do for a while; one at a time
does.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from runstone.launch import processes, supervisor
from runstone.launch.folders import Folder
from runstone.launch.launcher import GONE, UNKNOWN, WAITING, Launcher, Seen, launcher_for
from runstone.launch.local import handle_of
from runstone.model.errors import Busy, Conflict, Gone, NotFound, RunstoneError
from runstone.model.jobs import CLAIMED, DRIVERS, LOCAL, QUEUED, STARTED, Job, Target
from runstone.model.runs import Status
from runstone.service.connect import Service, connect
from runstone.service.surroundings import remove, sweep
from runstone.store.claim import Claim

PAUSE_SECONDS = 0.1
IDLE_SECONDS = 20.0
ATTEMPTS = 3
# A supervisor that was started needs a moment to say so.
START_SECONDS = 30.0
# How long an engine that is away is left alone, and how much of what goes wrong is remembered.
REST_SECONDS = 5.0
MOST_WHILE_AWAY = 720
MOST_AT_ONCE = 64
MOST_NOTED = 50
# A driver waits more than it works; what it waits for needs the places of the machine.
MOST_DRIVERS = 16


class Agent:
    """Executes the jobs of a history until there are none."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._name = f"{os.uname().nodename}:{os.getpid()}"
        self._launchers: dict[tuple[str, str], tuple[Target, Launcher]] = {}
        self._ask_again: dict[int, float] = {}
        self._noted: dict[str, None] = {}
        self._rest: dict[tuple[str, str], float] = {}
        self._failures = 0

    def work(self, *, idle: float = IDLE_SECONDS) -> None:
        """Look, act, pause; until nothing was to do for ``idle`` seconds."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < idle:
            if self.step():
                quiet_since = time.monotonic()
            time.sleep(PAUSE_SECONDS * 2**self._failures)

    def step(self) -> bool:
        """One look at everything; whether there is anything to look after."""
        try:
            _reap()
            jobs = self._service.jobs.active()
            self._look_after(jobs)
            self._start(jobs)
            self._failures = 0
            return bool(jobs)
        except Exception as error:  # noqa: BLE001 - the agent outlives a step that fails; its log says why
            self._note(error)
            self._failures = min(self._failures + 1, 6)
            return True

    def _start(self, jobs: Sequence[Job]) -> None:
        waiting = {_place(job) for job in jobs if job.state == QUEUED}
        for place in sorted(waiting):
            launcher = self._launcher(place)
            if launcher is None or time.monotonic() < self._rest.get(place, 0.0):
                continue
            for job in self._claimed(place, launcher, [job for job in jobs if _place(job) == place]):
                self._launch(launcher, job)

    def _claimed(self, place: tuple[str, str], launcher: Launcher, jobs: Sequence[Job]) -> Iterator[Job]:
        """Take as many jobs of a place as there is room for."""
        workspace, target = place
        take = partial(self._service.jobs.claim, target, workspace=workspace or None, agent=self._name)
        going = {job.run for job in jobs if job.state in (CLAIMED, STARTED)}
        room = MOST_AT_ONCE if launcher.concurrent is None else launcher.concurrent - len(going)
        if room > 0:
            yield from take(most=room)
            return
        # parents that wait for their children would fill the place for ever: these need no room of their own
        waiting = {parent for job in jobs for parent in job.above if parent in going}
        below = [job for job in jobs if job.state == QUEUED and not waiting.isdisjoint(job.above)]
        for job in below[: room + len(waiting)]:
            yield from take(run=job.run)

    def _launch(self, launcher: Launcher, job: Job) -> None:
        folder = Folder.of(self._service.root, job.run, attempt=job.attempt).root
        command = [*_SUPERVISE, str(self._service.root), job.run, str(job.attempt)]
        try:
            handle = launcher.start(job, command, folder=folder)
            self._service.jobs.progress(job.run, attempt=job.attempt, handle=handle)
        except Busy as error:
            # an engine that is away says nothing of the job, which waits in the queue until it is back
            self._note(error)
            self._rest[_place(job)] = time.monotonic() + REST_SECONDS
            self._not_started(job, f"{job.target} is away: {error}", most=MOST_WHILE_AWAY)
        except (RunstoneError, OSError) as error:
            self._not_started(job, f"{job.target} did not take the job: {error}")

    def _not_started(self, job: Job, why: str, *, most: int = ATTEMPTS) -> None:
        """Queue the job again, or give it up after some attempts."""
        if job.attempt < most:
            with suppress(RunstoneError):
                self._service.jobs.give_back(job.run, attempt=job.attempt)
            return
        self._end(job, Status.FAILED, {"code": "NotStarted", "message": why, "reason": "infrastructure"})

    def _look_after(self, jobs: Sequence[Job]) -> None:
        going = [job for job in jobs if job.state in (CLAIMED, STARTED)]
        for place in {_place(job) for job in going}:
            ours = [job for job in going if _place(job) == place]
            launcher = self._launcher(place)
            if launcher is None:
                continue
            seen = self._asked(launcher, ours)
            for job in ours:
                try:
                    self._judge(job, launcher, seen.get(job.handle or "", Seen(UNKNOWN)))
                except (RunstoneError, OSError) as error:
                    # the others are looked after all the same
                    self._note(error)

    def _asked(self, launcher: Launcher, jobs: Sequence[Job]) -> Mapping[str, Seen]:
        """What the engine says, all jobs in one question, as often as its launcher wants to be asked."""
        if time.monotonic() < self._ask_again.get(id(launcher), 0.0):
            return {}
        self._ask_again[id(launcher)] = time.monotonic() + launcher.every
        try:
            return launcher.ask([job.handle for job in jobs if job.handle])
        except (RunstoneError, OSError) as error:
            # an engine that does not answer says nothing about its jobs
            return {job.handle: Seen(UNKNOWN, str(error)) for job in jobs if job.handle}

    def _judge(self, job: Job, launcher: Launcher, seen: Seen) -> None:
        if job.cancel is not None and job.handle and seen.state == WAITING:
            launcher.stop(job.handle)
            self._end_waiting(job)
        elif seen.state == GONE or (job.handle is None and _age(job) > START_SECONDS):
            self._gone(job)

    def _end_waiting(self, job: Job) -> None:
        """It was cancelled before anything of it ran."""
        error = {"code": "Canceled", "message": "Canceled by the user.", "reason": "user"}
        self._end(job, Status.CANCELED, error)

    def _end(self, job: Job, status: Status, error: Mapping[str, str]) -> None:
        """Of a job that nobody executes: its run may have ended otherwise, or be deleted; the job ends."""
        with suppress(Conflict, Gone, NotFound):
            self._service.runs.move(job.run, status, error=error)
        with suppress(Conflict, NotFound):
            remove(self._service.root, job.run)
            self._service.jobs.end(job.run, attempt=job.attempt)

    def _gone(self, job: Job) -> None:
        """The supervisor is gone, and the job has not ended: take over, or start again what never ran."""
        try:
            now = self._service.jobs.get(job.run)
        except Gone:
            self._clear(job)
            return self._end_waiting(job)
        if now.state not in (CLAIMED, STARTED) or now.attempt != job.attempt:
            return
        if self._script_began(now):
            return _fork_adopter(self._service.root, now)
        self._clear(now)
        if now.cancel is not None:
            return self._end_waiting(now)
        return self._not_started(now, "The supervisor ended without a word before the script was started.")

    def _script_began(self, job: Job) -> bool:
        """Whether there is a script, or what it left: its supervisor may not have had the time to say so."""
        folder = Folder.of(self._service.root, job.run, attempt=job.attempt)
        if job.script is not None or folder.exit_code.exists():
            return True
        leader = processes.leader(folder.mark, str(folder.exit_code))
        if leader is not None:
            self._service.jobs.progress(job.run, attempt=job.attempt, script=leader)
        return leader is not None

    def _clear(self, job: Job) -> None:
        """End what a supervisor started without having the time to say so: nobody will look after it."""
        mark = Folder.of(self._service.root, job.run, attempt=job.attempt).mark
        processes.end_all(mark, None, grace=1.0)

    def _launcher(self, place: tuple[str, str]) -> Launcher | None:
        """The launcher of a target as it is attached now; None when there is none."""
        try:
            target = self._target(place)
            known = self._launchers.get(place)
            if known is None or known[0] != target:
                self._launchers[place] = target, launcher_for(target)
        except (RunstoneError, ImportError, AttributeError) as error:
            self._note(error)
            return None
        return self._launchers[place][1]

    def _target(self, place: tuple[str, str]) -> Target:
        workspace, name = place
        if name == LOCAL:
            return Target(LOCAL, LOCAL, {"concurrent": self._service.settings.local_runs})
        if name == DRIVERS:
            return Target(DRIVERS, LOCAL, {"concurrent": MOST_DRIVERS})
        for target in self._service.jobs.targets(workspace):
            if target.name == name:
                return target
        raise NotFound(f"There is no compute target {name!r} in the workspace {workspace!r} any more.")

    def _note(self, error: Exception) -> None:
        """Say in the agent's log what went wrong, the same only once: it may go wrong ten times a second."""
        text = "".join(traceback.format_exception(error))
        if text not in self._noted:
            print(text, file=sys.stderr, flush=True)
            self._noted[text] = None
        if len(self._noted) > MOST_NOTED:
            del self._noted[next(iter(self._noted))]


_SUPERVISE = (sys.executable, "-m", "runstone.launch.supervisor")


def main(arguments: Sequence[str]) -> int:
    """Be the agent of the history that is named, unless it has one."""
    root = Path(arguments[0])
    supervisor.ignore_hangups()
    try:
        service = connect(root)
        # a job that was submitted while we were leaving found the claim held, and started nobody
        while service.jobs.active():
            with Claim(root, "agent"):
                sweep(root, active=[job.run for job in service.jobs.active()])
                Agent(service).work()
    except Conflict:
        return 0
    return 0


def _place(job: Job) -> tuple[str, str]:
    """The workspace and the name of a target; this machine is one place, whichever workspace uses it."""
    return "" if job.target in (LOCAL, DRIVERS) else job.run.partition("/")[0], job.target


def _age(job: Job) -> float:
    return time.time() - job.beat / 1e6


def _fork_adopter(root: Path, job: Job) -> None:
    pid = os.fork()
    if pid:
        with suppress(RunstoneError):
            connect(root).jobs.progress(job.run, attempt=job.attempt, handle=handle_of(pid))
        return
    try:
        os.setsid()
        supervisor.main([str(root), job.run, str(job.attempt), "--adopt"])
    except Exception:  # noqa: BLE001 - the agent's log is the last that hears of it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
