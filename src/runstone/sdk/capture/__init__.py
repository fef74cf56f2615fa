"""What is kept about a run without anybody asking: source, git, packages, machine, use of resources."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from runstone.sdk.capture.environment import describe_environment, machine_properties
from runstone.sdk.capture.extras import load_nvml
from runstone.sdk.capture.git import GitState, git_state
from runstone.sdk.capture.gpus import visible_gpus
from runstone.sdk.capture.packages import installed_packages, packages_text
from runstone.sdk.capture.sampling import Sampler
from runstone.sdk.capture.secrets import MASK, mask_arguments, mask_environment, mask_text
from runstone.sdk.capture.source import Source, given_source, running_source, script_file

__all__ = [
    "DIFF_FILE",
    "ENVIRONMENT_FILE",
    "GIT_FILE",
    "MASK",
    "PACKAGES_FILE",
    "Capture",
    "Captured",
    "Sampler",
    "Source",
    "Subject",
    "capture",
    "capture_at_start",
    "capture_behind",
    "mask_arguments",
    "mask_environment",
    "mask_text",
]

DIFF_FILE = "system/git.diff"
GIT_FILE = "system/git.json"
PACKAGES_FILE = "system/packages.txt"
ENVIRONMENT_FILE = "system/environment.json"

_ALL = frozenset({"all", "on", "1", "true", "yes"})
_NONE = frozenset({"none", "off", "0", "false", "no"})


@dataclass(frozen=True)
class Capture:
    """What to capture; all of it unless switched off. `diff` needs `git`."""

    source: bool = True
    git: bool = True
    diff: bool = True
    packages: bool = True
    environment: bool = True
    system_metrics: bool = True

    @classmethod
    def chosen(cls, text: str | None = None, **switches: bool) -> Capture:
        """The choice that a text makes, as RUNSTONE_CAPTURE holds it, and over it the switches given by name.

        `none`, `all`; `-git,-packages` is all but these; `git,packages` is these alone. A word that is not
        known is warned of, and less is captured rather than more.
        """
        words = [word for word in re.split(r"[\s,;]+", (text or "all").lower()) if word]
        known = {option.name for option in fields(cls)}
        chosen = set(known) if words and words[0].startswith(("+", "-")) else set()
        for word in words:
            named = _named(word, known)
            chosen = chosen - named if word.startswith("-") else chosen | named
        return replace(cls(**{name: name in chosen for name in known}), **switches)


@dataclass(frozen=True)
class Subject:
    """What a capture is about. Made in the caller's thread, so that it does not change afterwards."""

    source: Source
    environ: Mapping[str, str]

    @classmethod
    def of(
        cls,
        script: str | os.PathLike[str] | None = None,
        arguments: Sequence[object] = (),
        *,
        environ: Mapping[str, str],
    ) -> Subject:
        """The script given with its arguments, else this very process."""
        source = running_source(environ) if script is None else given_source(script, arguments)
        return cls(source=source, environ=dict(environ))


@dataclass(frozen=True)
class Captured:
    """What was found. `properties` fit a run's properties, `files` are artifacts by name, `arguments` are
    masked, `notes` say what could not be had, and why."""

    properties: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __or__(self, other: Captured) -> Captured:
        """Both together."""
        return Captured(
            properties={**self.properties, **other.properties},
            arguments=self.arguments or other.arguments,
            files={**self.files, **other.files},
            notes=self.notes + other.notes,
        )


def capture(
    options: Capture,
    *,
    script: str | os.PathLike[str] | None = None,
    arguments: Sequence[object] = (),
    environ: Mapping[str, str],
) -> Captured:
    """Everything chosen, now; takes as long as git does. Without `script` it is about this process."""
    subject = Subject.of(script, arguments, environ=environ)
    return capture_at_start(options, subject) | capture_behind(options, subject)


def capture_at_start(options: Capture, subject: Subject) -> Captured:
    """What takes no time (well under a millisecond) and is wanted at once: source, arguments, host, user."""
    source = subject.source
    return Captured(
        properties={
            **(source.properties if options.source else {}),
            **(machine_properties(subject.environ) if options.environment else {}),
        },
        arguments=source.arguments if options.source else (),
    )


def capture_behind(options: Capture, subject: Subject) -> Captured:
    """What takes its time, at most about ten seconds: git, packages, GPUs, the script's text. Fit for another
    thread; it does not raise for what the machine is like."""
    found = Captured(files=script_file(subject.source)) if options.source else Captured()
    if options.git:
        found |= _captured_git(options, subject)
    if options.packages:
        found |= Captured(
            files={PACKAGES_FILE: packages_text(installed_packages()).encode("utf-8", "replace")}
        )
    if options.environment:
        gpus = visible_gpus(load_nvml(), subject.environ)
        found |= Captured(files={ENVIRONMENT_FILE: _json(describe_environment(subject.environ, gpus))})
    return found


def _named(word: str, known: set[str]) -> set[str]:
    name = word.lstrip("+-").replace("-", "_")
    if name in _ALL:
        return known
    if name not in known and name not in _NONE:
        choices = ", ".join(sorted(known))
        warnings.warn(
            f"RUNSTONE_CAPTURE does not know {word!r}; it takes all, none, or some of {choices}, "
            f"each with a '-' before it to leave it out",
            stacklevel=3,
        )
    return {name} & known


def _captured_git(options: Capture, subject: Subject) -> Captured:
    state = git_state(subject.source.directory or ".", subject.environ, diff=options.diff)
    if not state.root:
        return Captured(notes=(state.note,))
    files = {GIT_FILE: _json(_described(state))}
    if state.diff:
        files[DIFF_FILE] = state.diff
    return Captured(properties=state.properties, files=files, notes=(state.note,) if state.note else ())


def _described(state: GitState) -> dict[str, Any]:
    return {
        "root": state.root,
        "repository": state.repository,
        "branch": state.branch,
        "commit": state.commit,
        "dirty": state.dirty,
        "untracked": list(state.untracked),
        "diff_bytes": len(state.diff),
        "note": state.note,
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace") + b"\n"
