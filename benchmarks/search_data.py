"""Runs to be searched, the same for every tracker and every time: 5 params, 3 tags and 5 metrics each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SEED = 20261123
FIRST_CREATED = 1_700_000_000_000_000
MINUTE = 60_000_000
# How many runs share a value of the param `seed`.
RARE = 15
RATES = ("0.1", "0.03", "0.01", "0.003", "0.001")
TEAMS = ("vision", "speech", "language", "control", "ranking", "search")
SYLLABLES = ("ka", "lo", "mi", "ren", "su", "tor", "vel", "zan")
METRICS = ("acc", "f1", "loss", "auc", "epoch")


@dataclass(frozen=True)
class Example:
    """One run; ``created`` in microseconds since 1970."""

    name: str
    created: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def examples(count: int) -> Iterator[Example]:
    """So many runs, oldest first, one a minute."""
    source = random.Random(SEED)
    for number in range(count):
        yield Example(
            name=f"{word(source)}-{word(source)}-{number}",
            created=FIRST_CREATED + number * MINUTE,
            params={
                "lr": source.choice(RATES),
                "batch": str(2 ** source.randrange(4, 10)),
                "model": f"model-{source.randrange(50)}",
                "optimizer": source.choice(("adam", "sgd", "lion")),
                "seed": str(source.randrange(max(count // RARE, 1))),
            },
            tags={
                "team": source.choice(TEAMS),
                "commit": f"{source.getrandbits(64):016x}",
                "dataset": f"{word(source)} {source.randrange(20)}",
            },
            metrics=_metrics(source),
        )


def word(source: random.Random) -> str:
    """One of 4,096 words of four syllables."""
    return "".join(source.choice(SYLLABLES) for _ in range(4))


def rare_word() -> str:
    """The first word of the first run: about one run in 1,400 has it in its name or a tag."""
    return next(examples(1)).name.partition("-")[0]


def _metrics(source: random.Random) -> dict[str, float]:
    # a run that is good by one metric is so by most: a search may not count on their being independent
    accuracy = source.random()
    near = [accuracy + source.gauss(0, 0.05) for _ in range(2)]
    values = (accuracy, near[0], 2 * (1 - near[1]), source.random(), float(source.randrange(20)))
    return dict(zip(METRICS, values, strict=True))
