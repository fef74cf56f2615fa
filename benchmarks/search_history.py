"""A history to search in: many runs, each with five params, three tags and five metrics, the same for the same seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

from runstone.store import attributes, experiments, metric_names, texts
from runstone.store.database import Database, Transaction

SLICE = 5_000
METRICS = ("acc", "loss", "f1", "auc", "epoch")
STATUSES = ("Completed",) * 8 + ("Failed", "Canceled")
MODELS = [f"gpt{number}" for number in range(100)]
TEAMS = ("vision", "speech", "language", "robots", "search", "ads")
WORDS = ("baseline", "ablation", "sweep", "final", "debug", "warm start", "larger batch", "cosine", "mixup", "distilled")
START = 1_760_000_000_000_000
STEP = 30_000_000

ADD_RUN = """
INSERT INTO runs (n, workspace, experiment, id, number, root, status, target, display_name, description, submitter,
                  created, started, ended, duration)
VALUES (:n, :workspace, :experiment, :id, :n, :n, :status, 'local', :display_name, :description, :submitter,
        :created, :created, :ended, :duration)"""

ADD_LATEST = """
INSERT INTO metric_latest (run, metric, kind, count, points, nans, repeated, last, last_nan, min, max, first, sum)
VALUES (:run, :metric, 'scalar', 100, 100, 0, 0, :last, :last_nan, :min, :max, :first, :sum)"""


def fill(db: Database, runs: int, *, seed: int = 20261123) -> int:
    """Put so many runs into an empty history; the workspace's number."""
    rng = random.Random(seed)
    with db.write() as tx:
        experiments.add_workspace(tx, "bench", labels={}, now=START)
        workspace = experiments.workspace(tx, "bench").id
        places = [experiments.add(tx, workspace, name=f"exp-{number}", now=START).id for number in range(20)]
        metrics = metric_names.find_or_add(tx, METRICS)
    numbers = iter(range(1, runs + 1))
    while some := list(islice(numbers, SLICE)):
        with db.write() as tx:
            _add(tx, [_run(rng, n, workspace, places) for n in some], metrics)
    return workspace


def _run(rng: random.Random, n: int, workspace: int, places: list[str]) -> dict[str, Any]:
    duration = int(rng.expovariate(1 / 3600) * 1e6)
    created = START + n * STEP
    place = rng.randrange(20)
    display_name = f"{rng.choice(WORDS).split()[0]}_{rng.choice(MODELS)}_{n}"
    description = f"{rng.choice(WORDS)} of {rng.choice(WORDS)}" + (" with rare-needle" if n % 5_000 == 77 else "")
    return {
        "n": n,
        "workspace": workspace,
        "experiment": places[place],
        "place": f"exp-{place}",
        "id": f"{rng.getrandbits(128):032x}",
        "status": rng.choice(STATUSES),
        "display_name": display_name,
        "description": description,
        "submitter": f"user{rng.randrange(30)}",
        "created": created,
        "ended": created + duration,
        "duration": duration,
        "skill": rng.random(),
        "params": {
            "lr": rng.choice(("0.1", "0.03", "0.01", "0.001")),
            "batch": str(2 ** rng.randrange(4, 10)),
            "seed": str(rng.randrange(10_000)),
            "model": rng.choice(MODELS),
            "optimizer": rng.choice(("adam", "sgd", "lion")),
        },
        "tags": {"team": rng.choice(TEAMS), "git_commit": f"{rng.getrandbits(40):010x}", "stage": rng.choice(("dev", "prod"))},
        "noise": [rng.random() for _ in METRICS],
    }


def _add(tx: Transaction, runs: list[dict[str, Any]], metrics: dict[str, int]) -> None:
    tx.many(ADD_RUN, runs)
    tx.many(attributes.WRITE, (row for run in runs for row in _attributes(run)))
    tx.many(ADD_LATEST, (row for run in runs for row in _latest(run, metrics)))
    tx.many(texts.WRITE, map(_text, runs))


def _attributes(run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, values in (("a", run["params"]), ("t", run["tags"])):
        for key, text in values.items():
            number = attributes.number(text)
            yield {"run": run["n"], "kind": kind, "key": key, "text": text, "rest": None, "number": number}


def _latest(run: dict[str, Any], metrics: dict[str, int]) -> Iterator[dict[str, Any]]:
    skill, noise = run["skill"], run["noise"]
    values = {
        "acc": skill,
        "loss": 2 * (1 - skill) + 0.2 * noise[1],
        "f1": min(1.0, 0.8 * skill + 0.2 * noise[2]),
        "auc": noise[3],
        "epoch": float(math.floor(noise[4] * 20)),
    }
    for name, value in values.items():
        yield {
            "run": run["n"],
            "metric": metrics[name],
            "last": value,
            "last_nan": 0,
            "min": value * 0.9,
            "max": value * 1.1,
            "first": value,
            "sum": value * 100,
        }


def _text(run: dict[str, Any]) -> dict[str, Any]:
    parts = [run["display_name"], run["description"], run["place"], run["submitter"], run["id"]]
    text = "\n".join([*parts, *(f"{key} {value}" for key, value in run["tags"].items())])
    return {"run": run["n"], "text": text, "cjk": texts.pairs(text)}
