"""Operations on runs. A run is named by its reference, ``<workspace>/<run id>``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from runstone.model.errors import Conflict, Invalid, ServiceException
from runstone.model.runs import Event, NewRun, Page, Process, Run, Status
from runstone.service.operation import operation
from runstone.store import attributes, events, experiments, ingest, runs, texts
from runstone.store.database import Database, Transaction

PAGE = 1_000
MOST_CHILDREN = 10_000


class Runs:
    """The runs of a history.

    Operations that read first take in what journals hold (``settle``), and searches what was logged of late
    (``refresh``).
    """

    def __init__(
        self, database: Database, *, settle: Callable[..., None], refresh: Callable[[], None]
    ) -> None:
        self._database = database
        self._settle = settle
        self._refresh = refresh

    @operation("POST /workspaces/{workspace}/runs")
    def create(self, workspace: str, new: Sequence[NewRun]) -> tuple[Run, ...]:
        """Create runs of one experiment, all of them or none; Conflict when an id is taken."""
        if not 1 <= len(new) <= MOST_CHILDREN:
            raise Invalid(f"One call creates 1 to {MOST_CHILDREN:,} runs; got {len(new):,}.")
        with self._database.write() as tx:
            made = tuple(runs.load(tx, runs.create(tx, new, now=_now())))
        # what is logged now survives a loss of power, a second later: then its run must be there too
        with suppress(ServiceException):
            self._database.persist()
        return made

    @operation("GET /runs/{run}")
    def get(self, run: str) -> Run:
        """The run; NotFound, or Gone when it was deleted."""
        self._settle(run)
        with self._database.read() as tx:
            return runs.load(tx, [runs.find(tx, run)["n"]])[0]

    @operation("POST /runs/{run}/status")
    def move(
        self,
        run: str,
        status: Status,
        *,
        error: Mapping[str, Any] | None = None,
        process: Process | None = None,
        seconds: float | None = None,
    ) -> Run:
        """Move the run to another state and record the event; the same state again is harmless.

        ``seconds`` is how long the run took, by a clock that never jumps; without it, by the time of day.

        Conflict when the states forbid it: the first terminal state wins, but for ``Failed`` with the reason
        ``infrastructure``, which the true end, or a sign of life, replaces.
        """
        return self._change(run, lambda tx, n: _move(tx, n, status, error, process, seconds))

    @operation("POST /runs/{run}/beat")
    def beat(self, run: str) -> None:
        """Say that the run's process lives; one that was believed lost is Running again."""
        with self._database.write() as tx:
            row = runs.find(tx, run)
            runs.beat(tx, row["n"], _now())
            if row["status"] == Status.NOT_RESPONDING:
                runs.move(tx, row["n"], Status.RUNNING, now=_now())

    @operation("PATCH /runs/{run}")
    def edit(self, run: str, changes: Mapping[str, str | None]) -> Run:
        """Set ``display_name`` (1,024 characters) or ``description`` (Markdown, 64 KiB); None removes."""
        return self._change(run, lambda tx, n: _edit(tx, n, changes))

    @operation("POST /runs/{run}/tags")
    def tag(self, run: str, tags: Mapping[str, str | None]) -> Run:
        """Add or replace tags, all or none: keys to 250 characters, values to 5,000 or None."""
        return self._change(run, lambda tx, n: _tag(tx, n, tags))

    @operation("DELETE /runs/{run}/tags")
    def untag(self, run: str, keys: Sequence[str]) -> Run:
        """Remove tags; a key that is not there is passed over."""
        return self._change(run, lambda tx, n: _untag(tx, n, keys))

    @operation("POST /runs/{run}/properties")
    def add_properties(self, run: str, properties: Mapping[str, str]) -> Run:
        """Add permanent properties, all or none; Conflict when a key exists with another value."""
        return self._change(run, lambda tx, n: _add_properties(tx, n, properties))

    @operation("POST /runs/{run}/annotations")
    def annotate(
        self,
        run: str,
        *,
        changes: Mapping[str, str | None] | None = None,
        tags: Mapping[str, str | None] | None = None,
        untag: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
    ) -> Run:
        """Edit, tag, untag and add properties at once: all of it, or nothing when one part is refused."""

        def annotated(tx: Transaction, n: int) -> None:
            if changes:
                _edit(tx, n, changes)
            if tags or untag:
                _untag(tx, n, untag)
                _tag(tx, n, tags or {})
            if properties:
                _add_properties(tx, n, properties)

        return self._change(run, annotated)

    @operation("POST /runs/{run}/params")
    def add_params(self, run: str, params: Mapping[str, str]) -> Run:
        """Add parameters, all or none; Conflict when a key exists with another value."""
        return self._change(run, lambda tx, n: _add_params(tx, n, params))

    @operation("POST /runs/{run}/records")
    def append(self, run: str, *, writer: str, first: int, records: bytes, lost: int = 0) -> int:
        """Apply the journal's records from number ``first`` on; the number of the last one applied.

        Repeating is harmless. Conflict (``expected``) when records before ``first`` are missing, unless
        ``lost`` says that no journal holds that many of them.
        """
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            return ingest.append(
                tx, n, writer=writer, first=first, records=records, lost=lost, operation=_carry_out
            )

    @operation("GET /runs/{run}/writers/{writer}")
    def acknowledged(self, run: str, writer: str) -> int:
        """The number of the writer's last record that the history has; 0 when it has none."""
        with self._database.read() as tx:
            return ingest.acknowledged(tx, runs.find(tx, run)["n"], writer)

    @operation("GET /runs/{run}/events")
    def events(self, run: str) -> tuple[Event, ...]:
        """What happened to the run, in order: every change of its status."""
        self._settle()
        with self._database.read() as tx:
            return tuple(events.of_run(tx, runs.find(tx, run)["n"]))

    @operation("DELETE /runs/{run}")
    def delete(self, run: str) -> None:
        """Delete the run; ``restore`` brings it back until it is purged. Conflict for one that is locked."""
        with self._database.write() as tx:
            n = runs.find(tx, run, deleted=True)["n"]
            runs.refuse_locked(tx, n)
            runs.delete(tx, n, _now())

    @operation("POST /runs/{run}/restore")
    def restore(self, run: str) -> Run:
        """Bring a deleted run back; NotFound when its experiment has been deleted since."""
        with self._database.write() as tx:
            row = runs.find(tx, run, deleted=True)
            experiments.by_id(tx, row["experiment"])
            runs.delete(tx, row["n"], None)
            return runs.load(tx, [row["n"]])[0]

    @operation("PUT /runs/{run}/lock")
    def lock(self, run: str) -> Run:
        """Protect the run: until it is unlocked, deleting it is refused, and so is every change of its tags,
        name and description. It goes on logging, and ends, as before."""
        return self._change(run, lambda tx, n: runs.lock(tx, n, _now()))

    @operation("DELETE /runs/{run}/lock")
    def unlock(self, run: str) -> Run:
        """Protect the run no more; harmless for one that is not locked."""
        return self._change(run, lambda tx, n: runs.lock(tx, n, None))

    @operation("GET /workspaces/{workspace}/runs")
    def search(
        self,
        workspace: str,
        filter: str = "",
        *,
        order_by: str = "",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Runs that match a filter, newest first unless ordered otherwise; at most 1,000 a page."""
        if not hasattr(limit, "__index__") or not 1 <= limit <= PAGE:
            raise Invalid(f"A page holds 1 to {PAGE:,} runs; got limit={limit!r}.")
        # a quarter of the import of an SDK that only logs, which has no use for it
        from runstone.store import search

        self._refresh()
        id = self._workspace(workspace)
        found = search.search(
            self._database, id, filter=filter, order_by=order_by, limit=int(limit), cursor=cursor
        )
        with self._database.read() as tx:
            return Page(tuple(runs.load(tx, found.runs)), found.cursor, found.warnings)

    @operation("GET /workspaces/{workspace}/runs/count")
    def count(self, workspace: str, filter: str = "") -> int:
        """How many runs match; exact to 10,000, then 10,001 ("10,000+")."""
        # see search()
        from runstone.store import search

        self._refresh()
        return search.count(self._database, self._workspace(workspace), filter=filter)

    def _workspace(self, name: str) -> int:
        with self._database.read() as tx:
            return experiments.workspace(tx, name).id

    def _change(self, run: str, change: Callable[[Transaction, int], None]) -> Run:
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            change(tx, n)
            return runs.load(tx, [n])[0]


def _edit(tx: Transaction, n: int, changes: Mapping[str, str | None]) -> None:
    unknown = set(changes) - {"display_name", "description"}
    if unknown:
        raise Invalid(f"A run's display_name and description can be edited, not {sorted(unknown)}.")
    runs.refuse_locked(tx, n)
    runs.edit(tx, n, changes)


def _tag(tx: Transaction, n: int, tags: Mapping[str, str | None]) -> None:
    runs.refuse_locked(tx, n)
    attributes.set_tags(tx, n, tags)
    texts.index(tx, n)


def _untag(tx: Transaction, n: int, keys: Sequence[str]) -> None:
    runs.refuse_locked(tx, n)
    attributes.remove_tags(tx, n, keys)
    texts.index(tx, n)


def _move(
    tx: Transaction,
    n: int,
    status: Status | str,
    error: Mapping[str, Any] | None = None,
    process: Process | Mapping[str, Any] | None = None,
    seconds: float | None = None,
) -> None:
    if isinstance(process, Mapping):
        process = Process(**process)
    runs.move(tx, n, Status(status), now=_now(), error=error, process=process, seconds=seconds)


def _add_properties(tx: Transaction, n: int, properties: Mapping[str, str]) -> None:
    attributes.add_once(tx, n, kind=attributes.PROPERTY, values=properties)


def _add_params(tx: Transaction, n: int, params: Mapping[str, str]) -> None:
    attributes.add_once(tx, n, kind=attributes.PARAM, values=params)


# What may be deferred in a journal while a remote history is away.
_DEFERRED: Mapping[str, Callable[..., None]] = {
    "runs.tag": _tag,
    "runs.untag": _untag,
    "runs.add_properties": _add_properties,
    "runs.add_params": _add_params,
    "runs.edit": _edit,
    "runs.move": _move,
}


def _carry_out(tx: Transaction, n: int, body: Mapping[str, Any]) -> None:
    """Carry out an operation that a journal deferred; one that is refused becomes an event, and the batch
    goes on."""
    call = _DEFERRED.get(str(body.get("call")))
    try:
        if call is None:
            raise Invalid("not an operation that may be deferred")
        call(tx, n, **body["arguments"])
    except (Invalid, Conflict) as error:
        refused = {**body, "why": error.message}
        events.record(tx, n, category="OperationRefused", body=refused, now=_now())


def _now() -> int:
    return time.time_ns() // 1000
