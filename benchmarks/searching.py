"""Search among many runs: the four queries of the issue, beside MLflow's search of the same runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from benchmarks.figures import Figure, Goal, beside
from benchmarks.peers import Tracker, each, environment, measured, picked, place
from benchmarks.search_data import METRICS, MINUTE, Example, examples, rare_word
from benchmarks.timing import least_cpu
from runstone.model.metrics import Latest
from runstone.model.runs import NewRun, Status
from runstone.service.connect import Service, Settings, connect, disconnect
from runstone.store import metric_names, runs, summaries
from runstone.store.database import Transaction

WORKSPACE = "bench"
PAGE = 50
STRIDE = 1000
REPEATS = 20
BATCH = 5000


@dataclass(frozen=True)
class Query:
    """A search, and what it may take among 100,000 runs, in seconds."""

    name: str
    what: str
    filter: str
    order: str
    goal: float


QUERIES = (
    Query("common", "acc > 0.9 and lr = '0.01' by acc", "metrics.acc > 0.9 and params.lr = '0.01'",
          "metrics.acc desc", 0.010),
    Query("rare", "a rare param by another metric", "params.seed = '7'", "metrics.loss", 0.020),
    Query("text", "a word in the text", rare_word(), "", 0.020),
    Query("deep", "a page in the middle", "", "", 0.002),
)  # fmt: skip


def figures(peers: Sequence[Tracker], count: int) -> Iterator[Figure]:
    """A line for each query among so many runs."""
    theirs = each(peers, lambda peer: measured("search_mlflow", str(count), python=peer.python))
    with place() as found:
        service = connect(found.data, Settings.of(environment(found)))
        try:
            load(service, count)
            for query in QUERIES:
                goal = Goal(query.goal) if count == 100_000 else None
                figure = Figure(
                    f"search {count:,} runs: {query.what}: CPU", _ours(service, query, count), "s", goal=goal
                )
                yield from beside(figure, picked(theirs, query.name))
        finally:
            disconnect(found.data)


def load(service: Service, count: int) -> None:
    """Lay runs that have ended into a history, through the store's own functions."""
    service.workspaces.create(WORKSPACE, labels={})
    experiment = service.experiments.create(WORKSPACE, "search").id
    pending = enumerate(examples(count))
    while batch := list(islice(pending, BATCH)):
        with service.database.write() as tx:
            metrics = metric_names.find_or_add(tx, METRICS)
            for number, example in batch:
                new = NewRun(id=f"run-{number}", experiment=experiment, status=Status.RUNNING)
                _add(tx, new, example, metrics)


def _add(tx: Transaction, new: NewRun, example: Example, metrics: Mapping[str, int]) -> None:
    began = replace(new, display_name=example.name, params=example.params, tags=example.tags)
    n = runs.create(tx, [began], now=example.created)[0]
    runs.move(tx, n, Status.COMPLETED, now=example.created + MINUTE)
    tx.many(summaries.WRITE, [_latest(n, metrics[name], value) for name, value in example.metrics.items()])


def _latest(run: int, metric: int, value: float) -> dict[str, Any]:
    known = Latest(
        "", kind="scalar", count=1, points=1, last=value, min=value, max=value, first=value, sum=value
    )
    return {**vars(known), "run": run, "metric": metric, "last_nan": 0}


def _ours(service: Service, query: Query, count: int) -> float:
    cursor = _middle(service, count) if query.name == "deep" else None
    search = partial(
        service.runs.search, WORKSPACE, query.filter, order_by=query.order, limit=PAGE, cursor=cursor
    )
    found = search()
    if not found.runs:
        raise AssertionError(f"nothing was found by {query.filter!r}")
    return least_cpu(search, REPEATS)


def _middle(service: Service, count: int) -> str | None:
    """The cursor in the middle of the list, to which a person comes by turning pages."""
    page = service.runs.search(WORKSPACE, limit=STRIDE)
    for _ in range(count // (2 * STRIDE) - 1):
        page = service.runs.search(WORKSPACE, limit=STRIDE, cursor=page.cursor)
    return page.cursor
