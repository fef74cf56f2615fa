"""Early termination: which runs are ended because others are better, told from the curves of the primary
metric."""

from __future__ import annotations

import math
import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

from runstone.model.errors import HyperDriveException
from runstone.sdk.sweeps.bounds import number, whole

# What a value is worth that is none: worse than every other.
WORST = -math.inf


@dataclass(frozen=True)
class Curves:
    """The primary metric of every run of a sweep: its best value, and its average, up to each interval.

    Each time that a run logs the metric counts as one interval. The greater is the better: what is to be
    minimized has ``sign`` -1, and comes negated. ``ended`` are the runs that go on no more.
    """

    bests: Mapping[str, Sequence[float]]
    averages: Mapping[str, Sequence[float]]
    sign: float = 1.0
    ended: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, logged: Mapping[str, Sequence[float]], *, sign: float = 1.0, ended: Iterable[str] = ()
    ) -> Curves:
        """The curves of what each run has logged; a NaN or an infinity is worse than every number."""
        worths = {run: [_worth(value * sign) for value in values] for run, values in logged.items()}
        return cls(
            bests={run: list(accumulate(values, max)) for run, values in worths.items()},
            averages={run: list(_averages(values)) for run, values in worths.items()},
            sign=sign,
            ended=frozenset(ended),
        )

    def best(self, run: str, interval: int) -> float:
        """The best value of a run up to an interval."""
        return _until(self.bests[run], interval)

    def shown(self, worth: float) -> str:
        """A value as it was logged."""
        return "nothing" if worth == WORST else f"{worth * self.sign:.6g}"


class EarlyTerminationPolicy(ABC):
    """Looks at the runs of a sweep while they go on, and says which are not worth going on with.

    Args:
        evaluation_interval: look each time that a run has logged the metric so many times more.
        delay_evaluation: the first look is at this interval, or the first multiple after it.

    Raises:
        HyperDriveException: one of them is no whole number in its range.
    """

    POLICY_NAME: ClassVar[str] = ""

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        self.evaluation_interval = whole("evaluation_interval", evaluation_interval, least=1)
        self.delay_evaluation = whole("delay_evaluation", delay_evaluation, least=0)

    def due(self, reports: int, *, since: int = 0) -> range:
        """The intervals at which a run is looked at, of those after ``since`` and up to ``reports``."""
        first = max(self.delay_evaluation, since + 1, 1)
        step = self.evaluation_interval
        return range(-(-first // step) * step, reports + 1, step)

    @abstractmethod
    def verdict(self, run: str, interval: int, curves: Curves) -> str | None:
        """Why the run is to be ended at this interval; None when it goes on."""

    def document(self) -> dict[str, Any]:
        """The policy as the original writes it."""
        return {"name": self.POLICY_NAME, "properties": dict(vars(self))}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({given})"


class NoTerminationPolicy(EarlyTerminationPolicy):
    """Every run goes on to its own end."""

    POLICY_NAME = "Default"

    def __init__(self) -> None:
        super().__init__()

    def verdict(self, run: str, interval: int, curves: Curves) -> str | None:
        """Never."""
        return None


class BanditPolicy(EarlyTerminationPolicy):
    """Ends a run whose best value is not within some slack of the best run's.

    When the goal is to maximize, and 0.8 the best of all runs at interval 10, a ``slack_factor`` of 0.2 ends
    those whose best is below 0.8 / (1 + 0.2) = 0.67 there, a ``slack_amount`` of 0.2 those below 0.6. When it
    is to minimize, the limit is 0.8 * (1 + 0.2), or 0.8 + 0.2. With a negative best value the factor is
    taken the other way round, so that the limit is always worse than the best.

    Args:
        evaluation_interval, delay_evaluation: see EarlyTerminationPolicy.
        slack_factor: the slack as a ratio; or
        slack_amount: as an amount.

    Raises:
        HyperDriveException: neither of the two was given, or both, or a negative one.
    """

    POLICY_NAME = "Bandit"

    def __init__(
        self,
        evaluation_interval: int = 1,
        slack_factor: float | None = None,
        slack_amount: float | None = None,
        delay_evaluation: int = 0,
    ) -> None:
        super().__init__(evaluation_interval, delay_evaluation)
        if (slack_factor is None) == (slack_amount is None):
            raise HyperDriveException(
                f"BanditPolicy takes either a slack_factor or a slack_amount; got {slack_factor!r} and "
                f"{slack_amount!r}."
            )
        self.slack_factor = _slack("slack_factor", slack_factor)
        self.slack_amount = _slack("slack_amount", slack_amount)

    def verdict(self, run: str, interval: int, curves: Curves) -> str | None:
        """When the run's best is beyond the slack."""
        leading = max(curves.best(other, interval) for other in curves.bests)
        limit, mine = self._limit(leading), curves.best(run, interval)
        if leading == WORST or mine >= limit:
            return None
        return f"its best of {curves.shown(mine)} is worse than the limit of {curves.shown(limit)}"

    def _limit(self, leading: float) -> float:
        if self.slack_amount is not None:
            return leading - self.slack_amount
        # the greater is the better here: what is to be minimized comes negated, and a loss of 0.8 is -0.8
        ratio = 1 + (self.slack_factor or 0.0)
        return leading / ratio if leading > 0 else leading * ratio


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """Ends a run whose best value up to interval N is worse than the median of all runs' averages over the
    intervals 1 to N."""

    POLICY_NAME = "MedianStopping"

    def verdict(self, run: str, interval: int, curves: Curves) -> str | None:
        """When the run's best is worse than the median."""
        median = statistics.median(_until(values, interval) for values in curves.averages.values() if values)
        mine = curves.best(run, interval)
        if mine >= median:
            return None
        return f"its best of {curves.shown(mine)} is worse than the median of {curves.shown(median)}"


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """Ends a run that is among the lowest of those that have come as far, each judged by its best value up to
    there.

    Args:
        truncation_percentage: how many are the lowest: 1 to 99, of 100.
        evaluation_interval, delay_evaluation: see EarlyTerminationPolicy.
        exclude_finished_jobs: compare with the runs that go on alone.

    Raises:
        HyperDriveException: a value is no whole number in its range.
    """

    POLICY_NAME = "TruncationSelection"

    def __init__(
        self,
        truncation_percentage: int,
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
        exclude_finished_jobs: bool = False,
    ) -> None:
        super().__init__(evaluation_interval, delay_evaluation)
        self.truncation_percentage = whole("truncation_percentage", truncation_percentage, least=1, most=99)
        self.exclude_finished_jobs = bool(exclude_finished_jobs)

    def verdict(self, run: str, interval: int, curves: Curves) -> str | None:
        """When the run is among the lowest."""
        compared = [
            other
            for other, values in curves.bests.items()
            if len(values) >= interval and not (self.exclude_finished_jobs and other in curves.ended)
        ]
        dropped = len(compared) * self.truncation_percentage // 100
        mine = curves.best(run, interval)
        better = sum(curves.best(other, interval) > mine for other in compared)
        if better < len(compared) - dropped:
            return None
        among = f"the lowest {self.truncation_percentage} % of {len(compared)} runs"
        return f"its best of {curves.shown(mine)} is among {among}"


POLICIES: Mapping[str, type[EarlyTerminationPolicy]] = {
    kind.POLICY_NAME: kind
    for kind in (NoTerminationPolicy, BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy)
}


def policy(document: Mapping[str, Any]) -> EarlyTerminationPolicy:
    """The policy that a document describes."""
    kind = POLICIES[document["name"]]
    return kind() if kind is NoTerminationPolicy else kind(**document["properties"])


def _worth(value: float) -> float:
    return value if math.isfinite(value) else WORST


def _averages(worths: Iterable[float]) -> Iterator[float]:
    """The average of the numbers up to each interval; one NaN does not make a run the worst of all."""
    total, count = 0.0, 0
    for worth in worths:
        if worth != WORST:
            total, count = total + worth, count + 1
        yield total / count if count else WORST


def _until(values: Sequence[float], interval: int) -> float:
    return values[min(interval, len(values)) - 1] if values else WORST


def _slack(name: str, given: float | None) -> float | None:
    slack = None if given is None else number(name, given)
    if slack is not None and slack < 0:
        raise HyperDriveException(f"{name} is a number from 0 on; got {given!r}.")
    return slack
