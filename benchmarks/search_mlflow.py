"""The searches in MLflow's own environment: ``python -m benchmarks.search_mlflow <runs>`` prints CPU seconds.

The runs are laid into its database through its own table classes, since logging them one by one takes hours.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import mlflow
from mlflow.store.tracking.dbmodels import models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.search_utils import SearchUtils

from benchmarks.search_data import MINUTE, Example, examples, rare_word
from benchmarks.timing import least_cpu

BATCH = 1000
PAGE = 50
REPEATS = 5


def main(count: int) -> None:
    """Load so many runs, search them, and print the CPU seconds of each query."""
    experiment = mlflow.set_experiment("search").experiment_id
    _load(experiment, count)
    print(
        json.dumps({name: least_cpu(query, REPEATS) for name, query in _queries(experiment, count).items()})
    )


def _queries(experiment: str, count: int) -> Mapping[str, Callable[[], object]]:
    client = mlflow.MlflowClient()

    def search(filter: str, order: str, *, page: str | None = None) -> object:
        return client.search_runs([experiment], filter, max_results=PAGE, order_by=[order], page_token=page)

    deep = SearchUtils.create_page_token(count // 2)
    return {
        "common": lambda: search("metrics.acc > 0.9 and params.lr = '0.01'", "metrics.acc DESC"),
        "rare": lambda: search("params.seed = '7'", "metrics.loss ASC"),
        "text": lambda: search(f"attributes.run_name LIKE '%{rare_word()}%'", "attributes.start_time DESC"),
        "deep": lambda: search("", "attributes.start_time DESC", page=deep),
    }


def _load(experiment: str, count: int) -> None:
    store = SqlAlchemyStore(os.environ["MLFLOW_TRACKING_URI"], os.environ["BENCH_DIRECTORY"])
    runs = enumerate(examples(count))
    while batch := list(islice(runs, BATCH)):
        with store.ManagedSessionMaker() as session:
            for table, rows in _rows(experiment, batch).items():
                session.bulk_insert_mappings(table, rows)


def _rows(experiment: str, batch: list[tuple[int, Example]]) -> dict[Any, list[dict[str, Any]]]:
    pairs = [(f"{number:032x}", example) for number, example in batch]
    return {
        models.SqlRun: [_run(experiment, key, example) for key, example in pairs],
        models.SqlParam: list(_cells(pairs, lambda example: example.params)),
        models.SqlTag: list(_cells(pairs, lambda example: {**example.tags, "mlflow.runName": example.name})),
        models.SqlLatestMetric: list(_metrics(pairs)),
        models.SqlMetric: list(_metrics(pairs)),
    }


def _run(experiment: str, key: str, example: Example) -> dict[str, Any]:
    return {
        "run_uuid": key,
        "name": example.name,
        "source_type": "UNKNOWN",
        "user_id": "bench",
        "status": "FINISHED",
        "start_time": example.created // 1000,
        "end_time": (example.created + MINUTE) // 1000,
        "lifecycle_stage": "active",
        "experiment_id": int(experiment),
        "artifact_uri": key,
    }


def _cells(
    pairs: list[tuple[str, Example]], of: Callable[[Example], Mapping[str, str]]
) -> Iterator[dict[str, Any]]:
    for key, example in pairs:
        for name, value in of(example).items():
            yield {"run_uuid": key, "key": name, "value": value}


def _metrics(pairs: list[tuple[str, Example]]) -> Iterator[dict[str, Any]]:
    for key, example in pairs:
        for name, value in example.metrics.items():
            point = {"timestamp": example.created // 1000, "step": 0, "is_nan": False}
            yield {"run_uuid": key, "key": name, "value": value, **point}


if __name__ == "__main__":
    main(int(sys.argv[1]))
