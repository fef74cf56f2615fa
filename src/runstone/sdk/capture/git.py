"""Asks git, with a time limit and without locks, prompts or the network, which state of the code runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from runstone.sdk.capture.secrets import mask_diff, mask_text
from runstone.sdk.capture.text import printable

SECONDS = 10.0
DIFF_LIMIT = 1 << 20
UNTRACKED_LIMIT = 1_000

_ANSWER_LIMIT = 1 << 20
_GIT = (
    "git",
    "--no-optional-locks",
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.quotePath=true"),
    *("-c", "core.safecrlf=false"),
    *("-c", "diff.relative=false"),
)
_QUESTIONS = {
    "root": ("rev-parse", "--show-toplevel"),
    "address": ("ls-remote", "--get-url"),
    "status": ("status", "--porcelain=v2", "--branch", "-z"),
}
# What a person has set for reading diffs (colours, prefixes, external viewers) must not reach the kept one.
_DIFF = ("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
# Set inside a git hook, they would name the hook's repository instead of the script's.
_FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
)
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    # A partial clone would fetch what a diff lacks.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}
_CUT = "\n# runstone: cut here, the diff is longer than {limit} bytes\n"


@dataclass(frozen=True)
class GitState:
    """A work tree as git saw it. `untracked` holds paths, at most 1,000; `diff` is against the commit,
    masked; `note` says what could not be told, and why."""

    root: str = ""
    repository: str = ""
    branch: str = ""
    commit: str = ""
    dirty: bool = False
    untracked: tuple[str, ...] = ()
    diff: bytes = b""
    note: str = ""

    @property
    def properties(self) -> dict[str, str]:
        """The properties that the original gives a run, under its names; none outside a repository."""
        if not self.root:
            return {}
        named = {"repository_uri": self.repository, "branch": self.branch, "commit": self.commit}
        ours = {f"azureml.git.{name}": value for name, value in named.items()}
        theirs = {"repoURL": self.repository, "branch": self.branch, "commit": self.commit}
        known = {**ours, **{f"mlflow.source.git.{name}": value for name, value in theirs.items()}}
        return {**{k: printable(v) for k, v in known.items() if v}, "azureml.git.dirty": str(self.dirty)}


@dataclass(frozen=True)
class _Answer:
    text: bytes = b""
    error: str = ""
    code: int = -1


def git_state(
    directory: str | Path, environ: Mapping[str, str], *, diff: bool = True, seconds: float = SECONDS
) -> GitState:
    """The state of the work tree around `directory`. Never raises: what git cannot tell is left out and
    noted. The whole work tree counts, not `directory` alone: a script imports from beside itself."""
    questions = {**_QUESTIONS, "diff": _DIFF} if diff else _QUESTIONS
    environment = {**{k: v for k, v in environ.items() if k not in _FOREIGN}, **_QUIET}
    try:
        answers = _ask(questions, directory=str(directory), environ=environment, seconds=seconds)
    except FileNotFoundError:
        return GitState(note=f"git is not installed, or {printable(str(directory))} is gone")
    except (OSError, RuntimeError) as error:
        return GitState(note=f"git could not be run: {printable(str(error))}")
    if answers["root"].code != 0:
        return GitState(note=_refusal(answers["root"]))
    return _state(answers, seconds)


def _ask(
    questions: Mapping[str, tuple[str, ...]], *, directory: str, environ: Mapping[str, str], seconds: float
) -> dict[str, _Answer]:
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(_started(question, directory, environ))
            for name, question in questions.items()
        }
        clock = Timer(seconds, _kill_all, [list(started.values())])
        clock.daemon = True
        clock.start()
        stack.callback(clock.cancel)
        return {name: _answer(process) for name, process in started.items()}


@contextlib.contextmanager
def _started(
    question: tuple[str, ...], directory: str, environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*_GIT, *question],
        cwd=directory,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # Only the first answer's complaint is read; a pipe that nobody empties would stop the others.
        stderr=subprocess.PIPE if question[0] == "rev-parse" else subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill(process)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.wait()


def _kill_all(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _answer(process: subprocess.Popen[bytes]) -> _Answer:
    text = process.stdout.read(_ANSWER_LIMIT + 1) if process.stdout else b""
    if len(text) > _ANSWER_LIMIT:
        return _Answer(text, code=0)
    error = process.stderr.read(4096) if process.stderr else b""
    return _Answer(text, error.decode("utf-8", "replace").strip(), process.wait())


def _refusal(answer: _Answer) -> str:
    if "not a git repository" in answer.error:
        return "not in a git repository"
    if answer.code < 0:
        return "git did not answer in time"
    return (
        f"git refused: {printable(answer.error.splitlines()[0] if answer.error else f'code {answer.code}')}"
    )


def _state(answers: Mapping[str, _Answer], seconds: float) -> GitState:
    headers, changed, untracked = _status(answers["status"].text)
    commit, branch = headers.get("branch.oid", ""), headers.get("branch.head", "")
    late = [name for name, answer in answers.items() if answer.code < 0]
    return GitState(
        root=_line(answers["root"]),
        repository=_address(answers["address"]),
        branch="" if branch == "(detached)" else branch,
        commit="" if commit == "(initial)" else commit,
        dirty=changed or bool(untracked),
        untracked=tuple(untracked[:UNTRACKED_LIMIT]),
        diff=_diff(answers.get("diff", _Answer())),
        note=f"git did not answer within {seconds:g} s: {', '.join(late)}" if late else "",
    )


def _status(text: bytes) -> tuple[dict[str, str], bool, list[str]]:
    headers, changed, untracked = {}, False, []
    for entry in text.decode("utf-8", "surrogateescape").split("\0"):
        if entry.startswith("# "):
            name, _, value = entry[2:].partition(" ")
            headers[name] = value
        elif entry.startswith("? "):
            untracked.append(printable(entry[2:]))
        else:
            changed = changed or entry[:2] in ("1 ", "2 ", "u ")
    return headers, changed, [path for path in untracked if ".runstone" not in path.split("/")]


def _line(answer: _Answer) -> str:
    return printable(answer.text.decode("utf-8", "surrogateescape").rstrip("\n"))


def _address(answer: _Answer) -> str:
    address = _line(answer)
    # Without a remote, git answers with the name that the remote would have had.
    return "" if answer.code != 0 or address == "origin" else mask_text(address)


def _diff(answer: _Answer) -> bytes:
    if len(answer.text) <= DIFF_LIMIT:
        return mask_diff(answer.text) if answer.code == 0 else b""
    # A line that the limit cuts could hold half a secret, which nobody would know again.
    whole = answer.text[: answer.text.rfind(b"\n", 0, DIFF_LIMIT) + 1] or answer.text[:DIFF_LIMIT]
    return mask_diff(whole) + _CUT.format(limit=DIFF_LIMIT).encode()
