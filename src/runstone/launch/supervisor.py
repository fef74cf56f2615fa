"""The process beside a script: prepares its place, starts it, watches it, ends it when asked, and tells how
it ended.

``python -m runstone.launch.supervisor <history> <run> <attempt>``; an agent forks it instead where it can.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from runstone.journal.identity import alive, here, identify
from runstone.launch import endings, environments, processes
from runstone.launch.data import JobData
from runstone.launch.folders import Folder, restore
from runstone.launch.installing import Stopped
from runstone.launch.keeping import Keeper
from runstone.launch.surroundings import variables
from runstone.model.errors import Conflict, Gone, NotFound, RunstoneError
from runstone.model.jobs import ENDED, Job
from runstone.model.runs import Status
from runstone.service import surroundings
from runstone.service.connect import Service, connect
from runstone.store.claim import Claim

LOOK_SECONDS = 0.1
ASK_SECONDS = 0.5
BEAT_SECONDS = 10.0
# The script under a shell that outlives it, so that its exit code is written down even when nobody watches.
_NOTE_EXIT = '"$@"; code=$?; printf %s "$code" > "$0.new" && mv "$0.new" "$0"; exit "$code"'


class Replaced(Exception):
    """Another attempt of the job is under way."""


class Supervisor:
    """One attempt of one job, from Preparing to its end."""

    def __init__(self, service: Service, job: Job) -> None:
        self._service = service
        self._job = job
        self._folder = Folder.of(service.root, job.run, attempt=job.attempt)
        self._keeper = Keeper(service, job.run, folder=self._folder)
        self._begun = self._folder.begun()
        self._data = JobData(service, job, folder=self._folder)
        self._ask_again = 0.0
        self._beat_again = 0.0
        self._stopped: str | None = None

    def run(self) -> None:
        """Do the whole job; whatever goes wrong in it becomes the run's error. Replaced when another attempt
        of it is under way."""
        processes.become_subreaper()
        try:
            ending = self._prepare_and_watch()
        except (RunstoneError, OSError, ValueError, subprocess.SubprocessError) as error:
            # the script may have been started before the history refused or failed
            processes.end_all(self._folder.mark, None, grace=1.0)
            ending = endings.canceled() if self._asked_to_end() else endings.unprepared(error)
        self._finish(ending)

    def adopt(self) -> None:
        """Go on for a supervisor that died: its script lives, or has left its exit code."""
        with suppress(Conflict):
            self._move(Status.RUNNING)
        while self._job.script is not None and alive(self._job.script):
            time.sleep(LOOK_SECONDS)
            self._look_after(self._job.script.pid)
        # the session's id may be another's by now; the mark is ours
        processes.end_all(self._folder.mark, None, grace=1.0)
        code = endings.noted(self._folder.exit_code)
        if self._stopped is None and code != 0 and self._asked_to_end():
            # whoever died before us had begun to end it
            self._stopped = "canceled"
        self._finish(self._ending(code))

    def _prepare_and_watch(self) -> endings.Ending:
        with suppress(Conflict):
            # its end may have been asked for already, which is looked at below
            self._move(Status.PREPARING)
        spec = surroundings.whole(self._service.root, self._job.run, spec=self._job.spec)
        self._job = replace(self._job, spec=spec)
        environ = self._environment()
        try:
            prepared = self._prepare(environ)
            given = self._data.prepare(environ, look=self._end_if_asked)
        except Stopped:
            return self._ending(None)
        if self._asked_to_end():
            return endings.canceled()
        command = [prepared.interpreter if word == "python" else word for word in self._job.spec.command[:1]]
        words = given.words((*command, *self._job.spec.command[1:]))
        child = self._start(words, given.variables(prepared.variables(environ)))
        script = identify(child.pid)
        self._job = self._service.jobs.progress(self._job.run, attempt=self._job.attempt, script=script)
        with suppress(Conflict):
            self._move(Status.RUNNING)
        return self._watch(child)

    def _prepare(self, environ: Mapping[str, str]) -> environments.Prepared:
        """The job's code in its place, and its interpreter; Stopped when its end was asked for meanwhile."""
        self._folder.make()
        if self._job.spec.snapshot and self._job.spec.plan is None:
            restore(self._service, self._job.spec.snapshot, target=self._folder.code, look=self._end_if_asked)
        return environments.prepare(
            self._job.spec,
            self._service.root,
            folder=self._folder,
            environ=environ,
            cancelled=self._over,
        )

    def _start(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with open(self._folder.log, "ab", buffering=0) as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", _NOTE_EXIT, str(self._folder.exit_code), *command],
                cwd=self._folder.code,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _watch(self, child: subprocess.Popen[bytes]) -> endings.Ending:
        killed_before = endings.out_of_memory_kills()
        while True:
            try:
                code = child.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                processes.reap_orphans(child.pid)
                self._look_after(child.pid)
                continue
            # what the script has left behind in its session would otherwise write on, and live on
            processes.end_all(self._folder.mark, child.pid, grace=1.0)
            noted = endings.noted(self._folder.exit_code)
            starved = endings.out_of_memory_kills() > killed_before
            return self._ending(code if noted is None else noted, starved=starved)

    def _look_after(self, leader: int | None) -> None:
        """Obey a cancel and the time limit; keep what the script writes; say that we live."""
        try:
            if self._stopped is not None:
                self._over()
                return
            self._end_if_asked()
            self._keeper.look(self._end_if_asked)
        except Stopped:
            processes.end_all(self._folder.mark, leader, grace=self._job.spec.grace_seconds)
        except Replaced:
            # end ours, and say nothing more of the run
            processes.end_all(self._folder.mark, leader, grace=self._job.spec.grace_seconds)
            raise

    def _end_if_asked(self) -> None:
        """Raise Stopped when the job is to end: called again and again by what takes long."""
        if self._over():
            raise Stopped

    def _over(self, *, limited: bool = True) -> bool:
        """Whether the job is to end: it was cancelled, or its time is up. Replaced when another attempt of
        it is under way."""
        asked = self._asked()
        if asked is not None and asked.attempt != self._job.attempt:
            raise Replaced(f"attempt {self._job.attempt} of {self._job.run} has been replaced")
        limit = self._job.spec.max_seconds if limited else None
        if self._stopped is None and asked is not None and asked.cancel is not None:
            self._stopped = "canceled"
        elif self._stopped is None and limit and time.monotonic() - self._begun > limit:
            self._stopped = "time-limit"
        return self._stopped is not None

    def _end_if_cancelled(self) -> None:
        """The same while files are uploaded at the end, of a script that has ended by itself in its time."""
        stopped = self._stopped
        if self._over(limited=False) and stopped is None:
            raise Stopped

    def _asked(self) -> Job | None:
        """The job as the history has it now, asked for twice a second; None in between, or without an
        answer."""
        now = time.monotonic()
        if now < self._ask_again:
            return None
        self._ask_again = now + ASK_SECONDS
        try:
            if now < self._beat_again:
                return self._service.jobs.get(self._job.run)
            self._beat_again = now + BEAT_SECONDS
            return self._service.jobs.progress(self._job.run, attempt=self._job.attempt)
        except (Gone, NotFound):
            # who deletes a run wants nothing of it to go on
            return replace(self._job, cancel=self._job.created)
        except RunstoneError:
            return None

    def _asked_to_end(self) -> bool:
        """Whether the job's end was asked for, by a cancel or by deleting the run; Replaced when another
        attempt of it is under way."""
        try:
            job = self._service.jobs.get(self._job.run)
        except (Gone, NotFound):
            return True
        if job.attempt != self._job.attempt:
            raise Replaced(f"attempt {self._job.attempt} of {self._job.run} has been replaced")
        return job.cancel is not None

    def _ending(self, code: int | None, *, starved: bool = False) -> endings.Ending:
        limit = self._job.spec.max_seconds
        return endings.ending(code, stopped=self._stopped, starved=starved, limit=limit)

    def _finish(self, ending: endings.Ending) -> None:
        self._asked_to_end()
        with suppress(RunstoneError):
            self._move(Status.FINALIZING)
        try:
            self._keeper.keep_files(self._end_if_cancelled)
            ending = self._delivered(ending)
        except Stopped:
            # what it made is not all here: it has not completed
            ending = endings.canceled() if ending.status is Status.COMPLETED else ending
        error = endings.with_last_lines(ending.error, self._folder.log)
        # a cancel that comes now finds everything done but this, which belongs to every end
        self._keeper.keep_log(partial(self._over, limited=False))
        self._service.shipper.drain_all()
        with suppress(Conflict, Gone, NotFound):
            # the script may have said itself how it ended: its word stands
            self._service.runs.move(self._job.run, ending.status, error=error)
        # before the job ends, after which nobody would look: secrets are among it
        self._folder.remove()
        with suppress(Conflict):
            self._service.jobs.end(self._job.run, attempt=self._job.attempt)

    def _delivered(self, ending: endings.Ending) -> endings.Ending:
        """The ending, once the script's outputs are where they belong; Failed when they cannot be."""
        completed = ending.status is Status.COMPLETED
        try:
            self._data.deliver(self._environment, completed=completed, look=self._end_if_cancelled)
        except (RunstoneError, OSError) as error:
            return endings.undelivered(error) if completed else ending
        return ending

    def _move(self, status: Status) -> None:
        self._service.runs.move(self._job.run, status, process=here())

    def _environment(self) -> Mapping[str, str]:
        return variables(self._service, self._job, folder=self._folder)


def main(arguments: Sequence[str]) -> int:
    """Supervise the attempt that the arguments name, unless another process does."""
    history, run, attempt, *more = arguments
    service = connect(Path(history))
    try:
        if "--adopt" in more:
            _adopt(service, run, attempt=int(attempt))
            return 0
        job = service.jobs.begin(run, attempt=int(attempt), supervisor=here())
        with _alone(service, job):
            Supervisor(service, job).run()
    except (Conflict, Replaced) as error:
        print(error, file=sys.stderr)
    return 0


def _adopt(service: Service, run: str, *, attempt: int) -> None:
    job = service.jobs.get(run)
    if job.state == ENDED:
        raise Conflict(f"The job of {run!r} has ended; there is nothing to take over.", expected=ENDED)
    with _alone(service, replace(job, attempt=attempt)):
        # refused when whoever had it until a moment ago has brought it to its end
        Supervisor(service, service.jobs.progress(run, attempt=attempt, supervisor=here())).adopt()


def _alone(service: Service, job: Job) -> Claim:
    return Claim(Folder.of(service.root, job.run, attempt=job.attempt).root, "supervisor")


def ignore_hangups() -> None:
    """A closed terminal or notebook must not end what was submitted from it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


if __name__ == "__main__":
    ignore_hangups()
    sys.exit(main(sys.argv[1:]))
