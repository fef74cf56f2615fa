"""Parameter expressions and samplings: what values come, how they reach the script, and what is refused."""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstone.exceptions import TrainingException, UserErrorException
from runstone.model.errors import HyperDriveException
from runstone.sdk import sweeps
from runstone.sdk.sweeps import (
    BayesianParameterSampling,
    GridParameterSampling,
    HyperParameterSampling,
    RandomParameterSampling,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from runstone.sdk.sweeps.expressions import expression
from runstone.sdk.sweeps.sampling import identity, sampling

SRC = Path(__file__).parents[2] / "src"


def draws(of: Any, count: int = 2000) -> list[Any]:
    chance = random.Random(7)
    return [of.draw(chance) for _ in range(count)]


def samples(of: HyperParameterSampling, most: int = 1000) -> list[dict[str, Any]]:
    sampler = of.sampler()
    found = []
    while len(found) < most and (sample := sampler.ask()) is not None:
        found.append(sample)
    return found


@pytest.mark.parametrize(
    ("of", "options"),
    [
        (choice(16, 32, 64), (16, 32, 64)),
        (choice([16, 32]), (16, 32)),
        (choice(range(1, 5)), (1, 2, 3, 4)),
        (choice("adam"), ("adam",)),
        (choice("sgd", "adam"), ("sgd", "adam")),
        (choice([1, 2], [3]), ([1, 2], [3])),
        (choice(np.array([0.5, 1.5])), (0.5, 1.5)),
        (choice(True, False, None), (True, False, None)),
    ],
)
def test_a_choice_is_given_one_by_one_as_a_list_or_as_a_range(of: Any, options: tuple[Any, ...]):
    assert of.arguments == options
    assert {json.dumps(value) for value in draws(of)} == {json.dumps(value) for value in options}


def test_distributions_are_those_of_the_original():
    assert all(2 <= value <= 3 for value in draws(uniform(2, 3)))
    assert all(1e-4 <= value <= 1 for value in draws(loguniform(math.log(1e-4), 0)))
    assert statistics.median(draws(loguniform(math.log(1e-4), 0))) == pytest.approx(1e-2, rel=0.2)
    assert set(draws(quniform(0.04, 0.3, 0.1))) == {0.0, 0.1, 0.2, 0.3}
    assert set(draws(qloguniform(0, math.log(8), 4))) == {0.0, 4.0, 8.0}
    assert set(draws(randint(3))) == {0, 1, 2}
    assert statistics.fmean(draws(normal(10, 3))) == pytest.approx(10, rel=0.05)
    assert statistics.stdev(draws(normal(10, 3))) == pytest.approx(3, rel=0.1)
    assert statistics.median(draws(lognormal(1, 0.5))) == pytest.approx(math.e, rel=0.1)
    assert all(value % 5 == 0 for value in draws(qnormal(100, 20, 5)))
    assert all(value % 2 == 0 and value >= 0 for value in draws(qlognormal(2, 1, 2)))


@given(st.floats(0.001, 10), st.floats(-100, 100), st.integers())
def test_a_rounded_value_is_a_multiple_as_it_is_written(q: float, low: float, seed: int):
    value = quniform(low, low + 50, q).draw(random.Random(seed))
    assert value / q == pytest.approx(round(value / q), abs=1e-6)


def test_values_reach_the_script_as_any_parser_takes_them():
    space = {
        "lr": uniform(0, 1),
        "--width": quniform(10, 100, 5),
        "-C": choice(1.0, 2.0),
        "seed": randint(5),
        "layers": choice([16, 32], [64]),
        "name": choice("a b"),
    }
    words = RandomParameterSampling(space, seed=1).words(
        {"lr": 0.25, "--width": 65.0, "-C": 1.0, "seed": 3, "layers": [16, 32], "name": "a b"}
    )
    assert words == [
        *("--lr", "0.25", "--width", "65", "-C", "1.0", "--seed", "3", "--layers", "[16, 32]"),
        *("--name", "a b"),
    ]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: choice(), "choice() has no options"),
        (lambda: choice([]), "choice() has no options"),
        (lambda: choice(object()), "choice() cannot offer"),
        (lambda: choice(math.nan), "choice() cannot offer nan"),
        (lambda: uniform(1, 1), "min_value below its max_value; got 1 and 1"),
        (lambda: uniform("a", 1), "The min_value of uniform() is a number; got 'a'"),
        (lambda: uniform(0, math.inf), "The max_value of uniform() is a number; got inf"),
        (lambda: quniform(0, 1, 0), "The q of quniform() is a number above 0; got 0"),
        (lambda: loguniform(1, 1000), "write loguniform(math.log(a), math.log(b))"),
        (lambda: normal(0, -1), "The sigma of normal() is a number above 0; got -1"),
        (lambda: randint(0), "The upper of randint() is a whole number from 1 on; got 0"),
        (lambda: randint(2.5), "got 2.5"),  # type: ignore[arg-type]
    ],
)
def test_expressions_that_cannot_be_are_refused_where_they_are_written(make: Any, said: str):
    with pytest.raises(HyperDriveException) as caught:
        make()
    assert said in caught.value.message
    assert isinstance(caught.value, UserErrorException)
    assert isinstance(caught.value, TrainingException)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GridParameterSampling({"lr": uniform(0, 1)}), "cannot sample uniform(), as given for 'lr'"),
        (lambda: GridParameterSampling({"seed": randint(3)}), "it takes: choice"),
        (lambda: BayesianParameterSampling({"lr": normal(0, 1)}), "cannot sample normal()"),
        (lambda: RandomParameterSampling({}), "A search space is a dict of expressions"),
        (lambda: RandomParameterSampling([uniform(0, 1)]), "A search space is a dict"),  # type: ignore[arg-type]
        (lambda: RandomParameterSampling({"lr": 0.1}), "write choice(0.1) for a fixed value"),
        (lambda: RandomParameterSampling({"lr": ["triangle", [0, 1]]}), "which is no expression"),
        (
            lambda: RandomParameterSampling({"a b": choice(1)}),
            "A parameter is named as",
        ),
        (lambda: RandomParameterSampling({"--": choice(1)}), "got '--'"),
        (lambda: RandomParameterSampling({1: choice(1)}), "got 1"),  # type: ignore[dict-item]
        (lambda: RandomParameterSampling({"a": choice(1)}, seed=-1), "seed is a whole number from 0 on"),
        (lambda: RandomParameterSampling({"a": choice(1)}, {"sead": 1}), "The one property of a sampling"),
    ],
)
def test_spaces_that_cannot_be_sampled_are_refused(make: Any, said: str):
    with pytest.raises(HyperDriveException) as caught:
        make()
    assert said in caught.value.message


def test_a_grid_is_every_combination_once():
    grid = GridParameterSampling({"layers": choice(1, 2, 3), "width": choice(16, 32)})
    assert grid.size == 6
    found = samples(grid)
    assert found[:3] == [{"layers": 1, "width": 16}, {"layers": 1, "width": 32}, {"layers": 2, "width": 16}]
    assert len({identity(one) for one in found}) == len(found) == 6


def test_chance_is_the_same_for_the_same_seed_and_another_for_another():
    space = {"lr": uniform(0, 1), "width": choice(16, 32)}
    first = samples(RandomParameterSampling(space, seed=1), 20)
    assert first == samples(RandomParameterSampling(space, properties={"seed": 1}), 20)
    assert first != samples(RandomParameterSampling(space, seed=2), 20)


def test_chance_draws_no_combination_twice_where_they_can_be_counted():
    found = samples(RandomParameterSampling({"a": choice(1, 2, 3), "b": randint(4)}, seed=1))
    assert len({identity(one) for one in found}) == len(found) == 12


def test_expressions_may_be_written_as_the_original_writes_them():
    assert expression("lr", ["uniform", [0, 1]]) == uniform(0, 1)
    assert expression("w", ["choice", [[16, 32]]]) == choice(16, 32)
    for of in (choice([1, 2], [3]), choice("a"), quniform(0, 1, 0.5), randint(3)):
        assert expression("x", json.loads(json.dumps(of.document()))) == of


@pytest.mark.parametrize(
    "made",
    [
        GridParameterSampling({"a": choice(1, "b")}),
        RandomParameterSampling({"a": lognormal(0, 1)}, seed=3),
        BayesianParameterSampling({"a": uniform(0, 1)}, seed=3),
    ],
    ids=lambda made: type(made).__name__,
)
def test_a_sampling_survives_its_document(made: HyperParameterSampling):
    again = sampling(json.loads(json.dumps(made.document())))
    assert (type(again), again.parameter_space, again.seed) == (type(made), made.parameter_space, made.seed)
    assert samples(again, 5) == samples(made, 5)


def test_bayesian_sampling_finds_the_top_of_a_hill():
    space = {"x": uniform(-10, 10), "step": quniform(0, 1, 0.25), "kind": choice("good", "bad")}
    sampler = BayesianParameterSampling(space, seed=5).sampler()
    worths = []
    for _ in range(60):
        sample = sampler.ask()
        assert sample is not None
        worths.append(-((sample["x"] - 3) ** 2) - sample["step"] - 5 * (sample["kind"] == "bad"))
        sampler.tell(sample, worths[-1])
    assert statistics.median(worths[-20:]) > statistics.median(worths[:20]) + 5
    assert max(worths) > -1


def test_bayesian_sampling_takes_each_combination_once_and_ends():
    space = {"a": choice("x", "y", "z"), "seed": randint(4)}
    sampler = BayesianParameterSampling(space, seed=1).sampler()
    found = []
    while (sample := sampler.ask()) is not None:
        found.append(identity(sample))
        sampler.tell(sample, 1.0 if sample["a"] == "x" else None)
    assert len(set(found)) == len(found) == 12


def test_bayesian_sampling_learns_from_what_others_tried():
    sampler = BayesianParameterSampling({"lr": loguniform(-9, 0), "q": quniform(0, 4, 2)}, seed=1).sampler()
    for number in range(1, 20):
        sampler.tell({"lr": math.exp(-number / 3), "q": 2.0}, -abs(number / 3 - 3))
    found = []
    for _ in range(10):
        sample = sampler.ask()
        assert sample is not None
        found.append(math.log(sample["lr"]))
        sampler.tell(sample, -abs(-found[-1] - 3))
    assert statistics.median(found) == pytest.approx(-3, abs=1)


def test_without_optuna_it_is_named_with_the_way_to_it():
    code = (
        f"import sys\nsys.path[:0] = [{str(SRC)!r}]\nsys.modules['optuna'] = None\n"
        "from runstone.sdk.sweeps import *\n"
        "try:\n    BayesianParameterSampling({'a': uniform(0, 1)})\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("HyperDriveException ")
    assert "pip install 'runstone[sweep]'" in done.stdout


def test_every_public_name_is_there():
    assert [name for name in sweeps.__all__ if not hasattr(sweeps, name)] == []
