"""What every test may ask for: a clean place, a seeded generator, a count, a real PostgreSQL."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import Postgres

DRILL = os.environ.get("RUNSTONE_DRILL") == "1"
SEED = 20261123

# `make test` must say the same thing twice: no random seed, no stored examples, no deadline on a busy machine
settings.register_profile("test", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("drill", deadline=None, database=None, max_examples=2000, print_blob=True)
settings.load_profile("drill" if DRILL else "test")


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No variable of the person who runs the tests, and not their data directory either."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("RUNSTONE_", "AZUREML_")):
                patch.delenv(name)
        patch.setenv("RUNSTONE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("MPLBACKEND", "Agg")
        yield


@pytest.fixture
def count() -> Callable[[int, int], int]:
    """`count(small, drill)`: how often to repeat, in `make test` and in `make drill`."""
    return lambda small, drill: drill if DRILL else small


@pytest.fixture
def rng() -> random.Random:
    """Chance that is the same every time, with a seed of its own in `make drill`."""
    seed = random.SystemRandom().randrange(2**32) if DRILL else SEED
    print(f"seed {seed}")  # pytest shows it when the test fails
    return random.Random(seed)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh history, found as a project's own: the current directory has a `.runstone/` with it."""
    path = tmp_path / ".runstone" / "history"
    path.mkdir(parents=True)
    monkeypatch.setenv("RUNSTONE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started when a test first asks for it; never a skip."""
    with Postgres.started() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The address of a fresh and empty database."""
    with postgres.database() as url:
        yield url
