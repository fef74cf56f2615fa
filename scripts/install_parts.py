"""Installs what the tests need beside Python packages, where that is possible: as root on Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import ray, slurm
from tests.postgres import programs


@dataclass(frozen=True)
class Part:
    """One thing that the tests start, the Debian packages that bring it, and how it is recognised."""

    name: str
    packages: tuple[str, ...]
    present: Callable[[], bool]


def postgres_is_there() -> bool:
    """Whether a server was named, or the programs of one are installed."""
    return bool(os.environ.get("TEST_POSTGRES_URL")) or programs() is not None


PARTS = (
    Part("PostgreSQL", ("postgresql",), postgres_is_there),
    Part("Slurm", slurm.PACKAGES, slurm.installed),
)


def main() -> int:
    """Install the missing parts; where that is not possible, name them and let the tests fail."""
    if not ray.installed():
        print(f"Installing {ray.REQUIREMENT} into an environment of its own ...", flush=True)
        ray.install()
    missing = [part for part in PARTS if not part.present()]
    if not missing:
        return 0
    names = ", ".join(part.name for part in missing)
    packages = [package for part in missing for package in part.packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"The tests need {names}; install {' '.join(packages)} (their names on Debian).")
        return 0
    print(f"Installing {' '.join(packages)}, which the tests need ...", flush=True)
    return install(packages)


def install(packages: list[str]) -> int:
    """Install Debian packages quietly; their output is shown only when that fails."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"apt-get {' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
