"""Operations on lineage: what runs read and made, asked from the run and from the asset."""

from __future__ import annotations

import time

from runstone.model.errors import Invalid
from runstone.model.lineage import Link
from runstone.service.operation import operation
from runstone.store import experiments, lineage, runs
from runstone.store.database import Database

MOST = 1_000


class Lineage:
    """Links between runs and versions of assets (data sets, models): inputs and outputs, each by a name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @operation("PUT /runs/{run}/lineage")
    def record(self, run: str, link: Link) -> Link:
        """Say that a run reads or makes a version of an asset; the name's earlier asset, if any, gives way.

        NotFound for a run or a version that there is not. A run may be linked after its end, too.
        """
        with self._database.write() as tx:
            n = runs.find(tx, run)["n"]
            lineage.record(tx, n, link, now=time.time_ns() // 1000)
            found = lineage.of_run(tx, n)
        return next(one for one in found if (one.direction, one.name) == (link.direction, link.name))

    @operation("GET /runs/{run}/lineage")
    def of_run(self, run: str) -> tuple[Link, ...]:
        """What a run reads and makes: inputs first, each in the order in which they were recorded."""
        with self._database.read() as tx:
            return tuple(lineage.of_run(tx, runs.find(tx, run)["n"]))

    @operation("GET /workspaces/{workspace}/asset/{kind}/runs")
    def of_asset(
        self,
        workspace: str,
        kind: str,
        *,
        name: str,
        version: int | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[Link, ...]:
        """The links of the runs that read or made an asset, or one version of it, the newest run first.

        ``limit`` is how many runs a page has, 1 to 1,000, and ``after`` the last run's id of the page before.
        """
        if not 1 <= limit <= MOST:
            raise Invalid(f"A page has 1 to {MOST:,} runs; got {limit}.")
        with self._database.read() as tx:
            n = experiments.workspace(tx, workspace).id
            before = runs.find(tx, runs.reference(workspace, after), deleted=True)["n"] if after else 0
            found = lineage.of_asset(
                tx, n, kind, asset=name, version=version or 0, before=before, limit=limit
            )
            return tuple(found)
