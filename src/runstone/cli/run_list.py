"""``runstone run list``, ``children`` and ``show``: the runs of a workspace, found and told of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from runstone.cli import completing, opening, options, output, rows, tables
from runstone.cli.opening import Opened, Scope
from runstone.cli.output import Output

if TYPE_CHECKING:
    from runstone.cli.queries import Query
    from runstone.model.runs import Run

LAST = 10
PAGE = 500


@dataclass(frozen=True)
class Wanted:
    """What the options of ``run list`` say."""

    experiment_name: str | None = None
    limit: int = LAST
    status: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    parent_run_id: str | None = None
    compute_target_name: str | None = None
    filter: str = ""
    order_by: str = ""

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


def limited(function: options.Function) -> options.Function:
    """``--last`` and ``--limit``: how many."""
    return click.option(
        "--last",
        "--limit",
        "limit",
        type=click.IntRange(1),
        default=LAST,
        show_default=True,
        help="At most so many.",
    )(function)


def ordered(function: options.Function) -> options.Function:
    """``--order-by``."""
    return click.option(
        "--order-by", default="", help="E.g. `metrics.accuracy desc`; newest first by default."
    )(function)


@click.command("list", short_help="List runs, newest first.")
@options.experiment("Only runs of this experiment; that of the attached folder by default.")
@click.option("--all-experiments", is_flag=True, help="Of every experiment, also in an attached folder.")
@limited
@click.option("--status", multiple=True, help="Only runs in this state, e.g. Completed; may be repeated.")
@click.option(
    "--tags",
    multiple=True,
    metavar="KEY[=VALUE]",
    shell_complete=completing.tags,
    help="Only runs with this tag; may be repeated.",
)
@click.option("--parent-run-id", shell_complete=completing.runs, help="The children of this run.")
@click.option("--pipeline-run-id", "parent_run_id", hidden=True)
@click.option("--compute-target-name", help="Only runs on this target.")
@click.option("--filter", default="", help="Only runs that match, of every depth: the filter language.")
@ordered
@click.option("--minimal", is_flag=True, help="Without metrics and files: quicker.")
@click.argument("bare", nargs=-1, metavar="[JMESPATH]")
@options.scope
@options.output
@options.common
def list_runs(
    scope: Scope, out: Output, *, bare: tuple[str, ...], minimal: bool, all_experiments: bool, **given: Any
) -> None:
    """List runs, newest first: those without a parent, unless a filter or a parent is given.

    A JMESPath query is given by --query, or as it is when it begins with [ or @.

    \b
    runstone run list -e digits --last 20
    runstone run list --status failed --tags quality
    runstone run list --filter "metrics.loss < 0.3 and params.lr = '0.01'" --order-by metrics.loss
    runstone run list -e digits "[?tags.quality=='good'].runId"
    """
    wanted = Wanted(**given)
    _check(wanted)
    out = _with_bare(out, bare)
    opened = scope.look()
    attached = wanted.experiment_name is None and wanted.parent_run_id is None and not all_experiments
    if opened is not None and wanted.parent_run_id is not None:
        wanted = replace(wanted, parent_run_id=_parent(opened, wanted.parent_run_id))
    if attached:
        wanted = _attached(wanted, scope)
    elif wanted.experiment_name is not None and opened is not None:
        opening.require_experiment(opened, wanted.experiment_name)
    count = print_runs(out, opened, wanted=wanted, minimal=minimal)
    if attached and wanted.experiment_name and not count:
        name = wanted.experiment_name
        output.note(f"This folder is attached to the experiment {name}; --all-experiments lists all.")


@click.command("children")
@options.run
@limited
@click.option("--recursive", is_flag=True, help="Those of every depth.")
@ordered
@options.scope
@options.output
@options.common
def children(scope: Scope, out: Output, *, run_id: str, recursive: bool, limit: int, order_by: str) -> None:
    """List the children of a run, newest first.

    \b
    runstone run children -r sweep-1 --order-by "metrics.loss" --limit 5
    runstone run children -r sweep-1 --recursive -o ndjson
    """
    opened = scope.open()
    record = opened.record(run_id)
    if not recursive:
        print_runs(out, opened, wanted=Wanted(parent_run_id=record.id, limit=limit, order_by=order_by))
    elif record.depth == 0:
        below = f"root = {_quoted(record.id)} and depth > 0"
        print_runs(out, opened, wanted=Wanted(filter=below, limit=limit, order_by=order_by))
    else:
        _print_branch(out, opened, record, limit=limit, order_by=order_by)


@click.command("show")
@options.run
@options.scope
@options.output
@options.common
def show(scope: Scope, out: Output, *, run_id: str) -> None:
    """Show what is known of one run.

    \b
    runstone run show -r 3f1c0a52-6d0e-4a39-b6cd-5be2a3a01f4c
    runstone run show -r 3f1c -o yaml
    runstone run show -r 3f1c --query metrics.loss
    """
    opened = scope.open()
    print_run(out, opened, record=opened.record(run_id))


def print_run(out: Output, opened: Opened, *, record: Run) -> None:
    """Print one run, as a card on a terminal."""
    found = rows.document(opened.service, record, workspace=opened.workspace)
    out.show(found, card=tables.card(rows.card(found)))


def print_runs(out: Output, opened: Opened | None, *, wanted: Wanted, minimal: bool = False) -> int:
    """Print the runs that are wanted, page by page; how many there were."""
    found = _documents(opened, wanted, minimal) if opened else iter(())
    count = out.each(found, table=lambda block: rows.table(block, wanted.order_by), none="No runs.")
    if out.query is not None and count == wanted.limit:
        output.note(f"The query has seen the first {count} runs; --last N has it see more.")
    return count


def _print_branch(out: Output, opened: Opened, record: Run, *, limit: int, order_by: str) -> None:
    if order_by:
        raise click.UsageError("--recursive with --order-by is for a run at the top of its tree.")
    below = opened.run(record.id).get_children(recursive=True)
    records = (run._record for run in itertools.islice(below, limit))
    found = (rows.document(opened.service, one, workspace=opened.workspace) for one in records)
    out.each(found, table=rows.table, none="No runs.")


def _quoted(text: str) -> str:
    from runstone.sdk import finding  # loaded by the commands that need it: `--help` is quick

    return finding.quoted(text)


def _with_bare(out: Output, bare: Sequence[str]) -> Output:
    if not bare:
        return out
    from runstone.cli.queries import parsed  # loaded by who asks

    text = " ".join(bare)
    if not text.startswith(("[", "@")):
        raise click.UsageError(
            f"Got unexpected extra argument ({text}); a JMESPath query begins with [ or @."
        )
    if out.query is not None:
        raise click.UsageError("Give one query, by --query or as it is.")
    query: Query = parsed(text)
    return replace(out, query=query)


def _attached(wanted: Wanted, scope: Scope) -> Wanted:
    """With the experiment of the attached folder, if it names one; one that has no runs yet is no error."""
    name = scope.place.attached
    return replace(wanted, experiment_name=name) if name else wanted


def _parent(opened: Opened, given: str) -> str:
    from runstone.model.errors import Gone  # loaded by the commands that need it: `--help` is quick

    try:
        return opened.record(given).id
    except Gone:
        # its children can still be asked for
        return given


def _documents(opened: Opened, wanted: Wanted, minimal: bool) -> Iterator[Mapping[str, Any]]:
    left = wanted.limit
    cursor: str | None = None
    while left:
        page = opened.service.runs.search(
            opened.workspace,
            wanted.text,
            order_by=wanted.order_by,
            limit=min(PAGE, left),
            cursor=cursor,
        )
        if not cursor:
            output.warnings(page.warnings)
        yield from rows.documents(opened.service, page.runs, workspace=opened.workspace, minimal=minimal)
        left -= len(page.runs)
        cursor = page.cursor
        if cursor is None:
            return


def _check(wanted: Wanted) -> None:
    # loaded by the commands that need it: `--help` is quick
    from runstone.model.query import parse, parse_order

    # by themselves: an error then names the character as it was typed
    parse(wanted.filter)
    parse_order(wanted.order_by)


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
    return finding.having("tags", {key: options.unquoted(value)} if given else key)[0]
