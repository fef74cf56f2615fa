"""Where runs can be computed: this machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LocalTarget:
    """The machine on which the script runs; always there."""

    name: str = "local"
    type: str = "Local"
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    host: str = field(default_factory=platform.node)

    def get_status(self) -> str:
        """``Succeeded``: the word by which the original says that a target is ready."""
        return "Succeeded"
