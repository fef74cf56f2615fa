"""Operations on metrics. A run is named by its reference, ``<workspace>/<run id>``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from runstone.model.errors import Busy, Full, Invalid
from runstone.model.metrics import Chart, Latest, Series
from runstone.service.operation import operation
from runstone.store import latest, runs
from runstone.store.database import Database, Transaction

# A reader that finds more records waiting than this seals them: the next one is quicker for it.
MANY = 100_000


class Metrics:
    """What runs have logged. Every operation first takes in what journals hold (``settle``)."""

    # The modules behind it need numpy, which a process that only logs does not: each method imports its own.

    def __init__(self, database: Database, settle: Callable[[], None]) -> None:
        self._database = database
        self._settle = settle

    @operation("GET /metrics")
    def values(self, runs: Sequence[str], name: str | None = None) -> Mapping[str, Mapping[str, Series]]:
        """Everything that some runs have logged, by reference and name; with ``name``, only that metric.

        Each series is in the order of arrival, and the series of a run in the order in which they began.
        """
        from runstone.store import metrics

        self._settle()
        found = {}
        for run in runs:
            with self._database.read() as tx:
                found[run] = metrics.values(tx, self._find(tx, run), name)
        return found

    @operation("GET /runs/{run}/series")
    def series(self, run: str, name: str, *, start: float | None = None, stop: float | None = None) -> Series:
        """One series as arrays, in the order of arrival; points of steps from ``start`` on, before ``stop``.

        NotFound when the run has logged nothing under that name.
        """
        from runstone.store import metrics

        self._prepare(run)
        with self._database.read() as tx:
            return metrics.series(tx, self._find(tx, run), name, start=start, stop=stop)

    @operation("GET /runs/{run}/chart")
    def chart(
        self,
        run: str,
        name: str,
        *,
        buckets: int = 1000,
        x: str = "step",
        start: float | None = None,
        stop: float | None = None,
    ) -> Chart:
        """One series drawn small: 1 to 10,000 equal buckets over x, ``step`` or ``time`` (ms since 1970).

        Extremes are exact. ``start`` and ``stop`` bound x, both included; without them the chart holds
        everything. NotFound when the run has logged nothing under that name.
        """
        from runstone.store import charts

        self._prepare(run)
        with self._database.read() as tx:
            window = charts.Window(self._find(tx, run), name, buckets=buckets, x=x, start=start, stop=stop)
            return charts.chart(tx, window)

    @operation("GET /runs/{run}/metrics")
    def latest(self, run: str) -> Mapping[str, Latest]:
        """The summary of each series: count, last, min, max, mean and more."""
        self._settle()
        with self._database.read() as tx:
            return _latest(tx, self._find(tx, run))

    @operation("GET /metrics/latest")
    def latest_of(self, runs: Sequence[str]) -> Mapping[str, Mapping[str, Latest]]:
        """The summaries of some runs, by reference and name, as of one moment."""
        self._settle()
        with self._database.read() as tx:
            return {run: _latest(tx, self._find(tx, run)) for run in runs}

    @operation("GET /runs/{run}/metric-names")
    def names(self, run: str) -> tuple[str, ...]:
        """The names of the run's metrics, in alphabetical order."""
        return tuple(sorted(self.latest(run)))

    @operation("GET /runs/{run}/quality")
    def quality(self, run: str) -> Mapping[str, int]:
        """How many points were late, lost, repeated (in step), NaN or damaged, and what else was counted."""
        from runstone.store import metrics

        self._prepare(run)
        with self._database.read() as tx:
            return metrics.quality(tx, self._find(tx, run))

    def _prepare(self, run: str) -> None:
        """Take in what journals hold, seal it when it is much; a full or busy history is read as it is."""
        from runstone.store import sealing

        self._settle()
        with self._database.read() as tx:
            n = self._find(tx, run)
            many = sealing.waiting(tx, n) > MANY
        if many:
            with suppress(Busy, Full, Invalid):
                sealing.seal_run(self._database, n)

    @staticmethod
    def _find(tx: Transaction, run: str) -> int:
        return int(runs.find(tx, run)["n"])


def _latest(tx: Transaction, run: int) -> Mapping[str, Latest]:
    if not latest.ahead(tx, run):
        return {name: one for name, one in latest.stored(tx, run).items() if one.count}
    # numpy, for the few runs that log just now
    from runstone.store import metrics

    return metrics.latest(tx, run)
