"""``runstone run metrics|open|monitor-tensorboard``: what a run has measured, and where to look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from runstone.cli import options
from runstone.cli.opening import Opened, Scope
from runstone.cli.output import Output
from runstone.cli.values import number, plain


@click.command("metrics")
@options.run
@click.option("--name", "-n", help="Every point of this metric.")
@click.option("--system", is_flag=True, help="Also those sampled of the machine.")
@options.scope
@options.output
@options.common
def metrics(scope: Scope, out: Output, *, run_id: str, name: str | None, system: bool) -> None:
    """Sum up what a run has logged, or list the points of one metric.

    \b
    runstone run metrics -r 3f1c
    runstone run metrics -r 3f1c --name loss -o tsv
    """
    opened = scope.open()
    ref = opened.ref(opened.record(run_id).id)
    if name is not None:
        out.each(_points(opened, ref, name), none="No points.")
        return
    out.each(_summaries(opened, ref, system), table=_rows, none="No metrics.")


@click.command("open")
@options.run
@options.scope
@options.common
def open_run(scope: Scope, *, run_id: str) -> None:
    """Open a run in the browser; without a server, tell its address.

    \b
    runstone run open -r 3f1c
    """
    address = scope.open().run(run_id).get_portal_url()
    click.echo(address)
    if address.startswith("http"):
        click.launch(address)


@click.command("monitor-tensorboard")
@options.run
@click.option("--local-directory", help="Accepted, as the original takes it.")
@options.scope
@options.common
def monitor_tensorboard(scope: Scope, *, run_id: str, local_directory: str | None) -> None:
    """Say where metrics are to be seen: Runstone starts no TensorBoard.

    \b
    runstone run monitor-tensorboard -r 3f1c
    """
    id = scope.open().record(run_id).id
    raise click.ClickException(
        f"Runstone starts no TensorBoard; `runstone watch -r {id}` shows the run while it goes on, "
        f"`runstone run metrics -r {id}` what it has logged."
    )


def _summaries(opened: Opened, ref: str, system: bool) -> Iterator[Mapping[str, Any]]:
    for name, one in sorted(opened.service.metrics.latest(ref).items()):
        if name.startswith("system.") and not system:
            continue
        yield {
            "name": name,
            "kind": one.kind,
            "count": one.count,
            "last": one.value if one.last is None else plain(one.last),
            "min": None if one.min is None else plain(one.min),
            "max": None if one.max is None else plain(one.max),
            "lastStep": one.last_step,
        }


def _rows(block: Any) -> list[dict[str, str]]:
    titles = {"name": "Metric", "count": "Count", "last": "Last", "min": "Min", "max": "Max"}
    return [{title: number(one[key]) for key, title in titles.items()} for one in block]


def _points(opened: Opened, ref: str, name: str) -> Iterator[Mapping[str, Any]]:
    from runstone.model.runs import iso  # loaded by the commands that need it: `--help` is quick

    series = opened.service.metrics.series(ref, name)
    for step, value, time in zip(
        series.steps.tolist(), series.values.tolist(), series.times.tolist(), strict=True
    ):
        yield {"step": step, "value": plain(value), "timeUtc": iso(time * 1000)}
    for entry in series.entries:
        if entry.kind != "int":
            yield {"step": entry.step, "value": entry.value, "timeUtc": iso(entry.time * 1000)}
