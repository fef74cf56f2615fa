"""Runstone, measured as its peers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runstone import Experiment, Run, Workspace


class Tracker:
    """Runs of an embedded history."""

    def __init__(self) -> None:
        self.workspace = Workspace.from_config()
        self.experiment = Experiment(self.workspace, "bench")
        self.run: Run

    def start(self) -> None:
        self.run = self.experiment.start_logging(outputs=False)

    def create(self) -> None:
        self.run.create_children(1)

    def log(self, name: str, value: float, *, step: int) -> None:
        self.run.log(name, value, step=step)

    def log_many(self, values: Mapping[str, float], step: int) -> None:
        self.run.log_metrics(values, step=step)

    def bulk(self, name: str, values: Sequence[float]) -> None:
        log = self.run.log
        for step, value in enumerate(values):
            log(name, value, step=step)

    def settle(self) -> None:
        # numpy, which a script that only logs never loads
        from runstone.store import runs, sealing

        self.run.flush()
        database = self.workspace._service.database
        with database.read() as tx:
            number = runs.find(tx, self.run._ref)["n"]
        sealing.seal_run(database, number)
        database.shrink()

    def finish(self) -> None:
        self.run.complete()

    def read(self, name: str) -> int:
        return len(self.run.get_metric_series(name).values)
