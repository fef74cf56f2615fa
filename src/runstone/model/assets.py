"""Assets: what a workspace keeps under a name, in versions: environments, models, data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LATEST = "latest"


@dataclass(frozen=True)
class Asset:
    """One version of a name of a kind. ``created`` is microseconds since 1970, UTC; versions count from 1."""

    kind: str
    name: str
    version: int
    body: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    created: int = 0
