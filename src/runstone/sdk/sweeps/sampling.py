"""Sampling: which values are tried, one set after another."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from runstone.model.errors import HyperDriveException
from runstone.sdk.sweeps.bounds import whole
from runstone.sdk.sweeps.expressions import KNOWN, expression

Sample = dict[str, Any]


class HyperParameterSampling(ABC):
    """A search space, and a way through it.

    Args:
        parameter_space: expressions by the names of the script's arguments, with or without their ``--``.
        properties: more for the algorithm: ``seed``.
        seed: the same seed gives the same values.

    Raises:
        HyperDriveException: the space is empty, or a parameter is given by what cannot be sampled this way.
    """

    SAMPLING_NAME: ClassVar[str] = ""
    TAKES: ClassVar[tuple[str, ...]] = tuple(KNOWN)

    def __init__(
        self,
        parameter_space: Mapping[str, Any],
        properties: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        if not isinstance(parameter_space, Mapping) or not parameter_space:
            raise HyperDriveException(
                f"A search space is a dict of expressions, like {{'lr': uniform(0.1, 1)}}; got "
                f"{parameter_space!r}."
            )
        self.parameter_space = {_name(name): expression(name, of) for name, of in parameter_space.items()}
        self.seed = _seed(seed, properties)
        for name, of in self.parameter_space.items():
            if of.name not in self.TAKES:
                raise HyperDriveException(
                    f"{type(self).__name__} cannot sample {of.name}(), as given for {name!r}; it takes: "
                    f"{', '.join(self.TAKES)}."
                )

    @property
    def size(self) -> int | None:
        """How many different sets of values there are; None without an end."""
        counts = [of.count for of in self.parameter_space.values()]
        return math.prod(count for count in counts if count) if None not in counts else None

    def document(self) -> dict[str, Any]:
        """The sampling as the original writes it."""
        space = {name: of.document() for name, of in self.parameter_space.items()}
        found = {"name": self.SAMPLING_NAME, "parameter_space": space}
        return found if self.seed is None else {**found, "properties": {"seed": self.seed}}

    def words(self, sample: Sample) -> list[str]:
        """A sample as the words of a command line: ``--name value``."""
        return [
            word
            for name, value in sample.items()
            for word in (
                name if name.startswith("-") else f"--{name}",
                self.parameter_space[name].text(value),
            )
        ]

    def described(self, sample: Sample) -> str:
        """A sample as people read it: ``lr=0.013 width=64``."""
        return " ".join(f"{name.lstrip('-')}={_brief(value)}" for name, value in sample.items())

    def holds(self, sample: Mapping[str, Any]) -> bool:
        """Whether a sample, of another sweep, is of this space's parameters and options."""
        space = self.parameter_space
        return sample.keys() == space.keys() and all(of.holds(sample[name]) for name, of in space.items())

    @abstractmethod
    def sampler(self) -> Sampler:
        """A way through the space, from its beginning."""


class Sampler(ABC):
    """A way through a space: asked for one sample after another, and told how well each did."""

    @abstractmethod
    def ask(self) -> Sample | None:
        """The next sample; None when there is none that was not asked for."""

    def took(self, sample: Sample) -> None:
        """A sample was asked for before, of another sampler that went the same way."""
        self.ask()

    def tell(self, sample: Sample, worth: float | None) -> None:  # noqa: B027 - most have nothing to learn
        """What came of a sample, the greater the better; None for nothing."""


class GridParameterSampling(HyperParameterSampling):
    """Every combination of the options, the last parameter changing first. Takes ``choice`` alone."""

    SAMPLING_NAME = "GRID"
    TAKES = ("choice",)

    def __init__(self, parameter_space: Mapping[str, Any]) -> None:
        super().__init__(parameter_space)

    def sampler(self) -> Sampler:
        """The combinations, in order."""
        return _InOrder(self._combinations())

    def _combinations(self) -> Iterator[Sample]:
        space = self.parameter_space
        for values in itertools.product(*(of.arguments for of in space.values())):
            yield dict(zip(space, values, strict=True))


class RandomParameterSampling(HyperParameterSampling):
    """Values by chance, from any expression; where the combinations can be counted, none comes twice."""

    SAMPLING_NAME = "RANDOM"

    def sampler(self) -> Sampler:
        """Draws by chance."""
        return _InOrder(self._draws())

    def _draws(self) -> Iterator[Sample]:
        chance = random.Random(self.seed)
        seen: set[str] = set()
        while self.size is None or len(seen) < self.size:
            sample = {name: of.draw(chance) for name, of in self.parameter_space.items()}
            if self.size is None or identity(sample) not in seen:
                seen.add(identity(sample))
                yield sample


class BayesianParameterSampling(HyperParameterSampling):
    """Values where earlier runs did well, by Optuna's tree of Parzen estimators: ``pip install
    'runstone[sweep]'``.

    Beside ``choice``, ``uniform`` and ``quniform`` it takes ``loguniform`` and ``randint``. It learns from
    runs that have ended: the fewer run at a time, the better it chooses.

    Raises:
        HyperDriveException: Optuna is not installed, or see HyperParameterSampling.
    """

    SAMPLING_NAME = "BayesianOptimization"
    TAKES = ("choice", "uniform", "quniform", "loguniform", "randint")

    def __init__(
        self,
        parameter_space: Mapping[str, Any],
        properties: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        super().__init__(parameter_space, properties, seed=seed)
        if importlib.util.find_spec("optuna") is None:
            raise HyperDriveException(
                "BayesianParameterSampling chooses with Optuna, which is not installed: pip install "
                "'runstone[sweep]'. RandomParameterSampling needs nothing."
            )

    def sampler(self) -> Sampler:
        """Optuna's choice."""
        # an extra: only who samples this way has it, and the submitting process need not load it
        from runstone.sdk.sweeps.bayesian import Bayesian

        return Bayesian(self.parameter_space, size=self.size, seed=self.seed)


def sampling(document: Mapping[str, Any]) -> HyperParameterSampling:
    """The sampling that a document describes."""
    space = document["parameter_space"]
    if document["name"] == GridParameterSampling.SAMPLING_NAME:
        return GridParameterSampling(space)
    bayesian = document["name"] == BayesianParameterSampling.SAMPLING_NAME
    kind = BayesianParameterSampling if bayesian else RandomParameterSampling
    return kind(space, document.get("properties"))


def identity(sample: Mapping[str, Any]) -> str:
    """Equal for equal samples alone."""
    return json.dumps(sample, sort_keys=True)


class _InOrder(Sampler):
    def __init__(self, samples: Iterator[Sample]) -> None:
        self._samples = samples

    def ask(self) -> Sample | None:
        return next(self._samples, None)


def _name(given: Any) -> str:
    name = given.lstrip("-") if isinstance(given, str) else ""
    if not name or any(letter.isspace() or letter == "=" for letter in name):
        raise HyperDriveException(
            f"A parameter is named as the script's argument, like 'lr' or '--lr'; got {given!r}."
        )
    return str(given)


def _seed(seed: int | None, properties: Mapping[str, Any] | None) -> int | None:
    given = dict(properties or {})
    wanted = given.pop("seed", seed)
    if given:
        raise HyperDriveException(f"The one property of a sampling is 'seed'; got {sorted(given)}.")
    return None if wanted is None else whole("seed", wanted, least=0)


def _brief(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
