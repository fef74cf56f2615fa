"""Runs to search for, and a search without a database: every term asked of every run, then sorted."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runstone.model.query import (
    And,
    Attribute,
    Between,
    Compare,
    Duration,
    Expression,
    Field,
    Has,
    In,
    Like,
    Missing,
    Moment,
    Not,
    Operand,
    Or,
    Order,
    Text,
)
from runstone.model.query.fields import STATUSES
from runstone.model.runs import NewRun, Run, Status
from runstone.store import attributes, experiments, metric_names, runs
from runstone.store.database import Database

START = 1_795_000_000_000_000
SECOND = 1_000_000
EXPERIMENTS = ("explore", "Vision", "old-one")
NAMES = ("Baseline run", "ablation", "한국어 모델 학습", "Élan vital", "100% done_now", "cuda error 700")
ADD_LATEST = """
INSERT INTO metric_latest (run, metric, kind, count, points, nans, repeated, last, last_nan, min, max, first,
                           sum)
VALUES (:run, :metric, 'scalar', :count, :points, 0, 0, :last, :last_nan, :min, :max, :first, :sum)"""
AGE = """
UPDATE runs
   SET created = :created, started = :started, ended = :ended, duration = :duration, archived = :archived
 WHERE n = :n"""


@dataclass(frozen=True)
class Sample:
    """One run with its number in the database and the values of its metrics (None where NaN was last)."""

    n: int
    run: Run
    metrics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def fill(db: Database, count: int, rng: random.Random) -> tuple[int, list[Sample]]:
    """Put runs of every sort into an empty history: the workspace's number, and what is there to find."""
    with db.write() as tx:
        for name in ("ws", "other"):
            experiments.add_workspace(tx, name, labels={}, now=START)
        workspace = experiments.workspace(tx, "ws").id
        places = [experiments.add(tx, workspace, name, now=START).id for name in EXPERIMENTS]
        elsewhere = experiments.add(tx, experiments.workspace(tx, "other").id, "explore", now=START).id
    ids: list[str] = []
    numbers = []
    logged = {}
    for index in range(count):
        new = _new(rng, index, rng.choice(places), ids)
        metrics = _metrics(rng)
        with db.write() as tx:
            n = runs.create(tx, [new], now=START + index * SECOND)[0]
            _age(tx, rng, n, START + (index // 2) * 60 * SECOND, new.status)
            _log(tx, n, metrics)
        ids.append(new.id)
        numbers.append(n)
        logged[n] = metrics
    with db.write() as tx:
        # what must never be found: another workspace's run, and a metric that would change what a name means
        stranger = NewRun("stranger", elsewhere, tags={"team": "vision"}, display_name="Baseline")
        _log(tx, runs.create(tx, [stranger], now=1)[0], {"acc": (0.9,), "acc.min": (0.5,)})
        for n in numbers[5::17]:
            runs.delete(tx, n, START)
        loaded = runs.load(tx, numbers)
    return workspace, [Sample(n, run, logged[n]) for n, run in zip(numbers, loaded, strict=True)]


def expected(samples: Iterable[Sample], tree: Expression | None, order: Sequence[Order]) -> list[int]:
    """The numbers of the runs that a search should answer, in order."""
    hidden = tree is None or not any(_names_deleted(part) for part in _leaves(tree))
    kept = [
        sample
        for sample in samples
        if (not hidden or sample.run.deleted is None) and (tree is None or holds(tree, sample))
    ]
    order = order or (Order(Attribute("created"), True),)
    kept.sort(key=lambda sample: sample.n, reverse=order[-1].descending)
    for key in reversed(order):
        kept = _sorted(kept, key)
    return [sample.n for sample in kept]


def holds(tree: Expression, sample: Sample) -> bool:
    """Whether a run passes a filter."""
    if isinstance(tree, Not):
        return not holds(tree.part, sample)
    if isinstance(tree, And):
        return all(holds(part, sample) for part in tree.parts)
    if isinstance(tree, Or):
        return any(holds(part, sample) for part in tree.parts)
    if isinstance(tree, Text):
        return all(_contains_word(sample.run, word.lower()) for word in tree.words)
    if isinstance(tree, (Has, Missing)):
        return _present(tree.field, sample) == isinstance(tree, Has)
    return _passes(tree, value_of(tree.field, sample))


def value_of(operand: Operand, sample: Sample) -> Any:
    """What a run has there; None where it has nothing, NaN where that is what was logged last."""
    if isinstance(operand, Attribute):
        return _attribute(operand.name, sample.run)
    if operand.group == "metrics":
        logged = sample.metrics.get(operand.name)
        return None if logged is None else _reduced(operand.reducer or "last", logged)
    return _given(operand, sample.run).get(operand.name)


def _new(rng: random.Random, index: int, experiment: str, ids: Sequence[str]) -> NewRun:
    parent = f"ws/{rng.choice(ids)}" if ids and rng.random() < 0.3 else None
    params: dict[str, str] = {}
    if rng.random() < 0.8:
        params["lr"] = rng.choice(["0.1", "0.01", "1e-2", "0.001", "abc", "Ünder", "10"])
    if rng.random() < 0.5:
        params["note"] = rng.choice(["x" * 249, "x" * 250, "x" * 251, "x" * 250 + "tail", "short", ""])
    tags: dict[str, str | None] = {}
    if rng.random() < 0.7:
        tags["team"] = rng.choice(["vision", "Speech", None, "vision and speech", "음성"])
    if rng.random() < 0.2:
        tags["worth another look"] = None
    if rng.random() < 0.1:
        tags["mlflow.user"] = "tagged"
    return NewRun(
        id=f"run-{index:03d}-{rng.randrange(100)}",
        experiment=experiment,
        status=rng.choice(list(Status)),
        parent=parent,
        display_name=rng.choice([*NAMES, None]),
        description=rng.choice([None, "a **baseline** of 한글", "final"]),
        type=rng.choice([None, "azureml.scriptrun"]),
        submitter=rng.choice([None, "kim", "lee"]),
        tags=tags,
        properties={"author": rng.choice(["azureml-user", "kim"])} if rng.random() < 0.5 else {},
        params=params,
    )


_LOGGED = [0.0, 0.25, 0.5, 0.75, 1.0, math.inf, math.nan]


def _metrics(rng: random.Random) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for name in ("acc", "loss", "loss.min", "train/f1"):
        if rng.random() < (0.2 if name == "loss.min" else 0.8):
            found[name] = tuple(rng.choice(_LOGGED) for _ in range(rng.randrange(1, 4)))
    return found


def _age(tx: Any, rng: random.Random, n: int, created: int, status: Status) -> None:
    started = None if status is Status.NOT_STARTED else created + rng.randrange(3) * SECOND
    ended = created + rng.randrange(3, 9) * 3600 * SECOND if status.terminal else None
    duration = None if started is None or ended is None else ended - started
    values = {"n": n, "created": created, "started": started, "ended": ended, "duration": duration}
    tx.execute(AGE, {**values, "archived": created if rng.random() < 0.2 else None})


def _log(tx: Any, n: int, metrics: Mapping[str, tuple[float, ...]]) -> None:
    numbers = metric_names.find_or_add(tx, sorted(metrics))
    for name, logged in metrics.items():
        known = [value for value in logged if not math.isnan(value)]
        tx.execute(
            ADD_LATEST,
            {
                "run": n,
                "metric": numbers[name],
                "count": len(logged),
                "points": len(known),
                "last": None if math.isnan(logged[-1]) else logged[-1],
                "last_nan": int(math.isnan(logged[-1])),
                "min": min(known, default=None),
                "max": max(known, default=None),
                "first": known[0] if known else None,
                "sum": sum(known) if known else None,
            },
        )


def _reduced(reducer: str, logged: tuple[float, ...]) -> float | None:
    known = [value for value in logged if not math.isnan(value)]
    if reducer in ("last", "count"):
        return logged[-1] if reducer == "last" else float(len(logged))
    if not known:
        return None
    return {"min": min(known), "max": max(known), "first": known[0], "mean": sum(known) / len(known)}[reducer]


def _given(operand: Field, run: Run) -> Mapping[str, str | None]:
    return {"params": run.params, "tags": run.tags, "properties": run.properties}.get(operand.group, {})


def _attribute(name: str, run: Run) -> Any:
    if name == "artifact_uri":
        return f"aml://artifactId/ExperimentRun/dcid.{run.id}"
    if name == "display_name":
        return run.display_name or run.id
    values = {
        "status": str(run.status),
        "experiment": run.experiment,
        "experiment_id": run.experiment_id,
        "run_id": run.id,
        "run_number": run.number,
        "archived": run.archived,
        "deleted": run.deleted,
        "duration": None if run.duration is None else round(run.duration * 1e6),
    }
    return values[name] if name in values else vars(run)[name]


def _present(operand: Operand, sample: Sample) -> bool:
    if isinstance(operand, Attribute):
        if operand.name in ("display_name", "children"):
            return bool(vars(sample.run)[operand.name])
        return _attribute(operand.name, sample.run) is not None
    if operand.group == "metrics":
        return operand.name in sample.metrics
    return operand.name in _given(operand, sample.run)


def _passes(term: Compare | In | Between | Like, value: Any) -> bool:
    if isinstance(term, Like):
        return value is not None and _like(term, value) != term.negated
    if isinstance(term, Between):
        return _compare(term.field, ">=", term.low, value) and _compare(term.field, "<=", term.high, value)
    if isinstance(term, In) and term.negated:
        return all(_compare(term.field, "!=", one, value) for one in term.values)
    if isinstance(term, In):
        return any(_compare(term.field, "=", one, value) for one in term.values)
    if term.value is None:
        return (value is None) == (term.op == "=")
    return _compare(term.field, term.op, term.value, value)


def _compare(operand: Operand, op: str, wanted: Any, value: Any) -> bool:
    kind = operand.kind
    if kind == "flag":
        return ((value is not None) == wanted) == (op == "=")
    if value is None:
        return False
    if kind == "status":
        return (Status(value) in STATUSES[wanted.lower()]) == (op == "=")
    if kind == "time":
        return _when(op, wanted, value)
    if kind == "duration":
        wanted = (wanted.seconds if isinstance(wanted, Duration) else wanted) * 1e6
    if kind == "loose" and isinstance(wanted, bool):
        spelled = (str(wanted), str(wanted).lower(), str(wanted).upper())
        return op in ("=", "!=") and (value in spelled) == (op == "=")
    if kind == "loose" and not isinstance(wanted, str):
        value = attributes.number(value)
        if value is None:
            return False
    return _OPERATORS[op](value, wanted)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, wanted: value == wanted or (_is_nan(value) and _is_nan(wanted)),
    "!=": lambda value, wanted: not _OPERATORS["="](value, wanted),
    "<": lambda value, wanted: value < wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">": lambda value, wanted: value > wanted,
    ">=": lambda value, wanted: value >= wanted,
}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _when(op: str, wanted: Any, value: int) -> bool:
    if isinstance(wanted, Moment):
        first, after, above = wanted.first, wanted.after, wanted.first + 1
    else:
        first, after, above = wanted * 1000, wanted * 1000 + 1000, wanted * 1000 + 1000
    return {
        "=": first <= value < after,
        "!=": not first <= value < after,
        "<": value < first,
        "<=": value < after,
        ">": value >= above,
        ">=": value >= first,
    }[op]


def _like(term: Like, value: str) -> bool:
    if term.field.kind == "status":
        own = {name for name, statuses in STATUSES.items() if Status(value) in statuses}
        return any(_matches(term.op, term.pattern.lower(), name) for name in own)
    return _matches(term.op, term.pattern, value)


def _matches(op: str, wanted: str, value: str) -> bool:
    if op == "contains":
        return wanted.lower() in value.lower()
    if op == "startswith":
        return value.lower().startswith(wanted.lower())
    parts = [{"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in wanted]
    return bool(re.fullmatch("".join(parts), value, re.DOTALL | (re.IGNORECASE if op == "ilike" else 0)))


def _contains_word(run: Run, word: str) -> bool:
    texts = [run.display_name, run.description, run.experiment, run.submitter, run.id, run.name]
    texts += [f"{key} {value or ''}" for key, value in run.tags.items()]
    begun = any(part.startswith(word) for part in [str(run.status).lower(), *_parts(str(run.status))])
    return begun or any(word in (text or "").lower() for text in texts)


def _parts(name: str) -> list[str]:
    return re.sub("([A-Z])", r" \1", name).lower().split()


def _sorted(samples: list[Sample], key: Order) -> list[Sample]:
    def rank(sample: Sample) -> tuple[int, Any]:
        value = value_of(key.field, sample)
        if isinstance(key.field, Field) and key.field.kind == "loose" and value is not None:
            number = attributes.number(value)
            text = value[: attributes.INDEXED]
            return (1, text) if number is None else (0, (number, text))
        return (0, value)

    def missing(sample: Sample) -> bool:
        value = value_of(key.field, sample)
        return value is None or value != value

    there = [sample for sample in samples if not missing(sample)]
    gone = [sample for sample in samples if missing(sample)]
    # numbers come before texts in either direction
    found = []
    for group in (0, 1):
        part = [sample for sample in there if rank(sample)[0] == group]
        # a stable sort from high to low keeps those that are equal as they were
        found += sorted(part, key=lambda sample: rank(sample)[1], reverse=key.descending)
    return gone + found if key.nulls == "first" else found + gone


def _leaves(tree: Expression) -> Iterable[Expression]:
    if isinstance(tree, Not):
        return _leaves(tree.part)
    if isinstance(tree, (And, Or)):
        return [leaf for part in tree.parts for leaf in _leaves(part)]
    return [tree]


def _names_deleted(leaf: Expression) -> bool:
    return not isinstance(leaf, (Text, And, Or, Not)) and leaf.field == Attribute("deleted")
