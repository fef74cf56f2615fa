"""Parameter expressions: what values a parameter may take, and how they are drawn."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from runstone.model.errors import HyperDriveException
from runstone.sdk.sweeps.bounds import number, positive, whole


@dataclass(frozen=True)
class Expression:
    """One parameter's values: ``name`` of the distribution, and its ``arguments`` (of ``choice``, the
    options)."""

    name: str
    arguments: tuple[Any, ...]

    @property
    def count(self) -> int | None:
        """How many values there are; None for a distribution, which may give any number of them."""
        if self.name == "choice":
            return len(self.arguments)
        return int(self.arguments[0]) if self.name == "randint" else None

    def value(self, number: int) -> Any:
        """The value of that number, from 0, of those that can be counted."""
        return self.arguments[number] if self.name == "choice" else number

    def draw(self, chance: random.Random) -> Any:
        """A value by chance."""
        if self.count is not None:
            return self.value(chance.randrange(self.count))
        return _DRAWN[self.name](chance, *self.arguments)

    def holds(self, value: Any) -> bool:
        """Whether a value could be one of these."""
        if self.name == "choice":
            return value in self.arguments
        return isinstance(value, int | float) and (self.count is None or 0 <= value < self.count)

    def text(self, value: Any) -> str:
        """A value as the script's argument: of a distribution, 65.0 is ``65``, which every parser takes."""
        if self.name != "choice" and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return str(value) if isinstance(value, str | int | float) else json.dumps(value)

    def document(self) -> list[Any]:
        """The expression as the original writes it: ``["choice", [[16, 32]]]``, ``["uniform", [0, 1]]``."""
        arguments = [*self.arguments]
        return [self.name, [arguments] if self.name == "choice" else arguments]


def choice(*options: Any) -> Expression:
    """One of some values: given one by one, as a list, or as a range.

    Raises:
        HyperDriveException: there is none, or one that no JSON can hold.
    """
    if len(options) == 1 and not isinstance(options[0], str | Mapping) and _many(options[0]):
        options = tuple(options[0])
    if not options:
        raise HyperDriveException("choice() has no options: give at least one, as in choice(16, 32).")
    return Expression("choice", tuple(_plain(option) for option in options))


def randint(upper: int) -> Expression:
    """A whole number from 0 to ``upper`` - 1, neighbours having nothing in common: a seed, for example."""
    return Expression("randint", (whole("The upper of randint()", upper, least=1),))


def uniform(min_value: float, max_value: float) -> Expression:
    """Any number between ``min_value`` and ``max_value``."""
    return Expression("uniform", _range("uniform", min_value, max_value))


def quniform(min_value: float, max_value: float, q: float) -> Expression:
    """``round(uniform(min_value, max_value) / q) * q``."""
    return Expression(
        "quniform", (*_range("quniform", min_value, max_value), positive("The q of quniform()", q))
    )


def loguniform(min_value: float, max_value: float) -> Expression:
    """``exp(uniform(min_value, max_value))``: the bounds are those of the logarithm."""
    return Expression("loguniform", _range("loguniform", min_value, max_value, most=_EXPONENT))


def qloguniform(min_value: float, max_value: float, q: float) -> Expression:
    """``round(exp(uniform(min_value, max_value)) / q) * q``."""
    bounds = _range("qloguniform", min_value, max_value, most=_EXPONENT)
    return Expression("qloguniform", (*bounds, positive("The q of qloguniform()", q)))


def normal(mu: float, sigma: float) -> Expression:
    """A number of the normal distribution with mean ``mu`` and standard deviation ``sigma``."""
    return Expression("normal", _bell("normal", mu, sigma))


def qnormal(mu: float, sigma: float, q: float) -> Expression:
    """``round(normal(mu, sigma) / q) * q``."""
    return Expression("qnormal", (*_bell("qnormal", mu, sigma), positive("The q of qnormal()", q)))


def lognormal(mu: float, sigma: float) -> Expression:
    """``exp(normal(mu, sigma))``."""
    return Expression("lognormal", _bell("lognormal", mu, sigma))


def qlognormal(mu: float, sigma: float, q: float) -> Expression:
    """``round(exp(normal(mu, sigma)) / q) * q``."""
    return Expression("qlognormal", (*_bell("qlognormal", mu, sigma), positive("The q of qlognormal()", q)))


def expression(parameter: str, given: Any) -> Expression:
    """What was given for a parameter, as an expression: one already, or as the original writes it.

    Raises:
        HyperDriveException: it is none; the message says what would be.
    """
    if isinstance(given, Expression):
        return given
    if isinstance(given, Sequence) and len(given) == 2 and given[0] in KNOWN and _many(given[1]):
        return KNOWN[given[0]](*given[1])
    raise HyperDriveException(
        f"The parameter {parameter!r} is given as {given!r}, which is no expression; write "
        f"choice({given!r}) for a fixed value, or one of: {', '.join(KNOWN)}."
    )


def rounded(value: float, q: float) -> float:
    """The nearest multiple of ``q``, without the noise of binary fractions."""
    return float(round(value / q) * Decimal(repr(q)))


KNOWN: Mapping[str, Callable[..., Expression]] = {
    call.__name__: call
    for call in (
        choice,
        uniform,
        loguniform,
        quniform,
        qloguniform,
        normal,
        lognormal,
        qnormal,
        qlognormal,
        randint,
    )
}
# The greatest exponent whose power is a number.
_EXPONENT = 700.0
_DRAWN: Mapping[str, Callable[..., float]] = {
    "uniform": random.Random.uniform,
    "quniform": lambda chance, low, high, q: rounded(chance.uniform(low, high), q),
    "loguniform": lambda chance, low, high: math.exp(chance.uniform(low, high)),
    "qloguniform": lambda chance, low, high, q: rounded(math.exp(chance.uniform(low, high)), q),
    "normal": random.Random.gauss,
    "qnormal": lambda chance, mu, sigma, q: rounded(chance.gauss(mu, sigma), q),
    "lognormal": lambda chance, mu, sigma: _power(chance.gauss(mu, sigma)),
    "qlognormal": lambda chance, mu, sigma, q: rounded(_power(chance.gauss(mu, sigma)), q),
}


def _power(exponent: float) -> float:
    return math.exp(min(exponent, _EXPONENT))


def _many(given: Any) -> bool:
    return hasattr(given, "__iter__") and not isinstance(given, str | bytes | Mapping)


def _plain(option: Any) -> Any:
    """The option as JSON has it: a numpy scalar is its number."""
    plain = option.item() if hasattr(option, "item") else option
    try:
        return json.loads(json.dumps(plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise HyperDriveException(
            f"choice() cannot offer {option!r}: an argument of a script is a text, a number, a bool, or a "
            f"list of them."
        ) from error


def _range(call: str, low: Any, high: Any, *, most: float = math.inf) -> tuple[float, float]:
    least = number(f"The min_value of {call}()", low)
    greatest = number(f"The max_value of {call}()", high)
    if least >= greatest:
        raise HyperDriveException(
            f"{call}() takes a min_value below its max_value; got {low!r} and {high!r}."
        )
    if greatest > most:
        raise HyperDriveException(
            f"{call}() takes bounds of the logarithm, and exp({high!r}) is beyond every number; write "
            f"{call}(math.log(a), math.log(b)) for values from a to b."
        )
    return least, greatest


def _bell(call: str, mu: Any, sigma: Any) -> tuple[float, float]:
    return number(f"The mu of {call}()", mu), positive(f"The sigma of {call}()", sigma)
