"""Lineage: which versions of assets a run read, and which it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Link:
    """One asset that a run reads or makes.

    ``name`` is the run's own word for it, one per direction; ``asset`` and ``version`` name a version of a
    ``kind`` of assets. ``details`` says how it is given; ``run`` is the run's id, ``created`` microseconds
    since 1970, UTC.
    """

    direction: str
    name: str
    kind: str
    asset: str
    version: int
    details: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    created: int = 0
