"""``runstone search``: runs of every experiment, by words or by the filter language."""

from __future__ import annotations

import click

from runstone.cli import options, output
from runstone.cli.opening import Scope
from runstone.cli.output import Output
from runstone.cli.run_list import Wanted, limited, ordered, print_runs

EXACT = 10_000


@click.command("search")
@click.argument("words", nargs=-1, required=True, metavar="TEXT|FILTER")
@click.option("--count", is_flag=True, help="Only how many there are.")
@limited
@ordered
@options.scope
@options.output
@options.common
def search(
    scope: Scope, out: Output, *, words: tuple[str, ...], count: bool, limit: int, order_by: str
) -> None:
    """Find runs of every experiment and depth: by words, or by a filter.

    \b
    runstone search cuda error 700
    runstone search "metrics.loss < 0.3 and status = completed" --order-by metrics.loss
    runstone search --count "started > now - 7d"
    """
    # loaded by the commands that need it: `--help` is quick
    from runstone.model.query import parse, parse_order

    text = " ".join(words)
    parse(text)
    parse_order(order_by)
    opened = scope.look()
    if not count:
        print_runs(out, opened, wanted=Wanted(filter=text, limit=limit, order_by=order_by))
        return
    found = opened.service.runs.count(opened.workspace, text) if opened else 0
    out.show({"count": min(found, EXACT), "more": found > EXACT})
    if found > EXACT:
        output.note(f"More than {EXACT:,}.")
