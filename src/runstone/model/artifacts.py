"""Files of a run: an artifact is a name, a blob is the content that it stands for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Blob:
    """Content, named by its SHA-256 (64 hexadecimal digits); ``size`` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """One version of a file of a run. ``created`` is microseconds since 1970, UTC; versions count from 1."""

    name: str
    version: int
    sha256: str
    size: int
    created: int


@dataclass(frozen=True)
class LogPart:
    """Bytes of a log from ``offset`` on, of the ``size`` that it has now; ``grows``: there may be more."""

    offset: int
    data: bytes
    size: int
    grows: bool


@dataclass(frozen=True)
class Damage:
    """A file whose stored bytes are gone or wrong: which one, of which run or model, and why."""

    run: str
    artifact: Artifact
    reason: str
