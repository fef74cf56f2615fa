"""Slurm as a target: the argument vectors of sbatch, squeue and scancel, and no library."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runstone.launch.launcher import GONE, RUNNING, UNKNOWN, WAITING, Seen, name_of
from runstone.model.errors import Busy, Invalid
from runstone.model.jobs import Job

SECONDS = 30.0
MONTH = 30 * 24 * 3600
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
# What its commands say when the controller is not to be reached.
_AWAY = ("contact", "timed out", "connect", "communicat", "zero bytes", "temporarily", "try again")


class Slurm:
    """Jobs of a Slurm cluster. Its configuration: ``partition``, ``account``, ``arguments`` (more words for
    sbatch), and ``environment`` (variables for its commands, such as SLURM_CONF)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.concurrent: int | None = None
        self.every = 1.0
        self._config = config
        self._environment = {str(name): str(value) for name, value in config.get("environment", {}).items()}

    def start(self, job: Job, command: Sequence[str], *, folder: Path) -> str:
        """Submit a batch script that becomes the supervisor; one that has our name already is taken for
        it."""
        name = name_of(job)
        known = self._call(["squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i"]).split()
        if known:
            return known[-1]
        folder.mkdir(parents=True, exist_ok=True)
        script = f"#!/bin/sh\nexec {shlex.join(command)}\n"
        return self._call(self._sbatch(name, job, folder), script).strip().split(";")[0]

    def ask(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        """All jobs of ours in one call: one call a job takes a scheduler down."""
        if not handles:
            return {}
        lines = self._call(["squeue", "--noheader", "--states=all", "--me", "--format=%i|%T|%r"]).splitlines()
        found = {id: Seen(_state(state), f"{state} ({reason})") for id, state, reason in map(_fields, lines)}
        # Slurm forgets a job some time after its end
        return {
            handle: found.get(handle, Seen(GONE, "Slurm does not know it any more")) for handle in handles
        }

    def stop(self, handle: str) -> None:
        """Ask Slurm to end a job; it answers the same for one that it does not know."""
        self._call(["scancel", handle])

    def _sbatch(self, name: str, job: Job, folder: Path) -> list[str]:
        words = ["sbatch", "--parsable", "--no-requeue", f"--job-name={name}", f"--comment=run:{job.run}"]
        words += [
            f"--output={str(folder / 'slurm.log').replace('%', '%%')}",
            f"--chdir={folder}",
            f"--nodes={job.spec.nodes}",
        ]
        words += [f"--{key}={self._config[key]}" for key in ("partition", "account") if self._config.get(key)]
        # the default of a month is more than most partitions allow: such a job would wait for ever
        if job.spec.max_seconds and job.spec.max_seconds < MONTH:
            # in minutes, and some more: the supervisor ends the script itself, and tells why
            words.append(f"--time={int(job.spec.max_seconds // 60) + 5}")
        return [*words, *(str(word) for word in self._config.get("arguments", ()))]

    def _call(self, words: Sequence[str], text: str | None = None) -> str:
        try:
            done = subprocess.run(
                words,
                input=text,
                env={**os.environ, **self._environment},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise Invalid(f"{words[0]} is not on this machine: install Slurm's client commands.") from error
        except subprocess.TimeoutExpired as error:
            raise Busy(f"{words[0]} did not answer within {SECONDS:.0f} s.") from error
        if done.returncode:
            said = done.stderr.strip()[-500:]
            # what the controller refuses now it refuses later, too
            kind = Busy if any(word in said.lower() for word in _AWAY) else Invalid
            raise kind(f"{words[0]} ended with the exit code {done.returncode}: {said}")
        return done.stdout


def _fields(line: str) -> tuple[str, str, str]:
    id, state, reason = line.split("|", 2)
    return id, state, reason


def _state(word: str) -> str:
    if word in _WAITING:
        return WAITING
    if word in _RUNNING:
        return RUNNING
    return UNKNOWN if not word else GONE
