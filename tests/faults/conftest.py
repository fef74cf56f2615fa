"""What the fault tests share: a stage on which scripts run as processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.conftest import bench, slurm
from tests.scripts import Stage

__all__ = ["bench", "slurm", "stage"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A fresh history, and scripts that are ended with the test."""
    found = Stage(tmp_path)
    try:
        yield found
    finally:
        found.close()
