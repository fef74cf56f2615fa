"""``runstone gc``: what was deleted long ago, counted first, and purged when somebody says so."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runstone.cli import options, output
from runstone.cli.opening import Scope
from runstone.cli.output import Output
from runstone.cli.values import size

if TYPE_CHECKING:
    from runstone.model.garbage import Garbage

DAY = 24 * 3600.0


@click.command("gc")
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="DAYS",
    help="What was deleted longer ago than so many days.",
)
@options.yes("Purge; without it, only say what would be.")
@options.scope
@options.output
@options.common
def gc(scope: Scope, out: Output, *, days: float, yes: bool) -> None:
    """Purge runs that were deleted long ago, with their files and journals; without --yes, only count them.

    Contents that nobody refers to any more go with them. A locked run stays, and so does one that has a run
    below it that stays. What was purged cannot be restored.

    \b
    runstone gc
    runstone gc --older-than 7 --yes
    """
    from runstone.model.garbage import Garbage  # loaded by the commands that need it: `--help` is quick

    opened = scope.look()
    if opened is None:
        out.show(asdict(Garbage()), card=())
        return
    purging = opened.service.purging
    found = purging.purge(older_than=days * DAY) if yes else purging.report(older_than=days * DAY)
    out.show(asdict(found), card=_told(found, yes))
    if not yes and found.runs + found.journals:
        output.note(f"Nothing was removed; `runstone gc --older-than {days:g} --yes` does it.")


def _told(found: Garbage, done: bool) -> list[str]:
    verb = "Purged" if done else "To purge"
    lines = [
        f"{verb}: {found.runs:,} deleted run{'s' * (found.runs != 1)} with {found.files:,} files "
        f"({size(found.bytes)}), {found.journals:,} journals."
    ]
    if found.contents is not None:
        lines.append(f"Contents that nobody referred to: {found.contents:,} removed.")
    return lines
