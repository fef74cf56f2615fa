"""Choosing values by Optuna: each where the runs before it did well."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import optuna

from runstone.sdk.sweeps.expressions import Expression, rounded
from runstone.sdk.sweeps.sampling import Sample, Sampler, identity

# How often a choice that was made before is made again, before chance decides.
TRIES = 10


class Bayesian(Sampler):
    """A study of Optuna, asked and told."""

    def __init__(self, space: Mapping[str, Expression], *, size: int | None, seed: int | None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._size = size
        self._chance = random.Random(seed)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._trials: dict[str, Any] = {}

    def ask(self) -> Sample | None:
        """The next sample; where they can be counted, none comes twice."""
        if self._size is not None and len(self._trials) >= self._size:
            return None
        for _ in range(TRIES):
            trial = self._study.ask()
            sample = {name: _suggested(trial, name, of) for name, of in self._space.items()}
            if self._size is None or identity(sample) not in self._trials:
                self._trials[identity(sample)] = trial
                return sample
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return self._by_chance()

    def took(self, sample: Sample) -> None:
        """Not to be chosen again; what came of it is told later."""
        self._known(sample)

    def tell(self, sample: Sample, worth: float | None) -> None:
        """Learn what came of a sample, of this sweep or of an earlier one."""
        trial = self._trials.get(identity(sample)) or self._known(sample)
        useful = worth is not None and math.isfinite(worth)
        state = optuna.trial.TrialState.COMPLETE if useful else optuna.trial.TrialState.FAIL
        self._study.tell(trial, worth if useful else None, state=state, skip_if_finished=True)

    def _by_chance(self) -> Sample:
        while True:
            sample = {name: of.draw(self._chance) for name, of in self._space.items()}
            if identity(sample) not in self._trials:
                self._known(sample)
                return sample

    def _known(self, sample: Sample) -> Any:
        """A trial of values that are given."""
        given = {name: _position(self._space[name], value) for name, value in sample.items()}
        self._study.enqueue_trial(given)
        trial = self._study.ask()
        for name, of in self._space.items():
            _suggested(trial, name, of)
        self._trials[identity(sample)] = trial
        return trial


def _suggested(trial: Any, name: str, of: Expression) -> Any:
    """A value for one parameter. Options go by their number: Optuna knows but some types."""
    if of.name == "choice":
        return of.value(trial.suggest_categorical(name, list(range(len(of.arguments)))))
    if of.name == "randint":
        return trial.suggest_int(name, 0, of.arguments[0] - 1)
    if of.name == "quniform":
        low, high, q = of.arguments
        return rounded(trial.suggest_int(name, round(low / q), round(high / q)) * q, q)
    low, high = of.arguments
    value = trial.suggest_float(name, low, high)
    return math.exp(value) if of.name == "loguniform" else value


def _position(of: Expression, value: Any) -> Any:
    """Where a value lies in what Optuna knows of the parameter."""
    if of.name == "choice":
        return of.arguments.index(value)
    if of.name == "quniform":
        return round(value / of.arguments[2])
    return math.log(value) if of.name == "loguniform" else value
