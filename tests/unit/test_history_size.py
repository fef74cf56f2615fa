"""What a history takes on disk."""

from __future__ import annotations

from pathlib import Path

from runstone import Experiment, Workspace
from runstone.store import runs, sealing

POINTS = 100_000


def test_a_sealed_point_takes_less_than_ten_bytes_of_the_file(tmp_path: Path):
    workspace = Workspace.create("ws", history=tmp_path)
    run = Experiment(workspace, "sizes").start_logging(capture="none", outputs=False)
    database = workspace._service.database
    database.persist()
    before = (tmp_path / "history.db").stat().st_size
    for step in range(POINTS):
        run.log("loss", 1 / (step + 1) ** 0.5, step=step)
    run.flush()
    with database.read() as tx:
        number = runs.find(tx, run._ref)["n"]
    sealing.seal_run(database, number)
    database.shrink()
    run.complete()
    assert database.persist()
    assert (tmp_path / "history.db").stat().st_size - before < 10 * POINTS
