"""``runstone run``: the runs of a workspace, listed and shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import options, output, rows
from runstone.cli.diff import diff

if TYPE_CHECKING:
    from runstone.service.connect import Service

LAST = 10
PAGE = 1000


@click.group("run", invoke_without_command=True)
@click.pass_context
def run(context: click.Context) -> None:
    """List runs, or show one."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


run.add_command(diff)


@dataclass(frozen=True)
class Wanted:
    """What the options of ``run list`` say."""

    path: Path
    workspace_name: str | None
    experiment_name: str | None
    limit: int
    status: tuple[str, ...]
    tags: tuple[str, ...]
    parent_run_id: str | None
    compute_target_name: str | None
    filter: str
    order_by: str
    form: str | None

    @property
    def text(self) -> str:
        """The same in the one filter language."""
        from runstone.sdk import finding  # loaded by the commands that need it: `--help` is quick

        states = ", ".join(finding.quoted(_state(state)) for state in self.status)
        clauses = [
            finding.equals("experiment", self.experiment_name),
            finding.equals("parent", self.parent_run_id),
            finding.equals("target", self.compute_target_name),
            f"status in ({states})" if states else "",
            *(_tagged(tag) for tag in self.tags),
            f"({self.filter})" if self.filter.strip() else "",
        ]
        if not self.filter.strip() and self.parent_run_id is None:
            clauses.append("depth = 0")
        return " and ".join(clause for clause in clauses if clause)


@run.command("list", short_help="List runs, newest first.")
@click.option("--experiment-name", "-e", help="Only runs of this experiment.")
@click.option("--last", "--limit", "limit", type=click.IntRange(1), default=LAST, help="At most so many; 10.")
@click.option("--status", multiple=True, help="Only runs in this state, e.g. Completed; may be repeated.")
@click.option(
    "--tags", multiple=True, metavar="KEY[=VALUE]", help="Only runs with this tag; may be repeated."
)
@click.option("--parent-run-id", help="The children of this run.")
@click.option("--compute-target-name", help="Only runs on this target.")
@click.option("--filter", default="", help="Only runs that match; of every depth. See below.")
@click.option("--order-by", default="", help="E.g. `metrics.accuracy desc`; newest first by default.")
@options.scope
@options.output
@options.debug
def list_runs(subscription_id: str | None, resource_group: str | None, **given: Any) -> None:
    """List runs, newest first: those without a parent, unless a filter or a parent is given.

    \b
    runstone run list -e digits --last 20
    runstone run list --status failed --tags quality
    runstone run list --filter "metrics.loss < 0.3 and params.lr = '0.01'" --order-by metrics.loss
    """
    wanted = Wanted(**given)
    _check(wanted)
    form = output.chosen(wanted.form)
    service, workspace = _opened(wanted.path, wanted.workspace_name)
    found = _search(service, workspace, wanted) if service else []
    table = rows.table(found, wanted.order_by) if form in ("table", "tsv") else []
    output.emit(form, found, table=table)
    if not found and form == "table":
        click.echo("No runs.", err=True)


@run.command("show")
@click.option("--run", "-r", "run_id", required=True, help="The run's id.")
@options.scope
@options.output
@options.debug
def show(subscription_id: str | None, resource_group: str | None, **given: Any) -> None:
    """Show what is known of one run.

    \b
    runstone run show -r 3f1c0a52-6d0e-4a39-b6cd-5be2a3a01f4c
    runstone run show -r 3f1c0a52-6d0e-4a39-b6cd-5be2a3a01f4c -o yaml
    """
    service, workspace = _opened(given["path"], given["workspace_name"])
    form = output.chosen(given["form"])
    run_id = given["run_id"]
    if service is None:
        raise _unknown(run_id, workspace)
    found = rows.document(service, service.runs.get(f"{workspace}/{run_id}"), workspace=workspace)
    if form == "table":
        output.lines(output.card(rows.card(found)))
    else:
        output.emit(form, found, table=rows.table([found]))


def _check(wanted: Wanted) -> None:
    from runstone.model.query import (
        parse,
        parse_order,
    )  # loaded by the commands that need it: `--help` is quick

    # by themselves: an error then names the character as it was typed
    parse(wanted.filter)
    parse_order(wanted.order_by)


def _opened(path: Path, workspace: str | None) -> tuple[Service | None, str]:
    """The history of a place, None when there is none yet: looking does not make one."""
    from runstone.model.errors import NotFound
    from runstone.service.connect import connect  # loaded by the commands that need it: `--help` is quick

    place = options.place(path)
    name = workspace or place.workspace
    if "://" not in place.history and not (Path(place.history) / "history.db").exists():
        click.echo(f"There is no history yet at {place.history}; `runstone demo` makes one.", err=True)
        return None, name
    service = connect(place.history)
    try:
        service.workspaces.get(name)
    except NotFound:
        if workspace:
            raise
        return None, name
    return service, name


def _search(service: Service, workspace: str, wanted: Wanted) -> list[dict[str, Any]]:
    if wanted.experiment_name is not None:
        _require_experiment(service, workspace, wanted.experiment_name)
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < wanted.limit:
        page = service.runs.search(
            workspace,
            wanted.text,
            order_by=wanted.order_by,
            limit=min(PAGE, wanted.limit - len(found)),
            cursor=cursor,
        )
        if not cursor:
            output.warnings(page.warnings)
        found += [rows.document(service, one, workspace=workspace) for one in page.runs]
        cursor = page.cursor
        if cursor is None:
            break
    return found


def _require_experiment(service: Service, workspace: str, name: str) -> None:
    from runstone.model.errors import NotFound  # loaded by the commands that need it: `--help` is quick

    known = sorted({one.name for one in service.experiments.list(workspace, view="all")})
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "there is none yet"
        raise NotFound(f"There is no experiment {name!r} in the workspace {workspace!r}; {there}.")


def _state(given: str) -> str:
    # loaded by the commands that need it: `--help` is quick
    from runstone.model.query.fields import status_name
    from runstone.model.runs import Status

    if status_name(given) is None:
        raise click.UsageError(f"There is no status {given!r}; a run is {', '.join(map(str, Status))}.")
    return given


def _tagged(tag: str) -> str:
    from runstone.sdk import finding  # loaded by the commands that need it: `--help` is quick

    key, given, value = tag.partition("=")
    return finding.having("tags", {key: value.strip("'\"")} if given else key)[0]


def _unknown(run_id: str, workspace: str) -> Exception:
    from runstone.model.errors import NotFound  # loaded by the commands that need it: `--help` is quick

    return NotFound(
        f"There is no run {run_id!r} in the workspace {workspace!r}; `runstone run list` lists them."
    )
