"""MLflow on its default store, a SQLite database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mlflow
from mlflow.entities import Metric

# The most that MLflow takes in one request.
BATCH = 1000
TIME = 1_700_000_000_000


class Tracker:
    """Runs of an experiment."""

    def __init__(self) -> None:
        self.experiment = mlflow.set_experiment("bench").experiment_id
        self.run = ""

    def start(self) -> None:
        self.run = mlflow.start_run().info.run_id

    def create(self) -> None:
        mlflow.MlflowClient().create_run(self.experiment)

    def log(self, name: str, value: float, *, step: int) -> None:
        mlflow.log_metric(name, value, step=step)

    def log_many(self, values: Mapping[str, float], step: int) -> None:
        mlflow.log_metrics(dict(values), step=step)

    def bulk(self, name: str, values: Sequence[float]) -> None:
        client = mlflow.MlflowClient()
        for start in range(0, len(values), BATCH):
            part = enumerate(values[start : start + BATCH], start)
            client.log_batch(self.run, [Metric(name, value, TIME + step, step) for step, value in part])

    def settle(self) -> None:
        """Each call has stored what it was given."""

    def finish(self) -> None:
        mlflow.end_run()

    def read(self, name: str) -> int:
        return len(mlflow.MlflowClient().get_metric_history(self.run, name))
